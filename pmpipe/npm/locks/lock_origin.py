"""Which entries of a lockfile come from a registry: it need not be said where these are to be had."""

from __future__ import annotations

from pmpipe.errors import InvalidSpecError
from pmpipe.npm.locks.lock_graph import Edge, LockGraph
from pmpipe.npm.locks.package_path import PackagePath
from pmpipe.npm.specs.spec import parse_spec
from pmpipe.npm.specs.spec_types import AliasSpec, RangeSpec, TagSpec, VersionSpec

_REGISTRY_SPECS = (VersionSpec, RangeSpec, TagSpec, AliasSpec)


def from_registry(graph: LockGraph) -> frozenset[PackagePath]:
    """The entries that all who depend on them ask a registry for.

    It is their ``resolved`` that npm leaves out of every lockfile under ``omit-lockfile-registry-resolved``.

    Source: npm's ``@npmcli/arborist``, ``isRegistryDependency`` in ``lib/node.js``.
    """
    known: dict[tuple[str, str], bool] = {}

    def asks_registry(edge: Edge) -> bool:
        line = (edge.name, edge.requested)
        if line not in known:
            known[line] = is_for_registry(*line)
        return known[line]

    return frozenset(path for path, edges in graph.edges_into.items() if all(map(asks_registry, edges)))


def is_from_registry(graph: LockGraph, path: PackagePath) -> bool:
    """Whether all who depend on an entry ask a registry for it."""
    return all(is_for_registry(edge.name, edge.requested) for edge in graph.edges_into.get(path, ()))


def is_for_registry(name: str, requested: str) -> bool:
    """Whether a registry answers a dependency: its spec is a version, a range, a dist-tag or an alias."""
    try:
        # where a folder would be does not matter
        return isinstance(parse_spec(name, requested, "/", home="/"), _REGISTRY_SPECS)
    except InvalidSpecError:
        return False
