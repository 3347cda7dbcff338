"""The text of a package.json that a command changes: what it says, and how it is laid out.

npm writes the whole document anew, in the layout that the file's first lines show, and so does this. That keeps
indentation, line ends and the order of keys; it does not keep spaces inside of a line, nor lists on one line. A file
whose content would be the same is not touched.

Source: npm's ``@npmcli/package-json``; JSON as JavaScript reads and writes it.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from decimal import Decimal
from json.encoder import encode_basestring
from typing import Any

import msgspec

from pmpipe.errors import ManifestError
from pmpipe.npm.locks.lock_writer import array_index
from pmpipe.npm.texts.json_layout import MAX_INDENT, JsonLayout, layout_of
from pmpipe.npm.texts.json_text import UTF8_BOM

#: what JavaScript's `trim` takes off, as far as it can stand around JSON
_AROUND = " \t\r\n\ufeff"
_EXPONENT_FROM, _EXPONENT_BELOW = 1e21, 1e-6


class ManifestText(msgspec.Struct, frozen=True):
    """A package.json as it is on the disk.

    Attributes:
        text: the file's text; empty if there is no file yet.
        document: what it says. Keys are in the file's order, numbers are floats.
        layout: of the text.
    """

    text: str
    document: Mapping[str, Any]
    layout: JsonLayout

    def rewritten(self, document: Mapping[str, Any]) -> bytes | None:
        """The file's new bytes if it is to say this; None if only what is around the document would change.

        Args:
            document: as a whole; keys in the order in which they are to stand.
        """
        indent, newline = self.layout.indent[:MAX_INDENT], self.layout.newline
        written = f"{_write(document, indent, '')}\n".replace("\n", newline)
        if written.strip(_AROUND) == self.text.strip(_AROUND):
            return None
        # half a surrogate pair cannot be encoded, and is written as it was read
        return written.encode("utf-8", "backslashreplace")


#: Where there is no package.json, as in an empty folder.
NO_MANIFEST = ManifestText("", {}, JsonLayout())


def read_manifest_text(data: bytes, file: str) -> ManifestText:
    """Read a package.json that `pmpipe.npm.manifests.manifest` has found usable.

    Args:
        data: the file's bytes.
        file: its name, for messages.

    Raises:
        ManifestError: it is no JSON object, or nested too deeply.
    """
    text = data.decode("utf-8", "replace")
    plain = data.removeprefix(UTF8_BOM).decode("utf-8", "replace")
    try:
        document = json.loads(plain, parse_int=float)
    except (ValueError, RecursionError) as error:
        raise ManifestError(f"cannot read {file}: {error}") from error
    if not isinstance(document, dict):
        raise ManifestError(f"cannot use {file}: the document must be an object")
    return ManifestText(text, document, layout_of(plain))


def _write(value: Any, indent: str, margin: str) -> str:
    if isinstance(value, str):
        return encode_basestring(value)
    if isinstance(value, bool) or value is None:
        return {True: "true", False: "false", None: "null"}[value]
    if isinstance(value, (int, float)):
        return _number(float(value))
    inner = margin + indent
    if isinstance(value, Mapping):
        colon = ": " if indent else ":"
        members = [f"{encode_basestring(key)}{colon}{_write(one, indent, inner)}" for key, one in _members(value)]
        return _bracketed("{", members, "}", indent, margin)
    return _bracketed("[", [_write(one, indent, inner) for one in value], "]", indent, margin)


def _bracketed(opening: str, members: list[str], closing: str, indent: str, margin: str) -> str:
    if not members:
        return opening + closing
    if not indent:
        return f"{opening}{','.join(members)}{closing}"
    inner = f"\n{margin}{indent}"
    return f"{opening}{inner}{f',{inner}'.join(members)}\n{margin}{closing}"


def _members(value: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """What JavaScript takes for positions in an array comes first, by value."""
    indices = {key: index for key in value if (index := array_index(key)) is not None}
    for key in sorted(indices, key=indices.__getitem__):
        yield key, value[key]
    for key, member in value.items():
        if key not in indices:
            yield key, member


def _number(value: float) -> str:
    """A number as JavaScript writes it: the fewest digits that mean it, in its own idea of when to use exponents."""
    if value in (float("inf"), float("-inf")):
        return "null"
    shortest = Decimal(repr(value))
    size = abs(value)
    if size == 0:
        return "0"
    if _EXPONENT_BELOW <= size < _EXPONENT_FROM:
        plain = format(shortest, "f")
        return plain.rstrip("0").rstrip(".") if "." in plain else plain
    mantissa, _, exponent = format(shortest.normalize(), "e").partition("e")
    return f"{mantissa}e{int(exponent):+d}"
