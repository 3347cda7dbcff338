"""The patches of a project, as npm 12 knows them: which packages of a tree get which, and what is in them.

A patch is recorded in the lockfile with the digest of its file, and a patched package is a store entry of its own. So
a patch that was edited is as good as another package: the lock is out of date, and the package is placed anew.

`pmpipe.project.patches` is about the files of other tools, which patch node_modules themselves after the install.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Collection, Iterable, Mapping
from functools import partial

import msgspec

from pmpipe.errors import FilesystemError, LockfileOutOfSyncError, PatchError
from pmpipe.npm.locks.lock_graph import LockGraph
from pmpipe.npm.locks.lock_origin import is_from_registry
from pmpipe.npm.locks.lockfile import installed_name
from pmpipe.npm.locks.package_path import PackagePath, is_installed
from pmpipe.npm.locks.patch_record import PatchRecord
from pmpipe.npm.manifests.patch_selection import (
    PATCHED_DEPENDENCIES,
    Patchable,
    read_selectors,
    refuse_unused,
    select_patches,
)
from pmpipe.npm.packages.integrity import Digest
from pmpipe.npm.texts.text import printable
from pmpipe.project.project_files import read_file


class Patches(msgspec.Struct):
    """What a project has under ``patchedDependencies``.

    Args:
        folder: absolute path of the project.
        by_selector: selector -> path of a patch, of the root's package.json.
        may_be_unused: a patch that no package fits is passed over.
    """

    folder: str
    by_selector: Mapping[str, str]
    may_be_unused: bool = False
    _records: dict[str, PatchRecord] = msgspec.field(default_factory=dict)

    def of(
        self, packages: Iterable[Patchable], dropped: Collection[str] = frozenset()
    ) -> dict[PackagePath, PatchRecord]:
        """The patch of each package that has one, by location.

        Args:
            packages: all that lie in a node_modules folder.
            dropped: selectors that go with the packages that they were for.

        Raises:
            PatchError: a patch cannot be used, or fits nothing.
            FilesystemError: a patch cannot be read.
        """
        patched = select_patches(read_selectors(self.by_selector), packages)
        records = {PackagePath(location): self._record(path) for location, path in patched.paths.items()}
        if not self.may_be_unused:
            refuse_unused([selector for selector in patched.unused if selector.key not in dropped])
        return records

    def _record(self, path: str) -> PatchRecord:
        record = self._records.get(path)
        if record is None:
            record = self._records[path] = PatchRecord(path, _integrity(self.folder, path))
        return record


def check_patches(graph: LockGraph, patches: Patches) -> None:
    """Refuse a lock whose patches are not those of package.json, or not what is in the files now.

    Raises:
        LockfileOutOfSyncError: with all that differ.
        PatchError: a patch cannot be used, or fits nothing.
        FilesystemError: a patch cannot be read.
    """
    entries = graph.lock.entries
    locked = {path: entry.patched for path, entry in entries.items() if entry.patched is not None}
    if not (locked or patches.by_selector):
        return
    wanted = patches.of(_packages(graph))
    paths = [*locked, *(path for path in wanted if path not in locked)]
    differing = [path for path in paths if locked.get(path) != wanted.get(path)]
    if differing:
        raise LockfileOutOfSyncError(
            f"{graph.lock.file} has other patches than package.json",
            details=[_difference(graph, path, locked, wanted) for path in differing],
            hint="update the lockfile with `pmpipe install --package-lock-only`, or undo the change",
        )


def _difference(
    graph: LockGraph,
    path: PackagePath,
    locked: Mapping[PackagePath, PatchRecord | None],
    wanted: Mapping[PackagePath, PatchRecord],
) -> str:
    label = graph.label(path)
    if path not in locked:
        return f"{label} is patched by {wanted[path].path}, which the lockfile does not say"
    if path not in wanted:
        return f"{label} is not patched any more"
    return f"{label} is patched by {wanted[path].path}, which the lockfile knows with other contents"


def _packages(graph: LockGraph) -> Iterable[Patchable]:
    workspaces = set(graph.project.workspaces.values())
    for path, entry in graph.lock.entries.items():
        if is_installed(path) and not (entry.link and graph.target(path) in workspaces):
            version = graph.declared(path).version or ""
            yield Patchable(path, installed_name(path), version, partial(is_from_registry, graph, path))


def _integrity(folder: str, path: str) -> str:
    """The SRI of a patch.

    Raises:
        PatchError: it lies outside of the project, or is not there.
        FilesystemError: it cannot be read.
    """
    inside = os.path.relpath(os.path.normpath(os.path.join(folder, path)), folder)
    if inside in (".", "..") or inside.startswith("../"):
        raise PatchError(
            f"{printable(path)} leads out of the project",
            details=(f"it is a patch of {PATCHED_DEPENDENCIES}",),
            hint="patches belong into the project, where they are kept with it",
        )
    try:
        content = read_file(folder, path)
    except FilesystemError as error:
        raise FilesystemError(f"cannot read the patch {printable(path)}: {error.what}") from error
    if content is None:
        raise PatchError(
            f"there is no patch {printable(path)}",
            details=(f"package.json has it under {PATCHED_DEPENDENCIES}",),
            hint="restore the file, or take it out of package.json",
        )
    return str(Digest("sha512", hashlib.sha512(content).hexdigest()))
