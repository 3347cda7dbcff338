"""What goes into the scheduler and what comes out: events are facts, orders are verbs."""

from __future__ import annotations

import enum
import signal
from typing import TypeAlias

import msgspec

from stages.messages import Crashed, Failed, Job, JobId, Result


class StageName(str, enum.Enum):
    """The kinds of worker process: four that install, two more that resolve, and one that runs scripts."""

    # Enum's own hash is a Python function, and these are keys that every event looks up
    __hash__ = str.__hash__

    FETCH = "fetch"
    EXTRACT = "extract"
    CLONE = "clone"
    LINK = "link"
    RESOLVE = "resolve"
    CACHE = "cache"
    SCRIPT = "script"


# -- events (besides the results of `stages.messages`) ----------------------------------------------------------------


class WorkerDied(msgspec.Struct, frozen=True, gc=False):
    """A stage process ended although its work was not done.

    Attributes:
        stage: its kind.
        pid: its process id.
        exitcode: exit status, or minus the signal's number.
        in_hand: the job that it was working on, -1 if none.
    """

    stage: StageName
    pid: int
    exitcode: int
    in_hand: JobId

    @property
    def cause(self) -> str:
        """What it came from, in words: `was killed by SIGKILL`, `exited with status 3`."""
        if self.exitcode >= 0:
            return f"exited with status {self.exitcode}"
        number = -self.exitcode
        # real-time signals have no names
        is_named = number in signal.Signals.__members__.values()
        return f"was killed by {signal.Signals(number).name if is_named else f'signal {number}'}"


class Interrupted(msgspec.Struct, frozen=True, gc=False):
    """The user or the system asked for the end by a signal."""

    signal_number: int


Event: TypeAlias = Result | WorkerDied | Interrupted


# -- orders -----------------------------------------------------------------------------------------------------------


class Start(msgspec.Struct, frozen=True, gc=False):
    """Give a job to a stage; there is a free slot for it."""

    stage: StageName
    job: Job


class ReleaseSpace(msgspec.Struct, frozen=True, gc=False):
    """Tell fetch that the arena's space at `offset` is free; or, `is_still_read`, that nobody waits for its reader."""

    offset: int
    is_still_read: bool = False


class WithdrawJob(msgspec.Struct, frozen=True, gc=False):
    """Tell fetch that nobody needs what a job is to bring; the job will be answered soon."""

    job: JobId


class Dismiss(msgspec.Struct, frozen=True, gc=False):
    """The stage's processes have nothing more to do in this run: let them end by themselves."""

    stage: StageName


class Finish(msgspec.Struct, frozen=True, gc=False):
    """Nothing is in flight and nothing more can be done: end the workers in peace."""


class Stop(msgspec.Struct, frozen=True):
    """End all workers at once, for this reason."""

    reason: WorkerDied | Interrupted | Crashed


Order: TypeAlias = Start | ReleaseSpace | WithdrawJob | Dismiss | Finish | Stop


# -- what a run leaves to be told -------------------------------------------------------------------------------------


class Failure(msgspec.Struct, frozen=True, gc=False):
    """An expected failure, and the location in the tree that it concerns."""

    location: str
    failed: Failed


class Counts(msgspec.Struct):
    """What has been done so far, for progress and summary. Bytes are bodies as received, and unpacked."""

    fetched: int = 0
    wire_bytes: int = 0
    extracted: int = 0
    unpacked_bytes: int = 0
    unpacked_files: int = 0
    placed: int = 0
    reflinked: int = 0
    hardlinked: int = 0
    copied: int = 0
    placed_bytes: int = 0
    linked: int = 0

    def add(self, other: Counts) -> None:
        """Count what another run has done, too."""
        for name in self.__struct_fields__:
            setattr(self, name, getattr(self, name) + getattr(other, name))
