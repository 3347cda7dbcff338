"""What signals do to a run: SIGINT and SIGTERM end it cleanly, SIGKILL at any point is mended by the next run."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Iterator

import pytest
from support.faulty import Fault
from support.packages import PackedFile, make_package
from support.project import Project, processes_of, wait_until
from support.registry import PackageRegistry, faults

NAMES = ("alpha", "beta", "gamma", "delta")

PACKAGES = {
    f"node_modules/{name}": make_package(
        name,
        "2.0.0",
        {"index.js": b"2", "lib/a.js": b"a" * 20_000, "cli.js": PackedFile(b"#!/bin/sh\n", 0o755)},
        bin={name: "cli.js"},
    )
    for name in NAMES
}

FORMER = {
    "node_modules/alpha": make_package("alpha", "1.0.0", bin={"alpha-one": "index.js"}),
    "node_modules/beta": PACKAGES["node_modules/beta"],
    "node_modules/extra": make_package("extra", "1.0.0"),
}

STATUS = {number: 128 + number for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT)}


@pytest.fixture
def gate(registry: PackageRegistry) -> Iterator[threading.Event]:
    """Tarballs stop in the middle of their bodies until the gate is opened."""
    event = threading.Event()
    registry.misbehave("*.tgz", faults.hold(event, at=100))
    yield event
    event.set()


@pytest.mark.parametrize("number", STATUS)
@pytest.mark.parametrize("command", ["ci", "install"])
def test_a_signal_in_the_middle_of_downloads_leaves_the_former_tree(
    project: Project, registry: PackageRegistry, gate: threading.Event, command: str, number: int
) -> None:
    project.write("node_modules/alpha/package.json", '{"name": "alpha", "version": "0.1.0"}')
    project.want(PACKAGES)
    running = project.start(command)
    registry.wait_for_requests("*.tgz", 2)
    running.signal(number)
    run = running.wait()
    assert run.status == STATUS[signal.Signals(number)]
    assert "stopped; the project is as it was before" in run.stderr
    gate.set()
    project.succeeds(command)
    project.assert_installed()


def test_a_signal_during_a_first_install_leaves_no_node_modules(
    project: Project, registry: PackageRegistry, gate: threading.Event
) -> None:
    project.want(PACKAGES)
    running = project.start("ci")
    registry.wait_for_requests("*.tgz", 2)
    running.signal(signal.SIGTERM)
    assert running.wait().status == 143
    assert not (project.folder / "node_modules").exists()


def test_ctrl_c_goes_to_all_processes_and_ends_them_as_one(
    project: Project, registry: PackageRegistry, gate: threading.Event
) -> None:
    project.want(PACKAGES)
    running = project.start("ci")
    registry.wait_for_requests("*.tgz", 2)
    # as a terminal does it
    os.killpg(running.pid, signal.SIGINT)
    run = running.wait()
    assert run.status == 130
    assert "Traceback" not in run.stderr


def test_a_signal_while_waiting_for_another_retry_ends_the_run(project: Project, registry: PackageRegistry) -> None:
    project.want(PACKAGES)
    project.environment["npm_config_fetch_retry_mintimeout"] = "600000"
    project.environment["npm_config_fetch_retry_maxtimeout"] = "600000"
    registry.misbehave("*.tgz", faults.status(503))
    running = project.start("ci")
    registry.wait_for_requests("*.tgz", 2)
    running.signal(signal.SIGINT)
    assert running.wait().status == 130


def test_a_signal_while_waiting_for_another_run_ends_the_waiting(
    project: Project, registry: PackageRegistry, gate: threading.Event
) -> None:
    project.want(PACKAGES)
    first = project.start("ci", alone=False)
    registry.wait_for_requests("*.tgz", 2)
    second = project.start("ci", alone=False)
    assert "waiting" in second.process.stderr.readline()
    second.signal(signal.SIGINT)
    assert second.wait().status == 130
    gate.set()
    assert first.wait().status == 0
    project.assert_installed()


def test_workers_end_when_the_main_process_is_killed(
    project: Project, registry: PackageRegistry, gate: threading.Event
) -> None:
    project.want(PACKAGES)
    running = project.start("ci")
    registry.wait_for_requests("*.tgz", 2)
    running.signal(signal.SIGKILL)
    assert running.wait().status == -signal.SIGKILL
    assert processes_of(running.pid) == []
    gate.set()
    project.succeeds("ci")
    project.assert_installed()


#: where everything is killed at once: moments that differ in what they leave behind
POINTS = {
    "before the former tree is moved": Fault("main", "os.rename", "kills all", 1),
    "while the former tree is moved": Fault("main", "os.rename", "kills all", 3),
    "in the middle of a download": Fault("fetch", "body", "kills all", 1),
    "while an entry is written": Fault("extract", "create", "kills all", 2),
    "before an entry appears": Fault("extract", "os.rename", "kills all", 2),
    "while a package is placed": Fault("clone", "os.link", "kills all", 3),
    "while a link is made": Fault("link", "os.symlink", "kills all", 2),
    "before the former tree is deleted": Fault("main", "os.utime", "kills all", 1),
}


@pytest.mark.parametrize("point", POINTS)
@pytest.mark.parametrize(("command", "next_command"), [("ci", "install"), ("install", "ci")])
def test_what_sigkill_leaves_is_mended_by_the_next_run(
    project: Project, command: str, next_command: str, point: str
) -> None:
    project.want(FORMER)
    project.succeeds("ci")
    project.want(PACKAGES)
    assert project.run(command, fault=POINTS[point]).status == -signal.SIGKILL
    project.succeeds(next_command)
    project.assert_installed()


@pytest.mark.parametrize("number", range(1, 14, 2))
def test_what_sigkill_leaves_of_a_change_by_renames_is_mended_by_the_next_run(project: Project, number: int) -> None:
    project.want(FORMER)
    project.succeeds("ci")
    project.want(PACKAGES)
    run = project.run("install", fault=Fault("main", "os.rename", "kills all", number))
    assert run.status in (0, -signal.SIGKILL)
    project.succeeds("install")
    project.assert_installed()


def test_a_lock_left_by_sigkill_is_no_obstacle(
    project: Project, registry: PackageRegistry, gate: threading.Event
) -> None:
    project.want(PACKAGES)
    running = project.start("ci")
    registry.wait_for_requests("*.tgz", 2)
    running.kill_all()
    running.wait()
    wait_until(lambda: not processes_of(running.pid), "the killed run is gone")
    gate.set()
    assert "waiting" not in project.succeeds("ci").stderr


# -- while dependencies are resolved ----------------------------------------------------------------------------------


@pytest.fixture
def unresolved(project: Project) -> Project:
    """A project without a lockfile, whose packages need each other."""
    packages = [
        make_package(f"p{number}", "1.0.0", dependencies={f"p{number + 1}": "1"} if number < 5 else {})
        for number in range(6)
    ]
    project.packages = {f"node_modules/{package.name}": package for package in packages}
    project.declare(*packages, dependencies={"p0": "1"})
    return project


@pytest.fixture
def closed(registry: PackageRegistry) -> Iterator[threading.Event]:
    """The packument of one package stops in the middle of its body until the gate is opened."""
    event = threading.Event()
    registry.misbehave("/p3", faults.hold(event, at=20))
    yield event
    event.set()


@pytest.mark.parametrize("number", STATUS)
def test_a_signal_while_resolving_ends_the_run_within_two_seconds_and_leaves_no_lock(
    unresolved: Project, registry: PackageRegistry, closed: threading.Event, number: int
) -> None:
    running = unresolved.start("install")
    registry.wait_for_requests("/p3")
    began = time.monotonic()
    running.signal(number)
    run = running.wait()
    assert time.monotonic() - began < 2
    assert run.status == STATUS[signal.Signals(number)]
    assert "stopped; the project is as it was before" in run.stderr
    assert not (unresolved.folder / "package-lock.json").exists()
    closed.set()
    unresolved.succeeds("install")
    unresolved.assert_installed()


def test_ctrl_c_while_resolving_goes_to_all_processes_and_ends_them_as_one(
    unresolved: Project, registry: PackageRegistry, closed: threading.Event
) -> None:
    running = unresolved.start("install")
    registry.wait_for_requests("/p3")
    os.killpg(running.pid, signal.SIGINT)
    run = running.wait()
    assert run.status == 130
    assert "Traceback" not in run.stderr


def test_a_signal_while_a_packument_waits_for_another_attempt_ends_the_run(
    unresolved: Project, registry: PackageRegistry
) -> None:
    unresolved.environment["npm_config_fetch_retry_mintimeout"] = "600000"
    unresolved.environment["npm_config_fetch_retry_maxtimeout"] = "600000"
    registry.misbehave("/p2", faults.status(503))
    running = unresolved.start("install")
    registry.wait_for_requests("/p2")
    running.signal(signal.SIGINT)
    assert running.wait().status == 130


def test_workers_end_when_the_main_process_is_killed_while_resolving(
    unresolved: Project, registry: PackageRegistry, closed: threading.Event
) -> None:
    running = unresolved.start("install")
    registry.wait_for_requests("/p3")
    running.signal(signal.SIGKILL)
    assert running.wait().status == -signal.SIGKILL
    assert processes_of(running.pid) == []
    closed.set()
    unresolved.succeeds("install")
    unresolved.assert_installed()


#: moments of an install without a lock, where everything is killed at once
RESOLVING_POINTS = {
    "in the middle of a packument": Fault("fetch", "body", "kills all", 3),
    "while the resolver is fed": Fault("resolve", "answer", "kills all", 3),
    "while a packument is written": Fault("cache", "create", "kills all", 3),
    "before a packument appears": Fault("cache", "os.rename", "kills all", 2),
    "while the lock is handed over": Fault("resolve", "create", "kills all", 2),
    **{
        f"at creation {number} of the main process": Fault("main", "create", "kills all", number)
        for number in range(1, 9)
    },
    **{
        f"at rename {number} of the main process": Fault("main", "os.rename", "kills all", number)
        for number in range(1, 9)
    },
    **{
        f"at removal {number} of the main process": Fault("main", "os.remove", "kills all", number)
        for number in range(1, 6)
    },
}


@pytest.mark.parametrize("point", RESOLVING_POINTS)
@pytest.mark.parametrize("is_stale", [False, True])
def test_what_sigkill_leaves_of_an_install_that_resolves_is_mended_by_the_next(
    unresolved: Project, point: str, is_stale: bool
) -> None:
    if is_stale:
        unresolved.declare(make_package("old", "1.0.0"), dependencies={"p5": "1", "old": "1"})
        unresolved.succeeds("install")
        unresolved.declare(dependencies={"p0": "1"})
    run = unresolved.run("install", fault=RESOLVING_POINTS[point])
    assert run.status in (0, -signal.SIGKILL)
    unresolved.succeeds("install")
    unresolved.assert_installed()
    undisturbed = unresolved.sibling("undisturbed")
    undisturbed.declare(dependencies={"p0": "1"})
    undisturbed.succeeds("install")
    assert (unresolved.folder / "package-lock.json").read_bytes() == (
        undisturbed.folder / "package-lock.json"
    ).read_bytes()


@pytest.mark.parametrize("number", STATUS)
def test_a_signal_to_all_processes_at_once_is_no_crash(
    project: Project, registry: PackageRegistry, gate: threading.Event, number: int
) -> None:
    project.want(PACKAGES)
    running = project.start("ci")
    registry.wait_for_requests("*.tgz", 2)
    os.killpg(running.pid, number)
    assert running.wait().status == STATUS[signal.Signals(number)]
    gate.set()
