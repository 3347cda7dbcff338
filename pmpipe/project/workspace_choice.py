"""Which package.json files a command is about: the project's, or those of some of its workspaces.

``-w`` names a workspace by its name, its folder, or a folder that several lie in. Whoever works in a workspace's folder
means that workspace.

Source: npm's ``lib/utils/get-workspaces.js`` and ``@npmcli/config``, ``lib/index.js`` (``loadLocalPrefix``).
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping

from pmpipe.errors import PmpipeError, UsageError
from pmpipe.npm.manifests.manifest import read_manifest
from pmpipe.npm.specs.local_path import relative_path, resolve_path
from pmpipe.npm.specs.shown import shown
from pmpipe.npm.texts.glob import matches
from pmpipe.project.project_files import MANIFEST, read_file
from pmpipe.project.workspace_folders import find_folders
from pmpipe.settings.choice import Choice


class NoWorkspaceError(UsageError):
    """No workspace of the project is meant by what was asked for."""

    code = "PM_NO_WORKSPACE"
    exit_status = 1


def chosen_locations(choice: Choice, workspaces: Mapping[str, str], folder: str) -> list[str]:
    """The locations whose package.json files a command changes; the project's is empty.

    Args:
        choice: see there.
        workspaces: location by name, in npm's order.
        folder: absolute path of the project.

    Raises:
        NoWorkspaceError: nothing fits.
    """
    if not choice.is_made:
        return [""]
    found = chosen_workspaces(choice, workspaces, folder)
    # the project may be one of its workspaces
    return list(dict.fromkeys([*found, *([""] if choice.with_root else ())]))


def chosen_workspaces(choice: Choice, workspaces: Mapping[str, str], folder: str) -> list[str]:
    """The locations of the workspaces that are meant; of all of them if none is named.

    Raises:
        NoWorkspaceError: nothing fits.
    """
    found = [
        location
        for name, location in workspaces.items()
        if not choice.filters or any(_fits(one, name, location, choice.start, folder) for one in choice.filters)
    ]
    if not found:
        wanted = ", ".join(map(shown, choice.filters))
        raise NoWorkspaceError(
            f"no workspace is called {wanted}" if wanted else f"the project in {folder} has no workspaces",
            details=[f"there are: {', '.join(workspaces)}"] if workspaces and wanted else (),
            hint="name one by its name or its folder" if workspaces else "package.json lists their folders: workspaces",
        )
    return found


def _fits(wanted: str, name: str, location: str, start: str, folder: str) -> bool:
    workspace = resolve_path(folder, location)
    if relative_path(folder, start).startswith(".."):
        start = folder
    if wanted == name or resolve_path(start, wanted) == workspace:
        return True
    from_start = relative_path(start, workspace)
    parents = (relative_path(folder, resolve_path(start, wanted)), wanted.removeprefix("./"))
    return any(parent not in ("", ".") and matches(from_start, f"{parent}/*") for parent in parents)


def workspace_root(folder: str) -> str | None:
    """The project above a folder that has it for a workspace; None if the folder is a project of its own.

    Args:
        folder: absolute path of the nearest folder with a package.json.
    """
    for above in _above(folder):
        patterns = _patterns(above)
        if patterns and relative_path(above, folder) in find_folders(above, patterns):
            return above
    return None


def _patterns(folder: str) -> list[str]:
    try:
        data = read_file(folder, MANIFEST)
        return read_manifest(data, f"{folder}/{MANIFEST}").workspace_patterns() if data is not None else []
    except PmpipeError:
        # whatever lies above need not be a project that concerns us
        return []


def _above(folder: str) -> Iterator[str]:
    while folder != "/":
        folder = os.path.dirname(folder)
        yield folder
