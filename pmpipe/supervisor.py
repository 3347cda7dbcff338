"""The supervisor: carries out a state machine's orders, and turns what happens into events.

It waits once, on the results' channel, on every process's sentinel, and on the signals' wake-up socket; drains all
results before it reports a death, because a result that was sent is a job that was done; and never blocks in a put.
The processes belong to the caller, for one state machine may follow another (see `pmpipe.pipeline.driving.Crew`); but
whatever ends a run in another way than by its own end, no child is left when `run` returns.
"""

from __future__ import annotations

import select
import signal
import socket
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from types import FrameType
from typing import Protocol, TypeAlias

import msgspec

from pmpipe.orders import (
    Dismiss,
    Event,
    Finish,
    Interrupted,
    Order,
    ReleaseSpace,
    StageName,
    Start,
    Stop,
    WithdrawJob,
    WorkerDied,
)
from pmpipe.system.interrupts import ignore_further_signals, signals_held_back
from pmpipe.workers import Workers
from stages.messages import CachedDocument, Crashed, Job, JobId, Release, Result, Withdraw, decode_results
from stages.signals import SIGNALS

#: Waiting ends after this long (seconds) at the latest, so that progress is shown while large packages are under way.
_TICK_S = 0.1

#: When a worker was ended by a signal that ends a run, so long (seconds) is it waited for whether it was meant so.
_GRACE_S = 0.1

_STAGES = tuple(StageName)


class Machine(Protocol):
    """A state machine that the supervisor can drive.

    There are those of `pmpipe.scheduler` (installs) and of `pmpipe.resolving.machine`, and simple ones for what needs a
    single stage (`pmpipe.pipeline.one_stage`).
    """

    def start(self) -> list[Order]:
        """The orders that are due now; called whenever the driving begins or goes on."""

    def handle(self, *events: Event) -> list[Order]:
        """The orders that follow from what has happened; `Finish` or `Stop` is the last one ever."""

    def in_flight(self, stage: StageName) -> int:
        """How many jobs a stage has, queued and in hand."""

    def describe(self, job: JobId) -> str:
        """What a job in flight is about, for the report of a crash; empty when it is not in flight."""


class Finished(msgspec.Struct, frozen=True):
    """The pipeline came to its end; the machine knows what failed."""


class CrashReport(msgspec.Struct, frozen=True):
    """A worker died or raised.

    Attributes:
        stage: kind of the worker, empty where it is not known.
        job: what it was working on, or empty.
        cause: "raised", "killed by SIGKILL", "exited with status 3".
        traceback: the worker's own, or empty.
    """

    stage: str
    job: str
    cause: str
    traceback: str


class Cancelled(msgspec.Struct, frozen=True):
    """A signal asked for the end."""

    signal_number: int


Outcome: TypeAlias = Finished | CrashReport | Cancelled


class Supervisor(msgspec.Struct):
    """Runs one state machine through the stages.

    Args:
        machine: the run's state machine, not started yet.
        workers: the processes; all of them idle.
        progress: called at every wake-up, after the machine has changed; must return at once.
        before: the machine that these processes worked for before; it may have left writes to the cache to them.
    """

    machine: Machine
    workers: Workers
    progress: Callable[[], None]
    before: Machine | None = None
    #: seconds during which each stage had work
    busy_s: dict[StageName, float] = msgspec.field(default_factory=lambda: dict.fromkeys(StageName, 0.0))
    _looked_at: float = 0.0

    def run(self) -> Outcome:
        """Carry the plan out and return how it ended. Expected failures are the machine's to tell.

        After a run that ended well the processes wait for more work; after any other none is left.
        """
        outcome = self._run(lambda _: False)
        assert outcome is not None, "nobody has interrupted it"
        return outcome

    def run_until(self, fd: int) -> Outcome | None:
        """The same, but return None as soon as a descriptor is readable: the machine may be run on later."""
        self.workers.watch(fd)
        try:
            return self._run(lambda readable: fd in readable)
        finally:
            self.workers.unwatch(fd)

    def turn(self) -> Outcome | None:
        """Let the machine answer what has happened meanwhile, without waiting; None if it is to be run on."""
        return self._run(lambda _: True, 0.0)

    def _run(self, should_pause: Callable[[set[int]], bool], wait_s: float = _TICK_S) -> Outcome | None:
        """Drive until the machine finishes, or until the caller is to go on with something else; None then.

        Args:
            should_pause: given the descriptors that are readable, tells whether that is now; asked after each answer.
            wait_s: how long (seconds) to wait for events at a time.
        """
        orders = self.machine.start()
        if orders == [Finish()]:
            return Finished()
        self._looked_at = time.monotonic()
        paused = False
        try:
            with ExitStack() as at_the_end, _wake_up_on_signals() as wake_up:
                self.workers.watch(wake_up.fileno())
                outcome = self._carry_out(orders)
                while outcome is None and not paused:
                    readable = self.workers.wait(wait_s)
                    outcome = self._carry_out(self._answer(readable, wake_up))
                    self.progress()
                    paused = should_pause(readable)
                # one that comes from here on is the former handlers', as soon as they are back
                at_the_end.enter_context(signals_held_back())
                # a signal that came since the last event
                if (outcome is None or isinstance(outcome, Finished)) and (number := _received(wake_up)) is not None:
                    outcome = Cancelled(number)
                if isinstance(outcome, Cancelled):
                    # when the former handlers are back, and before they can be called
                    at_the_end.callback(ignore_further_signals)
                if isinstance(outcome, CrashReport | Cancelled):
                    self.workers.stop()
                self.workers.unwatch(wake_up.fileno())
        except BaseException:
            self.workers.stop()
            raise
        return outcome

    def _answer(self, readable: set[int], wake_up: socket.socket) -> list[Order]:
        """Let the machine answer all events that are there."""
        self._count_busy()
        if wake_up.fileno() in readable and (number := _received(wake_up)) is not None:
            return self.machine.handle(Interrupted(number))
        orders = self._drain()
        if self.workers.has_death(readable):
            # what a worker sent before it died was done: a second look, now that nothing more can come from it
            orders += self._drain()
            orders += self.machine.handle(*self._reasons(wake_up))
        return orders

    def _reasons(self, wake_up: socket.socket) -> list[Event]:
        """What to report for workers that have ended: their deaths, or the signal to all of us that ended them."""
        deaths = list(self.workers.deaths())
        if any(-death.exitcode in SIGNALS for death in deaths):
            select.select([wake_up], [], [], _GRACE_S)
            if (number := _received(wake_up)) is not None:
                return [Interrupted(number)]
        return [*deaths]

    def _count_busy(self) -> None:
        now = time.monotonic()
        for stage in _STAGES:
            if self.machine.in_flight(stage):
                self.busy_s[stage] += now - self._looked_at
        self._looked_at = now

    def _drain(self) -> list[Order]:
        """Let the machine take in all results that are there, before it gives out work once."""
        results: list[Result] = []
        while (datagram := self.workers.results.get_nowait()) is not None:
            results += decode_results(datagram)
        released = [] if self.machine.in_flight(StageName.CACHE) else self._take_late(results)
        return [*released, *(self.machine.handle(*results) if results else [])]

    def _take_late(self, results: list[Result]) -> list[Order]:
        """Take out what answers a machine that has ended: it did not wait for its writes to the cache."""
        late = [result for result in results if isinstance(result, CachedDocument)]
        for result in late:
            results.remove(result)
        self.workers.notes += [result.problem for result in late if result.problem]
        return [ReleaseSpace(result.offset) for result in late]

    def _carry_out(self, orders: Iterable[Order]) -> Outcome | None:
        """Send jobs to their stages; the outcome if the run is over."""
        batches: dict[StageName, list[Job]] = {}
        dismissed: list[StageName] = []
        outcome: Outcome | None = None
        for order in orders:
            match order:
                case Start(stage, job):
                    batches.setdefault(stage, []).append(job)
                case ReleaseSpace(offset, is_still_read):
                    batches.setdefault(StageName.FETCH, []).append(Release(JobId(-1), offset, is_still_read))
                case WithdrawJob(job_id):
                    batches.setdefault(StageName.FETCH, []).append(Withdraw(job_id))
                case Dismiss(stage):
                    dismissed.append(stage)
                case Finish():
                    outcome = Finished()
                case Stop(reason):
                    return self._describe(reason)
        for stage, jobs in batches.items():
            self.workers.send(stage, jobs, self.machine.in_flight(stage))
        self.workers.flush()
        for stage in dismissed:
            self.workers.dismiss(stage)
        return outcome

    def _describe(self, reason: WorkerDied | Interrupted | Crashed) -> Outcome:
        if isinstance(reason, Interrupted):
            return Cancelled(reason.signal_number)
        if isinstance(reason, Crashed):
            return CrashReport(reason.stage, self._label(reason.job), "raised", reason.traceback)
        return CrashReport(reason.stage.value, self._label(reason.in_hand), reason.cause, "")

    def _label(self, job: JobId) -> str:
        return self.machine.describe(job) or (self.before.describe(job) if self.before is not None else "")


@contextmanager
def _wake_up_on_signals() -> Iterator[socket.socket]:
    """A socket that receives the number of every signal that asks for the end while the context lasts."""
    receiving, sending = socket.socketpair()
    receiving.setblocking(False)
    sending.setblocking(False)
    previous_fd = signal.set_wakeup_fd(sending.fileno(), warn_on_full_buffer=False)
    previous = {number: signal.signal(number, _ignore) for number in SIGNALS}
    try:
        yield receiving
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)
        signal.set_wakeup_fd(previous_fd)
        receiving.close()
        sending.close()


def _received(wake_up: socket.socket) -> int | None:
    """The number of a signal that asks for the end, came, and was not looked at yet. Others come here, too."""
    try:
        while (number := wake_up.recv(1)[0]) not in SIGNALS:
            pass
    except BlockingIOError:
        return None
    return number


def _ignore(_number: int, _frame: FrameType | None) -> None:
    """The wake-up socket tells; the default action would end the process in the middle of its work."""
