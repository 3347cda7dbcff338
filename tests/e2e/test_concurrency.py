"""Several runs at once: on one store, and in one project."""

from __future__ import annotations

import fcntl
import os
import threading

import pytest
from support.packages import make_package
from support.project import Project, wait_until
from support.registry import PackageRegistry, faults

SHARED = {
    f"node_modules/shared-{number}": make_package(f"shared-{number}", "1.0.0", {"a.js": b"a" * 5_000, "lib/b.js": b"b"})
    for number in range(6)
}


def test_eight_installs_of_different_projects_on_one_cold_store_all_succeed(
    project: Project, registry: PackageRegistry
) -> None:
    gate = threading.Event()
    registry.misbehave("*.tgz", faults.hold(gate, at=50))
    projects = [project.sibling(f"project-{number}") for number in range(8)]
    for number, one in enumerate(projects):
        one.want({**SHARED, f"node_modules/own-{number}": make_package(f"own-{number}", "1.0.0")})
    runs = [one.start("ci") for one in projects]
    # every one of them has begun before the first can put anything into the store
    registry.wait_for_requests("*/own-*.tgz", 8)
    gate.set()
    assert [run.wait().status for run in runs] == [0] * 8
    for one in projects:
        one.assert_installed()
        one.close()


@pytest.mark.parametrize("commands", [("ci",) * 4, ("install",) * 4, ("ci", "install", "ci", "install")])
def test_four_installs_in_one_project_all_succeed(project: Project, commands: tuple[str, ...]) -> None:
    project.want(SHARED)
    runs = [project.start(command, alone=False) for command in commands]
    assert [run.wait().status for run in runs] == [0] * 4
    project.assert_installed()


def test_a_second_run_in_a_project_waits_for_the_first_and_says_so(project: Project, registry: PackageRegistry) -> None:
    gate = threading.Event()
    registry.misbehave("*.tgz", faults.hold(gate))
    project.want(SHARED)
    first = project.start("ci", alone=False)
    registry.wait_for_requests("*.tgz", 1)
    second = project.start("install", alone=False)
    assert "another pmpipe is at work in this project" in second.process.stderr.readline()
    gate.set()
    assert first.wait().status == 0
    assert "nothing to do" in second.wait().stdout
    project.assert_installed()


def test_a_second_run_sees_what_changed_while_it_waited(project: Project, registry: PackageRegistry) -> None:
    gate = threading.Event()
    registry.misbehave("*.tgz", faults.hold(gate))
    project.want(SHARED)
    first = project.start("ci", alone=False)
    # it has read all that it will read: a change before that would be its own affair
    wait_until((project.folder / "node_modules/.pmpipe-journal").exists, "the first run has its plan")
    second = project.start("ci", alone=False)
    assert "waiting" in second.process.stderr.readline()
    project.want({"node_modules/other": make_package("other", "1.0.0")})
    gate.set()
    assert first.wait().status == 0
    assert second.wait().status == 0
    project.assert_installed()


def test_two_runs_that_find_the_same_entry_damaged_both_succeed(project: Project) -> None:
    projects = [project.sibling(f"project-{number}") for number in range(4)]
    for one in projects:
        one.want(SHARED)
    projects[0].succeeds("ci")
    for index in project.store.glob("v1/sha512/*/*/.pmpipe-index"):
        index.write_bytes(index.read_bytes()[:40])
    runs = [one.start("ci") for one in projects]
    assert [run.wait().status for run in runs] == [0] * 4
    for one in projects:
        one.assert_installed()


def test_staging_of_a_killed_run_is_cleaned_by_the_next_and_not_that_of_a_living_one(
    project: Project, registry: PackageRegistry
) -> None:
    left = project.store / "v1/staging/extract-1-left"
    left.mkdir(parents=True)
    gate = threading.Event()
    registry.misbehave("*.tgz", faults.hold(gate))
    project.want(SHARED)
    living = project.start("ci")
    registry.wait_for_requests("*.tgz", 1)
    assert not left.exists()
    left.mkdir()
    other = project.sibling("other")
    other.want({"node_modules/other": make_package("other", "1.0.0")})
    registry.behave()
    other.succeeds("ci")
    assert left.exists()
    gate.set()
    assert living.wait().status == 0


@pytest.mark.parametrize(
    ("words", "operation", "said"),
    [
        (("ci",), fcntl.LOCK_EX, "another pmpipe is pruning the store"),
        (("verify",), fcntl.LOCK_EX, "another pmpipe is pruning the store"),
        (("store", "prune"), fcntl.LOCK_SH, "other runs of pmpipe are using the store"),
    ],
)
def test_a_run_that_waits_for_the_store_says_so(
    project: Project, words: tuple[str, ...], operation: int, said: str
) -> None:
    project.want(SHARED)
    project.succeeds("ci")
    held = os.open(project.store / "v1", os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(held, operation)
        waiting = project.start(*words)
        assert said in waiting.process.stderr.readline()
    finally:
        os.close(held)
    assert waiting.wait().status == 0
