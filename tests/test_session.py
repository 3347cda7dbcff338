"""What a command on a project begins with."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from support.leftovers import nothing_is_left
from support.packages import make_lock, make_package
from support.work import counted_work

from pmpipe.changing.change_resolver import Action
from pmpipe.errors import FilesystemError, LockfileError, ManifestError
from pmpipe.project.find_project import find_project
from pmpipe.resolving.change_order import Wish, change_order
from pmpipe.session import Session
from pmpipe.store import Store

REGISTRY = "https://registry.example"


@dataclass
class Place:
    """A project with one dependency and one workspace, a home and a store."""

    base: Path
    environ: dict[str, str] = field(default_factory=dict)

    @property
    def folder(self) -> Path:
        return self.base / "app"

    def write(self, path: str, document: Any) -> None:
        file = self.folder / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(document if isinstance(document, str) else json.dumps(document, indent=2))

    def session(self, **flags: object) -> Session:
        return Session.open({"store-dir": f"{self.base}/store", **flags}, self.environ, str(self.folder))


@pytest.fixture
def place(tmp_path: Path) -> Place:
    one = Place(tmp_path)
    root = {"name": "app", "version": "1.0.0", "dependencies": {"left": "1.0.0"}, "workspaces": ["packages/*"]}
    one.write("package.json", root)
    one.write("packages/x/package.json", {"name": "x", "version": "1.0.0"})
    lock: dict[str, Any] = {
        "node_modules/left": make_package("left", "1.0.0"),
        "node_modules/x": {"resolved": "packages/x", "link": True},
        "packages/x": {"version": "1.0.0"},
    }
    one.write("package-lock.json", make_lock(root, lock, REGISTRY))
    (tmp_path / "bin").mkdir()
    one.environ.update(HOME=f"{tmp_path}/home", PATH=f"{tmp_path}/bin")
    return one


# -- where the project is -----------------------------------------------------------------------------------------


def test_the_prefix_says_where_the_project_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert find_project({"prefix": "x/../y"}) == f"{tmp_path}/y"


@pytest.mark.parametrize("marker", ["package.json", "node_modules/x"])
def test_the_nearest_folder_upwards_is_the_project(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, marker: str
) -> None:
    (tmp_path / "app" / marker).parent.mkdir(parents=True)
    (tmp_path / "app" / marker).write_text("{}")
    (tmp_path / "app/deep/deeper").mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "app/deep/deeper")
    assert find_project({}) == f"{tmp_path}/app"


def test_without_a_project_upwards_it_is_the_working_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    if any((folder / name).exists() for folder in tmp_path.parents for name in ("package.json", "node_modules")):
        pytest.skip("a project is around the temporary folder")
    monkeypatch.chdir(tmp_path)
    assert find_project({}) == str(tmp_path)


def test_a_working_folder_that_was_deleted_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    with pytest.raises(FilesystemError, match="working folder"):
        find_project({})


# -- the lockfile -------------------------------------------------------------------------------------------------


def test_a_shrinkwrap_counts_before_a_package_lock(place: Place) -> None:
    place.write("npm-shrinkwrap.json", (place.folder / "package-lock.json").read_text())
    assert place.session().lock_file == "npm-shrinkwrap.json"


def test_an_empty_lockfile_is_none(place: Place) -> None:
    place.write("npm-shrinkwrap.json", "")
    assert place.session().lock_file == "package-lock.json"


def test_no_lockfile_is_told_by_what_needs_one(place: Place) -> None:
    (place.folder / "package-lock.json").unlink()
    session = place.session()
    assert (session.lock_file, session.lock) == ("package-lock.json", b"")
    with pytest.raises(LockfileError, match=r"there is no package-lock\.json"):
        _ = session.locked


def test_no_project_is_told(place: Place) -> None:
    (place.folder / "package-lock.json").unlink()
    (place.folder / "package.json").unlink()
    with pytest.raises(ManifestError, match=r"there is no package\.json"):
        place.session()


# -- what the tree is remembered under ----------------------------------------------------------------------------


def test_equal_projects_have_equal_keys(place: Place) -> None:
    assert place.session().tree_key == place.session().tree_key


def test_a_home_whose_name_is_not_utf8_has_a_key_too(place: Place) -> None:
    before = place.session().tree_key
    place.environ["HOME"] = f"{place.base}/\udcff"
    assert place.session().tree_key != before


def add_node(place: Place) -> None:
    (place.base / "bin/node").write_text("#!/bin/sh\n")
    (place.base / "bin/node").chmod(0o755)


def change_lock_by_a_byte(place: Place) -> None:
    path = place.folder / "package-lock.json"
    path.write_text(path.read_text() + " ")


def rename_lock(place: Place) -> None:
    (place.folder / "package-lock.json").rename(place.folder / "npm-shrinkwrap.json")


CHANGES: dict[str, Callable[[Place], Any]] = {
    "a byte of the lockfile": change_lock_by_a_byte,
    "the lockfile's name": rename_lock,
    "the root's package.json": lambda place: place.write("package.json", {"name": "app"}),
    "node": add_node,
    "home": lambda place: place.environ.update(HOME=f"{place.base}/other"),
    "NODE_ENV": lambda place: place.environ.update(NODE_ENV="production"),
    "omit in an .npmrc": lambda place: place.write(".npmrc", "omit=dev\n"),
}


@pytest.mark.parametrize("change", CHANGES)
def test_the_key_is_another_after_a_change_of(place: Place, change: str) -> None:
    before = place.session().tree_key
    CHANGES[change](place)
    assert place.session().tree_key != before


def test_another_node_in_the_same_place_makes_another_key(place: Place) -> None:
    add_node(place)
    before = place.session().tree_key
    node = place.base / "bin/node"
    node.unlink()
    node.write_text("#!/bin/sh\n# another version\n")
    node.chmod(0o755)
    assert place.session().tree_key != before


@pytest.mark.parametrize("is_link", [False, True], ids=["a script", "a link to one program for all names"])
def test_another_version_that_a_version_manager_chooses_makes_another_key(place: Place, *, is_link: bool) -> None:
    chooser = place.base / ("bin/manager" if is_link else "bin/node")
    chooser.write_text(f"#!/bin/sh\nread version < {place.base}/chosen\necho $version\n")
    chooser.chmod(0o755)
    if is_link:
        (place.base / "bin/node").symlink_to("manager")
    (place.base / "chosen").write_text("v20.0.0\n")
    before = place.session().tree_key
    (place.base / "chosen").write_text("v22.0.0\n")
    assert place.session().tree_key != before


@pytest.mark.parametrize(
    "flags",
    [
        {"omit": ["dev"]},
        {"include": ["dev"]},
        {"os": "aix"},
        {"cpu": "s390x"},
        {"libc": "musl"},
        {"legacy-peer-deps": True},
        {"strict-peer-deps": True},
        {"force": True},
        {"engine-strict": True},
    ],
    ids=str,
)
def test_settings_that_decide_what_is_wanted_make_another_key(place: Place, flags: dict[str, object]) -> None:
    assert place.session(**flags).tree_key != place.session().tree_key


@pytest.mark.parametrize("flags", [{"json": True}, {"offline": True}, {"clone-method": "copy"}], ids=str)
def test_settings_of_how_it_is_done_do_not(place: Place, flags: dict[str, object]) -> None:
    assert place.session(**flags).tree_key == place.session().tree_key


# -- the wanted tree ----------------------------------------------------------------------------------------------


def trees_in(store: Store) -> list[str]:
    folder = f"{store.folder}/trees"
    return os.listdir(folder) if os.path.isdir(folder) else []


def test_a_tree_that_was_worked_out_is_remembered(place: Place, store: Store) -> None:
    wanted = place.session().wanted(store)
    assert [package.location for package in wanted.tree.packages] == ["node_modules/left", "node_modules/x"]
    assert len(trees_in(store)) == 1
    assert place.session().wanted(store).tree == wanted.tree


def test_a_remembered_tree_is_taken_without_reading_the_project(place: Place, store: Store) -> None:
    place.session().wanted(store)
    session = place.session()
    session.wanted(store)
    assert "locked" not in vars(session)


def test_a_new_workspace_is_seen_although_a_tree_is_remembered(place: Place, store: Store) -> None:
    place.session().wanted(store)
    place.write("packages/y/package.json", {"name": "y", "version": "1.0.0"})
    with pytest.raises(LockfileError, match="y"):
        place.session().wanted(store)


def test_a_tree_that_depends_on_a_folder_of_executables_is_not_remembered(place: Place, store: Store) -> None:
    manifest = {"name": "x", "version": "1.0.0", "directories": {"bin": "cmds"}}
    place.write("packages/x/package.json", manifest)
    place.write("packages/x/cmds/one", "#!/bin/sh\n")
    first = place.session().wanted(store).tree
    assert [dict(bins.bins) for bins in first.bins] == [{"one": "cmds/one"}]
    assert trees_in(store) == []
    place.write("packages/x/cmds/two", "#!/bin/sh\n")
    assert [sorted(dict(bins.bins)) for bins in place.session().wanted(store).tree.bins] == [["one", "two"]]


def test_a_tree_is_worked_out_where_it_cannot_be_remembered(place: Place, store: Store) -> None:
    Path(store.folder, "trees").write_text("in the way")
    session = place.session()
    assert len(session.wanted(store).tree.packages) == 2


def test_who_requires_what_is_told_although_a_tree_is_remembered(place: Place, store: Store) -> None:
    place.session().wanted(store)
    wanted = place.session().wanted(store)
    assert "app" in wanted.required_by("node_modules/left")
    assert "node_modules/left" in wanted.left_out_with("node_modules/left")


# -- done ---------------------------------------------------------------------------------------------------------


def install_by_hand(place: Place) -> None:
    (place.folder / "node_modules/left").mkdir(parents=True)
    (place.folder / "node_modules/x").symlink_to("../packages/x")
    place.write("node_modules/.package-lock.json", "{}")


def test_a_project_is_done_after_it_was_noted(place: Place, store: Store) -> None:
    install_by_hand(place)
    session = place.session()
    assert not session.is_done()
    session.wanted(store)
    session.note_done(store)
    assert place.session().is_done()
    assert not place.session(omit=["dev"]).is_done()
    assert session.warnings == []


def test_a_record_that_cannot_be_written_is_a_warning(place: Place, store: Store) -> None:
    install_by_hand(place)
    session = place.session()
    session.wanted(store)
    Path(store.folder, "projects").write_text("in the way")
    session.note_done(store)
    assert ["could not record the install" in warning for warning in session.warnings] == [True]
    assert not place.session().is_done()


def test_an_unfinished_tree_is_not_noted(place: Place, store: Store) -> None:
    session = place.session()
    session.wanted(store)
    session.note_done(store)
    assert not os.path.exists(f"{store.folder}/projects")


# -- working ahead ------------------------------------------------------------------------------------------------


def test_what_is_worked_out_ahead_is_remembered_and_is_the_same(place: Place, store: Store) -> None:
    expected = place.session().locked.tree
    session = place.session()
    with session.working_ahead(print):
        session.lock = b"no lockfile any more, so that nothing can be worked out again"
        assert session.child is not None
        assert session.wanted(store).tree == expected
        assert session.child is None


def test_a_lock_that_cannot_be_used_is_told_after_working_ahead(place: Place, store: Store) -> None:
    place.write("package-lock.json", "{")
    session = place.session()
    with session.working_ahead(print), pytest.raises(LockfileError):
        session.wanted(store)


def test_nobody_works_out_what_is_remembered(place: Place, store: Store) -> None:
    place.session().wanted(store)
    session = place.session()
    with session.working_ahead(print):
        assert session.child is None


def test_a_failure_meanwhile_ends_the_child(place: Place) -> None:
    with nothing_is_left(), pytest.raises(ZeroDivisionError), place.session().working_ahead(print):
        1 / 0  # noqa: B018


# -- the hidden lockfile ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("indent", "newline"), [(2, "\n"), ("\t", "\n"), (4, "\r\n")])
def test_the_hidden_lockfile_has_the_layout_of_package_json(
    place: Place, store: Store, indent: int | str, newline: str
) -> None:
    listed = place.session().wanted(store).tree.listed()
    before = place.session().hidden_lockfile(listed)
    manifest = json.loads((place.folder / "package.json").read_text())
    place.write("package.json", json.dumps(manifest, indent=indent).replace("\n", newline))
    text = place.session().hidden_lockfile(listed).decode()
    assert json.loads(text) == json.loads(before)
    assert text == (json.dumps(json.loads(before), indent=indent) + "\n").replace("\n", newline)


def test_the_hidden_lockfile_says_as_little_about_registries_as_npm_s_would(place: Place, store: Store) -> None:
    listed = place.session().wanted(store).tree.listed()
    registry = REGISTRY.encode()
    assert registry in place.session().hidden_lockfile(listed)
    text = place.session(**{"omit-lockfile-registry-resolved": True}).hidden_lockfile(listed)
    assert registry not in text
    assert b'"resolved": "packages/x"' in text


# -- folders of workspaces ----------------------------------------------------------------------------------------


def test_a_run_looks_once_into_each_folder_for_workspaces(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    real, listed = os.scandir, []

    def scandir(path: str) -> Any:
        listed.append(os.path.relpath(path, place.folder))
        return real(path)

    monkeypatch.setattr(os, "scandir", scandir)
    session = place.session()
    change_order(Wish(Action.ADD, ["right"], str(place.folder)), session)
    session.adopt(session.lock)
    store = session.store()
    store.open()
    session.wanted(store)
    session.remember(store)
    session.adopt(session.lock)
    assert session.wanted(store).tree.workspaces == ("packages/x",)
    store.close()
    assert listed.count("packages") == 1


def test_what_is_left_out_with_a_package_costs_nothing_for_each_of_the_others(place: Place) -> None:
    def calls(count: int) -> int:
        names = [f"p{number:03}" for number in range(count)]
        root = {"name": "app", "version": "1.0.0", "optionalDependencies": dict.fromkeys(names, "1.0.0")}
        place.write("package.json", root)
        inner = "node_modules/p000/node_modules/in"
        lock: dict[str, Any] = {f"node_modules/{name}": make_package(name, "1.0.0") for name in names}
        lock["node_modules/p000"] = make_package("p000", "1.0.0", dependencies={"in": "1.0.0"})
        lock[inner] = make_package("in", "1.0.0")
        place.write("package-lock.json", make_lock(root, lock, REGISTRY))
        locked = place.session().locked
        with counted_work() as seen:
            gone = locked.left_out_with("node_modules/p000")
        assert gone == {"node_modules/p000", inner}
        return seen["call"]

    calls(1)
    assert calls(200) < calls(100) + 20
