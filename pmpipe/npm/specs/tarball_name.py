"""The package and version that a tarball's address names, as far as registries and people keep to the custom.

Source: npm's ``@npmcli/arborist``, ``version-from-tgz.js``.
"""

from __future__ import annotations

import re

import msgspec

from pmpipe.npm.semver import parse_version
from pmpipe.npm.texts.url import InvalidUrlError, parse_url

_SLASH = re.compile(r"/|%2f", re.IGNORECASE)
_SUFFIX = ".tgz"


class NamedVersion(msgspec.Struct, frozen=True):
    """One version of one package."""

    name: str
    version: str


def named_by_tarball(name: str, tarball: str) -> NamedVersion | None:
    """What the address of a tarball names, or None if it does not end in a name and a version.

    Args:
        name: of the dependency, which files that are not at a registry are compared with.
        tarball: a URL, where ``/@scope/name/-/name-1.2.3.tgz`` tells the name, or a file's path.
    """
    base = tarball.rpartition("/")[2]
    if not base.endswith(_SUFFIX):
        return None
    if tarball.startswith(("http:/", "https:/")):
        *before, after = _path_of(tarball)[1:].split("/-/")
        if before and after == base:
            return _named(base, before[-1])
    return _named(base, name)


def _path_of(url_text: str) -> str:
    """The path of a URL; empty if there is none. What has to be repaired first names what it names when repaired."""
    try:
        return parse_url(url_text).path
    except InvalidUrlError:
        from pmpipe.npm.specs.whatwg_url import parse_whatwg_url

        url = parse_whatwg_url(url_text)
        return "" if url is None else url.path


def _named(base: str, full_name: str) -> NamedVersion | None:
    parts = _SLASH.split(full_name)
    project, scope = parts[-1], parts[-2] if len(parts) > 1 else ""
    if not base.startswith(f"{project}-"):
        return None
    version = parse_version(base[len(project) + 1 : -len(_SUFFIX)], loose=False)
    if version is None:
        return None
    return NamedVersion(f"{scope}/{project}" if scope.startswith("@") else project, str(version))
