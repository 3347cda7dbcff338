"""Wanted trees made by hand, and folders that look as if they had been installed."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from pmpipe.npm.locks.package_path import PackagePath
from pmpipe.tree.sources import entry_names
from pmpipe.tree.wanted import WantedBins, WantedPackage, WantedTree, holder_of

#: in ns; before any moment at which a test runs
LONG_AGO_NS = 1_500_000_000_000_000_000


def wanted_package(location: str, version: str = "1.0.0", **fields: Any) -> WantedPackage:
    """A package at a location; `fields` as `WantedPackage` has them."""
    path = PackagePath(location)
    preset = {
        "name": location.rpartition("node_modules/")[2],
        "integrity": "",
        "resolved": "",
        "link_target": None,
        "in_bundle": False,
        "optional": False,
        "has_install_script": False,
    }
    given = {**preset, **fields}
    has_entry = given["link_target"] is None and not given["in_bundle"]
    given.setdefault("entries", entry_names(given["integrity"], given["resolved"]) if has_entry else ())
    return WantedPackage(location=path, holder=holder_of(path), version=version, **given)


def wanted_link(location: str, target: str) -> WantedPackage:
    """A link to a folder of the project."""
    return wanted_package(location, "", link_target=target, resolved=target)


def wanted_tree(
    *packages: WantedPackage, bins: tuple[WantedBins, ...] = (), workspaces: tuple[str, ...] = ()
) -> WantedTree:
    """A tree of these packages."""
    folders = tuple(PackagePath(package.link_target) for package in packages if package.link_target)
    return WantedTree(packages, bins, folders, tuple(map(PackagePath, workspaces)), ())


def age(folder: Path) -> None:
    """Make everything in a folder look as if nothing had changed for long; a hidden lockfile is a second newer."""
    for parent, _, files in os.walk(folder):
        for name in (".", *files):
            os.utime(f"{parent}/{name}", ns=(LONG_AGO_NS, LONG_AGO_NS), follow_symlinks=False)
    hidden = folder / "node_modules/.package-lock.json"
    if hidden.exists():
        os.utime(hidden, ns=(LONG_AGO_NS + 10**9, LONG_AGO_NS + 10**9))
