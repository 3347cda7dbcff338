"""The nodes and edges of a tree: what is where, and who finds what there.

A *node* is a package in a folder. Its *parent* is the node in whose ``node_modules`` it lies; a *top* has none: the
project, and the targets of links, which lie in folders of their own. A top may have a *folder parent*, the node whose
folder it is inside of; Node.js looks for modules there too. A *link* stands in a ``node_modules`` for its target.

An *edge* leads from a node that needs something to the node that it finds by that name, looking in its own folder and
then upwards, or to nothing. It keeps its own answer to whether what it found is right (`error`), so that asking costs
nothing; `pmpipe.resolver.tree` keeps edges and answers up to date while nodes come and go.
"""

from __future__ import annotations

from collections.abc import Iterator
from enum import Enum
from typing import TYPE_CHECKING

from pmpipe.errors import PmpipeError
from pmpipe.npm.specs.names import name_key
from pmpipe.resolver.package import Dependency, Kind, NameKey, Package

if TYPE_CHECKING:
    from pmpipe.resolver.overrides import OverrideRule
    from pmpipe.resolver.tree import Tree


class EdgeError(Enum):
    """Why an edge is not valid."""

    MISSING = "missing"
    #: A peer lies inside the package that wants to share it with its own dependents.
    PEER_LOCAL = "peer local"
    INVALID = "invalid"


class Edge:
    """A dependency of a node in the tree.

    Attributes:
        dependency: what the package says.
        origin: the node that needs it.
        target: the node that it finds, or None.
        error: why that is not right, or None if it is; a missing optional dependency is no error.
        overruled: a peer conflict that the user lets pass; npm's "peerConflicted".
        rule: the override rules that hold from here on, or None if the project has no overrides.
    """

    __slots__ = ("dependency", "error", "origin", "overruled", "rule", "target")

    def __init__(self, origin: Node, dependency: Dependency) -> None:
        self.dependency = dependency
        self.origin = origin
        self.target: Node | None = None
        self.error: EdgeError | None = None
        self.overruled = False
        self.rule: OverrideRule | None = None

    @property
    def name(self) -> str:
        """Under which it looks."""
        return self.dependency.name

    @property
    def spec(self) -> str:
        """What it wants, overrides included."""
        return self.dependency.spec if self.rule is None else self.rule.spec_for(self)

    def __repr__(self) -> str:
        return f"Edge({self.origin.location or '.'} -> {self.name}@{self.dependency.spec})"


class Flags:
    """By what ways a node is reached; all true until a walk from the project has shown otherwise.

    Attributes:
        extraneous: by none.
        dev: only through development dependencies; optional: only through optional ones.
        dev_optional: by some of both kinds and no other.
        peer: only through peers.
    """

    __slots__ = ("dev", "dev_optional", "extraneous", "optional", "peer")

    def __init__(self, *, value: bool = True) -> None:
        self.set_all(value)

    def set_all(self, value: bool) -> None:
        """Give all flags one value."""
        self.extraneous = self.dev = self.optional = self.dev_optional = self.peer = value


class Node:
    """A package at a place.

    Attributes:
        name: the folder's name below ``node_modules``; for tops the package's or the folder's.
        location: the path from the project, with ``/``; empty for the project.
        package: what is there; a link has its target's.
        tree: that it belongs to; None once it has been taken out.
        parent, folder_parent, children, folder_children: see the module's text.
        edges_out: by key, in npm's order. edges_in: from nodes of the same tree that find this one.
        target: of a link; None for everything else. links_in: the links to this node.
        stands_for: of the root of a peer set's tree, the real node that the set is put together for.
        failure: why the package could not be loaded; npm keeps such nodes until it knows whether they are optional.
        unusable: optional, and not to be installed because it or what needs it failed; npm's "inert".
        has_shrinkwrap: its contents come with it.
        rule: the override rules that hold for its dependencies.
    """

    __slots__ = (
        "children",
        "edges_in",
        "edges_out",
        "failure",
        "flags",
        "folder_children",
        "folder_parent",
        "has_shrinkwrap",
        "key",
        "links_in",
        "location",
        "name",
        "package",
        "parent",
        "rule",
        "stands_for",
        "target",
        "tree",
        "unusable",
    )

    def __init__(self, name: str, package: Package, *, location: str = "", stands_for: Node | None = None) -> None:
        self.name = name
        self.key: NameKey = name_key(name)
        self.location = location
        self.package = package
        self.tree: Tree | None = None
        self.parent: Node | None = None
        self.folder_parent: Node | None = None
        self.children: dict[NameKey, Node] = {}
        self.folder_children: dict[Node, None] = {}
        self.edges_out: dict[NameKey, Edge] = {}
        self.edges_in: dict[Edge, None] = {}
        self.target: Node | None = None
        self.links_in: dict[Node, None] = {}
        self.stands_for = stands_for
        self.failure: PmpipeError | None = None
        self.flags = Flags()
        self.unusable = False
        self.has_shrinkwrap = package.has_shrinkwrap
        self.rule: OverrideRule | None = None

    @property
    def is_link(self) -> bool:
        """Whether it stands for another node."""
        return self.target is not None

    @property
    def end(self) -> Node:
        """The target of a link, or the node itself."""
        return self if self.target is None else self.target

    @property
    def is_project(self) -> bool:
        """Whether it is the root of its tree (also that of a peer set)."""
        return self.tree is not None and self.tree.root is self

    @property
    def is_top(self) -> bool:
        """Whether it lies in no ``node_modules``, or is a package of its own (`is_global_top`)."""
        return self.parent is None or self.is_global_top

    @property
    def is_global_top(self) -> bool:
        """Whether it is a package of its own in a tree of packages that have nothing to do with each other."""
        return self.tree is not None and self.tree.is_global and self.parent is self.tree.root

    @property
    def up(self) -> Node | None:
        """Where Node.js looks next for what is not found here."""
        return self.parent or self.folder_parent

    @property
    def version(self) -> str:
        """The package's version, or empty."""
        return self.package.version

    @property
    def resolved(self) -> str:
        """Where it came from; see `Package.resolved`. Links came from their targets' folders."""
        return "" if self.target is not None else self.package.resolved

    @property
    def depth(self) -> int:
        """How many ``node_modules`` it lies in below its top."""
        depth, node = 0, self.parent
        while node is not None:
            depth, node = depth + 1, node.parent
        return depth

    @property
    def is_workspace(self) -> bool:
        """Whether it is one of the project's workspaces, or the link to it."""
        if self.tree is None or self.tree.root is self:
            return False
        edge = self.tree.root_edge(name_key(self.package.name))
        if edge is None or edge.dependency.kind is not Kind.WORKSPACE or edge.target is None:
            return False
        return edge.target is self or edge.target.end is self

    @property
    def is_mine(self) -> bool:
        """Whether the user writes its package.json: the project and its workspaces."""
        return self.is_project or self.is_workspace

    def ancestry(self) -> Iterator[Node]:
        """The node itself, then upwards where Node.js looks."""
        node: Node | None = self
        while node is not None:
            yield node
            node = node.parent or node.folder_parent

    def ancestry_of_parents(self) -> Iterator[Node]:
        """The nodes in whose ``node_modules`` it lies, upwards."""
        node = self.parent
        while node is not None:
            yield node
            node = node.parent

    def is_descendant_of(self, other: Node) -> bool:
        """Whether the other is met on the way up from here; true for the node itself."""
        node: Node | None = self
        while node is not None:
            if node is other:
                return True
            node = node.parent or node.folder_parent
        return False

    def resolve(self, key: NameKey) -> Node | None:
        """What Node.js finds by this name from inside this node."""
        node: Node | None = self
        while node is not None:
            found = node.children.get(key)
            if found is not None:
                return found
            node = node.parent or node.folder_parent
        return None

    def matches(self, other: Node) -> bool:
        """Whether both are the same package under the same name."""
        if other is self:
            return True
        if other.name != self.name:
            return False
        if self.target is not None:
            return other.target is not None and self.target.matches(other.target)
        mine, theirs = self.package, other.package
        if mine.integrity and theirs.integrity:
            return mine.integrity == theirs.integrity
        if mine.resolved and theirs.resolved:
            return mine.resolved == theirs.resolved
        return bool(mine.name and mine.version) and mine.name == theirs.name and mine.version == theirs.version

    def __repr__(self) -> str:
        return f"Node({self.location or '.'}, {self.package.label})"


def bundler_of(node: Node) -> Node | None:
    """The node in whose tarball this one comes, or None.

    What a bundled package needs and finds at its bundler's level belongs to the bundle; what it finds further up does
    not. As with npm, each node is asked once on the whole way, so that circles decide by the order of their edges.
    """
    bundlers = [above for above in node.ancestry_of_parents() if above.package.bundled]
    return _bundler_of(node, bundlers[-1]) if bundlers else None


def _bundler_of(start: Node, outermost: Node) -> Node | None:
    # who needs the outermost bundler matters only if what it brings needs something outside, which closes a circle
    alone = set() if _leads_out(outermost) else {outermost, *outermost.ancestry_of_parents()}
    seen: set[Node] = set()
    waiting: list[tuple[Node, Iterator[Edge] | None]] = []
    asked: Node | None = start
    found: Node | None = None
    while asked is not None or waiting:
        if asked is not None:
            _ask_upwards(asked, seen, waiting)
            asked = found = None
            continue
        node, edges = waiting.pop()
        parent = node.parent
        assert parent is not None
        if edges is None:
            if found is None and node.name in parent.package.bundled:
                found = parent
            if found is not None:
                continue
            edges = iter(() if node in alone and not parent.package.bundled else node.edges_in)
        elif found is parent:
            continue
        found = None
        for edge in edges:
            waiting.append((node, edges))
            asked = edge.origin
            break
    return found


def _ask_upwards(node: Node, seen: set[Node], waiting: list[tuple[Node, Iterator[Edge] | None]]) -> None:
    """Ask a node, which asks its parent first, and so on; nobody twice."""
    while node not in seen:
        seen.add(node)
        if node.parent is None:
            return
        waiting.append((node, None))
        node = node.parent


def _leads_out(bundler: Node) -> bool:
    """Whether anything inside of a node finds something outside of it."""
    pending = list(bundler.children.values())
    for node in pending:
        pending.extend(node.children.values())
    inside = set(pending)
    return any(
        edge.target is not None and edge.target not in inside for node in inside for edge in node.edges_out.values()
    )


def in_bundle_of_dependency(node: Node) -> bool:
    """Whether it comes in the tarball of a package that is not the project itself."""
    bundler = bundler_of(node)
    return bundler is not None and not (bundler.is_project)


def in_shrinkwrap(node: Node) -> bool:
    """Whether a package above brings a lock that decided on this node."""
    parent = node.parent
    while parent is not None:
        if parent.has_shrinkwrap:
            return True
        parent = parent.parent
    return False
