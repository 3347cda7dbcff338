"""Sets of nodes that stand or fall together.

Source: npm's ``@npmcli/arborist``, ``gather-dep-set.js``, ``peer-entry-sets.js`` and ``optional-set.js``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from pmpipe.resolver.node import Edge, Node


def needed_by_none_else(start: Iterable[Node], counts: Callable[[Edge], bool]) -> list[Node]:
    """Nodes of which nobody outside the set needs one.

    Args:
        start: the set begins with these and all that they need, directly or not.
        counts: which edges are seen at all, on the way down and as needs from outside.

    Returns:
        what is left when all nodes have gone that something outside needs, in the order in which they were found.
    """
    found: dict[Node, None] = dict.fromkeys(start)
    pending = list(found)
    for node in pending:
        for edge in node.edges_out.values():
            target = edge.target
            if target is not None and target not in found and counts(edge):
                found[target] = None
                pending.append(target)
    leaving = [node for node in found if any(edge.origin not in found and counts(edge) for edge in node.edges_in)]
    for node in leaving:
        found.pop(node, None)
    for node in leaving:
        # what it needs is needed from outside now
        for edge in node.edges_out.values():
            if edge.target in found and counts(edge):
                del found[edge.target]
                leaving.append(edge.target)
    return list(found)


def is_needed_by_project(node: Node, counts: Callable[[Edge], bool]) -> bool:
    """Whether a top needs a node, directly or not, by edges that count; no such node is `needed_by_none_else`.

    It takes some steps up where that walks through all that is below.
    """
    seen = {node}
    pending = [node]
    while pending:
        one = pending.pop()
        if one.parent is None:
            return True
        for edge in one.edges_in:
            if edge.origin not in seen and counts(edge):
                seen.add(edge.origin)
                pending.append(edge.origin)
    return False


def peer_entry_sets(node: Node) -> dict[Edge, list[Node]]:
    """The peer sets that a node belongs to, by the edge through which each came into the tree.

    A peer set is what must be found in one place because its members are each other's peers; it comes in through an
    edge that is no peer's, or through a top's.
    """
    union: dict[Node, None] = {node: None}
    pending = [node]
    for member in pending:
        for edge in member.edges_out.values():
            if edge.error is None and edge.dependency.peer and edge.target is not None and edge.target not in union:
                union[edge.target] = None
                pending.append(edge.target)
        for edge in member.edges_in:
            if edge.error is None and edge.dependency.peer and edge.origin not in union:
                union[edge.origin] = None
                pending.append(edge.origin)
    sets: dict[Edge, list[Node]] = {}
    for member in union:
        for edge in member.edges_in:
            if edge.error is None and (not edge.dependency.peer or edge.origin.is_top):
                members = _peers_below(member)
                if node in members:
                    sets[edge] = list(members)
    return sets


def _peers_below(node: Node) -> dict[Node, None]:
    found: dict[Node, None] = {node: None}
    pending = [node]
    for member in pending:
        for edge in member.edges_out.values():
            if edge.error is None and edge.dependency.peer and edge.target is not None and edge.target not in found:
                found[edge.target] = None
                pending.append(edge.target)
    return found


def optional_set(node: Node) -> list[Node]:
    """What goes when an optional package fails: up to the optional edges that lead here, and all that only these need.

    The nodes' flags must have been worked out.
    """
    found: dict[Node, None] = {node: None}
    pending = [node]
    for member in pending:
        for edge in member.edges_in:
            if not edge.dependency.optional and edge.origin not in found:
                found[edge.origin] = None
                pending.append(edge.origin)
    return needed_by_none_else(found, lambda edge: edge.target not in found and not edge.origin.unusable)
