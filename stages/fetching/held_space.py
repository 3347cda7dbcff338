"""What fetch holds in the arena: tarballs until extract has unpacked them, documents until they have been read."""

from __future__ import annotations

from mmap import mmap

from stages.arena import ArenaAllocator
from stages.fetching.arena_sink import ArenaSink, HeldBudget
from stages.messages import Release, SharedBytes


class HeldSpace:
    """The arena's space, and one budget each for tarballs and for documents.

    Args:
        arena: the shared mapping; fetch alone writes there.
        tarball_bytes: the budget of tarballs.
        document_bytes: the budget of documents.
    """

    def __init__(self, arena: mmap, tarball_bytes: int, document_bytes: int) -> None:
        self._arena = arena
        self._allocator = ArenaAllocator(len(arena))
        self.tarball_budget = HeldBudget(tarball_bytes)
        self.document_budget = HeldBudget(document_bytes)
        #: what is complete and was not released: arena offset -> bytes counted in the budget
        self._unreleased: dict[int, int] = {}
        #: all and only offsets in there that tarballs have
        self._tarballs: set[int] = set()

    @property
    def complete_tarballs(self) -> int:
        """How many tarballs lie complete between fetch and extract."""
        return len(self._tarballs)

    def budget(self, *, is_document: bool) -> HeldBudget:
        """The budget that a body of this kind counts in."""
        return self.document_budget if is_document else self.tarball_budget

    def sink(self, maximum_bytes: int, *, is_document: bool) -> ArenaSink:
        """A way into the arena for one body, which is refused if it is longer."""
        return ArenaSink(self._arena, self._allocator, self.budget(is_document=is_document), maximum_bytes)

    def keep(self, sink: ArenaSink, *, is_document: bool) -> SharedBytes:
        """A body is complete: where it lies until its `Release`."""
        source = sink.finish()
        self._unreleased[source.offset] = sink.space
        if not is_document:
            self._tarballs.add(source.offset)
        return source

    def release(self, job: Release) -> None:
        """A body counts in its budget no longer and, unless somebody still reads it, its space is free."""
        # what is still read has left the budget before
        budget = self.budget(is_document=job.offset not in self._tarballs)
        budget.release(self._unreleased.pop(job.offset, 0))
        if not job.is_still_read:
            self._tarballs.discard(job.offset)
            self._allocator.free(job.offset, self._arena)
