"""The queues between processes: bounded, whole messages only, and no process can hang another."""

from __future__ import annotations

import multiprocessing
import os
import queue
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from multiprocessing.context import ForkContext, ForkProcess

import pytest

from stages.channel import MAXIMUM_DATAGRAM_BYTES, Channel, ChannelEnded

#: Longer than anything takes on a busy machine; what hangs ends here.
PATIENCE_S = 30


@pytest.fixture
def context() -> ForkContext:
    return multiprocessing.get_context("fork")


@pytest.fixture
def channel(context: ForkContext) -> Iterator[Channel]:
    one = Channel(context, 4, "jobs")
    yield one
    one.close()


@contextmanager
def process(context: ForkContext, run: Callable[[], None]) -> Iterator[ForkProcess]:
    """A child that carries out `run`, and is gone at the end."""
    child = context.Process(target=run)
    child.start()
    yield child
    if child.is_alive():
        child.kill()
    child.join(PATIENCE_S)
    child.close()


def test_datagrams_come_out_whole_and_in_order(channel: Channel) -> None:
    sent = [b"one", b"two" * 1000, b"\x00"]
    for datagram in sent:
        assert channel.try_put(datagram)
    assert [channel.get() for _ in sent] == sent


def test_the_longest_datagram_comes_out_whole(channel: Channel) -> None:
    longest = os.urandom(MAXIMUM_DATAGRAM_BYTES)
    assert channel.try_put(longest)
    assert channel.get() == longest


@pytest.mark.parametrize("put", [Channel.try_put, Channel.put])
def test_refuses_a_datagram_that_its_receiver_would_cut_off(channel: Channel, put: Callable[..., object]) -> None:
    with pytest.raises(OSError, match="jobs"):
        put(channel, bytes(MAXIMUM_DATAGRAM_BYTES + 1))
    assert channel.get_nowait() is None


def test_a_refused_datagram_takes_no_slot(channel: Channel) -> None:
    with pytest.raises(OSError, match="jobs"):
        channel.try_put(bytes(MAXIMUM_DATAGRAM_BYTES + 1))
    for _ in range(channel.slots):
        assert channel.try_put(b"x")


def test_a_full_channel_says_so_and_does_not_wait(channel: Channel) -> None:
    for _ in range(channel.slots):
        channel.try_put(b"x")
    with pytest.raises(queue.Full, match="jobs"):
        channel.try_put(b"one too many")


def test_what_the_kernel_has_no_room_for_takes_no_slot(context: ForkContext) -> None:
    slots = 32
    channel = Channel(context, slots, "jobs")
    sent = 0
    while channel.try_put(bytes(MAXIMUM_DATAGRAM_BYTES)):
        sent += 1
    assert sent < slots, "the kernel takes more than there are slots for"
    for _ in range(slots):
        assert not channel.try_put(bytes(MAXIMUM_DATAGRAM_BYTES))
    channel.close()


def test_receiving_frees_a_slot(channel: Channel) -> None:
    for _ in range(channel.slots):
        channel.try_put(b"x")
    channel.get()
    assert channel.try_put(b"again")


def test_nothing_there_is_told_without_waiting(channel: Channel) -> None:
    assert channel.get_nowait() is None
    channel.try_put(b"x")
    assert channel.get_nowait() == b"x"
    assert channel.get_nowait() is None


def test_bytes_that_the_kernel_has_no_room_for_take_no_place(context: ForkContext) -> None:
    channel = Channel(context, 10_000, "jobs")
    sent = 0
    while channel.try_put(bytes(MAXIMUM_DATAGRAM_BYTES)):
        sent += 1
        assert sent < channel.slots, "the kernel took more than a gigabyte"
    for _ in range(sent):
        assert channel.get() == bytes(MAXIMUM_DATAGRAM_BYTES)
    assert channel.get_nowait() is None
    assert channel.try_put(b"there is room again")
    channel.close()


def test_what_was_sent_comes_out_after_the_last_sender_is_gone(channel: Channel) -> None:
    channel.try_put(b"last")
    channel.keep_receiving()
    assert channel.get() == b"last"
    assert channel.get() is None


def test_looking_into_an_ended_channel_tells_its_end(channel: Channel) -> None:
    channel.try_put(b"last")
    channel.keep_receiving()
    assert channel.get_nowait() == b"last"
    with pytest.raises(ChannelEnded, match="jobs"):
        channel.get_nowait()


def test_sending_to_nobody_fails(channel: Channel) -> None:
    channel.keep_sending()
    with pytest.raises(BrokenPipeError):
        channel.try_put(b"x")
    with pytest.raises(BrokenPipeError):
        channel.put(b"x")


def test_closing_twice_is_harmless(channel: Channel) -> None:
    channel.close()
    channel.close()


def test_its_descriptor_becomes_readable_with_a_datagram(channel: Channel) -> None:
    import select

    assert select.select([channel.fileno()], [], [], 0)[0] == []
    channel.try_put(b"x")
    assert select.select([channel.fileno()], [], [], 0)[0] == [channel.fileno()]


def test_each_datagram_goes_to_exactly_one_of_many_receivers(context: ForkContext) -> None:
    jobs, results = Channel(context, 64, "jobs"), Channel(context, 64, "results")

    def pass_on() -> None:
        jobs.keep_receiving()
        results.keep_sending()
        while (datagram := jobs.get()) is not None:
            results.put(datagram)

    with process(context, pass_on), process(context, pass_on), process(context, pass_on):
        sent = [str(number).encode() * 50 for number in range(64)]
        for datagram in sent:
            while not jobs.try_put(datagram):
                results.get()  # never: three receivers empty it
        jobs.keep_sending()
        received = [results.get() for _ in sent]
        jobs.close()
    assert sorted(received) == sorted(sent)
    results.close()


def test_a_full_channel_holds_a_sender_back_until_a_slot_is_free(context: ForkContext) -> None:
    channel = Channel(context, 1, "results")

    def send_three() -> None:
        channel.keep_sending()
        for datagram in (b"1", b"2", b"3"):
            channel.put(datagram)

    with process(context, send_three) as sender:
        assert [channel.get(), channel.get(), channel.get()] == [b"1", b"2", b"3"]
        sender.join(PATIENCE_S)
        assert sender.exitcode == 0
    channel.close()


def test_a_sender_that_is_killed_leaves_whole_datagrams_only(context: ForkContext) -> None:
    channel = Channel(context, 1000, "results")

    def send_for_ever() -> None:
        channel.keep_sending()
        while True:
            channel.put(b"abc" * 1000)

    with process(context, send_for_ever) as sender:
        assert channel.get() == b"abc" * 1000
        os.kill(sender.pid or 0, signal.SIGKILL)
        sender.join(PATIENCE_S)
        channel.keep_receiving()
        while (datagram := channel.get()) is not None:
            assert datagram == b"abc" * 1000
    channel.close()


def test_a_killed_receiver_does_not_hold_up_the_others(context: ForkContext) -> None:
    jobs, results = Channel(context, 8, "jobs"), Channel(context, 8, "results")

    def receive() -> None:
        jobs.keep_receiving()
        while (datagram := jobs.get()) is not None:
            results.put(datagram)

    with process(context, receive) as victim, process(context, receive):
        os.kill(victim.pid or 0, signal.SIGKILL)
        victim.join(PATIENCE_S)
        jobs.try_put(b"still done")
        assert results.get() == b"still done"
        jobs.close()
    results.close()


@pytest.mark.parametrize("waits_for", ["a slot", "room in the kernel"])
def test_an_orphaned_sender_does_not_wait_for_ever(context: ForkContext, waits_for: str) -> None:
    channel = Channel(context, 1 if waits_for == "a slot" else 10_000, "results")
    said, say = os.pipe()

    def send_until_it_fails() -> None:
        channel.keep_sending()
        os.write(say, b"s")
        try:
            while True:
                channel.put(bytes(64 << 10))
        except (BrokenPipeError, ConnectionResetError):
            os.write(say, b"e")
        os._exit(0)

    def be_parent() -> None:
        # the channel's owner is who made it: a supervisor that is killed while its worker waits
        channel._owner = os.getpid()
        worker = context.Process(target=send_until_it_fails, daemon=False)
        worker.start()
        channel.keep_receiving()
        os.close(say)
        signal.pause()

    with process(context, be_parent) as parent:
        os.close(say)
        assert os.read(said, 1) == b"s"
        # only the parent holds the receiving end, as it is with workers
        channel.close()
        os.kill(parent.pid or 0, signal.SIGKILL)
        parent.join(PATIENCE_S)
        assert os.read(said, 1) == b"e"
    os.close(said)
