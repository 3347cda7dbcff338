"""Which of the user's own folders have scripts: the project's, and those that links lead to.

Every run asks for it, so this loads next to nothing.
"""

from __future__ import annotations

import os

from pmpipe.npm.locks.package_path import PackagePath, is_installed
from pmpipe.npm.scripts.lifecycle import DEPENDENCY_EVENTS, EARLY_EVENTS, GYP_FILE, LINK_EVENTS, has_command
from stages.manifest_file import read_document


def is_own(holder: PackagePath, target: str) -> bool:
    """Whether a link leads to a folder that the user works in, not to one that a package brings.

    Args:
        holder: the location or folder whose node_modules the link lies in.
        target: the folder, relative to the project.
    """
    within = os.path.normpath(target)
    if within == ".":
        return False  # its scripts run as those of the project
    return not is_installed(holder) or not (within.startswith("..") or "node_modules" in within.split("/"))


def has_link_scripts(folder: str) -> bool:
    """Whether a folder has a script for any event of a linked folder."""
    return has_scripts(folder, LINK_EVENTS)


def has_scripts(folder: str, events: tuple[str, ...]) -> bool:
    """Whether a folder has a script for any of some events."""
    return has_command(read_document(folder), events, has_gyp_file=os.path.isfile(f"{folder}/{GYP_FILE}"))


def has_early_scripts(folder: str) -> bool:
    """Whether a script of the project in a folder is to be run before anything is installed."""
    document = read_document(folder)
    if not has_command(document, EARLY_EVENTS, has_gyp_file=False):
        return False  # nearly every project
    from pmpipe.npm.packages.npm_version import follows_npm_12, npm_version_for

    return follows_npm_12(npm_version_for(document))


def has_build_scripts(folder: str) -> bool:
    """Whether a folder has a script for any event of a package that is built."""
    return has_scripts(folder, DEPENDENCY_EVENTS)
