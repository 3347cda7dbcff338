"""Names of packages: which ones npm accepts, and their parts.

A name becomes a folder below ``node_modules`` and a part of a URL, so every name passes through here before it is used
for either. npm has two answers: what may be published today, and what was published once and must still install.

Source: npm's ``validate-npm-package-name``.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import NewType

import msgspec

from pmpipe.npm.semver_version import SPACES

#: The name of a package, with its scope: ``react``, ``@babel/core``. It has passed `is_valid_name`.
PackageName = NewType("PackageName", str)
#: A scope with its ``@``: ``@babel``.
Scope = NewType("Scope", str)

#: The longest name that may be published today; older ones may be longer.
MAX_NAME_CHARACTERS = 214

# npm refuses it for its underscore, and could not keep it in a JavaScript object; here it is a word like any other
_HARMLESS_HERE = "__proto__"

_EXCLUDED = ("node_modules", "favicon.ico")
_CHANGES_IN_URLS = re.compile(r"[^A-Za-z0-9\-_.!~*'()]")
_SPECIAL = re.compile(r"[~'!()*]")
_SCOPED = re.compile(r"(?:@([^/]+)/)?([^/]+)")

# The modules that Node.js brings along: a package of such a name cannot be loaded by it.
_CORE_MODULES = re.compile(
    "_http_(agent|client|common|incoming|outgoing|server)|_stream_(duplex|passthrough|readable|transform|wrap|writable)"
    "|_tls_(common|wrap)|assert(/strict)?|async_hooks|buffer|child_process|cluster|console|constants|crypto|dgram"
    "|diagnostics_channel|dns(/promises)?|domain|events|fs(/promises)?|http|http2|https|inspector(/promises)?|module"
    "|net|os|path(/posix|/win32)?|perf_hooks|process|punycode|querystring|readline(/promises)?|repl"
    "|stream(/consumers|/promises|/web)?|string_decoder|sys|timers(/promises)?|tls|trace_events|tty|url|util(/types)?"
    "|v8|vm|wasi|worker_threads|zlib|node:(sea|sqlite|test|test/reporters)"
)


class NameCheck(msgspec.Struct, frozen=True):
    """What npm thinks of a name.

    Attributes:
        errors: why no package can have this name; each is a clause such as "starts with a period".
        warnings: why no package may be published under this name today, though older ones have such names.
    """

    errors: tuple[str, ...]
    warnings: tuple[str, ...]

    @property
    def is_valid(self) -> bool:
        """Whether a package with this name can be installed (npm's ``validForOldPackages``)."""
        return not self.errors

    @property
    def is_valid_for_new_packages(self) -> bool:
        """Whether a package may be published under this name today (npm's ``validForNewPackages``)."""
        return not self.errors and not self.warnings


@lru_cache(maxsize=1 << 14)
def check_name(name: str) -> NameCheck:
    """Check the name of a package as npm does; cached."""
    return NameCheck(tuple(_errors(name)), tuple(_warnings(name)))


def is_valid_name(name: str) -> bool:
    """Whether pmpipe installs a package with this name: what npm installs, and ``__proto__``."""
    return name == _HARMLESS_HERE or not check_name(name).errors


def scope_of(name: str) -> Scope | None:
    """The scope with its ``@``, or None for a name without one.

    Args:
        name: a valid name.
    """
    return Scope(name.partition("/")[0]) if name.startswith("@") else None


def escape_name(name: str) -> str:
    """The name as it stands in a registry's URL: ``@babel%2fcore``.

    Args:
        name: a valid name.
    """
    return name.replace("/", "%2f", 1)


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


def _warnings(name: str) -> list[str]:
    warnings: list[str] = []
    if _CORE_MODULES.fullmatch(name.lower()):
        warnings.append("is a module of Node.js itself")
    if len(name) > MAX_NAME_CHARACTERS:
        warnings.append(f"has more than {MAX_NAME_CHARACTERS} characters")
    if name.lower() != name:
        warnings.append("has capital letters")
    if _SPECIAL.search(name.rpartition("/")[2]):
        warnings.append("has one of the characters ~'!()*")
    return warnings
