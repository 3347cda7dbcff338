"""What waits is started in its turn, is found wherever it waits, and does not wait for an answer that is known."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest

from stages.fetching.waiting_downloads import Waiting, WaitingDownloads
from stages.messages import JobId


class Origin:
    origin = "https://registry.example"


class Request:
    """What of a transfer the waiting need to know."""

    peer = "https://registry.example"
    url = Origin()

    def __init__(self, number: int) -> None:
        self.job = JobId(number)


def download(number: int, *, is_document: bool = False) -> Waiting:
    transfer: Any = Request(number)
    sink: Any = None
    return Waiting(transfer, sink, is_document)


@pytest.fixture
def loop() -> Iterator[asyncio.AbstractEventLoop]:
    loop = asyncio.new_event_loop()
    yield loop
    loop.close()


@pytest.fixture
def waiting(loop) -> WaitingDownloads:
    return WaitingDownloads(loop, loop.stop)


def test_a_turn_is_per_kind(waiting):
    tarball, document, urgent = download(1), download(2, is_document=True), download(3)
    waiting.put(tarball)
    waiting.put(document)
    waiting.put_first(urgent)
    assert list(waiting.documents) == [document]
    assert list(waiting.tarballs) == [urgent, tarball]


def test_another_attempt_has_its_turn_first_when_its_time_has_come(waiting, loop):
    other, late = download(1), download(2)
    waiting.put(other)
    waiting.put_later(late, 0.001)
    assert list(waiting.tarballs) == [other]
    loop.run_forever()
    assert list(waiting.tarballs) == [late, other]


def test_who_waits_for_another_attempt_need_not_if_the_answer_is_known(waiting):
    late = download(1)
    waiting.put_later(late, 3600)
    waiting.hurry("https://other.example")
    assert not waiting.tarballs
    waiting.hurry("https://registry.example")
    assert list(waiting.tarballs) == [late]


def test_a_job_is_found_wherever_it_waits(waiting):
    asking, named = download(1), download(2)
    assert waiting.admits(asking)
    assert not waiting.admits(named)
    turn, document, late = download(3), download(4, is_document=True), download(5)
    waiting.put(turn)
    waiting.put(document)
    waiting.put_later(late, 3600)
    for one in (named, turn, document, late):
        assert waiting.take_out(one.transfer.job) is one
        assert waiting.take_out(one.transfer.job) is None
    assert waiting.are_none


def test_those_that_wait_for_a_name_go_on_in_their_order_when_it_is_there(waiting, loop):
    first, second, third = (download(number) for number in (1, 2, 3))
    assert waiting.admits(first)
    assert not waiting.admits(second)
    assert not waiting.admits(third)
    waiting.on_name("https://registry.example")
    loop.run_forever()
    assert list(waiting.tarballs) == [second, third]
    assert all(waiting.admits(one) for one in (second, third))
