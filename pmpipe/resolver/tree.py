"""A tree of nodes, and what keeps its edges right while nodes are put in, replaced and removed.

npm walks all of a node's surroundings to find the edges that a change concerns. Here every edge stands in an index
under its name, so that a change costs as much as there are edges of that one name.
"""

from __future__ import annotations

from collections.abc import Mapping
from posixpath import dirname

from pmpipe.npm.packages.packument import Json
from pmpipe.resolver.inside import edges_from_inside
from pmpipe.resolver.node import Edge, EdgeError, Node
from pmpipe.resolver.overrides import OverrideRule, conflict, narrower
from pmpipe.resolver.package import Dependency, Kind, NameKey
from pmpipe.resolver.satisfy import satisfies


class Tree:
    """The project's tree, or the little one in which a peer set is put together.

    Attributes:
        project_folder: absolute path.
        root: the project's node, or the node that stands for the one whose peers are collected.
        nodes: all nodes of the tree, by location. by_name: the same by name.
        edges: all edges of the tree's nodes, by key.
        tops: nodes in no ``node_modules`` besides the root.
        is_apart: it is the little tree of a peer set; links in it point into the project's tree.
        install_links: ``file:`` folders are copied, not linked (npm's ``--install-links``).
        locked_specs: what the old lock says that each location depends on, for git dependencies.
        revision: goes up with every change of the nodes, of what an edge finds and whether that is valid, and of rules.
        extension_hashes: what its lock has of the rules by which manifests are repaired, by field of the root's entry.
    """

    __slots__ = (
        "_held",
        "_tops_inside",
        "by_name",
        "edges",
        "extension_hashes",
        "install_links",
        "is_apart",
        "is_global",
        "locked_specs",
        "nodes",
        "overrides_own_bundle",
        "project_folder",
        "revision",
        "root",
        "tops",
    )

    def __init__(self, root: Node, project_folder: str, *, install_links: bool = False, is_apart: bool = False) -> None:
        self.is_apart = is_apart
        #: see `pmpipe.resolver.options.ResolveOptions`; little trees apart are never global
        self.is_global = False
        #: overrides hold for what the project bundles, too, as with npm 12
        self.overrides_own_bundle = False
        self.project_folder = project_folder
        self.root = root
        self.revision = 0
        self.install_links = install_links
        self.nodes: dict[str, Node] = {}
        self.by_name: dict[str, dict[Node, None]] = {}
        self.edges: dict[NameKey, dict[Edge, None]] = {}
        self.tops: dict[Node, None] = {}
        #: the tops below each folder, so that not all have to be looked at whenever there is another one
        self._tops_inside: dict[str, dict[Node, None]] = {}
        #: see `hold_edges`; None: edges are loaded as soon as a node is attached
        self._held: list[Node] | None = None
        self.locked_specs: dict[str, dict[str, str]] = {}
        self.extension_hashes: dict[str, Json] = {}
        self._enter(root)

    # --- nodes

    def attach(self, node: Node, parent: Node) -> None:
        """Put a node into the ``node_modules`` of another; what is there under that name goes."""
        parent = parent.end
        if node.parent is parent and node.tree is self:
            return
        if self.is_apart:
            self.root_edge(node.key)
        if node.tree is not None:
            node.tree.remove(node)
        old = parent.children.get(node.key)
        if old is not None:
            self.load_held()
            self.remove(old)
        node.parent = parent
        parent.children[node.key] = node
        self._move_below(
            node, f"{parent.location}/node_modules/{node.name}" if parent.location else f"node_modules/{node.name}"
        )
        self._admit(node)

    def attach_top(self, node: Node, location: str) -> None:
        """Put in the target of links, a folder of its own; `location` is its path from the project."""
        if node.tree is not None:
            node.tree.remove(node)
        there = self.nodes.get(location)
        if there is not None or location in self._tops_inside:
            self.load_held()
        if there is not None:
            self.remove(there)
        node.location = location
        node.folder_parent = self._folder_parent(location)
        if node.folder_parent is not None:
            node.folder_parent.folder_children[node] = None
        for top in list(self._tops_inside.get(location, ())):
            if top.folder_parent in (None, node.folder_parent):
                if top.folder_parent is not None:
                    top.folder_parent.folder_children.pop(top, None)
                top.folder_parent = node
                node.folder_children[top] = None
        self.tops[node] = None
        for folder in _folders_above(location):
            self._tops_inside.setdefault(folder, {})[node] = None
        self._admit(node)

    def replace(self, old: Node, new: Node) -> None:
        """Put a node in the place of another; it keeps the other's children."""
        parent = old.parent
        assert parent is not None
        if not new.is_link:
            for key, child in list(old.children.items()):
                child.parent = new
                new.children[key] = child
            old.children.clear()
        target = old.target
        self.remove(old)
        if target is not None and not new.is_link and target.tree is self:
            self.remove(target)
        self.attach(new, parent)

    def remove(self, node: Node) -> None:
        """Take a node out, with all that is inside its folder."""
        self.revision += 1
        _part_from_parent(node)
        family = dict.fromkeys(_family(node))
        for member in family:
            self._leave(member)
        # who needs the node finds another one first: from a node that has no rule any more no rule leaves
        for member in family:
            for edge in list(member.edges_in):
                if edge.origin.tree is self:
                    self.connect(edge)
        if node.rule is None:
            for edge in node.edges_out.values():
                edge.rule = None
        for member in family:
            for edge in member.edges_out.values():
                self._break(edge, family)

    def _break(self, edge: Edge, family: Mapping[Node, None]) -> None:
        """Let an edge of what was removed find nothing."""
        if edge.target is not None and edge.target in family:
            # both went together, and so do their rules
            edge.target.edges_in.pop(edge, None)
            edge.target = None
        else:
            self._let_go(edge)
        edge.error = None if edge.dependency.optional else EdgeError.MISSING

    def adopt_target(self, link: Node) -> None:
        """Make a link point into this tree: at the node that is in its target's folder, or the target itself."""
        target = link.target
        assert target is not None
        there = self.nodes.get(target.location)
        if there is None:
            self.attach_top(target, target.location)
            there = target
        elif there is not target:
            self.revision += 1
            link.target = there
            link.package = there.package
        there.links_in[link] = None

    def hold_edges(self) -> None:
        """Let the edges of nodes without children that are attached from now on wait for `load_held`.

        Edges that are loaded once all nodes are there look for their targets once, which is half the work. The outcome
        is the same, the order in which nodes and edges know each other included; but for override rules, whose traces
        follow from the order of all that happens: under these nothing is held.
        """
        if self.root.rule is None:
            self._held = []

    def load_held(self) -> None:
        """Load the edges that wait; from now on none does."""
        held, self._held = self._held, None
        if held is None:
            return
        for same in list(self.edges.values()):
            for edge in same:
                self.connect(edge)
        for node in held:
            self.load_edges(node)

    def is_inside_project(self, node: Node) -> bool:
        """Whether Node.js gets from the node up to the project."""
        return node.is_descendant_of(self.root)

    def locked_spec(self, location: str, name: str) -> str:
        """What the old lock says the package at a location asks for under a name, or empty."""
        return self.locked_specs.get(location, {}).get(name, "")

    # --- edges

    def load_edges(self, node: Node) -> None:
        """Give a node the edges that its package asks for; those to workspaces stay."""
        if node.target is not None:
            return
        with_dev = node.parent is None
        package = node.package
        if not (with_dev or package.dependencies or package.peer_dependencies or package.optional_dependencies):
            return
        edges_out = node.edges_out
        rule = node.rule
        # under overrides it leaves a trace that npm reads a name twice which stands in two maps
        may_stand_twice = bool(edges_out) or rule is not None
        for dependency in package.edges(with_dev=with_dev) if rule is None else package.lines(with_dev=with_dev):
            if may_stand_twice:
                there = edges_out.get(dependency.key)
                if there is not None:
                    if there.dependency.kind is Kind.WORKSPACE:
                        continue
                    self.drop_edge(there)
            self.add_edge(node, dependency, node.rule)

    def give_edges(self, node: Node) -> None:
        """Give a node its edges before it is attached, so that a rule that comes to it by its first edge holds for all.

        That is how npm places packages; those of a peer set or of a lock get their edges when they are attached.
        """
        if node.target is None and node.rule is not None:
            for dependency in node.package.edges(with_dev=False):
                edge = node.edges_out[dependency.key] = Edge(node, dependency)
                edge.rule = node.rule.rule_for(edge)

    def add_edge(self, node: Node, dependency: Dependency, rule: OverrideRule | None = None) -> Edge:
        """Add an edge; the node must have none of that name."""
        edge = Edge(node, dependency)
        key = dependency.key
        self.revision += 1
        node.edges_out[key] = edge
        same = self.edges.get(key)
        if same is None:
            self.edges[key] = {edge: None}
        else:
            same[edge] = None
        if rule is not None:
            edge.rule = rule.rule_for(edge)
        self.connect(edge, judge=True)
        return edge

    def root_edge(self, key: NameKey) -> Edge | None:
        """The root's edge by a name.

        The root of a peer set's tree stands for a node that may have thousands of edges, of which a peer set meets a
        few: there an edge is made when it is first asked for.
        """
        edge = self.root.edges_out.get(key)
        source = self.root.stands_for
        if edge is None and source is not None and key in source.edges_out:
            edge = self.add_edge(self.root, source.edges_out[key].dependency, self.root.rule)
            self.edges[key] = {edge: None, **self.edges[key]}
        return edge

    def drop_edge(self, edge: Edge) -> None:
        """Take an edge away."""
        self.revision += 1
        key = edge.dependency.key
        if edge.origin.edges_out.get(key) is edge:
            del edge.origin.edges_out[key]
        self.edges[key].pop(edge, None)
        self._let_go(edge)

    def reload_edges(self, node: Node) -> None:
        """Read a node's edges anew, after its package has changed."""
        self.revision += 1
        for edge in list(node.edges_out.values()):
            if edge.dependency.kind is not Kind.WORKSPACE:
                self.drop_edge(edge)
        self.load_edges(node)
        for edge in list(node.edges_in):
            self.judge(edge)

    def connect(self, edge: Edge, *, judge: bool = False) -> None:
        """Find anew what an edge finds, and judge that if it has changed or if asked to."""
        node: Node | None = edge.origin
        key = edge.dependency.key
        found: Node | None = None
        while node is not None:
            found = node.children.get(key)
            if found is not None:
                break
            node = node.parent or node.folder_parent
        former = edge.target
        if found is not former:
            self.revision += 1
            if former is not None:
                self._let_go(edge)
            edge.target = found
            if found is not None:
                if self.root.rule is not None:
                    self._rule_arrives(found, edge.rule)
                found.edges_in[edge] = None
        elif not judge:
            return
        self.judge(edge)

    def judge(self, edge: Edge) -> None:
        """Work out whether an edge is valid."""
        error = _error_of(edge)
        if error is not edge.error:
            edge.error = error
            self.revision += 1

    def _let_go(self, edge: Edge) -> None:
        target = edge.target
        if target is None:
            return
        self.revision += 1
        target.edges_in.pop(edge, None)
        edge.target = None
        if edge.rule is not None:
            self._rule_leaves(target, edge.rule)

    def _connect_to(self, node: Node) -> None:
        """Let those find a new node who should: below its parent, and so far finding nothing or something higher up."""
        edges = self.edges.get(node.key)
        if not edges:
            return
        holders: set[Node | None] = set()
        above = node.up.up if node.up is not None else None
        while above is not None:
            holders.add(above)
            above = above.parent or above.folder_parent
        parent = node.up
        inside = edges if parent is None or not parent.location else edges_from_inside(parent, node.key, edges)
        for edge in [one for one in inside if one.target is None or one.target.parent in holders]:
            self.connect(edge)

    # --- override rules

    def _rule_arrives(self, node: Node, rule: OverrideRule | None) -> None:
        if rule is None or rule is node.rule or rule.same_as(node.rule):
            return
        merged = rule if node.rule is None else narrower(node.rule, rule)
        if merged is None or merged.same_as(node.rule):
            return
        self.revision += 1
        node.rule = merged
        self._pass_on_rule(node)

    def _rule_leaves(self, node: Node, rule: OverrideRule) -> None:
        if node.rule is None or not node.rule.same_as(rule):
            return
        remaining: OverrideRule | None = None
        for edge in node.edges_in:
            both = remaining is not None and edge.rule is not None
            remaining = narrower(edge.rule, remaining) if both else edge.rule  # type: ignore[arg-type]
        if node.rule.same_as(remaining):
            return
        self.revision += 1
        node.rule = remaining
        # with no rule left nobody needs the node; it gets one again if somebody does
        if remaining is not None:
            self._pass_on_rule(node)

    def _pass_on_rule(self, node: Node) -> None:
        rule = node.rule
        if node.target is not None:
            if rule is not None and _concerns(rule, node.target):
                self._rule_arrives(node.target, rule)
            return
        for edge in list(node.edges_out.values()):
            # a circle may have brought the node another rule meanwhile
            rule = node.rule
            fresh = None if rule is None else rule.rule_for(edge)
            if fresh is not None and not fresh.same_as(edge.rule):
                self.revision += 1
                edge.rule = fresh
            self.connect(edge, judge=True)
            if edge.target is not None:
                self._rule_arrives(edge.target, edge.rule)

    def pass_rule_to_target(self, link: Node) -> None:
        """Let a link's rule hold in its target too."""
        if link.rule is not None and link.target is not None:
            self._rule_arrives(link.target, link.rule)

    # --- bookkeeping

    def _admit(self, node: Node) -> None:
        family = _family(node)
        if self._held is not None:
            if len(family) == 1 and node.target is None and not node.edges_out:
                self._enter(node)
                self._held.append(node)
                return
            self.load_held()
        for member in family:
            self._enter(member)
        if node.target is not None and not self.is_apart:
            self.adopt_target(node)
            family = _family(node)
        self._connect_to(node)
        for member in family:
            if not member.edges_out:
                self.load_edges(member)
                continue
            for edge in list(member.edges_out.values()):
                self.edges.setdefault(edge.dependency.key, {})[edge] = None
                self.connect(edge, judge=True)
        if node.target is not None and node.rule is not None:
            # the link had it before there were edges that it could be about
            self._pass_on_rule(node)

    def _enter(self, node: Node) -> None:
        self.revision += 1
        node.tree = self
        self.nodes[node.location] = node
        same = self.by_name.get(node.name)
        if same is None:
            self.by_name[node.name] = {node: None}
        else:
            same[node] = None

    def _leave(self, node: Node) -> None:
        node.tree = None
        if self.nodes.get(node.location) is node:
            del self.nodes[node.location]
        same = self.by_name.get(node.name)
        if same is not None:
            same.pop(node, None)
        if node in self.tops:
            del self.tops[node]
            for folder in _folders_above(node.location):
                self._tops_inside[folder].pop(node)
        if node.target is not None:
            node.target.links_in.pop(node, None)
        for edge in node.edges_out.values():
            self.edges[edge.dependency.key].pop(edge, None)

    def _move_below(self, node: Node, location: str) -> None:
        node.location = location
        for child in node.children.values():
            self._move_below(child, f"{location}/node_modules/{child.name}")

    def _folder_parent(self, location: str) -> Node | None:
        folder = dirname(location)
        while True:
            there = self.nodes.get(folder)
            if there is not None and there.target is None and location != folder:
                return there
            if not folder or folder.endswith(".."):
                return None if folder else self.root if not location.startswith("..") else None
            folder = dirname(folder)


def _error_of(edge: Edge) -> EdgeError | None:
    dependency = edge.dependency
    target = edge.target
    if target is None:
        return None if dependency.optional else EdgeError.MISSING
    if dependency.peer and edge.origin is target.parent and not edge.origin.is_top:
        return EdgeError.PEER_LOCAL
    if not satisfies(edge, target):
        return EdgeError.INVALID
    if edge.rule is None or target.rule is None or not target.edges_out:
        return None
    return EdgeError.INVALID if conflict(edge.rule, target.rule) else None


def _part_from_parent(node: Node) -> None:
    parent = node.parent
    if parent is not None:
        if parent.children.get(node.key) is node:
            del parent.children[node.key]
        node.parent = None
    if node.folder_parent is not None:
        node.folder_parent.folder_children.pop(node, None)
        node.folder_parent = None


def _family(node: Node) -> list[Node]:
    if not node.children and not node.folder_children:
        return [node]
    found = [node]
    for member in found:
        found.extend(member.children.values())
        found.extend(member.folder_children)
    return found


def _folders_above(location: str) -> list[str]:
    return [location[:at] for at, character in enumerate(location) if character == "/"]


def _concerns(rule: OverrideRule, target: Node) -> bool:
    """Whether a rule is about anything that a node needs, directly or through others."""
    found: dict[Node, None] = {target: None}
    for node in list(found):
        pending = [node]
        while pending:
            for edge in pending.pop().end.edges_out.values():
                if rule.rule_for(edge).name == edge.name:
                    return True
                if edge.target is not None and edge.target.end not in found:
                    found[edge.target.end] = None
                    pending.append(edge.target.end)
    return False
