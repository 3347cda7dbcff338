"""Installing for some workspaces only: what they need changes, and all else in node_modules stays as it is.

The lockfile is whole whatever is installed. What stands in node_modules afterwards is described by a lockfile of its
own: the entries of the whole one that the chosen workspaces need, and beside them what was installed before. From
there on the install knows nothing of workspaces that were chosen.

Source: npm's ``@npmcli/arborist``, ``lib/diff.js`` (``filterNodes``) and the end of ``lib/arborist/reify.js``.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping

import msgspec

from pmpipe.errors import FilesystemError
from pmpipe.npm.locks.flagged_entries import flagged_anew
from pmpipe.npm.locks.hidden_lockfile import layout_of_lock, lockfile_of
from pmpipe.npm.locks.lock_flags import is_extraneous, ways_to_entries
from pmpipe.npm.locks.lock_graph import EdgeType, LockGraph
from pmpipe.npm.locks.lockfile import Entry, Lockfile, link_target, read_lockfile
from pmpipe.npm.locks.package_path import ROOT, PackagePath, is_installed
from pmpipe.npm.texts.collation import english_key
from pmpipe.project.folder_entries import folder_entries
from pmpipe.project.project import read_hidden_lockfile, read_project
from pmpipe.project.project_files import HIDDEN_LOCKFILE
from pmpipe.project.workspace_folders import FindFolders
from pmpipe.system.presence import is_there

_Ways = dict[PackagePath, int]


class LimitedLock(msgspec.Struct, frozen=True):
    """What stands in the end.

    Attributes:
        lock: the lockfile of that tree, of which all is installed.
        untouched: the entries that stay as they were installed.
    """

    lock: bytes
    untouched: frozenset[PackagePath] = frozenset()


def installed_graph(folder: str, whole: LockGraph, *, find: FindFolders | None = None) -> LockGraph | None:
    """What stands in node_modules, as the package.json files on the disk make use of it; None if nothing does.

    Args:
        folder: absolute path of the project.
        whole: of the lockfile. Where there is no hidden lockfile, because a run was killed or somebody has removed it,
            all that stands where the lockfile has something is believed to be that; if it is not, it will be.
        find: who knows the folders of workspace patterns; by default they are looked for.

    Raises:
        PmpipeError: a package.json cannot be used, or a file cannot be read.
    """
    hidden = read_hidden_lockfile(folder) or _standing_lock(folder, whole.lock)
    if hidden is None:
        return None
    project = read_project(folder, HIDDEN_LOCKFILE, hidden.data, find=find)
    return LockGraph(hidden, project.manifests, legacy_peer_deps=whole.legacy_peer_deps)


def _standing_lock(folder: str, lock: Lockfile) -> Lockfile | None:
    """A hidden lockfile of what stands where a lockfile has something."""
    try:
        there = {path for path in lock.entries if is_installed(path) and is_there(f"{folder}/{path}")}
    except OSError as error:
        raise FilesystemError(f"cannot read {error.filename}: {error.strerror}") from error
    if not there:
        return None
    there.update(link_target(lock.entries[path]) for path in tuple(there) if lock.entries[path].link)
    entries = {path: text for path, text in lock.raw_entries().items() if path in there}
    return read_lockfile(lockfile_of(lock.data, entries), HIDDEN_LOCKFILE)


def chosen_entries(
    graphs: Iterable[LockGraph], workspaces: Iterable[str], *, with_root: bool
) -> frozenset[PackagePath]:
    """The workspaces, the links to them, and what the project itself depends on.

    Args:
        graphs: of the whole lockfile, and of the hidden lockfile if what it lists is to stay.
        workspaces: locations of the chosen ones; if the project is one of them, all that it leads to is chosen.
        with_root: what the project itself depends on is chosen, too.
    """
    found = {PackagePath(location) for location in workspaces}
    folders = frozenset(found)
    for graph in graphs:
        for edge in graph.edges[ROOT]:
            if edge.target is None:
                continue
            is_workspace = edge.type is EdgeType.WORKSPACE
            if ROOT in folders or (graph.target(edge.target) in folders if is_workspace else with_root):
                found.add(edge.target)
    return frozenset(found - {ROOT})


def limited_lock(
    graph: LockGraph, listed: Collection[PackagePath], installed: LockGraph | None, chosen: Collection[PackagePath]
) -> LimitedLock:
    """The lockfile of the tree that stands in the end.

    Args:
        graph: of the whole lockfile.
        listed: its entries that are installed if everything is.
        installed: of the hidden lockfile; None if there is none, or nothing of it is to stay.
        chosen: what is to be installed with all that it needs, see `chosen_entries`.
    """
    before = _ways_as_loaded(installed) if installed is not None else {}
    leftovers = _leftovers(installed, before) if installed is not None else {}
    needed = _needed([graph, *([installed] if installed is not None else [])], chosen, leftovers)
    placed = {path for path in graph.lock.entries if path == ROOT or (path in needed and path in listed)}
    raw = {path: text for path, text in graph.lock.raw_entries().items() if path in placed}
    layout = layout_of_lock(graph.lock.data)
    # both a lock that `ci` leaves as it is and what was installed before may know an older package.json
    raw.update(folder_entries(raw, graph.project, layout))
    known = {path: graph.lock.entries[path] for path in raw}
    untouched: frozenset[PackagePath] = frozenset()
    if installed is not None:
        standing = installed.lock.raw_entries()
        untouched = frozenset(path for path in standing if path != ROOT and path not in needed)
        staying = {path: standing[path] for path in untouched}
        # npm has read those of the others before it changes any
        raw.update({**staying, **folder_entries(staying, installed.project, layout)})
        known.update((path, installed.lock.entries[path]) for path in untouched)
    whole = ways_to_entries(graph)
    kept = untouched if installed is None else untouched | _kept(graph, installed, needed, chosen)
    ways = {path: before.get(path, 0) if path in kept else whole.get(path, 0) for path in known}
    raw.update(flagged_anew(raw, _ways_in_the_end(graph, known, ways), layout))
    lock = lockfile_of(graph.lock.data, {path: raw[path] for path in sorted(raw, key=english_key)})
    return LimitedLock(lock, untouched)


def _ways_as_loaded(installed: LockGraph) -> _Ways:
    """The kinds of ways to each entry of the hidden lockfile, as npm knows them when it has loaded what is installed.

    It looks at what the project itself needs before it knows that there are workspaces.
    """
    alone = msgspec.structs.replace(installed.project, workspaces={})
    graph = LockGraph(installed.lock, alone, legacy_peer_deps=installed.legacy_peer_deps)
    return ways_to_entries(installed, ways_to_entries(graph))


def _leftovers(graph: LockGraph, ways: _Ways) -> Mapping[PackagePath, list[PackagePath]]:
    """What nothing needs, by the package in whose folder it lies."""
    found: defaultdict[PackagePath, list[PackagePath]] = defaultdict(list)
    for path in graph.lock.entries:
        holder = graph.holder(path)
        if holder is not None and is_extraneous(ways.get(path, 0)):
            found[holder].append(path)
    return found


def _needed(
    graphs: Iterable[LockGraph], chosen: Iterable[PackagePath], leftovers: Mapping[PackagePath, list[PackagePath]]
) -> set[PackagePath]:
    """What is chosen and what that needs in any of the graphs, with what is left over in the folders of all that."""
    found = set(chosen)
    waiting = list(found)
    extraneous: set[PackagePath] = set()
    while waiting:
        path = waiting.pop()
        extraneous.update(leftovers.get(path, ()))
        for graph in graphs:
            below = [edge.target for edge in graph.edges.get(path, ())]
            for target in (*below, graph.target(path)):
                if target is not None and target not in found and target != ROOT:
                    found.add(target)
                    waiting.append(target)
    return found | extraneous


def _kept(
    graph: LockGraph, installed: LockGraph, needed: Iterable[PackagePath], chosen: Iterable[PackagePath]
) -> frozenset[PackagePath]:
    """What npm leaves as it was, flags and all: nothing new needs it, and it is the same."""
    wanted = set(chosen)
    for path in needed:
        for edge in graph.edges.get(path, ()):
            if edge.target is not None:
                wanted.update((edge.target, graph.target(edge.target)))
    now, before = graph.lock.entries, installed.lock.entries
    return frozenset(path for path in before.keys() & now.keys() - wanted if _is_same(before[path], now[path]))


def _is_same(one: Entry, other: Entry) -> bool:
    return (one.version, one.integrity) == (other.version, other.integrity)


def _ways_in_the_end(graph: LockGraph, entries: Mapping[PackagePath, Entry], ways: _Ways) -> _Ways:
    """The kinds of ways to each entry in the tree that stands in the end.

    npm does not ask what the chosen workspaces alone would need. What it has installed keeps the flags of the whole
    tree, what was there before those that it was found with; then what does not hold any more is unset.
    """
    lock = msgspec.structs.replace(graph.lock, entries=entries)
    return ways_to_entries(LockGraph(lock, graph.project, legacy_peer_deps=graph.legacy_peer_deps), ways)
