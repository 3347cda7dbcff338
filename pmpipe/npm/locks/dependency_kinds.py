"""By which kinds of dependencies an entry is needed: for production, for development, optionally, as a peer.

The answers follow from the graph, not from the flags in the lock, which npm's `ci` does not trust either.

Source: npm's ``@npmcli/arborist``, ``lib/calc-dep-flags.js`` and ``lib/node.js`` (``shouldOmit``).
"""

from __future__ import annotations

from functools import cached_property

from pmpipe.npm.locks.lock_graph import OPTIONAL_EDGES, PEER_EDGES, EdgeType, LockGraph
from pmpipe.npm.locks.package_path import PackagePath


class DependencyKinds:
    """By which kinds of dependencies each entry is needed.

    A package is dev if no way leads to it without a dependency of that kind, and so on. It is dev-optional if each way
    has one of either kind: it goes if both are omitted.
    """

    def __init__(self, graph: LockGraph) -> None:
        self._graph = graph

    @cached_property
    def _not_dev(self) -> frozenset[PackagePath]:
        return self._graph.reached_without(EdgeType.DEV)

    @cached_property
    def _not_optional(self) -> frozenset[PackagePath]:
        return self._graph.reached_without(*OPTIONAL_EDGES)

    @cached_property
    def _not_peer(self) -> frozenset[PackagePath]:
        return self._graph.reached_without(*PEER_EDGES)

    @cached_property
    def _neither_dev_nor_optional(self) -> frozenset[PackagePath]:
        return self._graph.reached_without(EdgeType.DEV, *OPTIONAL_EDGES)

    def is_optional(self, path: PackagePath) -> bool:
        """Whether the install can do without the package at this path."""
        return path not in self._not_optional

    def omitted_as(self, path: PackagePath, omit: frozenset[str]) -> str:
        """The kind of `omit` that the package falls under, in words; empty if it is to be installed."""
        if "peer" in omit and path not in self._not_peer:
            return "peer"
        if "dev" in omit and path not in self._not_dev:
            return "dev"
        if "optional" in omit and path not in self._not_optional:
            return "optional"
        # what is neither, and still not reached without the two, is needed by dev here and by optional there
        if {"dev", "optional"} <= omit and path not in self._neither_dev_nor_optional:
            return "dev and optional"
        return ""
