"""What a resolution depends on: manifests, the old lock, settings, registries, and where documents are kept."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any

import msgspec

from pmpipe.errors import ConfigError, LockfileError
from pmpipe.npm.foreign.files import FOREIGN_LOCKS, read_foreign_lock
from pmpipe.npm.foreign.pins import Pins
from pmpipe.npm.locks.lock_conflict import without_conflicts
from pmpipe.npm.locks.lock_v1 import modern_lock, needs_inflating
from pmpipe.npm.locks.lock_version import is_version_1, stated_version
from pmpipe.npm.locks.lockfile import read_lockfile
from pmpipe.npm.locks.package_path import ROOT
from pmpipe.npm.packages.npm_version import npm_version_for
from pmpipe.npm.packages.pick_manifest import PickOptions
from pmpipe.npm.texts.json_layout import ON_ONE_LINE, JsonLayout, lock_layout_of
from pmpipe.npm.texts.json_text import without_bom
from pmpipe.project.folder_bins import with_folder_bins
from pmpipe.project.project import read_project
from pmpipe.project.project_files import (
    HIDDEN_LOCKFILE,
    LOCKFILES,
    MANIFEST,
    NO_CONTENTS,
    Contents,
    manifest_path,
    read_file,
)
from pmpipe.resolver import InstallStrategy, LockedEntry, Project, ResolveOptions, locked_entries
from pmpipe.system import host

if TYPE_CHECKING:
    from pmpipe.project.workspace_folders import FindFolders
    from pmpipe.settings.config import Config

_DAY_S = 86_400

#: Old locks whose format is kept when they are written again; others become what is usual.
_KEPT_VERSIONS = (2, 4)
_USUAL_VERSION = 3


class LockStyle(msgspec.Struct, frozen=True):
    """How the lockfile is written.

    Attributes:
        version: ``lockfileVersion``, unless something needs a higher one (`pmpipe.npm.locks.lock_version`).
        omit_registry_resolved: npm's ``omit-lockfile-registry-resolved``.
        layout: of its text.
        old_lock: the text of the one that it replaces, without merge conflicts; empty if nothing of that counts.
    """

    version: int = _USUAL_VERSION
    omit_registry_resolved: bool = False
    layout: JsonLayout = msgspec.field(default_factory=JsonLayout)
    old_lock: bytes = b""


class CachePolicy(msgspec.Struct, frozen=True):
    """When a kept document counts.

    Attributes:
        folder: absolute path of the folder of documents.
        offline: always, and nothing is fetched.
        prefer_offline: always, where there is one.
        prefer_online: never without asking the registry.
    """

    folder: str
    offline: bool = False
    prefer_offline: bool = False
    prefer_online: bool = False


class OldLock(msgspec.Struct, frozen=True):
    """What had been resolved before.

    Attributes:
        text: of a lockfile of version 2 to 4 without conflicts; empty if there is none.
        entries: of that; None if there is none.
        is_incomplete: it is not known to be of version 2 to 4, so its entries may lack what the registry has to tell.
        had_conflict: git had left both sides of a merge in it.
    """

    text: bytes = b""
    entries: dict[str, LockedEntry] | None = None
    is_incomplete: bool = False
    had_conflict: bool = False


def resolver_project(
    folder: str,
    lock_file: str,
    lock: bytes,
    manifests: Contents = NO_CONTENTS,
    find: FindFolders | None = None,
) -> Project:
    """The resolver's view of a project's folder.

    Args:
        folder: absolute path.
        lock_file: the lockfile's name, for messages.
        lock: the old lockfile's bytes; empty if there is none.
        manifests: package.json files that are not on the disk yet, by path.
        find: who knows the folders of workspace patterns; by default they are looked for.

    Raises:
        ManifestError: a package.json cannot be used.
        LockfileError: the old lockfile, or one of another package manager, cannot be used.
        FilesystemError: a file cannot be read.
    """
    # whatever its package.json files say is checked before anything of the lock is
    read_project(folder, lock_file, b"", manifests, find)
    manifest = _document(folder, "", manifests)
    old = read_old_lock(folder, lock_file, lock, manifest) if lock else _installed(folder)
    found = read_project(folder, lock_file, old.text, manifests, find)
    paths = [path for path in found.manifests.workspaces.values() if path]
    return Project(
        folder,
        manifest,
        {path: _document(folder, path, manifests) for path in paths},
        old.entries,
        is_own_workspace=ROOT in found.manifests.workspaces.values(),
        is_old=old.is_incomplete,
        pins=_pins(folder) if old.entries is None else None,
        extensions=found.extensions,
        catalogs=found.catalogs or {},
    )


def read_old_lock(folder: str, lock_file: str, lock: bytes, manifest: Mapping[str, Any]) -> OldLock:
    """Read a lock that may be of version 1, or hold merge conflicts.

    Args:
        folder: absolute path of the project.
        lock_file: the lock's name, for messages.
        lock: its bytes.
        manifest: the project's package.json.

    Raises:
        LockfileError: it cannot be used.
    """
    merged = without_conflicts(lock, lock_file)
    text = without_bom(merged.data)
    if is_version_1(text):
        text = modern_lock(text, manifest, folder, lock_file)
    read_lockfile(text, lock_file)
    # also without a version number npm does not rely on what the entries say
    is_incomplete = needs_inflating(merged.data)
    return OldLock(text, _entries(text, lock_file), is_incomplete, merged.had_conflict)


def _installed(folder: str) -> OldLock:
    """Without a lock npm begins with what is installed."""
    hidden = read_file(folder, HIDDEN_LOCKFILE)
    if hidden is None:
        return OldLock()
    try:
        read_lockfile(hidden, HIDDEN_LOCKFILE)
        entries = _entries(hidden, HIDDEN_LOCKFILE)
    except LockfileError:
        return OldLock()  # a record of our own making that is torn: nothing is known, then
    return OldLock(hidden, entries) if entries else OldLock()


def _pins(folder: str) -> Pins | None:
    for name in FOREIGN_LOCKS:
        data = read_file(folder, name)
        if data and data.strip():
            return read_foreign_lock(data, name)
    return None


def _entries(lock: bytes, file: str) -> dict[str, LockedEntry]:
    try:
        return locked_entries(without_bom(lock))
    except msgspec.MsgspecError as error:
        raise LockfileError(f"cannot use {file}: {error}") from error


def _document(folder: str, location: str, manifests: Contents) -> Mapping[str, Any]:
    """The package.json at a location that `read_project` has found good, as npm reads it."""
    name = manifest_path(location)
    data = manifests[name] if name in manifests else read_file(folder, name)
    document: dict[str, Any] = msgspec.json.decode(without_bom(data or b"{}"))
    return with_folder_bins(document, os.path.join(folder, location))


def lock_style(
    config: Config, folder: str, lock: bytes, lock_file: str = LOCKFILES[-1], *, starts_anew: bool = False
) -> LockStyle:
    """How the new lockfile is to be written: in the layout of package.json, whatever the old lockfile's is.

    Args:
        config: all settings.
        folder: absolute path of the project.
        lock: the old lockfile's bytes; empty if there is none.
        lock_file: its name, for messages.
        starts_anew: nothing of the old lockfile counts, its version neither.

    Raises:
        LockfileError: one side of a merge conflict in the old lockfile cannot be used.
    """
    old = b"" if starts_anew else without_conflicts(lock, lock_file).data
    version = config.lockfile_version
    if version is None:
        stated = stated_version(old)
        version = stated if stated in _KEPT_VERSIONS else _USUAL_VERSION
    layout = _layout(folder, lock) if config.settings["format-package-lock"] else ON_ONE_LINE
    return LockStyle(version, config.omit_lockfile_registry_resolved, layout, old)


def _layout(folder: str, lock: bytes) -> JsonLayout:
    manifest = read_file(folder, MANIFEST)
    if manifest is not None:
        return lock_layout_of(_text(manifest))
    # only then do the old lock's line ends count, but its indentation does not
    return JsonLayout(newline=lock_layout_of(_text(lock)).newline)


def _text(data: bytes) -> str:
    return without_bom(data).decode("utf-8", "replace")


def resolve_options(config: Config, environ: Mapping[str, str], manifest: Mapping[str, Any]) -> ResolveOptions:
    """The resolver's options for the settings, this host, and the npm that the project's package.json asks for.

    Raises:
        ConfigError: ``before`` is no date.
    """
    here = host.platform()
    platform = here.instead(os=config.os, cpu=config.cpu, libc=config.libc)
    node_version, npm_version = host.node_version(environ) or "", npm_version_for(manifest)
    return ResolveOptions(
        pick=PickOptions(str(config.settings["tag"]), _before(config), node_version, npm_version),
        install_strategy=InstallStrategy(config.install_strategy),
        legacy_peer_deps=config.legacy_peer_deps,
        strict_peer_deps=config.strict_peer_deps,
        force=config.force,
        prefer_dedupe=bool(config.settings["prefer-dedupe"]),
        install_links=config.install_links,
        release_age_exclude=tuple(config.settings["min-release-age-exclude"]),
        os=platform.os,
        cpu=platform.cpu,
        libc=platform.libc,
        host=here,
        omit=frozenset(config.omit),
        engine_strict=config.engine_strict,
        is_global=is_global(config),
        sources=config.source_policy,
    )


def is_global(config: Config) -> bool:
    """Whether the settings mean the packages of the whole machine."""
    return bool(config.settings["global"]) or config.settings["location"] == "global"


def _before(config: Config) -> float | None:
    """Only versions published until then count, in seconds since the epoch.

    Source: npm's config, where ``before`` counts more than ``min-release-age`` (days).
    """
    before, age = config.settings["before"], config.settings["min-release-age"]
    if before:
        try:
            moment = datetime.fromisoformat(str(before).strip().replace("Z", "+00:00"))
        except ValueError:
            raise ConfigError(f"before={before} is no date", hint="for example --before=2026-01-31") from None
        return (moment if moment.tzinfo else moment.replace(tzinfo=timezone.utc)).timestamp()
    return max(0.0, time.time() - _DAY_S * age) if age else None
