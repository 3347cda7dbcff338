"""Ending with the process that has started this one, however that ends."""

from __future__ import annotations

import ctypes

_PR_SET_PDEATHSIG = 1
_prctl = ctypes.CDLL(None).prctl


def die_with_parent(number: int) -> None:
    """Have the kernel send this process a signal when the process that has started it is gone.

    It is one system call, so it may stand between fork and exec.

    Args:
        number: the signal's.
    """
    _prctl(_PR_SET_PDEATHSIG, number)
