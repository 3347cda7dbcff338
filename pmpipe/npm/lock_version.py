"""Which kind of lockfile it is, told without reading its entries."""

from __future__ import annotations

import re
from typing import Any

import msgspec

from pmpipe.npm.json_text import without_bom

#: An object with something in it.
_FILLED = re.compile(rb'\{\s*"')

_OLDEST_WITH_PACKAGES = 2


class _Sections(msgspec.Struct, frozen=True, rename="camel"):
    """The two sections that tell, as text: their entries by the thousand are not looked at."""

    lockfile_version: Any = None
    packages: msgspec.Raw = msgspec.Raw()
    dependencies: msgspec.Raw = msgspec.Raw()


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


def is_version_1(data: bytes) -> bool:
    """Whether a lockfile has to be read by `pmpipe.npm.lock_v1`; False too for what is no JSON.

    Args:
        data: the file's bytes, without merge conflicts.
    """
    try:
        sections = msgspec.json.decode(without_bom(data), type=_Sections)
    except (msgspec.MsgspecError, RecursionError):
        return False
    if not _FILLED.match(bytes(sections.dependencies)):
        # that of a project without dependencies
        version = sections.lockfile_version
        return not sections.packages and isinstance(version, (int, float)) and version < _OLDEST_WITH_PACKAGES
    if _FILLED.match(bytes(sections.packages)):
        return False
    packages: Any = msgspec.json.decode(sections.packages) if sections.packages else None
    return not packages
