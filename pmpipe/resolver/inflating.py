"""Completing a tree that comes from a lock of version 1, with what the registry knows about its packages.

npm asks for the abbreviated documents here, in which the public registry has no licences. Where nothing can be had, the
entry stays as it is.

Where this does better than npm: an alias is looked up under the package's own name and a tarball by its address, not
under the name of the folder.

Source: npm's ``@npmcli/arborist``, ``build-ideal-tree.js`` (``#inflateAncientLockfile``).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from pmpipe.errors import InvalidSpecError, OfflineError, PmpipeError
from pmpipe.resolver.asks import Ask
from pmpipe.resolver.flags import work_out_flags
from pmpipe.resolver.node import Edge, Node
from pmpipe.resolver.package import Package
from pmpipe.resolver.peer_sets import Waiting
from pmpipe.resolver.pinning import merged_integrity
from pmpipe.resolver.request import Request, RequestKind, is_about_a_place, read_request
from pmpipe.resolver.source import Source
from pmpipe.resolver.tree import Tree


def inflate(tree: Tree, source: Source, ask: Callable[[Ask], None]) -> Waiting[tuple[Node, ...]]:
    """Complete the packages of all nodes in the project's ``node_modules``.

    Args:
        tree: planted from the lock.
        source: for what the registry knows.
        ask: takes what is needed, all of it before any of it is waited for.

    Returns:
        the nodes about which nothing could be had.
    """
    requests: dict[Node, Request] = {}
    bare: list[Node] = []
    for node in tree.nodes.values():
        # npm leaves out what lies in the folders of workspaces, too
        if node is tree.root or node.target is not None or not node.location.startswith("node_modules"):
            continue
        request = _request_for(node, tree.project_folder)
        if request is None or _is_refused(request, node, source):
            bare.append(node)
        else:
            requests[node] = request
    abbreviated = source.of_abbreviated()
    lacking = yield from _complete_all(requests, abbreviated, tree, ask)
    # a registry may not know that form
    unanswered = {node: request for node, request in lacking.items() if _is_unanswered(request, abbreviated)}
    bare.extend(node for node in lacking if node not in unanswered)
    bare.extend((yield from _complete_all(unanswered, source, tree, ask)))
    for node in tree.nodes.values():
        node.flags.set_all(value=node is not tree.root)
    work_out_flags(tree.root)
    return tuple(bare)


def _is_refused(request: Request, node: Node, source: Source) -> bool:
    """Whether the settings do not allow it to be fetched: its entry stays as it is, too."""
    for_project = any(edge.origin.is_mine for edge in node.edges_in)
    return source.policy is not None and source.policy.refuses(request.kind.value, for_project=for_project)


def _complete_all(
    requests: Mapping[Node, Request], source: Source, tree: Tree, ask: Callable[[Ask], None]
) -> Waiting[dict[Node, Request]]:
    """Complete these nodes; those for which that was not possible."""
    for request in requests.values():
        ask(source.ask_for(request))
    lacking: dict[Node, Request] = {}
    for node, request in requests.items():
        found = source.package(request)
        while not isinstance(found, (Package, PmpipeError)):
            yield found
            found = source.package(request)
        if not _complete(node, found, tree):
            lacking[node] = request
    return lacking


def _is_unanswered(request: Request, source: Source) -> bool:
    answer = source.answers.get(source.ask_for(request))
    return request.is_registry and isinstance(answer, PmpipeError) and not isinstance(answer, OfflineError)


def _request_for(node: Node, project_folder: str) -> Request | None:
    package = node.package
    by_address = package.resolved and (
        not package.version or package.resolved.startswith("file:") or _is_wanted_by_address(node)
    )
    try:
        return read_request(
            package.name or node.name, package.resolved if by_address else package.version, project_folder
        )
    except InvalidSpecError:
        return None


def _is_wanted_by_address(node: Node) -> bool:
    return any(is_about_a_place(edge.spec) and _is_of_address(edge) for edge in node.edges_in)


def _is_of_address(edge: Edge) -> bool:
    try:
        return read_request(edge.name, edge.spec, "/").kind is RequestKind.TARBALL_URL
    except InvalidSpecError:
        return False


def _complete(node: Node, found: Package | PmpipeError, tree: Tree) -> bool:
    """Give a node the package that was found; False if it is another one than the lock's."""
    if isinstance(found, PmpipeError):
        return False
    old = node.package
    try:
        known = merged_integrity(found.integrity, old.integrity, found.label, "package-lock.json")
    except PmpipeError:
        return False
    node.package = Package(found.manifest, found.pool, resolved=old.resolved, integrity=old.integrity or known)
    tree.reload_edges(node)
    return True
