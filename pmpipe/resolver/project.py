"""What is resolved: the project's manifests, and what it had been resolved to before."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import msgspec

from pmpipe.npm.foreign.pins import Pins
from pmpipe.npm.manifests.catalogs import Catalogs
from pmpipe.npm.manifests.local_specs import spelled_out_documents
from pmpipe.npm.packages.packument import Json, RawManifest
from pmpipe.resolver.package import Provenance

if TYPE_CHECKING:
    from pmpipe.npm.manifests.package_extensions import PackageExtensions
    from pmpipe.resolver.repairs import ExtensionCode


class LockedEntry(RawManifest, frozen=True, rename="camel"):
    """One entry of ``packages`` in an old lockfile: a manifest, where the package came from, who repaired it."""

    resolved: Json = None
    integrity: Json = None
    link: Json = None
    in_bundle: Json = None
    has_shrinkwrap: Json = None
    package_extensions_applied: Json = None
    npm_extension_applied: Json = None
    # the project's own alone
    package_extensions_hash: Json = None
    npm_extension_hash: Json = None


class _LockedPackages(msgspec.Struct, frozen=True):
    packages: dict[str, LockedEntry] = {}


_LOCKED = msgspec.json.Decoder(_LockedPackages)


def provenance_of(entry: LockedEntry) -> Provenance | None:
    """What an entry says of who has repaired its manifest."""
    if not (entry.package_extensions_applied or entry.npm_extension_applied):
        return None
    said = {
        "packageExtensionsApplied": entry.package_extensions_applied,
        "npmExtensionApplied": entry.npm_extension_applied,
    }
    return {field: value for field, value in said.items() if value}


def locked_entries(lockfile: bytes) -> dict[str, LockedEntry]:
    """The entries of a lockfile of version 2 to 4 that `pmpipe.npm.locks.lockfile` has found harmless.

    Raises:
        msgspec.MsgspecError: it is none.
    """
    return _LOCKED.decode(lockfile).packages


class Project(msgspec.Struct, frozen=True):
    """The input of a resolution. Manifests are decoded JSON, checked by `pmpipe.npm.manifests.manifest`.

    Attributes:
        folder: absolute path.
        manifest: the project's package.json.
        workspaces: the workspaces' package.json files, by location (``packages/a``), in npm's order.
        locked: the old lockfile's entries, by location; None if there is none, or all of it is to be updated.
        update_all: there is a lock, but nothing of it is to be kept (``npm update`` without names).
        explicit: per location of the project (empty) or a workspace the names of dependencies that the user asked for
            just now, so that what is there is replaced even if it would do.
        is_old: the lock is none of version 2 to 4 (`pmpipe.npm.locks.lock_v1`), so that its entries have to be
            completed with what the registry knows.
        extensions: the rules in `manifest` by which others' manifests are repaired, or None.
        code: the project's code that repairs them; None if it is not to be run.
        catalogs: what ``catalog:`` specs stand for, besides the catalogs in `manifest`.
        pins: versions that another package manager's lock keeps; npm heeds such a lock only where `locked` is None.
        is_own_workspace: ``workspaces`` names the project's own folder, too (``.``).
    """

    folder: str
    manifest: Mapping[str, Any]
    workspaces: Mapping[str, Mapping[str, Any]] = msgspec.field(default_factory=dict)
    locked: Mapping[str, LockedEntry] | None = None
    update_all: bool = False
    explicit: Mapping[str, frozenset[str]] = msgspec.field(default_factory=dict)
    is_old: bool = False
    pins: Pins | None = None
    extensions: PackageExtensions | None = None
    code: ExtensionCode | None = None
    catalogs: Catalogs = msgspec.field(default_factory=dict)
    is_own_workspace: bool = False

    def spelled_out(self) -> Project:
        """The same with ``workspace:`` and ``catalog:`` specs replaced by what they mean.

        Raises:
            ManifestError: the project does not have what one of them asks for.
        """
        manifest, workspaces = spelled_out_documents(self.manifest, self.workspaces, self.catalogs)
        return msgspec.structs.replace(self, manifest=manifest, workspaces=workspaces)
