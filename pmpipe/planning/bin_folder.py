"""What stands in a ``.bin`` folder."""

from __future__ import annotations

import os

from pmpipe.system.presence import is_link


def bin_folder_beside(location: str) -> str:
    """The ``.bin`` folder for the executables of the package at an absolute path."""
    root, _, _ = location.rpartition("/node_modules/")
    return f"{root}/node_modules/.bin"


def links_to_packages(bin_folder: str) -> list[str]:
    """The links in a ``.bin`` folder that lead to packages beside it; others are the user's own."""
    try:
        paths = [f"{bin_folder}/{name}" for name in os.listdir(bin_folder)]
    except (FileNotFoundError, NotADirectoryError):
        return []
    beside = f"{os.path.dirname(bin_folder)}/"
    return sorted(
        path
        for path in paths
        if is_link(path) and os.path.normpath(os.path.join(bin_folder, os.readlink(path))).startswith(beside)
    )


def leads_to(link: str, target: str) -> bool:
    """Whether there is a link at `link` that leads to `target`, by its text; both are absolute paths."""
    try:
        return os.path.normpath(os.path.join(os.path.dirname(link), os.readlink(link))) == target
    except OSError:
        return False
