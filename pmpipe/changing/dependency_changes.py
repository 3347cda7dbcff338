"""What became of the dependencies that the project and its workspaces ask for themselves, from one lock to the next."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

from pmpipe.npm.locks.package_path import is_installed
from pmpipe.npm.texts.text import without_credentials

#: The fields of a package.json, of which the last counts where a name stands in several.
_KINDS = ("peerDependencies", "devDependencies", "dependencies", "optionalDependencies")


class DependencyChange(msgspec.Struct, frozen=True):
    """One dependency that is new, gone, in another version or under another field.

    Attributes:
        name: under which a package.json has it.
        kind: the field that it stands in, or stood in if it is gone; ``global`` or ``not saved`` if it stands in none.
        workspace: the folder whose package.json that is; empty for the project's own.
        before: the version that was locked; None if there was none.
        after: the version that is.
    """

    name: str
    kind: str
    workspace: str
    before: str | None
    after: str | None


class _Entry(msgspec.Struct, frozen=True, rename="camel", gc=False):
    version: str = ""
    resolved: str = ""
    link: bool = False
    peer_dependencies: Mapping[str, str] = {}
    dev_dependencies: Mapping[str, str] = {}
    dependencies: Mapping[str, str] = {}
    optional_dependencies: Mapping[str, str] = {}

    def kinds(self) -> dict[str, str]:
        """The field that each dependency stands in."""
        fields = (self.peer_dependencies, self.dev_dependencies, self.dependencies, self.optional_dependencies)
        return {name: kind for kind, names in zip(_KINDS, fields, strict=True) for name in names}


_entry = msgspec.json.Decoder(_Entry)
_NOTHING = msgspec.Raw(b"{}")


class _Lock(msgspec.Struct, frozen=True):
    """Of thousands of entries a few are looked at: those are decoded."""

    packages: dict[str, msgspec.Raw]
    has_versions: bool = True

    def kinds(self, folder: str) -> dict[str, str]:
        """What a folder's package.json asks for."""
        return _entry.decode(self.packages.get(folder, _NOTHING)).kinds()

    def version(self, folder: str, name: str) -> str:
        """What is found in a folder by a name; of what has no version, where it lies; empty if there is nothing."""
        for place in _upwards(folder):
            text = self.packages.get(f"{place}node_modules/{name}")
            if text is not None:
                entry = _entry.decode(text)
                there = _entry.decode(self.packages.get(entry.resolved, text)) if entry.link else entry
                return there.version or without_credentials(entry.resolved)
        return ""


def dependency_changes(
    before: bytes, after: bytes, manifests: Mapping[str, Mapping[str, Any]]
) -> list[DependencyChange]:
    """The dependencies that differ, those of the project first.

    Args:
        before: the former lock; empty if there was none.
        after: the new one.
        manifests: by folder what the package.json files said before, where there was no lock.

    Returns:
        nothing at all where the former lock does not say what there was: one of version 1, or with merge conflicts.
    """
    try:
        was = msgspec.json.decode(before, type=_Lock) if before else _of_manifests(manifests)
        now = msgspec.json.decode(after, type=_Lock)
        # of a folder that is new, or gone, nobody has asked what it brings or takes along
        folders = sorted(path for path in was.packages.keys() & now.packages.keys() if not is_installed(path))
        return [change for folder in folders for change in _of_folder(folder, was, now)]
    except (msgspec.DecodeError, msgspec.ValidationError, UnicodeDecodeError):
        return []


def _of_manifests(manifests: Mapping[str, Mapping[str, Any]]) -> _Lock:
    """What would be locked, as far as package.json files say it."""
    packages = {folder: msgspec.Raw(msgspec.json.encode(manifest)) for folder, manifest in manifests.items()}
    return _Lock(packages, has_versions=False)


def _of_folder(folder: str, was: _Lock, now: _Lock) -> Iterator[DependencyChange]:
    old, new = was.kinds(folder), now.kinds(folder)
    for name in sorted({*old, *new}):
        after = now.version(folder, name) if name in new else None
        # nobody knows in which version it was, if it was there at all
        unknown = after if after is not None else ""
        before = (was.version(folder, name) if was.has_versions else unknown) if name in old else None
        if (before, old.get(name)) != (after, new.get(name)):
            yield DependencyChange(name, new.get(name) or old[name], folder, before, after)


def _upwards(folder: str) -> Iterator[str]:
    while folder:
        yield f"{folder}/"
        folder = folder.rpartition("/")[0]
    yield ""
