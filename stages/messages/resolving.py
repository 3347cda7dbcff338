"""What crosses the queues to and from resolve: wants and announcements come out, answers go in."""

from __future__ import annotations

from typing import TypeAlias

from pmpipe.npm.config.auth import ClientCertificate
from stages.messages.base import Failed, JobId, Message, SharedBytes


class Resolve(Message, frozen=True):
    """Begin to resolve the project that the process was started for."""

    job: JobId


class AnswerDocument(Message, frozen=True):
    """The answer to a `WantDocument`.

    Attributes:
        job: this job's number.
        want: which one.
        source: where the document is; None: the kept copy is current.
        gzipped: it is under gzip.
        stays: the document stays where it is until the resolution has ended.
    """

    job: JobId
    want: int
    source: SharedBytes | None
    gzipped: bool
    stays: bool = False


class AnswerEntry(Message, frozen=True):
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


class AnswerFailure(Message, frozen=True):
    """What was wanted could not be had; `code` and what comes after it are those of the `Failed` result."""

    job: JobId
    want: int
    code: str
    what: str
    details: tuple[str, ...]
    hint: str
    cause: str = ""


class WantDocument(Message, frozen=True):
    """The resolver needs a packument; fields as in `FetchDocument`, and where a copy of it is to be kept."""

    want: int
    label: str
    url: str
    authorization: str
    accept: str
    etag: str
    last_modified: str
    cache_path: str
    certificate: ClientCertificate | None = None


class WantTarball(Message, frozen=True):
    """The resolver has to look into a tarball.

    Attributes:
        want: number of the want, to be given back with the answer.
        label: for messages.
        url: absolute http or https URL; empty for a file.
        authorization, certificate: see `FetchTarball`.
        path: absolute path of a tarball on disk, or empty.
        integrity: SRI, or empty.
        replace: the store has it, but damaged.
    """

    want: int
    label: str
    url: str
    authorization: str
    path: str
    integrity: str
    certificate: ClientCertificate | None = None
    replace: bool = False


#: Stands in `WantCommit.resolved` for the commit that is still to be found.
COMMIT = "{commit}"


class WantCommit(Message, frozen=True):
    """The resolver has to look into a git repository; fields as in `FindGitCommit`.

    `resolved` is what a lockfile says of it, with `COMMIT` in place of the commit's id; `subfolder` the path of the
    package within the repository, or empty. With `replace` the store has it, but damaged.
    """

    want: int
    label: str
    repositories: tuple[str, ...]
    reference: str
    requested_range: str
    resolved: str
    subfolder: str
    replace: bool = False


class Announced(Message, frozen=True):
    """A guess of the resolver's: this tarball will be needed. Fields as in `WantTarball`."""

    label: str
    url: str
    authorization: str
    integrity: str
    certificate: ClientCertificate | None = None


Want: TypeAlias = WantDocument | WantTarball | WantCommit


class ResolveStep(Message, frozen=True):
    """What followed from `Resolve` or an answer; a long list comes in several results, `more` set in all but the last.

    Attributes:
        job: the job that it followed from.
        wants: what to fetch.
        announced: what can be downloaded ahead.
        packages: how many packages have been found so far.
        more: further results of this job follow.
        unneeded: SRI of tarballs that were announced or wanted and will not be installed; only in the results before
            `ResolveDone`.
    """

    job: JobId
    wants: tuple[Want, ...]
    announced: tuple[Announced, ...]
    packages: int
    more: bool = False
    unneeded: tuple[str, ...] = ()


class ResolveDone(Message, frozen=True):
    """The tree is finished; what is still wanted is not needed any more.

    Attributes:
        job: the job that it followed from.
        made: absolute path of a file with what was made.
        warnings: one line each.
    """

    job: JobId
    made: str
    warnings: tuple[str, ...]


class ResolveFailed(Message, frozen=True):
    """The dependencies cannot be resolved; one `Failed` for each problem, with the job that it followed from."""

    job: JobId
    problems: tuple[Failed, ...]
