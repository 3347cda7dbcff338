"""The flags of a lockfile's entries say by what ways the project comes to need them."""

from __future__ import annotations

from typing import Any

import pytest
from lock_making import MadeProject, entry, link

from pmpipe.npm.lock_flags import has_wrong_flags

PROJECT = {
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
    # both are said of what is needed by either alone, and then the one says nothing
    is_same = flag == "devOptional" and (one.get("dev") or one.get("optional"))
    one[flag] = not one.get(flag, False)
    assert has_wrong_flags(made({**RIGHT, path: one}).graph()) == (not is_same)


def test_peers_count_for_nothing_where_they_are_not_looked_at() -> None:
    entries = {path: one for path, one in RIGHT.items() if "peer" not in path}
    assert not has_wrong_flags(made(entries).graph(legacy_peer_deps=True))
