"""Counting what the interpreter does: a test of how work grows must not look at the clock."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def counted_work() -> Iterator[Counter[str]]:
    """The interpreter's events while the context lasts, by kind: "call" and "c_call" and their returns."""
    seen: Counter[str] = Counter()
    sys.setprofile(lambda frame, event, _: seen.update([event]))
    try:
        yield seen
    finally:
        sys.setprofile(None)
