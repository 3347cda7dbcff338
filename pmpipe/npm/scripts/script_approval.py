"""What approving and denying install scripts, and taking out what is unused, make of package.json's ``allowScripts``.

Approving pins: it allows the versions and commits that are installed, each by a key of its own, and takes out what it
replaces. Denying is for all versions. Neither touches an entry of another package, whatever it may be.

Source: npm's ``allow-scripts-writer.js`` and ``allow-scripts-prune.js``.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Literal

import msgspec

from pmpipe.npm.scripts.script_policy import is_for_any_version, matches
from pmpipe.npm.scripts.script_source import Identity, ScriptSource, address_of, committish_of, identify, read_key
from pmpipe.npm.specs.shown import shown
from pmpipe.npm.specs.spec_types import GitSpec, RangeSpec, Spec, TagSpec, VersionSpec

_Change = Literal["added", "removed-stale", "replaced-by-pin", "removed-pinned-allow"]


class KeyChange(msgspec.Struct, frozen=True):
    """What happened to one key, in npm's word."""

    key: str
    change: _Change


class Changed(msgspec.Struct, frozen=True):
    """An ``allowScripts`` that has been changed.

    Attributes:
        entries: all of it. What is no boolean stays as it was.
        changes: in npm's order. As with npm, pins that a key without version replaces are not among them.
        warning: a line about what could not be done, or was done otherwise; or empty.
    """

    entries: dict[str, object]
    changes: tuple[KeyChange, ...] = ()
    warning: str = ""


class Candidate(msgspec.Struct, frozen=True):
    """An installed package that an entry may be for. Those that come in others' tarballs are none."""

    source: ScriptSource
    has_scripts: bool


class Unused(msgspec.Struct, frozen=True):
    """An entry that has no effect, and why."""

    key: str
    value: object
    reason: Literal["not-installed", "no-scripts"]


class Pruned(msgspec.Struct, frozen=True):
    """An ``allowScripts`` without the entries that are unused, and those."""

    entries: dict[str, object]
    removed: tuple[Unused, ...]


def name_key(source: ScriptSource, folder: str, home: str = "") -> str:
    """The key for a package in whatever version: its name, repository or path. Empty if nothing vouches for any.

    Those with the same key are approved and denied together.
    """
    return _name_key(identify(source, folder, home))


def versioned_key(source: ScriptSource, folder: str, home: str = "") -> str:
    """The key for a package in its version or commit, or its path. Empty if nothing vouches for it."""
    return _versioned_key(identify(source, folder, home))


def approve(
    entries: Mapping[str, object], sources: Sequence[ScriptSource], *, pin: bool, folder: str, home: str = ""
) -> Changed:
    """Allow a package's scripts. An entry that denies any of them is left, with a warning and no change at all.

    Args:
        entries: the ``allowScripts`` so far.
        sources: the package, in all versions that are installed; all have the same `name_key`.
        pin: allow these versions only, instead of all that will ever come.
        folder: absolute path of the project's folder.
        home: absolute path of the user's home folder.
    """
    if not sources:
        return Changed(dict(entries))
    draft = _Draft(entries, [identify(source, folder, home) for source in sources], folder, home)
    denied = draft.denied_by()
    if denied:
        return Changed(dict(entries), warning=_denied_warning(denied, draft))
    if not pin:
        draft.remove_pins()
        draft.put(draft.name, value=True)
        return draft.done()
    keys = [_versioned_key(identity) for identity in draft.identities]
    if draft.name and not all(keys):
        draft.remove_pins("removed-pinned-allow")
        draft.put(draft.name, value=True)
        return draft.done(
            f"{shown(draft.name)} is approved in all versions: the lockfile does not tell for certain which one it has"
        )
    installed = dict.fromkeys(key for key in keys if key)
    draft.remove_pins("removed-stale", keep=installed)
    for key in installed:
        draft.put(key, value=True)
    if installed and draft.name and draft.name not in installed and draft.entries.get(draft.name) is True:
        draft.remove(draft.name, "replaced-by-pin")
    return draft.done()


def deny(entries: Mapping[str, object], sources: Sequence[ScriptSource], *, folder: str, home: str = "") -> Changed:
    """Deny a package's scripts, in all versions; see `approve` for the arguments."""
    if not sources:
        return Changed(dict(entries))
    draft = _Draft(entries, [identify(source, folder, home) for source in sources], folder, home)
    if draft.name:
        for key in draft.targeting():
            draft.remove(key, "removed-pinned-allow")
        draft.put(draft.name, value=False)
    return draft.done()


def unused(entries: Mapping[str, object], candidates: Iterable[Candidate], *, folder: str, home: str = "") -> Pruned:
    """Find the entries without effect: no installed package is meant, or none that has scripts.

    What cannot be read stays. Where nothing vouches for a version, an entry for certain versions means the package only
    if it denies: it may be that version, and another entry may allow all. npm has it so since 11.20.

    Args:
        entries: the ``allowScripts``.
        candidates: what is installed.
        folder: absolute path of the project's folder.
        home: absolute path of the user's home folder.
    """
    identities = [(identify(one.source, folder, home), one.has_scripts) for one in candidates]
    kept: dict[str, object] = {}
    removed = []
    for key, value in entries.items():
        spec = read_key(key, folder, home)
        if spec is None:
            kept[key] = value
            continue
        meant = [
            has_scripts for identity, has_scripts in identities if matches(identity, spec, unverified=value is False)
        ]
        if any(meant):
            kept[key] = value
        else:
            removed.append(Unused(key, value, "no-scripts" if meant else "not-installed"))
    return Pruned(kept, tuple(removed))


class _Draft:
    """An ``allowScripts`` in the course of its change.

    Args:
        entries: as it was.
        identities: of the package, in all its versions; never empty.
        folder: absolute path of the project's folder.
        home: absolute path of the user's home folder.
    """

    def __init__(self, entries: Mapping[str, object], identities: Sequence[Identity], folder: str, home: str) -> None:
        self.entries = dict(entries)
        self.identities = identities
        self.name = _name_key(identities[0])
        self._place = folder, home
        self._changes: list[KeyChange] = []

    def read(self, key: str) -> Spec | None:
        return read_key(key, *self._place)

    def denied_by(self) -> str:
        """The first key that denies the package in a version that is installed, or any; empty if none does."""
        for identity in self.identities:
            for key, value in self.entries.items():
                if value is False and _targets(self.read(key), identity):
                    return key
        return ""

    def targeting(self) -> list[str]:
        """The keys for the package, whatever they say and for which version, except the one for all."""
        return [key for key in self.entries if key != self.name and _targets(self.read(key), self.identities[0])]

    def remove_pins(self, change: _Change | None = None, keep: Iterable[str] = ()) -> None:
        """Take out the keys that allow one version from the registry; tell it if it has a word."""
        for key in self.targeting():
            if self.entries[key] is True and key not in keep and isinstance(self.read(key), VersionSpec):
                self.remove(key, change)

    def remove(self, key: str, change: _Change | None) -> None:
        del self.entries[key]
        if change is not None:
            self._changes.append(KeyChange(key, change))

    def put(self, key: str, *, value: bool) -> None:
        if key and self.entries.get(key) is not value:
            self.entries[key] = value
            self._changes.append(KeyChange(key, "added"))

    def done(self, warning: str = "") -> Changed:
        """What has come of it; the warning is about changes, so there is none without."""
        return Changed(self.entries, tuple(self._changes), warning if self._changes else "")


def _name_key(identity: Identity) -> str:
    written = identity.specs[0] if identity.specs else ""
    if written.startswith("git"):
        return _repository_key(identity.repository)
    return written if written.startswith(("file:", "/")) else identity.name


def _versioned_key(identity: Identity) -> str:
    written = identity.specs[0] if identity.specs else ""
    if written.startswith("git"):
        key = _repository_key(identity.repository)
        committish = committish_of(identity.repository) if identity.repository else ""
        return f"{key}#{committish}" if key and committish else key
    if written.startswith(("file:", "/")):
        return written
    if written and not written.startswith(("http://", "https://")):
        return ""
    return f"{identity.name}@{identity.version}" if identity.name and identity.version else ""


def _repository_key(repository: GitSpec | None) -> str:
    if repository is None:
        return ""
    if repository.hosted is None:
        # on a host of one's own; npm writes no entry then, and heeds this one
        return repository.save_spec.partition("#")[0]
    return msgspec.structs.replace(repository.hosted, committish=None).shortcut


def _targets(spec: Spec | None, identity: Identity) -> bool:
    """Whether a key is for a package, in this version or another one."""
    if spec is None:
        return False
    if isinstance(spec, (TagSpec, RangeSpec, VersionSpec)):
        return bool(identity.name) and identity.name == spec.name
    if isinstance(spec, GitSpec):
        address = address_of(spec) or spec.fetch_spec
        repository = identity.repository
        return bool(address) and repository is not None and address == (address_of(repository) or repository.fetch_spec)
    return matches(identity, spec)


def _denied_warning(key: str, draft: _Draft) -> str:
    spec, name = draft.read(key), shown(draft.name) if draft.name else "the package"
    if spec is not None and (isinstance(spec, TagSpec) or is_for_any_version(spec)):
        return f"{shown(key)} is denied: {name} can be approved when that entry of allowScripts is gone"
    return (
        f"{shown(key)} is denied, so {name} is not approved: take that entry out of allowScripts, "
        "or deny the package as a whole"
    )
