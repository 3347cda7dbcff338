"""Names of packages: which ones npm accepts.

A name becomes a folder below ``node_modules`` and a part of a URL, so every name passes through here before it is used
for either. What npm would not let anybody publish today, and what was published once, is installed.

Source: npm's ``validate-npm-package-name``.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import NewType

from pmpipe.npm.semver.version import SPACES

#: The name of a package, with its scope: ``react``, ``@babel/core``. It has passed `is_valid_name`.
PackageName = NewType("PackageName", str)

# npm refuses it for its underscore, and could not keep it in a JavaScript object; here it is a word like any other
_HARMLESS_HERE = "__proto__"

_EXCLUDED = ("node_modules", "favicon.ico")
_CHANGES_IN_URLS = re.compile(r"[^A-Za-z0-9\-_.!~*'()]")
_SCOPED = re.compile(r"(?:@([^/]+)/)?([^/]+)")


@lru_cache(maxsize=1 << 14)
def name_errors(name: str) -> tuple[str, ...]:
    """Why no package can have this name, as npm says it; each is a clause such as "starts with a period". Cached."""
    return tuple(_errors(name))


def is_valid_name(name: str) -> bool:
    """Whether pmpipe installs a package with this name: what npm installs, and ``__proto__``."""
    return name == _HARMLESS_HERE or not name_errors(name)


@lru_cache(maxsize=1 << 15)
def name_key(name: str) -> str:
    """The name as a key: two that a filesystem may confuse, and that npm does not place side by side, have the same."""
    if name.isascii():
        return name.lower()
    from unicodedata import normalize

    return normalize("NFKD", name).lower()


def _errors(name: str) -> list[str]:
    errors: list[str] = []
    if not name:
        errors.append("is empty")
    if name.startswith("."):
        errors.append("starts with a period")
    if name.startswith("-"):
        errors.append("starts with a hyphen")
    if name.startswith("_"):
        errors.append("starts with an underscore")
    if name.strip(SPACES) != name:
        errors.append("has spaces around it")
    if name.lower() in _EXCLUDED:
        errors.append("is not allowed for packages")
    if _CHANGES_IN_URLS.search(name):
        errors += _scoped_errors(name)
    return errors


def _scoped_errors(name: str) -> list[str]:
    """The errors of a name that is not plain: with a scope it may be right all the same."""
    errors: list[str] = []
    found = _SCOPED.fullmatch(name)
    if found is not None and found[2].startswith("."):
        errors.append("has a period behind the scope")
    if found is None or found[1] is None or _CHANGES_IN_URLS.search(found[1]) or _CHANGES_IN_URLS.search(found[2]):
        errors.append("has characters that are not friendly to URLs")
    return errors
