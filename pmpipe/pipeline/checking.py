"""Comparing folders with the store's indexes, as a run of its own through the clone stage's workers.

The same supervisor drives it as an install: jobs against free slots, a worker's death fails the run.
"""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from pmpipe.orders import StageName
from pmpipe.pipeline.one_stage import OneStageRun
from stages.messages import Check, Checked, Damaged, Failed, Job, JobId, Result


class CheckTask(msgspec.Struct, frozen=True, gc=False):
    """A folder and the store entry whose index says what should be in it; both absolute paths.

    To check the store itself, `folder` is the entry's own.
    """

    label: str
    entry: str
    folder: str


class Finding(msgspec.Struct):
    """What differs in one folder, as paths within it.

    Attributes:
        task: which folder.
        missing: files that are not there.
        changed: files with other bytes, size, type or executable bit than the index says.
        no_entry: why the store cannot tell (no entry, or a torn index); then the other two are empty.
        failed: why the folder could not be read; then the others are empty.
    """

    task: CheckTask
    missing: list[str] = msgspec.field(default_factory=list)
    changed: list[str] = msgspec.field(default_factory=list)
    no_entry: str = ""
    failed: Failed | None = None


class CheckRun(OneStageRun[CheckTask, Finding]):
    """The state machine of a check: every task is a job, every job has one finding or none.

    Args:
        tasks: what is to be checked.
        slots: how many jobs the clone stage may have in flight.
    """

    stage = StageName.CLONE

    tasks: Iterable[CheckTask]
    slots: int
    findings: list[Finding] = msgspec.field(default_factory=list)
    done: int = 0

    def __post_init__(self) -> None:
        self._waiting.extend(self.tasks)

    def _slots(self) -> int:
        return self.slots

    def _begin(self, job: JobId, task: CheckTask) -> tuple[Job, Finding]:
        return Check(job, task.label, task.entry, task.folder), Finding(task)

    def _take_in(self, result: Result) -> None:
        match result:
            case Checked():
                finding = self._in_flight[result.job]
                finding.missing.extend(result.missing)
                finding.changed.extend(result.changed)
                if result.more:
                    return
            case Damaged():
                self._in_flight[result.job].no_entry = result.what
            case Failed():
                self._in_flight[result.job].failed = result
            case _:
                raise AssertionError(f"{type(result).__name__} answers no check")
        self._settle(result.job)

    def _settle(self, job: JobId) -> None:
        finding = self._in_flight.pop(job)
        self.done += 1
        if finding.missing or finding.changed or finding.no_entry or finding.failed:
            self.findings.append(finding)

    def describe(self, job: JobId) -> str:
        """What a job in flight is about."""
        finding = self._in_flight.get(job)
        return finding.task.label if finding is not None else ""
