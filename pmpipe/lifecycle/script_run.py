"""Running one event's scripts of many packages: a state machine for the script stage.

The same supervisor drives it as an install. The first failure that the install cannot do without ends it; what is
running then is ended by whoever ends the processes.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Collection, Iterator, Sequence

import msgspec

from pmpipe.npm.package_path import PackagePath
from pmpipe.orders import Event, Finish, Interrupted, Order, StageName, Start, Stop, WorkerDied
from stages.messages import Crashed, Failed, JobId, RunScript, ScriptRan


class ScriptTask(msgspec.Struct, frozen=True):
    """A package that may have scripts.

    Attributes:
        location: the lockfile's key; of a linked folder, that of the link.
        label: ``name@version`` for messages.
        folder: absolute path, where its scripts run.
        optional: the install can do without it.
        variables: for its scripts' environment, beside what all have and what its package.json says.
    """

    location: PackagePath
    label: str
    folder: str
    optional: bool
    variables: dict[str, str]


class ScriptFailure(msgspec.Struct, frozen=True):
    """A script that has failed, or could not be started."""

    task: ScriptTask
    result: ScriptRan | Failed


def _nothing_else(_: PackagePath) -> Collection[str]:
    return ()


class ScriptRun(msgspec.Struct):
    """All scripts of one event.

    Args:
        event: ``postinstall``, for example.
        tasks: in the order in which they begin.
        shell: the program that gets the commands.
        places: how many may run at a time.
        is_shown: they write to the terminal.
        left_out_with: the locations that are of no use any more if an optional package has failed.

    Attributes:
        left_out: locations of optional packages that have failed, and of what only these need; no script of
            theirs begins any more.
        ran: locations whose script has run and succeeded.
        failures: all scripts that have failed.
    """

    event: str
    tasks: Sequence[ScriptTask]
    shell: str
    places: int
    is_shown: bool
    left_out_with: Callable[[PackagePath], Collection[str]] = _nothing_else
    left_out: set[str] = msgspec.field(default_factory=set)
    ran: set[PackagePath] = msgspec.field(default_factory=set)
    failures: list[ScriptFailure] = msgspec.field(default_factory=list)
    finished: bool = False
    _waiting: deque[ScriptTask] = msgspec.field(default_factory=deque)
    #: all and only jobs that have not been answered
    _in_flight: dict[JobId, ScriptTask] = msgspec.field(default_factory=dict)
    _next_job: int = 0

    def __post_init__(self) -> None:
        self._waiting.extend(self.tasks)

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
            assert isinstance(event, ScriptRan | Failed), f"{type(event).__name__} answers no script"
            self._take_in(event)
        return list(self._give_out())

    def _take_in(self, result: ScriptRan | Failed) -> None:
        task = self._in_flight.pop(result.job)
        if isinstance(result, Failed) or result.status:
            self.failures.append(ScriptFailure(task, result))
            if task.optional:
                self.left_out.update((task.location, *self.left_out_with(task.location)))
        elif result.command:
            self.ran.add(task.location)

    def _give_out(self) -> Iterator[Order]:
        is_lost = any(not failure.task.optional for failure in self.failures)
        while self._waiting and len(self._in_flight) < self.places and not is_lost:
            task = self._waiting.popleft()
            if task.location in self.left_out:
                continue
            job = JobId(self._next_job)
            self._next_job += 1
            self._in_flight[job] = task
            script = RunScript(
                job, task.label, self.event, task.folder, self.shell, task.variables, is_shown=self.is_shown
            )
            yield Start(StageName.SCRIPT, script)
        if is_lost or not self._in_flight:
            self.finished = True
            yield Finish()

    def in_flight(self, stage: StageName) -> int:
        """How many jobs a stage has, queued and in hand."""
        return len(self._in_flight) if stage is StageName.SCRIPT else 0

    def describe(self, job: JobId) -> str:
        """What a job in flight is about."""
        task = self._in_flight.get(job)
        return f"{task.label} ({self.event})" if task is not None else ""

    def under_way(self) -> list[str]:
        """What is running now, for a progress bar."""
        return [f"{task.label} {self.event}" for task in self._in_flight.values()]
