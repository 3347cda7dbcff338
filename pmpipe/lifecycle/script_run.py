"""Running one event's scripts of many packages: a state machine for the script stage.

The same supervisor drives it as an install. The first failure that the install cannot do without ends it; what is
running then is ended by whoever ends the processes.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence

import msgspec

from pmpipe.npm.locks.package_path import PackagePath
from pmpipe.orders import StageName
from pmpipe.pipeline.one_stage import OneStageRun
from stages.messages import Failed, Job, JobId, Result, RunScript, ScriptRan
from stages.messages.scripting import ShownOn


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


class ScriptRun(OneStageRun[ScriptTask, ScriptTask]):
    """All scripts of one event.

    Args:
        event: ``postinstall``, for example.
        tasks: in the order in which they begin.
        shell: the program that gets the commands.
        slots: how many may run at a time.
        shown_on: where they write; empty: what they write is kept.
        left_out_with: the locations that are of no use any more if an optional package has failed.

    Attributes:
        left_out: locations of optional packages that have failed, and of what only these need; no script of
            theirs begins any more.
        ran: locations whose script has run and succeeded.
        failures: all scripts that have failed.
    """

    stage = StageName.SCRIPT

    event: str
    tasks: Sequence[ScriptTask]
    shell: str
    slots: int
    shown_on: ShownOn
    left_out_with: Callable[[PackagePath], Collection[str]] = _nothing_else
    left_out: set[str] = msgspec.field(default_factory=set)
    ran: set[PackagePath] = msgspec.field(default_factory=set)
    failures: list[ScriptFailure] = msgspec.field(default_factory=list)

    def __post_init__(self) -> None:
        self._waiting.extend(self.tasks)

    def _slots(self) -> int:
        return self.slots

    def _begin(self, job: JobId, task: ScriptTask) -> tuple[Job, ScriptTask]:
        script = RunScript(job, task.label, self.event, task.folder, self.shell, task.variables, self.shown_on)
        return script, task

    def _take_in(self, result: Result) -> None:
        assert isinstance(result, ScriptRan | Failed), f"{type(result).__name__} answers no script"
        task = self._in_flight.pop(result.job)
        if isinstance(result, Failed) or result.status:
            self.failures.append(ScriptFailure(task, result))
            if task.optional:
                self.left_out.update((task.location, *self.left_out_with(task.location)))
        elif result.command:
            self.ran.add(task.location)

    def _is_wanted(self, task: ScriptTask) -> bool:
        return task.location not in self.left_out

    def _is_lost(self) -> bool:
        return any(not failure.task.optional for failure in self.failures)

    def describe(self, job: JobId) -> str:
        """What a job in flight is about."""
        task = self._in_flight.get(job)
        return f"{task.label} ({self.event})" if task is not None else ""

    def under_way(self) -> list[str]:
        """What is running now, for a progress bar."""
        return [f"{task.label} {self.event}" for task in self._in_flight.values()]
