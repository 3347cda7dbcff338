"""Builds of container images: what an earlier step has installed is a lower layer, whose folders cannot be renamed."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from support.faulty import Fault
from support.packages import Package, make_package
from support.project import Project
from support.registry import faults
from support.snapshot import snapshot

from stages.entries.entry import INDEX_NAME

DEEP = "/".join("abcdefghijklmnopqrst")
INNER = make_package("inner", "1.0.0", {"index.js": b"inner"})
LEFT = make_package(
    "left",
    "1.0.0",
    {"index.js": b"left", f"{DEEP}/deep.js": b"deep", "cli.js": b"#!/bin/sh\n"},
    bin={"left": "cli.js"},
    dependencies={"inner": "1.0.0"},
)
FORMER = {
    "node_modules/left": LEFT,
    "node_modules/left/node_modules/inner": INNER,
    "node_modules/@s/right": make_package("@s/right", "1.0.0", {"index.js": b"right"}),
    "node_modules/gone": make_package("gone", "1.0.0", {"lib/a.js": b"a"}),
}
LATER = {
    "node_modules/left": make_package("left", "2.0.0", {"index.js": b"left 2"}),
    "node_modules/@s/right": make_package("@s/right", "2.0.0", {"index.js": b"right 2"}),
    "node_modules/new": make_package("new", "1.0.0"),
}
LOST = "run pmpipe again to complete it"
BOTH = pytest.mark.parametrize("command", ["ci", "install"])


@pytest.fixture
def next_layer(project: Project, tmp_path: Path) -> Iterator[Callable[[], None]]:
    """Lets what the project has so far be a lower layer, as the next step of a build finds it."""
    if os.geteuid() != 0:
        pytest.skip("mounting needs root")
    mounted: list[Path] = []

    def mount() -> None:
        folders = [tmp_path / f"{name}{len(mounted)}" for name in ("upper", "work")]
        for folder in folders:
            folder.mkdir()
        base = project.base
        options = f"lowerdir={base},upperdir={folders[0]},workdir={folders[1]},redirect_dir=off"
        command = ["mount", "-t", "overlay", "-o", options, "pmpipe-test", str(base)]
        made = subprocess.run(command, capture_output=True, text=True, check=False)
        if made.returncode:
            pytest.skip(f"no overlay can be mounted here: {made.stderr.strip()}")
        mounted.append(base)

    yield mount
    for folder in reversed(mounted):
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


@pytest.fixture
def layered(project: Project, next_layer: Callable[[], None]) -> Project:
    """A project that an earlier step has installed."""
    project.want(FORMER)
    project.succeeds("ci")
    next_layer()
    with pytest.raises(OSError, match=os.strerror(errno.EXDEV)):
        os.rename(project.folder / "node_modules/gone", project.folder / "node_modules/away")
    return project


@pytest.mark.root
@BOTH
def test_another_step_changes_what_is_installed(layered: Project, command: str) -> None:
    layered.want(LATER)
    layered.succeeds(command)
    layered.assert_installed()
    assert "nothing to do" in layered.succeeds("install").stdout


@pytest.mark.root
def test_another_step_leaves_development_dependencies_out(project: Project, next_layer: Callable[[], None]) -> None:
    project.want(FORMER, dependencies={"@s/right": "1.0.0"}, devDependencies={"left": "1.0.0", "gone": "1.0.0"})
    project.succeeds("ci")
    next_layer()
    project.succeeds("ci", "--omit=dev")
    project.assert_installed({"node_modules/@s/right": FORMER["node_modules/@s/right"]})


@pytest.mark.root
def test_a_package_that_cannot_be_had_leaves_what_was_installed(layered: Project) -> None:
    layered.want(LATER)
    layered.registry.misbehave("/new/*.tgz", faults.status(404))
    # that the folder is as it was is checked after every failure
    layered.fails("install")
    layered.want(FORMER)
    layered.succeeds("install")
    layered.assert_installed()


@pytest.mark.root
@pytest.mark.parametrize("codes", [{"new": 404}, {"new": 404, "left": 403}])
def test_what_ci_cannot_have_is_told_with_what_is_lost(layered: Project, codes: dict[str, int]) -> None:
    layered.want(LATER)
    for name, code in codes.items():
        layered.registry.misbehave(f"/{name}/*.tgz", faults.status(code))
    run = layered.start("ci", alone=False).wait()
    assert run.status == 1
    assert run.stderr.count(LOST) == 1
    layered.registry.behave()
    layered.want(FORMER)
    layered.succeeds("install")
    layered.assert_installed()


@pytest.mark.root
@BOTH
@pytest.mark.parametrize(("kind", "status", "wanted"), [("EIO", 1, FORMER), ("kills all", -signal.SIGKILL, LATER)])
@pytest.mark.parametrize("number", range(2, 8))
def test_what_is_cut_off_while_packages_are_exchanged_is_completed_by_the_next_run(
    layered: Project, command: str, kind: str, status: int, wanted: dict[str, Package], number: int
) -> None:
    layered.want(LATER)
    run = layered.start(command, alone=False, fault=Fault("main", "os.rename", kind, number)).wait()
    assert run.status == status
    layered.want(wanted)
    layered.succeeds("install")
    layered.assert_installed()


@pytest.mark.root
def test_packages_of_a_lower_layer_can_be_taken_out_of_the_store(
    project: Project, next_layer: Callable[[], None]
) -> None:
    project.want(FORMER)
    project.succeeds("ci", "--clone-method=copy")
    next_layer()
    assert project.succeeds("store", "prune").stdout.startswith("removed 4 packages ")
    project.succeeds("ci")
    project.assert_installed()


@pytest.mark.root
def test_packages_of_a_lower_layer_are_copied_and_others_hardlinked(layered: Project) -> None:
    # a hardlink of a file in a lower layer takes longer than a copy, and as much room
    counts = layered.succeeds("ci", "--json").report["counts"]
    assert counts["copied"] > counts["hardlinked"] == 0
    layered.assert_installed()
    layered.want(LATER)
    counts = layered.succeeds("ci", "--json").report["counts"]
    assert counts["hardlinked"] > counts["copied"] == 0
    layered.assert_installed()


@pytest.mark.root
def test_a_damaged_package_of_a_lower_layer_is_mended(project: Project, next_layer: Callable[[], None]) -> None:
    project.want(FORMER)
    project.succeeds("ci", "--clone-method=copy")
    for index in project.store.glob(f"v1/*/*/*/{INDEX_NAME}"):
        index.write_bytes(b"damaged")
    next_layer()
    project.succeeds("ci")
    project.assert_installed()
    project.close()
    # the lower layer's is as it was
    project.store_is_damaged = True


@pytest.mark.root
def test_a_global_package_of_a_lower_layer_is_replaced(project: Project, next_layer: Callable[[], None]) -> None:
    prefix = project.base / "global"
    (prefix / "lib").mkdir(parents=True)
    project.registry.publish(LEFT, INNER)
    project.succeeds("install", "left@1", "-g", f"--prefix={prefix}")
    next_layer()
    project.registry.publish(LATER["node_modules/left"])
    project.succeeds("install", "left@2", "-g", f"--prefix={prefix}")
    assert sorted(snapshot(prefix)) == [
        *("bin", "lib", "lib/node_modules", "lib/node_modules/left"),
        *("lib/node_modules/left/index.js", "lib/node_modules/left/package.json"),
    ]
    assert (prefix / "lib/node_modules/left/index.js").read_bytes() == b"left 2"


@pytest.mark.root
def test_a_cache_that_is_mounted_into_node_modules_stays(project: Project, mounts: Callable[..., Path]) -> None:
    project.want(FORMER)
    project.succeeds("ci")
    cache = mounts(project.folder / "node_modules/.cache", "size=1m")
    (cache / "tool.json").write_text("{}")
    project.want(LATER)
    project.succeeds("ci")
    assert (cache / "tool.json").read_text() == "{}"
    # a failure leaves it as well
    project.want(FORMER)
    project.registry.misbehave("/gone/*.tgz", faults.status(404))
    project.succeeds("store", "prune")
    project.fails("ci")
    assert (cache / "tool.json").read_text() == "{}"
