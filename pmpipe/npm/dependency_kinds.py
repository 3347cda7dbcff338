"""By which kinds of dependencies an entry is needed: for production, for development, optionally, as a peer.

The answers follow from the graph, not from the flags in the lock, which npm's `ci` does not trust either.

Source: npm's ``@npmcli/arborist``, ``lib/calc-dep-flags.js`` and ``lib/node.js`` (``shouldOmit``).
"""

from __future__ import annotations

from functools import cached_property

from pmpipe.npm.lock_graph import Edge, EdgeType, LockGraph
from pmpipe.npm.package_path import PackagePath


class DependencyKinds:
    """By which kinds of dependencies each entry is needed.

    A package is dev if no way leads to it without a dependency of that kind, and so on. It is dev-optional if each way
    has one of either kind: it goes if both are omitted.
    """

    def __init__(self, graph: LockGraph) -> None:
        self._graph = graph

    @cached_property
    def _not_dev(self) -> frozenset[PackagePath]:
        return self._graph.reached_by(lambda edge: edge.type is not EdgeType.DEV)

    @cached_property
    def _not_optional(self) -> frozenset[PackagePath]:
        return self._graph.reached_by(is_required)

    @cached_property
    def _not_peer(self) -> frozenset[PackagePath]:
        return self._graph.reached_by(_is_no_peer)

    @cached_property
    def _neither_dev_nor_optional(self) -> frozenset[PackagePath]:
        return self._graph.reached_by(lambda edge: edge.type is not EdgeType.DEV and is_required(edge))

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


# members of an enum in sets are hashed in Python code: comparing is three times as fast
def is_required(edge: Edge) -> bool:
    """Whether the package that an edge leaves cannot do without what it leads to."""
    return edge.type is not EdgeType.OPTIONAL and edge.type is not EdgeType.PEER_OPTIONAL


def _is_no_peer(edge: Edge) -> bool:
    return edge.type is not EdgeType.PEER and edge.type is not EdgeType.PEER_OPTIONAL
