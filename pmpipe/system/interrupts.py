"""Signals that ask for the end, as an exception, so that whatever was begun is put back before the program ends.

While the pipeline runs, the supervisor takes the signals itself (see `pmpipe.supervisor`); at all other times they
raise `CancelledError` where the main process is. Whoever has taken the first one, none that follows may cut off what
puts things back.
"""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from stages.signals import SIGNALS


class CancelledError(BaseException):
    """One of `SIGNALS` ended the run. `signal_number` is the signal's, `state` says in words what is left."""

    def __init__(self, signal_number: int) -> None:
        super().__init__(signal_number)
        self.signal_number = signal_number
        self.state = "the project is as it was before"


@contextmanager
def cancel_on_signals() -> Iterator[None]:
    """Raise `CancelledError` on the first signal; the ones that follow are ignored while things are put back."""
    previous = {number: signal.signal(number, _cancel) for number in SIGNALS}
    try:
        yield
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)


@contextmanager
def signals_ignored() -> Iterator[None]:
    """Let no signal cut off what must be done to its end."""
    previous = {number: signal.signal(number, signal.SIG_IGN) for number in SIGNALS}
    try:
        yield
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)


@contextmanager
def signals_held_back() -> Iterator[None]:
    """Let signals wait until the block ends. A child that is forked in it has to say first what it does with them.

    Otherwise one that comes early would raise the parent's exception in the child.
    """
    previous = signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, previous)


def ignore_further_signals() -> None:
    """Ignore those that follow, where `cancel_on_signals` is in force, and the first was taken in another way."""
    for number in SIGNALS:
        if signal.getsignal(number) is _cancel:
            signal.signal(number, signal.SIG_IGN)


def _cancel(number: int, _frame: FrameType | None) -> None:
    for one in SIGNALS:
        signal.signal(one, signal.SIG_IGN)
    raise CancelledError(number)
