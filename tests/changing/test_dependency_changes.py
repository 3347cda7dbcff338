"""What became of the dependencies that package.json files ask for, told from two locks."""

from __future__ import annotations

import json
from typing import Any

import pytest

from pmpipe.changing.dependency_changes import DependencyChange, dependency_changes


def lock(**packages: Any) -> bytes:
    """A lock of these entries; `root` is the project's."""
    entries = {("" if path == "root" else path): entry for path, entry in packages.items()}
    return json.dumps({"lockfileVersion": 3, "packages": entries}).encode()


BEFORE = lock(
    root={"dependencies": {"a": "^1", "b": "*"}, "devDependencies": {"c": "1"}},
    **{
        "node_modules/a": {"version": "1.0.0"},
        "node_modules/b": {"version": "2.0.0", "dependencies": {"deep": "1"}},
        "node_modules/c": {"version": "1.0.0"},
        "node_modules/deep": {"version": "1.0.0"},
    },
)


def test_what_is_new_gone_newer_and_moved_is_told_and_nothing_else() -> None:
    after = lock(
        root={"dependencies": {"a": "^1", "c": "1", "d": "~1.0.0"}},
        **{
            "node_modules/a": {"version": "1.1.0"},
            "node_modules/c": {"version": "1.0.0"},
            "node_modules/d": {"version": "1.0.5"},
            "node_modules/deep": {"version": "1.9.0"},
        },
    )
    assert dependency_changes(BEFORE, after, {}) == [
        DependencyChange("a", "dependencies", "", "1.0.0", "1.1.0"),
        DependencyChange("b", "dependencies", "", "2.0.0", None),
        DependencyChange("c", "dependencies", "", "1.0.0", "1.0.0"),
        DependencyChange("d", "dependencies", "", None, "1.0.5"),
    ]


def test_a_workspace_finds_its_own_copy_or_the_projects_or_another_workspace() -> None:
    before = lock(root={}, **{"packages/x": {}})
    after = lock(
        root={"workspaces": ["packages/*"]},
        **{
            "packages/x": {"version": "1.0.0", "dependencies": {"a": "1", "b": "2", "y": "*"}},
            "packages/y": {"version": "3.0.0"},
            "node_modules/y": {"resolved": "packages/y", "link": True},
            "node_modules/a": {"version": "9.0.0"},
            "node_modules/b": {"version": "2.0.0"},
            "packages/x/node_modules/a": {"version": "1.0.0"},
        },
    )
    assert dependency_changes(before, after, {}) == [
        DependencyChange("a", "dependencies", "packages/x", None, "1.0.0"),
        DependencyChange("b", "dependencies", "packages/x", None, "2.0.0"),
        DependencyChange("y", "dependencies", "packages/x", None, "3.0.0"),
    ]


def test_what_a_new_folder_brings_along_is_not_told() -> None:
    brought = {"../lib": {"version": "1.0.0", "dependencies": {"a": "1"}}, "node_modules/a": {"version": "1.0.0"}}
    assert dependency_changes(lock(root={}), lock(root={}, **brought), {}) == []


def test_without_a_lock_only_what_the_manifests_did_not_have_is_new() -> None:
    manifests = {"": {"name": "app", "dependencies": {"a": "^1", "b": "*"}}}
    after = lock(root={"dependencies": {"a": "^1", "c": "1"}}, **{"node_modules/a": {"version": "1.0.0"}})
    assert dependency_changes(b"", after, manifests) == [
        DependencyChange("b", "dependencies", "", "", None),
        DependencyChange("c", "dependencies", "", None, ""),
    ]


@pytest.mark.parametrize("before", [b'{"lockfileVersion": 1, "dependencies": {}}', b"<<<<<<< ours", b'{"packages": 1}'])
def test_a_lock_that_does_not_say_what_there_was_tells_nothing(before: bytes) -> None:
    assert dependency_changes(before, BEFORE, {}) == []


def test_of_what_has_no_version_the_address_is_told_without_its_credentials() -> None:
    root = {"dependencies": {"a": "git+https://t0ken@a.example/a.git"}}
    after = lock(root=root, **{"node_modules/a": {"resolved": "git+https://t0ken@a.example/a.git#1234"}})
    told = DependencyChange("a", "dependencies", "", None, "git+https://***@a.example/a.git#1234")
    assert dependency_changes(lock(root={}), after, {}) == [told]
