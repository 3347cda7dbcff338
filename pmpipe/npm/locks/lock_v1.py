"""Reading lockfiles of version 1, which npm 5 and 6 wrote, as if they were of version 3.

Such a lock is a tree of ``dependencies``: what lies below a package stands inside it. ``version`` holds a version, or
for what no registry has an address; ``requires`` holds what a package asks for, without telling how (peers are
missing altogether). What npm makes of it is not complete: executables, engines, platforms, licences and peers are not
in there and have to be asked for (see `pmpipe.resolver.inflating`).

Source: npm's ``@npmcli/arborist``, ``shrinkwrap.js`` (``#loadAll``, ``#fixDependencies``), ``spec-from-lock.js`` and
``load-virtual.js`` (``#assignBundles``).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

from pmpipe.errors import InvalidSpecError, LockfileError
from pmpipe.npm.locks.lock_version import stated_version
from pmpipe.npm.locks.package_path import split_installed
from pmpipe.npm.specs.local_path import relative_path
from pmpipe.npm.specs.spec import parse_spec
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
from pmpipe.npm.specs.tarball_name import named_by_tarball
from pmpipe.npm.texts.json_text import explain, without_bom

#: Entries within entries; real trees of node_modules have some twenty.
_MAX_DEPTH = 200
_HINT = "restore package-lock.json from version control, or remove it and install again"
_NO_ADDRESS = (VersionSpec, RangeSpec, TagSpec, AliasSpec)

_Entry = dict[str, Any]


def needs_inflating(data: bytes) -> bool:
    """Whether npm asks registries for what the entries of a lockfile may lack: it may be of version 1.

    Args:
        data: the file's bytes, JSON.
    """
    version = stated_version(data)
    return not (isinstance(version, (int, float)) and version >= 2)


def modern_lock(data: bytes, manifest: Mapping[str, Any], folder: str, file: str) -> bytes:
    """A lockfile of version 1 as the text of one of version 3, for `read_lockfile` and `locked_entries`.

    Args:
        data: the file's bytes; a byte order mark does not matter.
        manifest: the project's package.json, which alone tells what kinds its dependencies are of.
        folder: the project's absolute path; what the lock has by path is written relative to it.
        file: the file's name for messages.

    Raises:
        LockfileError: it is no JSON, or an entry is no object.
    """
    data = without_bom(data)
    try:
        document = msgspec.json.decode(data)
    except msgspec.DecodeError as error:
        fault = explain(data, error, file)
        raise LockfileError(f"cannot read {fault.place}: {fault.what}", hint=fault.hint or _HINT) from error
    except RecursionError as error:
        raise LockfileError(f"cannot read {file}: it is nested too deeply", hint=_HINT) from error
    if not isinstance(document, dict):
        raise LockfileError(f"cannot use {file}: it must be an object", hint=_HINT)
    modern = {key: document[key] for key in ("name", "version") if isinstance(document.get(key), str)}
    modern.update(
        {"lockfileVersion": 3, "requires": True, "packages": entries_of_version_1(document, manifest, folder, file)}
    )
    return msgspec.json.encode(modern)


def entries_of_version_1(
    document: Mapping[str, Any], manifest: Mapping[str, Any], folder: str, file: str = "package-lock.json"
) -> dict[str, _Entry]:
    """The entries that ``packages`` would have, by location.

    Args:
        document: the decoded lockfile.
        manifest: see `modern_lock`.
        folder: see there.
        file: see there.

    Raises:
        LockfileError: an entry is no object.
    """
    reader = _Reader(folder, file)
    root = {key: document[key] for key in ("name", "version") if isinstance(document.get(key), str)}
    root.update({key: manifest[key] for key in _ROOT_FIELDS if manifest.get(key)})
    reader.entries[""] = root
    reader.read_all("", document.get("dependencies") or {}, 0)
    for location, entry in reader.entries.items():
        if location:
            _sort_dependencies(reader.entries, location, entry)
    for location, entry in reader.entries.items():
        if entry.get("inBundle"):
            _note_in_bundler(reader.entries, location)
    return reader.entries


_ROOT_FIELDS = (
    "name",
    "version",
    "dependencies",
    "devDependencies",
    "optionalDependencies",
    "peerDependencies",
    "peerDependenciesMeta",
    "bundleDependencies",
    "workspaces",
)


class _Reader:
    """Flattens the tree of entries.

    Attributes:
        entries: so far, by location, in npm's order.
    """

    def __init__(self, folder: str, file: str) -> None:
        self.folder = folder
        self.file = file
        self.entries: dict[str, _Entry] = {}

    def read_all(self, location: str, locks: Any, depth: int) -> None:
        """Read the entries below a location."""
        if depth > _MAX_DEPTH:
            raise LockfileError(f"cannot read {self.file}: it is nested too deeply", hint=_HINT)
        if not isinstance(locks, dict):
            raise self._unusable(location or "the lockfile", "dependencies must be an object")
        for name, lock in locks.items():
            place = f"{location}/node_modules/{name}" if location else f"node_modules/{name}"
            if not isinstance(lock, dict):
                raise self._unusable(place, "must be an object")
            entry = self.read(place, name, lock)
            if lock.get("dependencies"):
                self.read_all(entry["resolved"] if entry.get("link") else place, lock["dependencies"], depth + 1)

    def read(self, location: str, name: str, lock: Mapping[str, Any]) -> _Entry:
        """Read one entry."""
        spec = _spec_of(name, lock, self.folder)
        if isinstance(spec, DirectorySpec):
            return self._read_link(location, name, lock, spec)
        entry = self.entries[location] = _flags_of(lock)
        version, integrity = _text(lock, "version"), _text(lock, "integrity")
        if integrity:
            entry["integrity"] = integrity
        elif version and isinstance(spec, GitSpec):
            entry["resolved"] = _git_address(spec)
            return entry
        elif version and isinstance(spec, _NO_ADDRESS):
            entry["version"] = version
        resolved = self._resolved(spec, lock)
        if resolved:
            entry["resolved"] = resolved
        if not entry.get("version"):
            entry.update(_guessed(name, spec, resolved))
        if lock.get("bundled"):
            entry["inBundle"] = True
        return entry

    def _read_link(self, location: str, name: str, lock: Mapping[str, Any], spec: DirectorySpec) -> _Entry:
        target = relative_path(self.folder, spec.fetch_spec)
        entry = self.entries[location] = {"link": True, "resolved": target}
        if target not in self.entries:
            self.read(target, name, {key: value for key, value in lock.items() if key != "version"})
        return entry

    def _resolved(self, spec: Spec | None, lock: Mapping[str, Any]) -> str:
        if isinstance(spec, _NO_ADDRESS) or spec is None:
            return _text(lock, "resolved")
        if isinstance(spec, FileSpec):
            return f"file:{relative_path(self.folder, spec.fetch_spec)}"
        if isinstance(spec, GitSpec):
            return _git_address(spec)
        return spec.fetch_spec if isinstance(spec, RemoteSpec) else ""

    def _unusable(self, subject: str, what: str) -> LockfileError:
        return LockfileError(f"cannot use {self.file}: {subject}: {what}", hint=_HINT)


def _flags_of(lock: Mapping[str, Any]) -> _Entry:
    entry: _Entry = {}
    requires = lock.get("requires")
    if isinstance(requires, dict):
        entry["requires"] = {name: spec for name, spec in requires.items() if isinstance(spec, str)}
    entry.update({flag: True for flag in ("optional", "dev") if lock.get(flag)})
    return entry


def _spec_of(name: str, lock: Mapping[str, Any], folder: str) -> Spec | None:
    """What an entry says that the package is, by the field that npm 6 went by."""
    version, origin, resolved = (_text(lock, key) for key in ("version", "from", "resolved"))
    try:
        if version:
            spec = parse_spec(name, version, folder, home="/")
            if lock.get("integrity") or isinstance(spec, GitSpec):
                return spec
        if origin:
            spec = parse_spec(name, origin, folder, home="/")
            if isinstance(spec, _NO_ADDRESS) and version:
                return parse_spec(name, version, folder, home="/")
            if not resolved:
                return spec
        if resolved:
            return parse_spec(name, resolved, folder, home="/")
    except InvalidSpecError:
        pass
    try:
        return parse_spec(name, version or "*", folder, home="/")
    except InvalidSpecError:
        return None


def _guessed(name: str, spec: Spec | None, resolved: str) -> dict[str, str]:
    """Version, and name if it is another one, as far as the spec or the tarball's address tell."""
    if isinstance(spec, (FileSpec, RemoteSpec)):
        named = named_by_tarball(name, spec.fetch_spec) or named_by_tarball(name, resolved)
        if named is None:
            return {}
        return {"version": named.version} if named.name == name else {"version": named.version, "name": named.name}
    if isinstance(spec, AliasSpec):
        return {"name": spec.sub_spec.name or name, "version": spec.sub_spec.fetch_spec}
    return {"version": spec.fetch_spec} if isinstance(spec, VersionSpec) else {}


def _git_address(spec: GitSpec) -> str:
    if spec.hosted is None:
        return spec.save_spec
    return spec.hosted.https_url if spec.hosted.auth else spec.hosted.ssh_url


def _text(lock: Mapping[str, Any], key: str) -> str:
    value = lock.get(key)
    return value if isinstance(value, str) else ""


def _sort_dependencies(entries: Mapping[str, _Entry], location: str, entry: _Entry) -> None:
    """Guess from the flags of what is found which of the required ones are optional."""
    for name, spec in entry.pop("requires", {}).items():
        found = next((entries[path] for path in _paths_to(location, name) if path in entries), {})
        kind = "dependencies"
        if found.get("optional") and not entry.get("optional"):
            kind = "optionalDependencies"
        elif found.get("dev") and not entry.get("dev"):
            kind = "devDependencies"
        entry.setdefault(kind, {})[name] = spec


def _paths_to(location: str, name: str) -> Iterator[str]:
    while location:
        yield f"{location}/node_modules/{name}"
        location = location.rpartition("/")[0]
    yield f"node_modules/{name}"


def _note_in_bundler(entries: Mapping[str, _Entry], location: str) -> None:
    """Tell the package that brings a bundled one; what comes only because that one needs it is not told."""
    split = split_installed(location)
    if split is None or not split[0]:
        return
    bundler = entries.get(split[0], {})
    needed = any(split[1] in bundler.get(kind, {}) for kind in ("dependencies", "optionalDependencies"))
    if needed and not bundler.get("inBundle"):
        bundler.setdefault("bundleDependencies", []).append(split[1])
