"""Running a command in a process group of its own, and killing all of it, or one process of it, at one instant."""

from __future__ import annotations

import contextlib
import ctypes
import os
import random
import signal
import subprocess
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import IO

_PR_SET_CHILD_SUBREAPER = 36
_LOOK_EVERY_S = 0.001
#: how long the others may take when one process of a command was killed; only a hang takes as long
_OTHERS_S = 60.0


@dataclass(frozen=True, slots=True)
class Ran:
    """How a command ended; a status below zero is the signal that killed it."""

    status: int
    output: str
    seconds: float


@dataclass(frozen=True, slots=True)
class OneKilled:
    """How a command went of which one process was killed.

    Attributes:
        name: of the process, as process listings have it; empty if the command had ended before.
        is_leader: it was the process that the command began with.
        ran: how the leader ended.
        hung: the leader, or anyone of the group, was still there after a minute; all of them have been killed since.
    """

    name: str
    is_leader: bool
    ran: Ran
    hung: bool


@dataclass(frozen=True, slots=True)
class Instant:
    """When a command is killed; written ``0.1234``, or ``0.1234+0.0567``.

    Attributes:
        start_s: seconds after its start; what follows is None.
        after_s: seconds after a path has appeared, however long that takes on a busy machine; if it was there before,
            after `start_s` have passed.
    """

    start_s: float
    after_s: float | None = None

    def __str__(self) -> str:
        after = "" if self.after_s is None else f"+{self.after_s:.4f}"
        return f"{self.start_s:.4f}{after}"

    @classmethod
    def parse(cls, text: str) -> Instant:
        """The instant that is written so.

        Raises:
            ValueError: it is none.
        """
        start, plus, after = text.partition("+")
        return cls(float(start), float(after) if plus else None)


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


def first_sight(command: Sequence[str], environment: Mapping[str, str], folder: str, path: str) -> tuple[float, float]:
    """Run a command undisturbed and watch for a path: seconds until it was first seen, and until the end.

    Where it was never seen, both are the end's.
    """
    started = time.monotonic()
    child = _start(command, environment, folder, stdout=subprocess.DEVNULL)
    seen_s = None
    while child.poll() is None:
        if seen_s is None and os.path.lexists(path):
            seen_s = time.monotonic() - started
        time.sleep(_LOOK_EVERY_S)
    ended_s = time.monotonic() - started
    return (ended_s if seen_s is None else seen_s, ended_s)


def run_and_kill(
    command: Sequence[str], environment: Mapping[str, str], folder: str, instant: Instant, path: str
) -> int:
    """Start a command, kill its process group at an instant, and give the leader's status.

    When this returns, no process of the group is left, not even as a zombie.

    Args:
        command: what is started.
        environment: all of its environment.
        folder: its working folder.
        instant: when it is killed.
        path: what the instant may refer to.
    """
    was_there = os.path.lexists(path)
    child = _start(command, environment, folder, stdout=subprocess.DEVNULL)
    _wait_for(child, instant, path, was_there=was_there)
    _kill_group(child)
    return child.returncode


def run_and_kill_one(
    command: Sequence[str],
    environment: Mapping[str, str],
    folder: str,
    instant: Instant,
    path: str,
    rng: random.Random,
) -> OneKilled:
    """Start a command, kill one process of its group at an instant, and wait for the others to end by themselves.

    Args:
        command: what is started.
        environment: all of its environment.
        folder: its working folder.
        instant: when the process is killed.
        path: what the instant may refer to.
        rng: chooses the process.
    """
    was_there = os.path.lexists(path)
    started = time.monotonic()
    with tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace") as output:
        child = _start(command, environment, folder, stdout=output)
        _wait_for(child, instant, path, was_there=was_there)
        victim, name = _kill_member(child.pid, rng)
        hung = not _ends(child)
        _kill_group(child)
        output.seek(0)
        ran = Ran(child.returncode, output.read(), time.monotonic() - started)
    return OneKilled(name, victim == child.pid, ran, hung)


def _wait_for(child: subprocess.Popen[str], instant: Instant, path: str, *, was_there: bool) -> None:
    if instant.after_s is None:
        time.sleep(instant.start_s)
    elif was_there:
        time.sleep(instant.start_s + instant.after_s)
    else:
        while child.poll() is None and not os.path.lexists(path):
            time.sleep(_LOOK_EVERY_S)
        time.sleep(instant.after_s)


def _members(group: int) -> list[tuple[int, str]]:
    """Numbers and names of a group's processes that have not ended."""
    found = []
    for name in os.listdir("/proc"):
        if not name.isdecimal():
            continue
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            with open(f"/proc/{name}/stat", encoding="utf-8", errors="replace") as file:
                before, _, after = file.read().rpartition(")")
            state, _, its_group = after.split()[:3]
            if int(its_group) == group and state not in "ZX":
                found.append((int(name), before.partition("(")[2]))
    return sorted(found)


def _kill_member(group: int, rng: random.Random) -> tuple[int, str]:
    """Kill one process of a group; its number and name, 0 and nothing if all have ended."""
    while members := _members(group):
        victim, name = rng.choice(members)
        # one that ends just now is no victim
        with contextlib.suppress(ProcessLookupError):
            os.kill(victim, signal.SIGKILL)
            return victim, name
    return 0, ""


def _ends(child: subprocess.Popen[str]) -> bool:
    """Whether a leader and its whole group end by themselves."""
    deadline = time.monotonic() + _OTHERS_S
    while child.poll() is None or _members(child.pid):
        if time.monotonic() > deadline:
            return False
        time.sleep(_LOOK_EVERY_S)
    return True


def _start(
    command: Sequence[str], environment: Mapping[str, str], folder: str, *, stdout: int | IO[str]
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
