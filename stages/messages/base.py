"""What the messages of all stages have in common: numbers of jobs, where bytes lie, and how a job can fail."""

from __future__ import annotations

from typing import NewType, TypeAlias

import msgspec

#: Numbers a job within one run and one stage; the scheduler gives it out, results carry it back.
JobId = NewType("JobId", int)

#: One SRI string, possibly of several digests: "sha512-… sha1-…"; empty where none is known.
IntegrityText = NewType("IntegrityText", str)


class Message(msgspec.Struct, frozen=True, array_like=True, tag=True):
    """Base of everything that crosses a queue."""


class SharedBytes(Message, frozen=True):
    """A tarball in the shared arena.

    `offset` and `length` are bytes. Whoever receives it from fetch owns it until the supervisor has sent a `Release`
    with the same offset back, or the arena fills up and the run stands still. `encoding` is the content coding that the
    server says it is under; nobody has asked for one, so it is nearly always empty.
    """

    offset: int
    length: int
    encoding: str = ""


class TarballFile(Message, frozen=True):
    """A tarball on disk that is only read (a `file:` dependency)."""

    path: str


class UsersFolder(Message, frozen=True):
    """A folder of the user's that is to be packed as npm packs it (a `file:` dependency); it is only read."""

    path: str


class StoreEntry(Message, frozen=True):
    """A package that is in the store already, and is to be patched."""

    path: str


class PackageFolder(Message, frozen=True):
    """A folder to be packed as npm packs it (the checkout of a git dependency, in the store's staging area).

    Extract deletes the folder when it has read it.
    """

    path: str


Source: TypeAlias = SharedBytes | StoreEntry | TarballFile | UsersFolder | PackageFolder


class Failed(Message, frozen=True):
    """Something that can be expected to go wrong went wrong with one job.

    Attributes:
        job: the job's number.
        code: the `code` of a class in `pmpipe.errors`.
        what: one line that names the package and the cause.
        details: further lines (expected and got, URL, path).
        hint: what to do, or empty.
        cause: groups like failures in the report, for example ``401 registry.example``; empty: on its own.
        host_is_down: every further job for the same host would fail the same way.
        status: exit status of a script that has failed, which is the program's then; 0: the one of `code`.
        problems: failures that this one sums up.
    """

    job: JobId
    code: str
    what: str
    details: tuple[str, ...] = ()
    hint: str = ""
    cause: str = ""
    host_is_down: bool = False
    status: int = 0
    problems: tuple[Failed, ...] = ()


class Crashed(Message, frozen=True):
    """A worker of `stage` raised what it did not expect, and is about to end; `traceback` is the worker's own."""

    job: JobId
    stage: str
    traceback: str
