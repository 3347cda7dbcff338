"""The project's file of code that repairs manifests (npm 12's ``.npm-extension``): where it is, and its digest.

Source: npm 12's ``@npmcli/arborist``, ``lib/npm-extension.js``.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

import msgspec

from pmpipe.errors import ConfigError
from pmpipe.project.project_files import extension_files, read_file

if TYPE_CHECKING:
    from pmpipe.settings.config import Config

_SUFFIXES = (".mjs", ".cjs")


class ExtensionFile(msgspec.Struct, frozen=True):
    """A file of code.

    Attributes:
        name: relative to the project.
        path: absolute.
        hash: SRI, by which a lock tells that it has changed.
    """

    name: str
    path: str
    hash: str


def find_extension_file(folder: str, config: Config) -> ExtensionFile | None:
    """The project's file of code, or None; whether it is to be run does not matter.

    Args:
        folder: absolute path of the project.
        config: all settings.

    Raises:
        ConfigError: there are two, or ``extension-file`` names none that could be one.
        FilesystemError: it cannot be read.
    """
    chosen = config.settings["extension-file"]
    if chosen:
        return _read(folder, _chosen_name(folder, chosen))
    # two look-ups are all that other projects pay
    names = [os.path.basename(path) for path in extension_files(folder) if os.path.lexists(path)]
    if len(names) > 1:
        raise ConfigError(f"there are {' and '.join(names)} in {folder}", hint="keep the one that counts")
    return _read(folder, names[0]) if names else None


def _chosen_name(folder: str, chosen: str) -> str:
    path = os.path.normpath(os.path.join(folder, chosen))
    name = os.path.relpath(path, folder)
    if name.startswith("..") or not path.endswith(_SUFFIXES):
        raise ConfigError(
            f"extension-file={chosen} cannot be used", hint="it must be a .mjs or .cjs file in the project's folder"
        )
    if not os.path.isfile(path):
        raise ConfigError(f"extension-file={chosen}: there is no such file in {folder}")
    return name


def _read(folder: str, name: str) -> ExtensionFile | None:
    content = read_file(folder, name)
    if content is None:
        return None  # a link that leads nowhere
    from pmpipe.npm.manifests.extension_hash import hash_of_file

    return ExtensionFile(name, os.path.join(folder, name), hash_of_file(name[-3:], content))


def extension_warnings(folder: str, workspaces: Iterable[str]) -> Iterator[str]:
    """One line for each workspace that has such a file: it does not count.

    Args:
        folder: absolute path of the project.
        workspaces: locations.
    """
    for location in workspaces:
        for path in extension_files(f"{folder}/{location}"):
            if os.path.exists(path):
                yield f"{location}/{os.path.basename(path)} is ignored: only that of the project itself counts"
