"""The executables of folders on disk: what npm makes of ``directories.bin`` when it reads a package.json there."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from pmpipe.npm.manifests.bins import BinName, BinTarget, bins_of_folder, confined


def folder_bins(folder: str, bin_folder: str) -> dict[BinName, BinTarget]:
    """The executables of a package.json that names a folder of them.

    Args:
        folder: absolute path of the package.json's folder.
        bin_folder: its ``directories.bin``.
    """
    base = os.path.join(folder, confined(bin_folder))
    below = (
        os.path.relpath(os.path.join(where, name), base)
        for where, folders, files in os.walk(base)
        for name in (*folders, *files)
    )
    return bins_of_folder(bin_folder, below)


def with_folder_bins(manifest: Mapping[str, Any], folder: str) -> Mapping[str, Any]:
    """A package.json with the ``bin`` that its ``directories.bin`` stands for, if it has none of its own.

    Args:
        manifest: as it is on the disk.
        folder: absolute path of its folder.
    """
    directories = manifest.get("directories")
    bin_folder = directories.get("bin") if isinstance(directories, dict) else None
    if manifest.get("bin") or not isinstance(bin_folder, str) or not bin_folder:
        return manifest
    bins = folder_bins(folder, bin_folder)
    return {**manifest, "bin": bins} if bins else manifest


def with_bins_of(document: Mapping[str, Any], before: Mapping[str, Any]) -> Mapping[str, Any]:
    """A package.json that was edited, with the ``bin`` that `with_folder_bins` had given it before."""
    if document.get("bin") or not before.get("bin") or not document.get("directories"):
        return document
    return {**document, "bin": before["bin"]}
