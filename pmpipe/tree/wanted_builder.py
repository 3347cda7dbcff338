"""Making the wanted tree from a lockfile's selection."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from pmpipe.npm.locks.lock_graph import LockGraph
from pmpipe.npm.locks.lockfile import link_target, package_name
from pmpipe.npm.locks.package_path import PackagePath
from pmpipe.npm.locks.selection import DependencyKinds, Selection, is_bundled
from pmpipe.npm.manifests.bins import (
    BinCandidate,
    BinName,
    BinTarget,
    bins_of_manifest,
    choose_bins,
    normalize_bins,
)
from pmpipe.npm.manifests.declared import Declared
from pmpipe.npm.manifests.manifest import Manifest
from pmpipe.project.folder_bins import folder_bins
from pmpipe.tree.sources import entry_names, patched_names
from pmpipe.tree.wanted import WantedBins, WantedPackage, WantedTree, holder_of


def wanted_tree(
    graph: LockGraph,
    selection: Selection,
    project: str,
    warnings: tuple[str, ...],
    refused: Mapping[PackagePath, str] | None = None,
) -> WantedTree:
    """The tree that a selection of lockfile entries makes.

    Args:
        graph: the lockfile and the package.json files.
        selection: which entries are to be installed.
        project: absolute path of the project; ``directories.bin`` of its workspaces are listed.
        warnings: what is to be told with it.
        refused: the lock's entries that may not be fetched, with the setting that forbids it.
    """
    kinds = DependencyKinds(graph)
    packages = tuple(wanted_package(path, graph, optional=kinds.is_optional(path)) for path in selection.packages)
    return WantedTree(
        packages=packages,
        bins=tuple(_bins(graph, selection, project)),
        folders=tuple(sorted(selection.folders)),
        workspaces=tuple(graph.project.workspaces.values()),
        warnings=(*warnings, *_unpatched(graph, selection)),
        refused=_fetched(packages, refused) if refused else {},
    )


def _fetched(packages: Iterable[WantedPackage], refused: Mapping[PackagePath, str]) -> dict[PackagePath, str]:
    """Of what may not be fetched, that for which something would be."""
    paths = (one.location for one in packages if one.link_target is None and not one.in_bundle)
    return {path: refused[path] for path in paths if path in refused}


def wanted_package(path: PackagePath, graph: LockGraph, *, optional: bool) -> WantedPackage:
    """What a lockfile's entry makes of a location.

    Args:
        path: the entry's.
        graph: the lockfile and the package.json files.
        optional: the install can do without it.
    """
    entry = graph.lock.entries[path]
    in_bundle = is_bundled(graph, path)
    integrity, resolved = entry.integrity or "", entry.resolved or ""
    names = () if entry.link or in_bundle else entry_names(integrity, resolved)
    # npm's record of a patch counts for what comes bundled, too, but nothing is applied there
    patch = None if entry.link or in_bundle else entry.patched
    return WantedPackage(
        location=path,
        holder=holder_of(path),
        name=package_name(path, entry),
        version=entry.version or "",
        integrity=integrity,
        resolved=resolved,
        entries=names if patch is None else patched_names(names, patch.integrity),
        link_target=(link_target(entry) or ".") if entry.link else None,
        in_bundle=in_bundle,
        optional=optional,
        has_install_script=entry.has_install_script,
        patch=patch,
        # what comes bundled is its holder's authors' choice; npm says nothing of it either
        deprecated="" if entry.link or in_bundle else entry.deprecated or "",
    )


def _unpatched(graph: LockGraph, selection: Selection) -> Iterator[str]:
    """What npm says is patched, and neither it nor this program patches."""
    for path in selection.packages:
        if graph.lock.entries[path].patched is not None and is_bundled(graph, path):
            yield f"{path} comes in the tarball of the package around it, and stays as it is there: no patch is applied"


# -- executables --------------------------------------------------------------------------------------------------


def _bins(graph: LockGraph, selection: Selection, project: str) -> Iterator[WantedBins]:
    """Which names in which ``.bin`` folder go to which location; a name goes to one only."""
    for chosen in choose_bins(_candidates(graph, selection, project)):
        location = PackagePath(chosen.location)
        filled_by = None if graph.lock.entries[location].link else _filled_by(location, graph)
        yield WantedBins(location, chosen.bin_folder, chosen.bins, filled_by)


def _filled_by(location: PackagePath, graph: LockGraph) -> PackagePath:
    while is_bundled(graph, location):
        location = holder_of(location)
    return location


def _candidates(graph: LockGraph, selection: Selection, project: str) -> Iterator[BinCandidate]:
    entries = graph.lock.entries
    for path in selection.packages:
        entry = entries[path]
        if entry.link:
            bins = _bins_of_folder(graph.declared(path), f"{project}/{graph.target(path)}")
        elif entry.bin:
            bins = normalize_bins(package_name(path, entry), entry.bin)
        else:
            continue
        if bins:
            yield BinCandidate(path, entry.link, bins)


def _bins_of_folder(declared: Declared, folder: str) -> Mapping[BinName, BinTarget]:
    """The executables of a folder that a link leads to, as its package.json on disk has them."""
    if declared.bin or not isinstance(declared, Manifest) or not declared.bin_folder:
        return bins_of_manifest(declared.name or "", declared.bin)
    return folder_bins(folder, declared.bin_folder)
