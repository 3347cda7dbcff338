"""What crosses the queues to and from fetch: network -> bytes."""

from __future__ import annotations

from pmpipe.npm.config.auth import ClientCertificate
from stages.messages.base import JobId, Message, SharedBytes, Source


class FetchTarball(Message, frozen=True):
    """Download one tarball into the arena.

    Attributes:
        job: this job's number.
        label: ``name@version`` for messages.
        url: absolute http or https URL without credentials.
        authorization: value of the Authorization header, or empty; it goes to this URL's host and port only.
        maximum_bytes: a longer body fails the job.
        certificate: client certificate for this URL's scheme, host and port; None: the usual one, if any.
    """

    job: JobId
    label: str
    url: str
    authorization: str
    maximum_bytes: int
    certificate: ClientCertificate | None = None


class Preparation(Message, frozen=True):
    """How a package that comes from git makes what it consists of.

    Attributes:
        command: the program and its arguments; the package's folder is put behind.
        variables: for its environment, beside this process's own.
    """

    command: tuple[str, ...]
    variables: dict[str, str]


class FetchGit(Message, frozen=True):
    """Check out one commit of a git repository into a fresh folder.

    Attributes:
        job: this job's number.
        label: ``name@version`` or the spec, for messages.
        repositories: URLs to try in order, as git takes them.
        commit: the full SHA-1 or SHA-256 in hexadecimal.
        subfolder: path of the package within the repository, or empty.
        destination: absolute path of the folder to create.
        preparation: what is run if the package has scripts for it; None: it is taken as it is.
    """

    job: JobId
    label: str
    repositories: tuple[str, ...]
    commit: str
    subfolder: str
    destination: str
    preparation: Preparation | None = None


class FetchDocument(Message, frozen=True):
    """Download one JSON document into the arena, as the registry sends it: gzipped if it likes.

    Attributes:
        job: this job's number.
        label: the package's name, for messages.
        url: absolute http or https URL without credentials.
        authorization: value of the Authorization header, or empty; it goes to this URL's host and port only.
        accept: value of the Accept header.
        etag, last_modified: validators of the copy that the asker has; with one, the answer may be "not modified".
        maximum_bytes: a longer body fails the job.
        certificate: see `FetchTarball`.
    """

    job: JobId
    label: str
    url: str
    authorization: str
    accept: str
    etag: str
    last_modified: str
    maximum_bytes: int
    certificate: ClientCertificate | None = None


class FindGitCommit(Message, frozen=True):
    """Find the commit that a branch, tag, abbreviated commit or version range of a repository means, without a clone.

    Attributes:
        job: this job's number.
        label: the dependency, for messages.
        repositories: URLs to try in order, as git takes them.
        reference: branch, tag or commit; empty for the default branch, or where `requested_range` counts.
        requested_range: of ``#semver:``; the highest tag that satisfies it is meant. Empty: `reference` counts.
        folder: absolute path where nothing is yet, for a history, if one has to be searched.
    """

    job: JobId
    label: str
    repositories: tuple[str, ...]
    reference: str
    requested_range: str
    folder: str


class Release(Message, frozen=True):
    """The supervisor's word to fetch that the arena's space at `offset` is free again, and whose job fetched it.

    With `is_still_read` the space is not free yet, but nobody waits for who reads it: it must not hold up other bodies,
    so it counts in the budget no longer. The `Release` of the space follows, unless the reader never comes to its end.
    """

    job: JobId
    offset: int
    is_still_read: bool = False


class Withdraw(Message, frozen=True):
    """The supervisor's word to fetch that nobody needs what a job is to bring any more.

    The job is answered as always: by `Failed` if it was still under way, else by what it has brought.
    """

    job: JobId


class Fetched(Message, frozen=True):
    """A tarball or checkout is ready for extract. `wire_bytes` is what came over the network, bodies only."""

    job: JobId
    source: Source
    wire_bytes: int
    attempts: int


class FetchedDocument(Message, frozen=True):
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


class FoundGitCommit(Message, frozen=True):
    """The full id of the commit."""

    job: JobId
    commit: str
