"""Whether a package supports a platform and the engines at hand.

Source: npm's ``npm-install-checks``.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from pmpipe.npm.manifests.declared import Declared


class Platform(msgspec.Struct, frozen=True):
    """A platform in npm's words.

    Attributes:
        os: Node's ``process.platform``: linux, darwin, win32, …
        cpu: Node's ``process.arch``: x64, arm64, …
        libc: glibc or musl; empty where it is unknown, or the os is not linux.
    """

    os: str
    cpu: str
    libc: str = ""

    def instead(self, *, os: str | None, cpu: str | None, libc: str | None) -> Platform:
        """The platform that settings ask for, this one where they are silent; of another os no libc is known."""
        system = os or self.os
        return Platform(system, cpu or self.cpu, libc or (self.libc if system == "linux" else ""))

    def __str__(self) -> str:
        return "-".join(part for part in (self.os, self.cpu, self.libc) if part)


class Engines(msgspec.Struct, frozen=True):
    """Versions of what runs the packages; empty where it is not installed, then nothing is asked of it.

    Attributes:
        node: that of the Node.js on this host.
        npm: the one that is followed.
    """

    node: str = ""
    npm: str = ""

    def versions(self) -> dict[str, str]:
        """Those that are known, by the names that packages have for them."""
        return {name: version for name, version in (("node", self.node), ("npm", self.npm)) if version}


def unsupported_platform(declared: Declared, platform: Platform) -> str:
    """What the package demands of the platform and does not get: ``os darwin, cpu !arm``; empty if all is well."""
    if not (declared.os or declared.cpu or declared.libc):
        return ""
    demands = []
    for field, value, wanted in (
        ("os", platform.os, declared.os),
        ("cpu", platform.cpu, declared.cpu),
        ("libc", platform.libc, declared.libc),
    ):
        # a package that cares for the libc is not for platforms where none is known
        if wanted and (not _is_listed(value, wanted) or (field == "libc" and not value)):
            names = [wanted] if isinstance(wanted, str) else wanted
            demands.append(f"{field} {' or '.join(names)}")
    return ", ".join(demands)


def unsupported_engines(declared: Declared, engines: Engines) -> str:
    """The engines that the package demands and does not get, for example ``node >=30``; empty if all is well."""
    if not isinstance(declared.engines, dict):
        return ""
    return ", ".join(
        f"{engine} {wanted}"
        for engine, version in engines.versions().items()
        if (wanted := declared.engines.get(engine)) and not _supports(version, wanted)
    )


# a few dozen ranges stand in thousands of packages
@lru_cache(maxsize=4096)
def _supports(version: str, wanted: str) -> bool:
    # which platform this is is asked more often, and without need for ranges
    from pmpipe.npm.semver import satisfies

    return satisfies(version, wanted, include_prerelease=True, loose=False)


def _is_listed(value: str, wanted: list[str] | str) -> bool:
    names = [wanted] if isinstance(wanted, str) else wanted
    if names == ["any"]:
        return True
    if f"!{value}" in names:
        return False
    return value in names or all(name.startswith("!") for name in names)
