"""Building the ideal tree, step by step in npm's order.

A queue holds nodes whose edges have to be looked at, those that lie higher first. A step takes one, finds a package
for every edge that finds nothing or something wrong, and places these in the order of their names. What was placed,
and what lost something by it, joins the queue. When it is empty, the targets of links follow; when there are none, the
flags are worked out, and what turned out to be superfluous goes.

Source: npm's ``@npmcli/arborist``, ``build-ideal-tree.js``.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from heapq import heapify, heappop, heappush

from pmpipe.errors import PmpipeError
from pmpipe.npm.texts.collation import CollationKey, english_key
from pmpipe.resolver.blame import error_for
from pmpipe.resolver.bundles import Bundles
from pmpipe.resolver.can_place import Verdict
from pmpipe.resolver.dep_sets import optional_set
from pmpipe.resolver.flags import work_out_flags
from pmpipe.resolver.hiding import uncover
from pmpipe.resolver.location import absolute
from pmpipe.resolver.node import Edge, EdgeError, Node, in_bundle_of_dependency, in_shrinkwrap
from pmpipe.resolver.options import ResolveOptions
from pmpipe.resolver.package import Kind, Package
from pmpipe.resolver.peer_conflict import PeerConflictError, explain_endless
from pmpipe.resolver.peer_sets import PeerSets, Waiting
from pmpipe.resolver.placing import Placement, Placer
from pmpipe.resolver.prefetch import Prefetcher
from pmpipe.resolver.refusal import refused_tarball
from pmpipe.resolver.satisfy import satisfies
from pmpipe.resolver.tree import Tree
from pmpipe.resolver.useless import hides_rivals, remove_useless

#: Legitimate rearrangements place a package in one spot a handful of times.
_MAX_TURNS = 50


class StepQueue:
    """Nodes to be looked at: those in fewer ``node_modules`` first, then by path.

    Paths in one folder are in the order of what follows it. As long as nothing lies outside of the project's folder
    nothing else is compared, which makes half the work and is what the lockfile's writer will want to know, too.
    """

    __slots__ = ("_count", "_folder", "_heap", "_is_any_outside", "_queued")

    def __init__(self, project_folder: str) -> None:
        self._folder = project_folder
        self._count = 0
        self._heap: list[tuple[int, CollationKey, int, Node]] = []
        self._queued: dict[Node, None] = {}
        self._is_any_outside = False

    def push(self, node: Node) -> None:
        """Queue a node, unless it is queued already."""
        if node in self._queued:
            return
        self._queued[node] = None
        if not self._is_any_outside and node.location.startswith(".."):
            self._is_any_outside = True
            self._heap = [(depth, self._key(one), count, one) for depth, _, count, one in self._heap]
            heapify(self._heap)
        # a node and its replacement have one path; the older one comes first
        self._count += 1
        heappush(self._heap, (node.depth, self._key(node), self._count, node))

    def pop(self) -> Node | None:
        """The next node, or None."""
        if not self._heap:
            return None
        node = heappop(self._heap)[-1]
        del self._queued[node]
        return node

    def _key(self, node: Node) -> CollationKey:
        if not self._is_any_outside:
            return english_key(node.location)
        if node.location.startswith(".."):
            return english_key(absolute(self._folder, node.location))
        return english_key(f"{self._folder}/{node.location}")


class Builder:
    """Completes a tree that so far holds the project, its workspaces and what is kept of an old lock.

    Attributes:
        seen: nodes whose edges have been looked at.
        explicit: edges that the user asked for by name.
        links: links whose targets have not been looked at.
        changed: whether anything was placed.
        late: nodes that are looked at when nothing else is left to do.
        turns: how often each package was placed at each location.
        requested: the user asked for a change, so that even optional peers that do not fit are looked at.
        prefetcher: is told what will be needed.
    """

    def __init__(
        self, tree: Tree, sets: PeerSets, bundles: Bundles, options: ResolveOptions, prefetcher: Prefetcher
    ) -> None:
        self.tree = tree
        self.sets = sets
        self.bundles = bundles
        self.options = options
        self.prefetcher = prefetcher
        self.placer = Placer(tree, options, options.updates)
        self.queue = StepQueue(tree.project_folder)
        self.seen: dict[Node, None] = {}
        self.explicit: dict[Edge, None] = {}
        self.links: dict[Node, None] = {}
        self.changed = False
        self.turns: dict[tuple[str, Package], int] = {}
        self.late: list[Node] = []

    def build(self, explicit: Mapping[str, frozenset[str]]) -> Waiting[None]:
        """Complete the tree.

        Args:
            explicit: see `pmpipe.resolver.project.Project`.

        Raises:
            PeerConflictError: peers contradict each other, and that is not to be let pass.
        """
        for location, names in explicit.items():
            node = self.tree.nodes.get(location)
            if node is None:
                continue  # a workspace that the lock does not know yet: all of it will be looked at
            self.explicit.update({edge: None for edge in node.edges_out.values() if edge.name in names})
            self.queue.push(node)
        self._queue_updates()
        self.queue.push(self.tree.root)
        while True:
            queued = self.queue.pop()
            if queued is not None:
                yield from self._step(queued)
                continue
            if not (self._follow_links() or self._uncover() or self._queue_late()):
                return

    def finish(self, *, may_hold_useless: bool, keeps_useless: bool) -> None:
        """Work out the flags, remove what nobody needs, and judge what could not be loaded.

        Args:
            may_hold_useless: the tree began with nodes from an old lock, whose flags may no longer hold, and of which
                some may be needed no more.
            keeps_useless: if it did not, optional peers that were looked up stay where nothing needs them, as with npm,
                whose next run takes them out.

        Raises:
            PmpipeError: something required could not be loaded.
        """
        root = self.tree.root
        nodes = self.tree.nodes
        if may_hold_useless and self.changed:
            for node in nodes.values():
                node.flags.set_all(value=True)
        if not may_hold_useless or self.changed:
            work_out_flags(root)
        else:
            root.flags.set_all(value=False)
        if may_hold_useless or not (keeps_useless or hides_rivals(self.tree)):
            remove_useless(self.tree)
        required = [node for node in self.sets.failures if not node.flags.optional]
        if required:
            raise error_for(required)
        for node in self.sets.failures:
            for member in optional_set(node):
                member.unusable = True

    # --- what to look at

    def queue_problems(self) -> None:
        """Queue the nodes below the project that lack something, before anything is asked for.

        npm does not follow the links to workspaces here: what an old lock lacks there is never added, and nothing says
        so. Only what it does not solve in a new lock either is let pass, with a warning, and peers for which there is
        no other way than to make the lock anew: it was made so, and must be good enough to go on from.
        """
        needed = self._needed_by_project(follow=True)
        seen_by_npm = self._needed_by_project(follow=False)
        if not self.options.strict_peer_deps:
            for node in needed:
                for edge in node.edges_out.values():
                    if _is_held(edge) and node not in seen_by_npm:
                        self.placer.overrule(edge)
        for node in needed:
            off = [
                edge
                for edge in node.edges_out.values()
                if edge.target is None or (edge.error is not None and not edge.overruled)
            ]
            if off and node in seen_by_npm:
                self.queue.push(node)
            elif any(not (edge.dependency.peer and edge.dependency.optional) for edge in off):
                # after all that npm looks at, so that it has no part in where that is placed
                self.late.append(node)

    def _needed_by_project(self, *, follow: bool) -> dict[Node, None]:
        """The project and all that it needs.

        Args:
            follow: what its workspaces and folders need, too; from then on the overrides hold there.
        """
        seen: dict[Node, None] = {self.tree.root: None}
        pending = [self.tree.root]
        for node in pending:
            for edge in node.edges_out.values():
                target = edge.target
                if target is not None and target.is_link and follow and self._is_followed(target.end):
                    # what an override makes right is no problem, and what it makes wrong is one
                    self.tree.pass_rule_to_target(target)
                    target = target.end
                if target is not None and target not in seen:
                    seen[target] = None
                    pending.append(target)
        return seen

    def _queue_updates(self) -> None:
        for name in self.options.updates:
            for node in self.tree.by_name.get(name, ()):
                if node.parent is not None and not in_bundle_of_dependency(node) and not in_shrinkwrap(node):
                    for edge in node.edges_in:
                        self.queue.push(edge.origin)

    def problem_edges(self, node: Node) -> list[Edge]:
        """The edges of a node for which something has to be placed."""
        bundled = node.package.bundled
        if bundled and node.is_mine:
            bundled = ()
        return [
            edge
            for edge in node.edges_out.values()
            if self._is_problem(edge) and not edge.overruled and edge.name not in bundled
        ]

    def _is_problem(self, edge: Edge) -> bool:
        target = edge.target
        if target is None:
            return edge.dependency.kind is not Kind.PEER_OPTIONAL or edge in self.explicit
        if edge.error is None and not self.options.updates and not self.explicit:
            return False
        if target in self.sets.failures or in_shrinkwrap(target):
            return False
        if edge.error is not None:
            return True
        if target.is_workspace:
            return False
        return edge.name in self.options.updates or edge in self.explicit

    # --- one step

    def _step(self, node: Node) -> Waiting[None]:
        if node in self.seen or node.tree is not self.tree:
            return
        self.seen[node] = None
        if node.package.bundled or node.has_shrinkwrap:
            yield from self._open_tarball(node)
        if not node.edges_out:
            return
        # all packages are found before the first one is placed, so that placing cannot change what is found
        candidates = yield from self._candidates(self._asked_ahead(self.problem_edges(node)))
        for edge in sorted(candidates, key=_by_name):
            for placement in self.placer.place(edge, candidates[edge], explicit=edge in self.explicit).walk():
                if placement.placed is not None:
                    self._after(placement, placement.placed)
        for edge in node.edges_out.values():
            if edge.target is not None and edge.target.target is not None:
                self.links[edge.target] = None

    def _asked_ahead(self, edges: list[Edge]) -> list[Edge]:
        # one is asked for anyway
        if len(edges) > 1:
            for edge in edges:
                self.prefetcher.need(edge.dependency)
        return edges

    def _open_tarball(self, node: Node) -> Waiting[None]:
        try:
            self._require_allowed(node)
            yield from self.bundles.open(node, self.tree)
        except PmpipeError as error:
            # whether that matters is known only when the flags are
            node.failure = error
            self.sets.failures[node] = None

    def _require_allowed(self, node: Node) -> None:
        policy = self.options.sources
        refused = refused_tarball(policy, node) if policy is not None and node.resolved else None
        if refused is not None:
            raise refused

    def _candidates(self, edges: Iterable[Edge]) -> Waiting[dict[Edge, Node]]:
        """What is to be placed, by the edge that is wrong without it."""
        found: dict[Edge, Node] = {}
        for edge in edges:
            candidate = yield from self._candidate(edge)
            if candidate is not None:
                found[edge] = candidate
        return found

    def _candidate(self, edge: Edge) -> Waiting[Node | None]:
        """What is to be placed; None if peers contradict each other, and that is let pass."""
        found = self.sets.found_before(edge)
        if found is None and edge.dependency.kind is Kind.PEER_OPTIONAL and not self._is_wanted_anew(edge):
            found = self._find_in_tree(edge)
        if found is not None:
            return found
        required = {edge.origin}
        try:
            if edge.dependency.peer:
                return (yield from self.sets.into_tree(edge, self.sets.tree_for(edge.origin), None, required))
            return (yield from self.sets.candidate(edge, required))
        except PeerConflictError:
            if not self.placer.may_stay(edge.origin):
                raise
            self.placer.overrule(edge)
            return None

    def _is_wanted_anew(self, edge: Edge) -> bool:
        return edge.name in self.options.updates or edge in self.explicit

    def _find_in_tree(self, edge: Edge) -> Node | None:
        """A node that is in the tree anyway and would do for an optional peer, the highest first."""
        pending = list((edge.origin.up or edge.origin).children.values())
        for node in pending:
            if node.name == edge.name and not in_bundle_of_dependency(node) and satisfies(edge, node):
                return node
            pending.extend(node.children.values())
        return None

    def _after(self, placement: Placement, placed: Node) -> None:
        """Queue what was placed and whoever is not content with it."""
        if placed.failure is not None:
            self.sets.failures[placed] = None
        self.changed = True
        self.prefetcher.walk(placed.package)
        self._count_turn(placement, placed)
        check = placement.check
        assert check is not None
        for edge in placed.edges_in:
            if edge is placement.edge or edge.error is None or edge.overruled:
                continue
            if check.own_verdict in (Verdict.OK, Verdict.REPLACE):
                self._look_again(edge.origin)
        self.queue.push(placed)
        for node in placement.unsettled:
            self._look_again(node)

    def _look_again(self, node: Node) -> None:
        # what is at odds with this run's own doing was not so in the old lock
        self.placer.mended.discard(node)
        self.seen.pop(node, None)
        self.queue.push(node)

    def _count_turn(self, placement: Placement, placed: Node) -> None:
        """Notice two versions that replace each other for ever; npm itself does not, and never ends."""
        turn = (placed.location, placed.package)
        self.turns[turn] = self.turns.get(turn, 0) + 1
        if self.turns[turn] > _MAX_TURNS:
            failed = [node for node in self.sets.failures if node.location == placed.location]
            if failed:
                raise error_for(failed)
            rivals = [package for location, package in self.turns if location == placed.location]
            raise explain_endless(placement.edge, placed, rivals)

    # --- links

    def _follow_links(self) -> bool:
        """Queue the targets of links that have come into the project's tree; tell whether there were any."""
        links, self.links = self.links, {}
        found = False
        for link in links:
            target = link.target
            if link.tree is not self.tree or target is None or target in self.seen or not self._is_followed(target):
                continue
            self.tree.pass_rule_to_target(link)
            self.queue.push(target)
            found = True
        return found

    def _is_followed(self, target: Node) -> bool:
        """Whether it is up to the project what the target of a link finds: not what lies outside."""
        return target.up is not None and self.tree.is_inside_project(target)

    def _queue_late(self) -> bool:
        """Queue what npm would not look at; tell whether there was any."""
        late, self.late = self.late, []
        waiting = [node for node in late if node not in self.seen and node.tree is self.tree]
        self.placer.mended.update(node for node in waiting if not node.is_top)
        for node in waiting:
            self.queue.push(node)
        return bool(waiting)

    def _uncover(self) -> bool:
        """Queue those from whom the wrong package hid the right one; tell whether there were any."""
        concerned = uncover(self.tree)
        for node in concerned:
            self.changed = True
            self.seen.pop(node, None)
            self.queue.push(node)
        return bool(concerned)


def _is_held(edge: Edge) -> bool:
    """Whether a peer is of the wrong version because the project or a workspace asks for just that one."""
    if edge.error is not EdgeError.INVALID or edge.dependency.kind is not Kind.PEER or edge.origin.is_mine:
        return False
    assert edge.target is not None, "it finds something"
    return any(
        other.error is None and other.dependency.kind is not Kind.PEER_OPTIONAL and other.origin.is_mine
        for other in edge.target.edges_in
    )


def _by_name(edge: Edge) -> CollationKey:
    return english_key(edge.name)
