"""A lock that satisfies the package.json files, and would be written differently: `install` writes it anew, as npm."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable
from typing import Any

import pytest
from support.packages import make_package
from support.project import Project
from support.registry import PackageRegistry

Manifest = dict[str, Any]

DEPENDENCIES = {"alpha": "1.0.0", "beta": "^1.0.0"}


def _remove(manifest: Manifest) -> None:
    del manifest["dependencies"]["alpha"]


def _widen(manifest: Manifest) -> None:
    manifest["dependencies"]["beta"] = "*"


def _raise_version(manifest: Manifest) -> None:
    manifest["version"] = "1.1.0"


def _move(manifest: Manifest) -> None:
    manifest["devDependencies"] = {"alpha": manifest["dependencies"].pop("alpha")}


CHANGES: list[Callable[[Manifest], None]] = [_remove, _widen, _raise_version, _move]

#: Fields that a lock repeats, though nothing is installed differently because of them.
FIELDS: list[Manifest] = [
    {"license": {"type": "MIT"}, "funding": "https://fund.example"},
    {"engines": {"node": ">=10"}, "os": ["linux"]},
    {"bin": "./cli.js", "peerDependenciesMeta": {"alpha": {"optional": True}}},
    {"devDependencies": {}},
    {"scripts": {"postinstall": "true"}},
    {"bundledDependencies": ["beta"]},
]


@pytest.fixture
def locked(project: Project) -> Project:
    """A project with workspaces that is installed and in step."""
    project.declare(
        make_package("alpha", "1.0.0", dependencies={"gamma": "1"}),
        make_package("beta", "1.0.0"),
        make_package("gamma", "1.0.0"),
        dependencies=DEPENDENCIES,
        workspaces=["packages/*"],
    )
    project.write(
        "packages/w/package.json", json.dumps({"name": "w", "version": "1.0.0", "dependencies": {"beta": "1"}})
    )
    project.succeeds("install")
    return project


def change(project: Project, how: Callable[[Manifest], None], path: str = "package.json") -> None:
    manifest = json.loads((project.folder / path).read_text())
    how(manifest)
    project.write(path, json.dumps(manifest, indent=2) + "\n")


def lock_text(project: Project) -> str:
    return (project.folder / "package-lock.json").read_text()


def npm_lock(project: Project) -> str:
    """What npm makes of the lock as it stands."""
    project.npm("install", "--package-lock-only")
    return (project.folder / "package-lock.json").read_text()


@pytest.mark.npm
@pytest.mark.parametrize("how", CHANGES)
def test_install_writes_the_lock_as_npm_does_after_a_change_that_the_lock_satisfies(
    locked: Project, how: Callable[[Manifest], None]
) -> None:
    former = (locked.folder / "package-lock.json").read_text()
    change(locked, how)
    locked.succeeds("install")
    ours = (locked.folder / "package-lock.json").read_text()
    locked.write("package-lock.json", former)
    assert ours == npm_lock(locked)
    assert ours != former


@pytest.mark.npm
@pytest.mark.parametrize(("key", "value"), [("name", "other"), ("version", "0.9.0"), ("version", None)])
def test_install_corrects_name_and_version_that_a_lock_begins_with_as_npm_does(
    locked: Project, key: str, value: str | None
) -> None:
    right = (locked.folder / "package-lock.json").read_text()
    document = {**locked.lock, key: value}
    wrong = json.dumps({name: member for name, member in document.items() if member is not None}, indent=2)
    locked.write("package-lock.json", wrong)
    locked.succeeds("ci")
    assert (locked.folder / "package-lock.json").read_text() == wrong
    locked.succeeds("install")
    assert (locked.folder / "package-lock.json").read_text() == right
    locked.write("package-lock.json", wrong)
    assert npm_lock(locked) == right


def test_a_lock_of_a_project_without_a_name_may_begin_with_any(project: Project) -> None:
    project.write("package.json", "{}")
    text = json.dumps({"name": "clone", "lockfileVersion": 3, "requires": True, "packages": {"": {}}}, indent=2) + "\n"
    project.write("package-lock.json", text)
    project.succeeds("install")
    assert (project.folder / "package-lock.json").read_text() == text


#: What somebody may have done to the flags of a lock: entry, flag, and what it says then.
WRONG_FLAGS = [
    ("node_modules/alpha", "dev", True),
    ("node_modules/gamma", "optional", True),
    ("node_modules/gamma", "devOptional", True),
    ("node_modules/beta", "peer", True),
    ("node_modules/delta", "dev", None),
    ("node_modules/delta", "devOptional", True),
    ("node_modules/epsilon", "devOptional", None),
    ("node_modules/zeta", "peer", None),
]


@pytest.mark.npm
@pytest.mark.parametrize(("path", "flag", "value"), WRONG_FLAGS)
def test_install_corrects_flags_as_npm_does(locked: Project, path: str, flag: str, value: bool | None) -> None:
    locked.registry.publish(
        make_package("delta", "1.0.0", dependencies={"epsilon": "1"}, peerDependencies={"zeta": "1"}),
        make_package("epsilon", "1.0.0"),
        make_package("zeta", "1.0.0"),
        make_package("eta", "1.0.0", dependencies={"epsilon": "1"}),
    )
    locked.succeeds("add", "-D", "delta")
    locked.succeeds("add", "-O", "eta")
    right = (locked.folder / "package-lock.json").read_text()
    assert locked.succeeds("install").stdout.startswith("up to date")
    lock = json.loads(right)
    assert lock["packages"][path].pop(flag, None) != value
    if value is not None:
        lock["packages"][path][flag] = value
    wrong = json.dumps(lock, indent=2)
    locked.write("package-lock.json", wrong)
    locked.succeeds("ci")
    assert (locked.folder / "package-lock.json").read_text() == wrong
    hidden = (locked.folder / "node_modules/.package-lock.json").read_text()
    locked.npm("ci")
    assert (locked.folder / "node_modules/.package-lock.json").read_text() == hidden
    locked.succeeds("install")
    assert (locked.folder / "package-lock.json").read_text() == right
    assert locked.succeeds("install").stdout.startswith("up to date: ")
    locked.write("package-lock.json", wrong)
    assert npm_lock(locked) == right


@pytest.mark.npm
def test_install_writes_the_lock_as_npm_does_after_a_change_of_a_workspace(locked: Project) -> None:
    former = (locked.folder / "package-lock.json").read_text()
    change(locked, lambda manifest: manifest.pop("dependencies"), "packages/w/package.json")
    locked.succeeds("install")
    ours = (locked.folder / "package-lock.json").read_text()
    locked.write("package-lock.json", former)
    assert ours == npm_lock(locked)
    assert ours != former


@pytest.mark.npm
@pytest.mark.parametrize("path", ["package.json", "packages/w/package.json"])
@pytest.mark.parametrize("fields", FIELDS)
def test_install_brings_what_a_lock_repeats_of_a_package_json_up_to_date(
    locked: Project, fields: Manifest, path: str
) -> None:
    former = (locked.folder / "package-lock.json").read_text()
    change(locked, lambda manifest: manifest.update(fields), path)
    locked.succeeds("install", "--ignore-scripts")
    ours = (locked.folder / "package-lock.json").read_text()
    locked.write("package-lock.json", former)
    assert ours == npm_lock(locked)
    assert ours != former
    assert "nothing to do" in locked.succeeds("install", "--ignore-scripts").stdout
    change(locked, lambda manifest: [manifest.pop(key) for key in fields], path)
    locked.succeeds("install", "--ignore-scripts")
    assert (locked.folder / "package-lock.json").read_text() == former


@pytest.mark.npm
@pytest.mark.parametrize("where", ["lib", "../lib"])
@pytest.mark.parametrize(
    "fields", [{"name": "other"}, {"version": "1.1.0"}, {"dependencies": {"gamma": "1"}}, {"license": "MIT"}]
)
def test_a_change_of_a_linked_folder_comes_into_the_lock(locked: Project, where: str, fields: Manifest) -> None:
    lib = {"name": "lib", "version": "1.0.0"}
    locked.write(f"{where}/package.json", json.dumps(lib))
    locked.succeeds("install", f"file:{where}")
    former = (locked.folder / "package-lock.json").read_text()
    locked.write(f"{where}/package.json", json.dumps({**lib, **fields}))
    locked.succeeds("install")
    ours = (locked.folder / "package-lock.json").read_text()
    locked.write("package-lock.json", former)
    assert ours == npm_lock(locked)
    assert ours != former


def test_an_optional_peer_of_the_wrong_version_is_looked_at_anew(project: Project) -> None:
    """Npm's `install` sees the conflict, too, and its `ci` takes such a lock."""
    for version in ("1.0.0", "2.0.0"):
        project.registry.publish(make_package("peer", version))
    user = make_package(
        "user", "1.0.0", peerDependencies={"peer": "2"}, peerDependenciesMeta={"peer": {"optional": True}}
    )
    project.want({"node_modules/user": user, "node_modules/peer": make_package("peer", "1.0.0")})
    project.succeeds("ci")
    assert "PM_PEER_CONFLICT" in project.fails("install").stderr
    project.succeeds("install", "--frozen-lockfile")
    project.succeeds("install", "--legacy-peer-deps")


def test_what_was_taken_out_of_package_json_goes_from_lock_and_tree(locked: Project) -> None:
    change(locked, _remove)
    locked.succeeds("install")
    assert not (locked.folder / "node_modules/alpha").exists()
    assert "node_modules/gamma" not in locked.lock["packages"]
    assert "nothing to do" in locked.succeeds("install").stdout


@pytest.mark.parametrize("words", [("ci",), ("install", "--frozen-lockfile"), ("install", "--no-package-lock")])
def test_a_run_that_may_not_change_the_lock_takes_it_as_it_is(locked: Project, words: tuple[str, ...]) -> None:
    former = (locked.folder / "package-lock.json").read_text()
    change(locked, _remove)
    locked.succeeds(*words)
    assert (locked.folder / "package-lock.json").read_text() == former
    assert not (locked.folder / "node_modules/alpha").exists()


def test_an_install_after_a_ci_still_writes_the_lock_anew(locked: Project) -> None:
    change(locked, _remove)
    locked.succeeds("ci")
    locked.succeeds("install")
    assert "node_modules/alpha" not in locked.lock["packages"]


def test_what_hides_the_right_version_from_a_workspace_goes(project: Project) -> None:
    """npm keeps it, in a lock that npm itself calls invalid."""
    project.declare(*(make_package("lib", f"{n}.0.0") for n in (1, 2)), workspaces=["packages/*"])
    for name, wanted in (("a", "1"), ("b", "2")):
        manifest = {"name": name, "version": "1.0.0", "dependencies": {"lib": wanted}}
        project.write(f"packages/{name}/package.json", json.dumps(manifest))
    project.succeeds("install")
    assert project.lock["packages"]["packages/b/node_modules/lib"]["version"] == "2.0.0"
    change(project, lambda manifest: manifest["dependencies"].update(lib="1"), "packages/b/package.json")
    project.succeeds("install")
    assert "packages/b/node_modules/lib" not in project.lock["packages"]
    assert not (project.folder / "packages/b/node_modules/lib").exists()
    project.succeeds("ci")


@pytest.mark.npm
@pytest.mark.parametrize("path", ["", "packages/w"])
@pytest.mark.parametrize("is_in_both", [False, True])
def test_what_a_lock_has_as_optional_and_besides_is_written_anew_as_npm_does_it(
    locked: Project, path: str, is_in_both: bool
) -> None:
    """npm itself writes such locks when it adds something that is optional already."""

    def make_optional(manifest: Manifest) -> None:
        manifest["optionalDependencies"] = {"beta": "1"}
        if not is_in_both:
            del manifest["dependencies"]["beta"]

    change(locked, make_optional, f"{path}/package.json".lstrip("/"))
    locked.succeeds("install")
    in_step = lock_text(locked)
    assert in_step == npm_lock(locked)
    assert "nothing to do" in locked.succeeds("install").stdout
    kept = locked.lock["packages"][path].get("dependencies", {})
    locked.change_lock(path, dependencies={**kept, "beta": "1"})
    locked.succeeds("install")
    assert lock_text(locked) == in_step


@pytest.mark.parametrize("kind", ["dependencies", "peerDependencies"])
@pytest.mark.parametrize("old", [None, "1.0.0"])
def test_install_completes_what_a_workspaces_packages_lack_in_the_lock(
    project: Project, kind: str, old: str | None
) -> None:
    """npm looks no further than the workspace itself, and leaves the lock, and what is installed, as it is."""
    needy = make_package("needy", "1.0.0", **{kind: {"lacking": "2"}})
    project.write("w/package.json", json.dumps({"name": "w", "version": "1.0.0", "dependencies": {"needy": "1"}}))
    project.declare(needy, make_package("lacking", "2.0.0"), workspaces=["w"])
    project.succeeds("install", "--package-lock-only")
    complete = project.lock
    lock = project.lock
    del lock["packages"]["node_modules/lacking"]
    if old:
        former = make_package("lacking", old)
        project.registry.publish(former)
        lock["packages"]["node_modules/lacking"] = former.lock_entry(project.registry.url)
    project.write("package-lock.json", json.dumps(lock, indent=2) + "\n")
    told = project.succeeds("ci").stderr
    assert re.search(r"warning: .*lacking@2.* \(required by app > w@1.0.0 > needy@1.0.0\)", told)
    assert "warning: `pmpipe install` completes package-lock.json; npm leaves it so" in told
    assert (project.folder / "node_modules/lacking").is_dir() == bool(old)
    project.succeeds("install")
    assert project.lock == complete
    assert (project.folder / "node_modules/lacking").is_dir()
    assert "nothing to do" in project.succeeds("install").stdout
    project.succeeds("ci")


def test_an_override_that_came_after_the_lock_holds_below_a_workspace_once_it_was_installed(project: Project) -> None:
    """With npm it never does, and its `ci` takes the lock."""
    project.write("w/package.json", json.dumps({"name": "w", "version": "1.0.0", "dependencies": {"mid": "1"}}))
    mid = make_package("mid", "1.0.0", dependencies={"leaf": "1"})
    old, new = make_package("leaf", "1.0.0"), make_package("leaf", "2.0.0")
    project.declare(mid, old, workspaces=["w"])
    project.succeeds("install")
    project.declare(new, workspaces=["w"], overrides={"leaf": "2.0.0"})
    for command, flags in (("ci", ()), ("install", ("--frozen-lockfile",))):
        assert "leaf@1.0.0 does not satisfy leaf@2.0.0" in project.succeeds(command, *flags).stderr
        assert project.lock["packages"]["node_modules/leaf"]["version"] == "1.0.0"
    project.succeeds("install")
    assert project.lock["packages"]["node_modules/leaf"]["version"] == "2.0.0"
    assert "warning" not in project.succeeds("ci").stderr


def test_peers_of_workspaces_that_contradict_each_other_are_let_pass_each_time(project: Project) -> None:
    """As npm does, which makes such a lock: what one workspace has for a peer does not suit the other's package."""
    needy = make_package("needy", "1.0.0", peerDependencies={"peer": "2"})
    project.write("one/package.json", json.dumps({"name": "one", "dependencies": {"needy": "1"}}))
    project.write("two/package.json", json.dumps({"name": "two", "peerDependencies": {"peer": "1"}}))
    project.declare(needy, make_package("peer", "2.0.0"), make_package("peer", "1.0.0"), workspaces=["one", "two"])
    assert "peer@2, and gets peer@1.0.0" in project.succeeds("install").stderr
    made = project.lock
    assert made["packages"]["node_modules/peer"]["version"] == "1.0.0"
    assert "peer@1.0.0 does not satisfy peer@2" in project.succeeds("ci").stderr
    assert "nothing to do" in project.succeeds("install").stdout
    project.write("one/package.json", json.dumps({"name": "one", "version": "1.0.0", "dependencies": {"needy": "1"}}))
    assert "peer@2, and gets peer@1.0.0" in project.succeeds("install").stderr
    assert project.lock["packages"].keys() == made["packages"].keys()
    assert "peer@1.0.0 does not satisfy peer@2" in project.fails("ci", "--strict-peer-deps").stderr


def test_peers_of_a_workspaces_package_that_the_project_contradicts_are_let_pass_each_time(project: Project) -> None:
    """As npm does: the project's own dependency came later, and the lock is good enough to go on from."""
    needy = make_package("needy", "1.0.0", peerDependencies={"peer": "2"})
    workspace = {"name": "w", "version": "1.0.0", "dependencies": {"needy": "1"}}
    project.write("w/package.json", json.dumps(workspace))
    project.declare(needy, make_package("peer", "2.0.0"), make_package("peer", "1.0.0"), workspaces=["w"])
    project.succeeds("install")
    assert project.lock["packages"]["node_modules/peer"]["version"] == "2.0.0"
    project.declare(workspaces=["w"], dependencies={"peer": "1"})
    project.succeeds("install")
    made = project.lock
    assert made["packages"]["node_modules/peer"]["version"] == "1.0.0"
    project.write("w/package.json", json.dumps({**workspace, "version": "1.1.0"}))
    assert "peer@2, and gets peer@1.0.0" in project.succeeds("install").stderr
    assert project.lock["packages"].keys() == made["packages"].keys()
    assert "peer@1.0.0 does not satisfy peer@2" in project.succeeds("ci").stderr
    assert "nothing to do" in project.succeeds("install").stdout
    assert "peer@1.0.0 does not satisfy peer@2" in project.fails("ci", "--strict-peer-deps").stderr
    project.write("w/package.json", json.dumps({**workspace, "version": "1.2.0"}))
    assert "cannot place peer@2.0.0" in project.fails("install", "--strict-peer-deps").stderr


def test_a_lock_loses_its_urls_when_they_are_not_wanted(project: Project) -> None:
    project.want({"node_modules/alpha": make_package("alpha", "1.0.0")}, dependencies={"alpha": "1"})
    project.succeeds("install")
    assert "resolved" in project.lock["packages"]["node_modules/alpha"]
    project.write(".npmrc", "omit-lockfile-registry-resolved=true\n")
    project.succeeds("ci")
    assert "resolved" in project.lock["packages"]["node_modules/alpha"]
    project.succeeds("install", "--offline")
    assert "resolved" not in project.lock["packages"]["node_modules/alpha"]
    assert "nothing to do" in project.succeeds("install").stdout


def test_stale_flags_in_the_hidden_lockfile_are_put_right(project: Project) -> None:
    project.declare(make_package("alpha", "1.0.0"), devDependencies={"alpha": "1"})
    project.succeeds("install")
    hidden = project.folder / "node_modules/.package-lock.json"
    right = hidden.read_text()
    hidden.write_text(right.replace('      "dev": true,\n', ""))
    assert "nothing to do" in project.succeeds("install").stdout
    assert hidden.read_text() == right


def test_an_optional_peer_that_does_not_fit_below_a_workspace_is_let_be(
    project: Project, registry: PackageRegistry
) -> None:
    user = make_package(
        "user", "1.0.0", peerDependencies={"peer": "2"}, peerDependenciesMeta={"peer": {"optional": True}}
    )
    project.write("w/package.json", '{"name": "w", "version": "1.0.0", "dependencies": {"user": "1"}}')
    peers = [make_package("peer", version) for version in ("1.0.0", "2.0.0")]
    project.declare(user, *peers, devDependencies={"peer": "1"}, workspaces=["w"])
    project.succeeds("install")
    assert "w/node_modules/peer" in project.lock["packages"]
    project.succeeds("install")
    assert "w/node_modules/peer" not in project.lock["packages"]
    # now the one that the project develops with is all that the other one finds, and npm's flags say so
    project.succeeds("install")
    assert project.lock["packages"]["node_modules/peer"]["devOptional"]
    asked = len(registry.requests)
    shutil.rmtree(project.store)
    project.succeeds("install", "--package-lock-only")
    assert len(registry.requests) == asked
