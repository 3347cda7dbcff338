"""Adding dependencies to a package.json, taking some out, and what the file then says.

A change has two sides, as in npm. The *document* is the package.json brought into shape: what the resolver gets, and
what the lockfile says of the project. The *text* is the file as the user wrote it, and takes over nothing but the four
maps of dependencies and the list of bundled ones, so that whatever else npm reads differently stays as it is.

Source: npm's ``@npmcli/arborist``, ``lib/add-rm-pkg-deps.js``, and ``@npmcli/package-json``,
``lib/update-dependencies.js`` and ``lib/normalize.js``.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from enum import Enum
from typing import Any

import msgspec

from pmpipe.errors import InvalidSpecError
from pmpipe.npm.manifests.manifest_text import ManifestText
from pmpipe.npm.manifests.patch_selection import PATCHED_DEPENDENCIES
from pmpipe.npm.semver.relations import intersects
from pmpipe.npm.texts.collation import english_sorted

PROD, DEV, OPTIONAL, PEER = "dependencies", "devDependencies", "optionalDependencies", "peerDependencies"
#: in the order in which npm appends those that a file did not have
_WRITTEN = (PROD, OPTIONAL, DEV, PEER)
_BUNDLED, _PEERS_META = "bundleDependencies", "peerDependenciesMeta"


class SaveType(Enum):
    """Which kind of dependency a package becomes; the values are npm's words."""

    PROD = "prod"
    DEV = "dev"
    OPTIONAL = "optional"
    PEER = "peer"
    PEER_OPTIONAL = "peerOptional"

    @property
    def map_name(self) -> str:
        """The field of the package.json."""
        return _MAP_NAMES[self]

    @property
    def is_peer(self) -> bool:
        """Whether it is one of the two kinds of peers."""
        return self in (SaveType.PEER, SaveType.PEER_OPTIONAL)


_MAP_NAMES = {
    SaveType.DEV: DEV,
    SaveType.OPTIONAL: OPTIONAL,
    SaveType.PROD: PROD,
    SaveType.PEER_OPTIONAL: PEER,
    SaveType.PEER: PEER,
}
#: Kinds that a new dependency of one kind cannot stand beside, by map.
_EXCLUDED = {
    SaveType.PROD: (DEV, PEER),
    SaveType.DEV: (PROD,),
    SaveType.OPTIONAL: (PEER,),
    SaveType.PEER: (PROD, OPTIONAL),
    SaveType.PEER_OPTIONAL: (PROD, OPTIONAL),
}


class Addition(msgspec.Struct, frozen=True):
    """A dependency to be added: the name under which it is installed, and its spec, ``*`` if none was given."""

    name: str
    spec: str


class ManifestEdit:
    """One package.json being changed.

    Args:
        text: as it is on the disk.

    Attributes:
        document: the changed content, in shape.
        warnings: one line for each dependency that went from one map to another.
    """

    def __init__(self, text: ManifestText) -> None:
        self.text = text
        self.document = in_shape(text.document)
        self.warnings: list[str] = []

    # -- changing -------------------------------------------------------------------------------------------------

    def add(self, additions: Iterable[Addition], save_type: SaveType | None, *, bundled: bool = False) -> None:
        """Add dependencies, or change their specs.

        Args:
            additions: with the specs that were asked for.
            save_type: of all of them; None leaves each where it is, and makes new ones production dependencies.
            bundled: list them under ``bundleDependencies`` too, unless they are peers.
        """
        for addition in additions:
            kind = save_type or self.kind_of(addition.name)
            for excluded in _EXCLUDED[kind]:
                self._drop(excluded, addition.name, in_favour_of=kind.map_name)
            specs = self._map(kind.map_name)
            if addition.spec != "*" or addition.name not in specs:
                specs[addition.name] = addition.spec
            if kind is SaveType.OPTIONAL:
                # npm's document has it twice meanwhile, and that shows in the order of the lockfile's edges
                self._map(PROD)[addition.name] = specs[addition.name]
            if kind.is_peer:
                self._note_peer(addition.name, optional=kind is SaveType.PEER_OPTIONAL)
            elif bundled:
                names = self.document.get(_BUNDLED) or []
                self.document[_BUNDLED] = english_sorted(list(dict.fromkeys([*names, addition.name])))

    def remove(self, names: Iterable[str]) -> None:
        """Take dependencies out of every map; names that are in none do not matter."""
        gone = list(names)
        for field in (DEV, OPTIONAL, PROD, PEER):
            for name in gone:
                self._drop(field, name)
        bundled = self.document.get(_BUNDLED)
        if bundled is not None:
            left = [name for name in bundled if name not in gone]
            self.document[_BUNDLED] = left
            if not left:
                del self.document[_BUNDLED]

    def drop_patches(self, keys: Collection[str]) -> None:
        """Take patches out whose packages have gone; their files stay."""
        patches = self._specs(PATCHED_DEPENDENCIES)
        for key in keys:
            self.warnings.append(f"removing {PATCHED_DEPENDENCIES}.{key} with its package; {patches.pop(key)} stays")
        if not patches:
            del self.document[PATCHED_DEPENDENCIES]

    def save_spec(self, name: str, spec: str, save_type: SaveType | None, *, is_local: bool = False) -> None:
        """Replace a dependency's spec by the one that is to be saved.

        Args:
            name: of the dependency, which is in one of the maps.
            spec: the new one.
            save_type: as for `add`.
            is_local: it is a folder or a file, whose versions nobody compares.
        """
        if save_type is not None:
            self._map(save_type.map_name)[name] = spec
            if save_type is SaveType.PROD:
                self._specs(OPTIONAL).pop(name, None)
            return
        if self.has(PROD, name):
            self._map(PROD)[name] = spec
        is_dev = self.has(DEV, name)
        if is_dev:
            self._map(DEV)[name] = spec
        for field in (PEER, OPTIONAL):
            # for development a version is chosen that the wider range of a peer allows
            if not self.has(field, name):
                continue
            if is_local or not is_dev or not _overlap(spec, self._specs(field)[name]):
                self._map(field)[name] = spec

    # -- asking ---------------------------------------------------------------------------------------------------

    def has(self, field: str, name: str) -> bool:
        """Whether a map has a dependency."""
        return name in self._specs(field)

    def asks_for(self, name: str) -> bool:
        """Whether a dependency stands in any map."""
        return any(self.has(field, name) for field in (DEV, OPTIONAL, PROD, PEER))

    def spec_of(self, name: str) -> str:
        """The spec of a dependency in the first map that has it; empty if none has."""
        specs = (self._specs(field).get(name) for field in (DEV, OPTIONAL, PROD, PEER))
        return next((spec for spec in specs if isinstance(spec, str)), "")

    def kind_of(self, name: str) -> SaveType:
        """The kind of a dependency: the map that it stands in, ``dependencies`` for new ones."""
        for kind in (SaveType.DEV, SaveType.OPTIONAL, SaveType.PROD):
            if self.has(kind.map_name, name):
                return kind
        if not self.has(PEER, name):
            return SaveType.PROD
        about = self._specs(_PEERS_META).get(name)
        return SaveType.PEER_OPTIONAL if isinstance(about, Mapping) and about.get("optional") else SaveType.PEER

    def written(self) -> bytes | None:
        """The file's new bytes; None if it is to stay as it is."""
        maps = {field: _in_order(self._specs(field)) for field in _WRITTEN}
        for name in maps[OPTIONAL]:
            maps[PROD].pop(name, None)
        content = dict(self.text.document)
        for field, specs in maps.items():
            content[field] = specs
            if not specs:
                del content[field]
        if PATCHED_DEPENDENCIES in content and PATCHED_DEPENDENCIES not in self.document:
            del content[PATCHED_DEPENDENCIES]
        elif PATCHED_DEPENDENCIES in content:
            content[PATCHED_DEPENDENCIES] = self.document[PATCHED_DEPENDENCIES]
        self._keep_peers_twice(content)
        content[_BUNDLED] = self.document.get(_BUNDLED)
        if content[_BUNDLED] is None:
            del content[_BUNDLED]
        return self.text.rewritten(content)

    def _keep_peers_twice(self, content: dict[str, Any]) -> None:
        """What the file had under ``dependencies`` and as a peer stays both."""
        before = [self.text.document.get(field) for field in (PROD, PEER)]
        peers = content.get(PEER)
        if not (isinstance(before[0], dict) and isinstance(before[1], dict) and peers):
            return
        for name in before[1]:
            if name in before[0] and name in peers:
                content.setdefault(PROD, {})[name] = peers[name]

    # -- parts ----------------------------------------------------------------------------------------------------

    def _specs(self, field: str) -> dict[str, Any]:
        value = self.document.get(field)
        return value if isinstance(value, dict) else {}

    def _map(self, field: str) -> dict[str, Any]:
        if not isinstance(self.document.get(field), dict):
            self.document[field] = {}
        specs: dict[str, Any] = self.document[field]
        return specs

    def _drop(self, field: str, name: str, *, in_favour_of: str = "") -> None:
        specs = self._specs(field)
        if name not in specs:
            return
        if in_favour_of:
            self.warnings.append(f"removing {field}.{name} in favour of {in_favour_of}.{name}")
        del specs[name]
        if not specs:
            del self.document[field]
        if field == PEER:
            meta = self._specs(_PEERS_META)
            meta.pop(name, None)
            if not meta:
                self.document.pop(_PEERS_META, None)

    def _note_peer(self, name: str, *, optional: bool) -> None:
        about = self._specs(_PEERS_META).get(name)
        if optional or (isinstance(about, dict) and about.get("optional")):
            known = about if isinstance(about, dict) else {}
            self._map(_PEERS_META)[name] = {**known, "optional": optional}
        if self.has(DEV, name):
            # peers are often wanted for development too
            self._map(DEV)[name] = self._map(PEER)[name]


def in_shape(document: Mapping[str, Any]) -> dict[str, Any]:
    """A copy of a package.json in which its dependencies stand as npm reads them; its maps may be changed."""
    shaped = {
        key: dict(value) if isinstance(value, Mapping) else value
        for key, value in document.items()
        if not key.startswith("_")
    }
    _shape_bundled(shaped)
    optional, prod = shaped.get(OPTIONAL), shaped.get(PROD)
    if isinstance(optional, dict) and isinstance(prod, dict):
        for name in optional:
            prod.pop(name, None)
        if not prod:
            del shaped[PROD]
    return shaped


def _shape_bundled(shaped: dict[str, Any]) -> None:
    misspelt = shaped.pop("bundledDependencies", None)
    names = shaped.get(_BUNDLED, misspelt)
    if names is True:
        names = shaped.get(PROD) or {}
    if names is False:
        names = []
    if isinstance(names, (list, dict)):
        shaped[_BUNDLED] = list(names)
    else:
        shaped.pop(_BUNDLED, None)


def _in_order(specs: Mapping[str, Any]) -> dict[str, Any]:
    return {name: specs[name] for name in english_sorted(list(specs))}


def _overlap(spec: str, other: Any) -> bool:
    try:
        return isinstance(other, str) and intersects(spec, other, loose=False)
    except InvalidSpecError:
        return False
