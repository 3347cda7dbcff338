"""What patterns with braces stand for: ``{a,b}/{1..3}`` is six.

Both `pmpipe.npm.texts.glob` and `pmpipe.npm.texts.minimatch` begin with it. Braces behind a ``$`` stand for themselves,
as in a shell's ``${name}``, and so does whatever a backslash is in front of.

Source: npm's ``brace-expansion`` 5 and ``balanced-match``.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import islice

import msgspec

#: With more braces than this nothing is expanded: no honest pattern is like that, and they may be nested.
_MOST_BRACES = 64

#: Without such a pair minimatch leaves a pattern as it is, backslashes included.
_PAIR = re.compile(r"\{[^{\n]*\}")
_NUMBERS = re.compile(r"(-?\d+)\.\.(-?\d+)(?:\.\.(-?\d+))?", re.ASCII)
_LETTERS = re.compile(r"([a-zA-Z])\.\.([a-zA-Z])(?:\.\.(-?\d+))?", re.ASCII)
_PADDED = re.compile(r"-?0\d", re.ASCII)
_COMMA_BEHIND = re.compile(r",(?!,).*\}")

#: What stands for a character with a backslash in front of it until all is expanded.
_ESCAPED = {"\\": "\0S\0", "{": "\0O\0", "}": "\0C\0", ",": "\0M\0", ".": "\0P\0"}
_ESCAPES = re.compile(r"\\([\\{},.])")


class _Braces(msgspec.Struct, frozen=True):
    """A text around its first pair of braces."""

    before: str
    inside: str
    after: str


def expand(text: str, most: int) -> list[str]:
    """All that a pattern stands for, in order; what is no expression in braces stays as it is.

    Args:
        text: the pattern.
        most: so many are made; the rest is left out.
    """
    if _PAIR.search(text) is None or text.count("{") > _MOST_BRACES:
        return [text]
    if text.startswith("{}"):
        text = r"\{\}" + text[2:]
    escaped = _ESCAPES.sub(lambda found: _ESCAPED[found[1]], text)
    return [_unescaped(one) for one in _expanded(escaped, most, is_top=True)]


def _unescaped(text: str) -> str:
    for character, stand_in in _ESCAPED.items():
        text = text.replace(stand_in, character)
    return text


def _expanded(text: str, most: int, *, is_top: bool) -> list[str]:
    """From left to right, one pair of braces after the other."""
    done = [""]
    # a shell leaves out what would be empty, if the first braces have commas
    drops_empty = False
    is_first = True
    while True:
        braces = _first_braces(text)
        if braces is None:
            return _combined(done, text, [""], most, drops_empty=drops_empty)
        is_last = not braces.after
        if braces.before.endswith("$"):
            is_first = False
            values, before = [""], f"{braces.before}{{{braces.inside}}}"
        else:
            before = braces.before
            sequence = _sequence(braces.inside, most)
            if sequence is None and "," not in braces.inside:
                if _COMMA_BEHIND.search(braces.after) is None:
                    return _combined(done, text, [""], most, drops_empty=drops_empty)
                # in {a},b} the first one that closes is a letter like any other
                text = f"{before}{{{braces.inside}{_ESCAPED['}']}{braces.after}"
                is_top = True
                continue
            if is_first:
                is_first, drops_empty = False, is_top and sequence is None
            # what is left out does not count
            drops = drops_empty and is_last and not (before or any(done))
            values = _alternatives(braces.inside, most, drops_empty=drops) if sequence is None else sequence
        done = _combined(done, before, values, most, drops_empty=drops_empty and is_last)
        if is_last:
            return done
        text = braces.after


def _combined(done: Sequence[str], before: str, values: Sequence[str], most: int, *, drops_empty: bool) -> list[str]:
    made: list[str] = []
    for start in done:
        for value in values:
            if len(made) >= most:
                return made
            one = start + before + value
            if one or not drops_empty:
                made.append(one)
    return made


def _alternatives(inside: str, most: int, *, drops_empty: bool) -> list[str]:
    """What stands between the commas of one pair of braces, each expanded in turn."""
    parts = _comma_parts(inside)
    if len(parts) == 1:
        # x{{a,b}}y is x{a}y and x{b}y
        return [f"{{{one}}}" for one in _expanded(parts[0], most, is_top=False)]
    expanded = (one for part in parts for one in _expanded(part, most, is_top=False))
    return [*islice((one for one in expanded if one or not drops_empty), most)]


def _comma_parts(text: str) -> list[str]:
    """A text cut at those commas that stand in no braces."""
    parts = [""]
    while text:
        braces = _first_braces(text)
        if braces is None:
            first, *others = text.split(",")
            return [*parts[:-1], parts[-1] + first, *others]
        first, *others = braces.before.split(",")
        parts = [*parts[:-1], parts[-1] + first, *others]
        parts[-1] += f"{{{braces.inside}}}"
        text = braces.after
    return parts


def _sequence(inside: str, most: int) -> list[str] | None:
    """What ``1..3``, ``01..10``, ``a..e`` and ``1..9..2`` stand for; None if it is none."""
    letters = _LETTERS.fullmatch(inside)
    found = letters or _NUMBERS.fullmatch(inside)
    if found is None:
        return None
    first, last = (ord(found[1]), ord(found[2])) if letters else (int(found[1]), int(found[2]))
    step = max(abs(int(found[3] or 1)), 1)
    numbers = range(first, last + 1, step) if last >= first else range(first, last - 1, -step)
    if letters:
        # nothing stands in the backslash's place
        return [chr(number).replace("\\", "") for number in numbers[:most]]
    is_padded = any(_PADDED.match(one) for one in (found[1], found[2], found[3] or ""))
    width = max(len(found[1]), len(found[2])) if is_padded else 0
    return [str(number).zfill(width) for number in numbers[:most]]


def _first_braces(text: str) -> _Braces | None:
    """The first pair of braces that belong together, or of the outermost ones before one that is not closed."""
    opening = text.find("{")
    closing = text.find("}", opening + 1)
    if opening < 0 or closing < 0:
        return None
    begun: list[int] = []
    best: tuple[int, int] | None = None
    at = opening
    while at >= 0:
        if at == opening:
            begun.append(at)
            opening = text.find("{", at + 1)
        elif len(begun) == 1:
            return _cut(text, begun[0], closing)
        else:
            start = begun.pop()
            if best is None or start < best[0]:
                best = start, closing
            closing = text.find("}", at + 1)
        at = opening if 0 <= opening < closing else closing
    return _cut(text, *best) if best is not None else None


def _cut(text: str, start: int, end: int) -> _Braces:
    return _Braces(text[:start], text[start + 1 : end], text[end + 1 :])
