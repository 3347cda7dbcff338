"""Locks of version 1: completed and written anew as npm does it, byte for byte."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from arborists import Arborist, arborist
from foreign import TarballProvider, npm_with, resolve_pinned, tree_pinned
from inventing import invent_case
from lockcheck.codes import CODES
from playing import lock_text, options_of, publish, write_project
from support.packages import make_package
from support.registry import PackageRegistry

from pmpipe.errors import PmpipeError, RegistryError
from pmpipe.npm.locks.lock_v1 import modern_lock, needs_inflating
from pmpipe.npm.locks.lockfile import read_lockfile
from pmpipe.resolver import AskPackument, Project, Resolver, locked_entries

__all__ = ["arborist"]
SEEDS = 40


def resolve_old(case: dict[str, Any], url: str, folder: Path, lock: bytes) -> bytes:
    assert needs_inflating(lock)
    modern = modern_lock(lock, case["project"], str(folder), "package-lock.json")
    read_lockfile(modern, "package-lock.json")
    return resolve_pinned(case, url, locked=locked_entries(modern), folder=str(folder), is_old=True)


@pytest.mark.npm
@pytest.mark.timeout(30)
@pytest.mark.parametrize("seed", range(SEEDS))
def test_brings_an_invented_lock_up_to_date_as_arborist_does(
    seed: int, tmp_path: Path, registry: PackageRegistry, arborist: Arborist
) -> None:
    case = invent_case(seed)
    publish(case, registry)
    before = {**case, "project": case.get("before", case["project"])}
    write_project(before, tmp_path, registry.url, before=False)
    old = arborist.lock(tmp_path, registry.url, {**case["config"], "lockfile-version": 1})
    if "error" in old:
        return
    (tmp_path / "package-lock.json").write_text(old["lock"])
    write_project(case, tmp_path, registry.url, before=False)
    theirs = arborist.lock(tmp_path, registry.url, case["config"])
    if "error" in theirs:
        with pytest.raises(PmpipeError) as refusal:
            resolve_old(case, registry.url, tmp_path, old["lock"].encode())
        assert CODES[refusal.value.code] == theirs["error"]
        return
    assert resolve_old(case, registry.url, tmp_path, old["lock"].encode()).decode() == theirs["lock"]


REGISTRY: dict[str, Any] = {
    "a": {
        "1.0.0": {"license": "MIT", "bin": "cli.js", "engines": {"node": ">=4"}, "dependencies": {"b": "^1.0.0"}},
        "1.1.0": {"license": "MIT"},
    },
    "b": {
        "1.0.0": {"license": "ISC", "funding": "https://fund.example", "peerDependencies": {"p": "1"}},
        "1.2.0": {"deprecated": "old", "dependencies": {"new": "*"}},
    },
    "c": {"1.0.0": {"os": ["!win32"], "scripts": {"install": "true"}, "workspaces": ["x"], "license": "MIT"}},
    "p": {"1.0.0": {}, "1.5.0": {"license": "MIT"}},
    "new": {"1.0.0": {"license": "MIT"}},
    "holder": {
        "1.0.0": {
            "dependencies": {"kept": "^1.0.0"},
            "bundleDependencies": ["kept"],
            "files": {"node_modules/kept/package.json": {"name": "kept", "version": "1.0.0"}},
        }
    },
}


def old_lock(entries: dict[str, Any], **top: Any) -> bytes:
    return json.dumps(
        {"name": "app", "version": "1.0.0", "lockfileVersion": 1, **top, "dependencies": entries}
    ).encode()


def digest(name: str, version: str) -> str:
    fields = {key: value for key, value in REGISTRY[name][version].items() if key != "files"}
    files = REGISTRY[name][version].get("files", {})
    return make_package(
        name, version, {path: json.dumps(f).encode() for path, f in files.items()} or None, **fields
    ).integrity


def locked(name: str, version: str, **more: Any) -> dict[str, Any]:
    return {
        "version": version,
        "resolved": f"REGISTRY/{name}/-/{name}-{version}.tgz",
        "integrity": digest(name, version),
        **more,
    }


HAND_WRITTEN: dict[str, tuple[dict[str, Any], dict[str, Any], dict[str, Any]]] = {
    "what-the-registry-knows-is-added": (
        {"dependencies": {"a": "^1.0.0", "c": "*"}, "devDependencies": {"new": "1"}},
        {
            "a": locked("a", "1.0.0", requires={"b": "^1.0.0"}),
            "b": locked("b", "1.0.0"),
            "c": locked("c", "1.0.0"),
            "new": locked("new", "1.0.0", dev=True),
        },
        {"requires": True},
    ),
    "without-requires": (
        {"dependencies": {"a": "^1.0.0"}},
        {"a": locked("a", "1.0.0", dependencies={"b": locked("b", "1.0.0")})},
        {},
    ),
    "no-integrity-and-no-address": (
        {"dependencies": {"a": "^1.0.0", "b": "^1.0.0"}},
        {"a": {"version": "1.0.0", "requires": {"b": "^1.0.0"}}, "b": {"version": "1.2.0", "integrity": ""}},
        {"requires": True},
    ),
    "an-address-without-integrity": (
        {"dependencies": {"a": "^1.0.0", "b": "^1.0.0"}},
        {"a": locked("a", "1.0.0", integrity=None), "b": locked("b", "1.2.0", integrity=None)},
        {"requires": True},
    ),
    "another-integrity": (
        {"dependencies": {"a": "^1.0.0"}},
        {
            "a": locked("a", "1.0.0", integrity=digest("c", "1.0.0"), requires={"b": "^1.0.0"}),
            "b": locked("b", "1.0.0"),
        },
        {"requires": True},
    ),
    "a-version-that-is-gone": (
        {"dependencies": {"a": "^1.0.0", "b": "^1.0.0"}},
        {"a": {**locked("a", "1.0.0"), "version": "1.0.5"}, "b": locked("b", "1.0.0"), "x": {"version": "1.0.0"}},
        {"requires": True},
    ),
    "a-lock-that-does-not-satisfy": (
        {"dependencies": {"a": "^1.1.0", "b": "^1.0.0"}},
        {"a": locked("a", "1.0.0", requires={"b": "^1.0.0"}), "b": locked("b", "1.0.0")},
        {"requires": True},
    ),
    "bundled-packages": (
        {"dependencies": {"holder": "1"}},
        {
            "holder": locked(
                "holder",
                "1.0.0",
                requires={"kept": "^1.0.0"},
                dependencies={"kept": {"version": "1.0.0", "bundled": True}},
            )
        },
        {"requires": True},
    ),
    "optional-and-dev": (
        {"optionalDependencies": {"a": "1"}, "devDependencies": {"holder": "1", "b": "1"}},
        {
            "a": locked("a", "1.0.0", optional=True, requires={"b": "^1.0.0"}),
            "b": locked("b", "1.0.0", devOptional=True),
            "holder": locked("holder", "1.0.0", dev=True),
        },
        {"requires": True},
    ),
    "no-lockfile-version": ({"dependencies": {"b": "1"}}, {"b": locked("b", "1.0.0")}, {"lockfileVersion": None}),
}


@pytest.mark.npm
@pytest.mark.parametrize("name", HAND_WRITTEN)
def test_brings_a_lock_up_to_date_as_npm_does(name: str, tmp_path: Path, registry: PackageRegistry) -> None:
    project, entries, top = HAND_WRITTEN[name]
    case = {"registry": REGISTRY, "project": {"name": "app", "version": "1.0.0", **project}}
    old = old_lock(entries, **top).replace(b"REGISTRY", registry.url.encode())
    folder = tmp_path / "project"
    theirs = npm_with(case, registry, folder, {"package-lock.json": old.decode()})
    assert resolve_old(case, registry.url, folder, old).decode() == theirs.decode()


@pytest.mark.npm
def test_reads_links_to_folders_as_npm_does(tmp_path: Path, registry: PackageRegistry) -> None:
    case = {
        "registry": REGISTRY,
        "project": {"name": "app", "version": "1.0.0", "dependencies": {"w": "file:w", "a": "1"}},
        "folders": {"w": {"name": "w", "version": "3.0.0", "dependencies": {"b": "^1.0.0"}}},
    }
    entries = {
        "w": {"version": "file:w", "requires": {"b": "^1.0.0"}, "dependencies": {"b": locked("b", "1.0.0")}},
        "a": locked("a", "1.0.0"),
        "b": locked("b", "1.2.0"),
    }
    old = old_lock(entries, requires=True).replace(b"REGISTRY", registry.url.encode())
    folder = tmp_path / "project"
    theirs = npm_with(case, registry, folder, {"package-lock.json": old.decode()})
    assert resolve_old(case, registry.url, folder, old).decode() == theirs.decode()


def test_an_alias_is_completed_with_the_package_it_stands_for() -> None:
    case = {"registry": REGISTRY, "project": {"name": "app", "version": "1.0.0", "dependencies": {"z": "npm:a@1.0.0"}}}
    old = old_lock({"z": {"version": "npm:a@1.0.0", "integrity": digest("a", "1.0.0")}, "b": locked("b", "1.0.0")})
    lock = json.loads(
        resolve_old(case, "https://registry.example", Path("/project"), old.replace(b"REGISTRY", b"https://x.example"))
    )
    assert lock["packages"]["node_modules/z"]["bin"] == {"a": "cli.js"}


def test_a_tarball_is_completed_from_its_address() -> None:
    url = "https://registry.example/a/-/a-1.0.0.tgz"
    case = {"registry": REGISTRY, "project": {"name": "app", "version": "1.0.0", "dependencies": {"z": url}}}
    old = old_lock({"z": {"version": url, "integrity": digest("a", "1.0.0")}, "b": {"version": "1.0.0"}})
    lock = json.loads(resolve_old(case, "https://registry.example", Path("/project"), old))
    assert lock["packages"]["node_modules/z"]["bin"] == {"a": "cli.js"}


def test_tells_what_could_not_be_completed() -> None:
    case = {"registry": REGISTRY, "project": {"name": "app", "version": "1.0.0", "dependencies": {"a": "^1.0.0"}}}
    old = old_lock({"a": {"version": "1.0.5"}})
    modern = modern_lock(old, case["project"], "/project", "package-lock.json")
    tree = tree_pinned(case, "https://registry.example", locked=locked_entries(modern), is_old=True)
    assert [node.location for node in tree.bare] == ["node_modules/a"]


def test_asks_for_everything_before_it_waits() -> None:
    entries = {name: {"version": "1.0.0"} for name in ("a", "b", "c")}
    modern = modern_lock(old_lock(entries), {}, "/project", "package-lock.json")
    resolver = Resolver(Project("/project", {"name": "app"}, locked=locked_entries(modern), is_old=True))
    assert set(resolver.start()) == {AskPackument(name, abbreviated=True) for name in entries}


def test_asks_for_the_full_form_where_a_registry_does_not_know_the_abbreviated_one() -> None:
    case = {"registry": REGISTRY, "project": {"name": "app", "version": "1.0.0", "dependencies": {"a": "^1.0.0"}}}
    modern = modern_lock(old_lock({"a": {"version": "1.1.0"}}), case["project"], "/project", "package-lock.json")
    project = Project("/project", case["project"], locked=locked_entries(modern), is_old=True)
    resolver = Resolver(project, options_of(case))
    provider = TarballProvider(case, "https://registry.example", "/project")
    pending = resolver.start()
    asked = []
    while not resolver.done:
        ask = pending.pop(0)
        asked.append(ask)
        assert isinstance(ask, AskPackument)
        pending += resolver.feed(ask, RegistryError("not acceptable") if ask.abbreviated else provider.answer(ask))
    assert asked == [AskPackument("a", abbreviated=True), AskPackument("a")]
    assert json.loads(lock_text(resolver.finish()))["packages"]["node_modules/a"]["license"] == "MIT"
