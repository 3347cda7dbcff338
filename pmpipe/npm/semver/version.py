"""One version of a package: reading it, writing it, and its place in the order of versions.

A version is compared by its *key*, one flat tuple, so that the order of versions is the order of tuples and costs no
Python call::

    1.2.3           (1, 2, 3, 1)
    1.2.3-rc.1      (1, 2, 3, 0, 1, "rc", 0, 1)
    1.2.3-rc.1.x    (1, 2, 3, 0, 1, "rc", 0, 1, 1, "x")

The fourth element puts a release above its prereleases; then each identifier of the prerelease takes two elements, its
kind (0 a number, 1 a word: numbers come first) and itself; a longer tuple comes after the one it extends. Build
metadata takes no part.

Source: semver.org 2.0.0 for the order, npm's ``semver`` for the loose grammar and its limits.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import NewType

import msgspec

#: A version as npm prints it: no ``v``, no spaces, no build metadata.
VersionText = NewType("VersionText", str)

#: An element is an int or a str, but which one is known from its position alone.
VersionKey = tuple[int | str, ...]

#: The largest integer that JavaScript's numbers hold exactly; a larger major, minor or patch makes a version invalid.
MAX_SAFE_INTEGER = 2**53 - 1

#: Longer texts are no versions, whatever they hold (counted before spaces are trimmed).
MAX_VERSION_CHARACTERS = 256

#: Exactly what JavaScript's ``trim()`` and ``\s`` take for a space. Python's own idea of it differs in six characters.
SPACES = "\t\n\v\f\r \u00a0\u1680" + "".join(map(chr, range(0x2000, 0x200B))) + "\u2028\u2029\u202f\u205f\u3000\ufeff"

# Repetitions are bounded as in npm, which makes some overlong identifiers invalid.
_WORD = "[0-9]{0,256}[a-zA-Z-][a-zA-Z0-9-]{0,250}"
_BUILD_ID = "[a-zA-Z0-9-]{1,250}"
STRICT_NUMBER = "0|[1-9][0-9]{0,256}"
LOOSE_NUMBER = "[0-9]{1,256}"
BUILD = rf"(?:\+({_BUILD_ID}(?:\.{_BUILD_ID})*))"


def _prerelease(dash: str, number: str) -> str:
    identifier = f"(?:{_WORD}|{number})"
    return rf"(?:{dash}({identifier}(?:\.{identifier})*))"


STRICT_PRERELEASE = _prerelease("-", STRICT_NUMBER)
LOOSE_PRERELEASE = _prerelease("-?", LOOSE_NUMBER)
STRICT_VERSION = rf"v?({STRICT_NUMBER})\.({STRICT_NUMBER})\.({STRICT_NUMBER}){STRICT_PRERELEASE}?{BUILD}?"
LOOSE_VERSION = rf"[v={SPACES}]*({LOOSE_NUMBER})\.({LOOSE_NUMBER})\.({LOOSE_NUMBER}){LOOSE_PRERELEASE}?{BUILD}?"

# A whole repository's packuments share most of their version texts; this many bound the memory at some 20 MB.
_CACHED_VERSIONS = 1 << 16


@lru_cache(maxsize=2)
def _version_pattern(loose: bool) -> re.Pattern[str]:
    return re.compile(LOOSE_VERSION if loose else STRICT_VERSION)


class _HugeNumber(int):
    """A numeric identifier at or above `MAX_SAFE_INTEGER`, as JavaScript sees it: a text that compares as a double.

    Two such identifiers are the same only if their texts are; if just the doubles agree, neither version is above the
    other, whatever follows. Tuples look for the first pair that is not equal and then order by it, which is this rule.
    """

    text: str

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _HugeNumber) and self.text == other.text

    def __ne__(self, other: object) -> bool:
        return not self == other

    def __hash__(self) -> int:
        return hash(self.text)

    def __str__(self) -> str:
        return self.text


class Version(msgspec.Struct, frozen=True, eq=False, gc=False):
    """A parsed version; ordered and equal by precedence, so build metadata is ignored.

    Attributes:
        key: the place in the order of versions, see the module's text. The first three elements are major, minor and
            patch, the fourth is 1 for a release and 0 for a prerelease.
        text: the version as npm prints it.
        build: the build metadata without its ``+``, or an empty string.
        has_huge_number: an identifier of the prerelease is beyond JavaScript's integers. Only such versions can be
            unequal and yet neither above nor below each other.
    """

    key: VersionKey
    text: VersionText
    build: str = ""
    has_huge_number: bool = False

    @property
    def is_prerelease(self) -> bool:
        """Whether it has a prerelease part."""
        return not self.key[3]

    @property
    def prerelease(self) -> VersionKey:
        """The identifiers of the prerelease: int for numbers, str for words; empty for a release."""
        return self.key[5::2]

    def compare(self, other: Version) -> int:
        """Give -1, 0 or 1 where this version is below, level with or above the other."""
        return (self.key > other.key) - (self.key < other.key)

    def __str__(self) -> str:
        return self.text

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Version) and self.key == other.key

    def __hash__(self) -> int:
        return hash(self.key)

    def __lt__(self, other: Version) -> bool:
        return self.key < other.key

    def __le__(self, other: Version) -> bool:
        return self.key <= other.key

    def __gt__(self, other: Version) -> bool:
        return self.key > other.key

    def __ge__(self, other: Version) -> bool:
        return self.key >= other.key


FIRST_RELEASE = Version((0, 0, 0, 1), VersionText("0.0.0"))
#: The lowest of all versions.
FIRST_PRERELEASE = Version((0, 0, 0, 0, 0, 0), VersionText("0.0.0-0"))


def _identifier(text: str) -> int | str:
    if not text.isdigit():
        return text
    number = int(text)
    if number < MAX_SAFE_INTEGER:
        return number
    huge = _HugeNumber(float(text))
    huge.text = text
    return huge


def _read_prerelease(numbers: tuple[int, int, int], prerelease: str, build: str) -> Version:
    identifiers = [_identifier(text) for text in prerelease.split(".")]
    key: list[int | str] = [*numbers, 0]
    for identifier in identifiers:
        key += (int(isinstance(identifier, str)), identifier)
    printed = VersionText("{}.{}.{}-{}".format(*numbers, ".".join(map(str, identifiers))))
    return Version(tuple(key), printed, build, any(isinstance(part, _HugeNumber) for part in identifiers))


def _read_version(text: str, loose: bool) -> Version | None:
    if len(text) > MAX_VERSION_CHARACTERS:
        return None
    found = _version_pattern(loose).fullmatch(text.strip(SPACES))
    if found is None:
        return None
    major_text, minor_text, patch_text, prerelease, build = found.groups("")
    major, minor, patch = int(major_text), int(minor_text), int(patch_text)
    if max(major, minor, patch) > MAX_SAFE_INTEGER:
        return None
    if prerelease:
        return _read_prerelease((major, minor, patch), prerelease, build)
    return Version((major, minor, patch, 1), VersionText(f"{major}.{minor}.{patch}"), build)


# One cache per grammar: a cache with a single argument needs no tuple for its key, which is half of a look-up's time.
@lru_cache(maxsize=_CACHED_VERSIONS)
def loose_version(text: str) -> Version | None:
    """Read a version by the loose grammar, or give None; cached."""
    return _read_version(text, loose=True)


@lru_cache(maxsize=_CACHED_VERSIONS)
def strict_version(text: str) -> Version | None:
    """Read a version by the strict grammar, or give None; cached."""
    return _read_version(text, loose=False)


def parse_version(text: str, loose: bool = True) -> Version | None:
    """Read a version.

    Args:
        text: for example ``1.2.3-rc.1+build``, with or without a leading ``v``; spaces around it are ignored.
        loose: accept what npm accepts in registry data: ``=v1.2.3``, ``01.2.3``, ``1.2.3beta``.

    Returns:
        the version, or None where npm calls the text invalid; the same object for the same text while it is cached.
    """
    return loose_version(text) if loose else strict_version(text)


def is_version_shaped(text: str, loose: bool) -> bool:
    """Tell whether the grammar alone accepts the text, whatever its length and the size of its numbers."""
    return _version_pattern(loose).fullmatch(text) is not None


def compare(first: Version, second: Version) -> int:
    """Give -1, 0 or 1 where the first version is below, level with or above the second."""
    return first.compare(second)
