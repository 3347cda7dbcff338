"""Locations: paths from the project's folder, with ``/``, empty for the project; and names that folders suggest."""

from __future__ import annotations

from posixpath import basename, dirname, join, normpath, relpath


def location_of(folder: str, project_folder: str) -> str:
    """The location of an absolute folder."""
    location = relpath(normpath(folder), project_folder)
    return "" if location == "." else location


def absolute(project_folder: str, location: str) -> str:
    """The absolute path of a location."""
    return normpath(join(project_folder, location))


def name_from_folder(folder: str) -> str:
    """The package name that a folder suggests: its own name, behind its parent's if that is a scope."""
    scope = basename(dirname(folder))
    return f"{scope}/{basename(folder)}" if scope.startswith("@") else basename(folder)
