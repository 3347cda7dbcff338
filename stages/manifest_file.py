"""The package.json of a folder, for what is run in it."""

from __future__ import annotations

from typing import Any

import msgspec

from pmpipe.npm.texts.json_text import without_bom


def read_document(folder: str) -> dict[str, Any]:
    """A folder's package.json; empty if it has none that can be read, which means that there are no scripts.

    Args:
        folder: absolute path.
    """
    try:
        with open(f"{folder}/package.json", "rb") as file:
            document = msgspec.json.decode(without_bom(file.read()))
    except (OSError, ValueError, RecursionError):
        return {}
    return document if isinstance(document, dict) else {}
