"""One token of a range, such as ``^1.2.3``, ``~1.x`` or ``>=2``, read into the plain comparators it stands for.

Tokens are what is left of a range after ``||``, hyphens and needless spaces are gone: a token holds no space. Most
match one pattern, *operator, major, minor, patch, prerelease*, and are worked out from those five texts. Numbers stay
texts here, because npm's answer to a bad range depends on what the text of a comparator would have been.

Source: npm's ``semver``, ``classes/range.js``.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import NamedTuple

from pmpipe.npm.semver.version import (
    BUILD,
    LOOSE_NUMBER,
    LOOSE_PRERELEASE,
    STRICT_NUMBER,
    STRICT_PRERELEASE,
)


class Part(NamedTuple):
    """A comparator that has not been checked yet: an operator (``<``, ``<=``, ``>``, ``>=``, ``=`` or none) and a text.

    The text should be a version; if it is empty, every version passes.
    """

    operator: str
    text: str


class Dialect(NamedTuple):
    """How a range is read; npm's two options.

    Attributes:
        loose: accept what npm accepts in registry data, and pass over tokens that make no sense.
        include_prerelease: prereleases count as ordinary versions, so lower bounds begin at ``-0``.
    """

    loose: bool
    include_prerelease: bool


#: Every version passes.
ANYTHING = Part("", "")
#: No version passes.
NOTHING = Part("<", "0.0.0-0")

_FIRST_DOUBLE_WITH_EXPONENT = 1e21


def x_range_pattern(loose: bool, spaces: str = "") -> str:
    """The pattern of a version with parts missing or ``x``; groups: major, minor, patch, prerelease, build."""
    part = f"({LOOSE_NUMBER if loose else STRICT_NUMBER}|[xX*])"
    prerelease = LOOSE_PRERELEASE if loose else STRICT_PRERELEASE
    return rf"[v={spaces}]*{part}(?:\.{part}(?:\.{part}{prerelease}?{BUILD}?)?)?"


@lru_cache(maxsize=2)
def _token_pattern(loose: bool) -> re.Pattern[str]:
    return re.compile(rf"(\^|~>?|[<>]?=?){x_range_pattern(loose)}")


def is_x(text: str | None) -> bool:
    """Whether a part of a version is missing or a placeholder, and so stands for any number."""
    return not text or text in "xX*"


def increment(number: str) -> str:
    """The text of a number plus one as JavaScript computes and prints it.

    Beyond 2**53 the digits do not matter (the comparator is refused), but from 1e21 on they come with an exponent, and
    that is no version, which is a different error.
    """
    if float(number) < _FIRST_DOUBLE_WITH_EXPONENT:
        return str(int(number) + 1)
    return repr(float(number) + 1)


def expand(token: str, dialect: Dialect) -> list[Part]:
    """The parts that must all hold for a token to hold; a token that makes no sense gives a part that is no version."""
    found = _token_pattern(dialect.loose).fullmatch(token)
    if found is None:
        return [_remains(token)]
    operator, major, minor, patch, prerelease, _build = found.groups()
    lowest = "-0" if dialect.include_prerelease else ""
    if operator == "^":
        return _caret(major, minor, patch, prerelease, lowest)
    if operator.startswith("~"):
        return _tilde(major, minor, patch, prerelease, lowest)
    if not is_x(patch) and not is_x(major) and not is_x(minor):
        return [Part(operator, token[len(operator) :])]
    return _x_range(operator, major, minor, patch, lowest)


def _remains(token: str) -> Part:
    """What npm leaves of a token that has no known form: the first star goes, with an operator in front of it."""
    if "*" in token:
        token = re.sub(r"[<>]?=?\*", "", token, count=1)
    operator = token[: 2 if token[:2] in ("<=", ">=") else token[:1] in ("<", ">", "=")]
    return Part(operator, token[len(operator) :])


def _from(lower: str, upper: str) -> list[Part]:
    return [Part(">=", lower), Part("<", f"{upper}-0")]


def _exact(major: str, minor: str, patch: str, prerelease: str | None) -> str:
    return f"{major}.{minor}.{patch}-{prerelease}" if prerelease else f"{major}.{minor}.{patch}"


def _caret(major: str, minor: str | None, patch: str | None, prerelease: str | None, lowest: str) -> list[Part]:
    """``^``: whatever keeps the leftmost part that is not zero."""
    if is_x(major):
        return [ANYTHING]
    next_major = f"{increment(major)}.0.0"
    if minor is None or is_x(minor):
        return _from(f"{major}.0.0{lowest}", next_major)
    # "00" is not "0" here, in npm neither
    next_minor = f"{major}.{increment(minor)}.0" if major == "0" else next_major
    if patch is None or is_x(patch):
        return _from(f"{major}.{minor}.0{lowest}", next_minor)
    lower = _exact(major, minor, patch, prerelease)
    if major == "0" and minor == "0":
        return _from(lower, f"0.0.{increment(patch)}")
    return _from(lower, next_minor)


def _tilde(major: str, minor: str | None, patch: str | None, prerelease: str | None, lowest: str) -> list[Part]:
    """``~``: whatever keeps the minor, or the major if that is all there is."""
    if is_x(major):
        return [ANYTHING]
    if minor is None or is_x(minor):
        return _from(f"{major}.0.0{lowest}", f"{increment(major)}.0.0")
    next_minor = f"{major}.{increment(minor)}.0"
    if patch is None or is_x(patch):
        return _from(f"{major}.{minor}.0{lowest}", next_minor)
    return _from(_exact(major, minor, patch, prerelease), next_minor)


def _x_range(operator: str, major: str, minor: str | None, patch: str | None, lowest: str) -> list[Part]:
    """A version with a part missing, after any of ``<``, ``<=``, ``>``, ``>=``, ``=`` or nothing."""
    if is_x(major):
        if not is_x(minor) or (patch and not is_x(patch)):
            return [Part(operator, f"{major}.{minor}.{patch}")]
        return [NOTHING if operator in ("<", ">") else ANYTHING]
    if minor is None or is_x(minor):
        if patch and not is_x(patch):
            return [Part(operator, f"{major}.{minor}.{patch}")]
        here, beyond = f"{major}.0.0", f"{increment(major)}.0.0"
    else:
        here, beyond = f"{major}.{minor}.0", f"{major}.{increment(minor)}.0"
    if operator in ("", "="):
        return _from(f"{here}{lowest}", beyond)
    if operator == ">":
        return [Part(">=", f"{beyond}{lowest}")]
    if operator == ">=":
        return [Part(">=", f"{here}{lowest}")]
    return [Part("<", f"{beyond if operator == '<=' else here}-0")]
