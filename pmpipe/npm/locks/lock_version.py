"""Which kind of lockfile it is, told without reading its entries."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import msgspec

from pmpipe.npm.texts.json_text import without_bom

#: An object with something in it.
_FILLED = re.compile(rb'\{\s*"')

_OLDEST_WITH_PACKAGES = 2

#: Since npm 12: older ones would pass over what makes it necessary, so they are to stop at it.
VERSION_OF_REPAIRS = 4
#: The fields of an entry that need it: a manifest that the project has repaired, or a tree that it patches.
REPAIRS = frozenset(
    ("packageExtensionsHash", "npmExtensionHash", "packageExtensionsApplied", "npmExtensionApplied", "patched")
)


class _Sections(msgspec.Struct, frozen=True, rename="camel"):
    """The two sections that tell, as text: their entries by the thousand are not looked at."""

    lockfile_version: Any = None
    packages: msgspec.Raw = msgspec.Raw()
    dependencies: msgspec.Raw = msgspec.Raw()


class _Packages(msgspec.Struct, frozen=True):
    packages: dict[str, dict[str, msgspec.Raw]] = {}


class _Stated(msgspec.Struct, frozen=True, rename="camel"):
    lockfile_version: Any = None


def stated_version(data: bytes) -> Any:
    """What a lockfile says under ``lockfileVersion``, of any type; None too for what is no JSON object.

    Args:
        data: the file's bytes, without merge conflicts.
    """
    try:
        return msgspec.json.decode(without_bom(data), type=_Stated).lockfile_version
    except (msgspec.MsgspecError, RecursionError):
        return None


def needed_version(packages: Mapping[str, Mapping[str, Any]]) -> int:
    """The lowest ``lockfileVersion`` that a lock with these entries may have; 1 if any will do.

    Source: npm 12's ``@npmcli/arborist``, ``lib/shrinkwrap.js`` (``commit``).
    """
    return 1 if all(map(REPAIRS.isdisjoint, packages.values())) else VERSION_OF_REPAIRS


def has_version(data: bytes, chosen: int) -> bool:
    """Whether a lock has the version that was chosen, or the higher one that it has to have.

    Args:
        data: the file's bytes, without merge conflicts.
        chosen: 1, 2 or 3.
    """
    stated = stated_version(data)
    if stated != VERSION_OF_REPAIRS:
        return bool(stated == chosen)
    try:
        packages = msgspec.json.decode(without_bom(data), type=_Packages).packages
    except (msgspec.MsgspecError, RecursionError):
        return False
    return needed_version(packages) == VERSION_OF_REPAIRS


def is_version_1(data: bytes) -> bool:
    """Whether a lockfile has to be read by `pmpipe.npm.locks.lock_v1`; False too for what is no JSON.

    Args:
        data: the file's bytes, without merge conflicts.
    """
    try:
        return _is_version_1(msgspec.json.decode(without_bom(data), type=_Sections))
    except (msgspec.MsgspecError, RecursionError):
        return False


def _is_version_1(sections: _Sections) -> bool:
    if not _FILLED.match(bytes(sections.dependencies)):
        # that of a project without dependencies
        version = sections.lockfile_version
        return not sections.packages and isinstance(version, (int, float)) and version < _OLDEST_WITH_PACKAGES
    if _FILLED.match(bytes(sections.packages)):
        return False
    packages: Any = msgspec.json.decode(sections.packages) if sections.packages else None
    return not packages
