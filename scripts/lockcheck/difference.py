"""Where two lockfiles differ."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from lockcheck.oracle import Answer

_SHOWN_CHARACTERS = 160


@dataclass(frozen=True, slots=True, order=True)
class EntryDifference:
    """One entry that differs.

    Attributes:
        location: its key in ``packages``.
        kind: ``missing`` (npm has it, pmpipe does not), ``extra`` or ``fields``.
        detail: expected and actual, in words.
    """

    location: str
    kind: str
    detail: str


@dataclass(frozen=True, slots=True)
class LockComparison:
    """npm's and pmpipe's lock of one project side by side.

    Attributes:
        name: of the project.
        npm, pmpipe: what each answered.
        entries: how many npm's lock has (the root's not counted).
        changed: how many entries npm's new lock has or lacks compared with the old one; -1 where there was none.
        differences: entries that differ between npm's and pmpipe's.
    """

    name: str
    npm: Answer
    pmpipe: Answer
    entries: int
    changed: int
    differences: tuple[EntryDifference, ...]

    @property
    def is_equal(self) -> bool:
        """The same bytes, or the same error."""
        return self.npm.code == self.pmpipe.code and self.npm.lock == self.pmpipe.lock

    @property
    def alike(self) -> int:
        """How many of npm's entries pmpipe has just so."""
        return self.entries - sum(one.kind != "extra" and one.location != "" for one in self.differences)


def compare_answers(name: str, npm: Answer, pmpipe: Answer, old_lock: bytes = b"") -> LockComparison:
    """Compare what npm and pmpipe made of a project, perhaps beginning from an old lock."""
    expected, actual = _packages(npm.lock), _packages(pmpipe.lock)
    changed = sum(1 for _ in _differing(_packages(old_lock), expected)) if old_lock and npm.lock else -1
    differences = tuple(sorted(_differences(expected, actual))) if npm.lock or pmpipe.lock else ()
    return LockComparison(name, npm, pmpipe, len(expected.keys() - {""}), changed, differences)


def _packages(lock: bytes) -> dict[str, Any]:
    packages: dict[str, Any] = json.loads(lock)["packages"] if lock else {}
    return packages


def _differing(old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[str]:
    for location in old.keys() | new.keys():
        if location and old.get(location) != new.get(location):
            yield location


def _differences(expected: Mapping[str, Any], actual: Mapping[str, Any]) -> Iterator[EntryDifference]:
    for location, wanted in expected.items():
        found = actual.get(location)
        if found is None:
            yield EntryDifference(location, "missing", _version(wanted))
        elif found != wanted:
            yield EntryDifference(location, "fields", "; ".join(_fields(wanted, found)))
    for location in actual.keys() - expected.keys():
        yield EntryDifference(location, "extra", _version(actual[location]))


def _fields(wanted: Mapping[str, Any], found: Mapping[str, Any]) -> Iterator[str]:
    for key in sorted(wanted.keys() | found.keys()):
        if wanted.get(key) != found.get(key):
            yield f"{key}: npm {_shown(wanted.get(key))}, pmpipe {_shown(found.get(key))}"


def _shown(value: Any) -> str:
    return "(absent)" if value is None else json.dumps(value, ensure_ascii=False)[:_SHOWN_CHARACTERS]


def _version(entry: Mapping[str, Any]) -> str:
    return f"-> {entry['resolved']}" if entry.get("link") else str(entry.get("version", "?"))
