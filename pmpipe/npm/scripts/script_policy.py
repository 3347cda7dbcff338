"""Which packages may run their install scripts: the ``allowScripts`` of package.json, ``allow-scripts`` elsewhere.

A policy maps keys to True or False. A key names packages as an argument of the command line would::

    {"sharp": True, "esbuild@0.25.0 || 0.25.1": True, "github:user/project#0123abc": True, "file:../tool": True,
     "core-js": False}

No key, no verdict: whoever asks then decides what becomes of a package that nobody has looked at. One that denies
outweighs all that allow. Ranges and dist-tags are no keys, since they would let versions pass that nobody has seen.

Source: npm's ``@npmcli/arborist``, ``script-allowed.js``, and npm's ``resolve-allow-scripts.js``.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import msgspec

from pmpipe.npm.scripts.script_source import Identity, ScriptSource, address_of, committish_of, identify, read_key
from pmpipe.npm.semver import satisfies, valid_version
from pmpipe.npm.semver.version import SPACES
from pmpipe.npm.specs.shown import shown
from pmpipe.npm.specs.spec_types import (
    AliasSpec,
    DirectorySpec,
    FileSpec,
    GitSpec,
    RangeSpec,
    RemoteSpec,
    Spec,
    TagSpec,
    VersionSpec,
)

__all__ = [
    "ScriptPolicy",
    "ScriptSource",
    "checked_entries",
    "entries_of_list",
    "is_for_any_version",
    "matches",
]

_HOW_TO_PIN = 'write exact versions joined by "||", or the name alone'


class ScriptPolicy(msgspec.Struct, frozen=True):
    """What has been said about install scripts.

    Attributes:
        entries: key -> whether scripts may run, from `checked_entries`.
        folder: absolute path of the folder that paths in keys start from: the project's.
        home: absolute path of the user's home folder, for ``~/x``.
    """

    entries: Mapping[str, bool]
    folder: str
    home: str = ""

    def verdict(self, source: ScriptSource) -> bool | None:
        """Whether a package may run its scripts.

        Returns:
            True if that is allowed, False if it is denied, None if nobody has said. Nobody can say it of a package in
            another one's tarball, where anything can be called anything.
        """
        if source.in_bundle:
            return None
        identity = identify(source, self.folder, self.home)
        verdict: bool | None = None
        for key, allowed in self.entries.items():
            spec = read_key(key, self.folder, self.home)
            if spec is not None and matches(identity, spec, unverified=not allowed):
                if not allowed:
                    return False
                verdict = True
        return verdict


def entries_of_list(values: Iterable[str]) -> dict[str, bool]:
    """The entries that an ``allow-scripts`` of .npmrc, environment or command line makes: all of them allow.

    Args:
        values: of each time that it was given; each may name several packages with commas between.
    """
    parts = (part.strip(SPACES) for value in values for part in value.split(","))
    return {part: True for part in parts if part}


def checked_entries(
    entries: Mapping[str, object], where: str, folder: str, home: str = ""
) -> tuple[dict[str, bool] | None, list[str]]:
    """Sort out the entries that can be used.

    Args:
        entries: as somebody wrote them.
        where: that is, for the warnings: ``package.json``, for example.
        folder: absolute path of the folder that paths in keys start from.
        home: absolute path of the user's home folder.

    Returns:
        the entries, and a line of warning for each that has no effect. The entries are None if npm would have nothing
        left either: the policy of the next place counts then. They may be empty where npm has some that have no effect;
        even so there is a policy here, which says nothing.
    """
    usable: dict[str, bool] = {}
    warnings = []
    says_something = False
    for key, value in entries.items():
        spec = read_key(key, folder, home)
        fault = _fault(spec)
        if spec is None or fault:
            warnings.append(f"{where}: {shown(key)} is ignored: {fault}")
            continue
        says_something = True
        if not isinstance(value, bool):
            warnings.append(f"{where}: {shown(key)} is ignored: its value must be true or false")
            continue
        usable[key] = value
        if reason := _why_it_never_matches(spec):
            warnings.append(f"{where}: {shown(key)} has no effect: {reason}")
    return (usable if says_something else None), warnings


def matches(identity: Identity, spec: Spec, *, unverified: bool = False) -> bool:
    """Whether a key means a package.

    Args:
        identity: of the package.
        spec: what the key says.
        unverified: the answer if the key is for certain versions, and nothing vouches for the package's. A key that
            denies has to hold then, and one that allows must not.
    """
    if isinstance(spec, (VersionSpec, RangeSpec)):
        return _matches_registry(identity, spec, unverified=unverified)
    if isinstance(spec, GitSpec):
        return _matches_git(identity, spec)
    if isinstance(spec, (FileSpec, DirectorySpec, RemoteSpec)):
        return spec.save_spec in identity.specs or spec.fetch_spec in identity.specs
    return False


def is_for_any_version(spec: Spec) -> bool:
    """Whether a key names a package of the registry without narrowing it down: ``name``, ``name@*``."""
    return isinstance(spec, RangeSpec) and spec.fetch_spec == "*"


def _matches_registry(identity: Identity, spec: VersionSpec | RangeSpec, *, unverified: bool) -> bool:
    if not identity.from_registry or not identity.name or identity.name != spec.name:
        return False
    if is_for_any_version(spec):
        return True
    if isinstance(spec, RangeSpec) and not _is_exact(spec.fetch_spec):
        return False
    if not identity.version:
        return unverified
    if isinstance(spec, RangeSpec):
        return satisfies(identity.version, spec.fetch_spec)
    return identity.version == spec.fetch_spec


def _is_exact(requested_range: str) -> bool:
    """Whether a range consists of versions with ``||`` between."""
    return all(valid_version(part, loose=False) is not None for part in requested_range.split("||"))


def _matches_git(identity: Identity, spec: GitSpec) -> bool:
    repository = identity.repository
    if repository is None:
        return False
    addresses = address_of(spec), address_of(repository)
    if not all(addresses):
        addresses = spec.fetch_spec or "", repository.fetch_spec or ""
    if not all(addresses) or addresses[0] != addresses[1]:
        return False
    # never the other way round: the commit must be one that the key names
    return committish_of(repository).startswith(committish_of(spec))


def _fault(spec: Spec | None) -> str:
    """Why a key cannot be used, or empty. npm leaves these out too, and says so."""
    if spec is None:
        return "it cannot be read"
    if isinstance(spec, TagSpec):
        return f"a dist-tag may point to any version; {_HOW_TO_PIN}"
    if (
        isinstance(spec, RangeSpec)
        and spec.raw_spec
        and not is_for_any_version(spec)
        and not _is_exact(spec.fetch_spec)
    ):
        return f"a range lets versions pass that nobody has seen; {_HOW_TO_PIN}"
    return ""


def _why_it_never_matches(spec: Spec) -> str:
    """Why no package is meant by a key that npm keeps in silence, or empty."""
    if isinstance(spec, AliasSpec):
        return f"aliases are not looked at; write {shown(spec.sub_spec.raw)}"
    if not isinstance(spec, (VersionSpec, RangeSpec)):
        return ""
    if spec.name is None:
        return "it names no package"
    if isinstance(spec, VersionSpec):
        version = valid_version(spec.fetch_spec)
        if version != spec.fetch_spec:
            return f"versions are compared as registries write them; write {shown(f'{spec.name}@{version}')}"
    return ""
