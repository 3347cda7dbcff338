"""npm's idea of semantic versions: the package to import; its parts are its modules.

Versions and ranges are read once and kept, so that ``satisfies("1.2.3", "^1.0.0")`` costs about half a microsecond the
next time. Everything is loose unless told otherwise, as npm is with what comes from registries and manifests.

Source: npm's ``semver`` 7.8.
"""

from __future__ import annotations

from collections.abc import Iterable

from pmpipe.npm.semver.plain import plainly_satisfies
from pmpipe.npm.semver.range import Comparator, ComparatorSet, Range, parse_range, read_range
from pmpipe.npm.semver.relations import intersects, subset
from pmpipe.npm.semver.token import Dialect
from pmpipe.npm.semver.version import (
    MAX_SAFE_INTEGER,
    MAX_VERSION_CHARACTERS,
    Version,
    VersionKey,
    VersionText,
    compare,
    loose_version,
    parse_version,
    strict_version,
)

__all__ = [
    "MAX_SAFE_INTEGER",
    "MAX_VERSION_CHARACTERS",
    "Comparator",
    "ComparatorSet",
    "Range",
    "Version",
    "VersionKey",
    "VersionText",
    "compare",
    "intersects",
    "max_satisfying",
    "parse_range",
    "parse_version",
    "plainly_satisfies",
    "satisfies",
    "subset",
    "valid_range",
    "valid_version",
]

_LOOSE = Dialect(loose=True, include_prerelease=False)


def satisfies(version: str, range_text: str, *, include_prerelease: bool = False, loose: bool = True) -> bool:
    """Tell whether a version satisfies a range; False if either text is invalid.

    Args:
        version: for example ``1.2.3``.
        range_text: for example ``^1.0.0 || 2.x``.
        include_prerelease: let prereleases count as ordinary versions.
        loose: read both by the loose grammar.
    """
    parsed = loose_version(version) if loose else strict_version(version)
    if parsed is None:
        return False
    dialect = _LOOSE if loose and not include_prerelease else Dialect(loose, include_prerelease)
    parsed_range = read_range(range_text, dialect)
    return parsed_range is not None and parsed_range.test(parsed)


def max_satisfying(
    versions: Iterable[str], range_text: str, *, include_prerelease: bool = False, loose: bool = True
) -> str | None:
    """The highest of the versions that satisfies a range, as it was given.

    Invalid versions are passed over. Of versions that are level (they differ in build metadata), the first one wins.

    Returns:
        an element of `versions`; None if none satisfies the range, or the range is invalid.
    """
    parsed_range = parse_range(range_text, loose, include_prerelease)
    if parsed_range is None:
        return None
    best: str | None = None
    best_parsed: Version | None = None
    for text in versions:
        parsed = parse_version(text, loose)
        if parsed is None or (best_parsed is not None and parsed.key <= best_parsed.key):
            continue
        if parsed_range.test(parsed):
            best, best_parsed = text, parsed
    return best


def valid_range(text: str, *, include_prerelease: bool = False, loose: bool = True) -> str | None:
    """The range as npm prints it (``*`` for "any version"), or None if the text is no range."""
    parsed_range = parse_range(text, loose, include_prerelease)
    return None if parsed_range is None else str(parsed_range) or "*"


def valid_version(text: str, *, loose: bool = True) -> VersionText | None:
    """The version as npm prints it, without build metadata, or None if the text is no version."""
    parsed = parse_version(text, loose)
    return None if parsed is None else parsed.text
