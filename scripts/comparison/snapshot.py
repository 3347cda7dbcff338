"""What stands in a folder: every path with its type, permission bits, link target and bytes.

Links are never followed. Files are remembered by digest, so that a snapshot outlives its tree.
"""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import TypeAlias


class Kind(Enum):
    """What a path is; the value is its name in reports."""

    FILE = "file"
    FOLDER = "folder"
    LINK = "link"
    OTHER = "other"


@dataclass(frozen=True, slots=True)
class Item:
    """One path of a tree.

    Attributes:
        kind: what it is.
        mode: its permission bits, special bits included; 0 for links, which have none of their own.
        content: a file's digest in hexadecimal, a link's target, empty for everything else.
        bytes: a file's size.
    """

    kind: Kind
    mode: int
    content: str = ""
    bytes: int = 0

    @property
    def is_executable(self) -> bool:
        """A file that its owner may execute."""
        return self.kind is Kind.FILE and bool(self.mode & stat.S_IXUSR)


#: path relative to the tree's root, with slashes -> what is there; the root itself is not in it
Snapshot: TypeAlias = Mapping[str, Item]


def take_snapshot(folder: str, *, leave_out: Callable[[str], bool] = lambda _: False) -> dict[str, Item]:
    """Read a whole tree.

    Args:
        folder: its root.
        leave_out: paths (relative to the root) that are passed over with everything below them.

    Raises:
        OSError: something cannot be read; names that are not UTF-8 are kept as surrogates.
    """
    return {path: _item(f"{folder}/{path}") for path in _walk(folder, "", leave_out)}


def _walk(root: str, prefix: str, leave_out: Callable[[str], bool]) -> Iterator[str]:
    with os.scandir(f"{root}/{prefix}") as listing:
        entries = sorted((entry.name, entry.is_dir(follow_symlinks=False)) for entry in listing)
    for name, is_folder in entries:
        path = prefix + name
        if leave_out(path):
            continue
        yield path
        if is_folder:
            yield from _walk(root, f"{path}/", leave_out)


def _item(path: str) -> Item:
    found = os.lstat(path)
    mode = stat.S_IMODE(found.st_mode)
    if stat.S_ISLNK(found.st_mode):
        return Item(Kind.LINK, 0, os.readlink(path))
    if stat.S_ISDIR(found.st_mode):
        return Item(Kind.FOLDER, mode)
    if stat.S_ISREG(found.st_mode):
        with open(path, "rb") as file:
            return Item(Kind.FILE, mode, hashlib.blake2b(file.read()).hexdigest(), found.st_size)
    return Item(Kind.OTHER, mode)
