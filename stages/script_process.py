"""One process of a lifecycle script: how it starts, how it is watched, and how it ends with all that it has started."""

from __future__ import annotations

import contextlib
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from typing import IO

from stages.messages.scripting import ShownOn
from stages.parent_death import die_with_parent
from stages.signals import SIGNALS

#: Of what a script writes the end is kept.
_KEPT_BYTES = 8 << 10

#: How often (seconds) it is looked whether a script has ended, where the kernel cannot tell.
_TICK_S = 0.02

#: So long (seconds) the kernel waits at most. What a signal has to do that comes just before it begins is done by the
#: interpreter when the waiting is over, and a script may take an hour.
_LONGEST_WAIT_S = 0.25

#: How long (seconds) a script may take to end after SIGTERM.
_TERM_S = 0.2


class ScriptProcess:
    """A script that runs by itself, in a session of its own: nothing of it is left when it is ended.

    Args:
        shell: the program that gets the command, by name or path.
        command: what it is to do.
        folder: absolute path of the working folder.
        environment: all of it.
        shown_on: where it writes; empty: what it writes is kept.

    Raises:
        OSError: it cannot be started.
    """

    def __init__(
        self, shell: str, command: str, folder: str, environment: Mapping[str, str], *, shown_on: ShownOn
    ) -> None:
        # where this process writes, or to its standard error
        shown = (sys.stderr or subprocess.DEVNULL) if shown_on == "stderr" else None
        self._kept = bytearray()
        self._process = subprocess.Popen(
            [shell, "-c", command],
            cwd=folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=shown if shown_on else subprocess.PIPE,
            stderr=None if shown_on else subprocess.STDOUT,
            start_new_session=True,
            # there are no threads here, and nothing but system calls in it
            preexec_fn=begin_script,  # noqa: PLW1509
        )

    @property
    def group(self) -> int:
        """The number of its process group."""
        return self._process.pid

    @property
    def output(self) -> str:
        """The end of what it has written."""
        return self._kept.decode("utf-8", "replace")

    def wait(self) -> int:
        """Wait for its end, not for that of what it leaves running: the exit status, or minus the signal's number."""
        output = self._process.stdout
        with _readable_at_end(self._process.pid) as pidfd, contextlib.ExitStack() as closing:
            poll = select.poll()
            if pidfd >= 0:
                poll.register(pidfd, select.POLLIN)
            if output is not None:
                closing.enter_context(output)
                os.set_blocking(output.fileno(), False)
                poll.register(output, select.POLLIN)
            while self._process.poll() is None:
                ready = {descriptor for descriptor, _ in poll.poll((_LONGEST_WAIT_S if pidfd >= 0 else _TICK_S) * 1000)}
                if output is not None and output.fileno() in ready and not self._take_in(output):
                    poll.unregister(output)
                    output = None
            if output is not None:
                self._take_in(output)
        status: int = self._process.returncode
        return status

    def end(self) -> None:
        """End it, and whatever it has started and not taken out of its session."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGTERM)
            deadline = time.monotonic() + _TERM_S
            while time.monotonic() < deadline and self._process.poll() is None:
                time.sleep(_TICK_S / 4)
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()

    def _take_in(self, output: IO[bytes]) -> bool:
        """Read what is there; False at the end."""
        while True:
            try:
                part = os.read(output.fileno(), 1 << 16)
            except BlockingIOError:
                return True
            if not part:
                return False
            self._kept = (self._kept + part)[-_KEPT_BYTES:]


@contextlib.contextmanager
def _readable_at_end(pid: int) -> Iterator[int]:
    """A descriptor that is readable when a child has ended; -1 where there are none."""
    try:
        descriptor = os.pidfd_open(pid)
    except (AttributeError, OSError):
        descriptor = -1
    try:
        yield descriptor
    finally:
        if descriptor >= 0:
            os.close(descriptor)


def begin_script(at_parents_end: int = signal.SIGKILL) -> None:
    """What a script begins with, before its shell does: signals as a shell in a terminal has them.

    Args:
        at_parents_end: the signal that it gets if the process that has started it is gone.
    """
    die_with_parent(at_parents_end)
    for number in SIGNALS:
        signal.signal(number, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)


@contextlib.contextmanager
def ended_by_sigterm(end: Callable[[], None]) -> Iterator[None]:
    """While the context lasts, SIGTERM ends this process after `end`; also when whoever has started it is gone."""

    def handle(number: int, _frame: object) -> None:
        try:
            end()
        finally:
            os._exit(128 + number)

    parent = os.getppid()
    previous = signal.signal(signal.SIGTERM, handle)
    die_with_parent(signal.SIGTERM)
    if os.getppid() != parent:
        os.kill(os.getpid(), signal.SIGTERM)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, previous)
