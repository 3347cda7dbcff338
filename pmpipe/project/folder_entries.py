"""The entries of workspaces and other linked folders, as their package.json files have them now.

A lockfile that is not written anew, as by `ci`, says of them what they were when it was made. npm reads their
package.json files whenever it reads a lockfile, so that the hidden lockfile has them as they are.

Source: npm's ``@npmcli/arborist``, ``lib/arborist/load-virtual.js`` (``#resolveLinks``).
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

import msgspec

from pmpipe.npm.locks.flagged_entries import flagged_anew
from pmpipe.npm.locks.hidden_lockfile import layout_of_lock
from pmpipe.npm.locks.lock_flags import FLAGS, ways_to_entries
from pmpipe.npm.locks.lock_graph import LockGraph, ProjectManifests
from pmpipe.npm.locks.lock_writer import entry_texts
from pmpipe.npm.locks.package_path import PackagePath
from pmpipe.npm.manifests.manifest import Manifest
from pmpipe.npm.texts.json_layout import JsonLayout
from pmpipe.project.folder_bins import with_folder_bins
from pmpipe.resolver.location import name_from_folder
from pmpipe.resolver.lock_entries import folder_fields
from pmpipe.resolver.package import DependencyPool
from pmpipe.resolver.source import package_from_json

_INSTALL_SCRIPT = "hasInstallScript"
_entry = msgspec.json.Decoder(dict[str, Any])


def folder_entries(
    raw: Mapping[PackagePath, msgspec.Raw], project: ProjectManifests, layout: JsonLayout
) -> dict[PackagePath, msgspec.Raw]:
    """The entries that have to be written anew, by path; those that say what they should are not among them.

    Args:
        raw: the texts of a lockfile's entries.
        project: the package.json files.
        layout: of the lockfile.
    """
    anew: dict[PackagePath, dict[str, Any]] = {}
    for path, manifest in project.folders.items():
        if path not in raw:
            continue
        before = _entry.decode(raw[path])
        after = _entry_of(manifest, before, os.path.normpath(os.path.join(project.folder, path)))
        if after != before:
            anew[path] = after
    return entry_texts(anew, layout)


def entries_as_read(graph: LockGraph) -> dict[PackagePath, msgspec.Raw]:
    """The entries that are others once npm has read the lockfile: those of folders, and their flags.

    Args:
        graph: of the lockfile.
    """
    layout = layout_of_lock(graph.lock.data)
    raw = graph.lock.raw_entries()
    folders = folder_entries(raw, graph.project, layout)
    return {**folders, **flagged_anew({**raw, **folders}, ways_to_entries(graph), layout)}


def _entry_of(manifest: Manifest, before: Mapping[str, Any], folder: str) -> dict[str, Any]:
    document = {**with_folder_bins(manifest.document, folder), **_spelled_out(manifest)}
    package = package_from_json(document, DependencyPool())
    entry = folder_fields(package)
    if package.name and package.name != name_from_folder(folder):
        entry["name"] = package.name
    # npm may have found something there that node-gyp builds, and says so only in some runs
    may_be_built = before.get(_INSTALL_SCRIPT) and os.path.exists(f"{folder}/binding.gyp")
    if package.has_install_script or may_be_built:
        entry[_INSTALL_SCRIPT] = True
    entry.update((key, before[key]) for key in FLAGS if key in before)
    return entry


def _spelled_out(manifest: Manifest) -> dict[str, Any]:
    """The maps of dependencies in npm's words, as they stand in a lockfile."""
    maps = {
        "dependencies": manifest.dependencies,
        "devDependencies": manifest.dev_dependencies,
        "optionalDependencies": manifest.optional_dependencies,
        "peerDependencies": manifest.peer_dependencies,
    }
    return {key: dict(specs) for key, specs in maps.items() if specs and key in manifest.document}
