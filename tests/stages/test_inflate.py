"""What `Inflater` does with memory; what it makes of good and bad content is shown by `test_extract.py`."""

from __future__ import annotations

import gzip
import os

import pytest

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


def resident_bytes() -> int:
    with open("/proc/self/statm", encoding="ascii") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
