"""The graph that a lockfile describes: which entry answers which dependency, and what is reachable from the project.

An edge leads from a package to the entry that node finds under the dependency's name: in the package's own
node_modules, then in those of the folders above it. What a package depends on is read from its entry; for the root and
for folders that links lead to (workspaces, ``file:`` folders), from the package.json on disk, which may be newer.

Source: npm's ``@npmcli/arborist``, ``lib/node.js`` and ``lib/calc-dep-flags.js``.
"""

from __future__ import annotations

import enum
from collections import defaultdict
from collections.abc import Iterable, Mapping
from functools import cached_property

import msgspec

from pmpipe.npm.locks.lockfile import Lockfile, installed_name, link_target
from pmpipe.npm.locks.package_path import ROOT, PackagePath, is_external, is_installed, split_installed
from pmpipe.npm.manifests.declared import Declared, DependencyMap
from pmpipe.npm.manifests.manifest import Manifest


class EdgeType(enum.Enum):
    """In which of its maps a package names a dependency."""

    PROD = "prod"
    DEV = "dev"
    OPTIONAL = "optional"
    PEER = "peer"
    PEER_OPTIONAL = "peerOptional"
    WORKSPACE = "workspace"


OPTIONAL_EDGES = (EdgeType.OPTIONAL, EdgeType.PEER_OPTIONAL)
PEER_EDGES = (EdgeType.PEER, EdgeType.PEER_OPTIONAL)


class Edge(msgspec.Struct, frozen=True, gc=False):
    """One dependency of one package.

    Attributes:
        source: who depends.
        name: the name of the dependency.
        requested: its spec as the source writes it; for a workspace ``file:`` and the folder's path.
        type: the map that names it.
        target: the entry found under that name, or None.
        accept: the spec of acceptDependencies that will do as well, or None.
    """

    source: PackagePath
    name: str
    requested: str
    type: EdgeType
    target: PackagePath | None
    accept: str | None = None


class ProjectManifests(msgspec.Struct, frozen=True):
    """The package.json files of a project.

    Attributes:
        folder: the project's absolute path, which ``file:`` specs start from.
        root: the project's own.
        workspaces: name -> folder, as the patterns of ``workspaces`` find them.
        folders: the package.json of each folder outside of node_modules that a workspace or a link of the lockfile
            names, as far as there is one; the path is relative to the project.
    """

    folder: str
    root: Manifest
    workspaces: Mapping[str, PackagePath] = msgspec.field(default_factory=dict)
    folders: Mapping[PackagePath, Manifest] = msgspec.field(default_factory=dict)


_NOTHING: DependencyMap = {}
_Folder = dict[str, PackagePath]


class LockGraph:
    """Edges between the entries of one lockfile, as the project's package.json files make them.

    Attributes:
        lock: the lockfile.
        project: the package.json files.
        edges: path -> edges that leave it; links have none, they stand for their target.
        legacy_peer_deps: nothing looks for its peers.
    """

    def __init__(self, lock: Lockfile, project: ProjectManifests, *, legacy_peer_deps: bool = False) -> None:
        self.lock = lock
        self.project = project
        self.legacy_peer_deps = legacy_peer_deps
        #: name -> path of what is installed in a package's own node_modules, by the package
        self._installed_in: dict[PackagePath, _Folder] = {ROOT: {}}
        #: all and only the entries that lie in the node_modules of a folder that the lock knows, by their path
        self._holder: dict[PackagePath, PackagePath] = {}
        self._sort_into_folders()
        #: the folders that node looks into, nearest first, for a package with these holders
        self._visible_from: dict[PackagePath, tuple[_Folder, ...]] = {ROOT: (self._installed_in[ROOT],)}
        self.edges: dict[PackagePath, tuple[Edge, ...]] = {ROOT: self._root_edges()}
        for path, entry in lock.entries.items():
            if path and not entry.link:
                self.edges[path] = self._edges_of(path, self.declared(path))

    # -- packages --------------------------------------------------------------------------------------------------

    def declared(self, path: PackagePath) -> Declared:
        """What the package at a path says of itself; for a link that is what its target says."""
        if path == ROOT:
            return self.project.root
        entry = self.lock.entries[path]
        if entry.link:
            return self.declared(link_target(entry))
        # only folders of the project are in that map, and their package.json counts more than the lock
        return self.project.folders.get(path, entry)

    def target(self, path: PackagePath) -> PackagePath:
        """The path itself, or where the link at that path leads."""
        entry = self.lock.entries.get(path)
        return link_target(entry) if entry is not None and entry.link else path

    def label(self, path: PackagePath) -> str:
        """``name@version`` for messages."""
        declared = self.declared(path)
        if path == ROOT:
            return declared.name or "the project"
        name = installed_name(path)
        if not is_installed(path):
            name = declared.name or name
        return f"{name}@{declared.version}" if declared.version else name

    def parent(self, path: PackagePath) -> PackagePath | None:
        """The package whose folder the path lies in, if it is part of the lockfile; None for the root and outsiders."""
        holder = self._holder.get(path)
        if holder is not None or path == ROOT or is_external(path):
            return holder
        above = path
        while above:
            above = PackagePath(above.rpartition("/")[0])
            if self._is_folder(above):
                return above
        return None

    def holder(self, path: PackagePath) -> PackagePath | None:
        """The folder whose node_modules has the package; None for folders of the project, and if the lock lacks it."""
        return self._holder.get(path)

    def is_placed(self, path: PackagePath) -> bool:
        """Whether an entry is something in a node_modules folder that an install fills.

        Folders of the project are not, nor is what lies beside the project or under a package that the lock lacks.
        """
        holder = self._holder.get(path)
        while holder:
            path, holder = holder, self._holder.get(holder)
            if holder is None:
                return not (is_installed(path) or is_external(path))
        return holder is not None

    def _is_folder(self, path: PackagePath) -> bool:
        if path == ROOT:
            return True
        entry = self.lock.entries.get(path)
        return entry is not None and not entry.link

    # -- edges -----------------------------------------------------------------------------------------------------

    @cached_property
    def edges_into(self) -> Mapping[PackagePath, list[Edge]]:
        """The edges that lead to each entry, links included, from packages that are reachable."""
        reachable = self.reachable
        return _by_target(edges for path, edges in self.edges.items() if edges and path in reachable)

    @cached_property
    def all_edges_into(self) -> Mapping[PackagePath, list[Edge]]:
        """The edges that lead to each entry, links included, from all packages, be they reachable or not."""
        return _by_target(self.edges.values())

    def find(self, name: str, source: PackagePath) -> PackagePath | None:
        """The entry that node finds from the package at `source` under a name."""
        return _first(self._folders_seen_from(source), name)

    def _folders_seen_from(self, path: PackagePath) -> tuple[_Folder, ...]:
        seen = self._visible_from.get(path)
        if seen is not None:
            return seen
        parent = self._holder.get(path)
        if parent is None:
            parent = self.parent(path)
        seen = self._folders_seen_from(parent) if parent is not None else ()
        own = self._installed_in.get(path)
        if own is not None:
            seen = self._visible_from[path] = (own, *seen)
        return seen

    def _sort_into_folders(self) -> None:
        entries, installed_in, holders = self.lock.entries, self._installed_in, self._holder
        in_root = installed_in[ROOT]
        for path in entries:
            split = split_installed(path)
            if split is None:
                continue
            holder, name = split
            if holder == ROOT:
                in_root[name] = path
            else:
                holding = entries.get(holder)
                if holding is None or holding.link:
                    continue
                installed_in.setdefault(holder, {})[name] = path
            holders[path] = holder

    def _root_edges(self) -> tuple[Edge, ...]:
        workspaces = self.project.workspaces
        edges = [
            Edge(ROOT, name, f"file:{folder}", EdgeType.WORKSPACE, self.find(name, ROOT))
            for name, folder in workspaces.items()
        ]
        # a workspace answers for its name, whatever the dependencies say
        own = (edge for edge in self._edges_of(ROOT, self.project.root) if edge.name not in workspaces)
        return (*edges, *own)

    def _edges_of(self, path: PackagePath, declared: Declared) -> tuple[Edge, ...]:
        folders = self._folders_seen_from(path)
        has_more = declared.optional_dependencies or declared.peer_dependencies or declared.accept_dependencies
        if not has_more and path in self._holder:
            return _plain_edges(path, declared.dependencies, folders)
        accept = declared.accept_dependencies or _NOTHING
        return tuple(
            Edge(path, name, requested, edge_type, _first(folders, name), accept.get(name))
            for name, (edge_type, requested) in self._wanted(path, declared).items()
        )

    def _wanted(self, path: PackagePath, declared: Declared) -> Mapping[str, tuple[EdgeType, str]]:
        """Name -> type and spec; where a name stands in several maps, the later of them counts, as in npm."""
        wanted: dict[str, tuple[EdgeType, str]] = {}
        if not self.legacy_peer_deps:
            meta = declared.peer_dependencies_meta or {}
            for name, spec in (declared.peer_dependencies or _NOTHING).items():
                is_optional = name in meta and meta[name].optional
                wanted[name] = (EdgeType.PEER_OPTIONAL if is_optional else EdgeType.PEER, spec)
        for name, spec in (declared.dependencies or _NOTHING).items():
            wanted[name] = (EdgeType.PROD, spec)
        for name, spec in (declared.optional_dependencies or _NOTHING).items():
            wanted[name] = (EdgeType.OPTIONAL, spec)
        if not is_installed(path):
            for name, spec in (declared.dev_dependencies or _NOTHING).items():
                wanted[name] = (EdgeType.DEV, spec)
        return wanted

    # -- what can be reached ---------------------------------------------------------------------------------------

    @cached_property
    def reachable(self) -> frozenset[PackagePath]:
        """Everything that the project needs; the rest is extraneous, and npm prunes it. The root is part of it.

        A package that is wanted by optional peer dependencies alone is not.
        """
        return self.reached_without(EdgeType.PEER_OPTIONAL)

    def reached_without(self, *types: EdgeType) -> frozenset[PackagePath]:
        """What can be reached from the root over edges of all other types, links and their targets included."""
        entries, edges = self.lock.entries, self.edges
        seen = {ROOT}
        waiting = [ROOT]
        found: Iterable[PackagePath | None]
        while waiting:
            path = waiting.pop()
            if path in edges:
                # a tuple compares by identity first; a set would hash the enum, in Python code
                found = [edge.target for edge in edges[path] if edge.type not in types]
            else:
                found = (link_target(entries[path]),)
            for target in found:
                if target is not None and target not in seen:
                    seen.add(target)
                    waiting.append(target)
        return frozenset(seen)

    @cached_property
    def _wanted_by(self) -> Mapping[PackagePath, PackagePath]:
        """For each reachable entry the one that it is first reached from, by the shortest way."""
        first: dict[PackagePath, PackagePath] = {}
        waiting = [ROOT]
        for path in waiting:
            entry = self.lock.entries.get(path)
            is_link = entry is not None and entry.link
            found = [self.target(path)] if is_link else [edge.target for edge in self.edges.get(path, ())]
            for target in found:
                if target is not None and target != ROOT and target not in first:
                    first[target] = path
                    waiting.append(target)
        return first

    def chain(self, path: PackagePath) -> str:
        """How the project comes to need the package at a path, for messages: ``app > react-dom@19.1.0``.

        The package itself is the last; an extraneous one stands alone.
        """
        labels = [self.label(path)]
        while path != ROOT and path in self._wanted_by:
            previous = self._wanted_by[path]
            # a link and its target are one for the reader
            if self.target(previous) != path:
                labels.append(self.label(previous))
            path = previous
        return " > ".join(reversed(labels))


def _by_target(lists: Iterable[Iterable[Edge]]) -> Mapping[PackagePath, list[Edge]]:
    into: defaultdict[PackagePath, list[Edge]] = defaultdict(list)
    for edges in lists:
        for edge in edges:
            if edge.target is not None:
                into[edge.target].append(edge)
    return dict(into)


def _first(folders: tuple[_Folder, ...], name: str) -> PackagePath | None:
    for folder in folders:
        if name in folder:
            return folder[name]
    return None


def _plain_edges(
    path: PackagePath, dependencies: DependencyMap | None, folders: tuple[_Folder, ...]
) -> tuple[Edge, ...]:
    """The edges of a package that has nothing but dependencies, as most have."""
    if not dependencies:
        return ()
    prod = EdgeType.PROD
    if len(folders) == 1:
        found = folders[0].get
        return tuple([Edge(path, name, spec, prod, found(name)) for name, spec in dependencies.items()])
    return tuple([Edge(path, name, spec, prod, _first(folders, name)) for name, spec in dependencies.items()])
