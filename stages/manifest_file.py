"""The package.json of a folder, for what is run in it."""

from __future__ import annotations

from typing import Any

import msgspec

from pmpipe.errors import FilesystemError
from pmpipe.npm.texts.json_text import without_bom
from pmpipe.npm.texts.text import printable


def read_document(folder: str) -> dict[str, Any]:
    """A folder's package.json; empty if it has none, or none that says anything, which means that there are no scripts.

    Args:
        folder: absolute path. If it is closed to us, it was a script of its own that has closed it, and none follows.

    Raises:
        FilesystemError: it has one, and it cannot be read.
    """
    path = f"{folder}/package.json"
    try:
        with open(path, "rb") as file:
            document = msgspec.json.decode(without_bom(file.read()))
    except (FileNotFoundError, NotADirectoryError, IsADirectoryError, PermissionError, ValueError, RecursionError):
        return {}
    except OSError as error:
        raise FilesystemError(f"cannot read {printable(path)}: {error.strerror}") from error
    return document if isinstance(document, dict) else {}
