"""Gives the values of settings their type, as npm does, or says what is wrong with them.

Where npm only warns about a value of the wrong type and goes on with another one, `coerce` raises: a misspelt value
must not change what is installed without a word.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Mapping

import msgspec

from pmpipe.npm.config.npmrc import BLANKS, IniValue, expand_environment, js_text
from pmpipe.npm.config.settings import Setting, SettingValue
from pmpipe.npm.texts.url import InvalidUrlError, parse_url


class InvalidValueError(ValueError):
    """A setting's value cannot be used; the message says what it must be."""


#: The largest number that JavaScript counts up to.
_LARGEST = 2**53 - 1

#: What no text of a setting holds: bytes of the environment that are no UTF-8, and the end of a text to the system.
_NO_TEXT = re.compile("[\x00\ud800-\udfff]")

#: npm takes any text but "false" and "null" for true, even "no" and "False": those are refused here. A zero turns off
#: some of its settings and not others; here it turns off all.
_TRUE = frozenset(("true", "yes", "on"))


class Expansion(msgspec.Struct, frozen=True):
    """What a value may refer to.

    Attributes:
        environ: for ``${NAME}``.
        home: absolute path for a leading ``~/``.
        cwd: absolute path that relative ones start from.
    """

    environ: Mapping[str, str]
    home: str
    cwd: str

    def __repr__(self) -> str:
        # an environment holds secrets
        return f"Expansion(home={self.home!r}, cwd={self.cwd!r})"


class Unset(msgspec.Struct, frozen=True):
    """The value says nothing: what a weaker source says counts (for example an empty path)."""


UNSET = Unset()


def coerce(setting: Setting, raw: IniValue, expansion: Expansion) -> SettingValue:
    """Turn what an .npmrc, the environment or a flag says into the setting's type.

    Returns:
        a value of the setting's kind, a tuple of them where it may be given several times, or `UNSET`.

    Raises:
        InvalidValueError: the value is of another type; npm would warn and use a weaker source's value.

    Source: npm's configuration (parse-field and the validation by nopt after it).
    """
    if not setting.many:
        return _coerce_one(setting, raw, expansion)
    if raw is None:
        return None if setting.nullable else ()
    if isinstance(raw, str):
        # npm hands lists on to child processes in one variable, parted by blank lines
        raw = raw.strip(BLANKS).split("\n\n")
    elif not isinstance(raw, (list, tuple)):
        raw = [raw]
    items = (_coerce_one(setting, item, expansion) for item in raw)
    return tuple(item for item in items if not isinstance(item, Unset) and item is not None and item != "")


def _coerce_one(setting: Setting, raw: IniValue, expansion: Expansion) -> SettingValue:
    value = raw
    if isinstance(value, str):
        value = expand_environment(value.strip(BLANKS), expansion.environ)
        if setting.kind != "path" and _NO_TEXT.search(value):
            raise InvalidValueError("it must be text in UTF-8")
        if not value and setting.kind == "boolean":
            # --offline= is --offline, and ${NAME?} without a value is off
            return setting.stays_on or not raw.strip(BLANKS)
    if raw is None and setting.kind in ("number", "count") and not setting.nullable:
        return 0
    if value is None or value in ("null", "undefined"):
        return _null(setting)
    if value is False and setting.nullable and setting.kind != "boolean":
        # --no-cert and the like
        return None
    return _read(setting, value, expansion)


def _null(setting: Setting) -> SettingValue:
    if setting.nullable:
        return None
    return setting.stays_on if setting.kind == "boolean" else UNSET


def _read(setting: Setting, value: IniValue, expansion: Expansion) -> SettingValue:
    match setting.kind:
        case "boolean":
            return _boolean(value)
        case "text":
            return js_text(value)
        case "line":
            return _line(value)
        case "path":
            return _path(value, expansion)
        case "url":
            return _url(setting, value)
        case "number":
            return _number(value)
        case "count":
            return _count(value)
        case "choice":
            return _choice(setting, value)


def _boolean(value: IniValue) -> bool:
    if isinstance(value, (bool, int, float)):
        return bool(value)
    if value == "false" or str(value).lower() in _TRUE:
        return bool(value != "false")
    number = js_number(value) if isinstance(value, str) else None
    if number is None:
        raise InvalidValueError("it must be true or false")
    return bool(number)


def _line(value: IniValue) -> str:
    text = js_text(value)
    # Node.js refuses to send any other
    if not all(" " <= character <= "\xff" and character != "\x7f" for character in text):
        raise InvalidValueError("it must be one line of printable characters")
    return text


def _path(value: IniValue, expansion: Expansion) -> str | Unset:
    if not isinstance(value, str) or "\x00" in value:
        raise InvalidValueError("it must be a path")
    if not value:
        return UNSET
    if value.startswith("~/"):
        return posixpath.normpath(posixpath.join(expansion.home, value[2:].lstrip("/")))
    return posixpath.normpath(posixpath.join(expansion.cwd, value))


def _url(setting: Setting, value: IniValue) -> str | Unset | None:
    if setting.nullable and value in ("", "false"):
        return None if value else UNSET
    try:
        return parse_url(js_text(value), setting.choices).href
    except InvalidUrlError as error:
        raise InvalidValueError(f"it must be a URL, but {error}") from error


def _number(value: IniValue) -> float:
    number = js_number(value) if isinstance(value, str) else value
    if isinstance(number, bool) or not isinstance(number, (int, float)) or not 0 <= number <= _LARGEST:
        raise InvalidValueError(f"it must be a number that is not negative, and at most {_LARGEST}")
    return number


def _count(value: IniValue) -> int:
    number = _number(value)
    if number != int(number):
        raise InvalidValueError("it must be a whole number")
    return int(number)


def _choice(setting: Setting, value: IniValue) -> str | Unset:
    word = js_text(value)
    if word in setting.choices:
        return word
    if setting.many and word == "":
        return UNSET
    wanted = "one or more of" if setting.many else "one of"
    hint = f"; write one {setting.name}[]=… line for each" if setting.many and ("," in word or " " in word) else ""
    raise InvalidValueError(f"it must be {wanted} {', '.join(setting.choices)}{hint}")


def js_number(text: str) -> float | None:
    """The number that JavaScript makes of a text, or None where it makes NaN; an empty text is 0."""
    digits = text.strip(BLANKS)
    if not digits:
        return 0
    if "_" in digits or digits.lower().lstrip("+-").startswith(("inf", "nan")):
        return None
    try:
        if digits[:2].lower() in ("0x", "0o", "0b"):
            return int(digits, 0)
        return float(digits)
    except ValueError:
        return None
