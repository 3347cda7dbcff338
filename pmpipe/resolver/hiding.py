"""What hides the right package from a workspace: an older choice that lies in the workspace's own node_modules.

Where a workspace's range changes so that a package higher up satisfies it, placing finds that package and leaves it
where it is. But what lies in the workspace's own folder comes first when Node.js looks, so the workspace goes on to get
the wrong version. npm leaves it so, in a lock that its own `npm ls` calls invalid; here it is taken out.
"""

from __future__ import annotations

from collections.abc import Iterator

from pmpipe.resolver.node import Edge, EdgeError, Node
from pmpipe.resolver.satisfy import satisfies
from pmpipe.resolver.tree import Tree


def uncover(tree: Tree) -> list[Node]:
    """Take out what hides the right package from one of the project's workspaces.

    Returns:
        the nodes that had found one of those that went, and have to be looked at again.
    """
    hiding = dict.fromkeys(target for top in list(tree.tops) if top.is_mine for target in _hiding(top))
    concerned: dict[Node, None] = {}
    for node in hiding:
        concerned.update(dict.fromkeys(edge.origin for edge in node.edges_in))
        tree.remove(node)
    return [node for node in concerned if node.tree is tree]


def _hiding(top: Node) -> Iterator[Node]:
    for edge in top.edges_out.values():
        target = edge.target
        if target is None or target.parent is not top or target.failure is not None:
            continue
        if edge.error is EdgeError.INVALID and not edge.overruled and _is_right_above(edge, top):
            yield target


def _is_right_above(edge: Edge, top: Node) -> bool:
    above = top.up.resolve(edge.dependency.key) if top.up is not None else None
    return above is not None and above.failure is None and satisfies(edge, above)
