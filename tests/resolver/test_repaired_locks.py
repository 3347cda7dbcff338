"""Locks that say who has repaired a manifest (version 4): what is kept of that, and what it is written as."""

from __future__ import annotations

import json
from typing import Any

import pytest
from playing import lock_text, resolve

from pmpipe.npm.locks.lock_version import has_version, needed_version

REGISTRY: dict[str, Any] = {"a": {"1.0.0": {}}, "b": {"1.0.0": {}}, "c": {"1.0.0": {}}}
APPLIED = {"extensionPoint": "transformManifest", "dependencies": ["b"]}


def locked(**fields: Any) -> bytes:
    """A lock with a package `a`, to which somebody has added `b`."""
    packages = {
        "": {"name": "app", "dependencies": {"a": "1"}, "npmExtensionHash": "sha512-x"},
        "node_modules/a": {"version": "1.0.0", "npmExtensionApplied": APPLIED, "dependencies": {"b": "1"}, **fields},
        "node_modules/b": {"version": "1.0.0"},
    }
    return json.dumps({"name": "app", "lockfileVersion": 4, "requires": True, "packages": packages}).encode()


def rewritten(lock: bytes, *, lockfile_version: int = 3) -> dict[str, Any]:
    """The lock with another dependency."""
    case = {"registry": REGISTRY, "project": {"name": "app", "dependencies": {"a": "1", "c": "1"}}}
    text = lock_text(resolve(case, "/app", "https://registry.example", npms_old=lock), lockfile_version)
    document: dict[str, Any] = json.loads(text)
    return document


def test_a_lock_that_is_written_anew_keeps_who_has_repaired_what() -> None:
    document = rewritten(locked())
    assert document["lockfileVersion"] == 4
    assert document["packages"][""]["npmExtensionHash"] == "sha512-x"
    entry = document["packages"]["node_modules/a"]
    assert entry["npmExtensionApplied"] == APPLIED
    # npm writes objects behind everything else, in English order
    assert list(entry) == ["version", "dependencies", "npmExtensionApplied"]
    assert "node_modules/c" in document["packages"]


@pytest.mark.parametrize("chosen", [1, 2, 3])
def test_a_lower_version_cannot_be_chosen_for_it(chosen: int) -> None:
    document = rewritten(locked(), lockfile_version=chosen)
    assert document["lockfileVersion"] == 4
    assert "dependencies" not in document


@pytest.mark.parametrize("field", ["patched", "packageExtensionsApplied", "npmExtensionApplied"])
def test_each_of_the_fields_of_an_entry_needs_version_4(field: str) -> None:
    assert needed_version({"": {}, "node_modules/a": {"version": "1.0.0", field: {}}}) == 4
    assert needed_version({"": {}, "node_modules/a": {"version": "1.0.0"}}) == 1


@pytest.mark.parametrize(
    ("lock", "chosen", "has"),
    [
        (locked(), 3, True),
        (locked(), 1, True),
        (b'{"lockfileVersion": 4, "packages": {"": {"name": "app"}}}', 3, False),
        (b'{"lockfileVersion": 4, "packages": []}', 3, False),
        (b'{"lockfileVersion": 3, "packages": {}}', 3, True),
        (b'{"lockfileVersion": 3, "packages": {}}', 2, False),
    ],
)
def test_tells_whether_a_lock_has_the_version_that_it_can_have(lock: bytes, chosen: int, has: bool) -> None:
    assert has_version(lock, chosen) is has
