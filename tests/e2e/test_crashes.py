"""A stage process that crashes fails the run, at whatever point and in whatever way, and harms nothing."""

from __future__ import annotations

import pytest
from support.faulty import Fault
from support.packages import PackedFile, make_package
from support.project import Project
from support.snapshot import tree_of

#: how a stage's process ends, and what the user reads about it
KINDS = {
    "raises": "raised",
    "exits": "exited with status 3",
    "SIGKILL": "was killed by SIGKILL",
    "SIGSEGV": "was killed by SIGSEGV",
}

#: what each stage is doing in the middle of a job, and how often before this time
MIDDLES = {"fetch": ("body", 2), "extract": ("create", 5), "clone": ("os.link", 4), "link": ("os.symlink", 2)}

NAMES = ("alpha", "beta", "gamma")

PACKAGES = {
    f"node_modules/{name}": make_package(
        name,
        "1.0.0",
        {"index.js": b"1", "lib/a.js": b"a" * 40_000, "lib/b.js": b"b", "cli.js": PackedFile(b"#!/bin/sh\n", 0o755)},
        bin={f"{name}-one": "cli.js", f"{name}-two": "lib/b.js"},
    )
    for name in NAMES
}

#: how the jobs of a stage are named
JOBS = {stage: [f"{name}@1.0.0" for name in NAMES] for stage in ("fetch", "extract", "clone")}
JOBS["link"] = list(PACKAGES)


def points(stage: str) -> list[tuple[str, int]]:
    return [("start", 1), MIDDLES[stage], ("put", 1)]


MATRIX = [
    pytest.param(Fault(stage, point, kind, number), id=f"{stage}-{kind}-{point}")
    for stage in MIDDLES
    for kind in KINDS
    for point, number in points(stage)
]


@pytest.fixture
def crashing(project: Project) -> Project:
    """A project whose former node_modules has a package that is to be replaced, and a file of the user's."""
    project.want(PACKAGES)
    project.write("node_modules/alpha/package.json", '{"name": "alpha", "version": "0.1.0"}')
    project.write("node_modules/.cache/kept", "kept")
    return project


def crash_of(fault: Fault) -> str:
    """What the user reads first."""
    return f"error[PM_CRASH]: the {fault.stage} stage's worker {KINDS[fault.kind]}"


def assert_told(stderr: str, fault: Fault) -> None:
    assert crash_of(fault) in stderr
    if fault.kind == "raises":
        assert "OnPurposeError: raised on purpose" in stderr
        assert "Traceback (most recent call last)" in stderr
    if fault.point not in ("start", "put"):
        assert any(f"while working on {job}" in stderr for job in JOBS[fault.stage])


@pytest.mark.parametrize("fault", MATRIX)
def test_a_crash_ends_with_status_70_and_the_former_tree_and_the_next_run_succeeds(
    crashing: Project, fault: Fault
) -> None:
    run = crashing.fails("ci", fault=fault, status=70)
    assert_told(run.stderr, fault)
    crashing.succeeds("ci")
    crashing.assert_installed()


@pytest.mark.parametrize("stage", MIDDLES)
def test_a_crash_of_a_first_install_leaves_no_node_modules(project: Project, stage: str) -> None:
    project.want(PACKAGES)
    point, number = MIDDLES[stage]
    fault = Fault(stage, point, "SIGKILL", number)
    assert_told(project.fails("ci", fault=fault, status=70).stderr, fault)
    assert not (project.folder / "node_modules").exists()
    project.succeeds("ci")
    project.assert_installed()


@pytest.mark.parametrize(("stage", "kind"), [*((stage, "SIGKILL") for stage in MIDDLES), ("link", "raises")])
def test_a_crash_while_a_tree_is_changed_leaves_it_as_it_was(project: Project, stage: str, kind: str) -> None:
    former = make_package("alpha", "0.1.0", bin={"alpha-zero": "index.js"})
    project.want({"node_modules/alpha": former, "node_modules/old": make_package("old", "1.0.0")})
    project.succeeds("install")
    project.want(PACKAGES)
    point, number = MIDDLES[stage]
    fault = Fault(stage, point, kind, number)
    assert_told(project.fails("install", fault=fault, status=70).stderr, fault)
    project.succeeds("install")
    project.assert_installed()


@pytest.mark.parametrize("command", ["verify", "install --repair", "store verify"])
def test_a_crash_while_files_are_compared_fails_the_command(project: Project, command: str) -> None:
    project.want(PACKAGES)
    project.succeeds("ci")
    fault = Fault("clone", "start", "raises")
    assert_told(project.fails(*command.split(), fault=fault, status=70).stderr, fault)


@pytest.mark.parametrize(
    ("command", "number"), [("ci", 1), ("ci", 2), ("ci", 4), *(("install", number) for number in range(1, 10, 2))]
)
def test_a_bug_of_the_main_process_leaves_the_former_tree_or_the_complete_new_one(
    project: Project, command: str, number: int
) -> None:
    former = {"node_modules/alpha": make_package("alpha", "0.1.0"), "node_modules/old": make_package("old", "1.0.0")}
    project.want(former)
    project.succeeds("ci")
    project.want(PACKAGES)
    run = project.run(command, fault=Fault("main", "os.rename", "raises", number), alone=False)
    assert run.status in (0, 70)
    assert project.tree() in (tree_of(former), tree_of(PACKAGES))
    project.succeeds(command)
    project.assert_installed()


# -- while dependencies are resolved ----------------------------------------------------------------------------------

#: what the two stages are doing in the middle of a job
RESOLVING = {"resolve": ("answer", 2), "cache": ("create", 2)}

RESOLVING_MATRIX = [
    pytest.param(Fault(stage, point, kind, number), id=f"{stage}-{kind}-{point}")
    for stage, middle in RESOLVING.items()
    for kind in KINDS
    for point, number in (("start", 1), middle, ("put", 1))
]


@pytest.fixture
def unresolved(project: Project) -> Project:
    """A project without a lockfile, whose packages need each other."""
    project.want({})
    (project.folder / "package-lock.json").unlink()
    for number in range(6):
        needs = {f"p{number + 1}": "1"} if number < 5 else {}
        project.packages[f"node_modules/p{number}"] = make_package(f"p{number}", "1.0.0", dependencies=needs)
    project.declare(*project.packages.values(), dependencies={"p0": "1"})  # type: ignore[arg-type]
    project.write("node_modules/.cache/kept", "kept")
    return project


@pytest.mark.parametrize("fault", RESOLVING_MATRIX)
def test_a_crash_while_resolving_ends_with_status_70_and_the_next_run_makes_the_lock(
    unresolved: Project, fault: Fault
) -> None:
    run = unresolved.fails("install", fault=fault, status=70)
    assert crash_of(fault) in run.stderr
    if fault.point not in ("start", "put"):
        assert "while working on p" in run.stderr
    assert not (unresolved.folder / "package-lock.json").exists()
    unresolved.succeeds("install")
    lock, kept = unresolved.lock, {".cache": "folder 755", ".cache/kept": unresolved.tree()[".cache/kept"]}
    unresolved.assert_installed(extra=kept)
    other = unresolved.sibling("undisturbed")
    other.declare(dependencies={"p0": "1"})
    other.succeeds("install")
    assert other.lock == lock


@pytest.mark.parametrize("kind", KINDS)
def test_a_crash_of_fetch_while_resolving_ends_with_status_70(unresolved: Project, kind: str) -> None:
    fault = Fault("fetch", "body", kind, 2)
    assert crash_of(fault) in unresolved.fails("install", fault=fault, status=70).stderr
    unresolved.succeeds("install")


@pytest.mark.parametrize("stage", RESOLVING)
def test_a_crash_while_a_lock_is_changed_leaves_it_as_it_was(unresolved: Project, stage: str) -> None:
    unresolved.succeeds("install")
    extra = make_package("extra", "1.0.0", dependencies={"extra-2": "1"})
    unresolved.declare(extra, make_package("extra-2", "1.0.0"), dependencies={"p0": "1", "extra": "1"})
    fault = Fault(stage, RESOLVING[stage][0], "SIGKILL")
    # fails() compares the whole project, the lockfile included
    assert crash_of(fault) in unresolved.fails("install", fault=fault, status=70).stderr
    unresolved.succeeds("install")
    assert "node_modules/extra-2" in unresolved.lock["packages"]


@pytest.mark.parametrize("number", range(1, 16, 2))
def test_a_bug_of_the_main_process_while_resolving_leaves_no_lock_or_the_complete_one(
    unresolved: Project, number: int
) -> None:
    run = unresolved.run("install", fault=Fault("main", "os.rename", "raises", number), alone=False)
    assert run.status in (0, 70)
    if (unresolved.folder / "package-lock.json").exists():
        assert len(unresolved.lock["packages"]) == 7
    unresolved.succeeds("install")
    assert len(unresolved.lock["packages"]) == 7
