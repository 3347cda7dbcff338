"""node_modules is changed as a whole or not at all."""

from __future__ import annotations

import errno
import os
import subprocess
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from itertools import count
from pathlib import Path

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.snapshot import Snapshot, snapshot

from pmpipe.errors import FilesystemError
from pmpipe.system.whole_file import write_whole
from pmpipe.tree import transaction
from pmpipe.tree.transaction import JOURNAL, Exchange, Journal, ModulesFolder
from stages.remove import remove_tree

TREE = {
    "a/index.js": "a",
    "a/node_modules/b/index.js": "b in a",
    "b/index.js": "b",
    "@s/c/index.js": "c",
    ".bin/a": "-> ../a/index.js",
    ".package-lock.json": "{}",
}


@pytest.fixture
def modules(tmp_path: Path) -> Path:
    """A node_modules folder with packages in it."""
    return fill(tmp_path / "project/node_modules", TREE)


@pytest.fixture
def staging(tmp_path: Path) -> str:
    folder = tmp_path / "store/v1/staging"
    folder.mkdir(parents=True)
    return str(folder)


@pytest.fixture
def mounted(tmp_path: Path) -> Iterator[Path]:
    """A node_modules folder that is a filesystem of its own."""
    if os.geteuid() != 0:
        pytest.skip("mounting needs root")
    folder = tmp_path / "project/node_modules"
    folder.mkdir(parents=True)
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "pmpipe-test", str(folder)], check=True)
    yield fill(folder, TREE)
    subprocess.run(["umount", str(folder)], check=True)


def fill(folder: Path, files: dict[str, str]) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for path, content in files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        if content.startswith("-> "):
            (folder / path).symlink_to(content[3:])
        else:
            (folder / path).write_text(content)
    return folder


def build(exchange: Exchange, content: str = "new") -> Exchange:
    """What the stages do between `stage` and `commit`."""
    fill(Path(exchange.staged), {"index.js": content})
    return exchange


def impossible(modules: Path, place: str) -> Exchange:
    """An exchange that fails at its last rename: no folder can be moved into itself."""
    return Exchange(str(modules / place), str(modules))


def ours(folder: Path) -> list[str]:
    return sorted(name for name in os.listdir(folder) if name.startswith(".pmpipe"))


# -- fresh --------------------------------------------------------------------------------------------------------


def test_a_fresh_folder_begins_empty_but_for_what_is_ours(modules: Path) -> None:
    ModulesFolder(str(modules), fresh=True).begin([])
    assert sorted(os.listdir(modules)) == [JOURNAL, ".pmpipe-old"]


@pytest.mark.parametrize(
    ("stands", "fresh", "has_to"),
    [((), True, False), ((".package-lock.json", JOURNAL), True, False), (("a",), True, True), (("a",), False, False)],
)
def test_tells_whether_it_has_to_be_emptied(tmp_path: Path, stands: tuple[str, ...], fresh: bool, has_to: bool) -> None:
    for name in stands:
        (tmp_path / name).write_text("")
    assert ModulesFolder(str(tmp_path), fresh).has_to_be_emptied() is has_to


@pytest.mark.parametrize("left", [["1"], ["0", "2"], ["1", "2"]])
@pytest.mark.parametrize("succeeds", [True, False])
def test_former_trees_that_a_killed_run_was_removing_are_no_obstacle(
    modules: Path, staging: str, left: list[str], succeeds: bool
) -> None:
    # the run before had put its own former tree beside those of others, and had begun to remove them
    for number in left:
        fill(modules / ".pmpipe-old" / number, {"of/a/killed/run": number})
    (modules / JOURNAL).write_bytes(msgspec.json.encode(Journal(everything=True)))
    folder = ModulesFolder(str(modules), fresh=True)
    folder.begin([])
    assert sorted(os.listdir(modules)) == [JOURNAL, ".pmpipe-old"]
    if succeeds:
        fill(modules, {"new/index.js": "new"})
        folder.finish()
        assert os.listdir(modules) == ["new"]
        return
    folder.roll_back(staging)
    assert sorted(os.listdir(modules / ".pmpipe-old")) == left
    assert {name for name in os.listdir(modules) if not name.startswith(".pmpipe")} == {
        path.split("/")[0] for path in TREE
    }


@pytest.mark.parametrize("succeeds", [True, False])
def test_what_stood_there_does_not_go_where_a_link_of_the_project_leads(
    modules: Path, staging: str, tmp_path: Path, succeeds: bool
) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (modules / ".pmpipe-old").symlink_to(elsewhere)
    folder = ModulesFolder(str(modules), fresh=True)
    folder.begin([])
    assert os.listdir(elsewhere) == []
    if succeeds:
        folder.finish()
    else:
        folder.roll_back(staging)
        assert {name for name in os.listdir(modules) if name != ".pmpipe-old"} == {path.split("/")[0] for path in TREE}
    assert os.listdir(elsewhere) == []


def test_a_fresh_folder_ends_with_what_was_built(modules: Path) -> None:
    folder = ModulesFolder(str(modules), fresh=True)
    folder.begin([])
    fill(modules, {"new/index.js": "new"})
    folder.finish()
    assert sorted(snapshot(modules)) == ["new", "new/index.js"]


def test_a_failed_fresh_folder_has_its_former_content_again(modules: Path, staging: str) -> None:
    before = snapshot(modules)
    folder = ModulesFolder(str(modules), fresh=True)
    folder.begin([])
    fill(modules, {"a/index.js": "half", "new/index.js": "half", ".bin/new": "half"})
    folder.roll_back(staging)
    assert snapshot(modules) == before


def test_what_was_half_built_moves_to_the_staging_folder(modules: Path, staging: str) -> None:
    folder = ModulesFolder(str(modules), fresh=True)
    folder.begin([])
    fill(modules, {"new/index.js": "half"})
    folder.roll_back(staging)
    assert [name.partition("-")[0] for name in os.listdir(staging)] == ["half"]


def test_what_was_half_built_is_deleted_where_it_cannot_be_moved(modules: Path) -> None:
    before = snapshot(modules)
    folder = ModulesFolder(str(modules), fresh=True)
    folder.begin([])
    fill(modules, {"new/index.js": "half"})
    folder.roll_back("/nonexistent/staging")
    assert snapshot(modules) == before


def test_a_folder_that_was_absent_is_absent_after_a_failure(tmp_path: Path, staging: str) -> None:
    path = tmp_path / "project/node_modules"
    path.parent.mkdir()
    folder = ModulesFolder(str(path), fresh=True)
    folder.begin([])
    fill(path, {"new/index.js": "half"})
    folder.roll_back(staging)
    assert snapshot(tmp_path / "project") == {}


def test_a_folder_that_was_absent_is_there_after_success(tmp_path: Path) -> None:
    path = tmp_path / "project/node_modules"
    folder = ModulesFolder(str(path), fresh=True)
    folder.begin([])
    fill(path, {"new/index.js": "new"})
    folder.finish()
    assert sorted(snapshot(path)) == ["new", "new/index.js"]


def test_a_link_is_replaced_and_its_target_stays(tmp_path: Path) -> None:
    target = fill(tmp_path / "elsewhere", TREE)
    before = snapshot(target)
    path = tmp_path / "node_modules"
    path.symlink_to("elsewhere")
    folder = ModulesFolder(str(path), fresh=True)
    folder.begin([])
    folder.finish()
    assert path.is_dir()
    assert not path.is_symlink()
    assert snapshot(target) == before


@pytest.mark.parametrize("text", ["elsewhere", "nowhere"])
def test_a_link_is_a_link_again_after_a_failure(tmp_path: Path, staging: str, text: str) -> None:
    fill(tmp_path / "elsewhere", TREE)
    path = tmp_path / "node_modules"
    path.symlink_to(text)
    before = snapshot(tmp_path / "elsewhere")
    folder = ModulesFolder(str(path), fresh=True)
    folder.begin([])
    fill(path, {"new/index.js": "half"})
    folder.roll_back(staging)
    assert os.readlink(path) == text
    assert snapshot(tmp_path / "elsewhere") == before


@pytest.mark.root
def test_a_mount_point_is_emptied_and_not_replaced(mounted: Path) -> None:
    folder = ModulesFolder(str(mounted), fresh=True)
    folder.begin([])
    fill(mounted, {"new/index.js": "new"})
    folder.finish()
    assert sorted(snapshot(mounted)) == ["new", "new/index.js"]
    assert os.path.ismount(mounted)


@pytest.mark.root
def test_a_mount_point_has_its_former_content_after_a_failure(mounted: Path, staging: str) -> None:
    before = snapshot(mounted)
    folder = ModulesFolder(str(mounted), fresh=True)
    folder.begin([])
    fill(mounted, {"new/index.js": "half"})
    folder.roll_back(staging)
    assert snapshot(mounted) == before


@pytest.mark.root
@pytest.mark.parametrize("fresh", [True, False])
def test_a_mount_point_that_is_read_only_is_left_alone(mounted: Path, staging: str, fresh: bool) -> None:
    before = snapshot(mounted)
    subprocess.run(["mount", "-o", "remount,ro", str(mounted)], check=True)
    folder = ModulesFolder(str(mounted), fresh=fresh)
    with pytest.raises(OSError, match="Read-only"):
        folder.begin(["node_modules/a"])
    folder.roll_back(staging)
    assert snapshot(mounted) == before


@pytest.mark.root
@pytest.mark.parametrize("fresh", [True, False])
def test_a_full_disk_leaves_nothing_of_ours(mounted: Path, staging: str, fresh: bool) -> None:
    with (mounted / "filler").open("wb", buffering=0) as filler:
        try:
            while filler.write(b"x" * 4096):
                pass
        except OSError:
            pass
    before = snapshot(mounted)
    folder = ModulesFolder(str(mounted), fresh=fresh)
    with pytest.raises(OSError, match="No space"):
        folder.begin(["node_modules/a"])
    folder.roll_back(staging)
    assert snapshot(mounted) == before


def test_a_file_in_the_place_of_the_folder_is_left_alone(tmp_path: Path, staging: str) -> None:
    path = tmp_path / "node_modules"
    path.write_text("a file")
    folder = ModulesFolder(str(path), fresh=True)
    with pytest.raises(FilesystemError, match="is no folder"):
        folder.begin([])
    folder.roll_back(staging)
    assert path.read_text() == "a file"


def test_a_former_tree_that_a_killed_run_put_aside_goes_in_the_end(modules: Path) -> None:
    # killed in the middle: nobody rolls back
    ModulesFolder(str(modules), fresh=True).begin([])
    fill(modules, {"half/index.js": "half"})
    again = ModulesFolder(str(modules), fresh=True)
    again.begin([])
    fill(modules, {"new/index.js": "new"})
    again.finish()
    assert sorted(snapshot(modules)) == ["new", "new/index.js"]


@pytest.mark.parametrize("before", [None, Journal(locations=("b",)), Journal(everything=True)])
def test_a_mark_adds_to_what_a_killed_run_has_left_and_goes_without_a_trace(
    modules: Path, before: Journal | None
) -> None:
    if before is not None:
        write_whole(f"{modules}/{JOURNAL}", msgspec.json.encode(before))
    was = snapshot(modules)
    folder = ModulesFolder(str(modules), fresh=False)
    folder.mark(["a"])
    marked = folder.journal()
    assert marked is not None
    assert {"a", *(before.locations if before else ())} == set(marked.locations)
    assert marked.everything is (before is not None and before.everything)
    folder.unmark()
    assert snapshot(modules) == was


def test_a_failure_after_a_killed_run_leaves_what_that_had_left(modules: Path, staging: str) -> None:
    ModulesFolder(str(modules), fresh=True).begin([])
    fill(modules, {"half/index.js": "half"})
    before = snapshot(modules)
    again = ModulesFolder(str(modules), fresh=True)
    again.begin([])
    fill(modules, {"new/index.js": "new"})
    again.roll_back(staging)
    assert snapshot(modules) == before


# -- patch --------------------------------------------------------------------------------------------------------


def test_a_patch_changes_nothing_before_commit(modules: Path) -> None:
    before = snapshot(modules)
    folder = ModulesFolder(str(modules), fresh=False)
    folder.begin(["node_modules/a"])
    build(folder.stage(str(modules / "a")))
    now = {path: what for path, what in snapshot(modules).items() if ".pmpipe" not in path}
    assert now == before


def test_commit_adds_exchanges_and_removes(modules: Path) -> None:
    folder = ModulesFolder(str(modules), fresh=False)
    folder.begin([])
    exchanges = [
        build(folder.stage(str(modules / "a"))),
        build(folder.stage(str(modules / "@s/new"))),
        Exchange(str(modules / "b"), ""),
    ]
    folder.commit(exchanges)
    folder.finish()
    expected = {path: what for path, what in TREE.items() if not path.startswith(("a/", "b/"))}
    expected |= {"a/index.js": "new", "@s/new/index.js": "new"}
    assert snapshot(modules) == snapshot(fill(modules.parent / "expected", expected))


def test_what_was_left_out_is_removed_and_not_replaced(modules: Path) -> None:
    folder = ModulesFolder(str(modules), fresh=False)
    folder.begin([])
    folder.commit([folder.stage(str(modules / "a"))])
    folder.finish()
    assert not (modules / "a").exists()
    assert ours(modules) == []


def test_a_package_folder_that_is_a_link_is_replaced_and_its_target_stays(tmp_path: Path, modules: Path) -> None:
    target = fill(tmp_path / "elsewhere", {"index.js": "mine"})
    (modules / "linked").symlink_to(target)
    folder = ModulesFolder(str(modules), fresh=False)
    folder.begin([])
    folder.commit([build(folder.stage(str(modules / "linked")))])
    folder.finish()
    assert not (modules / "linked").is_symlink()
    assert (target / "index.js").read_text() == "mine"


def test_a_rename_that_fails_takes_those_before_it_back(modules: Path, staging: str) -> None:
    before = snapshot(modules)
    folder = ModulesFolder(str(modules), fresh=False)
    folder.begin([])
    exchanges = [
        build(folder.stage(str(modules / "a"))),
        build(folder.stage(str(modules / "@new/c"))),
        impossible(modules, "b"),
    ]
    with pytest.raises(OSError, match="Invalid argument"):
        folder.commit(exchanges)
    folder.roll_back(staging)
    assert snapshot(modules) == before


def test_rolling_back_after_a_commit_restores_all_of_it(modules: Path, staging: str) -> None:
    before = snapshot(modules)
    folder = ModulesFolder(str(modules), fresh=False)
    folder.begin([])
    folder.commit(
        [
            build(folder.stage(str(modules / "a"))),
            build(folder.stage(str(modules / "@new/c"))),
            build(folder.stage(str(modules / "b/node_modules/d"))),
            Exchange(str(modules / "@s/c"), ""),
        ]
    )
    folder.roll_back(staging)
    assert snapshot(modules) == before


def test_finish_leaves_nothing_of_ours(modules: Path) -> None:
    folder = ModulesFolder(str(modules), fresh=False)
    folder.begin(["node_modules/a"])
    folder.commit([build(folder.stage(str(modules / "a")))])
    folder.finish()
    assert ours(modules) == []


def test_what_killed_patches_left_goes_with_the_next(modules: Path) -> None:
    killed = ModulesFolder(str(modules), fresh=False)
    killed.begin(["node_modules/a"])
    killed.commit([build(killed.stage(str(modules / "a")))])
    folder = ModulesFolder(str(modules), fresh=False)
    folder.begin([])
    folder.finish()
    assert ours(modules) == []


def test_a_folder_that_did_not_begin_is_left_alone(tmp_path: Path, modules: Path, staging: str) -> None:
    before = snapshot(tmp_path)
    for fresh in (True, False):
        folder = ModulesFolder(str(modules), fresh=fresh)
        folder.roll_back(staging)
        folder.finish()
    assert snapshot(tmp_path) == before


@pytest.mark.parametrize("fresh", [True, False])
def test_a_journal_that_cannot_be_read_costs_nothing(modules: Path, staging: str, fresh: bool) -> None:
    (modules / JOURNAL).mkdir()
    before = snapshot(modules)
    folder = ModulesFolder(str(modules), fresh=fresh)
    with pytest.raises(IsADirectoryError):
        folder.begin([])
    folder.roll_back(staging)
    assert snapshot(modules) == before


@pytest.mark.parametrize("is_link", [True, False])
@pytest.mark.parametrize("step", range(20))
def test_an_interruption_while_a_fresh_folder_begins_loses_nothing(
    modules: Path, staging: str, monkeypatch: pytest.MonkeyPatch, step: int, is_link: bool
) -> None:
    place = modules
    if is_link:
        place = modules.parent / "link"
        place.symlink_to(modules)
    before = snapshot(modules.parent)
    folder = ModulesFolder(str(place), fresh=True)
    steps = count()

    def interrupting(operation: Callable[..., object], *, before: bool) -> Callable[..., object]:
        def call(*arguments: object, **options: object) -> object:
            if before and next(steps) == step:
                raise KeyboardInterrupt
            result = operation(*arguments, **options)
            if not before and next(steps) == step:
                raise KeyboardInterrupt
            return result

        return call

    with monkeypatch.context() as patched, suppress(KeyboardInterrupt):
        patched.setattr(ModulesFolder, "journal", interrupting(ModulesFolder.journal, before=True))
        for name in ("readlink", "unlink", "makedirs", "mkdir", "listdir", "rename"):
            patched.setattr(os, name, interrupting(getattr(os, name), before=False))
        folder.begin([])
    folder.roll_back(staging)
    assert snapshot(modules.parent) == before


def test_what_was_exchanged_and_then_discarded_is_as_before_after_a_failure(modules: Path, staging: str) -> None:
    before = snapshot(modules)
    folder = ModulesFolder(str(modules), fresh=False)
    folder.begin([])
    folder.commit([build(folder.stage(str(modules / "a")))])
    folder.discard(str(modules / "a"))
    folder.roll_back(staging)
    assert snapshot(modules) == before


def test_an_interruption_right_behind_a_rename_loses_nothing(
    modules: Path, staging: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = snapshot(modules)
    rename = os.rename

    def interrupted(source: str, destination: str) -> None:
        rename(source, destination)
        if source == str(modules / "a"):
            raise KeyboardInterrupt

    folder = ModulesFolder(str(modules), fresh=False)
    folder.begin([])
    exchange = build(folder.stage(str(modules / "a")))
    with monkeypatch.context() as patched:
        patched.setattr(os, "rename", interrupted)
        with pytest.raises(KeyboardInterrupt):
            folder.commit([exchange])
    folder.roll_back(staging)
    assert snapshot(modules) == before


@pytest.mark.parametrize("is_needed", [True, False])
def test_the_journal_is_the_last_that_goes(modules: Path, monkeypatch: pytest.MonkeyPatch, is_needed: bool) -> None:
    folder = ModulesFolder(str(modules), fresh=False)
    folder.begin([])
    (modules / ".pmpipe-old").mkdir()
    removed: list[str] = []

    def remove(path: str) -> None:
        removed.append(os.path.basename(path))
        remove_tree(path)

    monkeypatch.setattr(transaction, "remove_tree", remove)
    if is_needed:
        folder.finish()
    else:
        assert ModulesFolder(str(modules), fresh=False).forget_killed_run()
    assert sorted(removed[:-1]) == [".pmpipe-new", ".pmpipe-old", ".pmpipe-trash"]
    assert removed[-1] == JOURNAL


@pytest.mark.parametrize("is_final", [True, False])
def test_a_folder_that_is_closed_to_its_owner_moves_and_stays_closed(
    modules: Path, staging: str, monkeypatch: pytest.MonkeyPatch, is_final: bool
) -> None:
    (modules / "a").chmod(0o500)
    before = snapshot(modules)
    rename = os.rename

    def refuse(source: str, destination: str) -> None:
        # as the system does for everybody but root
        if source == str(modules / "a") and (is_final or not os.stat(source).st_mode & 0o200):
            raise PermissionError(errno.EACCES, "Permission denied", source)
        rename(source, destination)

    folder = ModulesFolder(str(modules), fresh=False)
    folder.begin([])
    monkeypatch.setattr(os, "rename", refuse)
    if is_final:
        with pytest.raises(PermissionError):
            folder.set_aside(str(modules / "a"))
    else:
        folder.set_aside(str(modules / "a"))
        assert not (modules / "a").exists()
    folder.roll_back(staging)
    assert snapshot(modules) == before


def test_a_file_in_the_way_of_a_package_makes_room_and_comes_back(modules: Path, staging: str) -> None:
    before = snapshot(modules)
    folder = ModulesFolder(str(modules), fresh=False)
    folder.begin([])
    folder.commit([build(folder.stage(str(modules / "b/index.js/node_modules/c")))])
    assert (modules / "b/index.js/node_modules/c/index.js").read_text() == "new"
    folder.roll_back(staging)
    assert snapshot(modules) == before


@pytest.mark.parametrize("fresh", [True, False])
@pytest.mark.parametrize("place", [".bin/a", ".bin/new", "@s/c", "@t/link", "b"])
def test_a_link_that_was_changed_is_as_before_after_a_failure(
    modules: Path, staging: str, place: str, fresh: bool
) -> None:
    before = snapshot(modules)
    folder = ModulesFolder(str(modules), fresh=fresh)
    folder.begin([])
    folder.preserve(str(modules / place))
    (modules / place).parent.mkdir(exist_ok=True)
    (modules / place).unlink(missing_ok=True)
    (modules / place).symlink_to("elsewhere")
    folder.roll_back(staging)
    assert snapshot(modules) == before


def test_a_preserved_link_stays_until_it_is_replaced(modules: Path) -> None:
    folder = ModulesFolder(str(modules), fresh=False)
    folder.begin([])
    folder.preserve(str(modules / ".bin/a"))
    assert os.readlink(modules / ".bin/a") == "../a/index.js"


@pytest.mark.parametrize("fresh", [True, False])
def test_a_file_that_was_set_aside_is_back_after_a_failure(modules: Path, staging: str, fresh: bool) -> None:
    before = snapshot(modules)
    folder = ModulesFolder(str(modules), fresh=fresh)
    folder.begin([])
    folder.set_aside(str(modules / ".package-lock.json"))
    write_whole(str(modules / ".package-lock.json"), b"new")
    folder.roll_back(staging)
    assert snapshot(modules) == before


# -- files written whole ------------------------------------------------------------------------------------------


def test_a_file_is_written_whole(tmp_path: Path) -> None:
    write_whole(f"{tmp_path}/file", b"one")
    write_whole(f"{tmp_path}/file", b"two")
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == {"file": b"two"}


def test_a_file_that_cannot_be_put_in_place_leaves_nothing(tmp_path: Path) -> None:
    (tmp_path / "file/full").mkdir(parents=True)
    with pytest.raises(IsADirectoryError):
        write_whole(f"{tmp_path}/file", b"one")
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["file", "full"]


# -- the journal --------------------------------------------------------------------------------------------------


def test_without_a_killed_run_there_is_no_journal(modules: Path) -> None:
    assert ModulesFolder(str(modules), fresh=False).journal() is None
    assert ModulesFolder(f"{modules}/a/index.js", fresh=False).journal() is None


def test_a_journal_that_was_not_finished_goes_with_the_next_run(modules: Path) -> None:
    before = snapshot(modules)
    for fresh in (False, True):
        (modules / f"{JOURNAL}.partial").write_text("{")
        folder = ModulesFolder(str(modules), fresh=False)
        assert not folder.forget_killed_run()
        assert snapshot(modules) == before
        (modules / f"{JOURNAL}.partial").write_text("{")
        folder = ModulesFolder(str(modules), fresh=fresh)
        folder.begin([])
        assert ours(modules) == [JOURNAL, *([".pmpipe-old"] if fresh else [".pmpipe-new", ".pmpipe-trash"])]
        folder.finish()


def test_a_journal_names_what_was_being_changed(modules: Path) -> None:
    ModulesFolder(str(modules), fresh=False).begin(["node_modules/a", "node_modules/@s/c"])
    journal = ModulesFolder(str(modules), fresh=False).journal()
    assert journal is not None
    assert (journal.everything, set(journal.locations)) == (False, {"node_modules/a", "node_modules/@s/c"})


def test_the_journal_of_a_fresh_folder_names_everything(modules: Path) -> None:
    ModulesFolder(str(modules), fresh=True).begin([])
    assert ModulesFolder(str(modules), fresh=False).journal() == Journal(everything=True)


def test_a_patch_adds_to_the_journal_of_a_killed_run(modules: Path) -> None:
    ModulesFolder(str(modules), fresh=False).begin(["node_modules/a"])
    ModulesFolder(str(modules), fresh=False).begin(["node_modules/b"])
    journal = ModulesFolder(str(modules), fresh=False).journal()
    assert journal is not None
    assert set(journal.locations) == {"node_modules/a", "node_modules/b"}


@pytest.mark.parametrize("content", [b"", b"{", b"null", b'{"everything": 1}', b"\xff" * 100])
def test_a_torn_journal_stands_for_everything(modules: Path, content: bytes) -> None:
    (modules / JOURNAL).write_bytes(content)
    assert ModulesFolder(str(modules), fresh=False).journal() == Journal(everything=True)


@pytest.mark.parametrize("fresh", [True, False])
def test_a_failure_leaves_the_journal_of_a_killed_run(modules: Path, staging: str, fresh: bool) -> None:
    ModulesFolder(str(modules), fresh=False).begin(["node_modules/a"])
    (modules / ".pmpipe-new").rmdir()
    (modules / ".pmpipe-trash").rmdir()
    before = snapshot(modules)
    folder = ModulesFolder(str(modules), fresh=fresh)
    folder.begin(["node_modules/b"])
    folder.roll_back(staging)
    assert snapshot(modules) == before


# -- any order ----------------------------------------------------------------------------------------------------

#: places of packages, some within others; each is exchanged at most once, and those around it never
PLACES = ("a", "a/node_modules/b", "b", "@s/c", "@s/d", "@t/e", "f", "b/node_modules/g", "f/node_modules/@u/h")


def apart(places: Sequence[str]) -> bool:
    return not any(one != other and one.startswith(f"{other}/") for one in places for other in places)


@given(
    places=st.lists(st.sampled_from(PLACES), unique=True, min_size=1).filter(apart),
    removed=st.sets(st.sampled_from(PLACES)),
    left_out=st.sets(st.sampled_from(PLACES)),
    failing=st.none() | st.integers(0, 9),
)
@settings(max_examples=80)
def test_any_exchanges_and_any_failure_leave_the_former_tree(
    tmp_path_factory: pytest.TempPathFactory,
    places: list[str],
    removed: set[str],
    left_out: set[str],
    failing: int | None,
) -> None:
    base = tmp_path_factory.mktemp("t")
    modules, staging = fill(base / "node_modules", TREE), base / "staging"
    staging.mkdir()
    before: Snapshot = snapshot(modules)
    folder = ModulesFolder(str(modules), fresh=False)
    folder.begin([f"node_modules/{place}" for place in places])
    exchanges = []
    for place in places:
        if place in removed:
            exchanges.append(Exchange(str(modules / place), ""))
        else:
            exchanges.append(folder.stage(str(modules / place)))
            if place not in left_out:
                build(exchanges[-1], place)
    if failing is not None:
        exchanges.insert(min(failing, len(exchanges)), impossible(modules, "z/node_modules/y"))
        with pytest.raises(OSError, match="Invalid argument"):
            folder.commit(exchanges)
    else:
        folder.commit(exchanges)
    folder.roll_back(str(staging))
    assert snapshot(modules) == before


# -- folders that cannot be renamed -------------------------------------------------------------------------------


@pytest.fixture
def lower(modules: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The same, as a lower layer of an overlay: the system renames no folder that is there now."""
    folders = [path for path in modules.rglob("*") if path.is_dir() and not path.is_symlink()]
    # open, so that no new folder gets the number of one that is gone
    held = [os.open(path, os.O_PATH) for path in folders]
    numbers = {os.fstat(fd).st_ino for fd in held}
    rename = os.rename

    def refuse(source: str, destination: str) -> None:
        if os.lstat(source).st_ino in numbers:
            raise OSError(errno.EXDEV, "Invalid cross-device link", source)
        rename(source, destination)

    monkeypatch.setattr(os, "rename", refuse)
    yield modules
    for fd in held:
        os.close(fd)


def test_a_fresh_folder_deletes_what_cannot_be_renamed(lower: Path) -> None:
    folder = ModulesFolder(str(lower), fresh=True)
    folder.begin([])
    assert sorted(os.listdir(lower)) == [JOURNAL, ".pmpipe-old"]
    assert folder.is_lossy
    fill(lower, {"new/index.js": "new"})
    folder.finish()
    assert sorted(snapshot(lower)) == ["new", "new/index.js"]


def test_a_patch_deletes_what_cannot_be_renamed_when_its_successor_is_there(lower: Path) -> None:
    before = snapshot(lower)
    folder = ModulesFolder(str(lower), fresh=False)
    folder.begin(["node_modules/a"])
    exchanges = [build(folder.stage(f"{lower}/a")), Exchange(f"{lower}/@s", "")]
    assert {name: what for name, what in snapshot(lower).items() if name in before} == before
    assert not folder.is_lossy
    folder.commit(exchanges)
    assert folder.is_lossy
    folder.finish()
    assert (lower / "a/index.js").read_text() == "new"
    assert sorted(os.listdir(lower)) == [".bin", ".package-lock.json", "a", "b"]


@pytest.mark.parametrize("fresh", [True, False])
def test_a_failure_after_that_is_not_forgotten(lower: Path, staging: str, fresh: bool) -> None:
    folder = ModulesFolder(str(lower), fresh=fresh)
    folder.begin(["node_modules/a"])
    if fresh:
        fill(lower, {"a/index.js": "half"})
    else:
        folder.commit([build(folder.stage(f"{lower}/a"))])
    folder.roll_back(staging)
    assert not (lower / "a").exists()
    assert folder.journal() == (Journal(everything=True) if fresh else Journal(locations=("node_modules/a",)))
    assert [name for name in ours(lower) if name != JOURNAL] == []


def test_a_failure_before_it_leaves_all_of_it(lower: Path, staging: str) -> None:
    before = snapshot(lower)
    folder = ModulesFolder(str(lower), fresh=False)
    folder.begin(["node_modules/a"])
    build(folder.stage(f"{lower}/a"))
    folder.roll_back(staging)
    assert snapshot(lower) == before


def _mount(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Has the system refuse to rename a folder, as it does with mount points."""
    rename = os.rename

    def busy(source: str, destination: str) -> None:
        if source == str(path):
            raise OSError(errno.EBUSY, "Device or resource busy", source)
        rename(source, destination)

    monkeypatch.setattr(os, "rename", busy)


def test_what_is_mounted_below_a_dot_stays(modules: Path, staging: str, monkeypatch: pytest.MonkeyPatch) -> None:
    fill(modules, {".cache/tool.json": "{}"})
    before = snapshot(modules)
    _mount(modules / ".cache", monkeypatch)
    folder = ModulesFolder(str(modules), fresh=True)
    folder.begin([])
    fill(modules, {"a/index.js": "half"})
    folder.roll_back(staging)
    assert snapshot(modules) == before
    folder = ModulesFolder(str(modules), fresh=True)
    folder.begin([])
    folder.finish()
    assert sorted(snapshot(modules)) == [".cache", ".cache/tool.json"]


def test_a_package_that_is_a_mount_point_is_an_error(
    modules: Path, staging: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = snapshot(modules)
    _mount(modules / "b", monkeypatch)
    folder = ModulesFolder(str(modules), fresh=True)
    with pytest.raises(OSError, match="busy"):
        folder.begin([])
    folder.roll_back(staging)
    assert snapshot(modules) == before
