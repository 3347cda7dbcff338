"""Whether a package is what a dependency asks for.

A version or range is compared with the version. A tag is taken for kept once the package came from a URL: what the tag
meant then cannot be known now. A URL, folder or file must be the same one, a git dependency the same repository and, as
far as the spec tells, the same commit or range.

Source: npm's ``@npmcli/arborist``, ``dep-valid.js`` and ``edge.js``.
"""

from __future__ import annotations

from posixpath import dirname, join, normpath
from typing import TYPE_CHECKING

from pmpipe.errors import InvalidSpecError
from pmpipe.npm.locks.package_path import is_package_name
from pmpipe.npm.semver import parse_range, plainly_satisfies
from pmpipe.npm.semver.version import loose_version
from pmpipe.npm.specs.spec import names_tarball
from pmpipe.resolver.package import Dependency
from pmpipe.resolver.request import Request, RequestKind, is_about_a_place, read_request, same_repository

if TYPE_CHECKING:
    from pmpipe.resolver.node import Edge, Node
    from pmpipe.resolver.overrides import OverrideRule

_FULL_COMMIT_CHARACTERS = frozenset("0123456789abcdefABCDEF")


def satisfies(edge: Edge, node: Node) -> bool:
    """Tell whether a node, of whatever tree, satisfies an edge: its name, spec and override rule count."""
    dependency = edge.dependency
    if node.name != dependency.name:
        return False
    # a rule about another package holds further down only
    if edge.rule is None or not edge.rule.key_spec or edge.rule.name != dependency.name:
        answer = dependency.answers.get(node.package)
        if answer is not None and node.target is None:
            return answer
        return _plain(edge, dependency, node)
    return _with_overrides(edge, edge.rule, node)


def _plain(edge: Edge, dependency: Dependency, node: Node) -> bool:
    request = dependency.request
    if request is not None and request.range is not None:
        answer = _is_in_range(request, node.version)
    else:
        # what an old lock has is right nearly always, and need not be read any further
        is_plain = request is None and plainly_satisfies(node.version, dependency.spec)
        answer = (is_plain and is_package_name(node.name)) or _accepts(edge, dependency.spec, node)
    if not answer and dependency.accept is not None:
        answer = _accepts(edge, dependency.accept, node)
    if node.target is None and _depends_on_package_alone(dependency):
        dependency.answers[node.package] = answer
    return answer


def _depends_on_package_alone(dependency: Dependency) -> bool:
    return not is_about_a_place(dependency.spec) and not is_about_a_place(dependency.accept or "")


def _with_overrides(edge: Edge, rule: OverrideRule, node: Node) -> bool:
    from pmpipe.resolver.node import in_shrinkwrap

    raw = edge.dependency.spec
    # what a package brings along is not overridden
    if node.has_shrinkwrap or in_shrinkwrap(node) or _is_brought(node):
        return _accepts_any(edge, raw, node)
    if _accepts_any(edge, edge.spec, node):
        return True
    # what the package itself asks for is right too, unless it is among the versions to be replaced
    return _accepts_any(edge, raw, node) and not _accepts_any(edge, rule.key_spec, node)


def _is_brought(node: Node) -> bool:
    """Whether a node is bundled; for npm 12 what the project itself bundles is not."""
    from pmpipe.resolver.node import bundler_of

    bundler = bundler_of(node)
    if bundler is None:
        return False
    tree = node.tree
    assert tree is not None, "what is bundled has somebody above it"
    return not (tree.overrides_own_bundle and bundler is tree.root)


def _accepts_any(edge: Edge, spec: str, node: Node) -> bool:
    accept = edge.dependency.accept
    return _accepts(edge, spec, node) or (accept is not None and _accepts(edge, accept, node))


def base_folder(node: Node, edge: Edge | None) -> str:
    """The absolute folder from which a node's ``file:`` specs are read.

    That is the folder of its package.json; for what came from a tarball on disk the tarball's folder; under an override
    the project's.
    """
    origin = node.stands_for or node
    if edge is not None and edge.rule is not None and edge.rule.name == edge.name and edge.rule.value:
        assert origin.tree is not None
        return origin.tree.project_folder
    resolved = node.resolved
    if resolved.startswith("file:") and names_tarball(resolved):
        return dirname(resolved.removeprefix("file:"))
    return folder_of(node)


def folder_of(node: Node) -> str:
    """The absolute path of a node's folder."""
    tree = (node.stands_for or node).tree or node.tree
    base = tree.project_folder if tree is not None else "/"
    location = node.stands_for.location if node.stands_for is not None else node.location
    return normpath(join(base, location))


def _accepts(edge: Edge, spec: str, node: Node) -> bool:
    try:
        request = read_request(node.name, spec, base_folder(edge.origin, edge) if is_about_a_place(spec) else "")
    except InvalidSpecError:
        # a spec that nobody can read is satisfied by nothing
        return False
    if request.range is not None:
        return _is_in_range(request, node.version)
    return _accepts_rare(request, node, edge)


def _is_in_range(request: Request, version_text: str) -> bool:
    if request.wanted in ("*", ""):
        return True
    version = loose_version(version_text)
    return version is not None and request.range is not None and request.range.test(version)


def _accepts_rare(request: Request, node: Node, edge: Edge) -> bool:
    kind = request.kind
    if kind is RequestKind.TAG:
        return node.resolved.startswith(("https:", "http:"))
    if kind is RequestKind.FOLDER:
        return _is_that_folder(request, node, edge)
    if kind is RequestKind.TARBALL_FILE:
        return not node.is_link and node.resolved == f"file:{request.wanted}"
    if kind is RequestKind.TARBALL_URL:
        return node.resolved == request.wanted
    return _is_that_commit(request, node, edge)


def _is_that_folder(request: Request, node: Node, edge: Edge) -> bool:
    # what is about to be placed is in no tree yet
    tree = node.end.tree or node.tree or (edge.origin.stands_for or edge.origin).tree
    if tree is not None and tree.install_links and not node.is_workspace:
        return not node.is_link
    if not node.is_link or tree is None:
        return False
    return normpath(join(tree.project_folder, node.end.location)) == request.wanted


def _is_that_commit(request: Request, node: Node, edge: Edge) -> bool:
    is_commit = 40 <= len(request.git_commit) <= 64 and set(request.git_commit) <= _FULL_COMMIT_CHARACTERS
    if not same_repository(request, node.resolved, compare_commits=is_commit):
        return False
    if request.git_range:
        wanted, version = parse_range(request.git_range), loose_version(node.version)
        return wanted is not None and version is not None and wanted.test(version)
    if is_commit:
        return True
    # a branch or tag may mean another commit by now: as long as the lock was made for the same one, it is kept
    tree = edge.origin.tree
    locked = None if tree is None else tree.locked_spec(edge.origin.location, node.name)
    if not locked:
        return True
    try:
        before = read_request(node.name, locked, folder_of(edge.origin))
    except InvalidSpecError:
        return True
    return before.kind is not RequestKind.GIT or before.git_commit == request.git_commit
