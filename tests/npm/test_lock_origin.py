"""The hidden lockfile under ``omit-lockfile-registry-resolved``: whose ``resolved`` goes, and what is left."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest

from pmpipe.npm.locks.hidden_lockfile import hidden_lockfile
from pmpipe.npm.locks.lock_graph import LockGraph, ProjectManifests
from pmpipe.npm.locks.lock_origin import from_registry
from pmpipe.npm.locks.lockfile import read_lockfile
from pmpipe.npm.locks.package_path import PackagePath
from pmpipe.npm.manifests.manifest import Manifest

URL = "https://registry.example/a/-/a-1.0.0.tgz"


def lock_of(dependencies: dict[str, str], *, indent: int | str | None = 2, **entries: dict[str, Any]) -> bytes:
    document = {
        "name": "app",
        "version": "1.0.0",
        "lockfileVersion": 3,
        "requires": True,
        "packages": {
            "": {"name": "app", "version": "1.0.0", "dependencies": dependencies},
            **{f"node_modules/{name}": entry for name, entry in entries.items()},
        },
    }
    separators = (",", ":") if indent is None else None
    return json.dumps(document, indent=indent, separators=separators).encode() + b"\n"


def graph_of(dependencies: dict[str, str], **entries: dict[str, Any]) -> LockGraph:
    lock = read_lockfile(lock_of(dependencies, **entries), "package-lock.json")
    root = msgspec.convert({"name": "app", "version": "1.0.0", "dependencies": dependencies}, Manifest)
    return LockGraph(lock, ProjectManifests("/app", root, {}, {}))


@pytest.mark.parametrize("spec", ["1.0.0", "^1.0.0", "", "latest", "npm:b@1"])
def test_what_a_registry_is_asked_for_is_from_a_registry(spec: str) -> None:
    assert from_registry(graph_of({"a": spec}, a={"version": "1.0.0", "resolved": URL})) == {"node_modules/a"}


@pytest.mark.parametrize(
    "spec",
    ["https://host.example/a.tgz", "file:a.tgz", "github:owner/a", "git+https://host.example/a.git", "workspace:"],
)
def test_what_comes_from_elsewhere_is_not(spec: str) -> None:
    entry = {"version": "1.0.0", "resolved": URL}
    assert from_registry(graph_of({"a": spec}, a=entry)) == frozenset()


def test_one_who_asks_elsewhere_is_enough() -> None:
    entries = {
        "a": {"version": "1.0.0", "resolved": URL},
        "b": {"version": "1.0.0", "resolved": URL, "dependencies": {"a": "https://host.example/a.tgz"}},
    }
    assert from_registry(graph_of({"a": "1", "b": "1"}, **entries)) == {"node_modules/b"}


@pytest.mark.parametrize("indent", [2, 4, "\t", None])
def test_only_the_entry_s_own_resolved_goes_and_all_else_stays_as_it_is(indent: int | str | None) -> None:
    a = {
        "version": "1.0.0",
        "resolved": URL,
        "integrity": "sha512-x",
        "dependencies": {"resolved": "^1.0.0"},
        "engines": {"node": ">=1"},
    }
    b = {"version": "1.0.0", "resolved": "https://host.example/b.tgz"}
    data = lock_of({"a": "1"}, indent=indent, a=a, b=b)
    expected = lock_of({"a": "1"}, indent=indent, a={key: a[key] for key in a if key != "resolved"}, b=b)
    installed = [PackagePath("node_modules/a"), PackagePath("node_modules/b")]
    text = hidden_lockfile(data, installed, frozenset(installed[:1]))
    assert text == hidden_lockfile(expected, installed)
    assert json.loads(text)["packages"]["node_modules/a"] == {key: a[key] for key in a if key != "resolved"}
