"""The packages' half of the install state machine: each tarball on its way into the store.

::

    WAITING -> FETCHING -> FETCHED -> EXTRACTING -> STORED          or FAILED from any of the four
       ^-- damaged on its way, once ---'              |
       ^------------------ damaged entry, once -------'

A package that is to be patched, and that the store has as it was published, begins as FETCHED; if that turns out to be
damaged, it goes from EXTRACTING to WAITING, once.

Only the scheduler changes this state, and only through these methods.
"""

from __future__ import annotations

import enum
from collections import deque

import msgspec

from pmpipe.plan import (
    GitCommit,
    LocalFolder,
    LocalTarball,
    Origin,
    PackageNumber,
    Plan,
    RemoteTarball,
    StoredPackage,
)
from stages.messages import Failed, SharedBytes, Source, StoreEntry, TarballFile, UsersFolder


class PackageState(enum.Enum):
    """Where a tarball is on its way into the store."""

    WAITING = enum.auto()
    FETCHING = enum.auto()
    FETCHED = enum.auto()
    EXTRACTING = enum.auto()
    STORED = enum.auto()
    FAILED = enum.auto()


class Downloads(msgspec.Struct):
    """Single flight: a package is fetched once and extracted once, however many places want it."""

    plan: Plan
    states: list[PackageState] = msgspec.field(default_factory=list)
    #: absolute path of each stored package's entry; empty until it is known
    entries: list[str] = msgspec.field(default_factory=list)
    #: SRI of each package that was stored in this run, as verified or computed
    integrities: dict[PackageNumber, str] = msgspec.field(default_factory=dict)
    #: packages whose entry was damaged and is fetched again; a second time is a failure
    mended: set[PackageNumber] = msgspec.field(default_factory=set)
    #: packages whose tarball was damaged when it came, and was asked for again
    repeated: set[PackageNumber] = msgspec.field(default_factory=set)
    #: all and only packages in state WAITING
    _to_fetch: deque[PackageNumber] = msgspec.field(default_factory=deque)
    #: all and only packages in state FETCHED, with the place of their bytes
    _to_extract: deque[tuple[PackageNumber, Source]] = msgspec.field(default_factory=deque)
    #: origins of packages whose entries were damaged; they count more than the plan's
    _origins: dict[PackageNumber, Origin] = msgspec.field(default_factory=dict)
    #: why a package is FAILED; absent where nobody wanted it any more
    _reasons: dict[PackageNumber, Failed] = msgspec.field(default_factory=dict)
    #: scheme://host:port that refuses every connection -> the failure that told so
    _dead_hosts: dict[str, Failed] = msgspec.field(default_factory=dict)

    def __post_init__(self) -> None:
        self.extend(self.plan)

    def extend(self, plan: Plan) -> None:
        """Go on with a plan whose packages begin with those that are known."""
        self.plan = plan
        for number, package in enumerate(plan.packages[len(self.states) :], len(self.states)):
            self.states.append(PackageState.STORED if package.stored else PackageState.WAITING)
            self.entries.append(package.entry)
            if package.damaged:
                self.mended.add(PackageNumber(number))
            if not package.stored:
                self._queue(PackageNumber(number))

    def origin(self, number: PackageNumber) -> Origin:
        """Where a package that the store lacks comes from."""
        origin = self._origins.get(number) or self.plan.packages[number].origin
        if origin is None:
            origin = self._origins[number] = self.plan.origin_of(self.plan.packages[number].location)
        return origin

    def is_stored(self, number: PackageNumber) -> bool:
        """The store holds the package's complete entry."""
        return self.states[number] is PackageState.STORED

    def next_to_fetch(self) -> PackageNumber | None:
        """Take the next package to fetch, now FETCHING; None when none waits."""
        if not self._to_fetch:
            return None
        number = self._to_fetch.popleft()
        self.states[number] = PackageState.FETCHING
        return number

    def next_to_extract(self, large_bytes: int) -> tuple[PackageNumber, Source] | None:
        """Take the next package to extract, now EXTRACTING, with the place of its bytes.

        Args:
            large_bytes: tarballs of this size or more have to wait.

        Returns:
            None when none waits that may be taken.
        """
        for position, (number, source) in enumerate(self._to_extract):
            if not isinstance(source, SharedBytes) or source.length < large_bytes:
                del self._to_extract[position]
                self.states[number] = PackageState.EXTRACTING
                return number, source
        return None

    def fetched(self, number: PackageNumber, source: Source) -> None:
        """FETCHING -> FETCHED."""
        self.states[number] = PackageState.FETCHED
        self._to_extract.append((number, source))

    def stored(self, number: PackageNumber, entry: str, integrity: str) -> None:
        """EXTRACTING -> STORED."""
        self.states[number] = PackageState.STORED
        self.entries[number] = entry
        self.integrities[number] = integrity

    def lost(self, number: PackageNumber, failed: Failed) -> None:
        """Any state -> FAILED: the package cannot be had."""
        self.states[number] = PackageState.FAILED
        self._reasons[number] = failed

    def unwanted(self, number: PackageNumber) -> None:
        """FETCHING -> FAILED before a job was given out: every placement that asked for it has been left out."""
        self.states[number] = PackageState.FAILED

    def why_lost(self, number: PackageNumber) -> Failed | None:
        """The failure for which the package cannot be had, or None while it can."""
        return self._reasons.get(number)

    def damaged(self, number: PackageNumber) -> None:
        """STORED -> WAITING: the entry turned out to be incomplete and is to be had again."""
        self.mended.add(number)
        self.states[number] = PackageState.WAITING
        self._queue(number)

    def damaged_on_the_way(self, number: PackageNumber) -> None:
        """EXTRACTING -> WAITING: what the network has brought is not the tarball; the next may be."""
        self.repeated.add(number)
        self.states[number] = PackageState.WAITING
        self._queue(number)

    def unpatched_damaged(self, number: PackageNumber) -> None:
        """EXTRACTING -> WAITING: what the store has of a package that is to be patched is damaged itself."""
        self.mended.add(number)
        self._origins[number] = self.plan.origin_of(self.plan.packages[number].location)
        self.states[number] = PackageState.WAITING
        self._queue(number)

    def declare_dead(self, number: PackageNumber, failed: Failed) -> None:
        """The package's host refuses every connection; what else it was asked for fails the same way."""
        self._dead_hosts[self._host(number)] = failed

    def why_dead(self, number: PackageNumber) -> Failed | None:
        """The failure that showed that the package's host is down, or None while it is not known to be."""
        return self._dead_hosts.get(self._host(number))

    def _queue(self, number: PackageNumber) -> None:
        origin = self.origin(number)
        if isinstance(origin, LocalTarball):
            self.fetched(number, TarballFile(origin.path))
        elif isinstance(origin, LocalFolder):
            self.fetched(number, UsersFolder(origin.path))
        elif isinstance(origin, StoredPackage):
            self.fetched(number, StoreEntry(origin.entry))
        else:
            self._to_fetch.append(number)

    def _host(self, number: PackageNumber) -> str:
        origin = self.origin(number)
        if isinstance(origin, RemoteTarball):
            return "/".join(origin.url.split("/", 3)[:3])
        return origin.repositories[0] if isinstance(origin, GitCommit) else ""

    def validate(self, in_fetch: list[PackageNumber], in_extract: list[PackageNumber]) -> None:
        """Assert every collection's rule, given the packages whose jobs are in flight."""
        by_state: dict[PackageState, list[int]] = {state: [] for state in PackageState}
        for index, state in enumerate(self.states):
            by_state[state].append(index)
        assert sorted(self._to_fetch) == by_state[PackageState.WAITING], "all and only WAITING packages"
        assert sorted(n for n, _ in self._to_extract) == by_state[PackageState.FETCHED], "all and only FETCHED packages"
        assert sorted(in_fetch) == by_state[PackageState.FETCHING], "a package is fetched once at a time"
        assert sorted(in_extract) == by_state[PackageState.EXTRACTING], "a package is extracted once at a time"
        assert all(self.entries[index] for index in by_state[PackageState.STORED]), "a stored package has an entry"
