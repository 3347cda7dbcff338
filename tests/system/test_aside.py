"""Work in a forked child: what it tells, and how it ends."""

from __future__ import annotations

import os
import select
import time

import pytest
from support.leftovers import nothing_is_left
from support.limits import no_further_descriptors

from pmpipe.errors import HostError, StoreError
from pmpipe.system.aside import Aside, Tell
from pmpipe.system.interrupts import cancel_on_signals


def test_what_the_work_tells_arrives_before_its_end() -> None:
    receiving, sending = os.pipe()

    def work(tell: Tell) -> None:
        tell(b"first words")
        os.read(receiving, 1)

    child = Aside(work)
    assert child.told() == b"first words"
    assert select.select([child], [], [], 0)[0] == [], "it has not ended"
    os.write(sending, b"x")
    assert select.select([child], [], [], 60)[0] == [child], "its end is heard of"
    assert child.join()
    os.close(receiving)
    os.close(sending)


def test_of_work_that_tells_nothing_the_end_is_waited_for() -> None:
    child = Aside(lambda _: None)
    assert child.told() == b""
    assert child.join()


def test_nothing_stops_work_to_which_nobody_listens() -> None:
    child = Aside(lambda tell: tell(bytes(16 << 20)))
    assert child.join()


def test_more_than_a_pipe_holds_is_not_told() -> None:
    child = Aside(lambda tell: tell(bytes(16 << 20)))
    assert child.told() == b""
    assert child.join()


def test_a_failure_is_no_success() -> None:
    def work(_: Tell) -> None:
        raise StoreError("no")

    assert not Aside(work).join()


def test_stopped_work_leaves_neither_process_nor_descriptor() -> None:
    with nothing_is_left():
        child = Aside(lambda _: time.sleep(600))
        child.stop()
        child.stop()


def test_joined_work_leaves_neither_process_nor_descriptor() -> None:
    with nothing_is_left():
        child = Aside(lambda _: None)
        child.join()
        child.stop()


def test_where_no_process_can_be_had_nothing_is_done(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse() -> int:
        raise OSError("no more processes")

    monkeypatch.setattr(os, "fork", refuse)
    child = Aside(lambda tell: tell(b"x"))
    assert child.told() == b""
    assert not child.join()


def test_a_signal_right_behind_the_fork_ends_the_child_without_a_word(
    signalled_children: None, capfd: pytest.CaptureFixture[str]
) -> None:
    with cancel_on_signals():
        assert not Aside(lambda _: None).join()
    assert capfd.readouterr().err == ""


def test_a_system_that_refuses_descriptors_is_told() -> None:
    with no_further_descriptors(), pytest.raises(HostError, match="Too many open files"):
        Aside(lambda tell: None)
