"""The flags of a lockfile's entries say by what ways the project comes to need them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from lock_making import MadeProject, entry, link

from pmpipe.npm.locks.lock_flags import FLAGS, flags_for, has_wrong_flags, noted_ways, ways_to_entries
from pmpipe.npm.locks.package_path import PackagePath

PROJECT: dict[str, Any] = {
    "dependencies": {"prod": "1"},
    "devDependencies": {"dev": "1"},
    "optionalDependencies": {"opt": "1"},
    "workspaces": ["w"],
}
RIGHT: dict[str, dict[str, Any]] = {
    "node_modules/prod": entry("1.0.0", dependencies={"shared": "1"}, peerDependencies={"peer": "1"}),
    "node_modules/dev": entry("1.0.0", dev=True, dependencies={"either": "1", "shared": "1", "of-dev": "1"}),
    "node_modules/opt": entry("1.0.0", optional=True, dependencies={"either": "1", "shared": "1"}),
    "node_modules/shared": entry("1.0.0"),
    "node_modules/either": entry("1.0.0", devOptional=True),
    "node_modules/of-dev": entry(
        "1.0.0", dev=True, peerDependencies={"may-be": "1"}, peerDependenciesMeta={"may-be": {"optional": True}}
    ),
    "node_modules/peer": entry("1.0.0", peer=True, dependencies={"of-peer": "1"}),
    "node_modules/of-peer": entry("1.0.0", peer=True),
    "node_modules/of-w": entry("1.0.0", dev=True),
    "node_modules/w": link("w"),
    "w": {"version": "1.0.0", "devDependencies": {"of-w": "1"}},
}
#: nobody needs it, and a tarball may have brought it
EXTRANEOUS = {"node_modules/may-be": entry("1.0.0", extraneous=True)}


def made(entries: dict[str, dict[str, Any]]) -> MadeProject:
    w = {"name": "w", "version": "1.0.0", "devDependencies": {"of-w": "1"}}
    return MadeProject(PROJECT, entries, {"w": w}, {"w": "w"})


@pytest.mark.parametrize("entries", [RIGHT, {**RIGHT, **EXTRANEOUS}])
def test_flags_that_npm_writes_are_right(entries: dict[str, dict[str, Any]]) -> None:
    assert not has_wrong_flags(made(entries).graph())


@pytest.mark.parametrize("path", [path for path in RIGHT if path != "node_modules/w"])
@pytest.mark.parametrize("flag", ["dev", "optional", "devOptional", "peer", "extraneous"])
def test_every_other_flag_is_wrong(path: str, flag: str) -> None:
    one = dict(RIGHT[path])
    one[flag] = not one.get(flag, False)
    assert has_wrong_flags(made({**RIGHT, path: one}).graph())


def noted(entries: Mapping[str, Mapping[str, Any]]) -> dict[str, set[str]]:
    return {path: {flag for flag in FLAGS if one.get(flag)} for path, one in entries.items() if not one.get("link")}


@pytest.mark.parametrize("entries", [RIGHT, {**RIGHT, **EXTRANEOUS}])
def test_flags_are_found_as_npm_writes_them(entries: dict[str, dict[str, Any]]) -> None:
    ways = ways_to_entries(made(entries).graph())
    assert {path: set(flags_for(ways[PackagePath(path)])) for path in noted(entries)} == noted(entries)


def test_what_holds_something_needed_is_needed() -> None:
    held = {
        **RIGHT,
        "node_modules/holder": entry("1.0.0", extraneous=True),
        "node_modules/holder/node_modules/kid": entry("1.0.0"),
    }
    graph = made(held).graph()
    read = {path: noted_ways(one) for path, one in graph.lock.entries.items()}
    holder = PackagePath("node_modules/holder")
    assert flags_for(read[holder]) == {"extraneous": True}
    assert flags_for(ways_to_entries(graph, read)[holder]) == {"peer": True, "dev": True, "optional": True}


def test_peers_count_for_nothing_where_they_are_not_looked_at() -> None:
    entries = {path: one for path, one in RIGHT.items() if "peer" not in path}
    assert not has_wrong_flags(made(entries).graph(legacy_peer_deps=True))
