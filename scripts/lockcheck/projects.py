"""The projects that are compared: where their manifests come from, and how they come to the disk.

A corpus is a JSON document with a list ``projects``. Each has a ``name`` and one of:

    package      ``name@version``: the package.json in the tarball of a published package
    template     ``name@version path``: a file in the tarball of a published package
    manifest     the package.json itself; ``workspaces`` holds others by location

and, if need be, ``config`` (settings for the project's .npmrc) and ``change`` (fields that replace the manifest's; null
takes one away).
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from lockcheck.published import Registry

CORPUS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "corpus.json")
_MANIFEST = "package.json"


class CorpusError(Exception):
    """A corpus or project cannot be read."""


@dataclass(frozen=True, slots=True)
class ProjectFiles:
    """A project as it will lie on the disk.

    Attributes:
        name: in reports, and of its folder.
        manifests: the package.json files by location; the root's is empty.
        config: settings of its .npmrc.
    """

    name: str
    manifests: Mapping[str, Mapping[str, Any]]
    config: Mapping[str, Any] = field(default_factory=dict)

    @property
    def manifest(self) -> Mapping[str, Any]:
        """The root's package.json."""
        return self.manifests[""]

    def with_manifest(self, location: str, manifest: Mapping[str, Any], name: str) -> ProjectFiles:
        """The project with another package.json at a location, under another name."""
        return replace(self, name=name, manifests={**self.manifests, location: manifest})

    def write(self, folder: str) -> None:
        """Write it to an empty folder."""
        for location, manifest in self.manifests.items():
            os.makedirs(os.path.join(folder, location), exist_ok=True)
            _write(os.path.join(folder, location, _MANIFEST), json.dumps(manifest, indent=2, ensure_ascii=False) + "\n")
        if self.config:
            lines = (f"{key}={json.dumps(value)}\n" for key, value in self.config.items())
            _write(os.path.join(folder, ".npmrc"), "".join(lines))

    def digest(self) -> str:
        """A short text that differs for different projects."""
        content = json.dumps([self.manifests, self.config], sort_keys=False)
        return hashlib.sha256(content.encode()).hexdigest()[:16]


def read_corpus(path: str) -> dict[str, dict[str, Any]]:
    """The entries of a corpus, by name.

    Raises:
        CorpusError: the file cannot be understood.
    """
    try:
        with open(path, encoding="utf-8") as file:
            return {entry["name"]: entry for entry in json.load(file)["projects"]}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise CorpusError(f"{path} is no corpus: {error!r}") from error


def read_entry(entry: Mapping[str, Any], registry: Registry) -> ProjectFiles:
    """One project of a corpus; see the module's text.

    Raises:
        PublishedError: the registry lacks its package.
    """
    if "manifest" in entry:
        manifest = {"name": entry["name"], "version": "1.0.0", "private": True, **entry["manifest"]}
    else:
        source, _, path = str(entry.get("template") or entry["package"]).partition(" ")
        package, _, version = source.rpartition("@")
        manifest = registry.json_file(package, version, path or _MANIFEST)
        if "template" in entry:  # its name is often a placeholder
            manifest = {**manifest, "name": entry["name"]}
    manifest = {**manifest, **entry.get("change", {})}
    manifest = {key: value for key, value in manifest.items() if value is not None}
    workspaces: dict[str, Any] = entry.get("workspaces", {})
    if workspaces and "workspaces" not in manifest:
        manifest["workspaces"] = sorted({f"{os.path.dirname(location)}/*".lstrip("/") for location in workspaces})
    return ProjectFiles(entry["name"], {"": manifest, **workspaces}, entry.get("config", {}))


def read_folder(folder: str) -> ProjectFiles:
    """A project's folder with the package.json files in it.

    Raises:
        CorpusError: it has no package.json that can be read.
    """
    manifests: dict[str, Mapping[str, Any]] = {}
    for where, folders, names in os.walk(folder):
        folders[:] = sorted(name for name in folders if name != "node_modules" and not name.startswith("."))
        if _MANIFEST in names:
            location = os.path.relpath(where, folder)
            try:
                with open(os.path.join(where, _MANIFEST), encoding="utf-8-sig") as file:
                    manifests["" if location == "." else location] = json.load(file)
            except (OSError, ValueError) as error:
                raise CorpusError(f"{where}/{_MANIFEST}: {error}") from error
    if "" not in manifests:
        raise CorpusError(f"{folder} has no {_MANIFEST}")
    return ProjectFiles(os.path.basename(os.path.abspath(folder)), manifests, _read_settings(f"{folder}/.npmrc"))


def _read_settings(path: str) -> dict[str, Any]:
    """The plain settings of an .npmrc that say how to resolve; where to is the comparison's own affair."""
    settings: dict[str, Any] = {}
    if os.path.exists(path):
        with open(path, encoding="utf-8") as file:
            for line in file:
                key, separator, value = (part.strip() for part in line.partition("="))
                if separator and not key.startswith(("#", ";", "/", "@")) and "registry" not in key:
                    settings[key] = {"true": True, "false": False}.get(value, value)
    return settings


def _write(path: str, text: str) -> None:
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)
