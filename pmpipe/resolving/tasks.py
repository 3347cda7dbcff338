"""What the state machine of a resolution keeps of each job in flight, and what it leaves in the end."""

from __future__ import annotations

from typing import TypeAlias

import msgspec

from pmpipe.orders import StageName
from pmpipe.resolving.warming import Tarball
from stages.messages import (
    AnswerDocument,
    AnswerEntry,
    AnswerFailure,
    Failed,
    SharedBytes,
    Source,
    WantCommit,
    WantDocument,
)


class DocumentTask(msgspec.Struct, frozen=True, gc=False):
    """A download of a packument."""

    want: WantDocument


class CommitTask(msgspec.Struct, frozen=True, gc=False):
    """A search for the commit that a git reference means."""

    want: WantCommit


class FetchTask(msgspec.Struct, frozen=True, gc=False):
    """A download of a tarball, or a checkout of a commit."""

    tarball: Tarball


class ExtractTask(msgspec.Struct, frozen=True, gc=False):
    """An unpacking of what was fetched."""

    tarball: Tarball
    source: Source


class KeepTask(msgspec.Struct, frozen=True, gc=False):
    """A writing of a document to the cache."""

    label: str
    source: SharedBytes


class ResolveTask(msgspec.Struct, frozen=True, gc=False):
    """The beginning, or an answer for the resolver; `source` is the space in the arena that it reads."""

    label: str
    source: SharedBytes | None


Task: TypeAlias = DocumentTask | CommitTask | FetchTask | ExtractTask | KeepTask | ResolveTask

STAGE_OF_TASK: dict[type[Task], StageName] = {
    DocumentTask: StageName.FETCH,
    CommitTask: StageName.FETCH,
    FetchTask: StageName.FETCH,
    ExtractTask: StageName.EXTRACT,
    KeepTask: StageName.CACHE,
    ResolveTask: StageName.RESOLVE,
}


class Answer(msgspec.Struct, frozen=True, gc=False):
    """An answer for the resolver without its job's number; `source` is the space in the arena that it is read from."""

    job: AnswerDocument | AnswerEntry | AnswerFailure
    label: str
    source: SharedBytes | None = None


class Resolution(msgspec.Struct):
    """What a resolution leaves.

    Attributes:
        made: absolute path of a file with what was made (`pmpipe.resolving.made`); empty if there are problems.
        problems: why there is none.
        warnings: what is odd but harmless, one line each.
        unkept: documents that were not written to the cache because its queue was full.
        notes: why others could not be written, one line each.
    """

    made: str = ""
    problems: tuple[Failed, ...] = ()
    warnings: list[str] = msgspec.field(default_factory=list)
    unkept: int = 0
    notes: list[str] = msgspec.field(default_factory=list)
