"""Putting a package and its peers into the tree, as high as nothing is in the way.

A package is first tried where it is needed, then one ``node_modules`` up after the other, until there is a conflict; it
goes into the last place that had none. What it replaces there gives up what only it needed; what it makes superfluous
further down goes; its peers that are not there yet follow.

Source: npm's ``@npmcli/arborist``, ``place-dep.js``.
"""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from pmpipe.npm.texts.collation import english_key
from pmpipe.resolver.can_place import Check, Effort, Verdict, can_dedupe, check_place, deepest_place
from pmpipe.resolver.dep_sets import needed_by_none_else, peer_entry_sets
from pmpipe.resolver.inside import nodes_from_inside
from pmpipe.resolver.node import Edge, Node
from pmpipe.resolver.options import InstallStrategy, ResolveOptions
from pmpipe.resolver.peer_conflict import PeerConflictError, explain_conflict
from pmpipe.resolver.satisfy import satisfies
from pmpipe.resolver.tree import Tree


class Placement(msgspec.Struct, eq=False):
    """One package on its way into the tree.

    Attributes:
        edge: for which it is placed. candidate: the package, in the tree of its peer set.
        parent: the placement that brings this one along as a peer.
        check: the answer for the place that was chosen, or None if there was none.
        self_check: the answer for the last place where the package alone had no conflict.
        placed: the new node, or None if what is there stays.
        children: the placements of its peers.
        unsettled: nodes whose edges have to be looked at again, because what they found was pushed out.
    """

    edge: Edge
    candidate: Node
    parent: Placement | None = None
    explicit: bool = False
    check: Check | None = None
    self_check: Check | None = None
    placed: Node | None = None
    children: list[Placement] = msgspec.field(default_factory=list)
    unsettled: dict[Node, None] = msgspec.field(default_factory=dict)

    @property
    def top(self) -> Placement:
        """The placement that this one came with."""
        placement = self
        while placement.parent is not None:
            placement = placement.parent
        return placement

    def walk(self) -> Iterable[Placement]:
        """This placement and those of its peers, each before its own peers."""
        yield self
        for child in self.children:
            yield from child.walk()


class Placer:
    """Places packages into one tree.

    Attributes:
        updates: names that the user wants newer versions of.
        overruled: peer conflicts that were let pass, to be warned about.
        mended: nodes of an old lock that npm would not look at; their peers stay as they are if there is no better way.
    """

    def __init__(self, tree: Tree, options: ResolveOptions, updates: frozenset[str] = frozenset()) -> None:
        self.tree = tree
        self.options = options
        self.updates = updates
        self.overruled: list[Edge] = []
        self.mended: set[Node] = set()
        self._effort = Effort()
        #: by node and whether it was an explicit wish: the tree's revision in which nothing of it or below it could go
        self._without_duplicates: dict[tuple[Node, bool], int] = {}

    def place(
        self, edge: Edge, candidate: Node, *, explicit: bool = False, parent: Placement | None = None
    ) -> Placement:
        """Place a package, and the members of its peer set that the tree does not have.

        Raises:
            PeerConflictError: there is no place without a conflict among peers, and it is not to be let pass.
        """
        placement = Placement(edge, candidate, parent, explicit)
        # only what the user's own edge asked for is an update; npm forgets the names below it
        updated = parent is None and edge.name in self.updates
        if edge.target is not None and edge.error is None and not explicit and not updated:
            return placement
        self._choose(placement)
        check = placement.check
        # placing an earlier peer may have pushed out the very package that this one comes with
        if check is None or check.target.tree is not self.tree:
            return placement
        verdict = check.own_verdict if check.verdict is Verdict.CONFLICT else check.verdict
        if verdict is Verdict.KEEP:
            if edge.dependency.peer and edge.error is not None:
                self.overrule(edge)
            self._drop_duplicates(check.target, placement)
            return placement
        for node in check.target.ancestry():
            if node.matches(candidate) and not node.is_top:
                self._close_circle(placement, node, check.target)
                return placement
        self._put(placement, check.target)
        self._drop_superfluous(placement, check.target)
        self._place_peers(placement)
        return placement

    # --- choosing the place

    def _choose(self, placement: Placement) -> None:
        edge, candidate = placement.edge, placement.candidate
        key = edge.dependency.key
        for target in self._start(placement).ancestry():
            there = target.edges_out.get(key)
            if there is not None and there.dependency.peer and not target.is_top:
                continue
            self._effort.begin()
            check = check_place(
                Check(
                    candidate,
                    edge,
                    target,
                    self._effort,
                    parent=None if placement.parent is None else placement.parent.check,
                    prefer_dedupe=self.options.prefer_dedupe,
                    explicit=placement.explicit,
                )
            )
            if check.own_verdict is not Verdict.CONFLICT:
                placement.self_check = check
            if check.verdict is Verdict.CONFLICT:
                break
            placement.check = check
            if candidate.failure is not None or self._stops_at(target):
                break
        if placement.check is None:
            self._yield_to_conflict(placement)

    def _stops_at(self, target: Node) -> bool:
        strategy = self.options.install_strategy
        if strategy is InstallStrategy.NESTED:
            return True
        return strategy is InstallStrategy.SHALLOW and target.up is not None and target.up.is_project

    def _start(self, placement: Placement) -> Node:
        start = placement.edge.origin if placement.parent is None else self._start(placement.parent)
        return deepest_place(start, placement.edge.dependency.key)

    def may_stay(self, node: Node) -> bool:
        """Whether what contradicts the peers of a node is let pass, rather than refused."""
        return node in self.mended and not (self.options.strict_peer_deps or self.options.force)

    def _yield_to_conflict(self, placement: Placement) -> None:
        if self.may_stay(placement.top.edge.origin):
            self.overrule(placement.edge)
            return
        if not self.options.force and (self.options.strict_peer_deps or _is_mine(placement)):
            raise explain_conflict(placement.top.edge, placement.top.candidate, placement.self_check)
        if placement.self_check is None:
            self.overrule(placement.edge)
        placement.check = placement.self_check

    def overrule(self, edge: Edge) -> None:
        """Let a conflict of peers pass."""
        edge.overruled = True
        self.overruled.append(edge)

    # --- putting it there

    def _close_circle(self, placement: Placement, ancestor: Node, target: Node) -> None:
        """The package is above the place already; a link to it ends what would nest for ever."""
        link = Node(ancestor.name, ancestor.package)
        link.target = ancestor
        placement.placed = link
        self.tree.attach(link, target)

    def _put(self, placement: Placement, target: Node) -> None:
        candidate = placement.candidate
        placed = Node(candidate.name, candidate.package)
        placed.target = candidate.target
        placed.failure = candidate.failure
        placed.rule = candidate.rule
        placement.placed = placed
        self.tree.give_edges(placed)
        old = target.children.get(placement.edge.dependency.key)
        if old is None:
            self.tree.attach(placed, target)
        else:
            self._replace(placement, old, placed)

    def _replace(self, placement: Placement, old: Node, placed: Node) -> None:
        target = old.parent
        orphaned: list[Node] = []
        new_keys = set() if placed.target is not None else {d.key for d in placed.package.edges(with_dev=False)}
        for key, edge in old.edges_out.items():
            dependency_node = edge.target
            if key not in new_keys and dependency_node is not None:
                orphaned.extend(
                    needed_by_none_else([dependency_node], lambda e, node=dependency_node: e.target is not node)  # type: ignore[misc]
                )
        pushed_out: list[Node] = []
        for edge in list(old.edges_in):
            if (
                satisfies(edge, placed)
                or not edge.dependency.peer
                or edge.origin.parent is not target
                or edge.overruled
            ):
                continue
            pushed_out.extend(self._sets_to_move(edge, target))
        self.tree.replace(old, placed)
        self._remove_useless(placed, orphaned)
        for node in pushed_out:
            for edge in node.edges_in:
                placement.unsettled[edge.origin] = None
            if node.tree is self.tree:
                self.tree.remove(node)

    def _sets_to_move(self, edge: Edge, target: Node | None) -> list[Node]:
        """The members of the peer sets around an edge that is about to break, as far as they can stand deeper."""
        moving: list[Node] = []
        for entry in peer_entry_sets(edge.origin):
            entry_node = entry.target
            assert entry_node is not None
            if deepest_place(entry_node, entry_node.key) is not target and not entry.origin.is_mine:
                moving.extend(
                    needed_by_none_else(
                        [entry_node],
                        lambda e, node=entry_node: e.target is not node and not e.overruled,  # type: ignore[misc]
                    )
                )
            else:
                self.overrule(edge)
        return moving

    def _remove_useless(self, placed: Node, orphaned: list[Node]) -> None:
        """Remove what only the replaced node, and what went with it, needed."""
        suspects: dict[Node, None] = {
            edge.target: None
            for edge in placed.edges_out.values()
            if edge.target is not None and edge.error is not None
        }
        for node in orphaned:
            suspects.update(
                dict.fromkeys(
                    needed_by_none_else([node], lambda e, node=node: e.target is not node and e.error is None)  # type: ignore[misc]
                )
            )
        useless = needed_by_none_else(
            suspects, lambda e: e.origin is not placed and e.target is not placed and e.error is None
        )
        for node in useless:
            if node.tree is self.tree:
                self.tree.remove(node)

    # --- what became superfluous

    def _drop_superfluous(self, placement: Placement, target: Node) -> None:
        edge, placed = placement.edge, placement.placed
        assert placed is not None
        if edge.dependency.peer and not satisfies(edge, placed):
            self.overrule(edge)
        if edge.error is None and edge.target is not None and edge.target is not placed:
            self._dedupe(edge.target, placement)
        for node in nodes_from_inside(target, self.tree.by_name.get(edge.name, {})):
            if not node.is_top and node.tree is self.tree and node.is_descendant_of(target):
                self._dedupe(node, placement)
                if node.tree is self.tree:
                    for child in list(node.children.values()):
                        self._dedupe(child, placement)

    def _dedupe(self, node: Node, placement: Placement) -> bool:
        """Remove a node, and what only it needs, if it can go."""
        if not can_dedupe(node, prefer_dedupe=self.options.prefer_dedupe, explicit=placement.explicit):
            return False
        for going in needed_by_none_else([node], lambda e: e.target is not node and e.error is None):
            if going.tree is self.tree:
                self.tree.remove(going)
        return True

    def _drop_duplicates(self, target: Node, placement: Placement) -> None:
        """Remove what can go of a node and of all below it, unless it is known that nothing can.

        With each edge that is kept npm looks at the whole tree below the place. `dedupe` keeps nearly all of them, so
        that nearly always nothing has changed since.
        """
        revision, explicit = self.tree.revision, placement.explicit
        above: Node | None = target
        while above is not None:
            if self._without_duplicates.get((above, explicit)) == revision:
                return
            above = above.parent
        self._dedupe_below(target, placement)
        if self.tree.revision == revision:
            self._without_duplicates[target, explicit] = revision

    def _dedupe_below(self, node: Node, placement: Placement) -> None:
        if self._dedupe(node, placement):
            return
        for child in sorted(node.children.values(), key=_by_location):
            self._dedupe_below(child, placement)
        for top in sorted(node.folder_children, key=_by_location):
            for child in sorted(top.children.values(), key=_by_location):
                self._dedupe_below(child, placement)

    # --- its peers

    def _place_peers(self, placement: Placement) -> None:
        placed, candidate = placement.placed, placement.candidate
        assert placed is not None
        if not placed.package.has_peers or candidate.parent is None:
            return
        arriving = candidate.parent.children
        for edge in list(placed.edges_out.values()):
            if edge.error is None or not edge.dependency.peer or edge.overruled:
                continue
            peer = arriving.get(edge.dependency.key)
            # a peer that is not in the set is an optional one, and one that does not satisfy was overruled there
            if peer is not None and satisfies(edge, peer):
                placement.children.append(self.place(edge, peer, explicit=placement.explicit, parent=placement))


def _by_location(node: Node) -> tuple[str, str, str]:
    return english_key(node.location)


def _is_mine(placement: Placement) -> bool:
    """Whether the conflict is the user's own: it is about what the project or a workspace depends on."""
    edge = placement.top.edge
    origin = edge.origin
    if origin.is_mine:
        return True
    if not edge.dependency.peer:
        return False
    if any(not other.dependency.peer and other.origin.is_mine for other in origin.edges_in):
        return True
    if not any(other.dependency.peer for other in origin.edges_in):
        return False
    return any(entry.origin.is_mine for entry in peer_entry_sets(origin))


__all__ = ["PeerConflictError", "Placement", "Placer"]
