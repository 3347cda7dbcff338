"""yarn's ``resolutions`` as npm's ``overrides``.

A resolution gives the version of a package wherever it is needed (``name``, ``**/name``), or below another one
(``parent/name``, ``parent/**/name``). npm ignores the field. Here a resolution holds like an override, with two
differences: it may contradict what the project itself depends on, as in yarn; and an override for the same counts more.

Source: yarn's documentation, of version 1 and later; npm's of ``overrides``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from pmpipe.npm.manifests.override_key import is_override_key

#: yarn's kinds of specs that nothing else has.
_YARNS_OWN = ("patch:", "portal:", "exec:")
_NPM = "npm:"


class Resolutions(msgspec.Struct, frozen=True):
    """What the field says.

    Attributes:
        overrides: the same as overrides.
        ignored: what cannot be said that way, one line each.
    """

    overrides: dict[str, Any]
    ignored: tuple[str, ...] = ()


def read_resolutions(field: Any) -> Resolutions:
    """Read the value of ``resolutions``."""
    overrides: dict[str, Any] = {}
    ignored: list[str] = []
    for key, value in field.items() if isinstance(field, Mapping) else ():
        path = _path(key)
        spec = _spec(value)
        if path is None or spec is None:
            ignored.append(f"resolutions > {key}: {value!r} is not supported, and left out of account")
            continue
        _put(overrides, path, spec)
    return Resolutions(overrides, tuple(ignored))


def with_resolutions(overrides: Any, resolutions: Any) -> dict[str, Any]:
    """Overrides that hold where a project has both fields, either of which may be missing."""
    own = overrides if isinstance(overrides, dict) else {}
    return _merged(read_resolutions(resolutions).overrides, own) if resolutions else own


def may_contradict(overrides: Any, resolutions: Any) -> frozenset[str]:
    """Names of packages of which resolutions, and no overrides, decide wherever they are needed."""
    own = overrides if isinstance(overrides, dict) else {}
    return frozenset(
        _name(key)
        for key in read_resolutions(resolutions).overrides
        if not any(_name(other) == _name(key) for other in own)
    )


def name_of(key: str) -> str:
    """The name of the package that a key gives the version of; empty if it is none."""
    path = _path(key)
    return _name(path[-1]) if path else ""


def _path(key: str) -> list[str] | None:
    """The names on the way to a package, the package last; each may have ``@range``. None for what is no such way."""
    parts: list[str] = []
    scope = ""
    if "*" in key.replace("**/", ""):
        return None  # yarn 1 takes patterns of names; overrides do not
    for part in key.split("/"):
        if part.startswith("@") and not scope:
            scope = f"{part}/"
        elif part != "**" or scope:
            parts.append(scope + part)
            scope = ""
    if scope or not parts:
        return None
    cleaned = [_descriptor(part) for part in parts]
    return cleaned if all(map(is_override_key, cleaned)) else None


def _descriptor(part: str) -> str:
    """A name, or name and range, without the protocol that yarn puts in front of ranges."""
    name = _name(part)
    requested = part[len(name) + 1 :].removeprefix(_NPM)
    return f"{name}@{requested}" if requested else name


def _name(part: str) -> str:
    at = part.find("@", 1)
    return part if at < 0 else part[:at]


def _spec(value: Any) -> str | None:
    if not isinstance(value, str) or value.startswith(_YARNS_OWN):
        return None
    rest = value.removeprefix(_NPM)
    # npm:1.2.3 is a version in yarn; npm:name@1.2.3 is an alias in both
    return rest if rest != value and (not rest or rest[0].isdigit() or rest[0] in "^~<>=*") else value


def _put(overrides: dict[str, Any], path: Sequence[str], spec: str) -> None:
    holder = overrides
    for name in path[:-1]:
        inner = holder.get(name)
        if not isinstance(inner, dict):
            inner = holder[name] = {} if inner is None else {".": inner}
        holder = inner
    last = path[-1]
    if isinstance(holder.get(last), dict):
        holder[last]["."] = spec
    else:
        holder[last] = spec


def _merged(less: Any, more: Any) -> Any:
    """Two rules, or sets of them, for the same package: what the second says counts."""
    if not isinstance(less, dict) and not isinstance(more, dict):
        return more
    below = less if isinstance(less, dict) else {".": less}
    above = more if isinstance(more, dict) else {".": more}
    return {
        **below,
        **{key: _merged(below[key], value) if key in below else value for key, value in above.items()},
    }
