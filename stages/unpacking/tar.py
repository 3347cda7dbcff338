"""The tar reader of the hot path: from a buffer to the list of its members, by node-tar's rules, with nothing copied.

node-tar decides what npm installs, so its reading of the formats counts: ustar with a prefix, pax (path, size),
GNU long names, sizes in octal and base-256. Where node-tar warns and goes on with part of a package (a bad checksum, a
size that is no number, a truncated end), the archive is rejected here. Python's `tarfile` is no alternative: it stops
silently at a bad header, applies a global pax path, loops on a size of 2^62, and takes ten times as long.

What is done for every file that is ever installed is in one loop, `_Reader._take_alike`. In nearly all archives all
headers have the same 356 bytes behind the checksum, so one comparison answers what kind of member it is. The checksum
comes out of adler32, whose low half is one plus the sum of all bytes modulo 65,521 (0.07 µs, where `sum` takes 3 µs).
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import TypeVar

import msgspec
from isal.isal_zlib import adler32

from pmpipe.errors import ArchiveError
from pmpipe.npm.texts.text import printable
from stages.messages import ArchiveLimits

BLOCK_BYTES = 512

_BLOCK = struct.Struct(f"{BLOCK_BYTES}s")
#: name, mode, size, checksum, type, link name, magic and version, prefix
_HEADER = struct.Struct("100s8s16x12s12x8ss100s8s80x155s12x")
#: name, mode, size, checksum, and all that is behind it
_FRONT = struct.Struct("100s8s16x12s12x8s356s")
_USTAR = b"ustar\x0000"
_MAGIC = slice(257, 262)

_FILE_KINDS = frozenset((b"0", b"\0", b"7"))
_FOLDER_KINDS = frozenset((b"5", b"D"))
_DUMPED_FOLDER = b"D"
#: members that a pax header describes; one between it and them (another extension) is not meant
_FILESYSTEM_KINDS = _FILE_KINDS | _FOLDER_KINDS | {b"1", b"2", b"3", b"4", b"6"}
_PAX_KINDS = frozenset((b"x", b"X"))
_LONG_NAME_KINDS = frozenset((b"L", b"N"))
_GLOBAL_PAX = b"g"
_LONG_LINK = b"K"
_EXTENSION_KINDS = _PAX_KINDS | _LONG_NAME_KINDS | {_GLOBAL_PAX, _LONG_LINK}

#: node-tar's bound on a pax header or a long name; it ignores longer ones, here they are refused
_MAXIMUM_EXTENSION_BYTES = 1 << 20

_ADLER_MODULUS = 65521
_BASE_256 = 0x80
#: begins a negative number in base-256, in two's complement
_NEGATIVE = 0xFF
_MAXIMUM_DIGITS = 20
_CHUNK_BYTES = 1 << 16
_ZEROS = bytes(_CHUNK_BYTES)

#: Of what was worked out for a field's bytes, so much is remembered.
_MAXIMUM_REMEMBERED = 1 << 14

_SLASH = ord("/")
_SHOWN_BYTES = 40

Buffer = bytes | bytearray | memoryview

ValueT = TypeVar("ValueT")


class Member(msgspec.Struct, frozen=True, gc=False):
    """One file or folder of an archive.

    Attributes:
        name: the path as the archive has it, in valid UTF-8 (what is not, is replaced as node does it), not checked.
        content: where the content lies in the buffer, in bytes.
        executable: the owner may execute it.
        regular: a file; otherwise a folder.
    """

    name: bytes
    content: slice
    executable: bool
    regular: bool


class _Extended(msgspec.Struct):
    """What pax headers and long names say about the next member; None where they say nothing."""

    path: bytes | None = None
    size: int | None = None

    def read(self, content: bytes) -> _Extended:
        """Take in the records of a pax header.

        node-tar reads them line by line: a value with a newline in it, and any record of a wrong length, is nothing. A
        length is that of the text as it has read it, so that one that is not UTF-8 is wrong. A mode does not count.

        Raises:
            ArchiveError: a size is no number.
        """
        for line in content.split(b"\n"):
            length, _, record = line.partition(b" ")
            if not _is_number(length) or int(length) != len(_node_utf8(line)) + 1:
                continue
            key, _, value = record.partition(b"=")
            if key == b"path":
                self.path = value
            elif key == b"size":
                if not _is_number(value):
                    raise ArchiveError(f"a member has the size {printable(value, 40)}")
                self.size = int(value)
        return self

    def applied(self, path: bytes, size: int) -> tuple[bytes, int]:
        """A header's own fields, overruled by what is known from here."""
        return path if self.path is None else self.path, size if self.size is None else self.size


def read_members(archive: Buffer, limits: ArchiveLimits) -> list[Member]:
    """The files and folders of an uncompressed tar, in order. Links, devices and FIFOs are left out.

    Args:
        archive: the whole tar. It is only read, and nothing of it is kept.
        limits: caps; `ratio` is not looked at.

    Raises:
        ArchiveError: a header is damaged, a member reaches beyond the end, a cap is exceeded, or there is something
            other than zeros behind the end.

    Source: POSIX pax; GNU tar's long names and base-256; node-tar 7.
    """
    with memoryview(archive) as view:
        return _Reader(view, limits).read()


class _Reader:
    """The state of one walk over an archive."""

    __slots__ = ("_end", "_extended", "_limits", "_members", "_total", "_unproblematic", "_view")

    def __init__(self, view: memoryview, limits: ArchiveLimits) -> None:
        self._view = view
        self._end = len(view)
        self._limits = limits
        self._members: list[Member] = []
        self._total = 0
        #: no limit is exceeded while all files together have no more bytes than this
        self._unproblematic = min(limits.one_file, limits.all_files) if len(view) < limits.entries * BLOCK_BYTES else -1
        #: what the headers since the last member say about the next one
        self._extended: _Extended | None = None

    def read(self) -> list[Member]:
        offset = 0
        while offset + BLOCK_BYTES <= self._end:
            (header,) = _BLOCK.unpack_from(self._view, offset)
            fields = _HEADER.unpack(header)
            body = offset + BLOCK_BYTES
            if adler32(header) & 0xFFFF == _expected_adlers[fields[3]]:
                offset = self._behind(body, self._take(body, fields))
                if _is_plain(fields):
                    offset = self._take_alike(header, offset)
            elif self._is_end(header, offset):
                break
            else:
                offset = body
        self._check_rest(offset)
        return self._members

    def _take_alike(self, first: bytes, offset: int) -> int:
        """Take in all files from `offset` on that are described as the plain one before them is.

        Args:
            first: the header of the one before.
            offset: where the next header is.

        Returns:
            Where the first header is of which this cannot tell all, or the end.
        """
        # once for every file that is ever installed: what can be a local variable is one
        view, end, block, front = self._view, self._end, _BLOCK.unpack_from, _FRONT.unpack
        expected_adlers, executables, append = _expected_adlers, _executables, self._members.append
        alike = front(first)[4]
        body = offset
        while offset + BLOCK_BYTES <= end:
            (header,) = block(view, offset)
            name, mode, digits, checksum, behind = front(header)
            if behind != alike or adler32(header) & 0xFFFF != expected_adlers[checksum]:
                return offset
            path = name.rstrip(b"\0")
            # node-tar writes ten digits and a space; twelve, which leave room for nothing behind them, count as well
            digits = digits.rstrip(b"\0 ")
            if not digits.isdigit() or not path or path[-1] == _SLASH or not path.isascii():
                return offset
            try:
                size = int(digits, 8)
            except ValueError:
                return offset
            body = offset + BLOCK_BYTES
            append(Member(path, slice(body, body + size), executables[mode], True))
            self._total += size
            if self._total > self._unproblematic:
                self._check_limits(size)
            offset = body + (size + BLOCK_BYTES - 1) // BLOCK_BYTES * BLOCK_BYTES
        return self._behind(body, offset - body)

    def _behind(self, body: int, size: int) -> int:
        """Where the next header is, behind the content of a member."""
        offset = body + (size + BLOCK_BYTES - 1) // BLOCK_BYTES * BLOCK_BYTES
        if offset > self._end:
            raise ArchiveError(f"the member at byte {body - BLOCK_BYTES:,} reaches beyond the end")
        return offset

    def _take(self, body: int, fields: tuple[bytes, ...]) -> int:
        """Take in the member whose content starts at `body`; returns the content's size."""
        name, mode, size_field, _, kind, link, magic, prefix = fields
        size = _size(size_field)
        if kind in _EXTENSION_KINDS:
            self._extend(kind, body, size)
            return size
        path = _with_prefix(prefix, name) if prefix[0] and magic == _USTAR else name.rstrip(b"\0")
        if self._extended is not None:
            if kind in _FILESYSTEM_KINDS:
                path, size = self._extended.applied(path, size)
            self._extended = None
        if kind in _FILE_KINDS:
            regular = kind == b"7" or path[-1:] != b"/"
        elif kind in _FOLDER_KINDS:
            regular = False
        else:
            return size
        if not path or link[0]:
            what = "has no name" if not path else "is no link and has a link's target"
            raise ArchiveError(f"the member at byte {body - BLOCK_BYTES:,} {what}")
        if not regular and kind != _DUMPED_FOLDER:
            # old writers give a folder the size that stat showed, and no content
            size = 0
        self._members.append(Member(_node_utf8(path), slice(body, body + size), _executables[mode], regular))
        if regular:
            self._total += size
            self._check_limits(size)
        return size

    def _extend(self, kind: bytes, body: int, size: int) -> None:
        if size > _MAXIMUM_EXTENSION_BYTES or body + size > self._end:
            raise ArchiveError(f"the extended header at byte {body - BLOCK_BYTES:,} is too long")
        content = bytes(self._view[body : body + size])
        extended = self._extended or _Extended()
        if kind in _LONG_NAME_KINDS:
            extended.path = content.rstrip(b"\0")
        elif kind == _GLOBAL_PAX:
            if _Extended().read(content).size is not None:
                raise ArchiveError(f"the global header at byte {body - BLOCK_BYTES:,} gives a size")
            return
        elif kind in _PAX_KINDS:
            extended.read(content)
        self._extended = extended

    def _check_limits(self, size: int) -> None:
        limits = self._limits
        if size > limits.one_file:
            raise ArchiveError(f"a file has {size:,} bytes, the limit is {limits.one_file:,}")
        if self._total > limits.all_files:
            raise ArchiveError(f"the files have more than {limits.all_files:,} bytes together, which is the limit")
        if len(self._members) > limits.entries:
            raise ArchiveError(f"there are more than {limits.entries:,} files, which is the limit")

    def _is_end(self, header: bytes, offset: int) -> bool:
        """Whether two blocks of zeros are here; one alone is passed over, as node-tar does.

        Raises:
            ArchiveError: this is no block of zeros, so a header with a wrong checksum.
        """
        if not _is_zero(header):
            self._require_archive(offset)
            raise ArchiveError(f"the header at byte {offset:,} is damaged: wrong checksum")
        following = self._view[offset + BLOCK_BYTES : offset + 2 * BLOCK_BYTES]
        return len(following) == BLOCK_BYTES and _is_zero(following)

    def _check_rest(self, offset: int) -> None:
        for start in range(offset, self._end, _CHUNK_BYTES):
            if not _is_zero(self._view[start : start + _CHUNK_BYTES]):
                self._require_archive(offset)
                raise ArchiveError(f"there is something behind the end of the archive at byte {offset:,}")

    def _require_archive(self, offset: int) -> None:
        """Say of a login page, or of whatever else is no tarball, that it is none."""
        if not offset and bytes(self._view[_MAGIC]) != _USTAR[:5]:
            begin = printable(bytes(self._view[:_SHOWN_BYTES]))
            raise ArchiveError(f'it is no tarball: it begins with "{begin}"')


def _is_number(digits: bytes) -> bool:
    # no number of more digits than 2^64 has is meant, and Python refuses to convert very long ones
    return digits.isdigit() and len(digits) <= _MAXIMUM_DIGITS


def _is_plain(fields: tuple[bytes, ...]) -> bool:
    """Whether a header tells all of a file, as nearly every one does."""
    _, _, _, _, kind, link, _, prefix = fields
    return kind == b"0" and not link[0] and not prefix[0]


def _is_zero(block: Buffer) -> bool:
    return bytes(block) == _ZEROS[: len(block)]


def _with_prefix(prefix: bytes, name: bytes) -> bytes:
    # a prefix of at most 130 bytes leaves room for two dates, which node-tar and star write there
    used = prefix if prefix[130] else prefix[:130]
    return used.rstrip(b"\0") + b"/" + name.rstrip(b"\0")


def _node_utf8(text: bytes) -> bytes:
    return text if text.isascii() else text.decode("utf-8", "replace").encode()


class _Remembered(dict[bytes, ValueT]):
    """What a function makes of a header's field, for fields that are the same in many headers."""

    __slots__ = ("_work_out",)

    def __init__(self, work_out: Callable[[bytes], ValueT]) -> None:
        self._work_out = work_out

    def __missing__(self, field: bytes) -> ValueT:
        if len(self) >= _MAXIMUM_REMEMBERED:
            self.clear()
        value = self[field] = self._work_out(field)
        return value


def _expected_adler(checksum: bytes) -> int:
    """The low half of the adler32 of a header with this checksum field, or -1 if the field holds no checksum."""
    try:
        expected = int(checksum.strip(b" \0"), 8)
    except ValueError:
        return -1
    # the checksum counts its own field as eight spaces
    return (1 + expected - 8 * 32 + sum(checksum)) % _ADLER_MODULUS


def _is_executable(mode: bytes) -> bool:
    if mode[0] in (_BASE_256, _NEGATIVE):
        return bool(int.from_bytes(mode[1:], "big") & 0o100)
    digits = mode.strip(b" \0")
    return digits.isdigit() and not digits.strip(b"01234567") and bool(int(digits, 8) & 0o100)


_expected_adlers = _Remembered(_expected_adler)
_executables = _Remembered(_is_executable)


def _size(field: bytes) -> int:
    """The number in a size field of 12 bytes.

    Raises:
        ArchiveError: it is negative, or no number.
    """
    if field[0] == _BASE_256:
        return int.from_bytes(field[1:], "big")
    # a number ends at the first NUL
    digits, _, rest = field.partition(b"\0")
    digits = digits.strip(b" ")
    try:
        if (digits.isdigit() or not digits) and not rest.strip(b"\0 "):
            return int(digits or b"0", 8)
    except ValueError:
        pass
    raise ArchiveError(f"a member has the size {printable(field)}")
