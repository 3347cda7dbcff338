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
from typing import NewType, TypeAlias

import msgspec

#: Numbers a job within one run and one stage; the scheduler gives it out, results carry it back.
JobId = NewType("JobId", int)

#: One SRI string, possibly of several digests: "sha512-… sha1-…"; empty where none is known.
IntegrityText = NewType("IntegrityText", str)


class _Message(msgspec.Struct, frozen=True, array_like=True, tag=True):
    """Base of everything that crosses a queue."""


# -- where the bytes of a package lie -----------------------------------------------------------------------------


class SharedBytes(_Message, frozen=True):
    """A tarball in the shared arena.

    `offset` and `length` are bytes. Whoever receives it from fetch owns it until the supervisor has sent a `Release`
    with the same offset back, or the arena fills up and the run stands still.
    """

    offset: int
    length: int


class TarballFile(_Message, frozen=True):
    """A tarball on disk that is only read (a `file:` dependency)."""

    path: str


class PackageFolder(_Message, frozen=True):
    """A folder to be packed as npm packs it (the checkout of a git dependency, in the store's staging area).

    Extract deletes the folder when it has read it.
    """

    path: str


Source: TypeAlias = SharedBytes | TarballFile | PackageFolder


# -- fetch --------------------------------------------------------------------------------------------------------


class FetchTarball(_Message, frozen=True):
    """Download one tarball into the arena.

    Attributes:
        job: this job's number.
        label: ``name@version`` for messages.
        url: absolute http or https URL without credentials.
        authorization: value of the Authorization header, or empty; it goes to this URL's host and port only.
        maximum_bytes: a longer body fails the job.
    """

    job: JobId
    label: str
    url: str
    authorization: str
    maximum_bytes: int


class FetchGit(_Message, frozen=True):
    """Check out one commit of a git repository into a fresh folder.

    Attributes:
        job: this job's number.
        label: ``name@version`` or the spec, for messages.
        repositories: URLs to try in order, as git takes them.
        commit: the full SHA-1 or SHA-256 in hexadecimal.
        subfolder: path of the package within the repository, or empty.
        destination: absolute path of the folder to create.
    """

    job: JobId
    label: str
    repositories: tuple[str, ...]
    commit: str
    subfolder: str
    destination: str


class FetchDocument(_Message, frozen=True):
    """Download one JSON document into the arena, as the registry sends it: gzipped if it likes.

    Attributes:
        job: this job's number.
        label: the package's name, for messages.
        url: absolute http or https URL without credentials.
        authorization: value of the Authorization header, or empty; it goes to this URL's host and port only.
        accept: value of the Accept header.
        etag, last_modified: validators of the copy that the asker has; with one, the answer may be "not modified".
        maximum_bytes: a longer body fails the job.
    """

    job: JobId
    label: str
    url: str
    authorization: str
    accept: str
    etag: str
    last_modified: str
    maximum_bytes: int


class FindGitCommit(_Message, frozen=True):
    """Find the commit that a branch, tag, abbreviated commit or version range of a repository means, without a clone.

    Attributes:
        job: this job's number.
        label: the dependency, for messages.
        repositories: URLs to try in order, as git takes them.
        reference: branch, tag or commit; empty for the default branch, or where `requested_range` counts.
        requested_range: of ``#semver:``; the highest tag that satisfies it is meant. Empty: `reference` counts.
    """

    job: JobId
    label: str
    repositories: tuple[str, ...]
    reference: str
    requested_range: str


class Release(_Message, frozen=True):
    """The supervisor's word to fetch that the arena's space at `offset` is free again, and whose job fetched it."""

    job: JobId
    offset: int


class Fetched(_Message, frozen=True):
    """A tarball or checkout is ready for extract. `wire_bytes` is what came over the network, bodies only."""

    job: JobId
    source: Source
    wire_bytes: int
    attempts: int


class FetchedDocument(_Message, frozen=True):
    """A document is in the arena, or has not changed.

    Attributes:
        job: the job's number.
        source: where the body lies; None: the asker's copy is current.
        gzipped: the body is under gzip.
        etag, last_modified: its validators; empty where the registry gives none.
        fresh_s: for so many seconds it need not be asked for again; 0: it must be, -1: it must not be kept at all.
        wire_bytes: of the body, as received.
        attempts: how many were made.
    """

    job: JobId
    source: SharedBytes | None
    gzipped: bool
    etag: str
    last_modified: str
    fresh_s: int
    wire_bytes: int
    attempts: int


class FoundGitCommit(_Message, frozen=True):
    """The full id of the commit."""

    job: JobId
    commit: str


# -- cache --------------------------------------------------------------------------------------------------------


class CacheDocument(_Message, frozen=True):
    """Write one document as received to the cache, by one rename.

    Attributes:
        job: this job's number.
        label: the package's name, for messages.
        source: the body.
        head: what the cache keeps in front of it (`stages.document_cache`).
        staging: absolute path of the folder where it is written first.
        path: absolute path of the cache's file.
    """

    job: JobId
    label: str
    source: SharedBytes
    head: bytes
    staging: str
    path: str


class CachedDocument(_Message, frozen=True):
    """The document is in the cache, or could not be written, for the reason given."""

    job: JobId
    problem: str = ""


# -- resolve ------------------------------------------------------------------------------------------------------


class Resolve(_Message, frozen=True):
    """Begin to resolve the project that the process was started for."""

    job: JobId


class AnswerDocument(_Message, frozen=True):
    """The answer to a `WantDocument`: its document is in the arena, or the kept copy is current (no `source`)."""

    job: JobId
    want: int
    source: SharedBytes | None
    gzipped: bool


class AnswerEntry(_Message, frozen=True):
    """The answer to a `WantTarball` or `WantCommit`.

    Attributes:
        job: this job's number.
        want: which one.
        entry: absolute path of the store entry.
        integrity: SRI of the tarball.
        commit: full id of the git commit, or empty.
    """

    job: JobId
    want: int
    entry: str
    integrity: str
    commit: str


class AnswerFailure(_Message, frozen=True):
    """What was wanted could not be had; `code`, `what`, `details` and `hint` are those of the `Failed` result."""

    job: JobId
    want: int
    code: str
    what: str
    details: tuple[str, ...]
    hint: str


class WantDocument(_Message, frozen=True):
    """The resolver needs a packument; fields as in `FetchDocument`, and where a copy of it is to be kept."""

    want: int
    label: str
    url: str
    authorization: str
    accept: str
    etag: str
    last_modified: str
    cache_path: str


class WantTarball(_Message, frozen=True):
    """The resolver has to look into a tarball.

    Attributes:
        want: number of the want, to be given back with the answer.
        label: for messages.
        url: absolute http or https URL; empty for a file.
        authorization: see `FetchTarball`.
        path: absolute path of a tarball on disk, or empty.
        integrity: SRI, or empty.
    """

    want: int
    label: str
    url: str
    authorization: str
    path: str
    integrity: str


class WantCommit(_Message, frozen=True):
    """The resolver has to look into a git repository; fields as in `FindGitCommit`.

    `resolved` is what a lockfile says of it, with ``{commit}`` in place of the commit's id; `subfolder` the path of the
    package within the repository, or empty.
    """

    want: int
    label: str
    repositories: tuple[str, ...]
    reference: str
    requested_range: str
    resolved: str
    subfolder: str


class Announced(_Message, frozen=True):
    """A guess of the resolver's: this tarball will be needed. Fields as in `WantTarball`."""

    label: str
    url: str
    authorization: str
    integrity: str


Want: TypeAlias = WantDocument | WantTarball | WantCommit


class ResolveStep(_Message, frozen=True):
    """What followed from `Resolve` or an answer; a long list comes in several results, `more` set in all but the last.

    Attributes:
        job: the job that it followed from.
        wants: what to fetch.
        announced: what can be downloaded ahead.
        packages: how many packages have been found so far.
        more: further results of this job follow.
    """

    job: JobId
    wants: tuple[Want, ...]
    announced: tuple[Announced, ...]
    packages: int
    more: bool = False


class ResolveDone(_Message, frozen=True):
    """The tree is finished; what is still wanted is not needed any more.

    Attributes:
        job: the job that it followed from.
        made: absolute path of a file with what was made.
        warnings: one line each.
    """

    job: JobId
    made: str
    warnings: tuple[str, ...]


class ResolveFailed(_Message, frozen=True):
    """The dependencies cannot be resolved; one `Failed` for each problem, with the job that it followed from."""

    job: JobId
    problems: tuple[Failed, ...]


# -- extract ------------------------------------------------------------------------------------------------------


class ArchiveLimits(_Message, frozen=True):
    """Caps that an archive may not exceed; all in bytes except the number of entries and the ratio."""

    entries: int
    one_file: int
    all_files: int
    ratio: int


class Extract(_Message, frozen=True):
    """Verify one tarball and unpack it into the store.

    Attributes:
        job: this job's number.
        label: ``name@version`` for messages.
        source: where the bytes lie.
        integrity: expected SRI; empty where the lockfile has none, then nothing is compared.
        store: absolute path of the store's version folder; the entry's place follows from the strongest expected
            digest, or from the computed sha512 where none is expected (`stages.entry.entry_path`).
        key: a digest text that names the entry instead of the tarball's own (git checkouts); empty otherwise.
        limits: caps on the archive.
        replace: the entry that stands there is damaged in a way its index does not show; put this one in its place.
        durable: flush files and folders to the disk before the entry appears.
    """

    job: JobId
    label: str
    source: Source
    integrity: IntegrityText
    store: str
    key: str
    limits: ArchiveLimits
    durable: bool
    replace: bool = False


class Extracted(_Message, frozen=True):
    """The store holds the complete entry.

    Attributes:
        job: the job's number.
        entry: absolute path of the store entry.
        integrity: the expected SRI as given, or ``sha512-…`` as computed where none was given.
        files: number of regular files in the entry.
        unpacked_bytes: their total size.
        warnings: what was odd but harmless (an absolute path that was made relative), one line each.
    """

    job: JobId
    entry: str
    integrity: IntegrityText
    files: int
    unpacked_bytes: int
    warnings: tuple[str, ...]


# -- clone --------------------------------------------------------------------------------------------------------


class Clone(_Message, frozen=True):
    """Fill one package folder from a store entry.

    Attributes:
        job: this job's number.
        label: ``name@version`` for messages.
        entry: absolute path of the store entry.
        destination: absolute path of the package folder; it does not exist yet, or is empty, or holds nothing but
            ``node_modules``, unless `only` is given.
        method: ``auto``, ``reflink``, ``hardlink`` or ``copy``.
        only: paths within the package to restore; each is replaced, nothing else is touched. Empty: all.
    """

    job: JobId
    label: str
    entry: str
    destination: str
    method: str
    only: tuple[str, ...]


class Cloned(_Message, frozen=True):
    """The package folder is complete. The three counts are files by the method that worked."""

    job: JobId
    reflinked: int
    hardlinked: int
    copied: int
    bytes: int


class Check(_Message, frozen=True):
    """Compare a folder with the index of a store entry, contents included.

    `destination` is a package folder of `node_modules`, or the entry's own folder to check the store itself.
    """

    job: JobId
    label: str
    entry: str
    destination: str


class Checked(_Message, frozen=True):
    """What `Check` found, as paths within the package; both empty when everything is as the index says.

    A long list comes in several results; `more` is set in all but the last.
    """

    job: JobId
    missing: tuple[str, ...]
    changed: tuple[str, ...]
    more: bool = False


class Remove(_Message, frozen=True):
    """Delete a file, link or whole folder; links are never followed. What does not exist is no failure."""

    job: JobId
    path: str


class Removed(_Message, frozen=True):
    """The path is gone."""

    job: JobId


# -- link ---------------------------------------------------------------------------------------------------------


class Symlink(_Message, frozen=True):
    """Make `path` a relative symbolic link to the folder `target` (both absolute), replacing what stands there."""

    job: JobId
    label: str
    path: str
    target: str


class LinkBins(_Message, frozen=True):
    """Make one package's executables reachable.

    Attributes:
        job: this job's number.
        label: ``name@version`` for messages.
        package: absolute path of the package folder.
        bin_folder: absolute path of the ``.bin`` folder that gets the links.
        bins: pairs of link name and target path within the package.
    """

    job: JobId
    label: str
    package: str
    bin_folder: str
    bins: tuple[tuple[str, str], ...]


class Damaged(_Message, frozen=True):
    """The store entry of a `Clone` or `Check` is absent or incomplete; fetched again, the job can succeed."""

    job: JobId
    what: str


class Linked(_Message, frozen=True):
    """The links are in place; `count` of them were made, `missing` names bins whose target does not exist."""

    job: JobId
    count: int
    missing: tuple[str, ...]


# -- every stage --------------------------------------------------------------------------------------------------


class Failed(_Message, frozen=True):
    """Something that can be expected to go wrong went wrong with one job.

    Attributes:
        job: the job's number.
        code: the `code` of a class in `pmpipe.errors`.
        what: one line that names the package and the cause.
        details: further lines (expected and got, URL, path).
        hint: what to do, or empty.
        cause: groups like failures in the report, for example ``401 registry.example``; empty: on its own.
        host_is_down: every further job for the same host would fail the same way.
    """

    job: JobId
    code: str
    what: str
    details: tuple[str, ...] = ()
    hint: str = ""
    cause: str = ""
    host_is_down: bool = False


class Crashed(_Message, frozen=True):
    """A worker of `stage` raised what it did not expect, and is about to end; `traceback` is the worker's own."""

    job: JobId
    stage: str
    traceback: str


FetchJob: TypeAlias = FetchTarball | FetchGit | FetchDocument | FindGitCommit | Release
CacheJob: TypeAlias = CacheDocument
ResolveJob: TypeAlias = Resolve | AnswerDocument | AnswerEntry | AnswerFailure
ExtractJob: TypeAlias = Extract
CloneJob: TypeAlias = Clone | Check | Remove
LinkJob: TypeAlias = Symlink | LinkBins
Job: TypeAlias = FetchJob | CacheJob | ResolveJob | ExtractJob | CloneJob | LinkJob
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
    | Failed
    | Crashed
)

_encoder = msgspec.msgpack.Encoder()
_job_decoder = msgspec.msgpack.Decoder(list[Job])
_result_decoder = msgspec.msgpack.Decoder(list[Result])


def encode(messages: Sequence[_Message]) -> bytes:
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
