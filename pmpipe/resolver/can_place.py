"""Whether a package can go into a certain ``node_modules``, and whether its peers can go there or above.

Nothing here changes the tree. The answer is one of four: nothing is in the way (OK), what is there can be replaced
(REPLACE), what is there will do (KEEP), it cannot go there (CONFLICT). Peers are asked about too, each at the deepest
place where it may stand, and one CONFLICT among them is a conflict of the whole.

Source: npm's ``@npmcli/arborist``, ``can-place-dep.js``, ``deepest-nesting-target.js`` and ``node.js``.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from enum import Enum

import msgspec

from pmpipe.npm.semver.version import loose_version
from pmpipe.resolver.dep_sets import is_needed_by_project, needed_by_none_else, peer_entry_sets
from pmpipe.resolver.inside import edges_from_inside
from pmpipe.resolver.node import Edge, Node, in_bundle_of_dependency, in_shrinkwrap
from pmpipe.resolver.package import NameKey
from pmpipe.resolver.satisfy import satisfies

_MAX_PEERS = 20_000
_MIN_PEERS = 1_000


class Verdict(Enum):
    """What is to be done at a place."""

    OK = "ok"
    REPLACE = "replace"
    KEEP = "keep"
    CONFLICT = "conflict"


class Effort:
    """How much is looked at before peers that need each other in every direction are not asked on every way any more.

    As npm asks, a peer is looked at once for each way that leads to it, and of such ways nine packages that all are
    each other's peers have 100,000. Up to the bound the answer is npm's; beyond it, where npm is not heard of again, a
    peer that nothing was in the way of is not asked again for the same edge at the same place.

    Attributes:
        bound: so many peers are looked at for one package at one place; less each time that it was reached.
        count: of the package in hand.
        content: what nothing was in the way of, once the bound has been reached.
    """

    __slots__ = ("bound", "content", "count")

    def __init__(self) -> None:
        self.bound = _MAX_PEERS
        self.count = 0
        self.content: set[tuple[Node, Edge, Node]] = set()

    def begin(self) -> None:
        """Begin with another package, or another place."""
        if self.count > self.bound:
            self.bound = max(_MIN_PEERS, self.bound // 2)
        self.count = 0
        self.content.clear()

    def is_spared(self, peer: Node, edge: Edge, target: Node) -> bool:
        """Count a peer; whether it need not be looked at again."""
        self.count += 1
        return self.count > self.bound and (peer, edge, target) in self.content


class Check(msgspec.Struct, eq=False):
    """The question whether `candidate` can satisfy `edge` from inside `target`, and its answer.

    Attributes:
        candidate: the package, in the tree of its peer set.
        target: in whose ``node_modules`` it would go.
        parent: the check of the package whose peer this one is.
        prefer_dedupe: take what is there if that is possible at all; always so among peers.
        explicit: the user asked for this package by name.
        above: the candidates on the way here, from one peer to the next.
        verdict: of the candidate and its peers. own_verdict: of the candidate alone.
        children: the checks of the peers.
        effort: shared by all checks of a resolution.
    """

    candidate: Node
    edge: Edge
    target: Node
    effort: Effort
    parent: Check | None = None
    prefer_dedupe: bool = False
    explicit: bool = False
    above: tuple[Node, ...] = ()
    current: Node | None = None
    verdict: Verdict = Verdict.CONFLICT
    own_verdict: Verdict | None = None
    children: list[Check] = msgspec.field(default_factory=list)

    @property
    def entry_edge(self) -> Edge:
        """The edge for which the whole peer set is placed."""
        check = self
        while check.parent is not None:
            check = check.parent
        return check.edge

    def conflicts(self) -> list[Check]:
        """The checks below this one that ended in a conflict."""
        found: list[Check] = list(self.children)
        for check in found:
            found.extend(child for child in check.children if child not in found)
        return [check for check in found if check.verdict is Verdict.CONFLICT]


def check_place(check: Check) -> Check:
    """Answer a check; fills in its verdicts and children."""
    check.prefer_dedupe = check.prefer_dedupe or check.edge.dependency.peer
    check.current = check.target.children.get(check.edge.dependency.key)
    check.verdict = _verdict(check)
    if check.own_verdict is None:
        check.own_verdict = check.verdict
    return check


def deepest_place(start: Node, key: NameKey) -> Node:
    """The deepest ``node_modules`` where a package may go for a node to find it: not inside what has it as a peer."""
    for target in start.ancestry():
        if target.is_project or target.up is None or target.is_global_top:
            return target
        edge = target.edges_out.get(key)
        if edge is None or not edge.dependency.peer:
            return target
    return start


def siblings(candidate: Node) -> Mapping[NameKey, Node]:
    """The peer set that a candidate belongs to, itself included."""
    return candidate.parent.children if candidate.parent is not None else {candidate.key: candidate}


def _verdict(check: Check) -> Verdict:
    current, candidate, target = check.current, check.candidate, check.target
    if candidate.failure is not None:
        # the run ends or the node goes, so that it does not matter where it stands
        return Verdict.REPLACE if current is not None else Verdict.OK
    wanted_here = target.edges_out.get(check.edge.dependency.key)
    if wanted_here is not None:
        if wanted_here.dependency.peer and not target.is_top:
            return Verdict.CONFLICT
        if current is None and wanted_here is not check.edge and not satisfies(wanted_here, candidate):
            return Verdict.CONFLICT
    return _verdict_without_current(check) if current is None else _verdict_with_current(check, current)


def _verdict_without_current(check: Check) -> Verdict:
    target, key = check.target, check.edge.dependency.key
    shadowed = None if target is check.entry_edge.origin else target.resolve(key)
    if shadowed is not None:
        # whoever is below the target and content with what is further up must be content with the candidate
        for edge in edges_from_inside(target, key, shadowed.edges_in):
            if edge.error is None and not satisfies(edge, check.candidate):
                return Verdict.CONFLICT
    return _with_peers(check, Verdict.OK)


def _verdict_with_current(check: Check, current: Node) -> Verdict:
    candidate, edge = check.candidate, check.edge
    overridden_edge = not satisfies(edge, candidate)
    if candidate.matches(current) and (satisfies(edge, current) or overridden_edge):
        return Verdict.REPLACE if check.explicit else Verdict.KEEP
    is_newer = _is_not_older(candidate, current)
    if is_newer and can_replace(current, candidate) and _with_peers(check, Verdict.REPLACE) is Verdict.REPLACE:
        return Verdict.REPLACE
    if satisfies(edge, current) and (not check.explicit or check.prefer_dedupe):
        return Verdict.KEEP
    if (
        check.prefer_dedupe
        and not is_newer
        and can_replace(current, candidate)
        and _with_peers(check, Verdict.REPLACE) is Verdict.REPLACE
    ):
        return Verdict.REPLACE
    return _verdict_at_last_place(check, current)


def _verdict_at_last_place(check: Check, current: Node) -> Verdict:
    """What is there is wrong. If the candidate can go deeper it shall; else see whether the current one can."""
    target, edge = check.target, check.edge
    if target is not _deepest(check):
        return Verdict.CONFLICT
    if not edge.dependency.peer:
        return _with_peers(check, Verdict.REPLACE) if target is edge.origin else Verdict.CONFLICT
    if all(_may_give_way(check, entry, members) for entry, members in peer_entry_sets(current).items()):
        return _with_peers(check, Verdict.REPLACE)
    return Verdict.CONFLICT


def _may_give_way(check: Check, entry: Edge, members: Collection[Node]) -> bool:
    """Whether a peer set that is there can be replaced by the candidate's set, or move deeper into the tree."""
    if entry is check.edge or entry is check.entry_edge:
        return True
    entry_node = entry.target
    assert entry_node is not None
    arriving = siblings(check.candidate)
    replacement = arriving.get(entry_node.key)
    if replacement is not None:
        if can_replace(entry_node, replacement, {node.name for node in arriving.values()}):
            return True
    elif _arriving_set_satisfies(entry_node, arriving):
        return True
    for member in members:
        deepest = deepest_place(entry.origin, member.key)
        if deepest is check.target or check.target.is_descendant_of(deepest):
            return False
    return True


def _arriving_set_satisfies(entry_node: Node, arriving: Mapping[NameKey, Node]) -> bool:
    walk: dict[Node, None] = {entry_node: None}
    pending = [entry_node]
    for member in pending:
        for edge in member.edges_out.values():
            if not edge.dependency.peer or edge.error is not None:
                continue
            replacement = arriving.get(edge.dependency.key)
            if replacement is not None:
                if not satisfies(edge, replacement):
                    return False
            elif edge.target is not None and edge.target not in walk:
                walk[edge.target] = None
                pending.append(edge.target)
    return True


def _deepest(check: Check) -> Node:
    start = check.edge.origin if check.parent is None else _deepest(check.parent)
    return deepest_place(start, check.edge.dependency.key)


def _with_peers(check: Check, state: Verdict) -> Verdict:
    """The state, or CONFLICT if one of the candidate's peers cannot be placed."""
    check.own_verdict = state
    if check.children:
        return _sum_up(check, state)
    if check.candidate.package.has_peers:
        above = (*check.above, check.candidate)
        effort = check.effort
        for edge in check.candidate.edges_out.values():
            peer = edge.target
            if not edge.dependency.peer or peer is None or peer in above:
                continue
            target = deepest_place(check.target, peer.key)
            if effort.is_spared(peer, edge, target):
                continue
            child = Check(peer, edge, target, effort, parent=check, prefer_dedupe=True, above=above)
            check.children.append(check_place(child))
            if effort.count > effort.bound and child.verdict is not Verdict.CONFLICT:
                effort.content.add((peer, edge, target))
    return _sum_up(check, state)


def _sum_up(check: Check, state: Verdict) -> Verdict:
    return Verdict.CONFLICT if any(child.verdict is Verdict.CONFLICT for child in check.children) else state


def _is_not_older(candidate: Node, current: Node) -> bool:
    new, old = loose_version(candidate.version), loose_version(current.version)
    return new is not None and old is not None and new.key >= old.key


def can_replace(old: Node, new: Node, ignored_peers: Collection[str] = ()) -> bool:
    """Whether all who depend on a node would be content with another one in its place.

    Args:
        old: in the tree.
        new: from anywhere.
        ignored_peers: names; peers by these names beside the old node are replaced with it.
    """
    if new.name != old.name or new.package.name != old.package.name:
        return False
    if old.edges_out and not _same_rules(old, new):
        return False
    if not old.edges_in:
        return True
    return _all_go_with(
        old,
        (
            edge.origin
            for edge in old.edges_in
            if not (_is_replaced_too(edge, old, ignored_peers) or satisfies(edge, new))
        ),
    )


def _is_replaced_too(edge: Edge, old: Node, ignored_peers: Collection[str]) -> bool:
    return (
        old.parent is not None
        and edge.dependency.peer
        and edge.origin.parent is old.parent
        and edge.origin.name in ignored_peers
    )


def _all_go_with(old: Node, others: Iterable[Node]) -> bool:
    """Whether nodes are needed by nothing but a node and what goes with it."""

    def counts(edge: Edge) -> bool:
        return edge.target is not old and edge.error is None

    going: Collection[Node] | None = None
    for node in others:
        if going is None:
            if is_needed_by_project(node, counts):
                return False
            going = set(needed_by_none_else([old], counts))
        if node not in going:
            return False
    return True


def _same_rules(old: Node, new: Node) -> bool:
    if new.rule is None:
        return old.rule is None
    return new.rule.same_as(old.rule)


def can_dedupe(node: Node, *, prefer_dedupe: bool = False, explicit: bool = False) -> bool:
    """Whether a node can go because nobody needs it, or those who do would find something as good further up."""
    above = node.up
    if above is None or above.up is None:
        return False
    if in_bundle_of_dependency(node) or in_shrinkwrap(node):
        return False
    if not node.edges_in:
        return True
    other = above.up.resolve(node.key)
    if other is None:
        return False
    if other.matches(node):
        return True
    if not can_replace(node, other):
        return False
    return prefer_dedupe or _is_better(other, node) or explicit


def _is_better(other: Node, node: Node) -> bool:
    mine, theirs = loose_version(node.version), loose_version(other.version)
    if mine is None or theirs is None or theirs.key < mine.key:
        return False
    # a version that an override asked for is not given up for a higher one
    return theirs.key == mine.key or not _is_overridden(node)


def _is_overridden(node: Node) -> bool:
    if node.rule is None or not node.rule.value or node.rule.name != node.name:
        return False
    return any(
        edge.rule is not None
        and edge.rule.name == node.name
        and edge.rule.value == node.version
        and not edge.rule.same_as(edge.origin.rule)
        for edge in node.edges_in
    )
