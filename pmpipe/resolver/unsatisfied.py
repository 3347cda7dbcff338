"""What a tree lacks once it is complete, because a conflict of peers was let pass while it was made."""

from __future__ import annotations

from collections.abc import Sequence

from pmpipe.resolver.node import Edge, Node
from pmpipe.resolver.tree import Tree


def unsatisfied(tree: Tree, overruled: Sequence[Edge]) -> tuple[Edge, ...]:
    """The edges of a complete tree that are not right, and deserve a warning.

    The package that was in conflict may have been placed anew since, where all that it needs is found. Or it is not in
    the tree any more; then whoever needs it may lack it.

    Args:
        tree: as it is in the end.
        overruled: what was let pass, in its order.
    """
    if not overruled:
        return ()
    placed: dict[int, list[Node]] = {}
    for node in tree.nodes.values():
        placed.setdefault(id(node.package), []).append(node)
    found: dict[Edge, None] = {}
    for edge in overruled:
        nodes = placed.get(id(edge.origin.package))
        if nodes:
            now = [node.edges_out.get(edge.dependency.key) for node in nodes]
        else:
            now = list(tree.edges.get(edge.origin.key, ()))
        found.update(dict.fromkeys(one for one in now if one is not None and one.error is not None))
    return tuple(found)
