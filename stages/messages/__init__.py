"""The typed jobs and results that cross the queues between the supervisor and the stage processes.

Every message is a frozen array-like Struct, encoded as msgpack by `encode` and decoded by one of the typed decoders
below: a few tenths of a microsecond each, against some three for a pickled dataclass. Messages travel in batches (a
list is one datagram of a `stages.channel.Channel`), tarball bytes never do: a `SharedBytes` says where in the shared
arena they lie.

A job names absolute paths, limits and digests, and knows no policy. Exceptions never cross a queue: what can be
expected to go wrong is a `Failed` result, anything else a `Crashed` one.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

import msgspec

from stages.messages.base import (
    Crashed,
    Failed,
    IntegrityText,
    JobId,
    Message,
    PackageFolder,
    SharedBytes,
    Source,
    StoreEntry,
    TarballFile,
    UsersFolder,
)
from stages.messages.caching import (
    CachedDocument,
    CacheDocument,
)
from stages.messages.cloning import (
    Check,
    Checked,
    Clone,
    Cloned,
    Damaged,
    Remove,
    Removed,
)
from stages.messages.extracting import (
    ArchiveLimits,
    Extract,
    Extracted,
    Patch,
)
from stages.messages.fetching import (
    FetchDocument,
    Fetched,
    FetchedDocument,
    FetchGit,
    FetchTarball,
    FindGitCommit,
    FoundGitCommit,
    Preparation,
    Release,
    Withdraw,
)
from stages.messages.linking import (
    LinkBins,
    Linked,
    Symlink,
)
from stages.messages.resolving import (
    COMMIT,
    Announced,
    AnswerDocument,
    AnswerEntry,
    AnswerFailure,
    Resolve,
    ResolveDone,
    ResolveFailed,
    ResolveStep,
    Want,
    WantCommit,
    WantDocument,
    WantTarball,
)
from stages.messages.scripting import (
    RunScript,
    ScriptRan,
)

__all__ = [
    "COMMIT",
    "Announced",
    "AnswerDocument",
    "AnswerEntry",
    "AnswerFailure",
    "ArchiveLimits",
    "CacheDocument",
    "CacheJob",
    "CachedDocument",
    "Check",
    "Checked",
    "Clone",
    "CloneJob",
    "Cloned",
    "Crashed",
    "Damaged",
    "Extract",
    "ExtractJob",
    "Extracted",
    "Failed",
    "FetchDocument",
    "FetchGit",
    "FetchJob",
    "FetchTarball",
    "Fetched",
    "FetchedDocument",
    "FindGitCommit",
    "FoundGitCommit",
    "IntegrityText",
    "Job",
    "JobId",
    "LinkBins",
    "LinkJob",
    "Linked",
    "PackageFolder",
    "Patch",
    "Preparation",
    "Release",
    "Remove",
    "Removed",
    "Resolve",
    "ResolveDone",
    "ResolveFailed",
    "ResolveJob",
    "ResolveStep",
    "Result",
    "RunScript",
    "ScriptJob",
    "ScriptRan",
    "SharedBytes",
    "Source",
    "StoreEntry",
    "Symlink",
    "TarballFile",
    "UsersFolder",
    "Want",
    "WantCommit",
    "WantDocument",
    "WantTarball",
    "Withdraw",
    "decode_jobs",
    "decode_results",
    "encode",
]

FetchJob: TypeAlias = FetchTarball | FetchGit | FetchDocument | FindGitCommit | Release | Withdraw
CacheJob: TypeAlias = CacheDocument
ResolveJob: TypeAlias = Resolve | AnswerDocument | AnswerEntry | AnswerFailure
ExtractJob: TypeAlias = Extract
CloneJob: TypeAlias = Clone | Check | Remove
LinkJob: TypeAlias = Symlink | LinkBins
ScriptJob: TypeAlias = RunScript
Job: TypeAlias = FetchJob | CacheJob | ResolveJob | ExtractJob | CloneJob | LinkJob | ScriptJob
Result: TypeAlias = (
    Fetched
    | FetchedDocument
    | FoundGitCommit
    | CachedDocument
    | ResolveStep
    | ResolveDone
    | ResolveFailed
    | Extracted
    | Cloned
    | Checked
    | Removed
    | Damaged
    | Linked
    | ScriptRan
    | Failed
    | Crashed
)

_encoder = msgspec.msgpack.Encoder()
_job_decoder = msgspec.msgpack.Decoder(list[Job])
_result_decoder = msgspec.msgpack.Decoder(list[Result])


def encode(messages: Sequence[Message]) -> bytes:
    """One batch of jobs or of results as msgpack."""
    return _encoder.encode(messages)


def decode_jobs(datagram: bytes) -> list[Job]:
    """The batch of jobs that `encode` made.

    Raises:
        msgspec.DecodeError: it is none; between our own processes that is a bug.
    """
    return _job_decoder.decode(datagram)


def decode_results(datagram: bytes) -> list[Result]:
    """The batch of results that `encode` made.

    Raises:
        msgspec.DecodeError: it is none; between our own processes that is a bug.
    """
    return _result_decoder.decode(datagram)
