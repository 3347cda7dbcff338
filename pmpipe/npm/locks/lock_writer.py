"""The text of a package-lock.json, byte for byte as npm writes it.

In every object of the document, at any depth, what is no object (arrays count as such) comes before objects; then some
keys in an order of their own, then the rest in English order. Indentation and line ends are those of the package.json,
whatever the file that is replaced had; a line end closes the file.

Source: npm's ``json-stringify-nice`` as ``@npmcli/arborist``'s ``shrinkwrap.js`` uses it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from functools import lru_cache
from typing import Any

import msgspec

from pmpipe.npm.locks.package_path import PackagePath
from pmpipe.npm.texts.collation import CollationKey, english_key
from pmpipe.npm.texts.json_layout import JsonLayout

_FIRST_KEYS = {
    key: rank
    for rank, key in enumerate(
        ("name", "version", "lockfileVersion", "resolved", "integrity", "requires", "packages", "dependencies")
    )
}
_LAST_RANK = len(_FIRST_KEYS)
#: Object keys that JavaScript takes for positions in an array, and therefore puts first, by value.
_ARRAY_INDEX = re.compile("0|[1-9][0-9]{0,9}")
_MAX_ARRAY_INDEX = 2**32 - 2
_DEFAULT_INDENT = 2
_MAX_REMEMBERED_KEYS = 16


class _Texts(msgspec.Struct):
    packages: dict[PackagePath, msgspec.Raw]


_texts = msgspec.json.Decoder(_Texts)
#: What is written as it is.
_SCALARS = frozenset({str, bool, int, type(None)})


def write_lockfile(document: Mapping[str, Any], layout: JsonLayout | None = None) -> bytes:
    """The bytes of a lockfile.

    Args:
        document: the whole lockfile; keys may come in any order. It is not changed.
        layout: of the text; npm's own by default.
    """
    return laid_out(msgspec.json.encode(_in_order(document)), layout or JsonLayout())


def entry_texts(entries: Mapping[PackagePath, Mapping[str, Any]], layout: JsonLayout) -> dict[PackagePath, msgspec.Raw]:
    """The texts of single entries as they stand in a lockfile."""
    if not entries:
        return {}
    # they are cut out of a whole lockfile: so they are laid out as they have to be
    return _texts.decode(write_lockfile({"packages": entries}, layout)).packages


def laid_out(text: bytes, layout: JsonLayout) -> bytes:
    """A JSON text in another layout.

    Args:
        text: in any layout, if the new one has lines; else it has to be on one line already.
        layout: the new one.
    """
    if not layout.newline:
        return text
    text = msgspec.json.format(text, indent=_DEFAULT_INDENT)
    if layout.indent != JsonLayout().indent:
        text = _indented(text, layout.indent)
    if layout.newline != "\n":
        text = text.replace(b"\n", layout.newline.encode())
    return text + layout.newline.encode()


def _in_order(value: Any) -> Any:
    # first what most values are; asking whether something is a Mapping takes longer than all the rest
    kind = type(value)
    if kind is dict:
        return _object_in_order(value)
    if kind in _SCALARS:
        return value
    if isinstance(value, (list, tuple)):
        return [_in_order(member) for member in value]
    if isinstance(value, Mapping):
        return _object_in_order(dict(value))
    return _plain_number(value) if isinstance(value, float) else value


def _object_in_order(value: dict[str, Any]) -> dict[str, Any]:
    keys = tuple(value)
    if _SCALARS.issuperset(map(type, value.values())):
        # most objects are lists of dependencies, and stand in this order already
        ordered = _order(keys, ())
        return value if ordered == keys else {key: value[key] for key in ordered}
    objects = tuple([key for key, member in value.items() if type(member) not in _SCALARS and _is_object(member)])
    ordered = _order(keys, objects)
    return {key: member if type(member := value[key]) in _SCALARS else _in_order(member) for key in ordered}


def _is_object(value: Any) -> bool:
    return type(value) is dict or (not isinstance(value, list) and isinstance(value, Mapping))


def _order(keys: tuple[str, ...], objects: tuple[str, ...]) -> tuple[str, ...]:
    if len(keys) <= _MAX_REMEMBERED_KEYS:
        return _remembered_order(keys, objects)
    return tuple(keys_in_order(keys, frozenset(objects)))


# most entries of a lockfile have the same few sets of keys
@lru_cache(maxsize=8192)
def _remembered_order(keys: tuple[str, ...], objects: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(keys_in_order(keys, frozenset(objects)))


def keys_in_order(keys: tuple[str, ...], objects: AbstractSet[str]) -> list[str]:
    """The keys of an object as npm writes them.

    Args:
        keys: in any order.
        objects: those of them whose value is an object, and no array.
    """
    plain: list[tuple[int, CollationKey, str]] = []
    nested: list[tuple[int, CollationKey, str]] = []
    has_index = False
    for key in keys:
        (nested if key in objects else plain).append((_FIRST_KEYS.get(key, _LAST_RANK), english_key(key), key))
        has_index = has_index or array_index(key) is not None
    plain.sort(key=_without_name)
    nested.sort(key=_without_name)
    ordered = [line[2] for line in (*plain, *nested)]
    if has_index:
        ordered.sort(key=_index_or_behind)
    return ordered


def _without_name(line: tuple[int, CollationKey, str]) -> tuple[int, CollationKey]:
    return line[0], line[1]


def _index_or_behind(key: str) -> int:
    index = array_index(key)
    return _MAX_ARRAY_INDEX + 1 if index is None else index


def array_index(key: str) -> int | None:
    """The number that JavaScript takes an object's key for, and puts first by value; None for any other key."""
    if not key[:1].isdigit() or _ARRAY_INDEX.fullmatch(key) is None:
        return None
    index = int(key)
    return index if index <= _MAX_ARRAY_INDEX else None


def _plain_number(value: float) -> Any:
    # JavaScript has one type of number and writes 1.0 as 1
    return int(value) if value.is_integer() and abs(value) < 1e21 else value


def _indented(text: bytes, indent: str) -> bytes:
    step = indent.encode()
    lines = text.split(b"\n")
    for number, line in enumerate(lines):
        bare = line.lstrip(b" ")
        lines[number] = step * ((len(line) - len(bare)) // _DEFAULT_INDENT) + bare
    return b"\n".join(lines)
