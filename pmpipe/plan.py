"""The plan of an install as data: which tarballs are needed, where each is to be placed, what is linked afterwards.

The planner makes it, the scheduler carries it out. Numbers are positions in the plan's own lists.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NewType, TypeAlias

import msgspec

from pmpipe.npm.config.auth import ClientCertificate
from stages.messages import Patch, Preparation

#: Position in `Plan.packages`.
PackageNumber = NewType("PackageNumber", int)

#: Position in `Plan.placements`.
PlacementNumber = NewType("PlacementNumber", int)

#: Position in `Plan.links`.
LinkNumber = NewType("LinkNumber", int)


class RemoteTarball(msgspec.Struct, frozen=True, gc=False):
    """A tarball on a registry or any other http host; `authorization` is a header's value or empty."""

    url: str
    authorization: str
    certificate: ClientCertificate | None = None


class LocalTarball(msgspec.Struct, frozen=True, gc=False):
    """A ``file:`` tarball; absolute path."""

    path: str


class LocalFolder(msgspec.Struct, frozen=True, gc=False):
    """A ``file:`` folder that is copied instead of linked; absolute path."""

    path: str


class GitCommit(msgspec.Struct, frozen=True, gc=False):
    """One commit of a git repository.

    Attributes:
        repositories: URLs to try in order.
        commit: its full id.
        subfolder: the package's, or an empty string.
        is_prepared: the package may make by its own scripts what it consists of.
    """

    repositories: tuple[str, ...]
    commit: str
    subfolder: str
    is_prepared: bool = False


class StoredPackage(msgspec.Struct, frozen=True, gc=False):
    """What a patched package is made from: its store entry as it was published; absolute path."""

    entry: str


Origin: TypeAlias = StoredPackage | RemoteTarball | LocalTarball | LocalFolder | GitCommit


class Package(msgspec.Struct, frozen=True, gc=False):
    """One tarball: it is fetched once and extracted once, however many places want it.

    Attributes:
        label: ``name@version`` for messages.
        location: the first location that wants it.
        integrity: SRI as the lockfile has it, or empty.
        entry: absolute path of the store entry; empty where it is known only after extraction.
        key: names the store entry of a git commit, which has no digest; else empty.
        stored: the entry was in the store when the plan was made.
        damaged: an entry is there, but holds wrong bytes: the new one takes its place.
        origin: where it comes from; None while the store has it.
        patch: what is applied to it.
    """

    label: str
    location: str
    integrity: str
    entry: str
    key: str
    stored: bool
    damaged: bool = False
    origin: Origin | None = None
    patch: Patch | None = None


class Placement(msgspec.Struct, frozen=True, gc=False):
    """One folder of `node_modules` that is to be filled from a package.

    Attributes:
        label: ``name@version`` for messages.
        location: the lockfile's key, for example ``node_modules/a/node_modules/b``.
        package: what fills it.
        destination: absolute path to write to: the final place, or one in the transaction's staging folder.
        parent: the placement in whose folder this one lies, if it is part of the plan.
        optional: the install may do without it.
        method: the clone method.
        only: paths within the package to restore; empty for the whole package.
    """

    label: str
    location: str
    package: PackageNumber
    destination: str
    parent: PlacementNumber | None
    optional: bool
    method: str
    only: tuple[str, ...] = ()


class BinLinks(msgspec.Struct, frozen=True, gc=False):
    """The executables of one placed or linked package.

    Attributes:
        label: for messages.
        package: absolute path of the package's folder.
        bin_folder: absolute path of the ``.bin`` folder.
        bins: pairs of link name and target within the package.
        after: the placement that must be complete first, if it is part of the plan.
    """

    label: str
    package: str
    bin_folder: str
    bins: tuple[tuple[str, str], ...]
    after: PlacementNumber | None


class FolderLink(msgspec.Struct, frozen=True, gc=False):
    """A symbolic link at `path` to the folder `target`, both absolute: a workspace or a ``file:`` folder."""

    label: str
    path: str
    target: str
    after: PlacementNumber | None


Link: TypeAlias = BinLinks | FolderLink


def _no_origin(location: str) -> Origin:
    raise AssertionError(f"nobody says where {location} comes from")


def _nothing_else(location: str) -> frozenset[str]:
    return frozenset((location,))


class Plan(msgspec.Struct):
    """All that one run of the pipeline has to do.

    Attributes:
        packages: each tarball once.
        placements: parents before the placements within them.
        links: bins and folder links.
        origin_of: where the package at a location comes from; asked only for those that are stored and turn out to be
            damaged.
        left_out_with: the locations that are left out together with a location that cannot be had: the optional
            package that needs it, and what only that one needs.
        required_by: the chain of packages that asks for a location, for messages.
        preparation: how packages that come from git and may prepare themselves do so.
    """

    packages: list[Package] = msgspec.field(default_factory=list)
    placements: list[Placement] = msgspec.field(default_factory=list)
    links: list[Link] = msgspec.field(default_factory=list)
    origin_of: Callable[[str], Origin] = _no_origin
    left_out_with: Callable[[str], frozenset[str]] = _nothing_else
    required_by: Callable[[str], str] = str
    preparation: Preparation | None = None
