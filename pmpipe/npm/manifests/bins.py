"""Which executables of which package get a link in which ``.bin`` folder, and to what.

Names and targets come from a lockfile or a package.json, so from strangers: a name is reduced to its last segment, a
target is confined to the package, and what is left of neither is dropped. Two packages in one ``node_modules`` may
bring an executable of the same name; npm gives the name to the first in an order of its own, see `choose_bins`.

Source: npm's ``npm-normalize-package-bin``, ``bin-links``, ``@npmcli/package-json`` (bin, directories.bin), and
arborist's rebuild.
"""

from __future__ import annotations

import posixpath
from collections.abc import Iterable, Mapping
from typing import Any, NewType

import msgspec

from pmpipe.npm.texts.collation import CollationKey, english_key

#: The name of a link in ``.bin``: one path segment, neither ``.`` nor ``..``.
BinName = NewType("BinName", str)

#: Path of an executable relative to its package; it has no ``..`` and may end with a slash.
BinTarget = NewType("BinTarget", str)

#: Above this a JavaScript object does not treat a number as an index.
_LARGEST_ARRAY_INDEX = 2**32 - 2

#: How far bin-links looks for the end of a ``#!`` line.
_HASHBANG_BYTES = 2048


def normalize_bins(name: str, bin_field: Any) -> dict[BinName, BinTarget]:
    """What npm links for the ``bin`` of a lockfile's entry.

    Args:
        name: the package's name, which a lone string is the executable of; empty if it has none.
        bin_field: the ``bin``, whatever it is.
    """
    given = _as_mapping(name, bin_field)
    bins = {}
    for key in _javascript_order(given):
        value = given[key]
        # a base name of ``.`` or ``..`` leaves nothing
        base = _inside(_base_name(key.replace("\\", "/").replace(":", "/")))
        target = _inside(value.replace("\\", "/")) if isinstance(value, str) else ""
        if base and target and _can_be_linked(base, target):
            bins[BinName(base)] = BinTarget(target)
    return bins


def bins_of_manifest(name: str, bin_field: Any) -> dict[BinName, BinTarget]:
    """What npm links for the ``bin`` of a package.json that it reads from disk: a workspace's, a ``file:`` folder's.

    It is cleaned twice on the way, and the first time colons count as slashes in targets too, and another of two keys
    with one base name wins.

    Args:
        name: the package's name, which a lone string is the executable of; empty if it has none.
        bin_field: the ``bin``, whatever it is.
    """
    bins = _as_mapping(name, bin_field)
    # in place, as npm does it
    for key in _javascript_order(bins):
        value = bins[key]
        base = _base_name(confined(key))
        target = confined(value) if isinstance(value, str) else ""
        if base != key or not base or not target:
            del bins[key]
        if base and target:
            bins[base] = target
    return normalize_bins(name, bins)


def bins_of_folder(folder_field: str, entries: Iterable[str]) -> dict[BinName, BinTarget]:
    """What npm links for ``directories.bin``, which counts for a package.json without ``bin`` that is read from disk.

    Args:
        folder_field: the folder as the package.json has it.
        entries: everything below that folder, files and folders, in the order of a walk, relative to it.
    """
    folder = confined(folder_field)
    bins = {}
    for entry in entries:
        if not any(segment.startswith(".") for segment in entry.split("/")):
            bins[_base_name(entry)] = posixpath.join(folder, confined(entry))
    return normalize_bins("", bins)


def bins_of_directories(manifest: Mapping[str, Any], paths: Iterable[str]) -> dict[BinName, BinTarget]:
    """The executables of a package.json on disk that has ``directories.bin`` and no ``bin``; else nothing.

    Args:
        manifest: the package.json.
        paths: everything in the package, files and folders, relative to it.
    """
    directories = manifest.get("directories")
    folder = directories.get("bin") if isinstance(directories, dict) and not manifest.get("bin") else None
    if not isinstance(folder, str) or not folder:
        return {}
    inside = confined(folder)
    start = f"{inside}/" if inside else ""
    return bins_of_folder(folder, [path.removeprefix(start) for path in paths if path.startswith(start)])


def _as_mapping(name: str, bin_field: Any) -> dict[str, Any]:
    if isinstance(bin_field, str):
        return {name: bin_field} if name and bin_field else {}
    if isinstance(bin_field, list):
        return {_base_name(path): path for path in bin_field if isinstance(path, str)}
    return dict(bin_field) if isinstance(bin_field, dict) else {}


def _javascript_order(keys: Iterable[str]) -> list[str]:
    """The keys as a JavaScript object lists them: array indexes ascending, then the rest as written."""
    indexes: list[str] = []
    rest: list[str] = []
    for key in keys:
        (indexes if _is_array_index(key) else rest).append(key)
    return sorted(indexes, key=int) + rest


def _is_array_index(key: str) -> bool:
    # Python refuses to convert very long ones
    is_short = len(key) <= len(str(_LARGEST_ARRAY_INDEX)) and key.isascii() and key.isdigit()
    return is_short and str(int(key)) == key and int(key) <= _LARGEST_ARRAY_INDEX


def confined(path: str) -> str:
    """A path of a package.json, relative to the package, out of which it cannot lead. Empty: the package itself."""
    return _inside(path.replace("\\", "/").replace(":", "/"))


def _inside(path: str) -> str:
    """The path with ``..`` stopped at the package's root, and a slash at its end kept. Empty: the root itself."""
    # two leading slashes would stay two
    inside = posixpath.normpath("/" + path.lstrip("/"))[1:]
    return inside + "/" if inside and path.endswith("/") else inside


def _base_name(path: str) -> str:
    """As Node's ``path.basename``, which passes slashes at the end over."""
    return posixpath.basename(path.rstrip("/"))


def _can_be_linked(base: str, target: str) -> bool:
    # ``__proto__`` names no property in npm's object; NUL and lone surrogates are in no file name
    return base != "__proto__" and not any(
        character == "\0" or "\ud800" <= character <= "\udfff" for character in base + target
    )


# -- who gets a name ----------------------------------------------------------------------------------------------


class BinCandidate(msgspec.Struct, frozen=True):
    """A package in a ``node_modules`` that has executables.

    Attributes:
        location: its path in the lockfile, for example ``node_modules/a/node_modules/@s/b``.
        is_link: it is a symbolic link: a workspace or a ``file:`` folder.
        bins: its executables, from `normalize_bins`.
    """

    location: str
    is_link: bool
    bins: Mapping[BinName, BinTarget]


class ChosenBins(msgspec.Struct, frozen=True):
    """The executables of one package that get a link in the folder `bin_folder`; both paths are as in the lockfile."""

    location: str
    bin_folder: str
    bins: tuple[tuple[BinName, BinTarget], ...]


def choose_bins(candidates: Iterable[BinCandidate]) -> list[ChosenBins]:
    """Give each name in each ``.bin`` folder to one package, as npm does when it builds the whole tree.

    npm links the executables of all installed packages before those of all links, each group by depth and then in
    English order of paths; a name goes to who comes first, even if its target does not exist and no link is made.

    Returns:
        the packages that got a name, in npm's order.
    """
    taken: set[tuple[str, BinName]] = set()
    chosen = []
    for candidate in sorted(candidates, key=_linking_order):
        folder = bin_folder_of(candidate.location)
        own = tuple((name, target) for name, target in candidate.bins.items() if (folder, name) not in taken)
        taken.update((folder, name) for name, _ in own)
        if own:
            chosen.append(ChosenBins(candidate.location, folder, own))
    return chosen


def bin_folder_of(location: str) -> str:
    """The ``.bin`` folder for the executables of the package at `location`, both relative to the project's root."""
    parent = posixpath.dirname(location)
    modules = parent if posixpath.basename(parent) == "node_modules" else posixpath.dirname(parent)
    return posixpath.join(modules, ".bin")


def _linking_order(candidate: BinCandidate) -> tuple[bool, int, CollationKey]:
    # winners are chosen among siblings, so any measure of depth that is the same for siblings will do
    depth = candidate.location.count("node_modules/")
    return candidate.is_link, depth, english_key(candidate.location)


# -- what linking changes in an executable ------------------------------------------------------------------------


def unix_hashbang(content: bytes) -> bytes | None:
    r"""The content of an executable as npm rewrites it if its first line is ``#!…\r\n``; None if it is not rewritten.

    The file passes through a JavaScript string on the way, so bytes that are not UTF-8 become U+FFFD, as with npm.
    """
    if not content.startswith(b"#!"):
        return None
    end = content.find(b"\n", 0, _HASHBANG_BYTES)
    # there must be something between ``#!`` and the carriage return
    if end < len(b"#!x\r") or content[end - 1 : end] != b"\r":
        return None
    unix = content[: end - 1] + content[end:]
    return unix.decode("utf-8", "replace").encode()
