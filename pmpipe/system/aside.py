"""Doing work in a child process so that the memory it takes goes with it."""

from __future__ import annotations

import contextlib
import fcntl
import os
import signal
import struct
from collections.abc import Callable
from typing import TypeAlias

from pmpipe.errors import HostError, PmpipeError
from pmpipe.system.interrupts import signals_held_back
from stages.signals import SIGNALS

#: How the work tells something.
Tell: TypeAlias = Callable[[bytes], None]

_LENGTH = struct.Struct("=Q")


class Aside:
    """Work that a forked child does meanwhile.

    Whatever the parent holds when it forks its workers is part of each of them. What the work finds out must be left in
    a file. Its errors are not reported: who needs the outcome does the work again, and meets them itself.

    Args:
        work: must not write to standard output or change what the parent will look at, but for its outcome. Whoever
            starts it must `join` or `stop` it. It may tell the parent something on its way, once.

    Raises:
        HostError: there is no descriptor left for it.
    """

    def __init__(self, work: Callable[[Tell], None]) -> None:
        try:
            # only the child has the end to write to, so that its own end closes the pipe
            self._pipe, told = os.pipe()
        except OSError as error:
            raise HostError.refused(error) from error
        with signals_held_back():
            try:
                self._pid = os.fork()
            except OSError:
                self._pid = -1  # there may be no further process: memory is the lesser worry then
            if self._pid == 0:
                for number in SIGNALS:
                    signal.signal(number, signal.SIG_DFL)
        if self._pid != 0:
            os.close(told)
            return
        status = 1
        try:
            work(lambda data: _tell(told, data))
            status = 0
        except PmpipeError:
            status = 1
        finally:
            os._exit(status)

    def fileno(self) -> int:
        """A descriptor that is readable when the child has ended, once `told` has taken what came before."""
        return self._pipe

    def told(self) -> bytes:
        """What the work tells on its way, waited for; empty if it has ended without a word. To be called once."""
        head = _read(self._pipe, _LENGTH.size)
        length: int = _LENGTH.unpack(head)[0] if head else 0
        return _read(self._pipe, length)

    def join(self) -> bool:
        """Wait for the child; whether it came to the work's end."""
        try:
            if self._pid < 0:
                return False
            status = os.waitpid(self._pid, 0)[1]
            self._pid = -1
            return os.waitstatus_to_exitcode(status) == 0
        finally:
            self.stop()

    def stop(self) -> None:
        """End the child, whatever it has done so far; nothing if it was joined."""
        if self._pid >= 0:
            os.kill(self._pid, signal.SIGKILL)
            os.waitpid(self._pid, 0)
            self._pid = -1
        if self._pipe >= 0:
            os.close(self._pipe)
            self._pipe = -1


def _tell(pipe: int, data: bytes) -> None:
    """Put it into the pipe as far as there is room: nobody need be there to read it."""
    message = _LENGTH.pack(len(data)) + data
    with contextlib.suppress(OSError):  # more than an unprivileged process may ask for
        fcntl.fcntl(pipe, fcntl.F_SETPIPE_SZ, len(message))
    os.set_blocking(pipe, False)
    os.write(pipe, message)


def _read(pipe: int, length: int) -> bytes:
    """So many bytes; nothing if there are fewer."""
    parts: list[bytes] = []
    while length:
        part = os.read(pipe, length)
        if not part:
            return b""
        parts.append(part)
        length -= len(part)
    return b"".join(parts)
