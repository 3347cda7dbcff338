"""Doing work in a child process so that the memory it takes goes with it."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable

from pmpipe.errors import PmpipeError


class Aside:
    """Work that a forked child does meanwhile.

    Whatever the parent holds when it forks its workers is part of each of them. What the work finds out must be left in
    a file. Its errors are not reported: who needs the outcome does the work again, and meets them itself.

    Args:
        work: must not write to standard output or change what the parent will look at, but for its outcome. Whoever
            starts it must `join` or `stop` it.
    """

    def __init__(self, work: Callable[[], None]) -> None:
        try:
            self._pid = os.fork()
        except OSError:
            self._pid = -1  # there may be no further process: memory is the lesser worry then
        if self._pid == 0:
            status = 1
            try:
                work()
                status = 0
            except PmpipeError:
                status = 1
            finally:
                os._exit(status)

    def join(self) -> bool:
        """Wait for the child; whether it came to the work's end."""
        if self._pid < 0:
            return False
        try:
            return os.waitstatus_to_exitcode(os.waitpid(self._pid, 0)[1]) == 0
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """End the child, whatever it has done so far."""
        if self._pid >= 0:
            os.kill(self._pid, signal.SIGKILL)
            os.waitpid(self._pid, 0)


def done_aside(work: Callable[[], None]) -> bool:
    """Have work done by a child, and wait for it; whether it came to its end. See `Aside`."""
    return Aside(work).join()
