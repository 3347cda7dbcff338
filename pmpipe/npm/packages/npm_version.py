"""Which npm is followed: one of version 11, unless a project says that it is for a later one.

Later ones resolve some trees otherwise. Since npm 11.20 an optional peer is not looked up for the sake of a peer set
where nothing else asks for it, and since 11.21.1 a peer that could not be had is in no conflict. For npm 12, locks that
packages bring in their tarballs do not count, and the project's ``preinstall`` comes first.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

from pmpipe.npm import NPM_VERSION
from pmpipe.npm.semver import intersects, satisfies, valid_range


class _Line(msgspec.Struct, frozen=True):
    """Versions of npm that are alike here: the newest one stands for all within a range."""

    newest: str
    range: str


#: Those that are followed where a project asks for one of them, and not for `NPM_VERSION`; older ones first.
_LATER_LINES = (_Line("11.21.2", ">=11.20.0 <12.0.0-0"), _Line("12.2.2", ">=12.0.0-0"))

#: Corepack's field, for example ``npm@12.2.1+sha512.…``.
_PACKAGE_MANAGER = re.compile(r"npm@(?P<version>\d{1,9}\.\d{1,9}\.\d{1,9}(?:-[0-9A-Za-z.-]+)?)(?:\+|$)")


def npm_version_for(manifest: Mapping[str, Any]) -> str:
    """The version of the npm that is followed for a project.

    Args:
        manifest: its package.json, decoded; fields of odd types say nothing.
    """
    lines = [_LATER_LINES.index(line) for line in map(_later_line, _ranges(manifest)) if line is not None]
    return _LATER_LINES[max(lines)].newest if lines else NPM_VERSION


def looks_up_fewer_peers(npm_version: str) -> bool:
    """Whether a version from `npm_version_for` leaves optional peers alone, and peers that could not be had."""
    return any(npm_version == line.newest for line in _LATER_LINES)


def follows_npm_12(npm_version: str) -> bool:
    """Whether a version from `npm_version_for` is npm 12's."""
    return npm_version == _LATER_LINES[-1].newest


def _later_line(wanted: str) -> _Line | None:
    if satisfies(NPM_VERSION, wanted) or valid_range(wanted) is None:
        return None
    for line in _LATER_LINES:
        if satisfies(line.newest, wanted):
            return line
    return next((line for line in _LATER_LINES if intersects(wanted, line.range)), None)


def _ranges(manifest: Mapping[str, Any]) -> Iterator[str]:
    manager = manifest.get("packageManager")
    found = _PACKAGE_MANAGER.match(manager) if isinstance(manager, str) else None
    if found is not None:
        yield found["version"]
    engines = manifest.get("engines")
    if isinstance(engines, Mapping) and isinstance(engines.get("npm"), str):
        yield engines["npm"]
    developing = manifest.get("devEngines")
    managers = developing.get("packageManager") if isinstance(developing, Mapping) else None
    for one in managers if isinstance(managers, list) else [managers]:
        if isinstance(one, Mapping) and one.get("name") == "npm" and isinstance(one.get("version"), str):
            yield one["version"]
