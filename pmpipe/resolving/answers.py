"""From what the pipeline brings to what the resolver is fed: manifests and contents of store entries and folders."""

from __future__ import annotations

import os
from typing import Any

import msgspec
import xxhash

from pmpipe.errors import ArchiveError, LockfileError, ManifestError, StoreError
from pmpipe.npm.locks.lock_v1 import entries_of_version_1
from pmpipe.npm.manifests.bins import bins_of_directories
from pmpipe.npm.texts.json_depth import is_too_deep
from pmpipe.npm.texts.json_text import without_bom
from pmpipe.npm.texts.text import printable
from pmpipe.project.folder_bins import with_folder_bins
from pmpipe.resolver import AskContents, AskManifest, Fed, FedContents, FedManifest, NoManifestError
from pmpipe.resolver.request import RequestKind
from stages.entries.entry import EntryIndex
from stages.entries.opened_entry import ABSENT, DamagedEntryError, opened_entry
from stages.messages import COMMIT, AnswerEntry, WantCommit

_SHRINKWRAP = b"npm-shrinkwrap.json"
_MANIFEST = b"package.json"

#: Of a file, in an entry's index.
_DIGEST_BYTES = 16


def entry_answer(job: AnswerEntry, ask: AskContents | AskManifest, commit: WantCommit | None) -> Fed:
    """The answer that lies in a store entry.

    Args:
        job: names the entry.
        ask: what it answers.
        commit: what was wanted, if that was a git commit.

    Raises:
        DamagedEntryError: the entry is not what was put into the store.
    """
    if isinstance(ask, AskContents):
        return contents_from(job.entry, wants_bundle=ask.wants_bundle, wants_shrinkwrap=ask.wants_shrinkwrap)
    if commit is not None:
        return manifest_from(job.entry, commit.resolved.replace(COMMIT, job.commit), "", ask.name)
    resolved = ask.wanted if ask.kind is RequestKind.TARBALL_URL else f"file:{ask.wanted.removeprefix('file:')}"
    return manifest_from(job.entry, resolved, job.integrity, ask.name)


def manifest_from(entry: str, resolved: str, integrity: str, name: str) -> Fed:
    """The package.json of a store entry.

    Args:
        entry: absolute path.
        resolved: what the lockfile is to say about where it came from.
        integrity: SRI of the tarball; empty for git.
        name: of the dependency, for messages.

    Raises:
        DamagedEntryError: the entry is not what was put into the store.
    """
    try:
        index = _index_of(entry)
        if _MANIFEST not in index.paths:
            return ManifestError(f"{name} has no package.json in its tarball or repository")
        manifest = _read_json(entry, _MANIFEST, index)
        if isinstance(manifest, dict):
            manifest = _with_bins(manifest, b"", index)
    except (OSError, ValueError, msgspec.MsgspecError, RecursionError) as error:
        return ManifestError(f"the package.json of {name} cannot be used: {error}")
    if not isinstance(manifest, dict):
        return ManifestError(f"the package.json of {name} is no object")
    return FedManifest(manifest, resolved, integrity)


def folder_manifest(folder: str, name: str) -> Fed:
    """The package.json of a folder on disk."""
    path = os.path.join(folder, "package.json")
    try:
        with open(path, "rb") as file:
            manifest = _decoded(file.read())
    except OSError as error:
        what = f"{name or 'a dependency'} is to be the folder {printable(folder)}, but {path} cannot be read"
        kind = NoManifestError if isinstance(error, (FileNotFoundError, NotADirectoryError)) else ManifestError
        return kind(f"{what}: {error.strerror}", hint="check the path in package.json")
    except (msgspec.MsgspecError, RecursionError) as error:
        return ManifestError(f"cannot use {path}: {error}", hint="correct that file")
    if not isinstance(manifest, dict):
        return ManifestError(f"cannot use {path}: it is no object", hint="correct that file")
    # a link's target is where it is; the lockfile does not say where it came from
    return FedManifest(dict(with_folder_bins(manifest, folder)))


def contents_from(entry: str, *, wants_bundle: bool, wants_shrinkwrap: bool) -> Fed:
    """What a store entry has below its node_modules, and its own lock.

    Args:
        entry: absolute path.
        wants_bundle: whether the first is asked for.
        wants_shrinkwrap: whether the second is.

    Raises:
        DamagedEntryError: the entry is not what was put into the store.
    """
    try:
        index = _index_of(entry)
        manifests = _bundled(entry, index) if wants_bundle else {}
        shrinkwrap = _shrinkwrap(entry, index) if wants_shrinkwrap else None
    except OSError as error:
        return StoreError(f"the store entry at {printable(entry)} cannot be read: {error}")
    except (msgspec.MsgspecError, RecursionError, LockfileError) as error:
        return ArchiveError(f"the lock or a manifest in the tarball at {printable(entry)} cannot be used: {error}")
    return FedContents(manifests, shrinkwrap)


def _bundled(entry: str, index: EntryIndex) -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = {}
    for path in index.paths:
        folder = path.removesuffix(b"/" + _MANIFEST)
        if folder == path or not _is_package_folder(folder):
            continue
        manifest = _read_json(entry, path, index)
        if isinstance(manifest, dict):
            found[folder.decode("utf-8", "backslashreplace")] = _with_bins(manifest, folder + b"/", index)
    return found


def _with_bins(manifest: dict[str, Any], start: bytes, index: EntryIndex) -> dict[str, Any]:
    """The manifest with the ``bin`` that npm makes of ``directories.bin`` when it reads one from disk."""
    if manifest.get("bin") or not manifest.get("directories"):
        return manifest
    inside = (path[len(start) :] for path in (*index.folders, *index.paths) if path.startswith(start))
    bins = bins_of_directories(manifest, [path.decode("utf-8", "replace") for path in inside])
    return {**manifest, "bin": bins} if bins else manifest


def _is_package_folder(folder: bytes) -> bool:
    """Whether a folder is ``node_modules/a``, ``node_modules/@a/b``, or one of these in another."""
    parts = folder.split(b"/")
    position = 0
    while position < len(parts):
        if parts[position] != b"node_modules":
            return False
        position += 3 if position + 1 < len(parts) and parts[position + 1].startswith(b"@") else 2
    return position == len(parts)


def _shrinkwrap(entry: str, index: EntryIndex) -> dict[str, dict[str, Any]] | None:
    if _SHRINKWRAP not in index.paths:
        return None
    document = _read_json(entry, _SHRINKWRAP, index)
    if not isinstance(document, dict):
        return None
    packages = document.get("packages")
    if not packages and document.get("dependencies") and isinstance(document["dependencies"], dict):
        # of version 1, as packages of old have it
        manifest = _read_json(entry, _MANIFEST, index) if _MANIFEST in index.paths else {}
        packages = entries_of_version_1(document, manifest if isinstance(manifest, dict) else {}, entry)
    if not isinstance(packages, dict):
        return None
    return {path: one for path, one in packages.items() if isinstance(one, dict)}


def _index_of(entry: str) -> EntryIndex:
    with opened_entry(entry) as opened:
        return opened.index


def _read_json(entry: str, path: bytes, index: EntryIndex) -> Any:
    """A file that the index has; what it says must not be taken for what the package's author has written otherwise."""
    place = os.path.join(os.fsencode(entry), path)
    try:
        fd = os.open(place, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
        with open(fd, "rb") as file:
            content = file.read()
    except OSError as error:
        if error.errno in ABSENT:
            raise DamagedEntryError(f"{printable(os.fsdecode(place))} is missing") from error
        raise
    position = index.paths.index(path) * _DIGEST_BYTES
    if xxhash.xxh3_128_digest(content) != index.digests[position : position + _DIGEST_BYTES]:
        raise DamagedEntryError(f"{printable(os.fsdecode(place))} has other bytes than were put there")
    return _decoded(content)


def _decoded(content: bytes) -> Any:
    text = without_bom(content)
    if is_too_deep(text):
        raise RecursionError("it is nested too deeply")
    return msgspec.json.decode(text)
