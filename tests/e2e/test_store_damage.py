"""Damaged store files: `store verify` finds them, the next online install mends them, offline they are an error."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from support.packages import PackedFile, make_package
from support.project import Project
from support.registry import faults

from stages.entries.entry import INDEX_NAME

ALPHA = make_package(
    "alpha",
    "1.0.0",
    {"index.js": b"one", "lib/a.js": b"a" * 5_000, "cli.js": PackedFile(b"#!/bin/sh\n", 0o755)},
)
PACKAGES = {"node_modules/alpha": ALPHA, "node_modules/beta": make_package("beta", "1.0.0")}

Damage = Callable[[Path], None]


def flip(entry: Path) -> None:
    file = entry / "lib/a.js"
    content = bytearray(file.read_bytes())
    content[2_500] ^= 1
    file.write_bytes(content)


def cut(entry: Path) -> None:
    os.truncate(entry / "lib/a.js", 100)


def lose(entry: Path) -> None:
    (entry / "lib/a.js").unlink()


def replace_by_link(entry: Path) -> None:
    lose(entry)
    (entry / "lib/a.js").symlink_to("/etc/hostname")


def replace_by_folder(entry: Path) -> None:
    lose(entry)
    (entry / "lib/a.js").mkdir()


def replace_folder_by_link(entry: Path) -> None:
    moved = entry.parents[4] / "moved"
    (entry / "lib").rename(moved)
    (entry / "lib").symlink_to(moved)


def make_unexecutable(entry: Path) -> None:
    (entry / "cli.js").chmod(0o644)


def tear_index(entry: Path) -> None:
    index = entry / INDEX_NAME
    index.write_bytes(index.read_bytes()[:-20])


def empty_index(entry: Path) -> None:
    (entry / INDEX_NAME).write_bytes(b"")


def flip_index(entry: Path) -> None:
    index = entry / INDEX_NAME
    content = bytearray(index.read_bytes())
    content[-10] ^= 0x40
    index.write_bytes(content)


def lose_index(entry: Path) -> None:
    (entry / INDEX_NAME).unlink()


def replace_index_by_folder(entry: Path) -> None:
    lose_index(entry)
    (entry / INDEX_NAME).mkdir()


def empty_entry(entry: Path) -> None:
    shutil.rmtree(entry)
    entry.mkdir()


def replace_entry_by_file(entry: Path) -> None:
    shutil.rmtree(entry)
    entry.write_text("")


#: what clone notices by itself when it places the package
NOTICED = (
    lose,
    replace_by_folder,
    tear_index,
    empty_index,
    flip_index,
    lose_index,
    replace_index_by_folder,
    empty_entry,
    replace_entry_by_file,
)

#: what it notices when it copies; a hardlink is made without a look at the file, which would cost as much again
NOTICED_IN_COPYING = (cut, replace_by_link)

#: what only a comparison of all bytes and modes finds
HIDDEN = (flip, make_unexecutable, replace_folder_by_link)


def entry_of(project: Project) -> Path:
    """The store entry of alpha."""
    return next(
        path.parent for path in project.store.glob(f"v1/sha512/*/*/{INDEX_NAME}") if (path.parent / "cli.js").exists()
    )


@pytest.fixture
def stored(project: Project) -> Project:
    """A project whose packages are in the store, and whose node_modules is gone."""
    project.want(PACKAGES)
    project.succeeds("ci", "--clone-method=copy")
    shutil.rmtree(project.folder / "node_modules")
    return project


@pytest.mark.parametrize("damage", [*NOTICED[:4], *NOTICED_IN_COPYING, *HIDDEN])
def test_store_verify_finds_the_damage_and_the_next_install_mends_it(stored: Project, damage: Damage) -> None:
    entry = entry_of(stored)
    damage(entry)
    run = stored.fails("store", "verify")
    assert str(entry) in run.stdout
    assert "1 damaged entry of 2 removed" in run.stdout
    stored.succeeds("ci")
    stored.assert_installed()


def test_offline_what_store_verify_took_out_is_missing(stored: Project) -> None:
    flip(entry_of(stored))
    stored.fails("store", "verify")
    stored.succeeds("store", "verify")
    assert "alpha@1.0.0 is not in the store" in stored.fails("ci", "--offline").stderr


@pytest.mark.parametrize("damage", NOTICED_IN_COPYING)
def test_an_online_install_that_copies_mends_the_damage(stored: Project, damage: Damage) -> None:
    damage(entry_of(stored))
    stored.succeeds("ci", "--clone-method=copy")
    stored.assert_installed()


@pytest.mark.parametrize("damage", NOTICED)
def test_an_online_install_mends_the_damage(stored: Project, damage: Damage) -> None:
    damage(entry_of(stored))
    stored.succeeds("install")
    stored.assert_installed()


@pytest.mark.parametrize("damage", NOTICED)
def test_an_offline_install_fails_and_places_nothing(stored: Project, damage: Damage) -> None:
    damage(entry_of(stored))
    run = stored.fails("ci", "--offline")
    assert "alpha@1.0.0" in run.stderr
    stored.store_is_damaged = True


def test_an_entry_that_cannot_be_fetched_again_fails_the_install(stored: Project) -> None:
    lose(entry_of(stored))
    stored.registry.misbehave("/alpha/*", faults.status(404))
    assert "alpha@1.0.0" in stored.fails("ci").stderr
    stored.store_is_damaged = True


def test_an_offline_install_names_what_the_store_lacks(project: Project) -> None:
    project.want(PACKAGES)
    run = project.fails("ci", "--offline")
    assert "error[PM_OFFLINE]: alpha@1.0.0 is not in the store" in run.stderr
    assert "error[PM_OFFLINE]: beta@1.0.0 is not in the store" in run.stderr
    assert project.registry.requests == []


def test_an_offline_install_works_with_a_whole_store(stored: Project) -> None:
    requests = len(stored.registry.requests)
    stored.succeeds("ci", "--offline")
    stored.assert_installed()
    assert len(stored.registry.requests) == requests


def test_a_file_that_was_edited_through_its_hardlink_is_told_by_store_verify(project: Project) -> None:
    project.want(PACKAGES)
    project.succeeds("ci", "--clone-method=hardlink")
    with (project.folder / "node_modules/alpha/index.js").open("ab") as file:
        file.write(b"edited")
    assert "changed index.js" in project.fails("store", "verify").stdout
    project.succeeds("ci")
    project.assert_installed()


def test_a_package_with_install_scripts_is_never_hardlinked(project: Project) -> None:
    scripted = make_package("scripted", "1.0.0", scripts={"install": "node-gyp rebuild"})
    project.want({"node_modules/scripted": scripted})
    project.succeeds("ci", "--clone-method=hardlink")
    assert (project.folder / "node_modules/scripted/package.json").stat().st_nlink == 1


MEMORY: dict[str, Callable[[Path], None]] = {
    "emptied": lambda path: path.write_bytes(b""),
    "cut": lambda path: os.truncate(path, path.stat().st_size // 2),
    "random": lambda path: path.write_bytes(os.urandom(500)),
    "flipped": lambda path: path.write_bytes(bytes([*path.read_bytes()[:-3], 0xC1, 0xC1, 0xC1])),
    "a folder": lambda path: (path.unlink(), path.mkdir())[-1],
}


@pytest.mark.parametrize("how", MEMORY)
def test_what_the_store_remembers_of_projects_may_be_damaged(project: Project, how: str) -> None:
    project.want(PACKAGES)
    project.succeeds("ci")
    remembered = [path for path in project.store.glob("v1/*/*") if path.is_file()]
    assert remembered
    for path in remembered:
        MEMORY[how](path)
    project.succeeds("install")
    project.assert_installed()
    project.succeeds("ci")
    project.assert_installed()


# -- while dependencies are resolved --------------------------------------------------------------------------------

OUTER = make_package(
    "outer",
    "1.0.0",
    {"node_modules/inner/package.json": b'{"name": "inner", "version": "1.0.0"}'},
    dependencies={"inner": "1"},
    bundleDependencies=["inner"],
)


def lose_manifest(entry: Path) -> None:
    (entry / "package.json").unlink()


def lose_bundled_manifest(entry: Path) -> None:
    (entry / "node_modules/inner/package.json").unlink()


def resolve_again(project: Project, package: str, damage: Damage) -> None:
    """Damage the package's only store entry, and take away what was installed and locked."""
    project.succeeds("install")
    project.store_is_damaged = True
    (found,) = (
        path.parent
        for path in (project.store / "v1").glob(f"sha512/*/*/{INDEX_NAME}")
        if f'"name": "{package}"' in (path.parent / "package.json").read_text()
    )
    damage(found)
    shutil.rmtree(project.folder / "node_modules")
    (project.folder / "package-lock.json").unlink()
    # what is remembered of the resolution spares it the look
    shutil.rmtree(project.store / "v1/resolutions", ignore_errors=True)


@pytest.mark.parametrize("damage", [tear_index, lose_bundled_manifest])
def test_a_damaged_entry_that_is_looked_into_is_fetched_again(project: Project, damage: Damage) -> None:
    project.declare(OUTER, dependencies={"outer": "1"})
    resolve_again(project, "outer", damage)
    run = project.succeeds("install")
    assert "the store's outer is damaged" in run.stderr
    assert (project.folder / "node_modules/outer/node_modules/inner/package.json").is_file()
    assert "node_modules/outer/node_modules/inner" in project.lock["packages"]
    project.succeeds("store", "verify")


@pytest.mark.parametrize("damage", [tear_index, lose_index, lose_manifest])
def test_a_damaged_entry_of_a_tarball_by_its_url_is_fetched_again(project: Project, damage: Damage) -> None:
    far = make_package("far", "1.0.0")
    project.declare(dependencies={"far": project.registry.serve("/far.tgz", far.tarball)})
    resolve_again(project, "far", damage)
    project.succeeds("install")
    assert (project.folder / "node_modules/far/package.json").is_file()
    project.succeeds("store", "verify")


def test_offline_a_damaged_entry_that_is_looked_into_is_told(project: Project) -> None:
    project.declare(OUTER, dependencies={"outer": "1"})
    resolve_again(project, "outer", lose_bundled_manifest)
    run = project.fails("install", "--offline")
    assert "the store's outer is damaged" in run.stderr
    assert "hint: install once without --offline" in run.stderr


def test_a_damaged_entry_that_cannot_be_fetched_again_is_told(project: Project) -> None:
    project.declare(OUTER, dependencies={"outer": "1"})
    resolve_again(project, "outer", lose_bundled_manifest)
    project.registry.misbehave("*/outer-1.0.0.tgz", faults.status(404))
    run = project.fails("install")
    assert "outer@1.0.0 could not be fetched" in run.stderr
