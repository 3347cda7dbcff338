"""Taking out of a finished tree what nobody needs."""

from __future__ import annotations

from pmpipe.resolver.node import Node
from pmpipe.resolver.satisfy import satisfies
from pmpipe.resolver.tree import Tree


def remove_useless(tree: Tree) -> None:
    """Take out all nodes whose flags say that nobody needs them."""
    for node in list(tree.nodes.values()):
        if node.flags.extraneous and node.tree is tree:
            tree.remove(node)


def hides_rivals(tree: Tree) -> bool:
    """Whether something would find a version that it cannot use, if what nobody needs were taken out."""
    return any(node.flags.extraneous and _hides_rival(node) for node in tree.nodes.values())


def _hides_rival(node: Node) -> bool:
    above = node.parent.up if node.parent is not None else None
    found = above.resolve(node.key) if above is not None else None
    if found is None:
        return False
    return any(not edge.origin.flags.extraneous and not satisfies(edge, found) for edge in node.edges_in)
