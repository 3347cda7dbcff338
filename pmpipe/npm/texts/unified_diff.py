"""Unified diffs: reading them, and applying one to a text, with the outcome that npm has for ``patchedDependencies``.

No line of context may differ, but a hunk may fit some lines above or below the place that it names; the nearest one
counts. Line ends are converted where text and diff are each of one kind throughout.

Source: jsdiff 8 (``diff``), ``patch/parse.js`` and ``patch/apply.js``, with a fuzz factor of 0, as npm 12 uses it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

import msgspec

#: What stands for a file that is not there before, or not after.
_NOWHERE = re.compile(r"(?:.*/)?\.dev/null|/dev/null", re.DOTALL)

_START_OF_FILE = re.compile(r"(?:---|\+\+\+|@@)\s")
_END_OF_HUNKS = re.compile(r"Index:\s|diff\s|---\s|\+\+\+\s|={67}")
_FILE_NAME = re.compile(r"(---|\+\+\+)\s+")
_HUNK = re.compile(r"@@ -(\d+)(?:,(\d+))? \+(\d+)(?:,(\d+))? @@")

#: What git writes for a file that is no text, with nothing that could be applied to one.
_BINARY = re.compile(r"GIT binary patch|Binary files .* differ")

#: "No newline at end of file", after the line that it is about.
_NO_NEWLINE = "\\"


class DiffError(Exception):
    """A diff cannot be read, or does not fit the text."""


class Hunk(msgspec.Struct, frozen=True):
    """Lines that belong together.

    Attributes:
        start: number of the first line before the change, from 1.
        length: of the lines before the change.
        lines: with a space, ``-``, ``+`` or a backslash in front; an empty one is an empty line of context.
    """

    start: int
    length: int
    lines: tuple[str, ...]


class FileDiff(msgspec.Struct, frozen=True):
    """What becomes of one file.

    Attributes:
        old: its path before, as the diff has it; None if it is new.
        new: its path afterwards; None if it goes.
        hunks: from the top of the file to its end.
    """

    old: str | None
    new: str | None
    hunks: tuple[Hunk, ...]


def read_diff(text: str) -> list[FileDiff]:
    """The changes of a diff, in order; one file may be changed several times.

    Raises:
        DiffError: it cannot be read, or is about a file that is no text.
    """
    return list(_Reader(text.split("\n")).files())


class _Reader:
    """Reads a diff line by line; `at` is the next line's position."""

    def __init__(self, lines: Sequence[str]) -> None:
        self.lines = lines
        self.at = 0

    def files(self) -> Iterator[FileDiff]:
        while self.at < len(self.lines):
            self._skip_header()
            names: dict[str, str] = {}
            for _ in range(2):
                self._take_name(names)
            hunks = tuple(self._hunks())
            file = FileDiff(_path(names.get("---")), _path(names.get("+++")), hunks)
            # a header alone is about a mode, or a new name
            if hunks or file.old is not None or file.new is not None:
                yield file

    def _skip_header(self) -> None:
        while self.at < len(self.lines) and not _START_OF_FILE.match(self.lines[self.at]):
            if _BINARY.match(self.lines[self.at]):
                raise DiffError(f"line {self.at + 1}: it changes a file that is no text")
            self.at += 1

    def _take_name(self, names: dict[str, str]) -> None:
        found = _FILE_NAME.match(self.lines[self.at]) if self.at < len(self.lines) else None
        if found is None:
            return
        name = self.lines[self.at][len(found[1]) :].strip().split("\t")[0].replace("\\\\", "\\")
        if name.startswith('"') and name.endswith('"'):
            name = name[1:-1]
        names[found[1]] = name
        self.at += 1

    def _hunks(self) -> Iterator[Hunk]:
        while self.at < len(self.lines):
            line = self.lines[self.at]
            if _END_OF_HUNKS.match(line):
                return
            if line.startswith("@@"):
                yield self._hunk()
            elif line:
                raise DiffError(f"line {self.at + 1} belongs to nothing: {line[:80]!r}")
            else:
                self.at += 1

    def _hunk(self) -> Hunk:
        head = self.at
        found = _HUNK.search(self.lines[head])
        if found is None:
            raise DiffError(f"line {head + 1} is no head of a hunk: {self.lines[head][:80]!r}")
        start, length, wanted = int(found[1]), _count(found[2]), _count(found[4])
        self.at += 1
        lines: list[str] = []
        removed = added = 0
        while self.at < len(self.lines):
            line = self.lines[self.at]
            if not (removed < length or added < wanted or line.startswith(_NO_NEWLINE)):
                break
            kind = line[:1] or (" " if self.at < len(self.lines) - 1 else "")
            if kind not in (" ", "-", "+", _NO_NEWLINE) or not kind:
                raise DiffError(f"line {self.at + 1} does not belong in the hunk of line {head + 1}: {line[:80]!r}")
            removed += kind in " -"
            added += kind in " +"
            lines.append(line)
            self.at += 1
        # where there is no line, the head may leave the count away
        if (added, removed) != (_or_none(wanted, added), _or_none(length, removed)):
            raise DiffError(f"the hunk of line {head + 1} has another number of lines than its head says")
        return Hunk(start + (length == 0), _or_none(length, removed), tuple(lines))


def _count(text: str | None) -> int:
    return 1 if text is None else int(text)


def _or_none(said: int, found: int) -> int:
    return 0 if said == 1 and not found else said


def _path(name: str | None) -> str | None:
    return None if not name or _NOWHERE.fullmatch(name) else name


# -- applying -----------------------------------------------------------------------------------------------------


def apply_diff(text: str, file: FileDiff) -> str:
    """The text after the change.

    Args:
        text: of the file before; empty for a new one.
        file: what becomes of it.

    Raises:
        DiffError: a hunk fits nowhere.
    """
    hunks = _with_line_ends_of(text, file.hunks)
    if not hunks:
        return text
    lines = text.split("\n")
    _settle_last_newline(lines, hunks[-1])
    result: list[str] = []
    first = shifted = 0
    for hunk in hunks:
        for at in _nearest(hunk.start + shifted - 1, first, len(lines) - hunk.length):
            fitted = _fit(lines, at, hunk)
            if fitted is not None:
                break
        else:
            raise DiffError(f"the hunk for line {hunk.start} fits nowhere")
        result += _lines_between(lines, first, at)
        changed, first = fitted
        result += changed
        shifted = at + 1 - hunk.start
    result += lines[first:]
    return "\n".join(result)


def _nearest(wanted: int, first: int, last: int) -> Iterator[int]:
    """The positions to try: the wanted one whatever it is, then by distance, the one below before the one above."""
    yield wanted
    for distance in range(1, max(last - wanted, wanted - first) + 1):
        if wanted + distance <= last:
            yield wanted + distance
        if wanted - distance >= first:
            yield wanted - distance


def _fit(lines: Sequence[str], at: int, hunk: Hunk) -> tuple[list[str], int] | None:
    """The lines that take a hunk's place and where the text goes on, or None if it does not fit here.

    Context at the end is left to what follows: the next hunk may begin in it.
    """
    changed: list[str] = []
    trailing = 0
    for line in hunk.lines:
        kind, content = line[:1] or " ", line[1:]
        if kind in " -":
            if not 0 <= at < len(lines) or lines[at] != content:
                return None
            at += 1
        if kind == " ":
            trailing += 1
            changed.append(content)
        elif kind in "+-":
            trailing = 0
            if kind == "+":
                changed.append(content)
    return changed[: len(changed) - trailing], at - trailing


def _lines_between(lines: Sequence[str], first: int, end: int) -> Iterator[str]:
    """What stands before a hunk; one that only adds lines may be wanted below the text's end."""
    return (lines[at] if at < len(lines) else "" for at in range(first, end))


def _settle_last_newline(lines: list[str], last: Hunk) -> None:
    """Take the text's last newline away, or give it one, as its last hunk has it.

    Raises:
        DiffError: the text has none to take away, or has one already.
    """
    marked = {before[:1] for before, line in zip(last.lines, last.lines[1:], strict=False) if line[:1] == _NO_NEWLINE}
    ends_with_newline = lines[-1] == ""
    if "+" in marked:
        if ends_with_newline == ("-" in marked):
            raise DiffError("the text ends with a newline, or lacks one, where the diff does not")
        if ends_with_newline:
            lines.pop()
    elif "-" in marked:
        if ends_with_newline:
            raise DiffError("the text ends with a newline, and the diff would add one")
        lines.append("")


# -- line ends ----------------------------------------------------------------------------------------------------


def _with_line_ends_of(text: str, hunks: Sequence[Hunk]) -> tuple[Hunk, ...]:
    has_windows = "\r\n" in text
    if has_windows and not text.startswith("\n") and not re.search(r"[^\r]\n", text) and _is_unix(hunks):
        return tuple(msgspec.structs.replace(hunk, lines=tuple(_to_windows(hunk.lines))) for hunk in hunks)
    if not has_windows and "\n" in text and _is_windows(hunks):
        return tuple(
            msgspec.structs.replace(hunk, lines=tuple(line.removesuffix("\r") for line in hunk.lines)) for hunk in hunks
        )
    return tuple(hunks)


def _with_next(lines: Sequence[str]) -> Iterator[tuple[str, str]]:
    return zip(lines, (*lines[1:], ""), strict=True)


def _is_unix(hunks: Sequence[Hunk]) -> bool:
    return not any(line.endswith("\r") for hunk in hunks for line in hunk.lines if line[:1] != _NO_NEWLINE)


def _is_windows(hunks: Sequence[Hunk]) -> bool:
    pairs = [pair for hunk in hunks for pair in _with_next(hunk.lines)]
    return any(line.endswith("\r") for line, _ in pairs) and all(
        line.endswith("\r") or _NO_NEWLINE in (line[:1], following[:1]) for line, following in pairs
    )


def _to_windows(lines: Sequence[str]) -> Iterator[str]:
    for line, following in _with_next(lines):
        stays = line.endswith("\r") or _NO_NEWLINE in (line[:1], following[:1])
        yield line if stays else f"{line}\r"
