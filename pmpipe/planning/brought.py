"""Packages that lie in another one: because its tarball has brought them, listed or not, or in place of such."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterable, Iterator, Mapping

from pmpipe.store import Store
from pmpipe.tree.sources import entry_candidates
from pmpipe.tree.wanted import WantedPackage, WantedTree
from stages.entries.entry import TornIndexError, read_index

_BETWEEN = "/node_modules/"


def own_paths(location: str, paths: Iterable[str], separate: Collection[str]) -> list[str]:
    """The files of a package's tarball that are the package's own.

    A tarball may bring packages that the lock has by themselves, in other versions even (npm 6 has written such locks).
    The lock decides then: those take the place of what was brought.

    Args:
        location: of the package.
        paths: within it, as its index has them.
        separate: locations of the packages and links that do not come with another one.
    """
    return [path for path in paths if not any(folder in separate for folder in _folders_around(location, path))]


def _folders_around(location: str, path: str) -> Iterator[str]:
    end = path.rfind("/")
    while end > 0:
        yield f"{location}/{path[:end]}"
        end = path.rfind("/", 0, end)


def separate_locations(packages: Iterable[WantedPackage]) -> set[str]:
    """Where packages and links lie within others without coming in a tarball with them."""
    return {package.location for package in packages if not package.in_bundle and _BETWEEN in package.location}


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
