"""Asking ahead: a walk over what will probably be needed, so that many requests are out at once.

The tree must be built in npm's order, one edge after the other; packuments may come in any order. So each one that
arrives is looked through at once for the versions that some dependency wants of it, and what these depend on is asked
for in turn. That is a guess: it knows nothing of places, and where a version that was picked before satisfies, it takes
that. What it asks for too much costs a request; what it misses the builder asks for itself. It decides nothing.
"""

from __future__ import annotations

import msgspec

from pmpipe.errors import InvalidSpecError
from pmpipe.npm.packument import Packument
from pmpipe.npm.semver import parse_version
from pmpipe.resolver.package import Dependency, Kind, Package
from pmpipe.resolver.request import Request, is_about_a_place, read_request
from pmpipe.resolver.source import AskPackument, Source


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
        wants: per package the requests that have been seen, until its packument arrives.
        picked: per package the versions that the walk has been through.
        overridden: names that overrides are about; what their dependents ask for may not be what they get.
    """

    def __init__(self, source: Source, overridden: frozenset[str] = frozenset()) -> None:
        self.source = source
        self.overridden = overridden
        self.wants: dict[str, dict[Request, None]] = {}
        self.picked: dict[str, dict[str, None]] = {}
        self._walked: dict[Package, None] = {}
        self._new_asks: list[AskPackument] = []
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
                found = self._want(dependency)
                if found is not None and found not in self._walked:
                    self._walked[found] = None
                    pending.append(found)
            with_dev = False

    def arrived(self, ask: AskPackument, packument: Packument) -> None:
        """Look through a packument for what is wanted of it."""
        for request in self.wants.pop(ask.name, {}):
            package = self._pick(request, packument)
            if package is not None:
                self.walk(package)

    def take_asks(self) -> list[AskPackument]:
        """What has to be asked for since the last call."""
        asks, self._new_asks = self._new_asks, []
        return asks

    def take_resolved(self) -> list[Resolved]:
        """What has been picked since the last call."""
        resolved, self._resolved = self._resolved, []
        return resolved

    def _want(self, dependency: Dependency) -> Package | None:
        if dependency.kind is Kind.WORKSPACE or dependency.name in self.overridden:
            return None
        if dependency.kind is Kind.PEER_OPTIONAL or is_about_a_place(dependency.spec) and "npm:" not in dependency.spec:
            return None
        try:
            request = read_request(dependency.name, dependency.spec)
        except InvalidSpecError:
            return None
        if not request.is_registry:
            return None
        ask = self.source.packument_ask(request.name)
        fed = self.source.answers.get(ask)
        if isinstance(fed, Packument):
            return self._pick(request, fed)
        if fed is None:
            self.wants.setdefault(request.name, {})[request] = None
            if ask not in self.source.asked:
                self.source.asked[ask] = None
                self._new_asks.append(ask)
        return None

    def _pick(self, request: Request, packument: Packument) -> Package | None:
        picked = self.picked.setdefault(request.name, {})
        if request.range is not None:
            for text in picked:
                version = parse_version(text)
                if version is not None and request.range.test(version):
                    return None
        package = self.source.package(request)
        if not isinstance(package, Package) or package.version in picked:
            return None
        picked[package.version] = None
        self._resolved.append(Resolved(package.name, package.version, package.resolved, package.integrity))
        return package
