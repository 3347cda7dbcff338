"""Does a lockfile say less or more than the package.json files, although it satisfies them?

A dependency that was taken out of a package.json leaves its entries behind; a range that was widened, or a version that
was raised, stands in the lock as it was. Nothing is installed wrongly because of that, so `ci` takes such a lock as
npm's does; but an `install` writes it anew, as npm's does. The same goes for what a lock repeats of the project's own
license, engines and the like.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

from pmpipe.npm.locks.lock_flags import has_wrong_flags
from pmpipe.npm.locks.lock_graph import LockGraph
from pmpipe.npm.locks.package_path import ROOT, PackagePath, is_installed, name_from_path
from pmpipe.npm.manifests.declared import Declared, DependencyMap
from pmpipe.npm.manifests.manifest import INSTALL_SCRIPTS

_NOTHING: DependencyMap = {}

#: What an entry for the project itself, or a folder of it, has of its package.json besides name, version and
#: dependencies.
RESTATED = (
    "peerDependenciesMeta",
    "acceptDependencies",
    "bundleDependencies",
    "bin",
    "engines",
    "os",
    "cpu",
    "libc",
    "deprecated",
    "workspaces",
    "license",
    "funding",
)


class Unlike(msgspec.Struct, frozen=True):
    """An entry of a lockfile that does not repeat its package.json word for word.

    Attributes:
        path: of the folder, relative to the project.
        document: the package.json.
        entry: all of the entry.
    """

    path: PackagePath
    document: Mapping[str, Any]
    entry: dict[str, Any]

    @property
    def is_named_rightly(self) -> bool:
        """Whether the entry has the package's name; it may leave that to the folder's."""
        name = self.document.get("name")
        return self.path == ROOT or not name or (self.entry.get("name") or name_from_path(self.path)) == name


def has_drifted(graph: LockGraph) -> bool:
    """Whether a lock that satisfies the package.json files would be written differently.

    Only what has to do with dependencies counts: names, versions, specs, flags, and entries that nothing leads to but
    optional peer dependencies, if anything: npm takes those that it has put into a new lock out again the next time.
    """
    entries, folders = graph.lock.entries, graph.project.folders
    root = entries.get(ROOT)
    if root is None or root.name != graph.project.root.name or _differ(root, graph.project.root):
        return True
    if _is_headed_otherwise(graph):
        return True
    if any(path in entries and _differ(entries[path], folders[path]) for path in folders):
        return True
    return any(_is_left_over(graph, path) for path in entries.keys() - graph.reachable) or has_wrong_flags(graph)


def _is_headed_otherwise(graph: LockGraph) -> bool:
    """Whether npm would write something else beside the entries, the order aside, and what it keeps of others.

    Name and version are the project's, if that has any. Without a name npm takes the folder's, by which a lock would
    differ from one clone to the next.
    """
    lock, root = graph.lock, graph.project.root
    is_other_project = (root.name and root.name != lock.name) or (root.version and root.version != lock.version)
    return bool(is_other_project or not lock.has_usual_head)


def unlike_entries(graph: LockGraph) -> Iterator[Unlike]:
    """The entries for the project and its folders that may have to be written anew, though their dependencies hold.

    Most fields can be written in several ways, of which a lockfile has one; whether that says the same is judged
    elsewhere.
    """
    raw = graph.lock.raw_entries()
    for path, manifest in ((ROOT, graph.project.root), *graph.project.folders.items()):
        if path not in raw:
            continue
        pair = Unlike(path, manifest.document, msgspec.json.decode(raw[path]))
        if not _repeats(pair):
            yield pair


def _repeats(pair: Unlike) -> bool:
    document, entry = pair.document, pair.entry
    scripts = document.get("scripts")
    runs = isinstance(scripts, dict) and any(scripts.get(event) for event in INSTALL_SCRIPTS)
    return (
        all((document.get(key) or None) == (entry.get(key) or None) for key in RESTATED)
        and ("devDependencies" in document) == ("devDependencies" in entry)
        and runs == bool(entry.get("hasInstallScript"))
        and "bundledDependencies" not in document
        and pair.is_named_rightly
    )


def _is_left_over(graph: LockGraph, path: PackagePath) -> bool:
    """Whether nothing leads to an entry; what lies in packages with locks of their own is their business."""
    entry = graph.lock.entries[path]
    if entry.in_bundle or not (is_installed(path) or entry.link):
        return False
    holder = graph.holder(path)
    while holder:
        if graph.lock.entries[holder].has_shrinkwrap:
            return False
        holder = graph.holder(holder)
    return True


def _differ(locked: Declared, declared: Declared) -> bool:
    # what stands in both maps is optional, and the lock has it only once
    optional = declared.optional_dependencies or _NOTHING
    needed = {name: spec for name, spec in (declared.dependencies or _NOTHING).items() if name not in optional}
    return _substance(locked, locked.dependencies) != _substance(declared, needed)


def _substance(
    one: Declared, dependencies: DependencyMap | None
) -> tuple[str, DependencyMap, DependencyMap, DependencyMap, DependencyMap]:
    return (
        one.version or "",
        dependencies or _NOTHING,
        one.optional_dependencies or _NOTHING,
        one.dev_dependencies or _NOTHING,
        one.peer_dependencies or _NOTHING,
    )
