"""Reading a project's folder: its package.json, its lockfile, the package.json files of its workspaces and folders.

Nothing is written here, and nothing outside of the project is read but the package.json of folders that the lockfile
links to.

Source: npm's ``@npmcli/arborist``, ``lib/arborist/load-virtual.js``.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

import msgspec

from pmpipe.errors import LockfileError, ManifestError, PatchError
from pmpipe.npm.locks.lock_graph import ProjectManifests
from pmpipe.npm.locks.lockfile import Lockfile, link_target, read_lockfile
from pmpipe.npm.locks.package_path import ROOT, PackagePath, name_from_path
from pmpipe.npm.manifests.catalogs import Catalogs
from pmpipe.npm.manifests.local_specs import has_catalog_specs, spelled_out_manifests
from pmpipe.npm.manifests.manifest import Manifest, read_manifest
from pmpipe.npm.manifests.patch_selection import PATCHED_DEPENDENCIES
from pmpipe.npm.texts.text import printable
from pmpipe.project.project_files import (
    HIDDEN_LOCKFILE,
    LOCKFILES,
    MANIFEST,
    NO_CONTENTS,
    Contents,
    manifest_path,
    read_file,
)
from pmpipe.project.workspace_folders import FindFolders, find_folders
from pmpipe.project.yaml_files import read_catalogs

if TYPE_CHECKING:
    from pmpipe.npm.manifests.package_extensions import PackageExtensions


class Project(msgspec.Struct, frozen=True):
    """What a project's folder says.

    Attributes:
        folder: absolute path.
        manifests: the package.json files, what specs mean within the project replaced by npm's words for it.
        lock: the lockfile, or None if there is none.
        catalogs: those in pnpm-workspace.yaml and .yarnrc.yml; None if no package.json asks for any.
        extensions: the root's ``packageExtensions``, or None.
        found: the folders that the root's workspace patterns find, workspaces or not.
    """

    folder: str
    manifests: ProjectManifests
    lock: Lockfile | None
    catalogs: Catalogs | None = None
    extensions: PackageExtensions | None = None
    found: tuple[PackagePath, ...] = ()


def read_project(
    folder: str,
    lock_file: str = "",
    lock: bytes | None = None,
    manifests: Contents = NO_CONTENTS,
    find: FindFolders | None = None,
) -> Project:
    """Read a project's package.json files and its lockfile.

    Args:
        folder: absolute path of the folder with the root's package.json.
        lock_file: the lockfile's name, where its bytes are given.
        lock: the lockfile's bytes, which may be newer than the disk's; empty: there is none. None: it is read.
        manifests: package.json files that are not on the disk yet, by path relative to the project.
        find: who knows the folders of workspace patterns; by default they are looked for.

    Raises:
        PatchError: a workspace has patches of its own.
        ManifestError: the root has no package.json, or one of the package.json files cannot be used, or two workspaces
            have the same name.
        LockfileError: the lockfile cannot be used.
        FilesystemError: a file exists, but cannot be read.
    """
    root = _read_manifest(folder, ROOT, manifests)
    if root is None:
        raise ManifestError(
            f"there is no package.json in {folder}", hint="run it in a project's folder, or name one with --dir"
        )
    extensions = _read_extensions(folder, root, manifests)
    read = _read_lock(folder) if lock is None else _given_lock(lock, lock_file)
    patterns = root.workspace_patterns()
    found: Sequence[PackagePath] = ()
    if patterns:
        found = find(patterns) if find is not None else find_folders(folder, patterns)
    workspaces, folders = _read_workspaces(folder, root, found, manifests)
    _refuse_patches_of_workspaces(workspaces, folders)
    for path in _linked_folders(read):
        if path not in folders:
            manifest = _read_manifest(folder, path, manifests)
            if manifest is not None:
                folders[path] = manifest
    as_read = ProjectManifests(folder, root, workspaces, folders)
    catalogs = read_catalogs(folder) if has_catalog_specs(as_read) else None
    return Project(folder, spelled_out_manifests(as_read, catalogs or {}), read, catalogs, extensions, tuple(found))


def read_hidden_lockfile(folder: str) -> Lockfile | None:
    """Read what the last install wrote into node_modules; None if there is nothing, or nothing that can be used.

    Raises:
        FilesystemError: the file exists, but cannot be read.
    """
    if os.path.isdir(f"{folder}/{HIDDEN_LOCKFILE}"):
        return None
    data = read_file(folder, HIDDEN_LOCKFILE)
    if data is None:
        return None
    try:
        return read_lockfile(data, HIDDEN_LOCKFILE)
    except LockfileError:
        # it is a record of our own making: without a good one the tree is looked at itself
        return None


def _read_lock(folder: str) -> Lockfile | None:
    for name in LOCKFILES:
        data = read_file(folder, name)
        # npm goes on to the next if a file is empty
        if data:
            return read_lockfile(data, name)
    return None


def _given_lock(lock: bytes, name: str) -> Lockfile | None:
    return read_lockfile(lock, name) if lock else None


def _read_manifest(folder: str, path: PackagePath, manifests: Contents) -> Manifest | None:
    name = manifest_path(path)
    data = manifests[name] if name in manifests else read_file(folder, name)
    return read_manifest(data, name, is_root=path == ROOT) if data is not None else None


def _read_extensions(folder: str, root: Manifest, manifests: Contents) -> PackageExtensions | None:
    if "packageExtensions" not in root.document:
        return None
    # loaded only here: hardly any project has them
    from pmpipe.npm.manifests.package_extensions import PackageExtensions

    data = manifests[MANIFEST] if MANIFEST in manifests else read_file(folder, MANIFEST)
    return PackageExtensions(data or b"{}", MANIFEST)


def _linked_folders(lock: Lockfile | None) -> Iterator[PackagePath]:
    """The folders outside of node_modules that the lock links to; what they say on disk counts more than the lock."""
    for entry in lock.entries.values() if lock is not None else ():
        if entry.link:
            target = link_target(entry)
            if target != ROOT and "node_modules" not in target.split("/"):
                yield target


# -- workspaces ---------------------------------------------------------------------------------------------------


def _read_workspaces(
    folder: str, root: Manifest, found: Sequence[PackagePath], contents: Contents
) -> tuple[dict[str, PackagePath], dict[PackagePath, Manifest]]:
    manifests: dict[PackagePath, Manifest] = {}
    by_name: dict[str, list[PackagePath]] = {}
    for path in found:
        manifest = root if path == ROOT else _read_manifest(folder, path, contents)
        # a folder without package.json is no workspace
        if manifest is not None and path not in manifests:
            manifests[path] = manifest
            by_name.setdefault(
                manifest.name or name_from_path(os.path.normpath(os.path.join(folder, path))), []
            ).append(path)
    conflicts = {name: paths for name, paths in by_name.items() if len(paths) > 1}
    if conflicts:
        raise ManifestError(
            "several workspaces have the same name",
            details=[f"{name}: {', '.join(paths)}" for name, paths in conflicts.items()],
            hint="give each workspace a name of its own in its package.json",
        )
    return {name: paths[0] for name, paths in by_name.items()}, {path: one for path, one in manifests.items() if path}


def _refuse_patches_of_workspaces(
    workspaces: Mapping[str, PackagePath], manifests: Mapping[PackagePath, Manifest]
) -> None:
    for name, path in workspaces.items():
        if path in manifests and manifests[path].patched_dependencies:
            raise PatchError(
                f"{manifest_path(path)} has {PATCHED_DEPENDENCIES}, which only the project's own package.json may have",
                details=(f"the workspace is {printable(name)}",),
                hint="move it there",
            )
