"""Which of all edges or nodes by one name are inside a node's folder, found from the cheaper side.

Popular packages have thousands of dependents and dozens of places; most nodes have nobody inside, and workspaces
have thousands. Asking every dependent, or walking through all that is inside, would each make resolving quadratic for
some projects; the smaller of the two never is by much.
"""

from __future__ import annotations

from collections.abc import Mapping

from pmpipe.resolver.node import Edge, Node
from pmpipe.resolver.package import NameKey

#: so few are asked one by one
_FEW = 3


def edges_from_inside(place: Node, key: NameKey, edges: Mapping[Edge, None]) -> list[Edge]:
    """Those of the edges whose origin is a node or lies inside of it, in the order of the edges.

    Args:
        place: the node.
        key: by which all the edges go.
        edges: to choose from.
    """
    near = _inside(place, len(edges))
    if near is None:
        return [edge for edge in edges if edge.origin.is_descendant_of(place)]
    found = [edge for edge in (node.edges_out.get(key) for node in near) if edge is not None and edge in edges]
    if len(found) < 2:
        return found
    wanted = set(found)
    return [edge for edge in edges if edge in wanted]


def nodes_from_inside(place: Node, nodes: Mapping[Node, None]) -> list[Node]:
    """Those of the nodes that are a node or lie inside of it, in their order."""
    near = _inside(place, len(nodes))
    if near is None:
        return [node for node in nodes if node.is_descendant_of(place)]
    found = [node for node in near if node in nodes]
    if len(found) < 2:
        return found
    wanted = set(found)
    return [node for node in nodes if node in wanted]


def _inside(place: Node, limit: int) -> list[Node] | None:
    """The node and all that is inside of it, or None if to look for that is more work than `limit` look-ups."""
    if limit <= _FEW:
        return None
    found = [place]
    for node in found:
        found.extend(node.children.values())
        found.extend(node.folder_children)
        if len(found) > limit:
            return None
    return found
