"""Versions that another package manager's lockfile keeps for a project's dependencies.

A foreign lock does not say where packages lie in npm's tree, so the tree is resolved anew; but wherever a dependency
was locked, the version it was locked to is taken again. Readers of the different files all give the same: `Pins`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import NewType

import msgspec

from pmpipe.npm.manifests.catalogs import Catalogs, meaning

#: A package's name on its registry and the spec as a manifest has it; see `pin_key`.
PinKey = NewType("PinKey", tuple[str, str])


class Pin(msgspec.Struct, frozen=True):
    """What a dependency was locked to.

    Attributes:
        version: of the package; empty if the lock does not tell (git).
        name: the package's name on its registry, if the lock says that it is another one than the dependency's.
        resolved: the URL that the lock has, or empty.
        integrity: SRI of the tarball, or empty.
        fetch_resolved: the package is to be taken from `resolved`, without asking a registry.
        commit: the hash of a git dependency's commit, or how it begins if the lock has no more; or empty.
    """

    version: str
    name: str = ""
    resolved: str = ""
    integrity: str = ""
    fetch_resolved: bool = False
    commit: str = ""


class Pins(msgspec.Struct, frozen=True):
    """All that a foreign lock keeps.

    Attributes:
        file: the lock's name, for messages.
        by_spec: what was locked for exactly this name and spec.
        by_name: the versions of a package that the lock has, the preferred one first. What is not in `by_spec`, because
            the lock does not write down what the dependencies of dependencies, or peers, asked for, is read through
            this: the first version that satisfies.
    """

    file: str
    by_spec: Mapping[PinKey, Pin] = {}
    by_name: Mapping[str, tuple[Pin, ...]] = {}

    def __bool__(self) -> bool:
        return bool(self.by_spec or self.by_name)


class PinCollector:
    """Puts `Pins` together; where a name and spec was locked to several versions, the first one given stays.

    Attributes:
        catalogs: what ``catalog:`` specs in the lock stand for; those in package.json are spelled out before they are
            resolved.
        by_spec: so far.
        uses: per package how many dependents each pin has.
    """

    def __init__(self, file: str, catalogs: Catalogs | None = None) -> None:
        self.file = file
        self.catalogs = catalogs or {}
        self.by_spec: dict[PinKey, Pin] = {}
        self.uses: dict[str, Counter[Pin]] = {}

    def lock(self, name: str, spec: str, pin: Pin) -> None:
        """Note what the dependency `name` with this spec was locked to."""
        self.by_spec.setdefault(pin_key(name, meaning(self.catalogs, name, spec)), pin)

    def use(self, name: str, pin: Pin) -> None:
        """Note that somebody depends on this version; `name` is the package's on its registry."""
        self.uses.setdefault(name, Counter())[pin] += 1

    def know(self, name: str, pin: Pin) -> None:
        """Note that the lock has this version, even if nothing in it says who depends on it; `name` as in `use`."""
        self.uses.setdefault(name, Counter())[pin] += 0

    def use_locked(self, name: str, spec: str) -> None:
        """Note that somebody depends on what the dependency `name` with this spec was locked to, if anything was."""
        key = pin_key(name, spec)
        pin = self.by_spec.get(key)
        if pin is not None and pin.version:
            self.use(pin.name or key[0], pin)

    def pins(self) -> Pins:
        """The result; the version with the most dependents is the preferred one, among equals the one noted first."""
        by_name = {name: tuple(pin for pin, _ in count.most_common()) for name, count in self.uses.items()}
        return Pins(self.file, self.by_spec, by_name)


def pin_key(name: str, spec: str) -> PinKey:
    """Under what `Pins.by_spec` has a dependency.

    Args:
        name: of the dependency; for aliases that of the package they stand for counts, as far as one is written.
        spec: as it stands in the manifest.
    """
    if spec.startswith("npm:"):
        target = spec.removeprefix("npm:")
        at = target.find("@", 1)
        name = (target if at < 0 else target[:at]) or name
    return PinKey((name, spec))
