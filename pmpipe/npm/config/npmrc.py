"""Reads .npmrc texts in npm's dialect of ini, and expands environment variables as npm does.

The dialect, as npm's ``ini`` module reads it:

- ``key = value`` on a line; a key alone means true; ``true``, ``false`` and ``null`` are not strings.
- ``key[] = value`` makes or extends a list; once a key is a list, a plain ``key = value`` extends it too.
- ``;`` and ``#`` start a comment, anywhere, unless a backslash stands before them or the value is quoted.
- a value in double quotes is a JSON string; in single quotes it is JSON where it can be read as such.
- ``[section]`` puts what follows under a key of its own; npm has no setting there, but the lines are then no settings.

Nothing is an error: a line that makes no sense is passed over.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, TypeAlias

import msgspec

#: What a key can hold: str, bool, None, number, list of such, or dict for a section.
IniValue: TypeAlias = Any

#: What JavaScript's trim() removes, the byte order mark included.
BLANKS = (
    "\t\n\v\f\r \u00a0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a"
    "\u2028\u2029\u202f\u205f\u3000\ufeff"
)

_LINE = re.compile(r"[^\r\n]+")
_VARIABLE = re.compile(r"(?<!\\)(\\*)\$\{([^${}?]+)(\?)?\}")
_NAME = re.compile(r"\w+")
_CONSTANTS: dict[str, bool | None] = {"true": True, "false": False, "null": None}


class Npmrc(msgspec.Struct, eq=False):
    """One parsed .npmrc.

    Attributes:
        text: the text as given.
        values: by key, before any expansion of variables.
        offsets: where in the text the last line of each key begins, in characters.
    """

    text: str
    values: dict[str, IniValue]
    offsets: dict[str, int]

    def __repr__(self) -> str:
        # the values may be credentials
        return f"Npmrc(keys={sorted(self.values)!r})"

    def line_of(self, key: str) -> int:
        """Number of the last line that sets `key`, the first line being 1; 0 where no line does."""
        offset = self.offsets.get(key)
        return 0 if offset is None else len(re.findall(r"\r\n|\r|\n", self.text[:offset])) + 1


def parse(text: str) -> Npmrc:
    """Read the text of an .npmrc.

    Args:
        text: the file's content, already decoded; a byte order mark is accepted.

    Source: npm's ini module, as used by its configuration.
    """
    parsed = Npmrc(text, {}, {})
    section: dict[str, IniValue] | None = parsed.values
    for match in _LINE.finditer(text):
        line = match[0]
        content = line.lstrip(BLANKS)
        if not content or content[0] in ";#":
            continue
        header, closed, behind = line.partition("]")
        if closed and header.startswith("[") and not behind.strip(BLANKS):
            section = _open_section(parsed.values, header[1:])
            continue
        written, equals, value = line.partition("=")
        # npm matches the value with a JavaScript dot, which does not match the Unicode line separators
        if not written or section is None or "\u2028" in value or "\u2029" in value:
            continue
        key = _assign(section, written, value if equals else None)
        if section is parsed.values:
            parsed.offsets[key] = match.start()
    _nest_dotted_sections(parsed.values)
    return parsed


def _open_section(values: dict[str, IniValue], header: str) -> dict[str, IniValue] | None:
    """Give the section's own dict, or None where its lines lead nowhere."""
    name = _as_key(_unquote(header))
    if name == "__proto__":
        return None
    if not values.get(name) and not isinstance(values.get(name), (dict, list)):
        values[name] = {}
    section = values[name]
    return section if isinstance(section, dict) else None


def _assign(section: dict[str, IniValue], written: str, text: str | None) -> str:
    """Set a key, of which `written` is the left side; `text` is the right one, or None without an equals sign."""
    key = _as_key(_unquote(written))
    is_list = len(key) > 2 and key.endswith("[]")
    if is_list:
        key = key[:-2]
    if key == "__proto__":
        return key
    value = True if text is None else _unquote(text)
    if isinstance(value, str):
        value = _CONSTANTS.get(value, value)
    present = section.get(key)
    if is_list and not isinstance(present, list):
        present = section[key] = [present] if key in section else []
    if isinstance(present, list):
        present.append(value)
    else:
        section[key] = value
    return key


def _unquote(raw: str) -> IniValue:
    """The value behind quotes, escapes and comments."""
    text = raw.strip(BLANKS)
    if text[:1] in ('"', "'") and text.endswith(text[0]):
        if text[0] == "'":
            text = text[1:-1]
        try:
            return _json_number(msgspec.json.decode(text))
        except (msgspec.DecodeError, UnicodeEncodeError, RecursionError):
            return text
    return _unescape(text).strip(BLANKS)


def _unescape(text: str) -> str:
    if "\\" not in text and ";" not in text and "#" not in text:
        return text
    out: list[str] = []
    escaped = False
    for character in text:
        if escaped:
            out.append(character if character in "\\;#" else "\\" + character)
            escaped = False
        elif character in ";#":
            break
        elif character == "\\":
            escaped = True
        else:
            out.append(character)
    if escaped:
        out.append("\\")
    return "".join(out)


def _json_number(value: IniValue) -> IniValue:
    # JavaScript has one kind of number, and writes 1.0 as 1
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _as_key(value: IniValue) -> str:
    return value if isinstance(value, str) else js_text(value)


def _nest_dotted_sections(values: dict[str, IniValue]) -> None:
    """Move what ``[a.b]`` holds to ``b`` within ``a``; a plain key that is in the way is lost, as in npm."""
    for key in list(values):
        value = values.get(key)
        if key not in values or not (value is None or isinstance(value, dict)):
            continue
        if "." not in key:
            continue
        *parents, last = re.split(r"(?<!\\)\.", key)
        name = last.replace("\\.", ".")
        place = _inner_section(values, parents)
        if place is values and name == last:
            continue
        if place is not None:
            place[name] = value
        values.pop(key, None)


def _inner_section(values: dict[str, IniValue], path: list[str]) -> dict[str, IniValue] | None:
    """The section below `values` at a path, made where it is missing; None where a list is in the way."""
    place = values
    for part in path:
        if part == "__proto__":
            continue
        inner = place.get(part)
        if isinstance(inner, list):
            return None
        if not isinstance(inner, dict):
            inner = place[part] = {}
        place = inner
    return place


def js_text(value: IniValue) -> str:
    """A value as JavaScript's String() writes it."""
    if isinstance(value, str):
        return value
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (list, tuple)):
        return ",".join("" if item is None else js_text(item) for item in value)
    return "[object Object]" if isinstance(value, dict) else str(value)


def expand_environment(text: str, environ: Mapping[str, str]) -> str:
    """Replace ``${NAME}`` by the environment's value.

    An unset name stays as it is written; ``${NAME?}`` becomes empty then. There is no syntax for other defaults. A
    backslash before the dollar sign keeps the expression literal.

    Source: npm's configuration; the same for keys and values, and for settings from the environment and flags.
    """
    if "${" not in text:
        return text

    def replace(match: re.Match[str]) -> str:
        escapes, name, optional = match[1], match[2], match[3]
        if len(escapes) % 2:
            return match[0][(len(escapes) + 1) // 2 :]
        fallback = "" if optional else f"${{{name}}}"
        return escapes[len(escapes) // 2 :] + environ.get(name, fallback)

    return _VARIABLE.sub(replace, text)


def _shown_name(name: str) -> str:
    written = _NAME.match(name)
    shown = written[0] if written is not None else ""
    return name if shown == name else f"{shown}… (npm knows no default values)"


def unset_variables(text: IniValue, environ: Mapping[str, str]) -> list[str]:
    """Names in `text` that `expand_environment` would leave as they are written.

    They are for messages. What stands behind a name, as a default value does in a shell (``${TOKEN-secret}``), may be a
    secret; npm takes it for a part of the name. It is left out, and said to be no default.
    """
    if not isinstance(text, str) or "${" not in text:
        return []
    return [
        _shown_name(match[2])
        for match in _VARIABLE.finditer(text)
        if len(match[1]) % 2 == 0 and not match[3] and match[2] not in environ
    ]
