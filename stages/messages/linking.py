"""What crosses the queues to and from link: executables and folder links."""

from __future__ import annotations

from stages.messages.base import JobId, Message


class Symlink(Message, frozen=True):
    """Make `path` a relative symbolic link to the folder `target` (both absolute), replacing what stands there."""

    job: JobId
    label: str
    path: str
    target: str


class LinkBins(Message, frozen=True):
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


class Linked(Message, frozen=True):
    """The links are in place; `count` of them were made, `missing` names bins whose target does not exist."""

    job: JobId
    count: int
    missing: tuple[str, ...]
