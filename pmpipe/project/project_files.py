"""The files of a project that pmpipe reads."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import TypeAlias

from pmpipe.errors import FilesystemError
from pmpipe.system.owners import foreign_owner_hint

#: What files are to hold, by path relative to the project, while the disk still has something else.
Contents: TypeAlias = Mapping[str, bytes]
NO_CONTENTS: Contents = {}

MANIFEST = "package.json"

PNPM_WORKSPACE = "pnpm-workspace.yaml"

#: in which pnpm and yarn have catalogs
CATALOG_FILES = (PNPM_WORKSPACE, ".yarnrc.yml")

#: the names of a lockfile, the one that counts first
LOCKFILES = ("npm-shrinkwrap.json", "package-lock.json")

#: what npm knows an installed tree by
HIDDEN_LOCKFILE = "node_modules/.package-lock.json"

#: npm keeps one of yarn 1 up to date, where there is one
YARN_LOCK = "yarn.lock"


def manifest_path(location: str) -> str:
    """Where the package.json of a location is, relative to the project."""
    return f"{location}/{MANIFEST}" if location else MANIFEST


def read_file(folder: str, name: str) -> bytes | None:
    """The content of a project's file; None if there is none.

    Raises:
        FilesystemError: it exists, but cannot be read.
    """
    path = os.path.join(folder, name)
    try:
        with open(path, "rb", opener=_open_at_once) as file:
            # what is no file, and has nothing to say at present, is as good as empty
            return file.read() or b""
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise FilesystemError(f"cannot read {path}: {error.strerror}", hint=foreign_owner_hint(error)) from error


def _open_at_once(path: str, flags: int) -> int:
    # a pipe of that name would have the run wait for somebody who writes to it
    return os.open(path, flags | os.O_NONBLOCK)


def extension_files(folder: str) -> tuple[str, str]:
    """Where a project's code that repairs manifests may stand (npm 12's ``.npm-extension``)."""
    return f"{folder}/.npm-extension.mjs", f"{folder}/.npm-extension.cjs"
