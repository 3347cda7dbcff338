"""A project with its lockfile: read, checked, and the wanted tree that follows."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from support.packages import make_lock, make_package

from pmpipe.errors import LockfileError, LockfileOutOfSyncError
from pmpipe.settings.config import Config
from pmpipe.tree.locked import LockedProject, read_locked_project

REGISTRY = "https://registry.example"


def write(folder: Path, path: str, document: Any) -> None:
    (folder / path).parent.mkdir(parents=True, exist_ok=True)
    (folder / path).write_text(json.dumps(document))


def read(folder: Path, packages: dict[str, Any], **root: Any) -> LockedProject:
    manifest = {"name": "app", "version": "1.0.0", **root}
    write(folder, "package.json", manifest)
    write(folder, "package-lock.json", make_lock(manifest, packages, REGISTRY))
    environ = {"HOME": str(folder)}
    return read_locked_project(str(folder), Config.load({}, environ, str(folder)), environ)


def bins(project: LockedProject) -> dict[str, tuple[str, str | None]]:
    """Executable -> the location it leads to, and whose tarball brings it."""
    return {name: (one.location, one.filled_by) for one in project.tree.bins for name, _ in one.bins}


def test_no_lockfile_is_told(tmp_path: Path) -> None:
    write(tmp_path, "package.json", {"name": "app"})
    environ = {"HOME": str(tmp_path)}
    with pytest.raises(LockfileError, match=r"there is no package-lock\.json"):
        read_locked_project(str(tmp_path), Config.load({}, environ, str(tmp_path)), environ)


def test_a_lockfile_that_is_out_of_date_is_refused_with_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(LockfileOutOfSyncError, match="left") as caught:
        read(tmp_path, {}, dependencies={"left": "1.0.0"})
    assert "package-lock-only" in caught.value.hint


def test_missing_entries_of_optional_dependencies_are_one_warning(tmp_path: Path) -> None:
    native = {f"native-{number}": "1.0.0" for number in range(5)}
    project = read(
        tmp_path,
        {"node_modules/a": make_package("a", "1.0.0", optionalDependencies=native)},
        dependencies={"a": "1.0.0"},
    )
    (warning,) = project.tree.warnings
    assert warning == (
        "package-lock.json lacks entries that optional dependencies ask for: native-0, native-1, native-2 and 2 more"
    )


def test_an_optional_package_is_left_out_with_what_lies_in_it_and_what_only_it_needs(tmp_path: Path) -> None:
    project = read(
        tmp_path,
        {
            "node_modules/a": make_package("a", "1.0.0", dependencies={"b": "2.0.0", "c": "1.0.0"}),
            "node_modules/a/node_modules/b": make_package("b", "2.0.0"),
            "node_modules/b": make_package("b", "1.0.0"),
            "node_modules/c": make_package("c", "1.0.0"),
        },
        optionalDependencies={"a": "1.0.0"},
        dependencies={"b": "1.0.0"},
    )
    assert project.left_out_with("node_modules/a") == {
        "node_modules/a",
        "node_modules/a/node_modules/b",
        "node_modules/c",
    }


def test_executables_of_a_bundled_package_come_with_the_tarball_around_it(tmp_path: Path) -> None:
    around = make_package("a", "1.0.0", dependencies={"b": "1.0.0"}, bundleDependencies=["b"])
    bundled = {"version": "1.0.0", "inBundle": True, "bin": {"b": "cli.js"}}
    project = read(
        tmp_path,
        {"node_modules/a": around, "node_modules/a/node_modules/b": bundled},
        dependencies={"a": "1.0.0"},
    )
    assert bins(project) == {"b": ("node_modules/a/node_modules/b", "node_modules/a")}


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"bin": {"tool": "cli.js"}}, ["tool"]),
        ({"bin": "./cli.js"}, ["x"]),
        ({"directories": {"bin": "cmds"}}, ["one", "two"]),
        ({"directories": {"bin": "none"}}, []),
        ({"bin": {"tool": "cli.js"}, "directories": {"bin": "cmds"}}, ["tool"]),
    ],
)
def test_a_workspace_has_the_executables_of_its_own_package_json(
    tmp_path: Path, fields: dict[str, Any], expected: list[str]
) -> None:
    write(tmp_path, "packages/x/package.json", {"name": "x", "version": "1.0.0", **fields})
    for name in ("one", "deep/two"):
        (tmp_path / "packages/x/cmds" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "packages/x/cmds" / name).write_text("#!/bin/sh\n")
    project = read(
        tmp_path,
        {"node_modules/x": {"resolved": "packages/x", "link": True}, "packages/x": {"version": "1.0.0"}},
        workspaces=["packages/*"],
    )
    assert sorted(name for name in bins(project) if name != "deep") == expected
    assert all(filled_by is None for _, filled_by in bins(project).values())
    assert project.is_memorable == ("directories" not in fields)
    assert project.workspace_folders == (("packages/*",), ("packages/x",))


def test_without_workspaces_no_folder_is_looked_for(tmp_path: Path) -> None:
    assert read(tmp_path, {}).workspace_folders == ((), ())


@pytest.mark.parametrize(
    ("manifest", "entry"),
    [
        ({"license": {"type": "MIT"}}, {"license": "MIT"}),
        ({"funding": "https://fund.example"}, {"funding": {"url": "https://fund.example"}}),
        ({"bin": "cli.js"}, {"bin": {"app": "cli.js"}}),
        ({"bundledDependencies": ["a"]}, {"bundleDependencies": ["a"]}),
        ({"engines": {}, "os": [], "license": "", "scripts": {"install": "", "prepare": "x"}}, {}),
        ({"author": "somebody", "private": True}, {}),
    ],
)
def test_a_lock_that_says_the_same_in_its_own_words_has_not_drifted(
    tmp_path: Path, manifest: dict[str, Any], entry: dict[str, Any]
) -> None:
    assert not locked_as(tmp_path, manifest, entry).has_drifted


@pytest.mark.parametrize(
    ("manifest", "entry"),
    [
        ({"license": "MIT"}, {}),
        ({}, {"license": "MIT"}),
        ({"devDependencies": {}}, {}),
        ({"scripts": {"preinstall": "true"}}, {}),
        ({}, {"hasInstallScript": True}),
        ({"bin": "cli.js"}, {"bin": {"app": "other.js"}}),
    ],
)
def test_a_lock_that_repeats_other_fields_has_drifted(
    tmp_path: Path, manifest: dict[str, Any], entry: dict[str, Any]
) -> None:
    assert locked_as(tmp_path, manifest, entry).has_drifted


def test_an_install_script_that_npm_found_in_a_binding_gyp_is_no_drift(tmp_path: Path) -> None:
    write(tmp_path, "binding.gyp", {})
    assert not locked_as(tmp_path, {}, {"hasInstallScript": True}).has_drifted


def locked_as(folder: Path, manifest: dict[str, Any], entry: dict[str, Any]) -> LockedProject:
    """A project of which the lock says something else than its package.json."""
    head = {"name": "app", "version": "1.0.0"}
    write(folder, "package.json", {**head, **manifest})
    write(folder, "package-lock.json", make_lock({**head, **entry}, {}, REGISTRY))
    environ = {"HOME": str(folder)}
    return read_locked_project(str(folder), Config.load({}, environ, str(folder)), environ)
