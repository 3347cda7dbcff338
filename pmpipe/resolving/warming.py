"""Tarballs during a resolution: those that the resolver must look into, and those that it announces.

Each is fetched once and extracted once (single flight), however often it is announced or wanted. An announcement is a
guess and only warms the store: what is placed comes from the finished tree alone, so a failure of one means nothing.
"""

from __future__ import annotations

import enum
from collections import deque
from collections.abc import Callable
from collections.abc import Set as AbstractSet

import msgspec

from pmpipe.errors import IntegrityError
from pmpipe.npm.config.auth import ClientCertificate
from pmpipe.npm.packages.integrity import strongest
from pmpipe.npm.specs.spec import names_tarball
from pmpipe.tree.sources import git_key
from stages.entries.entry import digest_entry_path, git_entry_path
from stages.messages import COMMIT, Announced, Source, TarballFile, UsersFolder, WantCommit, WantTarball


class TarballState(enum.Enum):
    """Where a tarball is on its way into the store."""

    WAITING = enum.auto()
    FETCHING = enum.auto()
    FETCHED = enum.auto()
    EXTRACTING = enum.auto()
    STORED = enum.auto()
    LOST = enum.auto()


class Tarball(msgspec.Struct, eq=False):
    """One tarball, or a git commit, of which npm makes one.

    Attributes:
        label: for messages.
        url, authorization, certificate: where it is fetched; empty for a file on disk and for a commit.
        integrity: SRI, or empty.
        repositories, commit: URLs to try in order, and the full id; empty for a tarball.
        subfolder: path of the package within the repository, or empty.
        key: names a commit's store entry, for it has no digest; else empty.
        state: see there.
        wants: numbers of the wants that wait for it.
        source: where its bytes are, once it is fetched.
        entry: path of its store entry, once it is known to be there.
        replace: what the store has of it is damaged.
        repeated: it was damaged when it came over the network, and was asked for again.
    """

    label: str
    url: str
    authorization: str
    integrity: str
    repositories: tuple[str, ...] = ()
    commit: str = ""
    subfolder: str = ""
    key: str = ""
    state: TarballState = TarballState.WAITING
    wants: list[int] = msgspec.field(default_factory=list)
    source: Source | None = None
    entry: str = ""
    certificate: ClientCertificate | None = None
    replace: bool = False
    repeated: bool = False


class Warming(msgspec.Struct):
    """All tarballs of one resolution.

    Args:
        store: absolute path of the store's version folder.
        has: whether a store entry is there.
    """

    store: str
    has: Callable[[str], bool]
    #: by integrity, URL or path: every tarball that was ever wanted or announced
    _tarballs: dict[str, Tarball] = msgspec.field(default_factory=dict)
    #: tarballs to be fetched; those that the resolver waits for first
    _wanted: deque[Tarball] = msgspec.field(default_factory=deque)
    _announced: deque[Tarball] = msgspec.field(default_factory=deque)
    #: tarballs to be extracted
    _fetched: deque[Tarball] = msgspec.field(default_factory=deque)
    #: SRI of tarballs that were lost because they came damaged: whoever wants one after all asks once more, not twice
    came_damaged: set[str] = msgspec.field(default_factory=set)

    def announce(self, one: Announced) -> None:
        """Download this one ahead, unless it is there or on its way."""
        if one.integrity not in self._tarballs:
            tarball = Tarball(one.label, one.url, one.authorization, one.integrity, certificate=one.certificate)
            self._tarballs[one.integrity] = tarball
            if not self._is_stored(tarball):
                self._announced.append(tarball)

    def want(self, want: WantTarball) -> Tarball:
        """A tarball that the resolver waits for; if it is `STORED` or `LOST` already, the caller has to answer."""
        name = want.integrity or want.url or want.path
        tarball = self._known(name, replace=want.replace)
        if tarball is not None:
            tarball.wants.append(want.want)
            if tarball.state is TarballState.WAITING:
                self._wanted.append(tarball)
            return tarball
        tarball = Tarball(
            want.label,
            want.url,
            want.authorization,
            want.integrity,
            wants=[want.want],
            certificate=want.certificate,
            replace=want.replace,
            repeated=want.integrity in self.came_damaged,
        )
        self._tarballs[name] = tarball
        if self._is_stored(tarball):
            return tarball
        if want.path:
            self.fetched(tarball, TarballFile(want.path) if names_tarball(want.path) else UsersFolder(want.path))
        else:
            self._wanted.append(tarball)
        return tarball

    def want_commit(self, want: WantCommit, commit: str) -> Tarball:
        """A git commit that the resolver waits for; if it is `STORED` already, the caller has to answer."""
        key = git_key(want.resolved.replace(COMMIT, commit))
        tarball = self._known(key, replace=want.replace)
        if tarball is not None:
            tarball.wants.append(want.want)
            return tarball
        tarball = Tarball(
            want.label,
            "",
            "",
            "",
            want.repositories,
            commit,
            want.subfolder,
            key,
            wants=[want.want],
            replace=want.replace,
        )
        self._tarballs[key] = tarball
        if not self._is_stored(tarball):
            self._wanted.append(tarball)
        return tarball

    def _known(self, name: str, *, replace: bool) -> Tarball | None:
        """The tarball of a name that can be waited for; what is to replace what the store has is another one."""
        tarball = self._tarballs.get(name)
        if tarball is None or tarball.state is TarballState.LOST or (replace and not tarball.replace):
            return None
        return tarball

    def _is_stored(self, tarball: Tarball) -> bool:
        if tarball.replace:
            return False
        tarball.entry = self._find_entry(tarball)
        if tarball.entry:
            tarball.state = TarballState.STORED
        return bool(tarball.entry)

    def _find_entry(self, tarball: Tarball) -> str:
        """The path of its store entry, if it is there; else empty."""
        if tarball.key:
            entry = git_entry_path(self.store, tarball.key)
            return entry if self.has(entry) else ""
        if not tarball.integrity:
            return ""
        try:
            candidates = [digest_entry_path(self.store, digest) for digest in strongest(tarball.integrity)]
        except IntegrityError:
            return ""  # no digest names an entry: extract says so when it is fetched
        return next((entry for entry in candidates if self.has(entry)), "")

    @property
    def has_to_fetch(self) -> bool:
        """Whether `next_to_fetch` may give something."""
        return bool(self._wanted or self._announced)

    @property
    def has_to_extract(self) -> bool:
        """Whether `next_to_extract` may give something."""
        return bool(self._fetched)

    def next_to_fetch(self) -> Tarball | None:
        """Take the next tarball to fetch, one that is waited for before those that were announced; None: none."""
        for queue in (self._wanted, self._announced):
            while queue:
                tarball = queue.popleft()
                # one that was announced and then wanted stands in both
                if tarball.state is TarballState.WAITING:
                    tarball.state = TarballState.FETCHING
                    return tarball
        return None

    def fetched(self, tarball: Tarball, source: Source) -> None:
        """Its bytes are there."""
        tarball.state, tarball.source = TarballState.FETCHED, source
        # the resolver stands still without the ones that it wants
        if tarball.wants:
            self._fetched.appendleft(tarball)
        else:
            self._fetched.append(tarball)

    def next_to_extract(self, largest: int) -> Tarball | None:
        """Take the next tarball to extract that is smaller than `largest` bytes; None if there is none."""
        for tarball in self._fetched:
            if getattr(tarball.source, "length", 0) < largest:
                self._fetched.remove(tarball)
                tarball.state = TarballState.EXTRACTING
                return tarball
        return None

    def damaged_on_the_way(self, tarball: Tarball) -> None:
        """What the network has brought is not the tarball; the next may be."""
        tarball.state, tarball.source, tarball.repeated = TarballState.WAITING, None, True
        self._wanted.append(tarball)

    def stored(self, tarball: Tarball, entry: str, integrity: str) -> None:
        """It is in the store now.

        Args:
            tarball: one that was extracted.
            entry: absolute path of its store entry.
            integrity: SRI that it has, or had to have.
        """
        tarball.state, tarball.source = TarballState.STORED, None
        tarball.entry, tarball.integrity = entry, integrity

    def drop(self, unneeded: AbstractSet[str]) -> list[Source]:
        """Nothing more is fetched, and of what was fetched these are not extracted; where their bytes are.

        Args:
            unneeded: SRI of tarballs.
        """
        self._wanted.clear()
        self._announced.clear()
        dropped = [tarball for tarball in self._fetched if tarball.integrity in unneeded]
        sources = [tarball.source for tarball in dropped if tarball.source is not None]
        for tarball in dropped:
            self._fetched.remove(tarball)
            self.lost(tarball)
        return sources

    def take_wants(self, tarball: Tarball) -> list[int]:
        """The wants that have waited for it; each is to be answered now."""
        wants, tarball.wants = tarball.wants, []
        return wants

    def lost(self, tarball: Tarball) -> list[int]:
        """It cannot be had; the wants that waited for it."""
        tarball.state, tarball.source = TarballState.LOST, None
        return self.take_wants(tarball)
