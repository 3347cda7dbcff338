"""What the project repairs manifests with, and what of an old lock has to be resolved anew when that has changed."""

from __future__ import annotations

from collections.abc import Iterator

from pmpipe.npm.package_extensions import PackageExtensions
from pmpipe.npm.packument import RawManifest
from pmpipe.resolver.node import Edge, Node
from pmpipe.resolver.package import DependencyPool, Package
from pmpipe.resolver.tree import Tree

_RULES_HASH = "packageExtensionsHash"
_RULES_APPLIED = "packageExtensionsApplied"


class Repairs:
    """The repairs of one resolution.

    Args:
        rules: ``packageExtensions`` of the project, or None.
    """

    def __init__(self, rules: PackageExtensions | None) -> None:
        self._rules = rules

    def package(self, manifest: RawManifest, pool: DependencyPool, *, resolved: str, integrity: str) -> Package:
        """The package of a manifest, repaired where the project says so.

        Raises:
            RepairError: it cannot be.
        """
        provenance = None
        repaired = self._rules.repaired(manifest) if self._rules is not None else None
        if repaired is not None:
            manifest, provenance = repaired.manifest, {_RULES_APPLIED: repaired.applied}
        return Package(manifest, pool, resolved=resolved, integrity=integrity, provenance=provenance)

    def bring_up_to_date(self, tree: Tree, *, has_lock: bool) -> Iterator[Node]:
        """Take out of a tree whatever was made with other repairs, and have its lock say which ones count.

        Args:
            tree: planted.
            has_lock: from a lockfile; else from what is installed, of which nobody knows the rules.

        Yields:
            who needs what has been taken out.
        """
        wanted = self._rules.hash if self._rules is not None else None
        locked = tree.extension_hashes.pop(_RULES_HASH, None)
        if wanted is not None:
            tree.extension_hashes[_RULES_HASH] = wanted
        if has_lock and locked == wanted:
            return
        for node in list(tree.nodes.values()):
            if node.is_top or node.is_link or node.is_workspace or node.tree is not tree:
                continue
            if self._concerns(node):
                yield from _taken_out(node, tree)

    def _concerns(self, node: Node) -> bool:
        """Whether the rules have something to do with a package, or had."""
        package = node.package
        if package.provenance is not None and _RULES_APPLIED in package.provenance:
            return True
        return self._rules is not None and self._rules.would_match(package.name, package.version)


def _taken_out(node: Node, tree: Tree) -> Iterator[Node]:
    edges: list[Edge] = list(node.edges_in)
    tree.remove(node)
    for edge in edges:
        yield edge.origin
