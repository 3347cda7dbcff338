"""Packuments in the arena: who reads each of them, and which stay there until all is resolved.

The space of one is released when the resolver has read it and the cache has written it, or had no room to. As long as
the arena has room for all of them they stay until the end, so that the resolver need not copy what it may have to read
again.
"""

from __future__ import annotations

import msgspec

from pmpipe.orders import ReleaseSpace
from stages.messages import SharedBytes


class DocumentSpace(msgspec.Struct):
    """All packuments that came from the network and lie in the arena."""

    #: arena offset of a document -> how many still read it: the resolver, the cache, and the resolver's later readings
    _readers: dict[int, int] = msgspec.field(default_factory=dict)
    #: arena offsets of documents that the resolver may read again until the end
    _staying: list[int] = msgspec.field(default_factory=list)
    _staying_bytes: int = 0

    def take(self, source: SharedBytes, most_staying_bytes: int) -> bool:
        """A document is there for the resolver to read.

        Args:
            source: where.
            most_staying_bytes: of documents that may stay although nobody reads them at present.

        Returns:
            whether it stays until `let_go`, so that it can be read again.
        """
        self._readers[source.offset] = 1
        if self._staying_bytes + source.length > most_staying_bytes:
            return False
        self._readers[source.offset] += 1
        self._staying.append(source.offset)
        self._staying_bytes += source.length
        return True

    def share(self, source: SharedBytes) -> None:
        """The cache reads a document, too."""
        self._readers[source.offset] += 1

    def read(self, source: SharedBytes, *, by_resolver: bool) -> list[ReleaseSpace]:
        """One of its readers is done with a document.

        When the resolver is, nobody waits for the others.
        """
        if freed := self._read_once(source.offset):
            return freed
        return [ReleaseSpace(source.offset, is_still_read=True)] if by_resolver else []

    def let_go(self) -> list[ReleaseSpace]:
        """The resolver reads nothing again any more."""
        orders = [order for offset in self._staying for order in self._read_once(offset)]
        self._staying.clear()
        return orders

    def _read_once(self, offset: int) -> list[ReleaseSpace]:
        self._readers[offset] -= 1
        if self._readers[offset]:
            return []
        del self._readers[offset]
        return [ReleaseSpace(offset)]

    def validate(self, most_staying_bytes: int) -> None:
        """Assert what must always hold."""
        assert self._staying_bytes <= most_staying_bytes
        assert all(readers > 0 for readers in self._readers.values())
        assert self._readers.keys() >= set(self._staying)

    def validate_end(self, *, may_stay: bool) -> None:
        """Assert that nothing is left but, if the run was given up, what stays."""
        left = set(self._staying) if may_stay else set()
        assert self._readers.keys() <= left, "space in the arena was not released"
