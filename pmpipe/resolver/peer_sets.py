"""Putting together a package with all its peers, before any of them goes into the tree.

Peers must be found in one place with what needs them, so npm first builds a little tree apart: its root stands for the
node that needs the package and has that node's edges; the package and its peers, and the peers' peers, are its
children. There they agree on versions, preferring what the node itself asks for, or the conflict shows.

Most packages have no peers. Then the little tree would hold one node that nobody looks at, and is not built.

Everything that waits for a registry is a generator: it yields what must be fed first and is resumed when it has been.

Source: npm's ``@npmcli/arborist``, ``build-ideal-tree.js``.
"""

from __future__ import annotations

from collections.abc import Generator
from typing import TypeAlias, TypeVar

from pmpipe.errors import InvalidSpecError, PmpipeError, RepairError
from pmpipe.npm.texts.collation import english_key
from pmpipe.resolver.asks import Ask, NoManifestError
from pmpipe.resolver.can_place import can_replace
from pmpipe.resolver.location import is_inside_project, location_of
from pmpipe.resolver.node import Edge, Node
from pmpipe.resolver.options import ResolveOptions
from pmpipe.resolver.package import Kind, NameKey, Package
from pmpipe.resolver.peer_conflict import explain_depth, explain_set_conflict
from pmpipe.resolver.refusal import refused_place, refused_request
from pmpipe.resolver.request import Request, RequestKind, is_about_a_place, read_request, request_of
from pmpipe.resolver.satisfy import base_folder, folder_of, satisfies
from pmpipe.resolver.source import Source
from pmpipe.resolver.tree import Tree

Answer = TypeVar("Answer")

#: So often may names come again in a chain of peers: more are circles in which versions displace each other; npm hangs
#: there.
_MAX_REPETITIONS = 90
#: Peers of peers of peers: no chain is that long, unless somebody makes it so.
_MAX_DEPTH = 500

#: A computation that stops where it needs something fed.
Waiting: TypeAlias = Generator[Ask, None, Answer]


class PeerSets:
    """Makes packages ready to be placed.

    Attributes:
        tree: the project's.
        failures: nodes whose package could not be loaded, here or in the project's tree.
        latest: for each node the last little tree made for it, or the one package in place of that.
    """

    def __init__(self, tree: Tree, source: Source, options: ResolveOptions, empty: Package) -> None:
        self.tree = tree
        self.source = source
        self.options = options
        self.empty = empty
        self.failures: dict[Node, None] = {}
        self.latest: dict[Node, Tree | Node] = {}
        self._depth = 0
        #: how often each name stands in the chain of peers that is being loaded
        self._chain: dict[NameKey, int] = {}
        self._looks_up_fewer = options.looks_up_fewer_peers

    # --- little trees

    def found_before(self, edge: Edge) -> Node | None:
        """The package for an edge in the last little tree of its node, if it satisfies the edge there and here."""
        latest = self.latest.get(edge.origin)
        if latest is None:
            return None
        if isinstance(latest, Node):
            return latest if latest.key == edge.dependency.key and satisfies(edge, latest) else None
        there = latest.root.edges_out.get(edge.dependency.key)
        if there is None or there.target is None or there.error is not None:
            return None
        return there.target if satisfies(edge, there.target) else None

    def tree_for(self, node: Node) -> Tree:
        """The last little tree made for a node, or a new one."""
        latest = self.latest.get(node)
        if isinstance(latest, Tree):
            return latest
        tree = self.new_tree(node)
        if latest is not None:
            tree.attach(latest, tree.root)
        return tree

    def new_tree(self, node: Node) -> Tree:
        """A new little tree for a node."""
        root = Node(node.name, node.package, location=node.location, stands_for=node)
        root.rule = node.rule
        tree = Tree(root, self.tree.project_folder, install_links=self.options.install_links, is_apart=True)
        tree.locked_specs = self.tree.locked_specs
        tree.overrides_own_bundle = self.tree.overrides_own_bundle
        self.latest[node] = tree
        return tree

    # --- packages

    def candidate(self, edge: Edge, required: set[Node]) -> Waiting[Node]:
        """The package for an edge, with its peers in a little tree of their own.

        Args:
            edge: of a node in the project's tree; no peer's.
            required: nodes that are certainly needed; conflicts only matter among them. Grows.

        Raises:
            PeerConflictError: the peers contradict each other, and that is not to be let pass.
        """
        request = self._allowed_request(edge)
        package = yield from self._package(request, edge)
        if isinstance(package, Package) and not package.has_peers and not self._is_special(request, edge):
            node = Node(edge.name, package)
            node.rule = edge.rule
            self.latest[edge.origin] = node
            return node
        tree = self.new_tree(edge.origin)
        return (yield from self.into_tree(edge, tree, None, required))

    def into_tree(self, edge: Edge, tree: Tree, second: Edge | None, required: set[Node]) -> Waiting[Node]:
        """Load the package for an edge into a little tree, then its peers.

        Args:
            edge: what it is for.
            tree: where to.
            second: another edge by that name; if what it asks for satisfies both, that is taken.
            required: see `candidate`.

        Raises:
            PeerConflictError: see `candidate`; or two versions of a peer replace each other for ever.
        """
        chain, key = self._chain, edge.dependency.key
        self._depth += 1
        chain[key] = chain.get(key, 0) + 1
        try:
            if self._depth - len(chain) > _MAX_REPETITIONS:
                raise explain_set_conflict(edge, second)
            if self._depth > _MAX_DEPTH:
                raise explain_depth(edge)
            return (yield from self._into_tree(edge, tree, second, required))
        finally:
            self._depth -= 1
            chain[key] -= 1
            if not chain[key]:
                del chain[key]

    def _into_tree(self, edge: Edge, tree: Tree, second: Edge | None, required: set[Node]) -> Waiting[Node]:
        node = yield from self._node(edge, tree)
        if second is not None and second.error is not None:
            other = yield from self._node(second, tree)
            if edge.error is None:
                node = other
        tree.attach(node, tree.root)
        for one in (edge, second):
            if one is not None and one.origin in required and one.dependency.kind is not Kind.PEER_OPTIONAL:
                required.add(node)
        if not (self.options.is_global and edge.origin.is_project):
            yield from self._load_peers(node, required)
        return node

    def _load_peers(self, node: Node, required: set[Node]) -> Waiting[None]:
        lacking = [
            edge
            for edge in node.edges_out.values()
            if edge.dependency.peer and (edge.error is not None or edge.target is None)
        ]
        lacking.sort(key=lambda edge: english_key(edge.name))
        for edge in lacking:
            # loading one peer may have put another version of this very package into the node's place
            if node.parent is None:
                return
            if edge.error is None and edge.target is not None:
                continue
            yield from self._load_peer(edge, node, required)

    def _load_peer(self, edge: Edge, node: Node, required: set[Node]) -> Waiting[None]:
        tree = node.tree
        assert tree is not None
        rival = tree.root_edge(edge.dependency.key)
        source = tree.root.stands_for
        mine = source is not None and source.is_mine
        lenient = self.options.force or not (mine or self.options.strict_peer_deps)
        if edge.target is None:
            if rival is None:
                if not (self._looks_up_less(edge) and self._can_do_without(edge, source)):
                    yield from self.into_tree(edge, tree, None, required)
                return
            # what the node itself asks for comes first; the peer's wish narrows it where it can
            candidate = yield from self.into_tree(rival, tree, edge, required)
            if edge.error is None:
                return
            if lenient or candidate not in required or self._is_later_failure(candidate):
                edge.overruled = True
                return
            if node.parent is None:
                return
            raise explain_set_conflict(edge, rival)
        current = edge.target
        alone = yield from self.into_tree(edge, self.new_tree(edge.origin), None, required)
        if can_replace(current, alone):
            yield from self.into_tree(edge, tree, None, required)
            return
        if lenient or edge.origin not in required or self._is_later_failure(current):
            return
        raise explain_set_conflict(edge, rival)

    # --- where npm 11.21 and later decide otherwise

    def _looks_up_less(self, edge: Edge) -> bool:
        """Whether an optional peer may be left alone: later npms do so, and a foreign lock shows that it was.

        What is looked up for it would be the newest version, whose own peers might contradict those that are locked.
        """
        if self._looks_up_fewer or edge.dependency.kind is not Kind.PEER_OPTIONAL:
            return self._looks_up_fewer
        request = self._read_request(edge)
        return isinstance(request, Request) and self.source.is_unanswered(request)

    def _can_do_without(self, edge: Edge, source: Node | None) -> bool:
        """Whether nothing has to be looked up for an optional peer: there is none, or one that fits."""
        if edge.dependency.kind is not Kind.PEER_OPTIONAL or source is None:
            return False
        present = source.resolve(edge.dependency.key)
        return present is None or satisfies(edge, present)

    def _is_later_failure(self, node: Node) -> bool:
        """Whether a peer is in conflict only because it could not be had."""
        return self._looks_up_fewer and node in self.failures

    # --- one package

    def _read_request(self, edge: Edge) -> Request | PmpipeError:
        try:
            if edge.rule is None or not edge.rule.key_spec or edge.rule.name != edge.name:
                request = request_of(edge.dependency)
                if request is not None:
                    return request
            spec = edge.spec
            if not is_about_a_place(spec):
                return read_request(edge.name, spec)
            request = read_request(edge.name, spec, base_folder(edge.origin, edge))
            is_beside_original = request.kind is RequestKind.FOLDER and self._is_of_copy(edge)
            return read_request(edge.name, spec, _original_of(edge.origin)) if is_beside_original else request
        except InvalidSpecError as error:
            return error

    def _allowed_request(self, edge: Edge) -> Request | PmpipeError:
        """What an edge asks for, or why it cannot have it."""
        request = self._read_request(edge)
        if isinstance(request, PmpipeError):
            return request
        policy = self.options.sources
        refused = refused_request(policy, self.source.pinned(request), edge) if policy is not None else None
        return refused or refused_place(request, edge) or request

    def _package(self, request: Request | PmpipeError, edge: Edge) -> Waiting[Package | PmpipeError]:
        if isinstance(request, PmpipeError):
            return request
        if request.kind is RequestKind.FOLDER and not self._is_copied(edge):
            return self.empty
        while True:
            found = self.source.package(request)
            if isinstance(found, Package) and request.kind is RequestKind.FOLDER:
                found = self.source.copy_of_folder(request, found)
            if isinstance(found, Package):
                return found
            if isinstance(found, RepairError):
                # whoever wants to repair a package must hear of it, even if nobody needs it for certain
                raise found
            if isinstance(found, PmpipeError):
                return found
            yield found

    def _is_copied(self, edge: Edge) -> bool:
        """Whether the folder that an edge asks for is copied: not, if it lies in the project and is written so."""
        if not self.options.install_links or edge.dependency.kind is Kind.WORKSPACE:
            return False
        return self._is_of_copy(edge) or not is_inside_project(
            edge.spec, folder_of(edge.origin), self.tree.project_folder
        )

    def _is_of_copy(self, edge: Edge) -> bool:
        """Whether who asks is itself a copy of a folder, or from a tarball in the file system."""
        return self.options.install_links and edge.origin.resolved.startswith("file:")

    def _is_special(self, request: Request | PmpipeError, edge: Edge) -> bool:
        """Whether the request is about a folder, or may be met by a workspace."""
        if isinstance(request, PmpipeError) or request.kind is RequestKind.FOLDER:
            return True
        wanted = self.tree.root.edges_out.get(edge.dependency.key)
        return wanted is not None and wanted.dependency.kind is Kind.WORKSPACE

    def _node(self, edge: Edge, tree: Tree) -> Waiting[Node]:
        """A node for an edge, in a little tree; a node with a failure if there is no package."""
        request = self._allowed_request(edge)
        if isinstance(request, Request) and request.kind is RequestKind.FOLDER and not self._is_copied(edge):
            return (yield from self._link(edge, request, tree))
        workspace = self._workspace(edge)
        if workspace is not None:
            # npm takes the very link out of the project's tree, and loses the workspace if it is not placed again
            link = Node(edge.name, workspace.package)
            link.target = workspace.end
            tree.attach(link, tree.root)
            return link
        package = yield from self._package(request, edge)
        return self._loaded(edge, package, tree)

    def _loaded(self, edge: Edge, package: Package | PmpipeError, tree: Tree) -> Node:
        if isinstance(package, Package):
            node = Node(edge.name, package)
        else:
            node = Node(edge.name, self.empty)
            node.failure = package
            self.failures[node] = None
        tree.attach(node, tree.root)
        return node

    def _workspace(self, edge: Edge) -> Node | None:
        wanted = self.tree.root.edges_out.get(edge.dependency.key)
        if wanted is None or wanted.dependency.kind is not Kind.WORKSPACE or wanted.target is None:
            return None
        return wanted.target if wanted.target.is_workspace and satisfies(edge, wanted.target) else None

    def _link(self, edge: Edge, request: Request, tree: Tree) -> Waiting[Node]:
        location = location_of(request.wanted, self.tree.project_folder)
        target = self.tree.nodes.get(location)
        if target is None:
            found = self.source.package(request)
            while not isinstance(found, (Package, PmpipeError)):
                yield found
                found = self.source.package(request)
            if isinstance(found, PmpipeError) and not isinstance(found, NoManifestError):
                return self._loaded(edge, found, tree)
            # npm links what is not there, too
            package = found if isinstance(found, Package) else self.empty
            target = Node(edge.name, package, location=location)
        link = Node(edge.name, target.package)
        link.target = target
        tree.attach(link, tree.root)
        return link


def _original_of(node: Node) -> str:
    """The absolute path of the folder or tarball that a node is a copy of."""
    return node.resolved.removeprefix("file:")
