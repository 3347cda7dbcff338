"""Packages that lie in another one because its tarball has brought them, listed or not."""

from __future__ import annotations

import os
from collections.abc import Collection, Mapping

from pmpipe.sources import entry_candidates
from pmpipe.store import Store
from pmpipe.wanted import WantedPackage, WantedTree
from stages.entry import TornIndexError, read_index

_BETWEEN = "/node_modules/"


def brought_along(paths: Collection[str], project: str, tree: WantedTree, store: Store) -> set[str]:
    """Those of some folders that belong to the files of the package around them.

    Args:
        paths: absolute paths of package folders in node_modules.
        project: absolute path of the project.
        tree: what is wanted.
        store: tells what was in which tarball; what it does not have has brought nothing.
    """
    nested = [path for path in paths if _BETWEEN in os.path.relpath(path, project)]
    if not nested:
        return set()
    packages: dict[str, WantedPackage] = {package.location: package for package in tree.packages}
    return {path for path in nested if _is_brought(os.path.relpath(path, project), packages, store)}


def _is_brought(location: str, packages: Mapping[str, WantedPackage], store: Store) -> bool:
    end = location.rfind(_BETWEEN)
    while end > 0:
        holder = packages.get(location[:end])
        if holder is not None and not holder.in_bundle:
            start = os.fsencode(f"{location[end + 1 :]}/")
            return any(
                path.startswith(start) for entry in entry_candidates(store.folder, holder) for path in _files(entry)
            )
        end = location.rfind(_BETWEEN, 0, end)
    return False


def _files(entry: str) -> Collection[bytes]:
    try:
        return read_index(entry).paths
    except (OSError, TornIndexError):
        return ()
