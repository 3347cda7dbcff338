"""Memory that extract processes share for large packages."""

from __future__ import annotations

import gzip
import multiprocessing

import msgspec
import pytest
from extracting import LIMITS

from stages.inflate import Inflater
from stages.large_room import LargeRoom

CONTEXT = multiprocessing.get_context("fork")
LARGE = 9 << 20
LENIENT = msgspec.structs.replace(LIMITS, ratio=2000)


@pytest.fixture
def room():
    return LargeRoom(CONTEXT)


def test_is_one_processs_at_a_time(room):
    with room.take(LARGE) as taken:
        assert len(taken) == LARGE
        assert room.take(LARGE) is None
    room.give_back()
    with room.take(1) as taken:
        assert len(taken) == 1


def test_another_process_has_to_do_without_it(room):
    taken = room.take(LARGE)
    answers = CONTEXT.SimpleQueue()
    child = CONTEXT.Process(target=lambda: answers.put(room.take(1) is None))
    child.start()
    child.join(30)
    assert answers.get()
    taken.release()


def test_what_is_too_large_finds_no_room(room):
    assert room.take(1 << 30) is None
    with room.take(1) as taken:
        assert taken


def test_giving_back_what_was_not_taken_changes_nothing(room):
    room.give_back()
    with room.take(1) as taken:
        assert taken


@pytest.mark.parametrize("others_have_it", [False, True])
def test_large_packages_are_unpacked_one_after_the_other_wherever_there_is_room(room, others_have_it):
    if others_have_it:
        room.take(1)
    inflater = Inflater(room)
    for letter in (b"a", b"b"):
        compressed = bytearray(gzip.compress(letter * LARGE))
        with memoryview(compressed) as view, inflater.inflate(view, LENIENT) as content:
            assert content == letter * LARGE
        inflater.done()
