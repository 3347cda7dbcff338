"""Folders that removals leave empty: scopes, ``.bin``, and ``node_modules`` folders of packages.

npm leaves them. Here `install` ends with the tree that `ci` makes: they go with the last thing in them, by one rename.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable


def with_emptied_folders(removals: Iterable[str], is_needed: Callable[[str], bool]) -> list[str]:
    """Replace paths that are to be removed by the folder around them, where nothing else is in it.

    Args:
        removals: absolute paths of packages and links; they exist.
        is_needed: whether something will stand in a folder, or it must stay for another reason.

    Returns:
        Sorted; each of `removals` is in it, or lies in one that is.
    """
    remaining = set(removals)
    waiting = {os.path.dirname(path) for path in remaining}
    while waiting:
        folder = waiting.pop()
        if not _can_be_emptied(folder) or is_needed(folder):
            continue
        inside = {f"{folder}/{name}" for name in os.listdir(folder)}
        if inside <= remaining:
            remaining -= inside
            remaining.add(folder)
            waiting.add(os.path.dirname(folder))
    return sorted(remaining)


def _can_be_emptied(folder: str) -> bool:
    name = os.path.basename(folder)
    return name in ("node_modules", ".bin") or name.startswith("@")
