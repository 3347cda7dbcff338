"""The system refuses any one call of the main process: an error, nothing half-done, and the next run succeeds."""

from __future__ import annotations

import errno
import itertools
import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.faulty import Fault
from support.packages import make_package
from support.project import Project
from support.registry import PackageRegistry
from support.snapshot import Snapshot, snapshot

#: audit events of Python, ``create`` and ``lstat`` (see `support.faulty`)
CALLS = (
    "create",
    "lstat",
    "os.rename",
    "os.mkdir",
    "os.remove",
    "os.rmdir",
    "os.listdir",
    "os.scandir",
    "os.utime",
    "os.chmod",
    "fcntl.flock",
)
MANIFEST = {"name": "app", "version": "1.0.0", "dependencies": {"kept": "^1.0.0"}}


@pytest.fixture
def project(tmp_path: Path, registry: PackageRegistry) -> Iterator[Project]:
    """A project to which `new` may be added, which brings `needed` and an executable."""
    one = Project(tmp_path / "p", registry)
    registry.publish(
        make_package("kept", "1.0.0"),
        make_package("new", "1.0.0", dependencies={"needed": "1"}, bin={"new": "index.js"}),
        make_package("needed", "1.0.0"),
    )
    one.write("package.json", json.dumps(MANIFEST, indent=2) + "\n")
    one.succeeds("install", alone=False)
    yield one
    one.close()


@pytest.mark.parametrize("call", CALLS)
def test_any_refused_call_of_the_main_process_is_told_and_harms_nothing(project: Project, call: str) -> None:
    with_new = state_after(project, "add", "new")
    without = state_after(project, "remove", "new")
    for number in itertools.count(1):
        reached = [
            refused(project, call, number, ("add", "new"), without, with_new),
            refused(project, call, number, ("remove", "new"), with_new, without),
        ]
        if not any(reached):
            assert number > 1, "the program makes no such call"
            return


def refused(
    project: Project, call: str, number: int, words: tuple[str, ...], before: Snapshot, after: Snapshot
) -> bool:
    """Refuse one call of a command, judge that, and run the command again; whether it came to that call."""
    sign = project.base / "sign"
    run = project.run(*words, fault=Fault("main", call, "EIO", number, str(sign)), alone=False)
    there = without_leftovers(snapshot(project.folder))
    if run.status == 0:
        assert there == after
    else:
        assert run.status == 1, run.stderr
        assert "error[PM_" in run.stderr
        assert os.strerror(errno.EIO) in run.stderr
        assert there == (after if "is complete, but" in run.stderr else before), run.stderr
    assert "Traceback" not in run.stderr
    assert state_after(project, *words) == after
    assert project.staging() == []
    was_reached = sign.exists()
    sign.unlink(missing_ok=True)
    return was_reached


def state_after(project: Project, *words: str) -> Snapshot:
    project.succeeds(*words, alone=False)
    return snapshot(project.folder)


def without_leftovers(found: Snapshot) -> Snapshot:
    """What a run may leave for the next one to remove does not count."""
    return {path: one for path, one in found.items() if ".pmpipe" not in path}
