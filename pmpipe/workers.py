"""The stage processes of one run: when they start, how they are fed, how they end.

Workers are forked, not spawned: a fork costs a millisecond where a fresh interpreter with its imports costs a hundred,
and the shared arena is inherited. That asks for a main process without threads, which is why nothing here uses
`multiprocessing.Queue` or an executor.
"""

from __future__ import annotations

import gc
import mmap
import multiprocessing
import os
import select
import signal
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from multiprocessing.context import ForkProcess

import msgspec

from pmpipe.orders import StageName, WorkerDied
from pmpipe.system.interrupts import signals_held_back
from stages.channel import MAXIMUM_DATAGRAM_BYTES, Channel
from stages.messages import CachedDocument, Crashed, Job, decode_results, encode
from stages.worker import IDLE, ROW_BYTES, JobBoard, become_worker, crash

#: What a stage's process runs, given its jobs' channel, the results' channel, and its row on the job board.
WorkerMain = Callable[[Channel, Channel, JobBoard], None]

#: Jobs in one datagram at most; more would only delay the first result.
BATCH = 16

#: How long (seconds) workers may take to end in peace, and after SIGTERM, before they are killed.
_PEACE_S = 2.0
_TERM_S = 0.3

#: What is lost with a worker that dies when the tree is complete.
_LOST = {StageName.CACHE: ": packuments that it was to keep will be fetched again"}

_ROWS = mmap.PAGESIZE // ROW_BYTES


class Stage(msgspec.Struct):
    """One kind of worker process.

    Attributes:
        name: which one.
        count: how many processes at most.
        slots: how many jobs may be in flight; the bound of its channel.
        main: what each process runs.
    """

    name: StageName
    count: int
    slots: int
    main: WorkerMain


class _Worker(msgspec.Struct):
    process: ForkProcess
    stage: StageName
    board: JobBoard


class Workers:
    """All processes of one run, and the channels to and from them.

    Args:
        stages: the stages of this run; nothing is started for them yet.
        results: where all workers send their results; made here.

    Attributes:
        notes: why documents could not be kept, of writes that nobody has waited for.
        warnings: of workers that died when there was nothing left that could fail, one line each.
    """

    def __init__(self, stages: Sequence[Stage]) -> None:
        self.stages = stages
        self.notes: list[str] = []
        self.warnings: list[str] = []
        self._context = multiprocessing.get_context("fork")
        # every result answers a job in flight, so this many slots always suffice
        self.results = Channel(self._context, sum(stage.slots for stage in stages) + _ROWS, "results")
        self._by_name = {stage.name: stage for stage in stages}
        self._jobs: dict[StageName, Channel] = {}
        self._alive: list[_Worker] = []
        #: all and only processes that were dismissed
        self._leaving: list[_Worker] = []
        self._rows_taken = 0
        self._started = {stage.name: 0 for stage in stages}
        #: encoded batches that the kernel had no room for; sent again when results come in
        self._outbox: dict[StageName, list[bytes]] = {stage.name: [] for stage in stages}
        self._memory = mmap.mmap(-1, mmap.PAGESIZE)
        #: registered once: building a selector for every wait would cost more than handling the event
        self._poll = select.epoll()
        self._poll.register(self.results.fileno(), select.EPOLLIN)
        self._sentinels: set[int] = set()

    # -- feeding --------------------------------------------------------------------------------------------------

    def send(self, stage: StageName, jobs: Sequence[Job], in_flight: int) -> None:
        """Queue jobs for a stage, starting as many of its processes as the work in flight can use.

        Args:
            stage: whose jobs these are.
            jobs: at least one; the scheduler has counted a free slot for each.
            in_flight: how many jobs the stage has now, these included.

        Raises:
            queue.Full: more jobs than slots: a bug of the scheduler.
        """
        while self._started[stage] < min(self._by_name[stage].count, in_flight):
            self._start(stage)
        # small lots while there are idle workers, so that all of them get some
        size = max(1, min(BATCH, len(jobs) // self._by_name[stage].count))
        unsent = self._outbox[stage]
        for start in range(0, len(jobs), size):
            unsent.extend(_datagrams(jobs[start : start + size]))
        self._flush(stage, unsent)

    def prepare(self, stage: StageName) -> None:
        """Start a stage's first process before its first job."""
        if not self._started[stage]:
            self._start(stage)

    def flush(self) -> None:
        """Send what the kernel had no room for before."""
        for stage, unsent in self._outbox.items():
            if unsent:
                self._flush(stage, unsent)

    def _flush(self, stage: StageName, unsent: list[bytes]) -> None:
        while unsent and self._jobs[stage].try_put(unsent[0]):
            unsent.pop(0)

    def _start(self, name: StageName) -> None:
        stage = self._by_name[name]
        if name not in self._jobs:
            # each job may come alone in its datagram, and each may be followed by word that it is withdrawn, that its
            # bytes count no longer, and that its space is released
            self._jobs[name] = Channel(self._context, 4 * stage.slots, name.value)
            # what lives now lives until the end: neither collected here nor copied page by page in the workers
            gc.freeze()
        board = JobBoard(self._memory, self._rows_taken, name.value)
        self._rows_taken += 1
        board.take(IDLE)
        channels = [*self._jobs.values(), self.results]
        process = self._context.Process(
            target=_run_worker,
            args=(stage.main, channels, self._jobs[name], self.results, board),
            name=f"pmpipe-{name.value}-{self._started[name]}",
            daemon=True,
        )
        # until it is known, a signal's exception would leave it behind
        with signals_held_back():
            process.start()
            self._alive.append(_Worker(process, name, board))
            self._started[name] += 1
            self._sentinels.add(process.sentinel)
            self._poll.register(process.sentinel, select.EPOLLIN)

    def dismiss(self, stage: StageName) -> None:
        """Let a stage's processes end by themselves: no more work comes, and their end is no death any more."""
        channel = self._jobs.pop(stage, None)
        if channel is None:
            return
        channel.close()
        for worker in [worker for worker in self._alive if worker.stage is stage]:
            self._alive.remove(worker)
            self._leaving.append(worker)
            self._sentinels.discard(worker.process.sentinel)
            self._poll.unregister(worker.process.sentinel)

    # -- watching -------------------------------------------------------------------------------------------------

    def watch(self, fd: int) -> None:
        """Let `wait` end when this descriptor becomes readable, too."""
        self._poll.register(fd, select.EPOLLIN)

    def unwatch(self, fd: int) -> None:
        """Take `watch` back; afterwards the descriptor may be closed."""
        if not self._poll.closed:
            self._poll.unregister(fd)

    def wait(self, timeout_s: float) -> set[int]:
        """The descriptors that are readable, after `timeout_s` seconds at the latest."""
        return {fd for fd, _ in self._poll.poll(timeout_s)}

    def has_death(self, readable: set[int]) -> bool:
        """Whether one of the readable descriptors says that a process has ended."""
        return not readable.isdisjoint(self._sentinels)

    def deaths(self) -> Iterator[WorkerDied]:
        """The processes that have ended; before the run is over none should."""
        for worker in self._alive:
            if not worker.process.is_alive():
                exitcode = worker.process.exitcode
                yield WorkerDied(worker.stage, worker.process.pid or 0, exitcode or 0, worker.board.in_hand())

    # -- ending ---------------------------------------------------------------------------------------------------

    def let_go(self) -> None:
        """Close the jobs' channels: the workers end by themselves, without anybody waiting for them."""
        for channel in self._jobs.values():
            channel.close()

    def end_in_peace(self) -> None:
        """Let the workers go and wait for them; who does not leave within `_PEACE_S` is stopped.

        They end when all that they were given is done. That can only be writes to the cache of packuments: those that
        are not quick are given up.
        """
        self.let_go()
        self._join(_PEACE_S)
        if not self._poll.closed:
            self._listen_to_the_last()
        self.stop()

    def _listen_to_the_last(self) -> None:
        """Note what nobody has waited for, and what could not be done of it."""
        while (datagram := self.results.get_nowait()) is not None:
            for late in decode_results(datagram):
                if isinstance(late, CachedDocument) and late.problem:
                    self.notes.append(late.problem)
                elif isinstance(late, Crashed):
                    self.notes += late.traceback.splitlines()
        self.warnings += [
            f"the {death.stage.value} stage's worker {death.cause} when all else was done{_LOST.get(death.stage, '')}"
            for death in self.deaths()
            if death.exitcode
        ]

    def stop(self) -> None:
        """End every worker now: SIGTERM, then SIGKILL. Afterwards no child is left."""
        for channel in self._jobs.values():
            channel.close()
        everyone = [*self._alive, *self._leaving]
        for signal_number, patience_s in ((signal.SIGTERM, _TERM_S), (signal.SIGKILL, _PEACE_S)):
            for worker in everyone:
                if worker.process.is_alive():
                    os.kill(worker.process.pid or 0, signal_number)
            self._join(patience_s)
        for worker in everyone:
            if group := worker.board.group():
                # it was killed before it could end what it had started
                with suppress(ProcessLookupError):
                    os.killpg(group, signal.SIGKILL)
            # one that a dead disk keeps in the kernel cannot even be killed, and must not hold up the end
            if not worker.process.is_alive():
                worker.process.close()
        self._alive.clear()
        self._leaving.clear()
        self._poll.close()
        self.results.close()
        self._memory.close()

    def _join(self, patience_s: float) -> None:
        deadline = time.monotonic() + patience_s
        for worker in (*self._alive, *self._leaving):
            worker.process.join(max(0.0, deadline - time.monotonic()))


def _datagrams(jobs: Sequence[Job]) -> Iterator[bytes]:
    """The jobs as few datagrams as they fit in: with long paths and URLs a whole batch may be too much for one."""
    datagram = encode(jobs)
    if len(datagram) <= MAXIMUM_DATAGRAM_BYTES or len(jobs) == 1:
        yield datagram
        return
    middle = len(jobs) // 2
    yield from _datagrams(jobs[:middle])
    yield from _datagrams(jobs[middle:])


def _run_worker(
    main: WorkerMain, channels: Sequence[Channel], jobs: Channel, results: Channel, board: JobBoard
) -> None:
    become_worker(board.stage, channels, jobs, results)
    try:
        main(jobs, results, board)
    except Exception:  # noqa: BLE001 - also what no job's handler raised fails the run with its traceback
        crash(board, results)
