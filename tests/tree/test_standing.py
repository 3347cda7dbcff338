"""Whether a project is as its last install left it."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import pytest
from support.trees import LONG_AGO_NS, age, wanted_link, wanted_package, wanted_tree

from pmpipe.npm.locks.package_path import PackagePath
from pmpipe.project.project_files import HIDDEN_LOCKFILE
from pmpipe.tree.memory import Inputs, digests_of, read_sealed, sealed
from pmpipe.tree.standing import TOLERANCE_NS, count_standing, forget, write_record
from pmpipe.tree.wanted import WantedBins

TREE = wanted_tree(
    wanted_package("node_modules/a"),
    wanted_package("node_modules/a/node_modules/b"),
    wanted_package("node_modules/@s/c"),
    wanted_link("node_modules/x", "packages/x"),
    wanted_package("packages/x/node_modules/d"),
    bins=(WantedBins(PackagePath("node_modules/a"), "node_modules/.bin", (("a", "index.js"),), None),),
    workspaces=("packages/x", "packages/y"),
)


def is_standing(store: str, project: str, key: str, *, with_bins: bool) -> bool:
    return count_standing(store, project, key, with_bins=with_bins) is not None


@dataclass
class Finished:
    """A project and a record of how it was left."""

    folder: Path
    store: str

    def stands(self, key: str = "key", *, with_bins: bool = True) -> bool:
        return is_standing(self.store, str(self.folder), key, with_bins=with_bins)

    @property
    def record(self) -> Path:
        (path,) = Path(self.store, "projects").iterdir()
        return path


@pytest.fixture
def finished(tmp_path: Path) -> Finished:
    store = tmp_path / "store"
    (store / "staging").mkdir(parents=True)
    folder = tmp_path / "project"
    for path in ("node_modules/a/node_modules/b", "node_modules/@s/c", "packages/x/node_modules/d", "packages/y"):
        (folder / path).mkdir(parents=True)
        (folder / path / "package.json").write_text("{}")
    (folder / "node_modules/x").symlink_to("../packages/x")
    (folder / "node_modules/.bin").mkdir()
    (folder / "node_modules/.bin/a").symlink_to("../a/index.js")
    (folder / "package.json").write_text("{}")
    (folder / HIDDEN_LOCKFILE).write_text("{}")
    age(folder)
    manifests = ("package.json", "packages/x/package.json", "packages/y/package.json")
    inputs = Inputs(digests_of(str(folder), manifests), ("packages/*",), ("packages/x", "packages/y"))
    write_record(str(store), str(folder), "key", inputs, TREE, with_bins=True)
    return Finished(folder, str(store))


def touch(path: Path) -> None:
    os.utime(path)


def test_an_untouched_project_stands(finished: Finished) -> None:
    assert finished.stands()


def test_the_packages_that_stand_are_counted_as_those_that_are_placed(finished: Finished) -> None:
    # the fourth of five is a link
    assert count_standing(finished.store, str(finished.folder), "key", with_bins=True) == 4


def test_a_record_of_an_earlier_pmpipe_is_passed_over(finished: Finished) -> None:
    fields = msgspec.msgpack.decode(read_sealed(str(finished.record)))
    finished.record.write_bytes(sealed(msgspec.msgpack.encode(fields[:-1])))
    assert not finished.stands()


def test_a_project_stands_by_whatever_path_it_is_called(finished: Finished, tmp_path: Path) -> None:
    (tmp_path / "alias").symlink_to(finished.folder)
    assert is_standing(finished.store, f"{tmp_path}/alias", "key", with_bins=True)


def test_nothing_stands_without_a_record(finished: Finished, tmp_path: Path) -> None:
    assert not is_standing(f"{tmp_path}/no-store", str(finished.folder), "key", with_bins=True)
    assert not is_standing(finished.store, f"{tmp_path}/other", "key", with_bins=True)


def test_another_key_does_not_stand(finished: Finished) -> None:
    assert not finished.stands("another key")


def test_executables_that_were_linked_do_not_stand_where_none_are_wanted(finished: Finished) -> None:
    assert not finished.stands(with_bins=False)


def test_what_a_user_edits_outside_of_node_modules_is_no_change(finished: Finished) -> None:
    (finished.folder / "packages/x/source.js").write_text("mine")
    (finished.folder / "README").write_text("mine")
    assert finished.stands()


def test_a_cache_of_another_tool_is_no_change(finished: Finished) -> None:
    cache = finished.folder / "node_modules/.cache"
    cache.mkdir()
    # the tolerance is for what is written together with the hidden lockfile
    os.utime(finished.folder / "node_modules", ns=(LONG_AGO_NS, LONG_AGO_NS))
    (cache / "file").write_text("x")
    assert finished.stands()


def replace_by_link(path: Path) -> None:
    shutil.move(path, path.parent.parent.parent / "moved")
    path.symlink_to(path.parent.parent.parent / "moved")
    os.utime(path.parent, ns=(LONG_AGO_NS, LONG_AGO_NS))


def remove(path: Path) -> None:
    shutil.rmtree(path)
    os.utime(path.parent, ns=(LONG_AGO_NS, LONG_AGO_NS))


def add(path: Path) -> None:
    path.mkdir()


def relink(path: Path, target: str) -> None:
    path.unlink()
    path.symlink_to(target)
    os.utime(path.parent, ns=(LONG_AGO_NS, LONG_AGO_NS))


def replace_by_copy(path: Path) -> None:
    copy = shutil.copy2(path, path.with_name("copy"))
    os.replace(copy, path)
    os.utime(path.parent, ns=(LONG_AGO_NS, LONG_AGO_NS))


CHANGES: dict[str, Callable[[Path], Any]] = {
    "the root's package.json": lambda folder: (folder / "package.json").write_text('{"name": "other"}'),
    "a workspace's package.json": lambda folder: (folder / "packages/x/package.json").write_text('{"name": "o"}'),
    "a hidden lockfile that was replaced": lambda folder: replace_by_copy(folder / HIDDEN_LOCKFILE),
    "a new workspace": lambda folder: add(folder / "packages/z"),
    "a touched package": lambda folder: touch(folder / "node_modules/a"),
    "a touched nested package": lambda folder: touch(folder / "node_modules/a/node_modules/b"),
    "a touched package of a workspace": lambda folder: touch(folder / "packages/x/node_modules/d"),
    "a removed package": lambda folder: remove(folder / "node_modules/a/node_modules/b"),
    "a removed package of a scope": lambda folder: remove(folder / "node_modules/@s/c"),
    "a package replaced by a link": lambda folder: replace_by_link(folder / "node_modules/a"),
    "an added package": lambda folder: add(folder / "node_modules/new"),
    "an added package in a scope": lambda folder: add(folder / "node_modules/@s/new"),
    "an added package of a workspace": lambda folder: add(folder / "packages/x/node_modules/new"),
    "node_modules in a workspace that had none": lambda folder: add(folder / "packages/y/node_modules"),
    "a link that leads elsewhere": lambda folder: relink(folder / "node_modules/x", "../packages/y"),
    "a link that is gone": lambda folder: (folder / "node_modules/x").unlink(),
    "a link replaced by a folder": lambda folder: (
        (folder / "node_modules/x").unlink(),
        (folder / "node_modules/x").mkdir(),
        os.utime(folder / "node_modules", ns=(LONG_AGO_NS, LONG_AGO_NS)),
    ),
    "executables that were touched": lambda folder: touch(folder / "node_modules/.bin"),
    "executables that are gone": lambda folder: remove(folder / "node_modules/.bin"),
    "a touched hidden lockfile": lambda folder: touch(folder / HIDDEN_LOCKFILE),
    "another hidden lockfile": lambda folder: (folder / HIDDEN_LOCKFILE).write_text('{"other": 1}'),
    "no hidden lockfile": lambda folder: (folder / HIDDEN_LOCKFILE).unlink(),
    "no node_modules": lambda folder: remove(folder / "node_modules"),
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_project_does_not_stand_after(finished: Finished, change: str) -> None:
    CHANGES[change](finished.folder)
    assert not finished.stands()


@pytest.mark.parametrize(("later_ns", "expected"), [(TOLERANCE_NS, True), (TOLERANCE_NS + 1000, False)])
def test_a_folder_may_be_as_much_newer_as_with_npm(finished: Finished, later_ns: int, expected: bool) -> None:
    changed_ns = (finished.folder / HIDDEN_LOCKFILE).stat().st_mtime_ns + later_ns
    os.utime(finished.folder / "node_modules/a", ns=(changed_ns, changed_ns))
    assert finished.stands() is expected


@pytest.mark.parametrize("length", [0, 1, 40, -1])
def test_a_torn_record_is_not_believed(finished: Finished, length: int) -> None:
    finished.record.write_bytes(finished.record.read_bytes()[:length])
    assert not finished.stands()


def test_a_record_that_is_a_folder_is_not_believed(finished: Finished) -> None:
    path = finished.record
    path.unlink()
    path.mkdir()
    assert not finished.stands()


def test_a_forgotten_project_does_not_stand(finished: Finished) -> None:
    forget(finished.store, str(finished.folder))
    assert not finished.stands()


def test_forgetting_what_is_not_known_is_harmless(finished: Finished, tmp_path: Path) -> None:
    forget(finished.store, f"{tmp_path}/other")
    assert finished.stands()


def test_a_record_needs_an_installed_tree(finished: Finished) -> None:
    (finished.folder / HIDDEN_LOCKFILE).unlink()
    with pytest.raises(FileNotFoundError):
        write_record(finished.store, str(finished.folder), "key", Inputs({}, (), ()), TREE, with_bins=True)


def test_without_executables_their_folder_does_not_count(finished: Finished) -> None:
    write_record(finished.store, str(finished.folder), "key", Inputs({}, (), ()), TREE, with_bins=False)
    touch(finished.folder / "node_modules/.bin")
    assert finished.stands(with_bins=False)


def test_a_package_added_to_an_empty_tree_is_a_change(finished: Finished) -> None:
    shutil.rmtree(finished.folder / "node_modules")
    (finished.folder / "node_modules").mkdir()
    (finished.folder / HIDDEN_LOCKFILE).write_text("{}")
    age(finished.folder)
    write_record(finished.store, str(finished.folder), "key", Inputs({}, (), ()), wanted_tree(), with_bins=True)
    assert finished.stands()
    add(finished.folder / "node_modules/new")
    assert not finished.stands()


def test_recording_leaves_nothing_in_the_staging_folder(finished: Finished) -> None:
    assert os.listdir(f"{finished.store}/staging") == []
