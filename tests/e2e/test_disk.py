"""Disks that are full, read-only, elsewhere, and limits of the system: an error that says so, and nothing half-done."""

from __future__ import annotations

import errno
import os
import random
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from support.faulty import Fault
from support.git import make_repository
from support.packages import make_package
from support.project import Project

#: 10 packages of some 40 kB each, in files of 1 to 24 kB
PACKAGES = {
    f"node_modules/p{number}": make_package(
        f"p{number}",
        "1.0.0",
        {"index.js": os.urandom(1_000), "lib/a.js": os.urandom(12_000), "lib/b.js": os.urandom(24_000)},
        bin={f"p{number}": "index.js"},
    )
    for number in range(10)
}
FORMER = {"node_modules/former": make_package("former", "1.0.0", {"a": b"a" * 3_000})}


@pytest.fixture
def read_only() -> Iterator[Callable[[Path], None]]:
    """Makes a folder read-only, even for root, until the test ends."""
    if os.geteuid() != 0:
        pytest.skip("mounting needs root")
    mounted: list[Path] = []

    def make(folder: Path) -> None:
        subprocess.run(["mount", "--bind", str(folder), str(folder)], check=True)
        mounted.append(folder)
        subprocess.run(["mount", "-o", "remount,bind,ro", str(folder)], check=True)

    yield make
    for folder in reversed(mounted):
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


def resize(folder: Path, options: str) -> None:
    subprocess.run(["mount", "-o", f"remount,{options}", str(folder)], check=True)


# -- full ---------------------------------------------------------------------------------------------------------


@pytest.mark.root
@pytest.mark.parametrize("options", ["size=4k", "size=32k", "size=200k", "size=400k", "nr_inodes=12", "nr_inodes=40"])
def test_a_store_that_fills_up_fails_cleanly_and_the_run_succeeds_with_room(
    project: Project, mounts: Callable[..., Path], options: str
) -> None:
    project.want(FORMER)
    project.succeeds("ci")
    project.store = mounts(project.base / "small", options) / "store"
    project.want(PACKAGES)
    run = project.fails("ci")
    assert "No space left on device" in run.stderr
    assert str(project.store) in run.stderr
    resize(project.base / "small", "size=4m,nr_inodes=2000")
    project.succeeds("ci")
    project.assert_installed()
    project.close()
    project.store_is_damaged = True


@pytest.mark.root
@pytest.mark.parametrize("command", ["ci", "install"])
def test_a_store_that_is_full_is_no_reason_to_leave_out_what_is_optional(
    project: Project, mounts: Callable[..., Path], command: str
) -> None:
    big = make_package("big", "1.0.0", {"bin/tool": os.urandom(2_000_000)})
    project.want({"node_modules/big": big}, dependencies={}, optionalDependencies={"big": "1.0.0"})
    project.change_lock("node_modules/big", optional=True)
    project.store = mounts(project.base / "small", "size=1m") / "store"
    assert "No space left on device" in project.fails(command).stderr
    resize(project.base / "small", "size=8m")
    project.succeeds(command)
    project.assert_installed()
    project.close()
    project.store_is_damaged = True


@pytest.mark.root
@pytest.mark.parametrize("command", ["ci", "install"])
@pytest.mark.parametrize("options", ["size=48k", "size=300k", "nr_inodes=30"])
def test_a_project_that_fills_up_fails_cleanly_and_the_run_succeeds_with_room(
    project: Project, mounts: Callable[..., Path], command: str, options: str
) -> None:
    mount = mounts(project.base / "small", "size=4m,nr_inodes=2000")
    project.folder = mount / "app"
    project.folder.mkdir()
    project.want(FORMER)
    project.succeeds("ci")
    project.want(PACKAGES)
    resize(mount, options)
    run = project.fails(command)
    assert "No space left on device" in run.stderr
    resize(mount, "size=4m,nr_inodes=2000")
    project.succeeds(command)
    project.assert_installed()


@pytest.mark.root
def test_store_and_project_on_one_full_disk_fail_cleanly(project: Project, mounts: Callable[..., Path]) -> None:
    mount = mounts(project.base / "small", "size=300k")
    project.folder, project.store = mount / "app", mount / "store"
    project.folder.mkdir()
    project.want(PACKAGES)
    assert "No space left on device" in project.fails("ci").stderr
    resize(mount, "size=4m")
    project.succeeds("ci")
    project.assert_installed()
    project.close()
    project.store_is_damaged = True


@pytest.mark.root
@pytest.mark.parametrize("options", ["size=64k", "size=400k", "nr_inodes=20"])
def test_a_store_that_is_full_is_told_as_that_where_git_writes_to_it(
    project: Project, mounts: Callable[..., Path], options: str
) -> None:
    noise = random.Random(1)
    repository, _ = make_repository(
        project.base / "repository",
        {"package.json": '{"name": "g", "version": "1.0.0"}', "data": f"{noise.getrandbits(4_000_000):x}"},
    )
    project.declare(dependencies={"g": repository})
    project.succeeds("install", "--package-lock-only")
    project.store = mounts(project.base / "small", options) / "store"
    run = project.fails("ci")
    assert "free some space, or choose another place with --store-dir" in run.stderr
    assert "error[PM_STORE]" in run.stderr
    assert "credential helper" not in run.stderr
    resize(project.base / "small", "size=8m,nr_inodes=2000")
    project.succeeds("ci")
    project.close()
    project.store_is_damaged = True


# -- read-only ----------------------------------------------------------------------------------------------------


@pytest.mark.root
@pytest.mark.parametrize("command", ["ci", "install"])
def test_a_read_only_store_serves_what_it_has(
    project: Project, read_only: Callable[[Path], None], command: str
) -> None:
    project.want(PACKAGES)
    project.succeeds("ci")
    other = project.sibling("other")
    other.want(PACKAGES)
    read_only(project.store)
    other.succeeds(command)
    other.assert_installed()
    assert "nothing to do" in other.succeeds("install").stdout
    other.succeeds("verify")
    other.succeeds("store", "verify")


@pytest.mark.root
def test_a_read_only_store_that_lacks_packages_is_named(project: Project, read_only: Callable[[Path], None]) -> None:
    project.want(FORMER)
    project.succeeds("ci")
    project.want(PACKAGES)
    read_only(project.store)
    run = project.fails("ci")
    assert f"the store at {project.store} cannot be written, and lacks 10 packages" in run.stderr


@pytest.mark.root
def test_scripts_that_a_read_only_store_says_have_not_run_run_each_time_with_a_warning(
    project: Project, read_only: Callable[[Path], None]
) -> None:
    package = make_package("built", "1.0.0", scripts={"install": "echo built > made"})
    project.want({"node_modules/built": package})
    project.succeeds("install")
    read_only(project.store)
    project.want({"node_modules/built": package}, allowScripts={"built": True})
    for _ in range(2):
        run = project.succeeds("install", alone=False)
        assert "each `pmpipe install` builds them once more" in run.stderr
        assert (project.folder / "node_modules/built/made").read_text() == "built\n"


@pytest.mark.root
def test_a_read_only_place_for_the_store_is_named(project: Project, read_only: Callable[[Path], None]) -> None:
    place = project.base / "place"
    place.mkdir()
    project.store = place / "store"
    project.want(PACKAGES)
    read_only(place)
    assert f"the store at {project.store} cannot be written" in project.fails("ci").stderr


@pytest.mark.root
@pytest.mark.parametrize("command", ["ci", "install"])
def test_a_read_only_project_fails_cleanly(project: Project, read_only: Callable[[Path], None], command: str) -> None:
    project.want(FORMER)
    project.succeeds("ci")
    project.want(PACKAGES)
    read_only(project.folder)
    run = project.fails(command)
    assert "error[PM_FILESYSTEM]: cannot change" in run.stderr
    assert "Read-only file system" in run.stderr


@pytest.mark.root
@pytest.mark.skipif(shutil.which("setpriv") is None, reason="nothing takes root's privileges away")
def test_a_folder_of_executables_that_is_closed_is_named(project: Project) -> None:
    project.want(PACKAGES)
    project.succeeds("ci")
    project.want(FORMER)
    bin_folder = project.folder / "node_modules/.bin"
    bin_folder.chmod(0)
    project.prefix = ("setpriv", "--bounding-set=-dac_override,-dac_read_search", "--inh-caps=-all")
    run = project.fails("install")
    bin_folder.chmod(0o755)
    assert f"error[PM_FILESYSTEM]: cannot read {bin_folder}: Permission denied" in run.stderr


@pytest.mark.root
@pytest.mark.skipif(shutil.which("setpriv") is None, reason="nothing takes root's privileges away")
@pytest.mark.parametrize("command", ["ci", "install"])
def test_what_belongs_to_somebody_else_is_told_as_such(project: Project, command: str) -> None:
    project.want(FORMER)
    project.succeeds("ci")
    project.want(PACKAGES)
    modules = project.folder / "node_modules"
    os.chown(modules, 4_000_000, -1)
    project.prefix = ("setpriv", "--bounding-set=-dac_override,-dac_read_search", "--inh-caps=-all")
    run = project.fails(command)
    os.chown(modules, 0, -1)
    assert f"hint: {modules} belongs to user 4000000, and this is run by root: chown -R gives it away" in run.stderr
    assert "nothing was changed" in run.stderr


@pytest.mark.root
def test_a_read_only_project_that_is_complete_needs_nothing(
    project: Project, read_only: Callable[[Path], None]
) -> None:
    project.want(FORMER)
    project.succeeds("ci")
    read_only(project.folder)
    assert "nothing to do" in project.succeeds("install").stdout
    project.succeeds("verify")


@pytest.mark.root
def test_a_read_only_project_with_an_unusable_hidden_lockfile_fails_cleanly(
    project: Project, read_only: Callable[[Path], None]
) -> None:
    project.want(FORMER)
    project.succeeds("ci")
    project.write("node_modules/.package-lock.json", "{")
    read_only(project.folder)
    run = project.run("install")
    assert run.status in (0, 1)
    assert "Traceback" not in run.stderr


def test_a_file_in_the_place_of_the_store_is_named(project: Project) -> None:
    project.want(FORMER)
    project.store.write_text("")
    assert f"the store at {project.store} cannot be used" in project.fails("ci").stderr


@pytest.mark.parametrize("place", ["node_modules/.cache/store", "node_modules", "part/node_modules/.store", "link"])
def test_a_store_in_the_project_s_own_node_modules_is_refused(project: Project, place: str) -> None:
    project.want(FORMER)
    project.succeeds("ci")
    (project.folder / "link").symlink_to("node_modules/.cache")
    before = sorted(os.listdir(project.folder / "node_modules"))
    project.names_store = False
    run = project.fails("ci", f"--store-dir={project.folder / place}")
    assert "lies in the project's own node_modules" in run.stderr
    assert sorted(os.listdir(project.folder / "node_modules")) == before


@pytest.mark.parametrize("command", ["ci", "install"])
def test_a_file_in_the_place_of_node_modules_fails_cleanly(project: Project, command: str) -> None:
    project.want(FORMER)
    project.write("node_modules", "a file")
    run = project.fails(command)
    assert "error[PM_FILESYSTEM]" in run.stderr
    assert "node_modules" in run.stderr


@pytest.mark.parametrize("command", ["ci", "install"])
def test_a_link_in_the_place_of_node_modules_is_replaced_and_told(project: Project, command: str) -> None:
    project.want(FORMER)
    elsewhere = project.base / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "kept").write_text("kept")
    (project.folder / "node_modules").symlink_to("../elsewhere")
    assert "node_modules was a link to ../elsewhere" in project.succeeds(command).stderr
    project.assert_installed()
    assert os.listdir(elsewhere) == ["kept"]
    assert project.succeeds(command).stderr == ""


# -- elsewhere ----------------------------------------------------------------------------------------------------


@pytest.mark.root
@pytest.mark.parametrize("method", ["auto", "hardlink"])
def test_a_store_on_another_device_is_copied_from(project: Project, mounts: Callable[..., Path], method: str) -> None:
    project.store = mounts(project.base / "other-device", "size=4m") / "store"
    project.want(PACKAGES)
    run = project.succeeds("ci", "--clone-method", method)
    assert "40 files copied" in run.stdout
    project.assert_installed()
    project.close()
    project.store_is_damaged = True


@pytest.mark.root
def test_node_modules_may_be_a_mount_point(project: Project, mounts: Callable[..., Path]) -> None:
    project.want(FORMER)
    mounts(project.folder / "node_modules", "size=4m,mode=755")
    project.succeeds("ci")
    project.want(PACKAGES)
    project.succeeds("ci")
    project.assert_installed()
    project.want(FORMER)
    project.succeeds("install")
    tree = project.tree()
    tree.pop(".bin", None)
    assert tree == {path: what for path, what in tree.items() if path.startswith("former")}


# -- limits -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("descriptors", [64, 48, 32])
def test_few_descriptors_are_enough_or_are_named(project: Project, descriptors: int) -> None:
    project.want(PACKAGES)
    project.prefix = ("sh", "-c", f'ulimit -n {descriptors}; exec "$@"', "sh")
    run = project.run("ci")
    assert run.status == 0 or (run.status == 1 and os.strerror(errno.EMFILE) in run.stderr)
    project.prefix = ()
    project.succeeds("ci")
    project.assert_installed()


@pytest.mark.parametrize("command", ["ci", "install"])
def test_a_limit_on_the_addresses_of_a_process_is_kept(project: Project, command: str) -> None:
    # a fourth of what the arena takes where there is no limit
    project.prefix = ("sh", "-c", 'ulimit -v 1048576; exec "$@"', "sh")
    project.want(PACKAGES)
    project.succeeds(command)
    project.assert_installed()


@pytest.mark.parametrize("command", ["ci", "install"])
# the first one only saves memory
@pytest.mark.parametrize("number", [2, 4])
def test_a_system_that_starts_no_further_process_is_named(project: Project, command: str, number: int) -> None:
    project.want(FORMER)
    project.succeeds("ci")
    project.want(PACKAGES)
    run = project.fails(command, fault=Fault("main", "os.fork", "EAGAIN", number))
    assert "Resource temporarily unavailable" in run.stderr
    assert "Traceback" not in run.stderr
    project.succeeds(command)
    project.assert_installed()


def test_a_hidden_lockfile_whose_time_cannot_be_set_is_no_failure(project: Project) -> None:
    project.want(FORMER)
    run = project.succeeds("ci", fault=Fault("main", "os.utime", "EPERM"))
    assert "warning: cannot set the time of" in run.stderr
    project.assert_installed()
