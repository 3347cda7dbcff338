"""The resolver as a state machine: asks come out, answers go in, in any order, and at the end there is a tree."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any, TypeAlias

import msgspec

from pmpipe.npm.locks.patch_record import PatchRecord
from pmpipe.npm.manifests.patch_selection import Patchable
from pmpipe.npm.packages.packument import Packument
from pmpipe.npm.semver.version import loose_version
from pmpipe.resolver.asks import Ask, Fed, FedManifest
from pmpipe.resolver.builder import Builder
from pmpipe.resolver.bundles import Bundles
from pmpipe.resolver.fitness import check_fitness, wrong_platform
from pmpipe.resolver.inflating import inflate
from pmpipe.resolver.lock_entries import asks_registry, lock_document
from pmpipe.resolver.node import Edge, Node
from pmpipe.resolver.options import ResolveOptions
from pmpipe.resolver.overrides import OverrideRule
from pmpipe.resolver.package import Kind, Package
from pmpipe.resolver.peer_conflict import explain_circle
from pmpipe.resolver.peer_sets import PeerSets, Waiting
from pmpipe.resolver.planting import plant_project, pool_for, workspace_answers
from pmpipe.resolver.prefetch import Prefetcher, Resolved
from pmpipe.resolver.project import Project
from pmpipe.resolver.refusal import may_be_announced
from pmpipe.resolver.request import Request
from pmpipe.resolver.source import GivenUpPin, Source, package_from_json
from pmpipe.resolver.tree import Tree
from pmpipe.resolver.unsatisfied import unsatisfied
from pmpipe.resolver.yarn_lock import yarn_lock_text

if TYPE_CHECKING:
    from pmpipe.resolver.repairs import Repairs

Event: TypeAlias = Ask | Resolved

#: calls within calls: enough for the longest chain of peers, and far from the end of the stack
_MAX_CALLS = 5000


class IdealTree(msgspec.Struct, frozen=True):
    """What `node_modules` is to be.

    Attributes:
        tree: the nodes.
        unsatisfied: edges that are not right, as conflicts of peers were let pass; they deserve a warning.
        unfit: required packages whose ``engines`` do not fit, which deserve one too.
        bare: packages of an old lock that could not be completed; the new lock may lack their executables and peers.
        failed: optional nodes whose package could not be had.
        patches: of the packages that are patched, by location.
        given_up_pins: packages whose version a foreign lock has otherwise.
    """

    tree: Tree
    unsatisfied: tuple[Edge, ...]
    unfit: tuple[Node, ...]
    bare: tuple[Node, ...] = ()
    failed: tuple[Node, ...] = ()
    patches: Mapping[str, PatchRecord] = msgspec.field(default_factory=dict)
    given_up_pins: tuple[GivenUpPin, ...] = ()

    def unavailable(self) -> Iterator[str]:
        """The locations of optional packages that cannot be installed, as something that they need is not there."""
        for node in self.failed:
            if node.version:
                yield node.location
                continue
            for edge in node.edges_in:
                if not edge.origin.is_mine and edge.dependency.kind not in (Kind.OPTIONAL, Kind.PEER_OPTIONAL):
                    yield edge.origin.location

    def lock_document(
        self,
        *,
        lockfile_version: int = 3,
        omit_registry_resolved: bool = False,
        old_lock: bytes = b"",
    ) -> dict[str, Any]:
        """The content of its package-lock.json; see `pmpipe.npm.locks.lock_writer` for the text."""
        return lock_document(
            self.tree,
            lockfile_version=lockfile_version,
            omit_registry_resolved=omit_registry_resolved,
            patches=self.patches,
            old_lock=old_lock,
        )

    def yarn_lock_text(self) -> str:
        """The yarn.lock of yarn 1 that says the same as far as it can; empty if there would be no entry in it."""
        return yarn_lock_text(self.tree)

    def patchable(self) -> Iterator[Patchable]:
        """What patches may be for: all that lies in a node_modules folder, but for workspaces."""
        for location, node in self.tree.nodes.items():
            is_workspace = node.target is not None and node.target.is_workspace
            if node.parent is not None and not is_workspace:
                yield Patchable(location, node.name, node.version, partial(_all_ask_registry, node))

    def nodes(self) -> Mapping[str, Node]:
        """All nodes by location."""
        return self.tree.nodes


def _all_ask_registry(node: Node) -> bool:
    return all(map(asks_registry, node.edges_in))


class Resolver:
    """One resolution, from `start` to `finish`.

    Raises:
        ManifestError: a spec asks for something that the project does not have, or an override contradicts the
            project's own dependency.
    """

    def __init__(self, project: Project, options: ResolveOptions | None = None) -> None:
        # peers are followed as deep as they go, several calls for each
        sys.setrecursionlimit(max(sys.getrecursionlimit(), _MAX_CALLS))
        self.options = options or ResolveOptions()
        pool = pool_for(self.options)
        policy = self.options.sources
        self._source = Source(
            pool,
            self.options.pick,
            self.options.release_age_exclude,
            project.pins,
            policy,
            _repairs(project),
        )
        project = project.spelled_out()
        for ask, manifest in workspace_answers(project):
            # what they will say counts, and not what the disk says so far
            self._source.answers[ask] = FedManifest(manifest)
        planted = plant_project(project, pool, self.options)
        self._planted = planted
        self._tree = planted.tree
        empty = package_from_json({}, pool)
        self._sets = PeerSets(self._tree, self._source, self.options, empty)
        workspaces = {
            edge.name for edge in self._tree.root.edges_out.values() if edge.dependency.kind is Kind.WORKSPACE
        }
        self._prefetcher = Prefetcher(
            self._source,
            workspaces | _overridden_names(self._tree.root.rule),
            self._fits if policy is None else lambda package: self._fits(package) and may_be_announced(policy, package),
            self._may_find,
            compares=not self.options.looks_up_fewer_peers,
        )
        self._builder = Builder(self._tree, self._sets, Bundles(self._source), self.options, self._prefetcher)
        self._run: Waiting[None] = self._plant_and_build()
        self._waiting: Ask | None = None
        self._bare: tuple[Node, ...] = ()
        self._done = False

    @property
    def done(self) -> bool:
        """Whether the tree is complete and `finish` may be called; whatever is still asked for is not needed."""
        return self._done

    def start(self) -> list[Event]:
        """Begin; the first things to be fetched."""
        if not self._planted.project.locked:
            self._prefetcher.walk(self._tree.root.package, with_dev=True)
            for manifest in self._planted.project.workspaces.values():
                self._prefetcher.walk(package_from_json(manifest, self._source.pool), with_dev=True)
        self._advance()
        return self._events()

    def feed(self, ask: Ask, fed: Fed) -> list[Event]:
        """Give the answer to something that was asked for.

        Args:
            ask: as it came out of `start` or `feed`.
            fed: what was wanted, or the error that took its place. It matters only if the package turns out to be
                required.

        Returns:
            what else to fetch, and what can be downloaded ahead.

        Raises:
            PmpipeError: the dependencies cannot be had together, or something required is not to be had.
        """
        if ask in self._source.answers:
            return []
        self._source.answers[ask] = fed
        if isinstance(fed, (Packument, FedManifest)):
            self._prefetcher.arrived(ask)
        if ask == self._waiting:
            self._advance()
        return self._events()

    def finish(self) -> IdealTree:
        """The finished tree.

        Raises:
            PmpipeError: a required package could not be had, or does not support this host.
        """
        assert self._done
        self._builder.finish(
            may_hold_useless=self._planted.may_hold_useless, keeps_useless=not self._source.has_lock_of_all
        )
        unfit = check_fitness(self._tree.nodes.values(), self.options)
        failed = tuple(node for node in self._sets.failures if node.tree is self._tree)
        return IdealTree(
            self._tree,
            unsatisfied(self._tree, self._builder.placer.overruled),
            tuple(unfit),
            self._bare,
            failed,
            given_up_pins=tuple(self._given_up_pins()),
        )

    def _given_up_pins(self) -> Iterator[GivenUpPin]:
        given_up = self._source.given_up_pins.values()
        if given_up:
            placed = {id(node.package) for node in self._tree.nodes.values()}
            yield from (pin for pin in given_up if id(pin.instead) in placed)

    def _fits(self, package: Package) -> bool:
        return not wrong_platform(package, self.options.platform)

    def _may_find(self, name: str, request: Request) -> bool:
        """Whether something by this name satisfies, wherever it is in a tree that began with an old lock."""
        wanted = request.range
        if wanted is None or not self._planted.project.locked:
            return False
        versions = (loose_version(node.version) for node in self._tree.by_name.get(name, ()))
        return any(version is not None and wanted.test(version) for version in versions)

    def _plant_and_build(self) -> Waiting[None]:
        yield from self._planted.plant_lock(self._source)
        self._builder.queue_problems()
        self._bring_repairs_up_to_date()
        if self._planted.project.is_old and self._planted.project.locked:
            self._bare = yield from inflate(self._tree, self._source, self._prefetcher.ask)
        yield from self._builder.build(self._planted.project.explicit)

    def _bring_repairs_up_to_date(self) -> None:
        repairs, project = self._source.repairs, self._planted.project
        # the project's own entry is what a lockfile has and what is installed has not
        has_lock = project.locked is not None and "" in project.locked
        if repairs is None and (self._tree.extension_hashes or (not has_lock and _has_repaired(self._tree))):
            repairs = _repairs_of(project)
        if repairs is not None:
            for node in repairs.bring_up_to_date(self._tree, has_lock=has_lock):
                self._builder.queue.push(node)

    def _advance(self) -> None:
        """Build until something is missing that has not been fed."""
        try:
            while True:
                ask = next(self._run)
                if ask not in self._source.answers:
                    self._waiting = ask
                    return
        except StopIteration:
            self._done = True
            self._waiting = None
        except RecursionError:
            # npm's stack overflows at some point, too
            raise explain_circle() from None

    def _events(self) -> list[Event]:
        events: list[Event] = []
        if self._waiting is not None and self._waiting not in self._source.asked:
            self._source.asked[self._waiting] = None
            events.append(self._waiting)
        events.extend(self._prefetcher.take_asks())
        events.extend(self._prefetcher.take_resolved())
        return events


def _repairs(project: Project) -> Repairs | None:
    if project.extensions is None and (project.code is None or project.code.hash is None):
        return None
    return _repairs_of(project)


def _repairs_of(project: Project) -> Repairs:
    # loaded only here: hardly any project has them
    from pmpipe.resolver.repairs import Repairs

    return Repairs(project.extensions, project.code)


def _has_repaired(tree: Tree) -> bool:
    return any(node.package.provenance for node in tree.nodes.values())


def _overridden_names(rule: OverrideRule | None) -> set[str]:
    names: set[str] = set()
    if rule is None:
        return names
    pending = [rule]
    for one in pending:
        names.add(one.name)
        pending.extend(one.children.values())
    return names
