"""What can be said about a JSON text that is no good: where the fault is, and what may have caused it.

Nothing here runs while the input is well-formed; msgspec decodes that alone.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

import msgspec

UTF8_BOM = b"\xef\xbb\xbf"
_UTF16_BOMS = (b"\xff\xfe", b"\xfe\xff")
#: the marks that git leaves in a file that it could not merge
_CONFLICT = re.compile(rb"^(?:<{7}|={7}|>{7}|\|{7})(?: |$|\r)", re.MULTILINE)
_DECODE_ERROR_BYTE = re.compile(r"\(byte (\d+)\)")
_SPACE = re.compile(r"[ \t\r\n]*")
#: an escape; a whole surrogate pair is one, and of half a pair there is a group (compiled where one is met)
_ESCAPE = rb"(?s)\\(?:u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|(u[dD][89a-fA-F][0-9a-fA-F]{2})|.)"
_NO_CHARACTER = rb"\ufffd"

#: `json.JSONDecoder.raw_decode`: the value at a position, and the position behind it
_Skip: TypeAlias = Callable[[str, int], tuple[Any, int]]


class Place(msgspec.Struct, frozen=True):
    """A position in a text file; line and column count from 1, the column in characters."""

    file: str
    line: int
    column: int

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}"


class JsonFault(msgspec.Struct, frozen=True):
    """Why a text is no JSON, and where."""

    what: str
    place: Place
    hint: str = ""


def without_bom(data: bytes) -> bytes:
    """The text as Node.js reads it: without a byte order mark, and with U+FFFD for what is no UTF-8.

    Half a surrogate pair, which JavaScript can hold and UTF-8 cannot, becomes U+FFFD as well.
    """
    data = without_half_pairs(data.removeprefix(UTF8_BOM))
    if data.isascii() or data.startswith(_UTF16_BOMS):
        return data
    return data.decode("utf-8", "replace").encode()


def without_half_pairs(data: bytes) -> bytes:
    r"""The text with ``\ufffd`` for half a surrogate pair, at which msgspec stops wherever it stands."""
    # nearly every text has none; one byte is found twenty times as fast as three
    if b"\\" not in data or (b"\\ud" not in data and b"\\uD" not in data):
        return data
    return re.sub(_ESCAPE, lambda escape: escape[0] if escape[1] is None else _NO_CHARACTER, data)


def place_at(data: bytes, offset: int, file: str) -> Place:
    """The line and column of a byte."""
    start = data.rfind(b"\n", 0, offset) + 1
    column = len(data[start:offset].decode("utf-8", "replace")) + 1
    return Place(file, data.count(b"\n", 0, offset) + 1, column)


def conflict_in(data: bytes, file: str) -> JsonFault | None:
    """What to say of a text in which git has left a merge conflict; None if it has not.

    Args:
        data: the text without a byte order mark.
        file: the file's name for the message.
    """
    conflict = _CONFLICT.search(data)
    if conflict is None:
        return None
    where = place_at(data, conflict.start(), file)
    return JsonFault("the file holds unresolved merge conflicts", where, "resolve the conflicts, or restore the file")


def explain(data: bytes, error: msgspec.DecodeError, file: str) -> JsonFault:
    """Say what is wrong with a text that msgspec could not decode.

    Args:
        data: the text without a byte order mark.
        error: what msgspec raised.
        file: the file's name for the message.
    """
    if data.startswith(_UTF16_BOMS) or b"\0" in data[:4]:
        return JsonFault("the file is UTF-16, not UTF-8", Place(file, 1, 1), "save it as UTF-8")
    conflict = conflict_in(data, file)
    if conflict is not None:
        return conflict
    if not data.strip():
        return JsonFault("the file is empty", Place(file, 1, 1))
    at = _DECODE_ERROR_BYTE.search(str(error))
    offset = int(at.group(1)) if at is not None else len(data)
    what = _DECODE_ERROR_BYTE.sub("", str(error)).removeprefix("JSON is malformed: ").rstrip(" .")
    return JsonFault(f"the file is not valid JSON: {what}", place_at(data, offset, file))


def place_of(data: bytes, path: Sequence[str | int], file: str) -> Place:
    """Where the value at a path of keys and indices stands in a well-formed JSON text.

    A key that stands several times is found where it counts, the last time. Where the path leads to nothing, the
    place is that of the innermost value that does exist.
    """
    from json.decoder import JSONDecoder

    text = data.decode("utf-8", "replace")
    # Python refuses to convert numbers of very many digits
    skip = JSONDecoder(parse_int=float).raw_decode
    position = _skip_space(text, 0)
    for step in path:
        found = _find_member(text, position, step, skip)
        if found is None:
            break
        position = found
    return place_at(data, len(text[:position].encode()), file)


def _skip_space(text: str, position: int) -> int:
    match = _SPACE.match(text, position)
    assert match is not None
    return match.end()


def _find_member(text: str, position: int, step: str | int, skip: _Skip) -> int | None:
    """The position of one member's value in the object or array at `position`."""
    opening = text[position]
    if opening not in "{[" or (opening == "{") != isinstance(step, str):
        return None
    found: int | None = None
    index = 0
    position = _skip_space(text, position + 1)
    while text[position] not in "]}":
        key: object = index
        if opening == "{":
            key, position = skip(text, position)
            position = _skip_space(text, _skip_space(text, position) + 1)
        if key == step:
            found = position
        _, position = skip(text, position)
        position = _skip_space(text, position)
        if text[position] == ",":
            position = _skip_space(text, position + 1)
        index += 1
    return found
