"""Asking ahead: a walk over what will probably be needed, so that many requests are out at once.

The tree must be built in npm's order, one edge after the other; packuments may come in any order. So each one that
arrives is looked through at once for the versions that some dependency wants of it, and what these depend on is asked
for in turn. That is a guess: it knows nothing of places, and where a version that was picked before satisfies, it takes
that. What it asks for too much costs a request. Where the builder goes another way it says so: what it places is walked
through, too, and of a node that lacks something everything is asked for at once. It decides nothing.

Optional peers are asked for as well, after all else: nobody installs them, but the builder compares them with the other
peers, one after the other (see `pmpipe.resolver.peer_sets`). Of theirs only the peers matter.
"""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Set as AbstractSet

import msgspec

from pmpipe.errors import InvalidSpecError
from pmpipe.npm.packages.packument import Packument
from pmpipe.npm.semver.version import loose_version
from pmpipe.resolver.asks import Ask, FedManifest
from pmpipe.resolver.package import Dependency, Kind, Package
from pmpipe.resolver.request import Request, request_of
from pmpipe.resolver.source import Source


class Resolved(msgspec.Struct, frozen=True):
    """A package that will probably be in the tree: its tarball may be downloaded already.

    Attributes:
        name, version: of the package.
        tarball: URL. integrity: SRI, or empty.
    """

    name: str
    version: str
    tarball: str
    integrity: str


class Prefetcher:
    """Walks ahead of the builder.

    Attributes:
        wants: per ask the requests that have been seen, until the answer arrives.
        picked: per package the versions that the walk has been through.
        fits: whether a package can be used on this host; only then is its tarball worth a download ahead.
        excluded: names of workspaces, and of what overrides are about: their dependents may not get what they ask for.
        has: whether something that was kept of an old lock may do for a dependency of this name: then its packument may
            never be needed.
        compares: optional peers that are not there are looked up, to be compared with the others.
    """

    def __init__(
        self,
        source: Source,
        excluded: AbstractSet[str],
        fits: Callable[[Package], bool],
        has: Callable[[str, Request], bool],
        *,
        compares: bool,
    ) -> None:
        self.source = source
        self.excluded = excluded
        self.fits = fits
        self.has = has
        self.compares = compares
        self.wants: dict[Ask, list[Request]] = {}
        self.picked: dict[str, dict[str, None]] = {}
        self._walked: dict[Package, None] = {}
        self._seen: set[Dependency] = set()
        self._new_asks: list[Ask] = []
        #: the same for what is only compared
        self._to_compare: dict[Ask, list[Request]] = {}
        self._compared: set[Dependency] = set()
        self._asks_to_compare: list[Ask] = []
        self._resolved: list[Resolved] = []

    def walk(self, package: Package, *, with_dev: bool = False) -> None:
        """Ask for what a package needs."""
        if package in self._walked:
            return
        self._walked[package] = None
        pending = [package]
        while pending:
            needing = pending.pop()
            for dependency in needing.edges(with_dev=with_dev):
                if dependency.name in needing.bundled:
                    continue
                if dependency.kind is Kind.PEER_OPTIONAL:
                    # the project's own and its workspaces' are no peers of anything
                    if self.compares and not with_dev:
                        self._compare([dependency])
                    continue
                found = self._want(dependency)
                if found is not None and found not in self._walked:
                    self._walked[found] = None
                    pending.append(found)
            with_dev = False

    def need(self, dependency: Dependency) -> None:
        """Ask for what a dependency certainly needs, and for what follows from it."""
        request = self._request(dependency)
        if request is None:
            return
        ask = self.source.ask_for(request)
        if ask not in self.source.answers:
            self._seen.add(dependency)
            self.wants.setdefault(ask, []).append(request)
            self.ask(ask)

    def ask(self, ask: Ask) -> None:
        """Ask for something that will certainly be needed."""
        if ask not in self.source.asked:
            self.source.asked[ask] = None
            self._new_asks.append(ask)

    def arrived(self, ask: Ask) -> None:
        """Look through a packument or manifest that has been fed for what is wanted of it."""
        for request in self.wants.pop(ask, ()):
            package = self._pick(request)
            if package is not None:
                self.walk(package)
        for request in self._to_compare.pop(ask, ()):
            self._compare(self._peers_of(request))

    def take_asks(self) -> list[Ask]:
        """What has to be asked for since the last call."""
        asks = self._new_asks + self._asks_to_compare
        self._new_asks, self._asks_to_compare = [], []
        return asks

    def take_resolved(self) -> list[Resolved]:
        """What has been picked since the last call."""
        resolved, self._resolved = self._resolved, []
        return resolved

    def _want(self, dependency: Dependency) -> Package | None:
        if dependency in self._seen:
            return None
        self._seen.add(dependency)
        request = self._request(dependency)
        if request is None or self.has(dependency.name, request):
            return None
        ask = self.source.ask_for(request)
        fed = self.source.answers.get(ask)
        if isinstance(fed, (Packument, FedManifest)):
            return self._pick(request)
        if fed is None:
            self.wants.setdefault(ask, []).append(request)
            self.ask(ask)
        return None

    def _compare(self, peers: list[Dependency]) -> None:
        """Ask for peers that nobody installs, and for theirs."""
        pending = list(peers)
        while pending:
            dependency = pending.pop()
            if dependency in self._compared:
                continue
            self._compared.add(dependency)
            request = self._request(dependency)
            if request is None:
                continue
            ask = self.source.ask_for(request)
            fed = self.source.answers.get(ask)
            if isinstance(fed, (Packument, FedManifest)):
                pending += self._peers_of(request)
            elif fed is None:
                self._to_compare.setdefault(ask, []).append(request)
                if ask not in self.source.asked:
                    self.source.asked[ask] = None
                    self._asks_to_compare.append(ask)

    def _peers_of(self, request: Request) -> list[Dependency]:
        package = self.source.package(request)
        if not isinstance(package, Package):
            return []
        return [one for one in package.edges(with_dev=False) if one.peer and one.name not in package.bundled]

    def _request(self, dependency: Dependency) -> Request | None:
        """What a dependency asks of the registry; None if it asks somewhere else, or may not get what it asks for."""
        if dependency.kind is Kind.WORKSPACE or dependency.name in self.excluded:
            return None
        try:
            request = request_of(dependency)
        except InvalidSpecError:
            return None
        if request is None or not request.is_registry:
            return None
        policy = self.source.policy
        if policy is not None and policy.refuses(self.source.pinned(request).kind.value, for_project=False):
            return None
        return request

    def _pick(self, request: Request) -> Package | None:
        picked = self.picked.setdefault(request.name, {})
        if request.range is not None and self.source.pins is None:
            for text in picked:
                version = loose_version(text)
                if version is not None and request.range.test(version):
                    return None
        package = self.source.package(request)
        if not isinstance(package, Package) or package.version in picked:
            return None
        picked[package.version] = None
        if self.fits(package):
            self._resolved.append(Resolved(package.name, package.version, package.resolved, package.integrity))
        return package
