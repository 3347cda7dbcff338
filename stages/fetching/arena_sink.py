"""Bodies into the shared arena, within a budget of bytes.

The budget counts every byte from the first of a body to its `Release`. A body whose length was announced gets its
space at its first byte; one of unknown length is collected and gets it at its end. A body that finds no room waits.
That cannot deadlock:

- one of known length, once it has its space, needs no more, so it ends, and its space is released in time;
- one of known length that is larger than the whole budget goes ahead when nothing else is held;
- of those of unknown length the one that has had bytes for longest goes ahead when nothing is held but parts of such
  bodies, which would otherwise wait for each other for ever.
"""

from __future__ import annotations

from mmap import mmap

from stages.arena import ArenaAllocator, unmap_here, write_into
from stages.fetching.sink import BodyTooLongError
from stages.messages import SharedBytes


class HeldBudget:
    """How many bytes lie between the network and extract.

    Args:
        limit: bytes; exceeded only by a body that is larger alone.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self.held = 0
        #: all and only sinks that hold bytes of a body of unknown length, the oldest first, with how many
        self._growing: dict[ArenaSink, int] = {}
        self._growing_bytes = 0

    @property
    def exhausted(self) -> bool:
        """Whether no further download should start."""
        return self.held >= self._limit

    def admits(self, length: int) -> bool:
        """Whether a body of this length may be held, now."""
        return self.held + length <= self._limit or self.held == 0

    def hold(self, length: int) -> None:
        """Count these bytes."""
        self.held += length

    def release(self, length: int) -> None:
        """Count these bytes no longer."""
        self.held -= length

    def may_grow(self, sink: ArenaSink, length: int) -> bool:
        """Whether a sink that collects may take so many bytes more."""
        if self.admits(length):
            return True
        return self.held == self._growing_bytes and next(iter(self._growing)) is sink

    def grow(self, sink: ArenaSink, length: int) -> None:
        """Count bytes that a collecting sink took."""
        self._growing[sink] = self._growing.get(sink, 0) + length
        self._growing_bytes += length
        self.held += length

    def stop_growing(self, sink: ArenaSink) -> None:
        """The sink's body is complete or forgotten; its bytes count no longer."""
        length = self._growing.pop(sink, 0)
        self._growing_bytes -= length
        self.held -= length


class ArenaSink:
    """One body's way into the arena; see `stages.fetching.sink.Sink`.

    Args:
        arena: the shared mapping.
        allocator: its space.
        budget: shared by all sinks.
        maximum_bytes: a longer body is refused.
    """

    __slots__ = (
        "_allocator",
        "_arena",
        "_budget",
        "_end",
        "_length",
        "_maximum_bytes",
        "_offset",
        "_parts",
        "_position",
        "_size",
    )

    def __init__(self, arena: mmap, allocator: ArenaAllocator, budget: HeldBudget, maximum_bytes: int) -> None:
        self._arena = arena
        self._allocator = allocator
        self._budget = budget
        # the other half is for what lies beside it
        self._maximum_bytes = min(maximum_bytes, len(arena) // 2)
        self._reset()

    def _reset(self) -> None:
        #: announced length, None where it is not known
        self._length: int | None = None
        #: where the space begins and ends in the arena, and where the next byte goes; offset -1: no space yet
        self._offset = self._position = self._end = -1
        #: a body of unknown length so far, and its size; None where the length is known
        self._parts: list[bytes] | None = None
        self._size = 0

    def begin(self, length: int | None) -> None:
        """See `Sink.begin`."""
        if length is None:
            self._parts = []
        elif length > self._maximum_bytes:
            raise BodyTooLongError(length)
        self._length = length

    def write(self, data: bytes | memoryview) -> bool:
        """See `Sink.write`."""
        position = self._position
        if position < 0:
            if self._parts is not None:
                return self._collect(self._parts, data)
            if not self._take_space():
                return False
            position = self._position
        end = position + len(data)
        if end > self._end:
            # never past the space, whatever the server sends: other tarballs lie there
            raise BodyTooLongError(end - self._offset)
        write_into(self._arena, position, data)
        self._position = end
        return True

    @property
    def can_go_on(self) -> bool:
        """Whether there is room now for a body that had to wait."""
        if self._parts is not None:
            return self._budget.may_grow(self, 1)
        return self._length is not None and self._budget.admits(self._length)

    def rewind(self) -> None:
        """See `Sink.rewind`."""
        if self._parts is not None:
            self._budget.stop_growing(self)
        elif self._offset >= 0:
            self._budget.release(self._end - self._offset)
            self._allocator.free(self._offset, self._arena)
        self._reset()

    @property
    def space(self) -> int:
        """The bytes that the body holds in the arena, and that count in the budget."""
        return self._end - self._offset

    def finish(self) -> SharedBytes:
        """The complete body; its space is to be freed, and the budget released, at its `Release`."""
        if self._parts is not None:
            self._settle(self._parts)
        elif self._offset < 0:
            self._length = 0
            self._take_space_of(0)
        unmap_here(self._arena, self._offset, self._position - self._offset)
        return SharedBytes(self._offset, self._position - self._offset)

    def _take_space(self) -> bool:
        length = self._length
        if length is None:
            raise RuntimeError("a body was written that had not begun")
        if not self._budget.admits(length):
            return False
        self._take_space_of(length)
        return True

    def _take_space_of(self, length: int) -> None:
        self._offset = self._position = self._allocator.allocate(length)
        self._end = self._offset + length
        self._budget.hold(length)

    def _collect(self, parts: list[bytes], data: bytes | memoryview) -> bool:
        if self._size + len(data) > self._maximum_bytes:
            raise BodyTooLongError(self._size + len(data))
        if not self._budget.may_grow(self, len(data)):
            return False
        self._budget.grow(self, len(data))
        self._size += len(data)
        parts.append(bytes(data))
        return True

    def _settle(self, parts: list[bytes]) -> None:
        self._budget.stop_growing(self)
        self._take_space_of(self._size)
        for part in parts:
            write_into(self._arena, self._position, part)
            self._position += len(part)
        self._parts = None
