"""Installing for some workspaces only: what they need changes, and all else in node_modules stays as it is.

The lockfile is whole whatever is installed. What stands in node_modules afterwards is described by a lockfile of its
own: the entries of the whole one that the chosen workspaces need, and beside them what was installed before. From
there on the install knows nothing of workspaces that were chosen.

Source: npm's ``@npmcli/arborist``, ``lib/diff.js`` (``filterNodes``) and the end of ``lib/arborist/reify.js``.
"""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from pmpipe.folder_entries import folder_entries
from pmpipe.npm.collation import english_key
from pmpipe.npm.hidden_lockfile import layout_of_lock, lockfile_of
from pmpipe.npm.lock_graph import EdgeType, LockGraph, ProjectManifests
from pmpipe.npm.package_path import ROOT, PackagePath


class LimitedLock(msgspec.Struct, frozen=True):
    """What stands in the end.

    Attributes:
        lock: the lockfile of that tree.
        untouched: the entries that stay as they were installed, whatever the settings leave out this time.
    """

    lock: bytes
    untouched: frozenset[PackagePath] = frozenset()


def limited_lock(
    graph: LockGraph,
    installed: LockGraph | None,
    workspaces: Iterable[str],
    *,
    with_root: bool,
    before: ProjectManifests | None = None,
) -> LimitedLock:
    """The lockfile of the tree that stands in the end.

    Args:
        graph: of the whole lockfile.
        installed: of the hidden lockfile; None if there is none, or nothing of it is to stay.
        workspaces: locations of the chosen ones.
        with_root: what the project itself depends on is chosen, too.
        before: the package.json files as they are on the disk, if the run changes any.
    """
    graphs = [graph, *([installed] if installed is not None else [])]
    chosen = _needed(graphs, {PackagePath(location) for location in workspaces}, with_root=with_root)
    entries = {path: raw for path, raw in graph.lock.raw_entries().items() if path == ROOT or path in chosen}
    standing = installed.lock.raw_entries() if installed is not None else {}
    untouched = {path: raw for path, raw in standing.items() if path != ROOT and path not in chosen}
    layout = layout_of_lock(graph.lock)
    # both a lock that `ci` leaves as it is and what was installed before may know an older package.json
    entries.update(folder_entries(entries, graph.project, layout))
    # npm has read those of the others before it changes any
    entries.update({**untouched, **folder_entries(untouched, before or graph.project, layout)})
    lock = lockfile_of(graph.lock, {path: entries[path] for path in sorted(entries, key=english_key)})
    return LimitedLock(lock, frozenset(untouched))


def _needed(graphs: Iterable[LockGraph], workspaces: set[PackagePath], *, with_root: bool) -> set[PackagePath]:
    """The workspaces, the links to them, and what they need in any of the graphs."""
    graphs = list(graphs)
    found = set(workspaces)
    for graph in graphs:
        for edge in graph.edges[ROOT]:
            if edge.target is None:
                continue
            is_workspace = edge.type is EdgeType.WORKSPACE
            if graph.target(edge.target) in workspaces if is_workspace else with_root:
                found.add(edge.target)
    waiting = list(found)
    while waiting:
        path = waiting.pop()
        for graph in graphs:
            below = [edge.target for edge in graph.edges.get(path, ())]
            for target in (*below, graph.target(path)):
                if target is not None and target not in found and target != ROOT:
                    found.add(target)
                    waiting.append(target)
    return found
