"""`pmpipe install` in a project that has a tree already: it changes what differs, and nothing else."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import pytest
from support.faulty import NO_PROCESSES
from support.packages import PackedFile, make_package
from support.project import Project
from support.registry import PackageRegistry, faults
from support.snapshot import file_of, snapshot

from pmpipe.tree.transaction import ModulesFolder

ALPHA = make_package("alpha", "1.0.0", {"index.js": b"1", "cli.js": PackedFile(b"#!/bin/sh\n", 0o755)}, bin="cli.js")
ALPHA_2 = make_package("alpha", "2.0.0", {"index.js": b"2"}, bin={"alpha-two": "index.js"})
BETA = make_package("beta", "1.0.0", {"index.js": b"b", "lib/deep.js": b"deep"}, dependencies={"nested": "1.0.0"})
GAMMA = make_package("@scope/gamma", "1.0.0", bin={"gamma": "index.js"})
PLAIN = make_package("plain", "1.0.0")
NESTED = make_package("nested", "1.0.0", bin={"nested": "index.js"})

ALL = {
    "node_modules/alpha": ALPHA,
    "node_modules/beta": BETA,
    "node_modules/@scope/gamma": GAMMA,
    "node_modules/beta/node_modules/nested": NESTED,
}


@pytest.fixture
def installed(project: Project) -> Project:
    """A project with everything in `ALL` installed."""
    project.want(ALL)
    project.succeeds("install")
    project.assert_installed()
    return project


def inodes(folder: Path) -> dict[str, int]:
    return {str(path): path.lstat().st_ino for path in folder.rglob("*")}


def test_adds_a_package_and_touches_no_other(installed: Project) -> None:
    before = inodes(installed.folder / "node_modules/beta")
    requests = len(installed.registry.requests)
    installed.want({**ALL, "node_modules/new": make_package("new", "1.0.0", bin="index.js")})
    installed.succeeds("install")
    installed.assert_installed()
    assert inodes(installed.folder / "node_modules/beta") == before
    assert [one.path for one in installed.registry.requests[requests:]] == ["/new/-/new-1.0.0.tgz"]


def test_replaces_a_package_and_its_executables(installed: Project) -> None:
    installed.want({**ALL, "node_modules/alpha": ALPHA_2})
    installed.succeeds("install")
    installed.assert_installed()


def test_replaces_a_package_of_the_same_version_and_another_digest(installed: Project) -> None:
    republished = make_package("alpha", "1.0.0", {"index.js": b"republished"})
    installed.want({**ALL, "node_modules/alpha": republished})
    installed.succeeds("install")
    installed.assert_installed()


def test_replaces_a_package_by_another_one_under_an_alias(installed: Project) -> None:
    installed.want({**ALL, "node_modules/alpha": make_package("other", "1.0.0", {"index.js": b"other"})})
    installed.succeeds("install")
    installed.assert_installed()


def test_removes_packages_that_the_lockfile_no_longer_has(installed: Project) -> None:
    installed.want({"node_modules/alpha": ALPHA})
    run = installed.succeeds("install", "--json")
    gone = ["node_modules/@scope/gamma", "node_modules/beta", "node_modules/beta/node_modules/nested"]
    assert sorted(run.report["removed"]) == gone
    installed.assert_installed()


def test_what_was_deleted_by_hand_and_is_not_wanted_any_more_is_not_listed(installed: Project) -> None:
    shutil.rmtree(installed.folder / "node_modules/beta")
    installed.want({path: package for path, package in ALL.items() if "beta" not in path})
    assert "nothing to do" in installed.succeeds("install").stdout
    hidden = json.loads((installed.folder / "node_modules/.package-lock.json").read_text())
    assert hidden["packages"].keys() == installed.packages.keys()


def test_removes_a_package_that_nothing_lists(installed: Project) -> None:
    installed.write("node_modules/stray/index.js", "stray")
    installed.write("node_modules/@scope/stray/index.js", "stray")
    installed.write("node_modules/beta/node_modules/stray/index.js", "stray")
    installed.succeeds("install")
    installed.assert_installed()


def test_removes_a_package_that_nothing_lists_although_the_folders_times_are_old(installed: Project) -> None:
    # as after an archive was unpacked over the tree, or where all files have been given the same time
    modules = installed.folder / "node_modules"
    former = {path: path.stat().st_mtime_ns for path in (modules, modules / "@scope", modules / "beta/node_modules")}
    for path in former:
        installed.write(f"{path.relative_to(installed.folder)}/stray/index.js", "stray")
    installed.want({**ALL, "node_modules/alpha": ALPHA_2})
    for path, time_ns in former.items():
        os.utime(path, ns=(time_ns, time_ns))
    installed.succeeds("install")
    installed.assert_installed()


def test_removes_a_link_in_the_place_of_a_package_that_goes(installed: Project) -> None:
    os.rename(installed.folder / "node_modules/alpha", installed.folder / "mine")
    (installed.folder / "node_modules/alpha").symlink_to("../mine")
    installed.want({location: package for location, package in ALL.items() if package is not ALPHA})
    installed.succeeds("install")
    assert not os.path.lexists(installed.folder / "node_modules/alpha")
    assert (installed.folder / "mine/index.js").read_bytes() == b"1"


def test_a_folder_in_the_place_of_the_hidden_lockfile_is_replaced(installed: Project) -> None:
    (installed.folder / "node_modules/.package-lock.json").unlink()
    (installed.folder / "node_modules/.package-lock.json").mkdir()
    installed.succeeds("install")
    installed.assert_installed()


def test_a_file_in_the_place_of_a_package_s_packages_is_replaced(installed: Project) -> None:
    shutil.rmtree(installed.folder / "node_modules/beta/node_modules")
    (installed.folder / "node_modules/beta/node_modules").write_text("mine")
    installed.succeeds("install")
    installed.assert_installed()


def test_a_file_that_is_called_node_modules_in_a_package_is_no_obstacle(installed: Project) -> None:
    (installed.folder / "node_modules/alpha/node_modules").write_text("mine")
    installed.want({**ALL, "node_modules/new": PLAIN})
    installed.succeeds("install")
    assert (installed.folder / "node_modules/new/index.js").exists()


def test_keeps_dot_folders_and_plain_files(installed: Project) -> None:
    kept = ("node_modules/.cache/tool/state", "node_modules/.yarn-integrity", "node_modules/README")
    for path in kept:
        installed.write(path, "kept")
    installed.want({**ALL, "node_modules/alpha": ALPHA_2})
    installed.succeeds("install")
    extra = {path.removeprefix("node_modules/"): file_of(b"kept") for path in kept}
    installed.assert_installed(extra=extra | {".cache": "folder 755", ".cache/tool": "folder 755"})


def test_restores_a_package_folder_that_was_deleted(installed: Project) -> None:
    (installed.folder / "node_modules/alpha").rename(installed.base / "away")
    installed.succeeds("install")
    installed.assert_installed()


def test_restores_an_executables_link_that_was_deleted(installed: Project) -> None:
    (installed.folder / "node_modules/.bin/alpha").unlink()
    installed.succeeds("install")
    installed.assert_installed()


def test_a_file_that_is_missing_at_the_top_of_a_package_is_restored(installed: Project) -> None:
    (installed.folder / "node_modules/alpha/index.js").unlink()
    os.utime(installed.folder / "node_modules/alpha", ns=(4 * 10**18, 4 * 10**18))
    installed.succeeds("install")
    installed.assert_installed()


def test_what_was_built_by_hand_at_the_top_of_a_package_stays(project: Project) -> None:
    # nobody has allowed its scripts, so somebody has run them
    package = make_package("built", "1.0.0", {"index.js": b"1"}, scripts={"install": "node build.js"})
    project.want({"node_modules/built": package})
    project.succeeds("ci")
    built = project.folder / "node_modules/built/index.js"
    built.unlink()
    built.write_bytes(b"2")
    project.succeeds("install")
    assert built.read_bytes() == b"2"


def test_nothing_to_do_starts_no_process_and_asks_nobody(installed: Project) -> None:
    before = snapshot(installed.base)
    requests = len(installed.registry.requests)
    run = installed.succeeds("install", fault=NO_PROCESSES)
    assert "nothing to do" in run.stdout
    assert len(installed.registry.requests) == requests
    assert snapshot(installed.base) == before


def test_nothing_to_do_is_found_without_the_stores_memory(installed: Project) -> None:
    installed.store.rename(installed.base / "away")
    assert "nothing to do" in installed.succeeds("install").stdout


def test_nothing_to_do_works_with_the_registry_down(installed: Project) -> None:
    installed.registry.misbehave("*", faults.hang_up())
    assert "nothing to do" in installed.succeeds("install").stdout


def test_what_a_killed_run_left_goes_when_there_is_nothing_to_do_any_more(installed: Project) -> None:
    modules = installed.folder / "node_modules"
    before = snapshot(modules)
    # killed before it had built anything, and the change was given up
    ModulesFolder(str(modules), fresh=False).begin(["node_modules/given-up"])
    assert snapshot(modules) != before
    assert "nothing to do" in installed.succeeds("install").stdout
    assert snapshot(modules) == before
    installed.assert_installed()


def test_an_optional_package_that_is_not_found_is_left_out_with_what_only_it_needed(project: Project) -> None:
    wanted = {"node_modules/plain": PLAIN, "node_modules/shared": make_package("shared", "1.0.0")}
    fancy = make_package("fancy", "1.0.0", dependencies={"only": "1.0.0", "shared": "1.0.0"}, bin="index.js")
    project.want(
        {**wanted, "node_modules/fancy": fancy, "node_modules/only": make_package("only", "1.0.0")},
        dependencies={"plain": "1.0.0", "shared": "1.0.0"},
        optionalDependencies={"fancy": "1.0.0"},
    )
    project.change_lock("node_modules/fancy", optional=True)
    project.change_lock("node_modules/only", optional=True)
    project.registry.misbehave("/fancy/-/*", faults.status(404))
    run = project.succeeds("install", "--json")
    assert run.report["leftOut"] == ["node_modules/fancy", "node_modules/only"]
    assert any("fancy" in warning for warning in run.report["warnings"])
    project.assert_installed(wanted)


def test_an_optional_package_that_was_left_out_comes_when_it_is_there(project: Project) -> None:
    project.want(
        {"node_modules/plain": PLAIN, "node_modules/alpha": ALPHA},
        dependencies={"plain": "1.0.0"},
        optionalDependencies={"alpha": "1.0.0"},
    )
    project.change_lock("node_modules/alpha", optional=True)
    project.registry.misbehave("/alpha/-/*", faults.status(404))
    project.succeeds("install")
    project.assert_installed({"node_modules/plain": PLAIN})
    project.registry.behave()
    project.succeeds("install")
    project.assert_installed()


@pytest.mark.parametrize("command", ["ci", "install"])
@pytest.mark.parametrize("link", ["node_modules", "node_modules/alpha", "node_modules/@scope", "node_modules/.bin"])
def test_a_link_in_the_place_of_a_folder_is_replaced_and_its_target_untouched(
    installed: Project, command: str, link: str
) -> None:
    target = installed.base / "elsewhere"
    (installed.folder / link).rename(target)
    (installed.folder / link).symlink_to(target)
    before = snapshot(target)
    installed.succeeds(command)
    installed.assert_installed()
    assert not (installed.folder / link).is_symlink()
    assert snapshot(target) == before


@pytest.mark.parametrize(
    ("command", "link"),
    [
        ("ci", "node_modules"),
        ("install", "node_modules"),
        ("install", "node_modules/alpha"),
        ("install", "node_modules/@scope"),
        ("install", "node_modules/.bin"),
    ],
)
def test_a_failure_puts_back_the_link_that_stood_in_the_place_of_a_folder(
    installed: Project, registry: PackageRegistry, command: str, link: str
) -> None:
    target = installed.base / "elsewhere"
    (installed.folder / link).rename(target)
    (installed.folder / link).symlink_to(target)
    before = snapshot(target)
    installed.want({**ALL, "node_modules/alpha": ALPHA_2})
    registry.misbehave("/alpha/-/*", faults.status(404))
    installed.fails(command)
    assert snapshot(target) == before


@pytest.mark.parametrize("command", ["ci", "install"])
def test_a_failed_download_leaves_the_former_tree(installed: Project, registry: PackageRegistry, command: str) -> None:
    installed.want({**ALL, "node_modules/alpha": ALPHA_2})
    registry.misbehave("/alpha/-/*", faults.corrupt(at=30))
    run = installed.fails(command)
    assert "error[PM_INTEGRITY]: integrity mismatch for alpha@2.0.0" in run.stderr
    registry.behave()
    installed.succeeds(command)
    installed.assert_installed()


def test_a_folder_in_the_place_of_an_executables_link_is_replaced(installed: Project) -> None:
    installed.want({**ALL, "node_modules/alpha": ALPHA_2})
    installed.write("node_modules/.bin/alpha-two/file", "")
    installed.succeeds("install")
    installed.assert_installed()


def test_workspaces_are_linked_and_their_packages_changed(project: Project) -> None:
    workspace = {"name": "tool", "version": "1.0.0", "dependencies": {"alpha": "1.0.0"}, "bin": {"tool": "cli.js"}}
    project.write("packages/tool/package.json", json.dumps(workspace))
    project.write("packages/tool/cli.js", "#!/bin/sh\n").chmod(0o755)
    packages = {
        "node_modules/tool": {"resolved": "packages/tool", "link": True},
        "packages/tool": workspace,
        "packages/tool/node_modules/alpha": ALPHA,
        "node_modules/plain": PLAIN,
    }
    project.want(packages, dependencies={"plain": "1.0.0"}, workspaces=["packages/*"])
    project.succeeds("install")
    assert os.readlink(project.folder / "node_modules/tool") == "../packages/tool"
    assert os.readlink(project.folder / "node_modules/.bin/tool") == "../tool/cli.js"
    assert (project.folder / "packages/tool/node_modules/alpha/index.js").read_bytes() == b"1"
    (project.folder / "node_modules/tool").unlink()
    project.succeeds("install")
    assert os.readlink(project.folder / "node_modules/tool") == "../packages/tool"
