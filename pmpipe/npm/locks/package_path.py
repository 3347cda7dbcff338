"""Paths of packages as lockfiles write them: ``node_modules/a/node_modules/@s/b``, ``packages/x``, ``../sibling``.

A path is relative to the project's folder and has forward slashes; the root is the empty string. Every path that comes
from a lockfile passes `fault_in_path` before anything is written: the paths become folders.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Sequence
from typing import NewType

#: A key of a lockfile's ``packages``.
PackagePath = NewType("PackagePath", str)

ROOT = PackagePath("")

# the characters that npm accepts in a name at all, old ones included; names are folders, so no dot in front
_WORD = r"[A-Za-z0-9\-_~!*'()][A-Za-z0-9\-_.~!*'()]*"
_NAME = rf"(?!node_modules(?:/|$))(?:@{_WORD}/)?(?!node_modules(?:/|$)){_WORD}"
_PACKAGE_NAME = re.compile(_NAME)
# the common case in one match: nothing but packages in node_modules folders
_INSTALLED = re.compile(rf"node_modules/{_NAME}(?:/node_modules/{_NAME})*")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_HOLDER_AND_NAME = re.compile(r"(?:(.+)/)?node_modules/((?:@[^/]+/)?[^/]+)").fullmatch
#: npm's limit for new names is 214; a folder's name may have 255 bytes
_LONGEST_NAME = 255
#: Packages within packages; real trees have some twenty levels, and no system takes paths of more than some 270.
_DEEPEST = 200


def is_package_name(name: str) -> bool:
    """Whether npm takes this for a name, and it is safe as a folder's name."""
    return len(name) <= _LONGEST_NAME and _PACKAGE_NAME.fullmatch(name) is not None


def is_installed(path: str) -> bool:
    """Whether the path is that of a package in a node_modules folder, not of a folder of the project.

    Args:
        path: one that `fault_in_path` has passed.
    """
    return _HOLDER_AND_NAME(path) is not None


def is_external(path: str) -> bool:
    """Whether the path leads out of the project's folder."""
    return path == ".." or path.startswith("../")


def split_installed(path: str) -> tuple[PackagePath, str] | None:
    """The folder whose node_modules holds a package, and the name it is installed under; None if it is not installed.

    Args:
        path: one that `fault_in_path` has passed.
    """
    match = _HOLDER_AND_NAME(path)
    return (PackagePath(match[1] or ""), match[2]) if match is not None else None


def paths_inside(paths: Sequence[PackagePath], folder: str) -> Sequence[PackagePath]:
    """What lies in a folder, found without a look at all the rest.

    Args:
        paths: sorted.
        folder: the path of one.
    """
    # "0" is the character that follows "/"
    return paths[bisect_left(paths, f"{folder}/") : bisect_left(paths, f"{folder}0")]


def name_from_path(path: str) -> str:
    """The name that the folder itself suggests: its last part, with the scope if there is one.

    Source: npm's name-from-folder.
    """
    parent, _, base = path.rpartition("/")
    scope = parent.rpartition("/")[2]
    return f"{scope}/{base}" if scope.startswith("@") else base


def fault_in_path(path: str) -> str | None:
    """What is wrong with a lockfile's key; None if it names a folder below the project, or one beside it (``../x``)."""
    if path == ROOT or (len(path) <= _LONGEST_NAME and _INSTALLED.fullmatch(path) is not None):
        return None
    if path.count("node_modules/") > _DEEPEST:
        return f"lies in more than {_DEEPEST} packages"
    if path.startswith("/") or re.match(r"[A-Za-z]:[/\\]", path):
        return "is an absolute path"
    if _CONTROL.search(path) or "\\" in path:
        return "holds characters that no path of a package may have"
    parts = path.split("/")
    while parts and parts[0] == "..":
        parts.pop(0)
    if any(part in {"", ".", ".."} for part in parts):
        return "is no plain path, it could escape from the project"
    return _fault_in_names(parts)


def _fault_in_names(parts: list[str]) -> str | None:
    if any(len(part.encode()) > _LONGEST_NAME for part in parts):
        return "has a part that is too long for a file system"
    for index, part in enumerate(parts):
        if part != "node_modules":
            continue
        following = parts[index + 1 : index + 3]
        name = "/".join(following if following and following[0].startswith("@") else following[:1])
        if not is_package_name(name):
            return f"has no valid package name in {name!r}" if name else "ends where a package's name should stand"
    return None
