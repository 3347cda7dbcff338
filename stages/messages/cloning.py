"""What crosses the queues to and from clone: store -> node_modules, and its comparing and removing."""

from __future__ import annotations

from stages.messages.base import JobId, Message


class Clone(Message, frozen=True):
    """Fill one package folder from a store entry.

    Attributes:
        job: this job's number.
        label: ``name@version`` for messages.
        entry: absolute path of the store entry.
        destination: absolute path of the package folder; it does not exist yet, or is empty, or holds nothing but
            ``node_modules``, unless `only` or `replaces` is given.
        method: ``auto``, ``reflink``, ``hardlink`` or ``copy``.
        only: paths within the package to restore; each is replaced, nothing else is touched. Empty: all.
        replaces: what is at the destination goes first: the tarball of the package around it may have brought it.
    """

    job: JobId
    label: str
    entry: str
    destination: str
    method: str
    only: tuple[str, ...]
    replaces: bool = False


class Cloned(Message, frozen=True):
    """The package folder is complete. The three counts are files by the method that worked.

    `gyp` has the folders in it of packages with a ``binding.gyp``: empty for itself, paths for those bundled with it. A
    long list comes in several results; `more` is set in all but the last, which has the counts.
    """

    job: JobId
    reflinked: int
    hardlinked: int
    copied: int
    bytes: int
    gyp: tuple[str, ...] = ()
    more: bool = False


class Check(Message, frozen=True):
    """Compare a folder with the index of a store entry, contents included.

    `destination` is a package folder of `node_modules`, or the entry's own folder to check the store itself.
    """

    job: JobId
    label: str
    entry: str
    destination: str


class Checked(Message, frozen=True):
    """What `Check` found, as paths within the package; both empty when everything is as the index says.

    A long list comes in several results; `more` is set in all but the last.
    """

    job: JobId
    missing: tuple[str, ...]
    changed: tuple[str, ...]
    more: bool = False


class Remove(Message, frozen=True):
    """Delete a file, link or whole folder; links are never followed. What does not exist is no failure."""

    job: JobId
    path: str


class Removed(Message, frozen=True):
    """The path is gone."""

    job: JobId


class Damaged(Message, frozen=True):
    """The store entry of a `Clone` or `Check` is absent or incomplete; fetched again, the job can succeed."""

    job: JobId
    what: str
