"""The hidden lockfile says of workspaces what their package.json files say, whatever the lockfile does."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from pmpipe.npm.locks.hidden_lockfile import layout_of_lock
from pmpipe.npm.locks.lock_graph import LockGraph
from pmpipe.npm.locks.lock_writer import write_lockfile
from pmpipe.npm.locks.lockfile import Lockfile, read_lockfile
from pmpipe.npm.texts.json_layout import JsonLayout
from pmpipe.project.folder_entries import entries_as_read, folder_entries
from pmpipe.project.project import read_project
from pmpipe.tree.limited import chosen_entries, limited_lock

WORKSPACES = ("w", "v")


def lockfile(layout: JsonLayout | None = None, **of_w: Any) -> Lockfile:
    """A lockfile with two workspaces, of which `w` has these fields besides its version."""
    packages = {
        "": {"name": "app", "workspaces": [*WORKSPACES]},
        "node_modules/v": {"resolved": "v", "link": True},
        "node_modules/w": {"resolved": "w", "link": True},
        "v": {"version": "1.0.0"},
        "w": {"version": "1.0.0", **of_w},
    }
    document = {"name": "app", "lockfileVersion": 3, "requires": True, "packages": packages}
    return read_lockfile(write_lockfile(document, layout), "package-lock.json")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A project with these workspaces, as the lockfile has them."""
    write(tmp_path, ".", name="app", workspaces=[*WORKSPACES])
    for name in WORKSPACES:
        write(tmp_path, name, name=name, version="1.0.0")
    return tmp_path


def write(folder: Path, place: str, **manifest: Any) -> None:
    (folder / place).mkdir(exist_ok=True)
    (folder / place / "package.json").write_text(json.dumps(manifest))


def written_anew(folder: Path, lock: Lockfile) -> Mapping[str, Any]:
    project = read_project(str(folder), "package-lock.json", lock.data)
    anew = folder_entries(lock.raw_entries(), project.manifests, layout_of_lock(lock.data))
    return {path: json.loads(bytes(raw)) for path, raw in anew.items()}


def test_what_the_lock_says_rightly_is_not_written_anew(folder: Path) -> None:
    assert written_anew(folder, lockfile()) == {}


def test_a_version_that_was_raised_is_written(folder: Path) -> None:
    write(folder, "w", name="w", version="1.1.0", license="MIT")
    assert written_anew(folder, lockfile()) == {"w": {"version": "1.1.0", "license": "MIT"}}


def test_flags_are_kept(folder: Path) -> None:
    write(folder, "w", name="w", version="1.1.0")
    assert written_anew(folder, lockfile(dev=True)) == {"w": {"version": "1.1.0", "dev": True}}


def test_a_name_that_is_not_the_folders_is_written(folder: Path) -> None:
    write(folder, "w", name="other", version="1.0.0")
    assert written_anew(folder, lockfile()) == {"w": {"version": "1.0.0", "name": "other"}}


def test_specs_are_written_in_npms_words(folder: Path) -> None:
    write(folder, "w", name="w", version="1.0.0", dependencies={"v": "workspace:*"})
    assert written_anew(folder, lockfile()) == {"w": {"version": "1.0.0", "dependencies": {"v": "file:../v"}}}


def test_an_install_script_that_only_node_gyp_has_stays(folder: Path) -> None:
    assert written_anew(folder, lockfile(hasInstallScript=True)) == {"w": {"version": "1.0.0"}}
    (folder / "w/binding.gyp").write_text("{}")
    assert written_anew(folder, lockfile(hasInstallScript=True)) == {}


def test_flags_are_written_as_they_should_be(folder: Path) -> None:
    lock = lockfile(dev=True)
    graph = LockGraph(lock, read_project(str(folder), "package-lock.json", lock.data).manifests)
    assert {path: json.loads(bytes(raw)) for path, raw in entries_as_read(graph).items()} == {"w": {"version": "1.0.0"}}


@pytest.mark.parametrize("layout", [JsonLayout(), JsonLayout("\t", "\r\n"), JsonLayout("", "")])
def test_what_stays_installed_for_other_workspaces_is_as_it_is_now(folder: Path, layout: JsonLayout) -> None:
    write(folder, "w", name="w", version="1.1.0")
    lock = lockfile(layout)
    project = read_project(str(folder), "package-lock.json", lock.data)
    graph = LockGraph(lock, project.manifests)
    limited = limited_lock(graph, graph.lock.entries, graph, chosen_entries([graph], ["v"], with_root=False))
    assert limited.untouched == {"node_modules/w", "w"}
    # laid out like the rest, byte for byte
    after = json.loads(lock.data)
    after["packages"]["w"]["version"] = "1.1.0"
    assert limited.lock.strip() == write_lockfile(after, layout).strip()


def test_what_the_run_changes_elsewhere_is_written_by_the_next_one(folder: Path) -> None:
    lock = lockfile()
    before = LockGraph(lock, read_project(str(folder), "package-lock.json", lock.data).manifests)
    write(folder, "w", name="w", version="1.1.0")
    graph = LockGraph(lock, read_project(str(folder), "package-lock.json", lock.data).manifests)
    limited = limited_lock(graph, graph.lock.entries, before, chosen_entries([graph], ["v"], with_root=False))
    assert json.loads(limited.lock)["packages"]["w"] == {"version": "1.0.0"}
