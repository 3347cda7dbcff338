"""What is inside a node is found alike from both sides, in the same order."""

from hypothesis import given
from hypothesis import strategies as st
from support.work import counted_work

from pmpipe.resolver.inside import edges_from_inside, nodes_from_inside
from pmpipe.resolver.node import Node
from pmpipe.resolver.package import DependencyPool
from pmpipe.resolver.source import package_from_json
from pmpipe.resolver.tree import Tree

NAMES = ["a", "b", "c", "d"]


def make_tree(choices):
    """A tree of nodes that all need ``a``; each choice says below which node the next one goes, and its name."""
    pool = DependencyPool()
    package = package_from_json({"name": "x", "version": "1.0.0", "dependencies": {"a": "*"}}, pool)
    root = Node("app", package)
    tree = Tree(root, "/app")
    tree.load_edges(root)
    for where, name in choices:
        nodes = list(tree.nodes.values())
        if name == "top":
            tree.attach_top(Node("top", package, location=f"packages/{len(nodes)}"), f"packages/{len(nodes)}")
        else:
            tree.attach(Node(name, package), nodes[where % len(nodes)])
    return tree


@given(st.lists(st.tuples(st.integers(0, 40), st.sampled_from([*NAMES, "top"])), max_size=40), st.integers(0, 40))
def test_edges_and_nodes_inside_are_those_that_lead_up_to_the_place(choices, where):
    tree = make_tree(choices)
    nodes = list(tree.nodes.values())
    place = nodes[where % len(nodes)]
    edges = tree.edges["a"]
    assert edges_from_inside(place, "a", edges) == [edge for edge in edges if edge.origin.is_descendant_of(place)]
    for same in tree.by_name.values():
        assert nodes_from_inside(place, same) == [node for node in same if node.is_descendant_of(place)]


def test_the_root_of_a_peer_sets_tree_has_only_the_edges_that_are_met():
    pool = DependencyPool()
    package = package_from_json({"name": "x", "dependencies": {"a": "*", "b": "*"}}, pool)
    real = Node("app", package)
    Tree(real, "/app").load_edges(real)
    little = Tree(Node("app", package, stands_for=real), "/app", is_apart=True)
    assert list(little.root.edges_out) == []
    found = Node("a", package_from_json({"name": "a", "version": "1.0.0"}, pool))
    little.attach(found, little.root)
    assert list(little.root.edges_out) == ["a"]
    assert [edge.origin for edge in found.edges_in] == [little.root]
    assert little.root_edge("c") is None


def test_another_folder_costs_the_same_however_many_there_are():
    def calls(count):
        pool = DependencyPool()
        tree = Tree(Node("app", package_from_json({"name": "app"}, pool)), "/app")
        package = package_from_json({"name": "x", "version": "1.0.0"}, pool)
        nodes = [Node("x", package) for _ in range(count)]
        with counted_work() as seen:
            for number, node in enumerate(nodes):
                tree.attach_top(node, f"packages/{number}")
            for node in nodes:
                tree.remove(node)
        return seen.total()

    assert calls(400) < 2.1 * calls(200)


def test_a_folder_around_others_is_looked_into_by_those_in_it():
    pool = DependencyPool()
    tree = Tree(Node("app", package_from_json({"name": "app"}, pool)), "/app")
    package = package_from_json({"name": "x", "version": "1.0.0"}, pool)
    inner, deeper, beside, outer = (Node("x", package) for _ in range(4))
    tree.attach_top(inner, "packages/a/in")
    tree.attach_top(deeper, "packages/a/in/deeper")
    tree.attach_top(beside, "packages/ab")
    tree.attach_top(outer, "packages/a")
    above = {node: node.folder_parent for node in (inner, deeper, beside, outer)}
    assert above == {inner: outer, deeper: inner, beside: tree.root, outer: tree.root}
    tree.remove(outer)
    assert list(tree.tops) == [beside]
