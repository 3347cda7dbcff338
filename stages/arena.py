"""The shared arena: where tarballs lie between fetch and extract; their bytes are never pickled or copied twice.

One shared mapping of a file without a name is made before the workers are forked. It reserves addresses, not memory: a
page costs memory once it has been written. Fetch, the only process that writes, hands out space by first fit from the
low end, so that the same few pages are used again and again; what lies above `_KEEP_BYTES` is given back to the system
when it is freed. It writes by system calls, not through the mapping: a page fault for every 4 KiB took a third of its
processor time, and what it has mapped would count as its own memory.
"""

from __future__ import annotations

import errno
import mmap
import os
import resource
from bisect import bisect_left

#: Addresses reserved where nothing limits them. A single body may take half of them, far more than any has.
ARENA_BYTES = 4 << 30

#: In less there might be no gap for a large tarball beside all else that may lie there at a time.
_LEAST_ARENA_BYTES = 512 << 20

#: Freed space below this stays resident for the next tarball.
_KEEP_BYTES = 8 << 20

#: Shorter blocks are not worth a system call.
_LONG_BLOCK_BYTES = 1 << 20

_PAGE = mmap.PAGESIZE


class Arena(mmap.mmap):
    """The shared mapping, and the file that it is a mapping of.

    Attributes:
        file: a descriptor to write by; -1 where there is only the mapping.
    """

    file: int = -1

    def close(self) -> None:
        """Give up mapping and file in this process."""
        if self.file >= 0:
            os.close(self.file)
            self.file = -1
        super().close()

    def __del__(self) -> None:
        if self.file >= 0:
            os.close(self.file)


def arena_bytes() -> int:
    """How many addresses to reserve: of those that a process may have (``ulimit -v``) half, for all else needs some."""
    limit = resource.getrlimit(resource.RLIMIT_AS)[0]
    if limit == resource.RLIM_INFINITY:
        return ARENA_BYTES
    return max(_LEAST_ARENA_BYTES, min(ARENA_BYTES, limit // 2 // _PAGE * _PAGE))


def create_arena() -> mmap.mmap:
    """A shared mapping of `arena_bytes` that forked children inherit.

    Raises:
        OSError: the system refuses to reserve so many addresses (``ulimit -v``, overcommit switched off).
    """
    size = arena_bytes()
    try:
        file = os.memfd_create("pmpipe-arena")
    except OSError:
        return _anonymous(size)
    try:
        os.ftruncate(file, size)
        arena = Arena(file, size, flags=mmap.MAP_SHARED)
    except OSError:
        # a limit on the size of files (``ulimit -f``) counts here, too
        os.close(file)
        return _anonymous(size)
    arena.file = file
    return arena


def _anonymous(size: int) -> mmap.mmap:
    flags = mmap.MAP_SHARED | mmap.MAP_ANONYMOUS | getattr(mmap, "MAP_NORESERVE", 0x4000)
    return mmap.mmap(-1, size, flags=flags)


def write_into(arena: mmap.mmap, position: int, data: bytes | memoryview) -> None:
    """Put bytes at a position of the arena.

    Raises:
        OSError: there is no memory left.
    """
    if not isinstance(arena, Arena) or arena.file < 0:
        arena[position : position + len(data)] = data
        return
    written = os.pwrite(arena.file, data, position)
    while written < len(data):
        written += os.pwrite(arena.file, memoryview(data)[written:], position + written)


def copy_to(fd: int, arena: mmap.mmap, offset: int, length: int) -> None:
    """Write a block of the arena to a file, without mapping it into this process where there is a way.

    Raises:
        OSError: the file cannot be written.
    """
    written = _send(fd, arena, offset, length)
    if not written:
        with memoryview(arena) as shared, shared[offset : offset + length] as block:
            written = os.write(fd, block)
    if written != length:
        raise OSError(0, "the disk is full")


def _send(fd: int, arena: mmap.mmap, offset: int, length: int) -> int:
    """How much of a block the kernel has copied to a file by itself; 0 where it does not do that."""
    sent = 0
    if not isinstance(arena, Arena) or arena.file < 0:
        return sent
    try:
        while sent < length and (count := os.sendfile(fd, arena.file, offset + sent, length - sent)):
            sent += count
    except OSError as error:
        if sent or error.errno not in (errno.EINVAL, errno.ENOSYS):
            raise
    return sent


def unmap_here(arena: mmap.mmap, offset: int, length: int) -> None:
    """Let this process's page table forget a long block that it will not touch again; the bytes stay in the arena.

    Otherwise every process that ever had a large tarball in its hands would count it as its own memory.
    """
    if length >= _LONG_BLOCK_BYTES:
        arena.madvise(mmap.MADV_DONTNEED, offset, length)


class ArenaFullError(Exception):
    """No gap is large enough.

    With the byte budgets of fetch this cannot happen in an arena of `ARENA_BYTES`; in the smallest one it takes a
    tarball and a packument of more than a hundred megabytes each at a time.
    """


class ArenaAllocator:
    """First-fit allocation of page-aligned space in the arena; one process owns it.

    Attributes:
        held_bytes: how many bytes are allocated now, as asked for (not rounded).
    """

    def __init__(self, size: int = ARENA_BYTES) -> None:
        #: all and only allocated blocks: offset -> (rounded length, length asked for)
        self._blocks: dict[int, tuple[int, int]] = {}
        #: all and only gaps, ascending, none touching another: where each begins, and how long it is
        self._gaps: list[int] = [0]
        self._gap_bytes: list[int] = [size]
        self.held_bytes = 0

    def __len__(self) -> int:
        return len(self._blocks)

    def allocate(self, length: int) -> int:
        """Reserve `length` bytes and return their offset.

        Raises:
            ArenaFullError: no gap is large enough.
        """
        rounded = max(_PAGE, -(-length // _PAGE) * _PAGE)
        number = next((number for number, room in enumerate(self._gap_bytes) if room >= rounded), -1)
        if number < 0:
            raise ArenaFullError(f"no gap of {length} bytes among {len(self._blocks)} blocks")
        offset = self._gaps[number]
        if self._gap_bytes[number] == rounded:
            del self._gaps[number], self._gap_bytes[number]
        else:
            self._gaps[number] += rounded
            self._gap_bytes[number] -= rounded
        self._blocks[offset] = (rounded, length)
        self.held_bytes += length
        return offset

    def free(self, offset: int, arena: mmap.mmap | None = None) -> None:
        """Give the block at `offset` back; with `arena`, return high pages to the system.

        Raises:
            KeyError: nothing is allocated there.
        """
        rounded, length = self._blocks.pop(offset)
        self.held_bytes -= length
        self._widen_gaps(offset, rounded)
        if arena is not None and offset + rounded > _KEEP_BYTES:
            start = max(offset, _KEEP_BYTES)
            arena.madvise(mmap.MADV_REMOVE, start, offset + rounded - start)

    def _widen_gaps(self, offset: int, length: int) -> None:
        after = bisect_left(self._gaps, offset)
        touches_next = after < len(self._gaps) and self._gaps[after] == offset + length
        if after and self._gaps[after - 1] + self._gap_bytes[after - 1] == offset:
            self._gap_bytes[after - 1] += length
            if touches_next:
                self._gap_bytes[after - 1] += self._gap_bytes[after]
                del self._gaps[after], self._gap_bytes[after]
        elif touches_next:
            self._gaps[after] = offset
            self._gap_bytes[after] += length
        else:
            self._gaps.insert(after, offset)
            self._gap_bytes.insert(after, length)
