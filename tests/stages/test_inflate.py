"""What `Inflater` does with memory; what it makes of good and bad content is shown by `test_extract.py`."""

from __future__ import annotations

import gzip
import os
import random
import struct
import zlib

import pytest

from pmpipe.errors import ArchiveError
from stages.messages import ArchiveLimits
from stages.unpacking import inflate
from stages.unpacking.inflate import Inflater

LIMITS = ArchiveLimits(entries=1, one_file=1 << 30, all_files=1 << 30, ratio=2_000)
LARGE_BYTES = 96 << 20


@pytest.fixture(scope="module")
def large() -> bytes:
    return gzip.compress(bytes(LARGE_BYTES), 1)


def test_one_after_the_other_whatever_their_lengths(large: bytes) -> None:
    inflater = Inflater()
    for content in (b"small", bytes(LARGE_BYTES), b"", b"another"):
        compressed = large if len(content) == LARGE_BYTES else gzip.compress(content)
        with memoryview(bytearray(compressed)) as view, inflater.inflate(view, LIMITS) as unpacked:
            assert unpacked == content


def test_memory_of_a_large_one_is_given_back_but_for_what_is_kept(large: bytes) -> None:
    inflater = Inflater()
    before = resident_bytes()
    with memoryview(bytearray(large)) as view, inflater.inflate(view, LIMITS):
        assert resident_bytes() - before > LARGE_BYTES / 2
    inflater.give_back()
    assert resident_bytes() - before < LARGE_BYTES / 2


def test_one_that_is_longer_than_the_room(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inflate, "_ROOM_BYTES", 100)
    content = os.urandom(101)
    with memoryview(bytearray(gzip.compress(content))) as view:
        assert Inflater().inflate(view, LIMITS) == content


RANDOM = random.Random(1).randbytes(5 << 20)
ZEROS = bytes(9 << 20)


def stored(count: int) -> bytes:
    """So many blocks of deflate with nothing in them."""
    return b"\0\0\0\xff\xff" * count


def as_gzip(blocks: bytes, content: bytes) -> bytes:
    """A gzip file of blocks of deflate that come out as the content; the last one is not among them."""
    head = b"\x1f\x8b\x08\0\0\0\0\0\0\xff"
    return head + blocks + b"\x01\0\0\xff\xff" + struct.pack("<II", zlib.crc32(content), len(content))


def flushed(content: bytes) -> bytes:
    """Blocks of deflate that come out as the content, the last of which is not the file's."""
    compressor = zlib.compressobj(1, wbits=-15)
    return compressor.compress(content) + compressor.flush(zlib.Z_SYNC_FLUSH)


@pytest.mark.parametrize(
    "content",
    [RANDOM, ZEROS + RANDOM, RANDOM + ZEROS, RANDOM + b"a" * 70_000 + RANDOM, RANDOM[: 1 << 20].hex().encode() * 5],
    ids=["random", "random last", "random first", "random around", "half as long"],
)
@pytest.mark.parametrize("level", [1, 9])
def test_a_large_file_is_unpacked_over_itself(content: bytes, level: int) -> None:
    inflater, let_go = Inflater(), []
    compressed = bytearray(gzip.compress(content, level))
    assert len(compressed) > 4 << 20
    with memoryview(compressed) as view, inflater.inflate(view, LIMITS, lambda: let_go.append(1)) as unpacked:
        assert unpacked.obj is inflater._room
        assert unpacked == content
    assert let_go


@pytest.mark.parametrize(
    "compressed",
    [
        # all comes out of what is in front, over what is to be read then
        as_gzip(flushed(ZEROS) + stored(2_000_000), ZEROS),
        as_gzip(stored(1_000_000) + flushed(ZEROS), ZEROS),
        # the length that it ends with is that of the last one only
        gzip.compress(ZEROS[:100], 1) + gzip.compress(RANDOM, 1) + gzip.compress(ZEROS[100:], 1),
    ],
    ids=["slow behind", "slow before", "several members"],
)
def test_a_large_file_that_would_spoil_itself_is_right_all_the_same(compressed: bytes) -> None:
    content = gzip.decompress(compressed)
    with memoryview(bytearray(compressed)) as view, Inflater().inflate(view, LIMITS, lambda: None) as unpacked:
        assert unpacked == content


def test_a_large_file_that_is_damaged_is_refused() -> None:
    compressed = bytearray(gzip.compress(RANDOM, 1))
    compressed[3 << 20] ^= 1
    with memoryview(compressed) as view, pytest.raises(ArchiveError, match="damaged"):
        Inflater().inflate(view, LIMITS, lambda: None)


def resident_bytes() -> int:
    with open("/proc/self/statm", encoding="ascii") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
