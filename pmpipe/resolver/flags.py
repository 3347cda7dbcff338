"""Working out by what ways each node is reached: extraneous, dev, optional, devOptional, peer.

All flags begin as true. A walk from the project unsets them: what a required node needs is not optional, and so on,
until nothing changes.

Source: npm's ``@npmcli/arborist``, ``calc-dep-flags.js``.
"""

from __future__ import annotations

from pmpipe.resolver.node import Edge, Node


def work_out_flags(root: Node, *, with_root: bool = True) -> None:
    """Unset the flags that do not hold, from `root` on; `with_root` unsets all of its own first."""
    if with_root:
        root.flags.set_all(value=False)
    seen: dict[Node, None] = {}
    pending = [root]
    while pending:
        node = pending.pop()
        seen[node] = None
        if not node.flags.extraneous:
            _keep_ancestors(node)
        if node.target is not None:
            if _unset_target(node, node.target) or node.target not in seen:
                pending.append(node.target)
            continue
        for edge in node.edges_out.values():
            target = edge.target
            if target is not None and _unset(node, edge, target):
                pending.append(target)
    seen.pop(root, None)
    for node in seen:
        flags = node.flags
        if flags.dev_optional and (flags.dev or flags.optional):
            flags.dev_optional = False


def _keep_ancestors(node: Node) -> None:
    above = node.up
    while above is not None and above.flags.extraneous:
        above.flags.extraneous = False
        above = above.up


def _unset(node: Node, edge: Edge, target: Node) -> bool:
    dependency = edge.dependency
    mine, theirs = node.flags, target.flags
    changed = False
    if theirs.extraneous and not mine.extraneous and not (dependency.peer and dependency.optional):
        theirs.extraneous, changed = False, True
    if theirs.dev and not mine.dev and not dependency.dev:
        theirs.dev, changed = False, True
    if theirs.optional and not mine.optional and not dependency.optional:
        theirs.optional, changed = False, True
    if theirs.dev_optional and not (
        mine.dev_optional or mine.dev or mine.optional or dependency.dev or dependency.optional
    ):
        theirs.dev_optional, changed = False, True
    if theirs.peer and not mine.peer and not dependency.peer:
        theirs.peer, changed = False, True
    return changed


def _unset_target(link: Node, target: Node) -> bool:
    changed = False
    for flag in ("dev", "optional", "dev_optional", "peer", "extraneous"):
        if getattr(target.flags, flag) and not getattr(link.flags, flag):
            setattr(target.flags, flag, False)
            changed = True
    return changed
