"""Does a lockfile say less or more than the package.json files, although it satisfies them?

A dependency that was taken out of a package.json leaves its entries behind; a range that was widened, or a version that
was raised, stands in the lock as it was. Nothing is installed wrongly because of that, so `ci` takes such a lock as
npm's does; but an `install` writes it anew, as npm's does.
"""

from __future__ import annotations

from pmpipe.npm.declared import Declared, DependencyMap
from pmpipe.npm.lock_graph import LockGraph
from pmpipe.npm.package_path import ROOT, PackagePath, is_external, is_installed

_NOTHING: DependencyMap = {}


def has_drifted(graph: LockGraph) -> bool:
    """Whether a lock that satisfies the package.json files would be written differently.

    Only what has to do with dependencies counts: names, versions, specs, and entries that nothing leads to but optional
    peer dependencies, if anything: npm takes those that it has put into a new lock out again the next time.
    """
    entries, folders = graph.lock.entries, graph.project.folders
    root = entries.get(ROOT)
    if root is None or root.name != graph.project.root.name or _differ(root, graph.project.root):
        return True
    if any(path in entries and not is_external(path) and _differ(entries[path], folders[path]) for path in folders):
        return True
    return any(_is_left_over(graph, path) for path in entries.keys() - graph.reachable)


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
    return _substance(locked) != _substance(declared)


def _substance(one: Declared) -> tuple[str, DependencyMap, DependencyMap, DependencyMap, DependencyMap]:
    optional = one.optional_dependencies or _NOTHING
    # what stands in both maps is optional, and the lock has it only once
    dependencies = {name: spec for name, spec in (one.dependencies or _NOTHING).items() if name not in optional}
    return (
        one.version or "",
        dependencies,
        optional,
        one.dev_dependencies or _NOTHING,
        one.peer_dependencies or _NOTHING,
    )
