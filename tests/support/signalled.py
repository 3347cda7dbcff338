"""Children that are sent a signal before they have run a line of their own."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator

import pytest

#: Whether it is so now: what is registered at the interpreter stays for good.
_now: list[bool] = []


def _signal_oneself() -> None:
    if _now:
        os.kill(os.getpid(), signal.SIGTERM)


os.register_at_fork(after_in_child=_signal_oneself)


@pytest.fixture
def signalled_children() -> Iterator[None]:
    """Every child that is forked meanwhile has a SIGTERM as soon as it exists."""
    _now.append(True)
    yield
    _now.clear()
