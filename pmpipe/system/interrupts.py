"""Signals that ask for the end, as an exception, so that whatever was begun is put back before the program ends.

While the pipeline runs, the supervisor takes the signals itself (see `pmpipe.supervisor`); at all other times they
raise `CancelledError` where the main process is. Whoever has taken the first one, none that follows may cut off what
puts things back.

An exception cannot be raised just anywhere. Where the interpreter swallows it (in a destructor, in a callback of a weak
reference), it is raised again a little later. And while modules are loaded it waits: the import system has such
callbacks, and some extension modules do not survive that something they import is cut off.
"""

from __future__ import annotations

import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import TYPE_CHECKING

from stages.signals import SIGNALS

if TYPE_CHECKING:
    from sys import UnraisableHookArgs

#: how long (seconds) a signal waits that could not be answered at once
_AGAIN_S = 0.005


_AS_BEFORE = "the project is as it was before"
_DONE = "all that was to be done is done"


class CancelledError(BaseException):
    """One of `SIGNALS` ended the run. `signal_number` is the signal's, `state` says in words what is left."""

    def __init__(self, signal_number: int) -> None:
        super().__init__(signal_number)
        self.signal_number = signal_number
        self.state = _DONE if _canceller.is_done else _AS_BEFORE


class _Canceller:
    """What is known of the signal that ends the run."""

    def __init__(self) -> None:
        #: what is to come again
        self._postponed: int | None = None
        self._is_raised = False
        #: whether it comes too late to have anything put back
        self.is_done = False

    def cancel(self, number: int, frame: FrameType | None) -> None:
        """Raise the exception, or postpone it. A handler of signals."""
        if _is_importing(frame):
            self._postpone(number)
            return
        self.forget()
        self._is_raised = True
        for one in SIGNALS:
            signal.signal(one, signal.SIG_IGN)
        raise CancelledError(number)

    def notice(self, unraisable: UnraisableHookArgs) -> bool:
        """Look at an exception that was swallowed; whether it is none of the others' business."""
        if isinstance(unraisable.exc_value, CancelledError):
            self._is_raised = False
            for one in SIGNALS:
                signal.signal(one, self.cancel)
            self._postpone(unraisable.exc_value.signal_number)
            return True
        # a file that was cut off between being opened and being entered has been closed thereby
        return self._is_raised and isinstance(unraisable.exc_value, ResourceWarning)

    def forget(self) -> None:
        """Let nothing come again. An alarm that has come already, and is not answered yet, finds nothing to send."""
        if self._postponed is not None:
            self._postponed = None
            signal.setitimer(signal.ITIMER_REAL, 0)

    def end(self) -> None:
        """Begin anew, for whoever runs another command in this process."""
        self.forget()
        self._is_raised = False
        self.is_done = False

    def _postpone(self, number: int) -> None:
        self._postponed = number
        signal.signal(signal.SIGALRM, self._send_again)
        signal.setitimer(signal.ITIMER_REAL, _AGAIN_S)

    def _send_again(self, _number: int, _frame: FrameType | None) -> None:
        number = self._postponed
        if number is None:
            return
        if signal.getsignal(number) is signal.SIG_IGN:
            self._postpone(number)  # what must be done to its end is going on
            return
        self._postponed = None
        # by now it may be the supervisor's to take, or be held back
        signal.raise_signal(number)


_canceller = _Canceller()


@contextmanager
def cancel_on_signals() -> Iterator[None]:
    """Raise `CancelledError` on the first signal; the ones that follow are ignored while things are put back."""
    previous_hook = sys.unraisablehook

    def notice(unraisable: UnraisableHookArgs) -> None:
        if not _canceller.notice(unraisable):
            previous_hook(unraisable)

    sys.unraisablehook = notice
    previous = {number: signal.signal(number, _canceller.cancel) for number in SIGNALS}
    try:
        yield
    finally:
        _canceller.end()
        for number, handler in previous.items():
            signal.signal(number, handler)
        sys.unraisablehook = previous_hook


def note_done() -> None:
    """Have a signal that comes from here on say that nothing of what the command has done is put back."""
    _canceller.is_done = True


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
    _canceller.forget()
    for number in SIGNALS:
        if signal.getsignal(number) == _canceller.cancel:
            signal.signal(number, signal.SIG_IGN)


def _is_importing(frame: FrameType | None) -> bool:
    while frame is not None:
        if frame.f_code.co_filename.startswith("<frozen importlib"):
            return True
        frame = frame.f_back
    return False
