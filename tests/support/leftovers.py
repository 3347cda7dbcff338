"""What a part of a test must not leave behind in the tests' own process."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

import psutil


@contextmanager
def nothing_is_left() -> Iterator[None]:
    """The context ends with the children and the descriptors that it began with.

    Children that have ended and that nobody has waited for count.
    """
    children = psutil.Process().children()
    descriptors = sorted(os.listdir("/proc/self/fd"))
    yield
    assert psutil.Process().children() == children
    assert sorted(os.listdir("/proc/self/fd")) == descriptors
