"""What a resolution may not fetch: settings forbid it (`pmpipe.npm.packages.source_policy`), or not all may name it.

A refusal takes the place of the package, before anything is asked for. Like any other failure it matters only if the
package turns out to be required.

Source: npm's ``@npmcli/arborist``, ``build-ideal-tree.js`` (#checkAllow).
"""

from __future__ import annotations

from pmpipe.errors import RefusedSourceError
from pmpipe.npm.packages.registry import redacted
from pmpipe.npm.packages.source_policy import SourcePolicy
from pmpipe.npm.texts.text import printable
from pmpipe.resolver.location import is_within
from pmpipe.resolver.lock_entries import asks_registry
from pmpipe.resolver.node import Edge, Node
from pmpipe.resolver.package import Package
from pmpipe.resolver.request import Request, RequestKind

_SHOWN_CHARACTERS = 200


def refused_request(policy: SourcePolicy, request: Request, edge: Edge) -> RefusedSourceError | None:
    """Why an edge may not have what it asks for; None if it may.

    Args:
        policy: of the settings.
        request: what is asked for in the end: what a foreign lock has pinned in place of the edge's own spec.
        edge: who asks.
    """
    kind = request.kind.value
    if not policy.refuses(kind, for_project=_is_projects(edge.origin)):
        return None
    return refusal(policy.setting(kind), f"{edge.name}@{edge.spec}")


def refused_place(request: Request, edge: Edge) -> RefusedSourceError | None:
    """Why an edge may not have the folder or tarball of this machine that it asks for; None if it may.

    What comes over the network must not reach outside of the project: npm packs or links whatever it names. The project
    may, and so may its folders and tarballs, which it has asked for itself.

    Args:
        request: what is asked for.
        edge: who asks.
    """
    if request.kind not in (RequestKind.FOLDER, RequestKind.TARBALL_FILE) or _may_name_places(edge):
        return None
    origin = edge.origin.stands_for or edge.origin
    project_folder = origin.tree.project_folder if origin.tree is not None else "/"
    if is_within(request.wanted, project_folder):
        return None
    what = printable(f"{edge.name}@{edge.spec}", _SHOWN_CHARACTERS)
    return RefusedSourceError(
        f"{what} leads out of the project, and no package.json of the project asks for that",
        details=(f"path: {printable(request.wanted, _SHOWN_CHARACTERS)}",),
        hint="if that is meant to be, add it to the project's dependencies as file:…",
    )


def _may_name_places(edge: Edge) -> bool:
    origin = edge.origin.stands_for or edge.origin
    # an override's words are the project's own
    if origin.is_mine or edge.spec != edge.dependency.spec or edge.origin.resolved.startswith("file:"):
        return True
    # a folder of the user's, unless it lies in a package
    return origin.parent is None and "node_modules" not in origin.location.split("/")


def refused_tarball(policy: SourcePolicy, node: Node) -> RefusedSourceError | None:
    """Why a node's tarball may not be looked into; None if it may.

    Args:
        policy: of the settings.
        node: of the project's tree.
    """
    kind = policy.kind_of(node.name, node.resolved)
    edges = node.edges_in
    if not policy.refuses(kind, for_project=any(_is_projects(one.origin) and one.error is None for one in edges)):
        return None
    if kind == "remote" and policy.is_from_registry(node.name, node.resolved) and all(map(asks_registry, edges)):
        return None
    return refusal(policy.setting(kind), f"{node.name}@{node.resolved}")


def may_be_announced(policy: SourcePolicy, package: Package) -> bool:
    """Whether the tarball of a package from a registry may be downloaded before the tree is known."""
    return not policy.refuses("remote", for_project=False) or policy.is_from_registry(package.name, package.resolved)


def refusal(setting: str, what: str) -> RefusedSourceError:
    """The error.

    Args:
        setting: the one that refuses it, with its value.
        what: name and spec.
    """
    return RefusedSourceError(
        f"{setting} does not let {printable(redacted(what), _SHOWN_CHARACTERS)} be fetched", hint=HINT
    )


#: What can be done about it.
HINT = (
    "have a registry's version instead (overrides in package.json can do that), or, if the source is to be trusted, "
    "change the setting: root allows what the project and its workspaces ask for themselves, all allows everything"
)


def _is_projects(node: Node) -> bool:
    """Whether the user writes its package.json; the root of a peer set's tree is what it stands for."""
    return (node.stands_for or node).is_mine
