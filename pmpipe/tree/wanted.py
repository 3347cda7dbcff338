"""The wanted tree: what is to stand in node_modules at the end, and all that a plan needs to know about it.

It follows from the lockfile, the package.json files, the settings and the platform, and from nothing else; so it can be
remembered between runs (see `pmpipe.tree.memory`), and it knows no absolute path.
"""

from __future__ import annotations

from collections.abc import Collection

import msgspec

from pmpipe.npm.locks.package_path import PackagePath, split_installed
from pmpipe.npm.locks.patch_record import PatchRecord


class WantedPackage(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """One location of node_modules.

    Attributes:
        location: the lockfile's key.
        holder: the location or folder whose node_modules it lies in.
        name: the package's own name, which differs from its folder's for aliases.
        version: empty if the lockfile has none.
        integrity: SRI as the lockfile has it; empty if it has none.
        resolved: the lockfile's ``resolved``; empty if it has none.
        entries: where in the store's version folder it may be already, unless it is a link or bundled; empty where that
            is known only after its tarball was read.
        link_target: for a link the folder it leads to, relative to the project (``.`` is the project); else None.
        in_bundle: it comes in the tarball of the package it lies in.
        optional: the install can do without it.
        has_install_script: scripts of its own may change its files.
        is_prepared: it comes from git, and may make by its own scripts what it consists of.
        patch: what is applied to it, path relative to the project.
        deprecated: why its authors want nobody to use this version; empty if they say nothing of the kind.
    """

    location: PackagePath
    holder: PackagePath
    name: str
    version: str
    integrity: str
    resolved: str
    entries: tuple[str, ...]
    link_target: str | None
    in_bundle: bool
    optional: bool
    has_install_script: bool
    is_prepared: bool = False
    patch: PatchRecord | None = None
    deprecated: str = ""

    @property
    def label(self) -> str:
        """``name@version`` for messages."""
        return f"{self.name}@{self.version or self.resolved or 'unknown'}"


class WantedBins(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """The executables that one location brings into one ``.bin`` folder; paths are relative to the project.

    `filled_by` is the location whose tarball brings the files: another one for bundled packages, None for links.
    """

    location: PackagePath
    bin_folder: str
    bins: tuple[tuple[str, str], ...]
    filled_by: PackagePath | None


class WantedTree(msgspec.Struct, frozen=True, array_like=True):
    """All locations, parents before what lies in them.

    Attributes:
        packages: what is to be placed, linked, or comes bundled.
        bins: which executables are linked.
        folders: folders of the project and beside it that links lead to; the hidden lockfile lists them, too.
        workspaces: folders of the project's workspaces.
        warnings: what is odd but harmless, one line each.
        refused: locations whose package the settings do not let be fetched -> the setting (`allow-git=none`).
    """

    packages: tuple[WantedPackage, ...]
    bins: tuple[WantedBins, ...]
    folders: tuple[PackagePath, ...]
    workspaces: tuple[PackagePath, ...]
    warnings: tuple[str, ...]
    refused: dict[PackagePath, str] = {}

    def without(self, locations: Collection[str]) -> WantedTree:
        """The tree without these locations."""
        packages = tuple(package for package in self.packages if package.location not in locations)
        bins = tuple(one for one in self.bins if one.location not in locations)
        return msgspec.structs.replace(self, packages=packages, bins=bins)

    def count(self) -> int:
        """How many packages are placed: what only links to a folder, or comes bundled with another one, is none."""
        return sum(package.link_target is None and not package.in_bundle for package in self.packages)

    def listed(self) -> frozenset[PackagePath]:
        """The entries that the hidden lockfile has after the install."""
        return frozenset([package.location for package in self.packages]).union(self.folders)


def holder_of(path: PackagePath) -> PackagePath:
    """The location or folder whose node_modules a location lies in."""
    split = split_installed(path)
    assert split is not None, f"{path} is not in a node_modules folder"
    return split[0]
