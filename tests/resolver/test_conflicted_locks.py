"""Locks with merge conflicts: resolved anew to what npm makes of them, byte for byte."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
from foreign import npm_with, resolve_pinned
from playing import run_npm, write_project
from support.registry import PackageRegistry

from pmpipe.npm.locks.lock_conflict import without_conflicts
from pmpipe.resolver import locked_entries

REGISTRY: dict[str, Any] = {
    name: {version: {"license": "MIT"} for version in ("1.0.0", "1.1.0", "1.2.0", "1.3.0")} for name in "abcz"
}


def case(**dependencies: str) -> dict[str, Any]:
    return {"registry": REGISTRY, "project": {"name": "app", "version": "1.0.0", "dependencies": dependencies}}


def locked(registry: PackageRegistry, folder: Path, **versions: str) -> str:
    """The lock that npm writes for exactly these versions, as if they had been asked for by a wide range."""
    text = npm_with(case(**versions), registry, folder, {}).decode()
    lock = json.loads(text)
    lock["packages"][""]["dependencies"] = dict.fromkeys(versions, "^1.0.0")
    return json.dumps(lock, indent=2) + "\n"


@pytest.mark.npm
@pytest.mark.parametrize("file", ["package-lock.json", "npm-shrinkwrap.json"])
@pytest.mark.parametrize(
    ("base", "ours", "theirs"),
    [
        ({"a": "1.0.0"}, {"a": "1.1.0"}, {"a": "1.2.0"}),
        (
            {"a": "1.0.0", "z": "1.0.0"},
            {"a": "1.1.0", "b": "1.0.0", "z": "1.0.0"},
            {"a": "1.2.0", "c": "1.0.0", "z": "1.0.0"},
        ),
        ({"a": "1.0.0", "b": "1.0.0"}, {"b": "1.1.0"}, {"a": "1.1.0", "b": "1.0.0", "c": "1.1.0"}),
    ],
)
def test_a_conflicted_lock_is_resolved_as_npm_does(
    base: dict[str, str],
    ours: dict[str, str],
    theirs: dict[str, str],
    file: str,
    tmp_path: Path,
    registry: PackageRegistry,
) -> None:
    for name, versions in (("ours", ours), ("base", base), ("theirs", theirs)):
        (tmp_path / f"{name}.json").write_text(locked(registry, tmp_path / name, **versions))
    command = ["git", "merge-file", "-p", "--diff3", "ours.json", "base.json", "theirs.json"]
    text = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False).stdout
    assert "<<<<<<<" in text
    wanted = case(**dict.fromkeys({**ours, **theirs}, "^1.0.0"))
    folder = tmp_path / "project"
    npm_with(wanted, registry, folder, {file: text})
    read = without_conflicts(text.encode(), file)
    assert read.had_conflict
    lock = resolve_pinned(wanted, registry.url, locked=locked_entries(read.data))
    assert lock.decode() == (folder / file).read_text()


@pytest.mark.npm
def test_npm_refuses_a_package_json_with_conflicts(tmp_path: Path, registry: PackageRegistry) -> None:
    write_project(case(a="1.0.0"), tmp_path, registry.url, before=False)
    text = (tmp_path / "package.json").read_text()
    (tmp_path / "package.json").write_text(f"<<<<<<< ours\n{text}\n=======\n{text}\n>>>>>>> theirs\n")
    assert run_npm(tmp_path, tmp_path / "cache") == "EJSONPARSE"
