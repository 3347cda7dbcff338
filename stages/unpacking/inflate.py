"""Gunzip within bounds: what comes out is known to fit before room is made for it.

libdeflate does nearly all of it: a third faster than zlib, but only for one gzip member of a known size. The size is
in the last four bytes, and whoever made the file wrote what they liked there: it decides which way to go, never what is
believed. Whatever libdeflate cannot vouch for (several members, padding, a size that lies) is streamed twice, once to
see how long it is and that it is whole, and once into a buffer of that length.
"""

from __future__ import annotations

import mmap
import struct
from collections.abc import Callable, Iterator

import msgspec
from isal import igzip_lib

from pmpipe.errors import ArchiveError
from stages.messages import ArchiveLimits
from stages.unpacking.libdeflate import gunzip_into

_GZIP_MAGIC = b"\x1f\x8b"
#: A gzip member cannot be shorter: header, one empty block, trailer.
_SHORTEST_MEMBER = 18
_SIZE = struct.Struct("<I")

#: Headers, padding and long names that one file in a tar can need besides its content, more than generously.
_OVERHEAD_BYTES = 4096

_INPUT_CHUNK = 64 << 10
_OUTPUT_CHUNK = 1 << 20

#: More members than any tool makes of a tarball; each costs a new decompressor and a copy of the input at hand.
_MAXIMUM_MEMBERS = 1 << 16

#: Addresses reserved for what is unpacked, which cost no memory before they are used: nearly any package fits.
_ROOM_BYTES = 128 << 20

#: Of the room, so much stays in memory from one tarball to the next. A larger tarball takes fresh memory, with a page
#: fault for every 4 KiB, only for what is beyond. With less, a cold install takes longer; with more, its peak of memory
#: is higher: one process still has much while another one has just got something large.
_KEPT_BYTES = 32 << 20

#: A file of this length or more is moved to where its content comes, so that there is no memory for both of them.
_MOVED_BYTES = 4 << 20

#: There, what is still to be read may be longer than what is still to be written by this and a thousandth of the file.
#: What cannot be made shorter grows by 5 bytes in 16 KiB or more; libdeflate reads and writes some hundred bytes ahead.
_MARGIN_BYTES = 64 << 10


def is_gzip(content: memoryview) -> bool:
    """Whether the content claims to be gzipped."""
    return content[:2] == _GZIP_MAGIC


class Inflater:
    """Unpacks one tarball after the other into the same memory."""

    def __init__(self) -> None:
        self._room = _room(_ROOM_BYTES)
        #: how much of the room has been written since memory was last given back
        self._used = 0

    def inflate(
        self, compressed: memoryview, limits: ArchiveLimits, let_go: Callable[[], None] | None = None
    ) -> memoryview:
        """The tar in a .tgz.

        Args:
            compressed: the whole file.
            limits: the result is at most `ratio` times as long as the input, and no longer than `entries` files of
                together `all_files` bytes can make it.
            let_go: called when a large file will hardly be looked at again, so that its memory may be given back; it
                has to be there all the same.

        Returns:
            The tar; it has to be released before the next call, which overwrites it.

        Raises:
            ArchiveError: it is truncated or damaged, has something other than zeros behind its end, or is too long.

        Source: RFC 1952; zlib's and node's treatment of several members.
        """
        self.give_back()
        bounds = _Bounds.of(compressed, limits)
        if bounds.claimed:
            if let_go is not None and len(compressed) >= _MOVED_BYTES:
                room = self._inflate_in_place(compressed, bounds.claimed, let_go)
            else:
                room = self._inflate_into_room(compressed, bounds.claimed)
            if room is not None:
                return room
            # it does not say why it could not; the slow way will
        return memoryview(_inflate_any(compressed, bounds))

    def give_back(self) -> None:
        """Let the system have what a large tar that was released took in memory; the next call would do it, too."""
        if self._used > _KEPT_BYTES:
            self._room.madvise(mmap.MADV_DONTNEED, _KEPT_BYTES, self._used - _KEPT_BYTES)
        self._used = 0

    def _inflate_into_room(self, compressed: memoryview, length: int) -> memoryview | None:
        room = self._room_of(length)
        return room if room is not None and gunzip_into(room, compressed) else None

    def _inflate_in_place(self, compressed: memoryview, length: int, let_go: Callable[[], None]) -> memoryview | None:
        """Read from the end of the room, where what comes out overwrites what has been read.

        A file that is made to come out slower spoils itself. Then its checksum is wrong, and nothing is believed.
        """
        room = self._room_of(max(length, len(compressed)) + len(compressed) // 1000 + _MARGIN_BYTES)
        if room is None:
            return None
        moved = room[-len(compressed) :]
        moved[:] = compressed
        let_go()
        return room[:length] if gunzip_into(room[:length], moved) else None

    def _room_of(self, length: int) -> memoryview | None:
        if length <= _ROOM_BYTES:
            self._used = length
            return memoryview(self._room)[:length]
        try:
            return memoryview(_room(length))
        except OSError:
            return None  # more than the system can have; what really comes out may be less


def _room(length: int) -> mmap.mmap:
    # not in large pages: a small one is still in the processor's cache from being zeroed when it is written; measured
    # on ant-design, large ones take half a second longer to zero than they spare in faults
    return mmap.mmap(-1, length, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)


class _Bounds(msgspec.Struct, frozen=True):
    """How long the content may be, in words too, and how long the file claims that it is; 0: nothing possible."""

    cap: int
    capped_by: str
    claimed: int

    @classmethod
    def of(cls, compressed: memoryview, limits: ArchiveLimits) -> _Bounds:
        cap, capped_by = len(compressed) * limits.ratio, f"{limits.ratio:,} times as long as the tarball"
        most = limits.all_files + limits.entries * _OVERHEAD_BYTES
        if most < cap:
            cap, capped_by = most, f"{most:,} bytes"
        claimed = 0
        if len(compressed) >= _SHORTEST_MEMBER:
            (claimed,) = _SIZE.unpack_from(compressed, len(compressed) - _SIZE.size)
        return cls(cap, capped_by, claimed if claimed <= cap else 0)


def _inflate_any(compressed: memoryview, bounds: _Bounds) -> bytearray:
    length = 0
    for chunk in _stream(compressed):
        length += len(chunk)
        if length > bounds.cap:
            raise ArchiveError(f"unpacked it is longer than {bounds.capped_by}, which is the limit")
    content = bytearray(length)
    position = 0
    for chunk in _stream(compressed):
        content[position : position + len(chunk)] = chunk
        position += len(chunk)
    return content


def _stream(compressed: memoryview) -> Iterator[bytes]:
    """The content of all members, in pieces of bounded size.

    Raises:
        ArchiveError: a member is cut off or damaged, or what follows is neither a member nor zeros.
    """
    position = 0
    for _ in range(_MAXIMUM_MEMBERS):
        member = igzip_lib.IgzipDecompressor(flag=igzip_lib.DECOMP_GZIP)
        while not member.eof:
            piece = compressed[position : position + _INPUT_CHUNK] if member.needs_input else b""
            position += len(piece)
            if member.needs_input and not piece:
                raise ArchiveError("it is cut off: the gzip data have no end")
            try:
                yield member.decompress(piece, _OUTPUT_CHUNK)
            except igzip_lib.IsalError as error:  # type: ignore[misc]  # its stub forgets the base class
                raise ArchiveError(f"its gzip data are damaged: {error}") from error
        position -= len(member.unused_data)
        if _ends(compressed[position:]):
            return
    raise ArchiveError(f"it has more than {_MAXIMUM_MEMBERS:,} gzip members, which is the limit")


def _ends(rest: memoryview) -> bool:
    """Whether nothing but padding follows; otherwise another member starts.

    Raises:
        ArchiveError: something else does.
    """
    if is_gzip(rest):
        return False
    # zeros are padding to node's zlib, too
    if bytes(rest).count(0) != len(rest):
        raise ArchiveError(f"there are {len(rest):,} bytes of something else behind the end of the gzip data")
    return True
