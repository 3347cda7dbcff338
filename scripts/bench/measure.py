#!/usr/bin/env python3
"""Runs one command and measures it and all its descendants; writes a `Measurement` as JSON.

It is a process of its own, one per run: as a "child subreaper" it inherits every orphan of the command, so that the
memory of daemons is seen and their processor time is counted, and its other children are none.

User and system time, faults and context switches are wait4's: those of the command and of all descendants that were
waited for, by their parents or here. Memory is the sum of the resident sets of all processes, sampled; pages that
processes share are counted once for each (``--pss`` shares them out, at the price of walking the page tables).
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import resource
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence

import msgspec

PR_SET_PDEATHSIG = 1
PR_SET_CHILD_SUBREAPER = 36
SAMPLE_S = 0.025
#: every so many samples, the proportional set size is read too
PSS_EVERY = 4
#: what may outlive the command this long before it is killed
GRACE_S = 5.0
PAGE_BYTES = resource.getpagesize()


class Measurement(msgspec.Struct, kw_only=True):
    """One run's figures: seconds, bytes and counts; ``status`` is the exit status, negative for a signal."""

    status: int = 0
    timed_out: bool = False
    wall_s: float = 0.0
    user_s: float = 0.0
    system_s: float = 0.0
    minor_faults: int = 0
    major_faults: int = 0
    voluntary_switches: int = 0
    involuntary_switches: int = 0
    peak_rss_bytes: int = 0
    peak_pss_bytes: int = 0
    peak_processes: int = 0
    samples: int = 0
    #: processes that had to be killed after the command had ended
    stragglers: int = 0


def _descendants(pid: int) -> Iterator[int]:
    """All processes below a process. The kernel lists children by the thread that made them."""
    with contextlib.suppress(OSError):
        for thread in os.listdir(f"/proc/{pid}/task"):
            with contextlib.suppress(OSError), open(f"/proc/{pid}/task/{thread}/children", "rb") as file:
                for child in file.read().split():
                    yield int(child)
                    yield from _descendants(int(child))


def _resident_bytes(pid: int) -> int:
    with contextlib.suppress(OSError), open(f"/proc/{pid}/statm", "rb") as file:
        return int(file.read().split()[1]) * PAGE_BYTES
    return 0


def _proportional_bytes(pid: int) -> int:
    # ESRCH: the process became a zombie between the listing and the reading
    with contextlib.suppress(OSError), open(f"/proc/{pid}/smaps_rollup", "rb") as file:
        for line in file:
            if line.startswith(b"Pss:"):
                return int(line.split()[1]) * 1024
    return 0


class _Sampler(threading.Thread):
    """Keeps the highest memory and number of processes below this process."""

    def __init__(self, *, pss: bool) -> None:
        super().__init__(daemon=True)
        self._pss = pss
        self._done = threading.Event()
        self.peak_rss_bytes = self.peak_pss_bytes = self.peak_processes = self.samples = 0

    def run(self) -> None:
        """Sample until told to finish."""
        while not self._done.wait(SAMPLE_S):
            pids = list(_descendants(os.getpid()))
            self.peak_rss_bytes = max(self.peak_rss_bytes, sum(map(_resident_bytes, pids)))
            self.peak_processes = max(self.peak_processes, len(pids))
            if self._pss and self.samples % PSS_EVERY == 0:
                self.peak_pss_bytes = max(self.peak_pss_bytes, sum(map(_proportional_bytes, pids)))
            self.samples += 1

    def finish(self) -> None:
        """Stop sampling."""
        self._done.set()
        self.join()


def measure(command: Sequence[str], log_path: str, *, timeout_s: float, pss: bool) -> Measurement:
    """Run a command in the current folder and environment, its output going to a file.

    Only for a process without other children: every child is waited for.
    """
    _prctl(PR_SET_CHILD_SUBREAPER, 1)
    result = Measurement()
    sampler = _Sampler(pss=pss)
    with open(log_path, "wb") as log:
        began = time.perf_counter()
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            preexec_fn=lambda: _prctl(PR_SET_PDEATHSIG, signal.SIGKILL),  # noqa: PLW1509 - no other thread yet
        )
        sampler.start()

        def kill_late() -> None:
            result.timed_out = True
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)

        timer = threading.Timer(timeout_s, kill_late)
        timer.start()
        _, status, usage = os.wait4(process.pid, 0)
        result.wall_s = time.perf_counter() - began
        timer.cancel()
    process.returncode = result.status = os.waitstatus_to_exitcode(status)
    _add_usage(result, usage)
    _reap_orphans(result)
    sampler.finish()
    result.peak_rss_bytes, result.peak_pss_bytes = sampler.peak_rss_bytes, sampler.peak_pss_bytes
    result.peak_processes, result.samples = sampler.peak_processes, sampler.samples
    return result


def _prctl(option: int, value: int) -> None:
    if ctypes.CDLL(None, use_errno=True).prctl(option, value, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), f"prctl({option})")


def _reap_orphans(result: Measurement) -> None:
    deadline = time.monotonic() + GRACE_S
    killed = False
    while True:
        try:
            pid, _, usage = os.wait4(-1, os.WNOHANG)
        except ChildProcessError:
            return
        if pid:
            _add_usage(result, usage)
        elif time.monotonic() > deadline and not killed:
            killed = True
            for orphan in list(_descendants(os.getpid())):
                result.stragglers += 1
                with contextlib.suppress(ProcessLookupError):
                    os.kill(orphan, signal.SIGKILL)
        else:
            time.sleep(0.01)


def _add_usage(result: Measurement, usage: resource.struct_rusage) -> None:
    result.user_s += usage.ru_utime
    result.system_s += usage.ru_stime
    result.minor_faults += usage.ru_minflt
    result.major_faults += usage.ru_majflt
    result.voluntary_switches += usage.ru_nvcsw
    result.involuntary_switches += usage.ru_nivcsw


def main() -> int:
    """``measure.py RESULT LOG TIMEOUT_S rss|pss COMMAND…`` in the folder and environment of the command."""
    _prctl(PR_SET_PDEATHSIG, signal.SIGTERM)  # an interrupted benchmark leaves nothing running
    result_path, log_path, timeout_s, memory, *command = sys.argv[1:]
    result = measure(command, log_path, timeout_s=float(timeout_s), pss=memory == "pss")
    with open(result_path, "wb") as file:
        file.write(msgspec.json.encode(result))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
