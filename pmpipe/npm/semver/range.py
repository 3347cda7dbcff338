"""Ranges of versions: reading them, printing them as npm does, and testing versions against them fast.

A range is a choice of *comparator sets* (``||``), a set is a list of comparators that must all hold, and a comparator
is an operator and a version. What a version must fulfil is worked out when the range is read: as long as no number is
beyond JavaScript's integers, the comparators of a set cut one stretch out of the order of versions, its *window*, and a
test is two comparisons of tuples.

A prerelease passes a set only if a comparator of that same set names a prerelease of the same major, minor and patch
(unless prereleases are included): whoever asks for ``^1.2.3-rc.1`` accepts ``1.2.3-rc.2`` but not ``1.3.0-rc.1``.

Source: npm's ``semver``, ``classes/range.js`` and ``classes/comparator.js``.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import lru_cache

import msgspec

from pmpipe.npm.semver.token import ANYTHING, Dialect, Part, expand, increment, is_x, x_range_pattern
from pmpipe.npm.semver.version import (
    FIRST_PRERELEASE,
    LOOSE_VERSION,
    MAX_SAFE_INTEGER,
    SPACES,
    Version,
    VersionKey,
    is_version_shaped,
    parse_version,
)

#: Stricter than npm: the patterns below need quadratic time on hostile texts, and 20 KB of them stop npm for seconds.
#: The limit holds between two ``||``, where the longest that people write have some hundred characters.
MAX_SET_CHARACTERS = 4096

_LOWEST_KEY: VersionKey = ()
_ABOVE_ALL_KEYS: VersionKey = (MAX_SAFE_INTEGER + 1,)
# behind a key, this is above the key and below every other key that is above it
_JUST_ABOVE = -1

_CACHED_RANGES = 1 << 15


class Comparator(msgspec.Struct, frozen=True, gc=False):
    """An operator and a version.

    Attributes:
        operator: ``<``, ``<=``, ``>``, ``>=``, or an empty string for "exactly this version".
        version: what the operator is about; without meaning in `ANY`.
        text: as npm prints it; an empty string in `ANY`.
    """

    operator: str
    version: Version
    text: str

    @property
    def is_any(self) -> bool:
        """Whether every version passes."""
        return not self.text

    def test(self, version: Version) -> bool:
        """Tell whether the version is on the right side, prerelease or not."""
        if self.is_any:
            return True
        order = version.compare(self.version)
        if order == 0:
            return self.operator in ("", ">=", "<=")
        return self.operator[:1] == (">" if order > 0 else "<")


#: Every version passes.
ANY = Comparator("", FIRST_PRERELEASE, "")


class Window(msgspec.Struct, frozen=True, gc=False):
    """A stretch in the order of versions, from `lowest` (inside) to `limit` (outside).

    Attributes:
        prerelease_triples: major, minor and patch of the releases whose prereleases may pass.
    """

    lowest: VersionKey
    limit: VersionKey
    prerelease_triples: frozenset[VersionKey]


class ComparatorSet(msgspec.Struct, frozen=True, gc=False):
    """Comparators that must all hold; never empty.

    Attributes:
        comparators: in the order of the text, without doubles.
        source: the text between two ``||`` that it was read from, without build metadata.
    """

    comparators: tuple[Comparator, ...]
    source: str

    def __str__(self) -> str:
        return " ".join(comparator.text for comparator in self.comparators)

    @property
    def matches_all(self) -> bool:
        """Whether it is just ``*``."""
        return len(self.comparators) == 1 and self.comparators[0].is_any

    @property
    def matches_none(self) -> bool:
        """Whether it is the range that npm writes for "nothing"; other sets may be impossible too."""
        return self.comparators[0].text == "<0.0.0-0"

    def has_prerelease_of(self, triple: VersionKey) -> bool:
        """Whether a comparator names a prerelease of that major, minor and patch."""
        return any(
            comparator.version is not None and comparator.version.is_prerelease and comparator.version.key[:3] == triple
            for comparator in self.comparators
        )

    def test(self, version: Version, include_prerelease: bool) -> bool:
        """Test a version comparator by comparator."""
        return all(comparator.test(version) for comparator in self.comparators) and (
            include_prerelease or not version.is_prerelease or self.has_prerelease_of(version.key[:3])
        )


class Range(msgspec.Struct, frozen=True, gc=False):
    """A range that has been read; see `parse_range`.

    Attributes:
        raw: the text it was read from, trimmed, every run of spaces made one space.
        sets: the comparator sets of which one must hold; never empty.
        windows: the same, ready for `test`; empty if that takes each comparator (`needs_comparators`).
        include_prerelease: prereleases count as ordinary versions.
        needs_comparators: a comparator's prerelease has a number beyond JavaScript's integers; such versions can be
            unequal and yet level, so there is no window.
    """

    raw: str
    sets: tuple[ComparatorSet, ...]
    windows: tuple[Window, ...]
    include_prerelease: bool
    needs_comparators: bool

    def test(self, version: Version) -> bool:
        """Tell whether the version satisfies the range; some 0.2 µs for each set."""
        key = version.key
        for window in self.windows:
            if window.lowest <= key < window.limit and (
                key[3] or self.include_prerelease or key[:3] in window.prerelease_triples
            ):
                return True
        if not self.needs_comparators:
            return False
        return any(one_set.test(version, self.include_prerelease) for one_set in self.sets)

    def __str__(self) -> str:
        return "||".join(map(str, self.sets))


def parse_range(text: str, loose: bool = True, include_prerelease: bool = False) -> Range | None:
    """Read a range.

    Args:
        text: for example ``^1.2.3``, ``1.x || >=2.5.0 <3``, ``1.2 - 2``, or an empty text for "any version".
        loose: accept what npm accepts in registry data, and pass over tokens that make no sense as long as one is left.
        include_prerelease: let prereleases count as ordinary versions.

    Returns:
        the range, or None where npm calls the text invalid (a dist-tag, for example); cached.
    """
    return read_range(text, Dialect(loose, include_prerelease))


@lru_cache(maxsize=_CACHED_RANGES)
def read_range(text: str, dialect: Dialect) -> Range | None:
    """Read a range in a dialect; see `parse_range`. Cached."""
    raw = " ".join(_words(text))
    sets: list[ComparatorSet] = []
    for part in raw.split("||"):
        comparators = _read_set(part.strip(" "), dialect)
        if comparators is None:
            return None
        if comparators:
            sets.append(ComparatorSet(comparators, _without_build(part.strip(" "))))
    if not sets:
        return None
    sets = _without_needless_sets(sets)
    needs_comparators = any(
        comparator.version.has_huge_number for one_set in sets for comparator in one_set.comparators
    )
    windows = () if needs_comparators else tuple(map(_window, sets))
    return Range(raw, tuple(sets), windows, dialect.include_prerelease, needs_comparators)


def _words(text: str) -> Iterable[str]:
    # str.split() would also split at the control characters 0x1c to 0x1f and 0x85, which are no spaces to JavaScript
    if text.isascii() and text.isprintable():
        return text.split()
    return (word for word in re.split(f"[{SPACES}]+", text) if word)


def _without_build(text: str) -> str:
    if "+" not in text:
        return text
    return re.sub(r"\+[0-9A-Za-z-]+(?:\.[0-9A-Za-z-]+)*", "", text)


def _without_needless_sets(sets: list[ComparatorSet]) -> list[ComparatorSet]:
    if len(sets) == 1:
        return sets
    possible = [one_set for one_set in sets if not one_set.matches_none]
    everything = [one_set for one_set in possible if one_set.matches_all]
    return everything[:1] or possible or sets[:1]


@lru_cache(maxsize=2)
def _hyphen_pattern(loose: bool) -> re.Pattern[str]:
    side = f"({x_range_pattern(loose, SPACES)})"
    return re.compile(f" ?{side} - {side} ?")


@lru_cache(maxsize=1)
def _operator_space_pattern() -> re.Pattern[str]:
    # whatever the dialect, npm has the loose version and the strict x-range here
    return re.compile(rf"( ?)([<>]?=?) ?({LOOSE_VERSION}|{x_range_pattern(False, SPACES)})")


def _without_operator_spaces(text: str) -> str:
    """``> 1.2``, ``~ 1.2``, ``^ 1.2`` made one token each; what else happens to bad texts is as in npm."""
    text = _operator_space_pattern().sub(r"\1\2\3", text)
    if "~" in text:
        text = re.sub("( ?)~>? ", r"\1~", text)
    return re.sub(r"( ?)\^ ", r"\1^", text) if "^" in text else text


def _hyphen_to_comparators(found: re.Match[str], include_prerelease: bool) -> str:
    """``1.2 - 2.3`` as ``>=1.2.0 <2.4.0-0``."""
    lower, low_major, low_minor, low_patch, low_prerelease, _, upper, major, minor, patch, prerelease, _ = (
        found.groups()
    )
    lowest = "-0" if include_prerelease else ""
    if is_x(low_major):
        lower = ""
    elif is_x(low_minor):
        lower = f">={low_major}.0.0{lowest}"
    elif is_x(low_patch):
        lower = f">={low_major}.{low_minor}.0{lowest}"
    else:
        lower = f">={lower}{'' if low_prerelease else lowest}"
    if is_x(major):
        upper = ""
    elif is_x(minor):
        upper = f"<{increment(major)}.0.0-0"
    elif is_x(patch):
        upper = f"<{major}.{increment(minor)}.0-0"
    elif prerelease:
        upper = f"<={major}.{minor}.{patch}-{prerelease}"
    else:
        upper = f"<{major}.{minor}.{increment(patch)}-0" if include_prerelease else f"<={upper}"
    return f"{lower} {upper}".strip(" ")


def _read_set(text: str, dialect: Dialect) -> tuple[Comparator, ...] | None:
    """The comparators of the text between two ``||``; empty if none of it makes sense; None if it is an error."""
    if len(text) > MAX_SET_CHARACTERS:
        return None
    text = _without_build(text)
    if " " in text:
        if " - " in text and (hyphen := _hyphen_pattern(dialect.loose).fullmatch(text)):
            text = _hyphen_to_comparators(hyphen, dialect.include_prerelease)
        text = _without_operator_spaces(text)
    parts = [part for token in text.split(" ") for part in expand(_without_build(token), dialect)]
    # "anything" counts at the ends alone, as in npm; this decides about "garbage ^x garbage"
    parts[1:-1] = [part for part in parts[1:-1] if part != ANYTHING]
    comparators: dict[str, Comparator] = {}
    for part in parts:
        comparator = _read_comparator(part, dialect)
        if comparator is not None:
            comparators[comparator.text] = comparator
        elif not dialect.loose or is_version_shaped(part.text, loose=True):
            return None
    if "<0.0.0-0" in comparators:
        return (comparators["<0.0.0-0"],)
    if len(comparators) > 1:
        comparators.pop("", None)
    return tuple(comparators.values())


def _read_comparator(part: Part, dialect: Dialect) -> Comparator | None:
    if part == ANYTHING:
        return ANY
    # from the very first version on is the same as any version, and npm prints it so
    if part.operator == ">=" and part.text == ("0.0.0-0" if dialect.include_prerelease else "0.0.0"):
        return ANY
    version = parse_version(part.text, dialect.loose)
    if version is None:
        return None
    operator = "" if part.operator == "=" else part.operator
    return Comparator(operator, version, operator + version.text)


def _window(one_set: ComparatorSet) -> Window:
    lowest, limit = _LOWEST_KEY, _ABOVE_ALL_KEYS
    triples: set[VersionKey] = set()
    for comparator in one_set.comparators:
        if comparator.is_any:
            continue
        version = comparator.version
        at, above = version.key, (*version.key, _JUST_ABOVE)
        if comparator.operator in ("", ">", ">="):
            lowest = max(lowest, above if comparator.operator == ">" else at)
        if comparator.operator in ("", "<", "<="):
            limit = min(limit, at if comparator.operator == "<" else above)
        if version.is_prerelease:
            triples.add(version.key[:3])
    return Window(lowest, limit, frozenset(triples))
