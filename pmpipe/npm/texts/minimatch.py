"""Patterns for paths as npm's tools write them (``files``, ``.npmignore``, ``workspaces``), matched as minimatch does.

With the options that npm-packlist uses: case does not matter, a leading dot is nothing special, a pattern of one
segment is compared with the last segment of a path, and a leading ``!`` is kept apart (`Pattern.negated`) for the
caller.

A pattern is expanded at its braces and split at its slashes; ``**`` stands for any number of segments. All alternatives
together become two regular expressions, one for last segments and one for whole paths. Whether something below a folder
could match is decided segment by segment.

Source: minimatch 10 (`match`, `matchOne`), Bash's manual on braces and extended globs.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from functools import lru_cache

import msgspec

from pmpipe.npm.texts.braces import expand

#: A pattern may expand to so many at its braces; the rest is ignored.
_MAXIMUM_ALTERNATIVES = 1000

#: Longer patterns match nothing: no honest one is like that.
_MAXIMUM_LENGTH = 1 << 12

_SLASHES = re.compile("/+")
_POSIX_CLASSES = {
    "alnum": "0-9A-Za-z",
    "alpha": "A-Za-z",
    "ascii": r"\x00-\x7f",
    "blank": r" \t",
    "cntrl": r"\x00-\x1f\x7f",
    "digit": "0-9",
    "graph": r"\x21-\x7e",
    "lower": "a-z",
    "print": r"\x20-\x7e",
    "punct": r"!-/:-@\[-`{-~",
    "space": r"\s",
    "upper": "A-Z",
    "word": r"\w",
    "xdigit": "A-Fa-f0-9",
}
_SEGMENT_END = r"(?:/|\Z)"
_EXTENDED = "!?+*@"
_REPEAT = {"?": "?", "+": "+", "*": "*", "@": ""}

#: One segment: its regular expression, compiled; None stands for ``**``.
Segment = re.Pattern[str] | None


class Pattern(msgspec.Struct, frozen=True):
    """One pattern.

    Attributes:
        negated: it had an odd number of ``!`` in front.
        is_relative: one of the alternatives has a single segment, a slash at its end left aside.
        base: matches a path's last segment as the alternatives of one segment do; None if there are none.
        path: matches a whole path as the others do; None if there are none.
        alternatives: the others, as segments.
    """

    negated: bool
    is_relative: bool
    base: re.Pattern[str] | None
    path: re.Pattern[str] | None
    alternatives: tuple[tuple[Segment, ...], ...]

    def matches(self, path: str) -> bool:
        """Whether the pattern, its ``!`` left aside, matches a path, which may begin and end with a slash."""
        if self.base is not None and self.base.fullmatch(path.rstrip("/").rpartition("/")[2]):
            return True
        return self.path is not None and self.path.fullmatch(path) is not None

    def may_match_below(self, path: str) -> bool:
        """Whether it matches the path, or could match one that goes on from there."""
        parts = path.split("/")
        return self.matches(path) or any(_starts(segments, parts) for segments in self.alternatives)


@lru_cache(maxsize=4096)
def compile_pattern(text: str) -> Pattern:
    """A pattern from its text, which has no spaces around it and is no comment."""
    bare = text.lstrip("!")
    negated = (len(text) - len(bare)) % 2 == 1
    if not bare or len(bare) > _MAXIMUM_LENGTH:
        return Pattern(negated, False, None, None, ())
    split = [_simplified(_SLASHES.split(one)) for one in expand_braces(bare)]
    is_relative = any(len(parts) <= (1 if parts[-1] else 2) for parts in split)
    longer = [parts for parts in split if len(parts) > 1]
    return Pattern(
        negated,
        is_relative,
        _any_of(_segment_expression(parts[0]) if parts != ["**"] else ".+" for parts in split if len(parts) == 1),
        _any_of(map(_path_expression, longer)),
        tuple(
            tuple(None if part == "**" else _compiled(_segment_expression(part)) for part in parts) for parts in longer
        ),
    )


def _any_of(expressions: Iterable[str]) -> re.Pattern[str] | None:
    joined = "|".join(dict.fromkeys(expressions))
    return _compiled(joined) if joined else None


def _compiled(expression: str) -> re.Pattern[str]:
    return re.compile(expression, re.IGNORECASE | re.DOTALL)


def expand_braces(text: str) -> list[str]:
    """All that ``a{b,c}d`` and ``a{1..3}`` stand for, in order; what is no such expression stays as it is."""
    return expand(text, _MAXIMUM_ALTERNATIVES)


def _simplified(parts: list[str]) -> list[str]:
    """Without a second ``**`` beside one, and without ``x/..``."""
    kept: list[str] = []
    for part in parts:
        previous = kept[-1] if kept else ""
        if part == "**" and previous == "**":
            continue
        if part == ".." and previous not in {"", "..", ".", "**"}:
            kept.pop()
            continue
        kept.append(part)
    return kept or [""]


def _path_expression(parts: list[str]) -> str:
    """A regular expression for whole paths."""
    expression = ""
    for part in parts[:-1]:
        expression += "(?:[^/]*/)*?" if part == "**" else _segment_expression(part) + "/"
    # ** at the end stands for at least one segment, anything else also matches the folder of its name
    return expression + (".*" if parts[-1] == "**" else _segment_expression(parts[-1]) + "/?")


def _starts(segments: tuple[Segment, ...], parts: Sequence[str]) -> bool:
    """Whether the path so far is a start of what the segments match."""
    # a path below can always go on in a way that suits what follows a **
    head = segments[: segments.index(None)] if None in segments else segments
    if len(parts) > len(head) and len(head) == len(segments):
        return False
    return all(
        segment is not None and segment.fullmatch(part) is not None for segment, part in zip(head, parts, strict=False)
    )


@lru_cache(maxsize=4096)
def _segment_expression(text: str) -> str:
    body = "[^/]+" if text and not text.strip("*") else _translate(text, nested=False)
    if any(character in text for character in "*?[(") and text not in {".", ".."}:
        # no wildcard ever stands for the folder itself or its parent
        body = rf"(?!\.{{1,2}}{_SEGMENT_END})" + body
    return body


def _translate(text: str, *, nested: bool) -> str:
    """One segment, or one branch of an extended glob, as a regular expression."""
    parts: list[str] = []
    index = 0
    while index < len(text):
        character = text[index]
        if character in _EXTENDED and (end := _closing(text, index + 1)):
            parts.append(_extended(character, text[index + 2 : end - 1], text[end:], nested=nested))
            index = end
        elif character == "[" and (found := _bracket(text, index)):
            expression, index = found
            parts.append(expression)
        elif character == "\\" and index + 1 < len(text):
            parts.append(re.escape(text[index + 1]))
            index += 2
        else:
            index += 1
            if character == "*":
                while text[index : index + 1] == "*" and not _closing(text, index + 1):
                    index += 1
            parts.append({"*": "[^/]*?", "?": "[^/]"}.get(character) or re.escape(character))
    return "".join(parts)


def _closing(text: str, start: int) -> int:
    """The end of the parentheses that open at `start`, or 0 if there are none."""
    if text[start : start + 1] != "(":
        return 0
    depth = 0
    for index in range(start, len(text)):
        depth += {"(": 1, ")": -1}.get(text[index], 0)
        if not depth:
            return index + 1
    return 0


def _extended(kind: str, inside: str, following: str, *, nested: bool) -> str:
    branches = "|".join(_translate(branch, nested=True) for branch in _branches(inside))
    if kind != "!":
        return f"(?:{branches}){_REPEAT[kind]}"
    # "not this, with what follows": only so does !(a)b say no to ab and yes to aab
    rest = "" if nested else _translate(following, nested=True) + _SEGMENT_END
    return f"(?:(?!(?:{branches}){rest})[^/]*?)"


def _branches(inside: str) -> list[str]:
    branches = [""]
    depth = 0
    for character in inside:
        depth += {"(": 1, ")": -1}.get(character, 0)
        if character == "|" and not depth:
            branches.append("")
        else:
            branches[-1] += character
    return branches


def _bracket(text: str, start: int) -> tuple[str, int] | None:
    """A bracket expression and where it ends, or None if the bracket is just a character."""
    index = start + 1
    negated = text[index : index + 1] in {"!", "^"}
    index += negated
    content = ""
    first = True
    while index < len(text) and (first or text[index] != "]"):
        first = False
        if named := re.match(r"\[:([a-z]+):\]", text[index:]):
            content += _POSIX_CLASSES.get(named[1], "")
            index += named.end()
            continue
        if text[index] == "\\" and index + 1 < len(text):
            index += 1
        content += "-" if text[index] == "-" else re.escape(text[index])
        index += 1
    if index >= len(text) or not content:
        return None
    expression = f"(?!/)[{'^' if negated else ''}{content}]"
    try:
        re.compile(expression)
    except re.error:
        # a range that goes backwards: minimatch lets it match nothing
        expression = r"(?!)"
    return expression, index + 1
