"""The errors that a folder lacks what makes it a project that can be installed."""

from __future__ import annotations

from pmpipe.errors import LockfileError, ManifestError
from pmpipe.project.project_files import LOCKFILES


def no_lock(folder: str) -> LockfileError:
    """The error that a project has no lockfile."""
    from pmpipe.project.foreign_locks import first_lock

    foreign = first_lock(folder)
    origin = f" with the versions of {foreign}" if foreign else ""
    return LockfileError(
        f"there is no {LOCKFILES[-1]} in {folder}", hint=f"`pmpipe install` makes one{origin} and installs from it"
    )


def no_manifest(folder: str) -> ManifestError:
    """The error that a folder is no project."""
    return ManifestError(
        f"there is no package.json in {folder}", hint="run it in a project's folder, or name one with --dir"
    )
