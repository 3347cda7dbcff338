"""A fetch process for one test: forked as the supervisor forks it, fed through real channels."""

from __future__ import annotations

import mmap
import multiprocessing
import select
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeVar

from pmpipe.npm.config.auth import ClientCertificate
from stages.channel import Channel
from stages.fetch import FetchSettings, run_fetch
from stages.messages import (
    Failed,
    Fetched,
    FetchTarball,
    Job,
    JobId,
    Release,
    Result,
    SharedBytes,
    Withdraw,
    decode_results,
    encode,
)
from stages.worker import JobBoard, become_worker

if TYPE_CHECKING:
    from typing_extensions import Self

ANSWER_TIMEOUT_S = 60
ARENA_BYTES = 64 << 20
#: attempts follow each other at once
IMPATIENT = {"retry_minimum_s": 0.001, "retry_maximum_s": 0.01, "timeout_s": 20.0}

_Result = TypeVar("_Result", Fetched, Failed)


def impatient(**settings: object) -> FetchSettings:
    """Settings whose waits are as short as can be."""
    return FetchSettings(**{**IMPATIENT, **settings})


@dataclass
class FetchProcess:
    """Used as a context manager; at its end the channel of jobs is closed, and the process has to end by itself."""

    settings: FetchSettings = field(default_factory=impatient)
    arena: mmap.mmap = field(default_factory=lambda: mmap.mmap(-1, ARENA_BYTES))
    prepare: Callable[[], None] = lambda: None
    expected_exit: int = 0
    #: results that came and were not asked for yet
    arrived: list[Result] = field(default_factory=list)
    jobs_sent: int = 0

    def __enter__(self) -> Self:
        context = multiprocessing.get_context("fork")
        self.jobs, self.results = Channel(context, 64, "jobs"), Channel(context, 64, "results")
        self.board = JobBoard(mmap.mmap(-1, mmap.PAGESIZE), 0, "fetch")
        self.process = context.Process(target=self._main)
        self.process.start()
        self.jobs.keep_sending()
        self.results.keep_receiving()
        return self

    def __exit__(self, *_: object) -> None:
        self.jobs.close()
        self.process.join(20)
        ended = self.process.exitcode is not None
        if not ended:
            self.process.kill()
            self.process.join()
        self.results.close()
        assert ended, "the fetch process did not end with its channel of jobs"
        assert self.process.exitcode == self.expected_exit

    def _main(self) -> None:
        become_worker("fetch", [self.jobs, self.results], self.jobs, self.results)
        self.prepare()
        run_fetch(self.settings, self.arena, self.jobs, self.results, self.board)

    def send(self, *jobs: Job) -> None:
        self.jobs.put(encode(jobs))

    def order(
        self,
        url: str,
        *,
        authorization: str = "",
        maximum_bytes: int = ARENA_BYTES,
        certificate: ClientCertificate | None = None,
    ) -> JobId:
        """Send a `FetchTarball`; its label is ``p<job>@1.0.0``."""
        job = JobId(self.jobs_sent)
        self.jobs_sent += 1
        self.send(FetchTarball(job, f"p{job}@1.0.0", url, authorization, maximum_bytes, certificate))
        return job

    def next_result(self) -> Result:
        """The next result, whatever it is."""
        while not self.arrived:
            ready, _, _ = select.select([self.results.fileno()], [], [], ANSWER_TIMEOUT_S)
            assert ready, "no result came"
            datagram = self.results.get()
            assert datagram is not None, "the fetch process has gone"
            self.arrived += decode_results(datagram)
        return self.arrived.pop(0)

    def _next(self, kind: type[_Result]) -> _Result:
        result = self.next_result()
        assert isinstance(result, kind), result
        return result

    def fetched(self) -> Fetched:
        return self._next(Fetched)

    def failed(self) -> Failed:
        return self._next(Failed)

    def content(self, result: Fetched) -> bytes:
        """The bytes in the arena."""
        assert isinstance(result.source, SharedBytes)
        return self.arena[result.source.offset : result.source.offset + result.source.length]

    def release(self, result: Fetched) -> None:
        assert isinstance(result.source, SharedBytes)
        self.send(Release(result.job, result.source.offset))

    def withdraw(self, *jobs: JobId) -> None:
        self.send(*map(Withdraw, jobs))

    def settle(self) -> list[Result]:
        """Everything that comes before the answer to a job that needs no network: all else is done."""
        job = self.order("no URL")
        before = []
        while (result := self.next_result()).job != job:
            before.append(result)
        return before

    def fetch(self, url: str, **order: object) -> bytes:
        """Order, receive and release one tarball."""
        self.order(url, **order)
        result = self.fetched()
        content = self.content(result)
        self.release(result)
        return content

    def fail(self, url: str, **order: object) -> Failed:
        """Order one tarball that cannot be had."""
        self.order(url, **order)
        return self.failed()


def texts_of(failed: Failed) -> str:
    """Everything that a person may get to see of a failure."""
    return "\n".join((failed.what, *failed.details, failed.hint, failed.cause))
