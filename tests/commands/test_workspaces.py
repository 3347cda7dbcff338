"""Commands about some workspaces leave the rest of node_modules alone, as npm does."""

from __future__ import annotations

import json
import shlex
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from changes import PLAIN, needs
from changing import LOCK, Changing
from support.project import Project
from support.registry import PackageRegistry
from test_same_outcome_as_npm import text_of, without_empty_folders

CASE = {
    **PLAIN,
    "project": {"name": "app", "version": "1.0.0", "workspaces": ["packages/*"], **needs(b="^1.0.0", d="2.0.0")},
    "workspaces": {
        "packages/one": {"name": "one", "version": "1.2.0", **needs(a="^1.0.0", b="2.0.0")},
        "packages/two": {"name": "@s/two", "version": "0.1.0", **needs(t="^1.0.0", one="^1.0.0")},
        "packages/three": {
            "name": "three",
            "version": "0.1.0",
            **needs(c="^1.0.0", b="2.0.0"),
            # for development here, in production at two
            "devDependencies": {"t": "^1.0.0"},
        },
    },
}
LINES = [
    "install -w=packages/one",
    "install -w=@s/two",
    "install -w=one -w=three",
    "install -w=one --include-workspace-root",
    "install --workspaces",
    "install --no-workspaces",
    "ci -w=three",
    "ci -w=three --omit=dev",
    "install -w=three --omit=dev",
    "ci --no-workspaces --omit=dev",
    "install -w=one t@beta",
    "uninstall -w=three b",
    "update -w=@s/two",
    "install --no-save -w=one @s/x",
]


#: b is needed for development by one, by way of a, and by an optional peer of what the project needs
OPTIONAL_PEER = {
    **PLAIN,
    "registry": {
        **PLAIN["registry"],
        "q": {"1.0.0": {"peerDependencies": {"a": "*"}, "peerDependenciesMeta": {"a": {"optional": True}}}},
    },
    "project": {"name": "app", "version": "1.0.0", "workspaces": ["packages/*"], **needs(q="1.0.0")},
    "workspaces": {
        "packages/one": {"name": "one", "version": "1.0.0", "devDependencies": {"c": "1.0.0"}},
        "packages/two": {"name": "two", "version": "1.0.0"},
    },
}


def remove_all(folder: Path) -> None:
    for modules in (folder / "node_modules", *folder.glob("packages/*/node_modules")):
        shutil.rmtree(modules, ignore_errors=True)


def keep_all(folder: Path) -> None:
    """Everything stands as it was installed."""


def forget_all(folder: Path) -> None:
    """Everything stands as it was installed, and nothing says so, as after a run that was killed at its end."""
    (folder / "node_modules/.package-lock.json").unlink()


@pytest.mark.npm
@pytest.mark.parametrize("before", [remove_all, keep_all, forget_all])
@pytest.mark.parametrize("line", LINES)
def test_only_the_chosen_workspaces_are_installed(
    line: str, before: Callable[[Path], None], tmp_path: Path, registry: PackageRegistry
) -> None:
    compare(CASE, line, before, tmp_path, registry)


@pytest.mark.npm
@pytest.mark.parametrize("line", ["install -w=two t@1.0.0", "install -w=one", "uninstall -w=one c"])
def test_what_stays_has_the_flags_that_npm_finds_it_with(line: str, tmp_path: Path, registry: PackageRegistry) -> None:
    compare(OPTIONAL_PEER, line, keep_all, tmp_path, registry)


def compare(
    case: dict[str, Any], line: str, before: Callable[[Path], None], tmp_path: Path, registry: PackageRegistry
) -> None:
    """Run a command in an installed project, and have npm run it."""
    npms = Changing(case, registry, tmp_path / "npm" / "app", installs=True)
    npms.write()
    before(npms.folder)
    ours = Project(tmp_path / "ours", registry)
    shutil.rmtree(ours.folder)
    shutil.copytree(npms.folder, ours.folder, symlinks=True)
    assert not npms.npm(*shlex.split(line))
    ours.succeeds(*shlex.split(line), alone=False)
    for name in ("package.json", "package-lock.json", "node_modules/.package-lock.json"):
        assert text_of(ours.folder / name) == text_of(npms.folder / name)
    assert without_empty_folders(ours.folder) == without_empty_folders(npms.folder)
    ours.close()


@pytest.mark.npm
def test_rest_is_restored_as_the_last_install_left_it(tmp_path: Path, registry: PackageRegistry) -> None:
    made = Changing(CASE, registry, tmp_path / "npm" / "app", installs=True)
    made.write()
    ours = Project(tmp_path / "ours", registry)
    shutil.rmtree(ours.folder)
    shutil.copytree(made.folder, ours.folder, symlinks=True)
    before = without_empty_folders(ours.folder)
    shutil.rmtree(ours.folder / "node_modules/t")
    ours.succeeds("install", "-w=one", alone=False)
    assert without_empty_folders(ours.folder) == before
    ours.close()


@pytest.mark.npm
def test_prune_without_workspaces_leaves_what_the_project_itself_needs(
    tmp_path: Path, registry: PackageRegistry
) -> None:
    npms = Changing(CASE, registry, tmp_path / "npm" / "app", installs=True)
    npms.write()
    ours = Project(tmp_path / "ours", registry)
    shutil.rmtree(ours.folder)
    shutil.copytree(npms.folder, ours.folder, symlinks=True)
    assert not npms.npm("prune", "--no-workspaces")
    ours.succeeds("prune", "--no-workspaces", alone=False)
    hidden = "node_modules/.package-lock.json"
    listed = set(json.loads(text_of(ours.folder / hidden))["packages"])
    assert {path for path in listed if not (ours.folder / path / "package.json").exists()} == set()
    # npm's lists what is not there any more
    for folder in (npms.folder, ours.folder):
        (folder / hidden).unlink()
    assert without_empty_folders(ours.folder) == without_empty_folders(npms.folder)
    assert text_of(ours.folder / "package-lock.json") == text_of(npms.folder / "package-lock.json")
    ours.close()


def test_an_update_of_what_has_a_workspace_for_a_peer_keeps_that_workspace(
    tmp_path: Path, registry: PackageRegistry
) -> None:
    """npm takes the workspace out of the lockfile."""
    case = {
        "registry": {"x": {"1.0.0": {"peerDependencies": {"w": "1"}}}},
        "project": {"name": "app", "version": "1.0.0", "workspaces": ["packages/*"]},
        "workspaces": {"packages/w": {"name": "w", "version": "1.0.0", **needs(x="1")}},
        "locked": False,
    }
    changing = Changing(case, registry, tmp_path / "app")
    changing.write()
    lock = changing.ours("install")[LOCK]
    (changing.folder / LOCK).write_bytes(lock)
    assert changing.ours("update x")[LOCK].decode() == lock.decode()
