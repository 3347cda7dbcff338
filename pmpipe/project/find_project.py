"""Where the project is that a command is about: the folder that was named, or the nearest one upwards."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING

from pmpipe.errors import ConfigError, FilesystemError
from pmpipe.npm.texts.text import is_utf8, printable
from pmpipe.project.project_files import MANIFEST

if TYPE_CHECKING:
    from pmpipe.settings.config import Config


def working_folder() -> str:
    """The absolute path of the folder that the command was given in.

    Raises:
        FilesystemError: it is gone, or closed.
    """
    try:
        return os.getcwd()
    except OSError as error:
        raise FilesystemError(
            f"the working folder cannot be used: {error.strerror}", hint="change to a folder that is there"
        ) from error


def find_project(flags: Mapping[str, object]) -> str:
    """The absolute path of the project's folder: the ``prefix`` flag's, else the nearest upwards with a package.json.

    Raises:
        FilesystemError: the working folder is gone.

    Source: npm's find-prefix; a folder with node_modules counts there too, and so it does here.
    """
    prefix = flags.get("prefix")
    # settings, specs and scripts need it, too, wherever the project is
    start = folder = os.path.normpath(os.path.join(working_folder(), str(prefix or "")))
    if not is_utf8(start):
        # such a path cannot stand in a message between processes, nor in a lockfile
        raise FilesystemError(f"the path {printable(start)} is not UTF-8", hint="give its folders names in UTF-8")
    if prefix:
        return folder
    while True:
        if os.path.exists(f"{folder}/package.json") or os.path.isdir(f"{folder}/node_modules"):
            return folder
        above = os.path.dirname(folder)
        if above == folder:
            return start
        folder = above


def find_root(flags: Mapping[str, object]) -> tuple[str, str]:
    """The project's folder, and that of its workspace that the command was given in, or an empty text.

    Raises:
        FilesystemError: the working folder is gone.
    """
    folder = find_project(flags)
    # --no-workspaces is False, --workspaces=false the text
    if flags.get("prefix") or flags.get("workspaces") in (False, "false") or not _lies_in_project(folder):
        return folder, ""
    from pmpipe.project.workspace_choice import workspace_root

    root = workspace_root(folder)
    return (root, folder) if root is not None else (folder, "")


def ignored_settings(workspace: str) -> list[str]:
    """What to say of settings that do not count, one line each: only the project's own .npmrc is read.

    Args:
        workspace: absolute path of the workspace's folder that a command was given in, or empty.
    """
    file = f"{workspace}/.npmrc"
    return [f"{file} is ignored: the project's .npmrc counts"] if workspace and os.path.exists(file) else []


def _lies_in_project(folder: str) -> bool:
    while folder != "/":
        folder = os.path.dirname(folder)
        if os.path.exists(f"{folder}/{MANIFEST}"):
            return True
    return False


def require_local(config: Config) -> None:
    """Refuse a project whose .npmrc says that commands are about the whole machine.

    npm takes it so; whether it is meant so is another matter, and the flags say it as well.

    Raises:
        ConfigError: it does.
    """
    settings = config.settings
    if settings["global"] or settings["location"] == "global":
        raise ConfigError(
            "an .npmrc says that all commands are global (global, or location=global)",
            hint="take that out, and give --global where it is meant",
        )
