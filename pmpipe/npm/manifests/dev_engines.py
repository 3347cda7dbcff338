"""What ``devEngines`` of a project's package.json asks of whoever works on it: runtime, package manager, platform.

Source: npm's ``npm-install-checks``, ``lib/dev-engines.js``.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from pmpipe.npm.semver import satisfies, valid_range

#: What may be asked for, in npm's words.
ENGINES = ("packageManager", "runtime", "cpu", "libc", "os")

_PROPERTIES = ("name", "version", "onFail")
_ON_FAIL = ("ignore", "warn", "error", "download")


class InvalidDevEnginesError(ValueError):
    """The field is not what it must be; the message says what is wrong with it."""


class Present(msgspec.Struct, frozen=True):
    """What there is of one engine; the version is empty where there is none, or where it is not known."""

    name: str
    version: str = ""


class Misfit(msgspec.Struct, frozen=True):
    """An engine that is not as it is asked for.

    Attributes:
        engine: one of `ENGINES`.
        reasons: one for each alternative that package.json names.
        is_error: it is to be the end; otherwise it is to be told.
    """

    engine: str
    reasons: tuple[str, ...]
    is_error: bool


def check_dev_engines(wanted: Any, present: Mapping[str, Present]) -> list[Misfit]:
    """Compare what is asked for with what there is.

    Args:
        wanted: the field, whatever it is.
        present: what there is, by engine; what is not in it is not looked at.

    Returns:
        what does not fit, but for what is to be ignored.

    Raises:
        InvalidDevEnginesError: the field cannot be used.
    """
    if not isinstance(wanted, dict):
        raise InvalidDevEnginesError("devEngines must be an object")
    found = []
    for engine, given in wanted.items():
        if engine not in ENGINES:
            raise InvalidDevEnginesError(f"devEngines has no {engine}: there are {', '.join(ENGINES)}")
        alternatives = given if isinstance(given, list) else [given]
        for alternative in alternatives:
            _check_shape(alternative, engine)
        if not alternatives or engine not in present:
            continue
        reasons = [_misfit(alternative, present[engine], engine) for alternative in alternatives]
        on_fail = alternatives[-1].get("onFail", "error")
        if all(reasons) and on_fail != "ignore":
            found.append(Misfit(engine, tuple(filter(None, reasons)), on_fail != "warn"))
    return found


def needs_version_of(wanted: Any, engine: str) -> bool:
    """Whether the version of an engine matters, so that it has to be found out."""
    given = wanted.get(engine) if isinstance(wanted, dict) else None
    alternatives = given if isinstance(given, list) else [given]
    return any(isinstance(alternative, dict) and "version" in alternative for alternative in alternatives)


def _check_shape(wanted: Any, engine: str) -> None:
    where = f"devEngines.{engine}"
    if not isinstance(wanted, dict):
        raise InvalidDevEnginesError(f"{where} must be an object")
    for name in wanted:
        if name not in _PROPERTIES:
            raise InvalidDevEnginesError(f"{where} has no {name}: there are {', '.join(_PROPERTIES)}")
    if not isinstance(wanted.get("name"), str):
        raise InvalidDevEnginesError(f"{where} must have a name that is a text")
    if wanted.get("onFail", "error") not in _ON_FAIL:
        raise InvalidDevEnginesError(f"{where}.onFail must be one of {', '.join(_ON_FAIL)}")


def _misfit(wanted: Mapping[str, Any], present: Present, engine: str) -> str:
    """Why an engine is not what one alternative asks for; empty if it is."""
    if wanted["name"] != present.name:
        return f"{engine} must be {wanted['name']}, and is {present.name}"
    if "version" not in wanted:
        return ""
    version = wanted["version"]
    if not isinstance(version, str):
        raise InvalidDevEnginesError(f"devEngines.{engine}.version must be a text")
    if valid_range(version, loose=False) is not None:
        fits = satisfies(present.version, version, loose=False)
    else:
        fits = version == present.version
    return "" if fits else f"{engine} must be {wanted['name']} {version}, and is {present.version or 'of no version'}"
