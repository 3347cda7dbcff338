"""The supervisor with real processes and small stages: what happens reaches the state machine, and nothing is left."""

from __future__ import annotations

import faulthandler
import multiprocessing
import os
import resource
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from multiprocessing.context import ForkProcess
from pathlib import Path

import pytest
from support.leftovers import nothing_is_left
from support.project import processes_of, wait_until

from pmpipe import supervisor
from pmpipe.errors import WorkerCrashError
from pmpipe.orders import Dismiss, Event, Finish, Interrupted, Order, StageName, Start, Stop, WorkerDied
from pmpipe.pipeline.driving import Crew, drive
from pmpipe.supervisor import Cancelled, CrashReport, Finished, Outcome, Supervisor
from pmpipe.system.interrupts import CancelledError, cancel_on_signals
from pmpipe.workers import Stage, Workers
from stages.channel import Channel
from stages.messages import (
    CachedDocument,
    CacheDocument,
    Crashed,
    Job,
    JobId,
    Release,
    Remove,
    Removed,
    Result,
    SharedBytes,
    Withdraw,
    encode,
)
from stages.worker import JobBoard, run_jobs

Handler = Callable[[Job], Iterable[Result]]


@dataclass
class Removals:
    """A state machine with one job for each path, all of them in one stage, `slots` at a time."""

    paths: list[str]
    slots: int = 4
    stage: StageName = StageName.CLONE
    events: list[Event] = field(default_factory=list)
    done: list[JobId] = field(default_factory=list)
    _given: int = 0

    def start(self) -> list[Order]:
        return self._give_out()

    def handle(self, *events: Event) -> list[Order]:
        for event in events:
            self.events.append(event)
            if isinstance(event, WorkerDied | Interrupted | Crashed):
                return [Stop(event)]
            self.done.append(event.job)
        return self._give_out()

    def _give_out(self) -> list[Order]:
        orders: list[Order] = []
        while self._given < len(self.paths) and self._given - len(self.done) < self.slots:
            orders.append(Start(self.stage, Remove(JobId(self._given), self.paths[self._given])))
            self._given += 1
        if len(self.done) == len(self.paths):
            orders.append(Finish())
        return orders

    def in_flight(self, stage: StageName) -> int:
        return self._given - len(self.done) if stage is self.stage else 0

    def describe(self, job: JobId) -> str:
        return self.paths[job] if 0 <= job < self._given and job not in self.done else ""


def stage_of(handle: Handler, *, count: int = 2, slots: int = 4) -> Stage:
    def main(jobs: Channel, results: Channel, board: JobBoard) -> None:
        run_jobs(handle, jobs, results, board)

    return Stage(StageName.CLONE, count, slots, main)


def nothing() -> None:
    """No progress is shown."""


def removed(job: Job) -> Iterator[Result]:
    yield Removed(job.job)


@pytest.fixture(autouse=True)
def all_is_as_before() -> Iterator[None]:
    """Each run ends with the descriptors, the signal handlers and the children that it began with."""
    handlers = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    multiprocessing.get_context("fork").Barrier(1)  # opens what multiprocessing keeps for ever
    with nothing_is_left():
        yield
    assert multiprocessing.active_children() == []
    assert [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)] == handlers


class Alone(Supervisor):
    """A supervisor whose processes end with its run."""

    def run(self) -> Outcome:
        outcome = super().run()
        self.workers.end_in_peace()
        return outcome


def test_all_jobs_are_done_and_the_run_finishes() -> None:
    machine = Removals([f"p{number}" for number in range(100)])
    assert Alone(machine, Workers([stage_of(removed)]), nothing).run() == Finished()
    assert sorted(machine.done) == list(range(100))


def test_with_nothing_to_do_no_process_is_started() -> None:
    progress: list[int] = []
    supervisor = Alone(Removals([]), Workers([stage_of(removed)]), lambda: progress.append(1))
    assert supervisor.run() == Finished()
    assert progress == []


def test_only_as_many_processes_are_started_as_there_is_work_for(capfd: pytest.CaptureFixture[str]) -> None:
    def main(jobs: Channel, results: Channel, board: JobBoard) -> None:
        os.write(1, b"started ")
        run_jobs(removed, jobs, results, board)

    Alone(Removals(["one"]), Workers([Stage(StageName.CLONE, 8, 4, main)]), nothing).run()
    assert capfd.readouterr().out == "started "


def test_work_goes_to_several_processes() -> None:
    pids_seen = multiprocessing.get_context("fork").Barrier(2)

    def handle(job: Job) -> Iterator[Result]:
        # both processes must be at work at a time for either to go on
        pids_seen.wait(30)
        yield Removed(job.job)

    machine = Removals(["one", "two"])
    assert Alone(machine, Workers([stage_of(handle)]), nothing).run() == Finished()


def test_time_with_work_is_counted() -> None:
    supervisor = Alone(Removals(["one"]), Workers([stage_of(removed)]), nothing)
    supervisor.run()
    assert supervisor.busy_s[StageName.CLONE] > 0
    assert supervisor.busy_s[StageName.FETCH] == 0


def test_progress_is_shown_while_a_job_takes_long() -> None:
    go_on = multiprocessing.get_context("fork").Event()
    seen: list[int] = []

    def handle(job: Job) -> Iterator[Result]:
        go_on.wait(30)
        yield Removed(job.job)

    def progress() -> None:
        seen.append(1)
        if len(seen) == 2:
            go_on.set()

    assert Alone(Removals(["one"]), Workers([stage_of(handle)]), progress).run() == Finished()


def test_long_paths_do_not_need_to_fit_in_one_datagram() -> None:
    paths = ["/" + f"{number}" + "x" * 16_000 for number in range(64)]
    machine = Removals(paths, slots=64)
    assert Alone(machine, Workers([stage_of(removed, count=1, slots=64)]), nothing).run() == Finished()
    assert len(machine.done) == 64


def test_more_bytes_than_the_kernel_takes_at_a_time_are_sent_later() -> None:
    paths = ["/" + f"{number}" + "x" * 4000 for number in range(2000)]
    machine = Removals(paths, slots=2000)
    assert Alone(machine, Workers([stage_of(removed, slots=2000)]), nothing).run() == Finished()
    assert len(machine.done) == 2000


# -- deaths -------------------------------------------------------------------------------------------------------


def die(how: str) -> None:
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    faulthandler.disable()
    if how.startswith("SIG"):
        os.kill(os.getpid(), getattr(signal, how.split("+", maxsplit=1)[0]) + (1 if "+" in how else 0))
        signal.pause()
    os._exit(int(how))


@pytest.mark.parametrize(
    ("how", "cause"),
    [
        ("SIGKILL", "was killed by SIGKILL"),
        ("SIGSEGV", "was killed by SIGSEGV"),
        ("SIGRTMIN+1", f"was killed by signal {signal.SIGRTMIN + 1}"),
        ("0", "exited with status 0"),
        ("3", "exited with status 3"),
    ],
)
def test_a_death_names_stage_job_and_cause(how: str, cause: str) -> None:
    def handle(job: Job) -> Iterator[Result]:
        if isinstance(job, Remove) and job.path == "deadly":
            die(how)
        yield Removed(job.job)

    outcome = Alone(Removals(["a", "b", "deadly", "c"]), Workers([stage_of(handle)]), nothing).run()
    assert outcome == CrashReport("clone", "deadly", cause, "")


def test_what_was_sent_before_a_death_is_handled_before_it() -> None:
    def handle(job: Job) -> Iterator[Result]:
        if job.job == 30:
            die("SIGKILL")
        yield Removed(job.job)

    machine = Removals([f"p{number}" for number in range(60)], slots=60)
    outcome = Alone(machine, Workers([stage_of(handle, count=1, slots=60)]), nothing).run()
    assert outcome == CrashReport("clone", "p30", "was killed by SIGKILL", "")
    # whole batches: those that were complete before the one in hand
    assert isinstance(machine.events[-1], WorkerDied)
    assert machine.done == list(range(len(machine.done)))
    assert 30 - 16 <= len(machine.done) <= 30


class SentLate(Workers):
    """Processes of which one sends its result between the supervisor's look at the results and its death."""

    def has_death(self, readable: set[int]) -> bool:
        is_dead = super().has_death(readable)
        if is_dead:
            # a process is seen to end a little before it can be waited for, and would be looked at again then
            self._join(30)
            self.results.put(encode([Removed(JobId(0))]))
        return is_dead


def test_what_was_sent_between_a_look_and_a_death_is_handled_before_it() -> None:
    def handle(job: Job) -> Iterator[Result]:
        die("SIGKILL")
        yield Removed(job.job)

    machine = Removals(["a", "b"], slots=1)
    outcome = Alone(machine, SentLate([stage_of(handle, count=1)]), nothing).run()
    assert isinstance(outcome, CrashReport)
    assert [type(event) for event in machine.events] == [Removed, WorkerDied]


class SignalledLate(Workers):
    """Processes of which one was ended by a signal that this process gets a moment later."""

    def has_death(self, readable: set[int]) -> bool:
        is_dead = super().has_death(readable)
        if is_dead:
            self._join(30)
            os.kill(os.getpid(), signal.SIGTERM)
        return is_dead


def test_a_signal_that_has_ended_a_worker_first_is_no_crash() -> None:
    def handle(job: Job) -> Iterator[Result]:
        die("SIGTERM")
        yield Removed(job.job)

    outcome = Alone(Removals(["a"]), SignalledLate([stage_of(handle, count=1)]), nothing).run()
    assert outcome == Cancelled(signal.SIGTERM)


def test_what_a_killed_worker_had_started_is_ended(tmp_path: Path) -> None:
    started = tmp_path / "started"

    def main(_jobs: Channel, _results: Channel, board: JobBoard) -> None:
        script = subprocess.Popen(["sh", "-c", "sleep 1000 & wait"], start_new_session=True)
        board.note_group(script.pid)
        started.write_text(str(script.pid))
        die("SIGKILL")

    outcome = Alone(Removals(["a"]), Workers([Stage(StageName.CLONE, 1, 4, main)]), nothing).run()
    assert isinstance(outcome, CrashReport)
    session = int(started.read_text())
    wait_until(lambda: not processes_of(session), "the processes have ended")


def test_what_a_worker_raises_comes_with_its_traceback() -> None:
    def handle(job: Job) -> Iterator[Result]:
        raise ZeroDivisionError("on purpose")

    outcome = Alone(Removals(["a"]), Workers([stage_of(handle)]), nothing).run()
    assert isinstance(outcome, CrashReport)
    assert (outcome.stage, outcome.job, outcome.cause) == ("clone", "a", "raised")
    assert "ZeroDivisionError: on purpose" in outcome.traceback


def test_what_a_stage_raises_outside_of_a_job_comes_with_its_traceback() -> None:
    def main(jobs: Channel, results: Channel, board: JobBoard) -> None:
        raise ZeroDivisionError("at the start")

    outcome = Alone(Removals(["a"]), Workers([Stage(StageName.CLONE, 1, 4, main)]), nothing).run()
    assert isinstance(outcome, CrashReport)
    assert "ZeroDivisionError: at the start" in outcome.traceback


def test_an_idle_worker_that_dies_fails_the_run() -> None:
    def main(jobs: Channel, results: Channel, board: JobBoard) -> None:
        os._exit(3)

    outcome = Alone(Removals(["a"]), Workers([Stage(StageName.CLONE, 1, 4, main)]), nothing).run()
    assert outcome == CrashReport("clone", "", "exited with status 3", "")


def test_workers_that_do_not_listen_are_killed() -> None:
    def handle(job: Job) -> Iterator[Result]:
        if job.job == 0:
            die("3")
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        signal.pause()
        yield Removed(job.job)

    outcome = Alone(Removals(["a", "b"]), Workers([stage_of(handle)]), nothing).run()
    assert isinstance(outcome, CrashReport)


def test_a_worker_that_does_not_leave_at_the_end_is_stopped() -> None:
    def main(jobs: Channel, results: Channel, board: JobBoard) -> None:
        run_jobs(removed, jobs, results, board)
        signal.pause()

    assert Alone(Removals(["a"]), Workers([Stage(StageName.CLONE, 1, 4, main)]), nothing).run() == Finished()


def test_a_bug_of_the_state_machine_leaves_no_child() -> None:
    class Buggy(Removals):
        def handle(self, event: Event) -> list[Order]:
            raise ZeroDivisionError("on purpose")

    with pytest.raises(ZeroDivisionError):
        Alone(Buggy(["a"]), Workers([stage_of(removed)]), nothing).run()


def test_a_failing_progress_leaves_no_child() -> None:
    def progress() -> None:
        raise BrokenPipeError

    with pytest.raises(BrokenPipeError):
        Alone(Removals(["a"]), Workers([stage_of(removed)]), progress).run()


# -- signals ------------------------------------------------------------------------------------------------------


def never_ends(job: Job) -> Iterator[Result]:
    signal.pause()
    yield Removed(job.job)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_cancels_the_run(number: int) -> None:
    def progress() -> None:
        os.kill(os.getpid(), number)

    machine = Removals(["a", "b"])
    outcome = Alone(machine, Workers([stage_of(never_ends)]), progress).run()
    assert outcome == Cancelled(number)
    assert machine.events == [Interrupted(number)]


def test_a_signal_while_waiting_wakes_the_supervisor() -> None:
    timer = threading.Timer(0.02, os.kill, (os.getpid(), signal.SIGINT))
    calls: list[int] = []

    def progress() -> None:
        # started only now: a process with threads must not be forked
        if not calls:
            timer.start()
        calls.append(1)

    assert Alone(Removals(["a"]), Workers([stage_of(never_ends)]), progress).run() == Cancelled(signal.SIGINT)
    timer.join()


class Signalling:
    """Nothing that is raised in a destructor comes any further."""

    def __del__(self) -> None:
        os.kill(os.getpid(), signal.SIGINT)


def test_a_signal_that_was_swallowed_before_cancels_the_run() -> None:
    machine = Removals(["a"])
    with cancel_on_signals():
        Signalling()
        outcome = Alone(machine, Workers([stage_of(never_ends)]), nothing).run()
    assert outcome == Cancelled(signal.SIGINT)
    assert machine.events == [Interrupted(signal.SIGINT)]


@pytest.mark.parametrize("is_in_between", [True, False])
def test_signals_that_follow_the_first_do_not_cut_off_what_puts_things_back(is_in_between: bool) -> None:
    def progress() -> None:
        os.kill(os.getpid(), signal.SIGTERM)

    def stop() -> None:
        if is_in_between:
            os.kill(os.getpid(), signal.SIGINT)
        stopped()

    workers = Workers([stage_of(never_ends)])
    stopped, workers.stop = workers.stop, stop  # type: ignore[method-assign]
    with cancel_on_signals():
        assert Supervisor(Removals(["a"]), workers, progress).run() == Cancelled(signal.SIGTERM)
        for number in (signal.SIGINT, signal.SIGTERM):
            os.kill(os.getpid(), number)


def test_a_signal_behind_the_last_look_is_the_former_handlers(monkeypatch: pytest.MonkeyPatch) -> None:
    def look(wake_up: socket.socket) -> int | None:
        number = received(wake_up)
        # pmpipe has this thread only; others have theirs, which would take it
        signal.pthread_kill(threading.get_ident(), signal.SIGTERM)
        return number

    received = supervisor._received
    monkeypatch.setattr(supervisor, "_received", look)
    with cancel_on_signals(), Crew([stage_of(removed)]) as crew, pytest.raises(CancelledError):
        crew.drive(Removals(["a"]), nothing, is_last=True)


# -- as errors ----------------------------------------------------------------------------------------------------


def test_driving_tells_how_long_each_stage_had_work() -> None:
    busy = drive(Removals(["a"]), [stage_of(removed)], nothing)
    assert list(busy) == ["clone"]


def test_driving_makes_a_crash_an_error() -> None:
    def handle(job: Job) -> Iterator[Result]:
        die("3")
        yield Removed(job.job)

    with pytest.raises(WorkerCrashError, match="the clone stage's worker exited with status 3 while working on a"):
        drive(Removals(["a"]), [stage_of(handle)], nothing)


def test_driving_makes_a_signal_a_cancellation() -> None:
    def progress() -> None:
        os.kill(os.getpid(), signal.SIGTERM)

    with pytest.raises(CancelledError) as caught:
        drive(Removals(["a"]), [stage_of(never_ends)], progress)
    assert caught.value.signal_number == signal.SIGTERM


# -- one state machine after another --------------------------------------------------------------------------------


def wait_until_alone() -> None:
    deadline = time.monotonic() + 30
    while multiprocessing.active_children():
        assert time.monotonic() < deadline, "there are children that do not end by themselves"
        time.sleep(0.01)


def test_a_crew_stays_for_the_next_state_machine() -> None:
    pids: list[int] = []

    def handle(job: Job) -> Iterator[Result]:
        yield Removed(job.job)

    first, second = Removals(["one", "two"]), Removals(["three"])
    with Crew([stage_of(handle, count=1)]) as crew:
        crew.drive(
            first, lambda: pids.extend(child.pid or 0 for child in multiprocessing.active_children()), is_last=False
        )
        before = {child.pid for child in multiprocessing.active_children()}
        assert len(before) == 1
        crew.drive(second, nothing, is_last=False)
        assert {child.pid for child in multiprocessing.active_children()} == before
    assert (first.done, second.done) == ([0, 1], [0])


def test_after_a_crews_last_state_machine_its_processes_end_by_themselves() -> None:
    with Crew([stage_of(removed)]) as crew:
        crew.drive(Removals(["one"]), nothing, is_last=False)
        crew.drive(Removals(["two"]), nothing, is_last=True)
        wait_until_alone()
        assert multiprocessing.active_children() == []


def test_a_crew_waits_for_processes_that_are_on_their_way_out() -> None:
    with Crew([stage_of(removed)]) as crew:
        crew.drive(Removals(["one"]), nothing, is_last=True)
    assert multiprocessing.active_children() == []


def test_a_crew_ends_when_its_context_does_whatever_happens() -> None:
    crew = Crew([stage_of(removed)])
    with suppress(KeyError), crew:
        crew.drive(Removals(["one"]), nothing, is_last=False)
        raise KeyError
    assert multiprocessing.active_children() == []


def test_a_crew_that_was_not_needed_starts_nothing() -> None:
    with Crew([stage_of(removed)]):
        assert multiprocessing.active_children() == []


def test_a_crash_of_the_second_state_machine_ends_the_crew() -> None:
    def handle(job: Job) -> Iterator[Result]:
        if job.path == "bad":  # type: ignore[union-attr]
            os.kill(os.getpid(), signal.SIGKILL)
        yield Removed(job.job)

    with Crew([stage_of(handle, count=1)]) as crew:
        crew.drive(Removals(["one"]), nothing, is_last=False)
        with pytest.raises(WorkerCrashError, match="was killed by SIGKILL"):
            crew.drive(Removals(["bad"]), nothing, is_last=False)
        assert multiprocessing.active_children() == []
        machine = Removals(["one"])
        crew.drive(machine, nothing, is_last=True)
        assert machine.done == [JobId(0)]


@dataclass
class Dismissing(Removals):
    """Lets its stage go when all is done."""

    def _give_out(self) -> list[Order]:
        orders = super()._give_out()
        return [Dismiss(self.stage), *orders] if Finish() in orders else orders


def test_a_stage_that_was_let_go_ends_by_itself_and_its_end_is_no_death() -> None:
    stages = [stage_of(removed), Stage(StageName.LINK, 1, 4, stage_of(removed).main)]
    with Crew(stages) as crew:
        crew.drive(Dismissing(["one", "two"]), nothing, is_last=False)
        wait_until_alone()
        crew.drive(Removals(["three"], stage=StageName.LINK), nothing, is_last=True)


def test_processes_of_several_stages_do_not_keep_each_other() -> None:
    names = (StageName.CLONE, StageName.LINK)
    workers = Workers([Stage(name, 2, 4, stage_of(removed).main) for name in names])
    # the second one of each is forked when there are the channels of both
    for in_flight in (1, 2):
        for name in names:
            workers.send(name, [Remove(JobId(in_flight), "a")], in_flight)
    assert len(multiprocessing.active_children()) == 4
    workers.let_go()
    wait_until_alone()
    workers.end_in_peace()


def test_the_end_of_a_stage_that_was_let_go_wakes_nobody() -> None:
    workers = Workers([stage_of(removed, count=1)])
    workers.prepare(StageName.CLONE)
    workers.dismiss(StageName.CLONE)
    wait_until_alone()
    assert workers.wait(0) == set()
    workers.end_in_peace()


def test_each_job_and_what_is_said_of_it_later_may_come_alone() -> None:
    def main(jobs: Channel, results: Channel, board: JobBoard) -> None:
        signal.pause()

    slots = 2
    workers = Workers([Stage(StageName.FETCH, 1, slots, main)])
    for number in range(slots):
        workers.send(StageName.FETCH, [Remove(JobId(number), "a")], slots)
    for _ in range(slots):
        for still_read in (True, False):
            workers.send(StageName.FETCH, [Release(JobId(-1), 4096, still_read)], slots)
        workers.send(StageName.FETCH, [Withdraw(JobId(0))], slots)
    workers.stop()


# -- a run with interruptions ---------------------------------------------------------------------------------------


def test_a_run_is_interrupted_by_a_descriptor_and_goes_on() -> None:
    interrupted, interrupting = os.pipe()
    waiting, going_on = os.pipe()

    def handle(job: Job) -> Iterator[Result]:
        if job.path == "last":  # type: ignore[union-attr]
            os.write(interrupting, b"x")
            os.read(waiting, 1)
        yield Removed(job.job)

    machine = Removals(["first", "last"], slots=2)
    with Crew([stage_of(handle, count=1)]) as crew:
        crew.drive_until(machine, interrupted)
        assert 1 not in machine.done, "the last job cannot end before the run goes on"
        before = {child.pid for child in multiprocessing.active_children()}
        os.write(going_on, b"x")
        crew.drive(machine, nothing, is_last=False)
        assert {child.pid for child in multiprocessing.active_children()} == before
    assert machine.done == [0, 1]
    for fd in (interrupted, interrupting, waiting, going_on):
        os.close(fd)


def test_a_turn_waits_for_nothing() -> None:
    receiving, sending = os.pipe()

    def handle(job: Job) -> Iterator[Result]:
        os.read(receiving, 1)
        yield Removed(job.job)

    machine = Removals(["one"])
    with Crew([stage_of(handle, count=1)]) as crew:
        crew.turn(machine)
        crew.turn(machine)
        assert machine.done == []
        os.write(sending, b"x")
        crew.drive(machine, nothing, is_last=True)
    assert machine.done == [0]
    os.close(receiving)
    os.close(sending)


def test_a_crash_during_a_turn_ends_the_crew() -> None:
    def handle(job: Job) -> Iterator[Result]:
        die("3")
        yield Removed(job.job)

    machine = Removals(["one"])
    with Crew([stage_of(handle, count=1)]) as crew:

        def turn_again_and_again() -> None:
            while True:
                crew.turn(machine)

        with pytest.raises(WorkerCrashError, match="exited with status 3"):
            turn_again_and_again()
        assert multiprocessing.active_children() == []


def test_a_process_that_a_signal_finds_just_started_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    def start(process: ForkProcess) -> None:
        started(process)
        # to this thread, which the product's only one is: a process's signal may go to another of the test runner's
        signal.pthread_kill(threading.get_ident(), signal.SIGTERM)

    def outlives_its_channel(_jobs: Channel, _results: Channel, _board: JobBoard) -> None:
        signal.pause()

    started = ForkProcess.start
    monkeypatch.setattr(ForkProcess, "start", start)
    with (
        cancel_on_signals(),
        pytest.raises(CancelledError),
        Crew([Stage(StageName.CLONE, 1, 4, outlives_its_channel)]) as crew,
    ):
        crew.prepare(StageName.CLONE)
    assert multiprocessing.active_children() == []


def test_a_signal_right_behind_the_fork_ends_the_worker_without_a_word(
    signalled_children: None, capfd: pytest.CaptureFixture[str]
) -> None:
    killed = pytest.raises(WorkerCrashError, match="was killed by SIGTERM")
    with cancel_on_signals(), Crew([stage_of(removed, count=1)]) as crew, killed:
        crew.drive(Removals(["one"]), nothing, is_last=True)
    assert capfd.readouterr().err == ""


# -- what a machine leaves to its processes ---------------------------------------------------------------------------


LOST = ": packuments that it was to keep will be fetched again"


class LeavesWrite:
    """A state machine that does not wait for what it has written to the cache."""

    number = JobId(1 << 32)

    def start(self) -> list[Order]:
        keep = CacheDocument(self.number, "left-pad", SharedBytes(4096, 1), b"", "", "")
        return [Start(StageName.CACHE, keep), Finish()]

    def handle(self, *_: Event) -> list[Order]:
        return []

    def in_flight(self, stage: StageName) -> int:
        return int(stage is StageName.CACHE)

    def describe(self, job: JobId) -> str:
        return "left-pad" if job == self.number else ""


class Pipes:
    """Stages that tell each other when to go on: the cache waits for clone, clone for fetch."""

    def __init__(self) -> None:
        self.to_cache, self.to_clone = os.pipe(), os.pipe()

    def keep(self, job: Job) -> Iterator[Result]:
        assert isinstance(job, CacheDocument)
        os.read(self.to_cache[0], 1)
        yield CachedDocument(job.job, job.source.offset, "the disk is full")

    def keep_and_die(self, _: Job) -> Iterator[Result]:
        os.read(self.to_cache[0], 1)
        os._exit(3)

    def clone(self, job: Job) -> Iterator[Result]:
        os.write(self.to_cache[1], b".")
        os.read(self.to_clone[0], 1)
        yield Removed(job.job)

    def fetch(self, job: Job) -> Iterator[Result]:
        assert job == Release(JobId(-1), 4096)
        os.write(self.to_clone[1], b".")
        yield from ()

    def stages(self, keep: Handler) -> list[Stage]:
        handlers = {StageName.CACHE: keep, StageName.CLONE: self.clone, StageName.FETCH: self.fetch}
        return [Stage(name, 1, 4, stage_of(handle).main) for name, handle in handlers.items()]

    def close(self) -> None:
        for fd in (*self.to_cache, *self.to_clone):
            os.close(fd)


@pytest.fixture
def pipes() -> Iterator[Pipes]:
    one = Pipes()
    yield one
    one.close()


def test_what_a_machine_has_left_is_released_while_the_next_is_driven(pipes: Pipes) -> None:
    with Crew(pipes.stages(pipes.keep)) as crew:
        crew.prepare(StageName.FETCH)
        crew.drive(LeavesWrite(), nothing, is_last=False)
        machine = Removals(["a"])
        crew.drive(machine, nothing, is_last=True)
        assert machine.done == [JobId(0)]
    assert crew.notes == ["the disk is full"]


def test_what_the_last_machine_has_left_is_waited_for_and_told() -> None:
    def keep(job: Job) -> Iterator[Result]:
        assert isinstance(job, CacheDocument)
        yield CachedDocument(job.job, job.source.offset, "the disk is full")

    with Crew([Stage(StageName.CACHE, 1, 4, stage_of(keep).main)]) as crew:
        crew.drive(LeavesWrite(), nothing, is_last=True)
        crew.end()
        assert crew.notes == ["the disk is full"]


def test_a_crash_in_what_a_machine_has_left_ends_the_next_and_names_the_job(pipes: Pipes) -> None:
    with Crew(pipes.stages(pipes.keep_and_die)) as crew:
        crew.drive(LeavesWrite(), nothing, is_last=False)
        with pytest.raises(WorkerCrashError, match="cache stage's worker exited with status 3") as caught:
            crew.drive(Removals(["a"]), nothing, is_last=True)
    assert "left-pad" in str(caught.value)


def test_a_death_in_what_the_last_machine_has_left_is_told_and_fails_nothing(pipes: Pipes) -> None:
    with Crew(pipes.stages(pipes.keep_and_die)) as crew:
        crew.drive(LeavesWrite(), nothing, is_last=True)
        os.write(pipes.to_cache[1], b".")
        crew.end()
        assert crew.warnings == [f"the cache stage's worker exited with status 3 when all else was done{LOST}"]


def test_an_exception_in_what_the_last_machine_has_left_is_told_with_its_traceback() -> None:
    def keep(_: Job) -> Iterator[Result]:
        raise ValueError("odd")

    with Crew([Stage(StageName.CACHE, 1, 4, stage_of(keep).main)]) as crew:
        crew.drive(LeavesWrite(), nothing, is_last=True)
        crew.end()
        assert crew.warnings == [f"the cache stage's worker exited with status 70 when all else was done{LOST}"]
        assert crew.notes[-1] == "ValueError: odd"
