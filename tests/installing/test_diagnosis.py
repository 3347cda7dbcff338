"""Which files of a tree are missing or changed, by real checks of real folders."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest
from support.entries import make_entry
from support.packages import integrity
from support.trees import wanted_link, wanted_package, wanted_tree

from pmpipe.installing.repair import Diagnosis, diagnose
from pmpipe.orders import Finish, Interrupted, StageName, Start, Stop, WorkerDied
from pmpipe.pipeline.checking import CheckRun, CheckTask
from pmpipe.pipeline.driving import check
from pmpipe.pipeline.pipeline import sizes_for
from pmpipe.planning.planner import Wanted
from pmpipe.store import Store
from stages.entries.entry import INDEX_NAME, entry_path
from stages.messages import Check, Checked, Damaged, Failed, JobId, Removed

SIZES = sizes_for(1, 2, 1)
TREE = wanted_tree(
    wanted_package("node_modules/a", integrity=integrity(b"a")),
    wanted_package("node_modules/b", integrity=integrity(b"b")),
    wanted_package("node_modules/b/node_modules/c", in_bundle=True),
    wanted_package("node_modules/unknown", integrity=integrity(b"unknown")),
    wanted_link("node_modules/x", "packages/x"),
)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    one = Store(f"{tmp_path}/store")
    for name in "ab":
        entry = make_entry(Path(entry_path(one.folder, integrity(name.encode()))), {"index.js": b"1", "lib/x.js": b"2"})
        shutil.copytree(entry, tmp_path / f"app/node_modules/{name}", ignore=shutil.ignore_patterns(INDEX_NAME))
    return one


@pytest.fixture
def modules(tmp_path: Path, store: Store) -> Path:
    return tmp_path / "app/node_modules"


def diagnosis_of(modules: Path, store: Store) -> Diagnosis:
    wanted = Wanted(str(modules.parent), TREE, lambda location: frozenset((location,)), str)
    return diagnose(wanted, store, SIZES)


def test_what_is_as_it_was_unpacked_is_not_named(modules: Path, store: Store) -> None:
    found = diagnosis_of(modules, store)
    assert (found.checked, found.damaged, found.missing, found.changed) == (2, {}, [], [])


def test_a_package_that_the_store_lacks_cannot_be_verified(modules: Path, store: Store) -> None:
    found = diagnosis_of(modules, store)
    assert found.unverifiable == ["node_modules/unknown"]
    assert not found.is_healthy()


def test_missing_and_changed_files_are_told_apart(modules: Path, store: Store) -> None:
    (modules / "a/index.js").unlink()
    (modules / "a/lib/x.js").write_text("other")
    found = diagnosis_of(modules, store)
    assert found.damaged == {"node_modules/a": ("index.js", "lib/x.js")}
    assert found.missing == ["node_modules/a/index.js"]
    assert found.changed == ["node_modules/a/lib/x.js"]
    assert found.damaged_entries == frozenset()


def test_an_edit_through_a_hardlink_shows_in_the_store_too(modules: Path, store: Store) -> None:
    entry = entry_path(store.folder, integrity(b"a"))
    (modules / "a/index.js").unlink()
    os.link(f"{entry}/index.js", modules / "a/index.js")
    (modules / "a/index.js").write_text("edited")
    assert diagnosis_of(modules, store).damaged_entries == {entry}


def test_a_torn_index_verifies_nothing(modules: Path, store: Store) -> None:
    Path(entry_path(store.folder, integrity(b"b")), INDEX_NAME).write_bytes(b"torn")
    assert sorted(diagnosis_of(modules, store).unverifiable) == ["node_modules/b", "node_modules/unknown"]


def test_more_checks_than_slots_are_all_done(modules: Path, store: Store) -> None:
    entry = entry_path(store.folder, integrity(b"a"))
    tasks = [CheckTask(f"task{number}", entry, f"{modules}/a") for number in range(300)]
    tasks.append(CheckTask("other", entry, f"{modules}/nowhere"))
    (finding,) = check(tasks, SIZES)
    assert (finding.task.label, sorted(finding.missing)) == ("other", ["index.js", "lib/x.js"])


def test_nothing_to_check_starts_nothing() -> None:
    assert check([], SIZES) == []


# -- the state machine --------------------------------------------------------------------------------------------

TASKS = [CheckTask(name, f"/store/{name}", f"/app/{name}") for name in "abc"]


def test_only_so_many_checks_are_in_flight_as_there_are_slots() -> None:
    run = CheckRun(TASKS, 2)
    assert run.start() == [
        Start(StageName.CLONE, Check(JobId(0), "a", "/store/a", "/app/a")),
        Start(StageName.CLONE, Check(JobId(1), "b", "/store/b", "/app/b")),
    ]
    assert (run.in_flight(StageName.CLONE), run.in_flight(StageName.FETCH)) == (2, 0)
    assert run.handle(Checked(JobId(1), (), ())) == [Start(StageName.CLONE, Check(JobId(2), "c", "/store/c", "/app/c"))]
    assert run.handle(Checked(JobId(0), (), ())) == []
    assert run.handle(Checked(JobId(2), (), ())) == [Finish()]
    assert (run.done, run.findings) == (3, [])


def test_a_finding_in_parts_is_one() -> None:
    run = CheckRun(TASKS[:1], 2)
    run.start()
    assert run.handle(Checked(JobId(0), ("m",), (), more=True)) == []
    assert run.handle(Checked(JobId(0), (), ("c",))) == [Finish()]
    (finding,) = run.findings
    assert (finding.missing, finding.changed) == (["m"], ["c"])


def test_a_folder_that_cannot_be_read_is_a_finding() -> None:
    run = CheckRun(TASKS[:2], 2)
    run.start()
    failed = Failed(JobId(0), "PM_FILESYSTEM", "cannot read")
    run.handle(failed)
    run.handle(Damaged(JobId(1), "torn"))
    assert [(finding.failed, finding.no_entry) for finding in run.findings] == [(failed, ""), (None, "torn")]


def test_the_end_is_the_end() -> None:
    run = CheckRun(TASKS, 2)
    run.start()
    died = WorkerDied(StageName.CLONE, 1, -9, JobId(1))
    assert run.describe(JobId(1)) == "b"
    assert run.handle(died) == [Stop(died)]
    assert run.handle(Checked(JobId(0), (), ())) == []
    assert run.handle(Interrupted(2)) == []
    assert run.describe(JobId(7)) == ""


def test_an_answer_to_no_check_is_a_bug() -> None:
    run = CheckRun(TASKS, 2)
    run.start()
    with pytest.raises(AssertionError, match="answers no check"):
        run.handle(Removed(JobId(0)))
