"""Space for tarballs in shared memory."""

from __future__ import annotations

import errno
import mmap
import multiprocessing
import os
import resource
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stages.arena import (
    ARENA_BYTES,
    Arena,
    ArenaAllocator,
    ArenaFullError,
    arena_bytes,
    copy_to,
    create_arena,
    write_into,
)

PAGE = mmap.PAGESIZE


def test_blocks_are_page_aligned_and_do_not_overlap() -> None:
    allocator = ArenaAllocator(16 * PAGE)
    assert [allocator.allocate(length) for length in (1, PAGE, PAGE + 1, 0, 5)] == [
        0,
        PAGE,
        2 * PAGE,
        4 * PAGE,
        5 * PAGE,
    ]


def test_held_bytes_are_what_was_asked_for() -> None:
    allocator = ArenaAllocator(16 * PAGE)
    first = allocator.allocate(100)
    allocator.allocate(7)
    assert (allocator.held_bytes, len(allocator)) == (107, 2)
    allocator.free(first)
    assert (allocator.held_bytes, len(allocator)) == (7, 1)


def test_the_lowest_gap_that_is_large_enough_is_used_again() -> None:
    allocator = ArenaAllocator(16 * PAGE)
    offsets = [allocator.allocate(size * PAGE) for size in (1, 2, 3, 1)]
    allocator.free(offsets[0])
    allocator.free(offsets[2])
    assert allocator.allocate(2 * PAGE) == offsets[2]
    assert allocator.allocate(PAGE) == offsets[0]


def test_says_when_no_gap_is_large_enough() -> None:
    allocator = ArenaAllocator(4 * PAGE)
    allocator.allocate(2 * PAGE)
    with pytest.raises(ArenaFullError, match="no gap of"):
        allocator.allocate(2 * PAGE + 1)
    assert allocator.allocate(2 * PAGE) == 2 * PAGE


def test_freeing_what_is_not_allocated_is_a_bug() -> None:
    allocator = ArenaAllocator(4 * PAGE)
    with pytest.raises(KeyError):
        allocator.free(0)


def test_high_pages_go_back_to_the_system_when_they_are_freed() -> None:
    arena = create_arena()
    allocator = ArenaAllocator()
    low = allocator.allocate(8 << 20)
    high = allocator.allocate(16 << 20)
    arena[low] = 1
    arena[high + (8 << 20) : high + (16 << 20)] = b"x" * (8 << 20)
    allocator.free(high, arena)
    allocator.free(low, arena)
    # what was given back reads as zeros, what stays resident as it was
    assert arena[low] == 1
    assert arena[high + (12 << 20)] == 0
    arena.close()


def test_children_see_what_one_process_writes() -> None:
    arena = create_arena()
    assert len(arena) == ARENA_BYTES

    def write() -> None:
        arena[10:14] = b"here"

    child = multiprocessing.get_context("fork").Process(target=write)
    child.start()
    child.join(30)
    assert arena[10:14] == b"here"
    arena.close()


def test_what_is_written_by_its_descriptor_is_in_the_mapping() -> None:
    arena = create_arena()
    assert isinstance(arena, Arena)
    write_into(arena, 3 * PAGE - 2, b"across pages")
    assert arena[3 * PAGE - 2 : 3 * PAGE + 10] == b"across pages"
    arena.close()


@pytest.mark.parametrize(
    ("addresses", "expected"),
    [
        (resource.RLIM_INFINITY, ARENA_BYTES),
        (64 << 30, ARENA_BYTES),
        (4 << 30, 2 << 30),
        ((2 << 30) + PAGE + 1, 1 << 30),
        (256 << 20, 512 << 20),
    ],
)
def test_of_few_addresses_half_are_left_for_all_else(
    addresses: int, expected: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(resource, "getrlimit", lambda _: (addresses, resource.RLIM_INFINITY))
    assert arena_bytes() == expected
    arena = create_arena()
    assert len(arena) == expected
    arena.close()


def test_a_limit_on_the_size_of_files_leaves_an_arena_without_descriptor() -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, hard))
    try:
        arena = create_arena()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert len(arena) == ARENA_BYTES
    write_into(arena, 10, b"here")
    assert arena[10:14] == b"here"
    arena.close()


@pytest.mark.parametrize("make", [create_arena, lambda: mmap.mmap(-1, 1 << 20)], ids=["a file", "a mapping alone"])
def test_a_block_is_copied_to_a_file(make: Callable[[], mmap.mmap], tmp_path: Path) -> None:
    arena, block = make(), os.urandom(3 * PAGE + 7)
    write_into(arena, PAGE, block)
    with open(tmp_path / "copy", "wb", buffering=0) as file:
        file.write(b"head")
        copy_to(file.fileno(), arena, PAGE, len(block))
    assert (tmp_path / "copy").read_bytes() == b"head" + block
    arena.close()


def test_a_block_is_copied_where_the_kernel_does_not_do_that(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: int) -> int:
        raise OSError(errno.EINVAL, "Invalid argument")

    monkeypatch.setattr(os, "sendfile", refuse)
    arena = create_arena()
    write_into(arena, PAGE, b"block")
    with open(tmp_path / "copy", "wb", buffering=0) as file:
        copy_to(file.fileno(), arena, PAGE, 5)
    assert (tmp_path / "copy").read_bytes() == b"block"
    arena.close()


def test_closing_gives_the_descriptor_back() -> None:
    before = os.listdir("/proc/self/fd")
    create_arena().close()
    arena = create_arena()
    del arena
    assert os.listdir("/proc/self/fd") == before


@given(st.lists(st.one_of(st.integers(0, 5 * PAGE), st.just(None)), max_size=60))
def test_any_order_of_allocating_and_freeing_keeps_blocks_apart(steps: list[int | None]) -> None:
    allocator = ArenaAllocator(32 * PAGE)
    held: dict[int, int] = {}
    for length in steps:
        if length is None:
            if held:
                offset = sorted(held)[len(held) // 2]
                del held[offset]
                allocator.free(offset)
            continue
        try:
            offset = allocator.allocate(length)
        except ArenaFullError:
            continue
        assert offset % PAGE == 0
        assert offset + length <= 32 * PAGE
        assert all(offset + max(length, 1) <= other or other + max(size, 1) <= offset for other, size in held.items())
        held[offset] = length
        gaps = list(zip(allocator._gaps, allocator._gap_bytes, strict=True))
        assert all(room > 0 for _, room in gaps)
        assert all(start + room < following for (start, room), (following, _) in pairwise(gaps))
    assert allocator.held_bytes == sum(held.values())
    assert len(allocator) == len(held)
