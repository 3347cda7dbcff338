"""What the state machines of runs through a single stage have in common: jobs against free slots, and an end."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from typing import ClassVar, Generic, TypeVar

import msgspec

from pmpipe.orders import Event, Finish, Interrupted, Order, StageName, Start, Stop, WorkerDied
from stages.messages import Crashed, Job, JobId, Result

#: What waits for a job, and what is kept of it while the job is in flight.
TaskT = TypeVar("TaskT")
UnderWayT = TypeVar("UnderWayT")


class OneStageRun(msgspec.Struct, Generic[TaskT, UnderWayT], kw_only=True):
    """A run whose tasks are a job each, all of one stage.

    Attributes:
        finished: the last order has been given.
    """

    stage: ClassVar[StageName]

    finished: bool = False
    _waiting: deque[TaskT] = msgspec.field(default_factory=deque)
    #: all and only jobs that have not been answered completely
    _in_flight: dict[JobId, UnderWayT] = msgspec.field(default_factory=dict)
    _next_job: int = 0

    def start(self) -> list[Order]:
        """The first orders."""
        return list(self._give_out())

    def handle(self, *events: Event) -> list[Order]:
        """Take in what has happened and return what is to be done now."""
        if self.finished:
            return []
        for event in events:
            if isinstance(event, WorkerDied | Interrupted | Crashed):
                self.finished = True
                return [Stop(event)]
            self._take_in(event)
        return list(self._give_out())

    def in_flight(self, stage: StageName) -> int:
        """How many jobs a stage has, queued and in hand."""
        return len(self._in_flight) if stage is self.stage else 0

    def _give_out(self) -> Iterator[Order]:
        while self._waiting and len(self._in_flight) < self._slots() and not self._is_lost():
            task = self._waiting.popleft()
            if not self._is_wanted(task):
                continue
            job = JobId(self._next_job)
            self._next_job += 1
            order, self._in_flight[job] = self._begin(job, task)
            yield Start(self.stage, order)
        if self._is_lost() or not self._in_flight:
            self.finished = True
            yield Finish()

    # -- what each kind of run says for itself --------------------------------------------------------------------

    def _slots(self) -> int:
        """How many jobs may be in flight."""
        raise NotImplementedError

    def _begin(self, job: JobId, task: TaskT) -> tuple[Job, UnderWayT]:
        """The job for a task, and what is kept of it."""
        raise NotImplementedError

    def _take_in(self, result: Result) -> None:
        """What the answer to a job means."""
        raise NotImplementedError

    def _is_wanted(self, task: TaskT) -> bool:  # noqa: ARG002 - each kind decides
        """Whether a task is still worth doing when its turn comes."""
        return True

    def _is_lost(self) -> bool:
        """Nothing further is worth doing."""
        return False
