"""What the project repairs manifests with, and what of an old lock has to be resolved anew when that has changed.

First comes the project's code (npm 12's ``.npm-extension``), then ``packageExtensions``, for what the code has left.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import msgspec

from pmpipe.npm.manifests.package_extensions import PackageExtensions, fields_of, with_fields
from pmpipe.npm.packages.packument import RawManifest
from pmpipe.resolver.node import Edge, Node
from pmpipe.resolver.package import DependencyPool, Package
from pmpipe.resolver.tree import Tree

_RULES_HASH, _RULES_APPLIED = "packageExtensionsHash", "packageExtensionsApplied"
_CODE_HASH, _CODE_APPLIED = "npmExtensionHash", "npmExtensionApplied"


class Transformed(msgspec.Struct, frozen=True):
    """What the project's code has made of a manifest.

    Attributes:
        fields: those that it has changed.
        applied: what a lockfile says of that.
    """

    fields: dict[str, dict[str, Any]]
    applied: dict[str, Any]


class ExtensionCode(msgspec.Struct, frozen=True):
    """The project's code that repairs manifests, or that it has none.

    Attributes:
        hash: SRI of its file; None if there is none.
        transform: gives what it makes of a manifest, or None if it changes nothing; raises `RepairError`.
    """

    hash: str | None = None
    transform: Callable[[Mapping[str, Any]], Transformed | None] | None = None


class Repairs:
    """The repairs of one resolution.

    Args:
        rules: ``packageExtensions`` of the project, or None.
        code: see there; None: it is not to be run, and what an old lock has of it stays.
    """

    def __init__(self, rules: PackageExtensions | None, code: ExtensionCode | None) -> None:
        self._rules = rules
        self._code = code
        self._transform = code.transform if code is not None else None

    def package(
        self,
        manifest: RawManifest,
        pool: DependencyPool,
        *,
        resolved: str,
        integrity: str,
        document: Callable[[], Mapping[str, Any]],
    ) -> Package:
        """The package of a manifest, repaired where the project says so.

        Args:
            manifest: as its author has published it.
            pool: of all dependencies.
            resolved: where it came from.
            integrity: SRI, or empty.
            document: gives all of the manifest.

        Raises:
            RepairError: it cannot be.
        """
        provenance = {}
        if self._transform is not None and manifest.name:
            fields = fields_of(manifest)
            transformed = self._transform(_as_given_to_code(document(), fields, resolved, integrity))
            if transformed is not None:
                manifest = with_fields(manifest, {**fields, **transformed.fields})
                provenance[_CODE_APPLIED] = transformed.applied
        repaired = self._rules.repaired(manifest) if self._rules is not None else None
        if repaired is not None:
            manifest = repaired.manifest
            provenance[_RULES_APPLIED] = repaired.applied
        return Package(manifest, pool, resolved=resolved, integrity=integrity, provenance=provenance or None)

    def bring_up_to_date(self, tree: Tree, *, has_lock: bool) -> Iterator[Node]:
        """Take out of a tree whatever was made with other repairs, and have its lock say which ones count.

        Args:
            tree: planted.
            has_lock: from a lockfile; else from what is installed, of which nobody knows the repairs.

        Yields:
            who needs what has been taken out.

        Raises:
            RepairError: the project's code fails.
        """
        if self._code is not None and (_exchange(tree, _CODE_HASH, self._code.hash) or not has_lock):
            yield from _take_out(tree, self._is_concern_of_code)
        rules_hash = self._rules.hash if self._rules is not None else None
        if _exchange(tree, _RULES_HASH, rules_hash) or not has_lock:
            yield from _take_out(tree, self._is_concern_of_rules)

    def _is_concern_of_code(self, node: Node) -> bool:
        """Whether the code makes something of what is known of a package, or did."""
        package = node.package
        if package.provenance is not None and _CODE_APPLIED in package.provenance:
            return True
        if self._transform is None:
            return False
        known: dict[str, Any] = msgspec.to_builtins(package.manifest)
        return self._transform({key: value for key, value in known.items() if value is not None}) is not None

    def _is_concern_of_rules(self, node: Node) -> bool:
        """Whether the rules have something to do with a package, or had."""
        package = node.package
        if package.provenance is not None and _RULES_APPLIED in package.provenance:
            return True
        return self._rules is not None and self._rules.would_match(package.name, package.version)


def _as_given_to_code(
    document: Mapping[str, Any], fields: Mapping[str, Any], resolved: str, integrity: str
) -> dict[str, Any]:
    """A manifest as npm has it when it calls the code."""
    given = {key: fields.get(key, value) for key, value in document.items()}
    if not given.get("dependencies") and document.get("dependencies"):
        del given["dependencies"]
    given["_id"] = f"{document.get('name')}@{document.get('version') or ''}"
    given.update({key: value for key, value in (("_resolved", resolved), ("_integrity", integrity)) if value})
    return given


def _exchange(tree: Tree, field: str, wanted: str | None) -> bool:
    """Have the lock say another hash; tell whether it is another one."""
    locked = tree.extension_hashes.pop(field, None)
    if wanted is not None:
        tree.extension_hashes[field] = wanted
    return bool(locked != wanted)


def _take_out(tree: Tree, is_concerned: Callable[[Node], bool]) -> Iterator[Node]:
    for node in list(tree.nodes.values()):
        if node.is_top or node.is_link or node.is_workspace or node.tree is not tree or not is_concerned(node):
            continue
        edges: list[Edge] = list(node.edges_in)
        tree.remove(node)
        for edge in edges:
            yield edge.origin
