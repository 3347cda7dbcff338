"""Doing work in a child process so that the memory it takes goes with it."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable

from pmpipe.errors import PmpipeError


def done_aside(work: Callable[[], None]) -> bool:
    """Run `work` in a forked child, and wait for it.

    Whatever the parent holds when it forks its workers is part of each of them. What `work` finds out must be left in
    a file. Its errors are not reported: who needs the outcome does the work again, and meets them itself.

    Args:
        work: must not write to standard output or change what the parent will look at, but for its outcome.

    Returns:
        whether it came to its end.
    """
    try:
        pid = os.fork()
    except OSError:
        return False  # there may be no further process: memory is the lesser worry then
    if pid == 0:
        status = 1
        try:
            work()
            status = 0
        except PmpipeError:
            status = 1
        finally:
            os._exit(status)
    try:
        return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
    except BaseException:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        raise
