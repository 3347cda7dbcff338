"""Which npm is followed: version 11, unless a project says that it is for a later one.

npm 12 resolves some trees otherwise: an optional peer is not looked up for the sake of a peer set where nothing else
asks for it, and locks that packages bring in their tarballs do not count. Whoever asks for npm 12 gets that.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from pmpipe.npm import NPM_VERSION
from pmpipe.npm.semver import intersects, satisfies, valid_range

#: The later npm that is followed where a project asks for it.
LATER_NPM_VERSION = "12.2.1"

#: Corepack's field, for example ``npm@12.2.1+sha512.…``.
_PACKAGE_MANAGER = re.compile(r"npm@(?P<major>\d{1,9})\.")

_LATER = ">=12.0.0-0"


def npm_version_for(manifest: Mapping[str, Any]) -> str:
    """The version of the npm that is followed for a project.

    Args:
        manifest: its package.json, decoded; fields of odd types say nothing.
    """
    return LATER_NPM_VERSION if any(map(_asks_for_later, _ranges(manifest))) else NPM_VERSION


def follows_later_npm(npm_version: str) -> bool:
    """Whether a version from `npm_version_for` is the later one."""
    return npm_version == LATER_NPM_VERSION


def _asks_for_later(wanted: str) -> bool:
    if satisfies(NPM_VERSION, wanted) or valid_range(wanted) is None:
        return False
    return intersects(wanted, _LATER)


def _ranges(manifest: Mapping[str, Any]) -> Iterator[str]:
    manager = manifest.get("packageManager")
    found = _PACKAGE_MANAGER.match(manager) if isinstance(manager, str) else None
    if found is not None:
        # an exact version, of which the first number matters here
        yield f"^{found['major']}"
    engines = manifest.get("engines")
    if isinstance(engines, Mapping) and isinstance(engines.get("npm"), str):
        yield engines["npm"]
    developing = manifest.get("devEngines")
    managers = developing.get("packageManager") if isinstance(developing, Mapping) else None
    for one in managers if isinstance(managers, list) else [managers]:
        if isinstance(one, Mapping) and one.get("name") == "npm" and isinstance(one.get("version"), str):
            yield one["version"]
