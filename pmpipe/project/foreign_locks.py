"""What is said of the locks of other package managers where a tree is resolved from one of them, or cannot be."""

from __future__ import annotations

import os

from pmpipe.npm.foreign.files import FOREIGN_LOCKS

_BINARY = "bun.lockb"

#: in search of something that is no blank
_LOOKED_AT = 4096


def first_lock(folder: str) -> str:
    """The name of the foreign lock that a resolution without npm's lock keeps the versions of; empty: there is none.

    Args:
        folder: absolute path of the project.
    """
    return next((name for name in FOREIGN_LOCKS if _has_content(f"{folder}/{name}")), "")


def unread_locks(folder: str) -> list[str]:
    """One line for the foreign locks that have no say in a resolution that starts without npm's lock.

    Args:
        folder: absolute path of the project.
    """
    found = [name for name in (*FOREIGN_LOCKS, _BINARY) if _has_content(f"{folder}/{name}")]
    if found == [_BINARY]:
        hint = "`bun install --save-text-lockfile` makes a bun.lock of it, which can be read"
        return [f"{_BINARY} is not read, so every version is chosen anew; {hint}"]
    # who has made the text has left the other one there
    unread = [name for name in found[1:] if name != _BINARY or "bun.lock" not in found]
    if not unread:
        return []
    return [
        f"versions are kept from {found[0]}, and not from {' and '.join(unread)}; remove those that are out of date"
    ]


def overruled_locks(folder: str) -> list[str]:
    """One line for a foreign lock that has no say because something is installed already, and npm begins with that.

    Args:
        folder: absolute path of the project.
    """
    foreign = first_lock(folder)
    if not foreign:
        return []
    return [
        f"versions are kept from node_modules, and not from {foreign}; without node_modules they are kept from that"
    ]


def _has_content(path: str) -> bool:
    if not os.path.isfile(path):
        return False
    try:
        with open(path, "rb") as file:
            # a blank one is passed over when it comes to the versions, too
            return bool(file.read(_LOOKED_AT).strip()) or os.path.getsize(path) > _LOOKED_AT
    except OSError:
        return True  # whoever wants to use it is told that it cannot be read
