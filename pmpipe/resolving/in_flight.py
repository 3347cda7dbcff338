"""What a resolution has in flight, and whether there is a slot for more."""

from __future__ import annotations

from itertools import count

import msgspec

from pmpipe.orders import StageName
from pmpipe.resolving.tasks import (
    STAGE_OF_TASK,
    CommitTask,
    DocumentTask,
    ExtractTask,
    FetchTask,
    KeepTask,
    ResolveTask,
    Task,
)
from pmpipe.tasks import ANY_SIZE, Settings
from stages.messages import JobId, SharedBytes, WantCommit, WantDocument

#: Of the first write to the cache.
_FIRST_KEEP = 1 << 32


class ResolveSlots(msgspec.Struct, frozen=True):
    """What may be in flight beside the stages' slots.

    Attributes:
        documents: in the fetch stage.
        tarballs: in the fetch stage, git jobs included.
        kept_bytes: of documents in the cache stage.
        staying_bytes: of documents that stay in the arena although nobody reads them at present.
    """

    documents: int
    tarballs: int
    kept_bytes: int
    staying_bytes: int


class InFlight(msgspec.Struct):
    """All and only jobs that a stage has and has not answered; `begin` and `end` are the only mutators.

    Args:
        settings: the stages' slots, and limits and paths for the jobs.
        slots: bounds within these.
    """

    settings: Settings
    slots: ResolveSlots
    tasks: dict[JobId, Task] = msgspec.field(default_factory=dict)
    #: how many jobs each stage has
    used: dict[StageName, int] = msgspec.field(default_factory=lambda: dict.fromkeys(StageName, 0))
    #: downloads of packuments among them
    documents: int = 0
    #: bytes of documents that are being written to the cache
    kept_bytes: int = 0
    #: large tarballs that are being unpacked
    large: int = 0
    _next_job: int = 0
    _keep_numbers: count[int] = msgspec.field(default_factory=lambda: count(_FIRST_KEEP))

    def begin(self, task: Task) -> JobId:
        """A stage gets a job: its number. Writes to the cache, which may outlast the run, have their own."""
        if isinstance(task, KeepTask):
            job = JobId(next(self._keep_numbers))
        else:
            job = JobId(self._next_job)
            self._next_job += 1
        self.tasks[job] = task
        self._count(task, 1)
        return job

    def end(self, job: JobId) -> Task:
        """A stage has answered a job: what it was about."""
        task = self.tasks.pop(job)
        self._count(task, -1)
        return task

    def _count(self, task: Task, change: int) -> None:
        self.used[STAGE_OF_TASK[type(task)]] += change
        if isinstance(task, DocumentTask):
            self.documents += change
        elif isinstance(task, KeepTask):
            self.kept_bytes += change * task.source.length
        elif isinstance(task, ExtractTask) and isinstance(task.source, SharedBytes):
            self.large += change * (task.source.length >= self.settings.large_tarball_bytes)

    # -- what may begin -------------------------------------------------------------------------------------------

    def has_slot(self, stage: StageName) -> bool:
        """Whether a stage takes one more job."""
        return self.used[stage] < self.settings.slots[stage]

    def has_slot_for_document(self) -> bool:
        """Whether fetch takes one more document, or search for a commit."""
        return self.documents < self.slots.documents and self.has_slot(StageName.FETCH)

    def has_slot_for_tarball(self) -> bool:
        """Whether fetch takes one more tarball."""
        return self.used[StageName.FETCH] - self.documents < self.slots.tarballs

    def has_room_to_keep(self, length: int) -> bool:
        """Whether the cache takes one more document, of so many bytes."""
        return self.has_slot(StageName.CACHE) and self.kept_bytes + length <= self.slots.kept_bytes

    def largest_to_extract(self) -> int:
        """How many bytes the next tarball that is unpacked may have."""
        is_full = self.large >= self.settings.large_at_once
        return self.settings.large_tarball_bytes if is_full else ANY_SIZE

    # -- what there is --------------------------------------------------------------------------------------------

    @property
    def is_only_cache(self) -> bool:
        """Whether nothing is in flight but writes to the cache."""
        return len(self.tasks) == self.used[StageName.CACHE]

    def describe(self, job: JobId) -> str:
        """What a job in flight is about."""
        match self.tasks.get(job):
            case DocumentTask(want=WantDocument(label=label)) | CommitTask(want=WantCommit(label=label)):
                return label
            case FetchTask(tarball=tarball) | ExtractTask(tarball=tarball):
                return tarball.label
            case KeepTask(label=label) | ResolveTask(label=label):
                return label
        return ""

    def validate(self) -> None:
        """Assert what must always hold; for tests."""
        counted = dict.fromkeys(StageName, 0)
        for task in self.tasks.values():
            counted[STAGE_OF_TASK[type(task)]] += 1
        assert counted == self.used
        assert all(used <= self.settings.slots.get(stage, 0) for stage, used in self.used.items())
        assert self.documents == sum(isinstance(task, DocumentTask) for task in self.tasks.values())
        assert self.documents <= self.slots.documents
        kept = [task.source.length for task in self.tasks.values() if isinstance(task, KeepTask)]
        assert self.kept_bytes == sum(kept) <= self.slots.kept_bytes
