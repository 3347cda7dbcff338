"""Memory for the largest packages, which all extract processes share and one at a time uses.

A package that comes out at tens of megabytes needs room for all of it. Fresh memory is paid for page by page, by faults
and by zeroing: half a second of processor time for every gigabyte, as much as a third of inflating. Room that each
process kept for itself would add up. So there is one, made before the processes are forked; its pages stay, but in
nobody's page tables while nobody uses it. Who finds it taken gets room elsewhere.
"""

from __future__ import annotations

import mmap
from contextlib import suppress
from multiprocessing.context import BaseContext

_BYTES = 128 << 20

#: Linux 5.14: map all pages at once instead of one at a fault; `mmap.MADV_POPULATE_WRITE` is in no Python yet.
_POPULATE_WRITE = 23


class LargeRoom:
    """See the module.

    Args:
        context: the multiprocessing context whose processes share it (``fork``).

    Raises:
        OSError: the system refuses to reserve so many addresses.
    """

    def __init__(self, context: BaseContext) -> None:
        flags = mmap.MAP_SHARED | mmap.MAP_ANONYMOUS | getattr(mmap, "MAP_NORESERVE", 0x4000)
        self._memory = mmap.mmap(-1, _BYTES, flags=flags)
        self._free = context.Lock()
        self._taken = 0

    def take(self, length: int) -> memoryview | None:
        """So much room, with anything in it, until `give_back`; None if it is too much or another process has it."""
        if length > _BYTES or not self._free.acquire(block=False):
            return None
        self._taken = length
        with suppress(OSError):
            self._memory.madvise(_POPULATE_WRITE, 0, length)
        return memoryview(self._memory)[:length]

    def give_back(self) -> None:
        """Let others have the room, if this process has it; what `take` gave must not be used any more."""
        if self._taken:
            self._memory.madvise(mmap.MADV_DONTNEED, 0, self._taken)
            self._taken = 0
            self._free.release()
