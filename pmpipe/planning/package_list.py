"""The packages of a plan: each tarball once, however many locations want it."""

from __future__ import annotations

import os
from collections.abc import Set as AbstractSet

import msgspec

from pmpipe.npm.locks.patch_record import PatchRecord
from pmpipe.npm.packages.registry import Registries
from pmpipe.plan import Origin, Package, PackageNumber, StoredPackage
from pmpipe.store import Store
from pmpipe.tree.sources import entry_candidates, entry_names, git_key, origin_of, prepared_key, usable_integrity
from pmpipe.tree.wanted import WantedPackage
from stages.messages import Patch


class PackageList(msgspec.Struct):
    """What is to be had, in the order in which it was first asked for.

    Args:
        project: absolute path of the project.
        store: where packages may be already.
        registries: where they are fetched otherwise.
        damaged: store entries that are known to hold wrong bytes.
        packages: the plan's list; it only grows.
    """

    project: str
    store: Store
    registries: Registries
    damaged: AbstractSet[str] = frozenset()
    packages: list[Package] = msgspec.field(default_factory=list)
    #: store entry, or the origin where it has none, -> the package that was planned for it
    _numbers: dict[object, PackageNumber] = msgspec.field(default_factory=dict)

    def number_of(self, package: WantedPackage) -> PackageNumber:
        """The package that fills a location; it is added if no location asked for it before.

        Args:
            package: neither a link nor bundled.

        Raises:
            LockfileError: its entry does not say where it is to be had.
            ConfigError: its scope's registry cannot be used.
        """
        # without a digest the address is all that two places can have in common
        identity: object = package.entries or (package.label, package.resolved, package.patch)
        number = self._numbers.get(identity)
        if number is None:
            number = PackageNumber(len(self.packages))
            self.packages.append(self._package(package))
            self._numbers[identity] = number
        return number

    def _package(self, package: WantedPackage) -> Package:
        candidates = entry_candidates(self.store.folder, package)
        entry = next((one for one in candidates if one not in self.damaged and self.store.has(one)), "")
        return Package(
            label=package.label,
            location=package.location,
            # what is no digest is none, and the right one gets recorded
            integrity=usable_integrity(package),
            entry=entry,
            key=prepared_key(package.resolved) if package.is_prepared else git_key(package.resolved),
            stored=bool(entry),
            damaged=not self.damaged.isdisjoint(candidates),
            origin=None if entry else self._origin(package),
            patch=None if package.patch is None else self._patch(package.patch),
        )

    def _origin(self, package: WantedPackage) -> Origin:
        if package.patch is not None:
            published = [f"{self.store.folder}/{name}" for name in entry_names(package.integrity, package.resolved)]
            for entry in published:
                if entry not in self.damaged and self.store.has(entry):
                    return StoredPackage(entry)
        return origin_of(package, self.registries, self.project)

    def _patch(self, record: PatchRecord) -> Patch:
        return Patch(os.path.join(self.project, record.path), record.integrity)
