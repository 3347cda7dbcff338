"""The builder's queue gives nodes in npm's order, whether or not some lie outside of the project."""

from posixpath import join, normpath

from hypothesis import given
from hypothesis import strategies as st

from pmpipe.npm.texts.collation import english_key
from pmpipe.resolver.builder import StepQueue
from pmpipe.resolver.node import Node
from pmpipe.resolver.package import DependencyPool
from pmpipe.resolver.source import package_from_json

FOLDER = "/home/Some-project"
LOCATIONS = st.sampled_from(["", "b", "a-b", "a/b", "A", "packages/a", "packages/é", "../other", "../Some", "../../z"])


def drained(queue):
    found = []
    while (node := queue.pop()) is not None:
        found.append(node)
    return found


@given(st.lists(LOCATIONS, max_size=12))
def test_nodes_of_one_depth_come_by_their_paths(locations):
    package = package_from_json({}, DependencyPool())
    nodes = [Node("x", package, location=location) for location in locations]
    queue = StepQueue(FOLDER)
    for node in nodes:
        queue.push(node)
    paths = {
        node: normpath(join(FOLDER, node.location)) if node.location.startswith("..") else f"{FOLDER}/{node.location}"
        for node in nodes
    }
    assert drained(queue) == sorted(nodes, key=lambda node: english_key(paths[node]))


def test_a_node_is_queued_once_until_it_is_taken():
    node = Node("x", package_from_json({}, DependencyPool()), location="a")
    queue = StepQueue(FOLDER)
    queue.push(node)
    queue.push(node)
    assert drained(queue) == [node]
    queue.push(node)
    assert drained(queue) == [node]
