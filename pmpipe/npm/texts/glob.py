"""Patterns for folders as npm's ``workspaces`` field has them: ``*``, ``**``, ``?``, ``[…]``, ``{a,b}``, ``@(a|b)``.

Only matching, no file system. Names that begin with a dot are matched by nothing but a dot in the pattern.

Source: npm's ``minimatch`` and ``@npmcli/map-workspaces``.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from functools import lru_cache

import msgspec

from pmpipe.npm.texts.braces import expand

ANY_DEPTH = "**"
_MAGIC = re.compile(r"[*?\[{]|[@+!]\(")
_LONGEST_PATTERN = 4096
_MOST_ALTERNATIVES = 10_000
#: A pattern with more parts matches nothing: no project is that deep.
_MOST_SEGMENTS = 200


class WorkspacePatterns(msgspec.Struct, frozen=True):
    """The patterns of a ``workspaces`` field, sorted.

    Attributes:
        wanted: patterns for folders, without ``./`` in front.
        unwanted: patterns for what is left out; written with ``!`` in the field.
    """

    wanted: tuple[str, ...]
    unwanted: tuple[str, ...]


def sort_patterns(patterns: Iterable[str]) -> WorkspacePatterns:
    """Tell the wanted from the unwanted patterns.

    An unwanted pattern ends the effect of the wanted ones it matches, and a later wanted one that it matches takes its
    own effect away: ``["packages/*", "!packages/b/**", "packages/b/a"]`` brings ``packages/b/a`` back, and all else
    in ``packages/b`` with it.
    """
    wanted: list[str] = []
    unwanted: list[str] = []
    for pattern in patterns:
        if pattern.count("/") > _MOST_SEGMENTS:
            continue
        marks = len(pattern) - len(pattern.lstrip("!"))
        plain = re.sub(r"^\.?/+", "", pattern[marks:].replace("\\", "/"))
        if marks % 2:
            unwanted.append(plain)
        else:
            unwanted = [other for other in unwanted if not matches(plain, other)]
            wanted.append(plain)
    wanted = [pattern for pattern in wanted if not any(matches(pattern, other) for other in unwanted)]
    return WorkspacePatterns(tuple(wanted), tuple(unwanted))


def matches(path: str, pattern: str, *, dot: bool = False) -> bool:
    """Whether a path with forward slashes, as a whole, fits the pattern.

    Args:
        path: for example ``packages/a``.
        pattern: see the module.
        dot: wildcards match names that begin with a dot too.
    """
    parts = path.strip("/").split("/")
    return any(_match_parts(parts, wanted, dot) for wanted in _alternatives(pattern))


def segments(pattern: str) -> tuple[str, ...]:
    """The parts of a pattern without braces; empty parts and ``.`` do not count, nor does ``**`` behind another one."""
    parts = [part for part in pattern.split("/") if part not in {"", "."}]
    pairs = zip(parts, ["", *parts], strict=False)
    return tuple(part for part, before in pairs if not part == before == ANY_DEPTH)


def has_magic(segment: str) -> bool:
    """Whether a part of a pattern is more than a name."""
    return _MAGIC.search(segment) is not None


def part_matches(name: str, segment: str, *, dot: bool = False) -> bool:
    """Whether one folder's name fits one part of a pattern, other than ``**``."""
    if name.startswith(".") and not dot and not segment.startswith("."):
        return False
    return _compiled(segment).fullmatch(name) is not None


@lru_cache(maxsize=16)
def _alternatives(pattern: str) -> tuple[tuple[str, ...], ...]:
    return tuple(segments(one) for one in expand_braces(pattern))


def _match_parts(parts: Sequence[str], wanted: Sequence[str], dot: bool) -> bool:
    # all places in the pattern that the path may have got to so far
    places = _with_skipped(0, wanted)
    for part in parts:
        following: set[int] = set()
        for place in places:
            if place == len(wanted):
                continue
            if wanted[place] != ANY_DEPTH:
                if part_matches(part, wanted[place], dot=dot):
                    following |= _with_skipped(place + 1, wanted)
            elif dot or not part.startswith("."):
                following |= _with_skipped(place, wanted)
        places = following
    return len(wanted) in places


def _with_skipped(place: int, wanted: Sequence[str]) -> set[int]:
    """A place in a pattern, and those behind it if ``**`` stands for nothing there."""
    reached = {place}
    while place < len(wanted) and wanted[place] == ANY_DEPTH:
        place += 1
        reached.add(place)
    return reached


# -- braces -------------------------------------------------------------------------------------------------------


def expand_braces(pattern: str) -> list[str]:
    """All patterns that one with braces stands for: ``{a,b}/{1..2}`` is four. Too many of them are not expanded."""
    if len(pattern) > _LONGEST_PATTERN:
        return [pattern]
    expanded = expand(pattern, _MOST_ALTERNATIVES + 1)
    return expanded if len(expanded) <= _MOST_ALTERNATIVES else [pattern]


# -- one part as a regular expression -----------------------------------------------------------------------------

_GROUP = re.compile(r"([@+*?!])\(([^()]*)\)")
_CLASS = re.compile(r"\[(?:([!^])|(?![!^]))(\]?[^\]]+)\]")
_NOTHING = "(?!)"
_REPEAT = {"@": "", "+": "+", "*": "*", "?": "?"}


@lru_cache(maxsize=256)
def _compiled(segment: str) -> re.Pattern[str]:
    return re.compile(_expression(segment), re.DOTALL)


def _expression(segment: str) -> str:
    out: list[str] = []
    position = 0
    while position < len(segment):
        group = _GROUP.match(segment, position)
        one_of = _CLASS.match(segment, position)
        if group is not None:
            choices = "|".join(_expression(choice) for choice in group[2].split("|"))
            rest = _expression(segment[group.end() :])
            if group[1] == "!":
                # what stands for the group must not be one of the choices, up to where the rest begins
                out.append(rf"(?!(?:{choices}){rest}\Z).*?{rest}")
                return "".join(out)
            out.append(f"(?:{choices}){_REPEAT[group[1]]}")
            position = group.end()
        elif one_of is not None:
            out.append(_one_of(one_of[2], "^" if one_of[1] else ""))
            position = one_of.end()
        else:
            out.append({"*": ".*", "?": "."}.get(segment[position]) or re.escape(segment[position]))
            position += 1
    return "".join(out)


def _one_of(inside: str, negation: str) -> str:
    escaped = inside.replace("\\", "\\\\").replace("[", "\\[").replace("]", "\\]")
    try:
        re.compile(f"[{negation}{escaped}]")
    except re.error:
        # a range that goes backwards: minimatch lets it match nothing
        return _NOTHING
    return f"[{negation}{escaped}]"
