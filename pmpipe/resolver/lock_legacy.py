"""The ``dependencies`` that lockfiles of version 2 have beside ``packages``, for npm 6 and older.

They nest as folders do, and tell of each package which request led to it.

Source: npm's ``@npmcli/arborist``, ``shrinkwrap.js`` (``#buildLegacyLockfile``).
"""

from __future__ import annotations

from posixpath import join
from typing import Any

from pmpipe.errors import InvalidSpecError
from pmpipe.npm.specs.spec import parse_argument, parse_spec
from pmpipe.npm.specs.spec_types import AliasSpec, FileSpec, GitSpec, RemoteSpec, Spec
from pmpipe.npm.texts.collation import CollationKey, english_key
from pmpipe.resolver.location import location_of
from pmpipe.resolver.node import Edge, Node, in_bundle_of_dependency
from pmpipe.resolver.satisfy import folder_of
from pmpipe.resolver.tree import Tree


def legacy_dependencies(tree: Tree, *, omit_resolved: bool = False) -> dict[str, Any]:
    """The ``dependencies`` of the whole lockfile; empty if the project has none."""
    return _children(tree.root, (), tree, omit_resolved)


def _children(node: Node, above: tuple[str, ...], tree: Tree, omit_resolved: bool) -> dict[str, Any]:
    path = (*above, folder_of(node.end))
    return {
        child.name: _entry(child, path, tree, omit_resolved)
        for child in node.end.children.values()
        # links can lead in circles
        if folder_of(child.end) not in above
    }


def _entry(node: Node, path: tuple[str, ...], tree: Tree, omit_resolved: bool) -> dict[str, Any]:
    origin = _origin(node)
    request = _request(node) or origin
    entry: dict[str, Any] = _version(node, request, origin, tree)
    if in_bundle_of_dependency(node):
        entry["bundled"] = True
    if node.package.integrity and not node.is_link:
        entry["integrity"] = node.package.integrity
    if (
        node.resolved
        and not omit_resolved
        and not _tells_the_place(request)
        and not isinstance(origin, (GitSpec, FileSpec))
    ):
        entry["resolved"] = node.resolved
    _add_flags(entry, node)
    if node.end.edges_out:
        entry["requires"] = {
            edge.name: _required_spec(edge.spec, node.end)
            for edge in node.end.edges_out.values()
            if not edge.dependency.peer
        }
    children = _children(node, path, tree, omit_resolved)
    if children:
        entry["dependencies"] = children
    return entry


def _version(node: Node, request: Spec | None, origin: Spec | None, tree: Tree) -> dict[str, Any]:
    if node.is_link:
        return {"version": f"file:{node.end.location}"}
    if isinstance(request, FileSpec):
        return {"version": f"file:{location_of(request.fetch_spec, tree.project_folder)}"}
    if isinstance(request, RemoteSpec):
        return {"version": request.save_spec}
    if isinstance(request, GitSpec) or isinstance(origin, GitSpec):
        return {"version": node.resolved, **({"from": request.raw} if request is not None else {})}
    if node.package.name and node.package.name != node.name:
        return {"version": f"npm:{node.package.name}@{node.version}"}
    return {"version": node.version} if node.version else {}


def _tells_the_place(request: Spec | None) -> bool:
    if request is None or isinstance(request, AliasSpec):
        return False
    return request.type in ("directory", "git", "file", "remote")


def _add_flags(entry: dict[str, Any], node: Node) -> None:
    flags = node.flags
    if flags.extraneous:
        entry["extraneous"] = True
    elif not node.is_link:
        shown = {
            "peer": flags.peer,
            "dev": flags.dev,
            "optional": flags.optional,
            "devOptional": flags.dev_optional and not (flags.dev or flags.optional),
        }
        entry.update({flag: True for flag, holds in shown.items() if holds})


def _origin(node: Node) -> Spec | None:
    try:
        return parse_argument(node.resolved, "/", home="/") if node.resolved else None
    except InvalidSpecError:
        return None


def _request(node: Node) -> Spec | None:
    edges = [edge for edge in node.edges_in if edge.error is None]
    if not edges:
        return None
    edge = min(edges, key=_depth_and_name)
    try:
        return parse_spec(edge.name, edge.spec, folder_of(edge.origin), home="/")
    except InvalidSpecError:
        return None


def _depth_and_name(edge: Edge) -> tuple[int, CollationKey]:
    parts = edge.origin.location.split("node_modules")
    return len(parts), english_key(parts[-1])


def _required_spec(spec: str, node: Node) -> str:
    if not spec.startswith("file:"):
        return spec
    folder = folder_of(node)
    return f"file:{location_of(join(folder, spec.removeprefix('file:')), folder)}"
