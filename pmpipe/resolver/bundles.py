"""What packages bring along in their own tarballs: bundled dependencies, and locks for what is below them.

The tree is to say what will be in ``node_modules``, so a tarball has to be looked into before its package's edges are
followed.

Source: npm's ``@npmcli/arborist``, ``build-ideal-tree.js``, ``load-actual.js`` and ``load-virtual.js``.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from pmpipe.errors import ArchiveError, PmpipeError
from pmpipe.npm.locks.package_path import fault_in_path
from pmpipe.npm.texts.collation import english_key
from pmpipe.npm.texts.text import printable
from pmpipe.resolver.asks import AskContents, FedContents
from pmpipe.resolver.flags import work_out_flags
from pmpipe.resolver.node import Node
from pmpipe.resolver.peer_sets import Waiting
from pmpipe.resolver.source import Source, package_from_json
from pmpipe.resolver.tree import Tree

_SHOWN_CHARACTERS = 200

#: What a lock in a tarball may have packages fetched from; git's addresses are checked before git is started.
_IS_REMOTE = re.compile(r"https?://|git(?:\+[a-z]+)?://", re.IGNORECASE).match


class Bundles:
    """Looks into tarballs."""

    def __init__(self, source: Source) -> None:
        self.source = source

    def open(self, node: Node, tree: Tree) -> Waiting[None]:
        """Put what a node's tarball brings along below the node.

        Raises:
            PmpipeError: the tarball could not be had or read.
        """
        package = node.package
        if node.parent is None or node.target is not None or not package.resolved:
            return
        if not package.bundled and not node.has_shrinkwrap:
            return
        ask = AskContents(
            package.name,
            package.version,
            package.resolved,
            package.integrity,
            wants_bundle=bool(package.bundled),
            wants_shrinkwrap=node.has_shrinkwrap,
        )
        fed = self.source.answers.get(ask)
        while fed is None:
            yield ask
            fed = self.source.answers.get(ask)
        if isinstance(fed, PmpipeError):
            raise fed
        assert isinstance(fed, FedContents)
        if fed.shrinkwrap:
            _require_remote(node, fed.shrinkwrap)
            self._plant(node, tree, fed.shrinkwrap)
        if fed.manifests:
            self._plant(node, tree, {path: _without_source(one) for path, one in fed.manifests.items()})
        # where nothing else changes, no flags are worked out in the end
        if fed.shrinkwrap or fed.manifests:
            work_out_flags(node, with_root=False)

    def _plant(self, node: Node, tree: Tree, packages: Mapping[str, Mapping[str, Any]]) -> None:
        for path in packages:
            fault = fault_in_path(path)
            if fault is not None:
                raise ArchiveError(
                    f"the tarball of {node.package.label} brings along a package that cannot be placed",
                    details=(f"{printable(path, _SHOWN_CHARACTERS)} {fault}",),
                )
        for path in sorted(packages, key=lambda path: (path.count("node_modules/"), english_key(path))):
            if not path:
                continue
            above, _, name = path.rpartition("node_modules/")
            parent = tree.nodes.get(f"{node.location}/{above}".rstrip("/"))
            data = packages[path]
            if parent is None or data.get("link"):
                continue
            resolved, integrity = data.get("resolved"), data.get("integrity")
            package = package_from_json(
                data,
                self.source.pool,
                resolved=resolved if isinstance(resolved, str) else "",
                integrity=integrity if isinstance(integrity, str) else "",
            )
            tree.attach(Node(name, package), parent)


def _require_remote(node: Node, shrinkwrap: Mapping[str, Mapping[str, Any]]) -> None:
    """Refuse a lock in a tarball by which files of this machine would be installed, as npm installs them.

    Raises:
        ArchiveError: it is one.
    """
    faults = [
        f"{printable(path, _SHOWN_CHARACTERS)} is resolved to {printable(resolved, _SHOWN_CHARACTERS)}"
        for path, entry in shrinkwrap.items()
        if path and not entry.get("link") and isinstance(resolved := entry.get("resolved"), str)
        if resolved and not _IS_REMOTE(resolved)
    ]
    if faults:
        raise ArchiveError(
            f"the lock in the tarball of {node.package.label} has packages come from what is no http, https or git"
            " address",
            details=faults,
        )


def _without_source(manifest: Mapping[str, Any]) -> Mapping[str, Any]:
    """A package.json in a tarball; what lies beside it is the package, whatever it says of where it came from."""
    return {key: value for key, value in manifest.items() if key not in ("resolved", "integrity")}
