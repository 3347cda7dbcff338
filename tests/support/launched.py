"""Runs that a prepared process forks, with the face of `subprocess.Popen`; see `support.launcher`."""

from __future__ import annotations

import atexit
import contextlib
import functools
import json
import os
import resource
import select
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from typing import IO

from support.launcher import NUMBER

#: the interpreter and the C library read these when a program starts
_READ_AT_START = ("PYTHON", "LANG", "LC_", "LD_", "MALLOC_", "GLIBC_", "TZ")


class Launched:
    """A run under way, or ended.

    Attributes:
        pid: its process id, that of its session too.
        returncode: its status or the negative number of the signal that killed it; None as long as that is not known.
        stdout: what it writes, as text.
        stderr: likewise.
    """

    def __init__(self, control: socket.socket, request: Mapping[str, object]) -> None:
        self.returncode: int | None = None
        out, theirs_out = os.pipe()
        err, theirs_err = os.pipe()
        self._answers, answers = os.pipe()
        nothing = os.open(os.devnull, os.O_RDONLY)
        theirs = [nothing, theirs_out, theirs_err, answers]
        try:
            socket.send_fds(control, [json.dumps(request).encode()], theirs)
        finally:
            for descriptor in theirs:
                os.close(descriptor)
        self.stdout = _reader(out)
        self.stderr = _reader(err)
        self.pid = self._number()

    def poll(self) -> int | None:
        """The status, if the run has ended."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.wait(timeout=0)
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        """Wait for the end, for `timeout` seconds at most.

        Raises:
            subprocess.TimeoutExpired: it has not come.
        """
        if self.returncode is None:
            if not select.select([self._answers], [], [], timeout)[0]:
                raise subprocess.TimeoutExpired("pmpipe", timeout or 0)
            self.returncode = self._number()
            os.close(self._answers)
        return self.returncode

    def communicate(self, timeout: float | None = None) -> tuple[str, str]:
        """All that is written and has not been read, to the end.

        Raises:
            subprocess.TimeoutExpired: it is not at its end after so many seconds.
        """
        deadline = None if timeout is None else time.monotonic() + timeout
        read: dict[IO[str], str] = {}
        readers = [
            threading.Thread(target=lambda stream=stream: read.update({stream: stream.read()}), daemon=True)
            for stream in (self.stdout, self.stderr)
        ]
        for reader in readers:
            reader.start()
        for reader in readers:
            reader.join(_left(deadline))
            if reader.is_alive():
                raise subprocess.TimeoutExpired("pmpipe", timeout or 0)
        self.wait(_left(deadline))
        self.stdout.close()
        self.stderr.close()
        return read[self.stdout], read[self.stderr]

    def send_signal(self, number: int) -> None:
        """Send a signal to the main process, unless it has ended."""
        if self.poll() is None:
            os.kill(self.pid, number)

    def _number(self) -> int:
        data = os.read(self._answers, NUMBER.size)
        assert data, "the launcher has ended"
        return NUMBER.unpack(data)[0]


def _left(deadline: float | None) -> float | None:
    """Seconds until then."""
    return None if deadline is None else max(0.0, deadline - time.monotonic())


def can_launch(special: Mapping[str, str], environment: Mapping[str, str]) -> bool:
    """Whether a run with these variables, besides the usual ones, is the same if it is forked.

    Args:
        special: what a test gives this run.
        environment: of the tests. Coverage begins to measure when an interpreter starts.
    """
    # the launcher has the limits that held when it began
    if resource.getrlimit(resource.RLIMIT_FSIZE)[0] != resource.RLIM_INFINITY:
        return False
    read_at_start = any(name.startswith(_READ_AT_START) for name in special)
    return not read_at_start and not any(name.startswith("COV") for name in environment)


def launch(module: str, words: Sequence[str], cwd: str, environment: Mapping[str, str]) -> Launched:
    """Begin ``python -m <module> <words>`` in a session of its own, without input."""
    request = {"module": module, "words": list(words), "cwd": cwd, "environment": dict(environment)}
    return Launched(_launcher(), request)


@functools.cache
def _launcher() -> socket.socket:
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    kept = {name: value for name, value in os.environ.items() if name == "PATH"}
    path = os.pathsep.join(entry for entry in sys.path if entry)
    process = subprocess.Popen(
        [sys.executable, "-m", "support.launcher", str(theirs.fileno())],
        env={**kept, "LANG": "C.UTF-8", "PYTHONPATH": path, "PYTHONWARNINGS": "error"},
        stdin=subprocess.DEVNULL,
        pass_fds=(theirs.fileno(),),
        start_new_session=True,
    )
    theirs.close()

    owner = os.getpid()

    def end() -> None:
        # what this process has forked leaves it alone
        if os.getpid() == owner:
            process.kill()
            process.wait()

    atexit.register(end)
    return ours


def _reader(descriptor: int) -> IO[str]:
    return open(descriptor, encoding="utf-8", errors="backslashreplace")
