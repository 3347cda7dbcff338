"""The loop that every stage process runs, and how a worker that meets its own bug says so before it ends.

A worker takes one batch of jobs, carries them out in order, and sends the results as soon as they fill a datagram or
the batch is done. What a handler raises is by definition unexpected: the worker sends its traceback and ends with
`CRASH_STATUS`, and the supervisor fails the run. A worker ends quietly when every sender of its jobs is gone, be it
that the supervisor closed the channel or that it was killed.
"""

from __future__ import annotations

import os
import signal
import struct
import traceback
from collections.abc import Callable, Iterable, Sequence
from mmap import mmap

from stages.channel import MAXIMUM_DATAGRAM_BYTES, Channel
from stages.messages import Crashed, Job, JobId, Result, decode_jobs, encode
from stages.signals import SIGNALS

#: Exit status of a worker that raised (EX_SOFTWARE).
CRASH_STATUS = 70

#: No job in hand.
IDLE = JobId(-1)

#: Results are sent when they have this many bytes, so that a datagram never comes near its maximum.
_FLUSH_BYTES = 16 << 10

_JOB = struct.Struct("q")
_GROUP = struct.Struct("q")

#: What a `JobBoard` needs for each worker.
ROW_BYTES = _JOB.size + _GROUP.size

Handler = Callable[[Job], Iterable[Result]]


class JobBoard:
    """What each worker has in hand, in shared memory, so that it is known even of a worker that was killed.

    Args:
        memory: a shared mapping made before the fork, `ROW_BYTES` a row.
        row: this worker's.
        stage: the worker's kind.
    """

    def __init__(self, memory: mmap, row: int, stage: str) -> None:
        self.stage = stage
        self._memory = memory
        self._offset = row * ROW_BYTES

    def take(self, job: JobId) -> None:
        """Note that `job` is in hand from now on; `IDLE` when none is."""
        _JOB.pack_into(self._memory, self._offset, job)

    def in_hand(self) -> JobId:
        """The job in hand, or `IDLE`."""
        return JobId(_JOB.unpack_from(self._memory, self._offset)[0])

    def note_group(self, group: int) -> None:
        """Note the group of processes that this worker has started, and would end if it could; 0 when there is none."""
        _GROUP.pack_into(self._memory, self._offset + _JOB.size, group)

    def group(self) -> int:
        """The process group that was noted last; 0 if there is none."""
        group: int = _GROUP.unpack_from(self._memory, self._offset + _JOB.size)[0]
        return group


def run_jobs(handle: Handler, jobs: Channel, results: Channel, board: JobBoard) -> None:
    """Carry out jobs until the channel of jobs ends.

    Args:
        handle: does one job and yields its results; expected trouble is a `Failed` result, never an exception.
        jobs: where batches of jobs come from.
        results: where batches of results go.
        board: is told which job is in hand.
    """
    outbox = _Outbox(results)
    while (datagram := jobs.get()) is not None:
        for job in decode_jobs(datagram):
            board.take(job.job)
            try:
                for result in handle(job):
                    outbox.add(result)
            except Exception:  # noqa: BLE001 - whatever it is, the run must fail with this traceback
                outbox.flush()
                crash(board, results)
        outbox.flush()
        board.take(IDLE)


def crash(board: JobBoard, results: Channel) -> None:
    """Send the current exception's traceback and end this process at once. Does not return."""
    # a message may hold what UTF-8 cannot, the name of a file for instance
    text = traceback.format_exc().encode("utf-8", "backslashreplace")[-MAXIMUM_DATAGRAM_BYTES // 4 :]
    try:
        results.put(encode([Crashed(board.in_hand(), board.stage, text.decode("utf-8", "replace"))]))
    finally:
        # also if the supervisor is gone, and nobody is left who could be told
        os._exit(CRASH_STATUS)


def become_worker(stage: str, channels: Sequence[Channel], jobs: Channel, results: Channel) -> None:
    """What a freshly forked worker does first: leave signals to the supervisor, and keep its own channel ends only.

    A worker that kept the sending end of a channel of jobs would never see that channel's end.

    Args:
        stage: the worker's kind, for process listings.
        channels: all channels that exist in the supervisor at the time of the fork.
        jobs: the channel that this worker receives from.
        results: the channel that this worker sends to.
    """
    for number in SIGNALS:
        # a SIGTERM that waits already would be lost if it were ignored for a moment
        signal.signal(number, signal.SIG_DFL if number == signal.SIGTERM else signal.SIG_IGN)
    signal.set_wakeup_fd(-1)
    # who forked has held them back, so that none comes before this
    signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)
    _name_process(f"pmpipe-{stage}")
    for channel in channels:
        if channel is not jobs and channel is not results:
            channel.close()
    jobs.keep_receiving()
    results.keep_sending()


def _name_process(name: str) -> None:
    """Let ``ps`` and ``top`` tell the stages apart."""
    try:
        with open("/proc/self/comm", "wb", buffering=0) as file:
            file.write(name.encode())
    except OSError:
        return  # a name is a convenience; some sandboxes have no writable /proc


def chunked(results: Iterable[Result]) -> Iterable[Sequence[Result]]:
    """Batches of results that each fit in a datagram."""
    batch: list[Result] = []
    size = 0
    for result in results:
        length = len(encode([result]))
        if batch and size + length > _FLUSH_BYTES:
            yield batch
            batch, size = [], 0
        batch.append(result)
        size += length
    if batch:
        yield batch


class _Outbox:
    """Results of this worker that are not sent yet."""

    def __init__(self, results: Channel) -> None:
        self._results = results
        self._pending: list[Result] = []

    def add(self, result: Result) -> None:
        self._pending.append(result)

    def flush(self) -> None:
        for batch in chunked(self._pending):
            self._results.put(encode(batch))
        self._pending.clear()
