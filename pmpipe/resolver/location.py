"""Locations: paths from the project's folder, with ``/``, empty for the project; and names that folders suggest."""

from __future__ import annotations

from posixpath import join, normpath, relpath


def location_of(folder: str, project_folder: str) -> str:
    """The location of an absolute folder."""
    location = relpath(normpath(folder), project_folder)
    return "" if location == "." else location


def absolute(project_folder: str, location: str) -> str:
    """The absolute path of a location."""
    return normpath(join(project_folder, location))


def name_from_folder(folder: str) -> str:
    """The package name that a folder suggests: its own name, behind its parent's if that is a scope."""
    above, _, name = folder.rpartition("/")
    if "@" not in above:
        return name
    scope = above.rstrip("/").rpartition("/")[2]
    return f"{scope}/{name}" if scope.startswith("@") else name


def is_inside_project(spec: str, folder: str, project_folder: str) -> bool:
    """Whether a spec is written as ``file:./…`` or ``file:../…``, and means a folder of the project.

    Such folders are linked even under ``install-links``. npm goes by the spelling: a folder that stands as ``file:x``
    is copied.

    Args:
        spec: of a dependency.
        folder: absolute path of the folder that it is read from.
        project_folder: absolute path.
    """
    if not spec.startswith(("file:./", "file:../")):
        return False
    return is_within(normpath(join(folder, spec.removeprefix("file:"))), project_folder)


def is_within(path: str, folder: str) -> bool:
    """Whether an absolute path without dot segments is a folder, or lies in it."""
    return path == folder or path.startswith(f"{folder.rstrip('/')}/")
