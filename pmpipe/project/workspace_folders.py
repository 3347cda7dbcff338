"""Which folders the patterns of a ``workspaces`` field name.

Source: npm's ``@npmcli/map-workspaces``.
"""

from __future__ import annotations

import os
import posixpath
from collections.abc import Callable, Iterator, Sequence
from typing import TypeAlias

from pmpipe.errors import FilesystemError
from pmpipe.npm.locks.package_path import ROOT, PackagePath
from pmpipe.npm.texts.glob import ANY_DEPTH, expand_braces, has_magic, matches, part_matches, segments, sort_patterns
from pmpipe.npm.texts.text import is_utf8, printable

#: Finds the folders of patterns in one project, as `find_folders` does.
FindFolders: TypeAlias = Callable[[Sequence[str]], Sequence[PackagePath]]


def find_folders(folder: str, patterns: Sequence[str]) -> list[PackagePath]:
    """The folders that the patterns of a ``workspaces`` field name, by pattern and then by name; relative paths.

    Whatever lies in a node_modules folder is passed over, and so are folders beginning with a dot, unless the pattern
    has the dot.

    Raises:
        FilesystemError: the name of one is not UTF-8, so that no lockfile can hold it.
    """
    chosen = sort_patterns(patterns)
    found: dict[PackagePath, None] = {}
    for pattern in chosen.wanted:
        paths = {path for one in expand_braces(pattern) for path in _walk(folder, segments(one))}
        # the project itself is a workspace only if it is called by its name
        paths = {ROOT} if pattern == "." else paths - {ROOT, "."}
        found.update((PackagePath(path), None) for path in sorted(paths) if not _is_unwanted(path, chosen.unwanted))
    odd = [path for path in found if not is_utf8(path)]
    if odd:
        raise FilesystemError(f"the path {printable(odd[0])} is not UTF-8", hint="give its folders names in UTF-8")
    return list(found)


def _is_unwanted(path: str, unwanted: Sequence[str]) -> bool:
    return "node_modules" in path.split("/") or any(matches(path, pattern, dot=True) for pattern in unwanted)


def _walk(folder: str, pattern: Sequence[str]) -> Iterator[str]:
    """The folders that a pattern names, in no order; some more than once."""
    # a folder, how much of the pattern stands for the way there, and whether it is known to be one
    waiting = [("", 0, False)]
    while waiting:
        path, at, is_there = waiting.pop()
        if at == len(pattern):
            if is_there or os.path.isdir(os.path.join(folder, path)):
                yield posixpath.normpath(path) if ".." in path else path
        elif pattern[at] == ANY_DEPTH:
            waiting.append((path, at + 1, is_there))
            for name, is_link in _subfolders(folder, path):
                if name.startswith("."):
                    continue
                if not is_link:
                    waiting.append((_join(path, name), at, True))
                # glob takes one link for all that ** stands for, unless the pattern begins with it, and looks no
                # further behind it
                elif at:
                    waiting.append((_join(path, name), at + 1, True))
        elif has_magic(pattern[at]):
            found = _subfolders(folder, path)
            waiting += [(_join(path, name), at + 1, True) for name, _ in found if part_matches(name, pattern[at])]
        else:
            waiting.append((_join(path, pattern[at]), at + 1, False))


def _join(path: str, name: str) -> str:
    return f"{path}/{name}" if path else name


def _subfolders(folder: str, path: str) -> list[tuple[str, bool]]:
    """The names of the folders in a folder, and whether each is a link to one; no node_modules."""
    where = os.path.join(folder, path)
    try:
        with os.scandir(where) as entries:
            return [(one.name, one.is_symlink()) for one in entries if one.name != "node_modules" and _is_folder(one)]
    except (FileNotFoundError, NotADirectoryError):
        return []
    except OSError as error:
        raise FilesystemError(f"cannot list {where}: {error.strerror}") from error


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:
        return False  # a link that leads to itself, or to where nobody may look
