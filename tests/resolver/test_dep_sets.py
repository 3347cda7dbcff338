"""What stands or falls with a node: the same set as by npm's loop, with work for each edge once."""

from collections.abc import Callable
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st
from support.work import counted_work

from pmpipe.resolver.can_place import can_replace
from pmpipe.resolver.dep_sets import is_needed_by_project, needed_by_none_else
from pmpipe.resolver.node import Edge, Node
from pmpipe.resolver.package import DependencyPool
from pmpipe.resolver.source import package_from_json
from pmpipe.resolver.tree import Tree


def make_tree(needs: dict[str, list[str]]) -> Tree:
    """A tree of packages side by side, and what each needs (name, or name@range); the project is ``app``."""
    pool = DependencyPool()

    def package(name: str):
        wanted = {need.partition("@")[0]: need.partition("@")[2] or "*" for need in needs.get(name, ())}
        return package_from_json({"name": name, "version": "1.0.0", "dependencies": wanted}, pool)

    root = Node("app", package("app"))
    tree = Tree(root, "/app")
    tree.load_edges(root)
    for name in needs:
        if name != "app":
            tree.attach(Node(name, package(name)), root)
    return tree


def as_npm(start: list[Node], counts: Callable[[Edge], bool]) -> list[Node]:
    """Source: npm's ``@npmcli/arborist``, ``gather-dep-set.js``."""
    found = dict.fromkeys(start)
    pending = list(found)
    for node in pending:
        for edge in node.edges_out.values():
            if edge.target is not None and edge.target not in found and counts(edge):
                found[edge.target] = None
                pending.append(edge.target)
    changed = True
    while changed:
        changed = False
        for node in list(found):
            if any(edge.origin not in found and counts(edge) for edge in node.edges_in):
                del found[node]
                changed = True
    return list(found)


NAMES = st.sampled_from(["app", *"abcdefgh"])


@given(st.dictionaries(NAMES, st.lists(NAMES, max_size=4), min_size=1), st.lists(NAMES, min_size=1, max_size=3))
def test_what_only_some_nodes_need_is_found_as_by_npm(needs, start):
    tree = make_tree(needs)
    children = {node.name: node for node in tree.root.children.values()}
    nodes = [children[name] for name in start if name in children]
    for counts in (lambda _: True, lambda edge: edge.error is None and edge.target is not nodes[0]):
        if nodes:
            found = needed_by_none_else(nodes, counts)
            assert found == as_npm(nodes, counts)
            assert not any(is_needed_by_project(node, counts) for node in found if node is not nodes[0])


def calls_of(act: Callable[[], object]) -> int:
    with counted_work() as seen:
        act()
    return seen["call"]


def test_a_chain_that_something_outside_needs_is_let_go_link_by_link():
    def calls(length):
        names = [f"n{number}" for number in range(length)]
        # the last is needed from outside, and each is needed by the one behind it: what has to stay shows from behind
        needs = {"start": names, **{name: [before] for before, name in pairwise(names)}}
        tree = make_tree({"app": [names[-1]], **needs, names[0]: []})
        start = tree.nodes["node_modules/start"]
        return calls_of(lambda: needed_by_none_else([start], lambda edge: edge.target is not start))

    assert calls(200) < 2.2 * calls(100)


def test_whether_a_package_may_be_replaced_does_not_depend_on_how_much_it_needs():
    def calls(count):
        names = [f"n{number}" for number in range(count)]
        tree = make_tree({"app": ["user"], "user": ["old@1.0.0"], "old": names, **{name: [] for name in names}})
        other = Node("old", package_from_json({"name": "old", "version": "2.0.0"}, DependencyPool()))
        return calls_of(lambda: can_replace(tree.nodes["node_modules/old"], other))

    calls(1)  # versions and ranges are parsed once
    assert calls(100) == calls(10)
