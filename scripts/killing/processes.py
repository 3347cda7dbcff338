"""Running a command in a process group of its own, and killing all of it at one instant."""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

_PR_SET_CHILD_SUBREAPER = 36


@dataclass(frozen=True, slots=True)
class Ran:
    """How a command ended; a status below zero is the signal that killed it."""

    status: int
    output: str
    seconds: float


def adopt_orphans() -> None:
    """Make this process the parent of all orphans below it: only so can it wait until the last of a group has gone.

    Raises:
        OSError: the kernel refused.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0):
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_CHILD_SUBREAPER) failed")


def run(command: Sequence[str], environment: Mapping[str, str], folder: str, timeout_s: float) -> Ran:
    """Run a command undisturbed.

    Raises:
        subprocess.TimeoutExpired: it hung; its group has been killed.
    """
    started = time.monotonic()
    child = _start(command, environment, folder, stdout=subprocess.PIPE)
    try:
        output, _ = child.communicate(timeout=timeout_s)
    except subprocess.TimeoutExpired:
        _kill_group(child)
        raise
    return Ran(child.returncode, output, time.monotonic() - started)


def run_and_kill(command: Sequence[str], environment: Mapping[str, str], folder: str, instant_s: float) -> int:
    """Start a command, and kill its process group after so many seconds; gives the leader's status.

    When this returns, no process of the group is left, not even as a zombie.
    """
    child = _start(command, environment, folder, stdout=subprocess.DEVNULL)
    time.sleep(instant_s)
    _kill_group(child)
    return child.returncode


def _start(
    command: Sequence[str], environment: Mapping[str, str], folder: str, *, stdout: int
) -> subprocess.Popen[str]:
    return subprocess.Popen(
        command,
        cwd=folder,
        env=dict(environment),
        stdin=subprocess.DEVNULL,
        stdout=stdout,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
        errors="replace",
        start_new_session=True,
    )


def _kill_group(child: subprocess.Popen[str]) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(child.pid, signal.SIGKILL)
    child.wait()
    # whoever lost its parent is ours now, see `adopt_orphans`
    with contextlib.suppress(ChildProcessError):
        while True:
            os.waitpid(-child.pid, 0)
