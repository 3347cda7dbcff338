"""Which ``.bin`` links a run has to make."""

from __future__ import annotations

import os
import posixpath
from collections.abc import Iterator, Mapping
from typing import Protocol

from pmpipe.npm.bins import (
    BinCandidate,
    BinName,
    BinTarget,
    bin_folder_of,
    bins_of_folder,
    bins_of_manifest,
    choose_bins,
    normalize_bins,
)
from pmpipe.npm.declared import Declared
from pmpipe.npm.lock_graph import LockGraph
from pmpipe.npm.lockfile import package_name
from pmpipe.npm.manifest import Manifest
from pmpipe.npm.package_path import PackagePath
from pmpipe.npm.selection import Selection
from pmpipe.plan import BinLinks, PlacementNumber


class Changes(Protocol):
    """What the planner knows about a run."""

    def needs_bins(self, path: PackagePath, bin_folder: str) -> bool:
        """Whether a package's links in a ``.bin`` folder (absolute path) must be made."""

    def placement_of(self, path: PackagePath) -> PlacementNumber | None:
        """The placement that fills a location, if it is part of the run."""


def plan_bins(graph: LockGraph, selection: Selection, project: str, changes: Changes) -> Iterator[BinLinks]:
    """The links to make, package by package.

    A name in a ``.bin`` folder goes to one package only, whether or not it changes in this run: so all packages with
    executables are looked at, and only then those are passed over whose links stand already.

    Args:
        graph: the lockfile and the package.json files.
        selection: which entries are installed here.
        project: absolute path of the project.
        changes: what the run changes.
    """
    for chosen in choose_bins(_candidates(graph, selection, project)):
        location = PackagePath(chosen.location)
        bin_folder = f"{project}/{chosen.bin_folder}"
        if not changes.needs_bins(location, bin_folder):
            continue
        entry = graph.lock.entries[location]
        yield BinLinks(
            label=chosen.location,
            package=f"{project}/{chosen.location}",
            bin_folder=bin_folder,
            bins=chosen.bins,
            after=None if entry.link else _filled_by(location, graph, changes),
        )


def _filled_by(location: PackagePath, graph: LockGraph, changes: Changes) -> PlacementNumber | None:
    """The placement that brings the package's files; for a bundled one that of the package around it."""
    while graph.lock.entries[location].in_bundle:
        location = PackagePath(posixpath.dirname(bin_folder_of(location)).removesuffix("node_modules").rstrip("/"))
    return changes.placement_of(location)


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
    base = os.path.join(folder, declared.bin_folder)
    below = (
        os.path.relpath(os.path.join(where, name), base)
        for where, folders, files in os.walk(base)
        for name in (*folders, *files)
    )
    return bins_of_folder(declared.bin_folder, below)
