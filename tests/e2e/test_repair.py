"""`pmpipe verify` finds every file that is missing or changed, `install --repair` restores exactly those."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from support.packages import PackedFile, make_package
from support.project import Project
from support.registry import PackageRegistry, faults

FILES = {f"lib/{name}.js": name.encode() * 2_000 for name in "abcd"}
ALPHA = make_package("alpha", "1.0.0", {**FILES, "cli.js": PackedFile(b"#!/bin/sh\n", 0o755)}, bin="cli.js")
PACKAGES = {
    "node_modules/alpha": ALPHA,
    "node_modules/@scope/beta": make_package("@scope/beta", "1.0.0", FILES),
    "node_modules/gamma": make_package("gamma", "1.0.0"),
}

#: how a file of alpha may be damaged -> which list it is in
DAMAGE: dict[str, tuple[str, Callable[[Path], None]]] = {
    "deleted": ("missing", lambda path: path.unlink()),
    "emptied": ("changed", lambda path: path.write_bytes(b"")),
    "edited": ("changed", lambda path: path.write_bytes(path.read_bytes().replace(b"a", b"x"))),
    "lengthened": ("changed", lambda path: path.write_bytes(path.read_bytes() + b"more")),
    "a link": ("changed", lambda path: (path.unlink(), path.symlink_to("b.js"))[-1]),
    "a folder": ("changed", lambda path: (path.unlink(), path.mkdir())[-1]),
}


@pytest.fixture
def installed(project: Project) -> Project:
    """A project whose files are copies: what happens to them does not happen to the store."""
    project.want(PACKAGES)
    project.environment["npm_config_clone_method"] = "copy"
    project.succeeds("ci")
    return project


def inodes(folder: Path) -> dict[str, int]:
    return {str(path.relative_to(folder)): path.lstat().st_ino for path in folder.rglob("*") if not path.is_dir()}


def test_an_undamaged_tree_verifies(installed: Project) -> None:
    assert "verified 3 packages: every file is as it was unpacked" in installed.succeeds("verify").stdout


@pytest.mark.parametrize("settings", ["lockfile-version=1", "package-lock=false"])
def test_a_tree_is_verified_where_the_lockfile_does_not_tell_it(project: Project, settings: str) -> None:
    project.want(PACKAGES)
    (project.folder / "package-lock.json").unlink()
    project.write(".npmrc", f"{settings}\nclone-method=copy\n")
    project.succeeds("install")
    assert "verified 3 packages" in project.succeeds("verify").stdout
    project.write("node_modules/alpha/lib/a.js", "edited")
    assert "changed: node_modules/alpha/lib/a.js" in project.fails("verify").stdout
    project.succeeds("install", "--repair")
    assert "verified 3 packages" in project.succeeds("verify").stdout


@pytest.mark.parametrize("how", DAMAGE)
def test_a_damaged_file_is_found_and_exactly_that_file_restored(installed: Project, how: str) -> None:
    kind, damage = DAMAGE[how]
    path = installed.folder / "node_modules/alpha/lib/a.js"
    before = inodes(installed.folder / "node_modules")
    damage(path)
    assert f"{kind}: node_modules/alpha/lib/a.js" in installed.fails("verify").stdout
    run = installed.succeeds("install", "--repair")
    assert "restoring node_modules/alpha/lib/a.js" in run.stderr
    installed.assert_installed()
    after = inodes(installed.folder / "node_modules")
    others = before.keys() - {"alpha/lib/a.js", ".package-lock.json"}
    assert {name: before[name] for name in others} == {name: after[name] for name in others}
    installed.succeeds("verify")


def test_damage_in_several_packages_is_found_at_once(installed: Project) -> None:
    shutil.rmtree(installed.folder / "node_modules/alpha/lib")
    (installed.folder / "node_modules/@scope/beta/lib/b.js").unlink()
    (installed.folder / "node_modules/gamma/index.js").unlink()
    report = installed.fails("verify", "--json").report
    assert sorted(report["missing"]) == sorted(
        [f"node_modules/alpha/{name}" for name in FILES]
        + ["node_modules/@scope/beta/lib/b.js", "node_modules/gamma/index.js"]
    )
    assert report["changed"] == []
    installed.succeeds("install", "--repair")
    installed.assert_installed()


def test_a_deleted_package_is_found_and_restored(installed: Project) -> None:
    shutil.rmtree(installed.folder / "node_modules/@scope/beta")
    assert "missing: node_modules/@scope/beta/package.json" in installed.fails("verify").stdout
    installed.succeeds("install", "--repair")
    installed.assert_installed()


def test_an_executable_that_lost_its_mode_is_found_and_restored(installed: Project) -> None:
    (installed.folder / "node_modules/alpha/cli.js").chmod(0o644)
    assert "changed: node_modules/alpha/cli.js" in installed.fails("verify").stdout
    installed.succeeds("install", "--repair")
    installed.assert_installed()


def test_a_file_whose_stored_twin_is_damaged_too_is_fetched_again(project: Project) -> None:
    project.want(PACKAGES)
    project.succeeds("ci", "--clone-method=hardlink")
    path = project.folder / "node_modules/alpha/lib/a.js"
    with path.open("r+b") as file:
        file.write(b"edited through the hardlink")
    requests = len(project.registry.requests)
    project.succeeds("install", "--repair")
    project.assert_installed()
    assert [one.path for one in project.registry.requests[requests:]] == [ALPHA.tarball_path]
    project.succeeds("store", "verify")


def test_offline_a_file_whose_stored_twin_is_damaged_too_cannot_be_restored(project: Project) -> None:
    project.want(PACKAGES)
    project.succeeds("ci", "--clone-method=hardlink")
    with (project.folder / "node_modules/alpha/lib/a.js").open("r+b") as file:
        file.write(b"edited through the hardlink")
    assert "alpha@1.0.0 is not in the store" in project.fails("install", "--repair", "--offline").stderr
    project.store_is_damaged = True


def test_a_package_that_the_store_lacks_is_not_called_verified(installed: Project) -> None:
    installed.store.rename(installed.base / "away")
    run = installed.fails("verify")
    assert "not in the store, so not verified" in run.stderr
    assert "`pmpipe install --repair` fetches what is not in the store, and places it anew" in run.stderr
    assert "these files" not in run.stderr
    installed.succeeds("install", "--repair")
    installed.assert_installed()
    installed.succeeds("verify")


def test_a_repair_that_cannot_fetch_leaves_the_tree_as_it_is(installed: Project, registry: PackageRegistry) -> None:
    installed.store.rename(installed.base / "away")
    registry.misbehave("*.tgz", faults.status(404))
    installed.fails("install", "--repair")


def test_a_repair_with_nothing_to_repair_changes_nothing(installed: Project) -> None:
    before = inodes(installed.folder)
    assert "nothing to do" in installed.succeeds("install", "--repair").stdout
    assert inodes(installed.folder) == before


def test_extra_files_within_a_package_are_left_alone(installed: Project) -> None:
    extra = installed.write("node_modules/alpha/.cache", "by a tool")
    installed.succeeds("verify")
    installed.succeeds("install", "--repair")
    assert extra.read_text() == "by a tool"


def test_files_with_unusual_names_are_found_and_restored(project: Project) -> None:
    names = ["with space.js", "new\nline.js", "umlaut-ä.js", "-dash", "quote'\".js"]
    project.want({"node_modules/odd": make_package("odd", "1.0.0", {name: name.encode() for name in names})})
    project.succeeds("ci")
    for name in names:
        os.unlink(project.folder / "node_modules/odd" / name)
    report = project.fails("verify", "--json").report
    assert sorted(report["missing"]) == sorted(f"node_modules/odd/{name}" for name in names)
    project.succeeds("install", "--repair")
    project.assert_installed()


def test_a_tree_of_some_workspaces_is_verified_from_wherever_it_was_installed(project: Project) -> None:
    project.write("one/package.json", '{"name": "one", "dependencies": {"gamma": "1"}}')
    project.declare(PACKAGES["node_modules/gamma"], ALPHA, workspaces=["one"], devDependencies={"alpha": "1"})
    project.succeeds("install", "-w", "one", alone=False)
    assert "verified 1 package" in project.succeeds("verify", "-w", "one", alone=False).stdout
    assert "verified 1 package" in project.succeeds("verify", cwd=project.folder / "one", alone=False).stdout
    # it is in the store if its tarball has come before it was known that nobody needs it
    run = project.fails("verify")
    assert "node_modules/alpha" in run.stdout + run.stderr
    (project.folder / "node_modules/gamma/package.json").unlink()
    assert "missing: node_modules/gamma/package.json" in project.fails("verify", "-w", "one").stdout
