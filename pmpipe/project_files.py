"""The files of a project that pmpipe reads."""

from __future__ import annotations

import os

from pmpipe.errors import FilesystemError

MANIFEST = "package.json"

#: the names of a lockfile, the one that counts first
LOCKFILES = ("npm-shrinkwrap.json", "package-lock.json")


def read_file(folder: str, name: str) -> bytes | None:
    """The content of a project's file; None if there is none.

    Raises:
        FilesystemError: it exists, but cannot be read.
    """
    path = os.path.join(folder, name)
    try:
        with open(path, "rb") as file:
            return file.read()
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise FilesystemError(f"cannot read {path}: {error.strerror}") from error
