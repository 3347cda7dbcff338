"""The budget of bytes between the network and extract."""

import mmap

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stages.arena import ArenaAllocator
from stages.fetching.arena_sink import ArenaSink, HeldBudget
from stages.fetching.sink import BodyTooLongError

PIECE = 1000


def make(limit: int, count: int, size: int = 1 << 20) -> tuple[mmap.mmap, ArenaAllocator, HeldBudget, list[ArenaSink]]:
    arena = mmap.mmap(-1, size)
    allocator, budget = ArenaAllocator(size), HeldBudget(limit)
    return arena, allocator, budget, [ArenaSink(arena, allocator, budget, size) for _ in range(count)]


def test_never_writes_past_its_space():
    _, _, _, (sink,) = make(limit=100, count=1)
    sink.begin(10)
    assert sink.write(b"x" * 10)
    with pytest.raises(BodyTooLongError):
        sink.write(b"x")


def test_a_body_of_unknown_length_that_is_too_long_is_refused_before_it_is_kept():
    arena = mmap.mmap(-1, 1 << 20)
    sink = ArenaSink(arena, ArenaAllocator(1 << 20), HeldBudget(1 << 20), 10)
    sink.begin(None)
    assert sink.write(b"x" * 10)
    with pytest.raises(BodyTooLongError):
        sink.write(b"x")


def test_rewinding_gives_everything_back():
    _, allocator, budget, sinks = make(limit=100, count=3)
    sinks[0].begin(10)
    sinks[0].write(b"x")
    sinks[1].begin(None)
    sinks[1].write(b"x")
    for sink in sinks:
        sink.rewind()
    assert (budget.held, len(allocator)) == (0, 0)


#: per body: how many pieces of `PIECE` bytes, and whether its length is announced
BODIES = st.lists(st.tuples(st.integers(0, 6), st.booleans()), min_size=1, max_size=8)


@given(bodies=BODIES, limit=st.integers(1, 8 * PIECE), data=st.data())
def test_all_bodies_arrive_whatever_the_order_and_the_budget_is_kept(bodies, limit, data):
    arena, allocator, budget, sinks = make(limit, len(bodies))
    left = {index: pieces for index, (pieces, _) in enumerate(bodies)}
    unreleased: list[tuple[int, int, int, int]] = []
    for index, (pieces, announced) in enumerate(bodies):
        sinks[index].begin(pieces * PIECE if announced else None)
    while left or unreleased:
        moved = []
        for index in data.draw(st.permutations(list(left))):
            if left[index] and sinks[index].write(bytes([index]) * PIECE):
                left[index] -= 1
                moved.append(index)
        for index in [index for index, pieces in left.items() if pieces == 0]:
            del left[index]
            source = sinks[index].finish()
            unreleased.append((index, source.offset, source.length, sinks[index].space))
            moved.append(index)
        assert budget.held == allocator.held_bytes + sum(
            (bodies[index][0] - pieces) * PIECE for index, pieces in left.items() if not bodies[index][1]
        )
        # one body that is larger alone, or the oldest of unknown length among such, may exceed the limit
        assert budget.held <= limit + max(pieces for pieces, _ in bodies) * PIECE
        if not moved or data.draw(st.booleans()):
            assert moved or unreleased, "everybody waits for everybody"
            for index, offset, length, space in unreleased:
                assert arena[offset : offset + length] == bytes([index]) * (bodies[index][0] * PIECE)
                budget.release(space)
                allocator.free(offset)
            unreleased.clear()
    assert (budget.held, len(allocator)) == (0, 0)
