"""The loop that every stage process runs."""

from __future__ import annotations

import mmap
import multiprocessing
import os
import signal
from collections.abc import Callable, Iterable, Iterator
from multiprocessing.context import ForkContext, ForkProcess

import pytest

from stages.channel import MAXIMUM_DATAGRAM_BYTES, Channel
from stages.messages import (
    Checked,
    Crashed,
    Failed,
    Job,
    JobId,
    Remove,
    Removed,
    Result,
    decode_results,
    encode,
)
from stages.worker import CRASH_STATUS, IDLE, JobBoard, become_worker, chunked, run_jobs

PATIENCE_S = 30


@pytest.fixture
def context() -> ForkContext:
    return multiprocessing.get_context("fork")


class Worker:
    """One stage process with channels of its own."""

    def __init__(self, context: ForkContext, handle: Callable[[Job], Iterable[Result]]) -> None:
        self.jobs, self.results = Channel(context, 100, "jobs"), Channel(context, 100, "results")
        self.board = JobBoard(mmap.mmap(-1, mmap.PAGESIZE), 3, "clone")
        self.board.take(IDLE)
        self.process: ForkProcess = context.Process(target=self._run, args=(handle,))

    def _run(self, handle: Callable[[Job], Iterable[Result]]) -> None:
        become_worker("clone", [self.jobs, self.results], self.jobs, self.results)
        run_jobs(handle, self.jobs, self.results, self.board)

    def start(self, *batches: Iterable[Job]) -> None:
        for batch in batches:
            self.jobs.try_put(encode(list(batch)))
        self.process.start()
        self.jobs.keep_sending()
        self.results.keep_receiving()

    def all_results(self) -> list[Result]:
        """Close the channel of jobs, and all that comes until the worker has ended."""
        self.jobs.close()
        found: list[Result] = []
        while (datagram := self.results.get()) is not None:
            found += decode_results(datagram)
        self.process.join(PATIENCE_S)
        return found

    def close(self) -> None:
        if self.process.pid is not None:
            if self.process.is_alive():
                self.process.kill()
            self.process.join(PATIENCE_S)
        self.process.close()
        self.jobs.close()
        self.results.close()


@pytest.fixture
def worker_of(context: ForkContext) -> Iterator[Callable[..., Worker]]:
    workers = []

    def make(handle: Callable[[Job], Iterable[Result]]) -> Worker:
        workers.append(Worker(context, handle))
        return workers[-1]

    yield make
    for one in workers:
        one.close()


def job(number: int, path: str = "/x") -> Remove:
    return Remove(JobId(number), path)


def remove_nothing(one: Job) -> Iterator[Result]:
    yield Removed(one.job)


def test_jobs_are_carried_out_in_order_until_the_channel_ends(worker_of: Callable[..., Worker]) -> None:
    worker = worker_of(remove_nothing)
    worker.start([job(1), job(2)], [job(3)])
    assert worker.all_results() == [Removed(JobId(1)), Removed(JobId(2)), Removed(JobId(3))]
    assert worker.process.exitcode == 0


def test_a_job_may_have_several_results(worker_of: Callable[..., Worker]) -> None:
    def handle(one: Job) -> Iterator[Result]:
        yield Checked(one.job, ("a",), (), more=True)
        yield Checked(one.job, (), ("b",))

    worker = worker_of(handle)
    worker.start([job(1)])
    assert worker.all_results() == [Checked(JobId(1), ("a",), (), more=True), Checked(JobId(1), (), ("b",))]


def test_what_a_handler_raises_is_told_with_its_traceback(worker_of: Callable[..., Worker]) -> None:
    def handle(one: Job) -> Iterator[Result]:
        if one.job == 2:
            raise ZeroDivisionError("on purpose")
        yield Removed(one.job)

    worker = worker_of(handle)
    worker.start([job(1), job(2), job(3)])
    done, crashed = worker.all_results()
    assert done == Removed(JobId(1))
    assert isinstance(crashed, Crashed)
    assert (crashed.job, crashed.stage) == (2, "clone")
    assert crashed.traceback.rstrip().endswith("ZeroDivisionError: on purpose")
    assert worker.process.exitcode == CRASH_STATUS


@pytest.mark.parametrize("text", ["a\udcffb", "\U0001f600" * MAXIMUM_DATAGRAM_BYTES])
def test_a_traceback_that_does_not_fit_is_told_as_far_as_it_does(worker_of: Callable[..., Worker], text: str) -> None:
    def handle(one: Job) -> Iterator[Result]:
        raise ValueError(text)

    worker = worker_of(handle)
    worker.start([job(1)])
    (crashed,) = worker.all_results()
    assert isinstance(crashed, Crashed)
    assert crashed.traceback


def test_the_board_names_the_job_in_hand_of_a_killed_worker(worker_of: Callable[..., Worker]) -> None:
    def handle(one: Job) -> Iterator[Result]:
        if one.job == 7:
            os.kill(os.getpid(), signal.SIGKILL)
        yield Removed(one.job)

    worker = worker_of(handle)
    worker.start([job(6)], [job(7)])
    assert worker.all_results() == [Removed(JobId(6))]
    assert worker.board.in_hand() == 7
    assert worker.process.exitcode == -signal.SIGKILL


def test_an_idle_worker_has_no_job_in_hand(worker_of: Callable[..., Worker]) -> None:
    worker = worker_of(remove_nothing)
    worker.start([job(6)])
    worker.all_results()
    assert worker.board.in_hand() == IDLE


def test_slots_of_the_board_are_apart() -> None:
    memory = mmap.mmap(-1, mmap.PAGESIZE)
    first, second = JobBoard(memory, 0, "fetch"), JobBoard(memory, 1, "link")
    first.take(JobId(1 << 40))
    second.take(IDLE)
    assert (first.in_hand(), second.in_hand()) == (1 << 40, IDLE)


def test_a_worker_leaves_ctrl_c_to_the_supervisor(worker_of: Callable[..., Worker]) -> None:
    def handle(one: Job) -> Iterator[Result]:
        os.kill(os.getpid(), signal.SIGINT)
        yield Removed(one.job)

    worker = worker_of(handle)
    worker.start([job(1)])
    assert worker.all_results() == [Removed(JobId(1))]
    assert worker.process.exitcode == 0


def test_sigterm_ends_a_worker(worker_of: Callable[..., Worker]) -> None:
    def handle(one: Job) -> Iterator[Result]:
        os.kill(os.getpid(), signal.SIGTERM)
        yield Removed(one.job)

    worker = worker_of(handle)
    worker.start([job(1)])
    assert worker.all_results() == []
    assert worker.process.exitcode == -signal.SIGTERM


def test_a_crash_that_nobody_is_left_to_hear_of_ends_the_worker_without_a_word(
    worker_of: Callable[..., Worker], capfd: pytest.CaptureFixture[str]
) -> None:
    def handle(one: Job) -> Iterator[Result]:
        raise ZeroDivisionError("on purpose")

    worker = worker_of(handle)
    worker.jobs.try_put(encode([job(1)]))
    worker.results.keep_sending()
    worker.process.start()
    worker.jobs.close()
    worker.process.join(PATIENCE_S)
    assert worker.process.exitcode == CRASH_STATUS
    assert capfd.readouterr().err == ""


def test_batches_of_results_fit_in_datagrams_and_lose_nothing() -> None:
    results: list[Result] = [Failed(JobId(number), "PM_STORE", "x" * (number * 997 % 9000)) for number in range(60)]
    batches = [list(batch) for batch in chunked(results)]
    assert [result for batch in batches for result in batch] == results
    assert max(len(encode(batch)) for batch in batches) < MAXIMUM_DATAGRAM_BYTES / 2
    assert len(batches) < 30


def test_no_results_make_no_batch() -> None:
    assert list(chunked([])) == []
