"""What is on the disk: sizes that count a hardlinked file once, and the kind of a filesystem."""

from __future__ import annotations

import os
import stat

import msgspec


class TreeSize(msgspec.Struct, frozen=True):
    """A folder's apparent size: bytes of all inodes below it, files (names, hardlinks each), and folders."""

    size_bytes: int = 0
    files: int = 0
    folders: int = 0


def tree_size(*roots: str) -> TreeSize:
    """The size of some folders or files together; absent ones count nothing, symlinks are not followed."""
    seen: set[tuple[int, int]] = set()
    size_bytes = files = folders = 0
    waiting = [root for root in roots if os.path.lexists(root)]
    while waiting:
        path = waiting.pop()
        status = os.lstat(path)
        if stat.S_ISDIR(status.st_mode):
            folders += 1
            with os.scandir(path) as entries:
                waiting.extend(entry.path for entry in entries)
            continue
        files += 1
        inode = (status.st_dev, status.st_ino)
        if status.st_nlink == 1 or inode not in seen:
            seen.add(inode)
            size_bytes += status.st_size
    return TreeSize(size_bytes, files, folders)


def filesystem_type(path: str) -> str:
    """The type of the filesystem that holds a folder, for example "ext4" or "tmpfs" (Linux)."""
    device = os.stat(path).st_dev
    wanted = f"{os.major(device)}:{os.minor(device)}"
    with open("/proc/self/mountinfo", encoding="utf-8") as file:
        for line in file:
            left, _, right = line.partition(" - ")
            if left.split()[2] == wanted:
                return right.split()[0]
    return "unknown"
