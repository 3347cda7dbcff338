"""Two hidden lockfiles side by side: npm's record of an installed tree, and pmpipe's of the same."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

HIDDEN_LOCKFILE = "node_modules/.package-lock.json"
_ABSENT = "(absent)"


@dataclass(frozen=True, slots=True)
class HiddenComparison:
    """How two hidden lockfiles compare.

    Attributes:
        present: both are there, or neither is.
        same_bytes: they are the same file, byte for byte.
        same_meaning: as JSON they say the same, whatever the order of their keys.
        differences: one line for each key that differs.
    """

    present: bool
    same_bytes: bool
    same_meaning: bool
    differences: tuple[str, ...]


def compare_hidden(expected_folder: str, actual_folder: str) -> HiddenComparison:
    """Compare the hidden lockfiles of two project folders.

    Raises:
        OSError: one cannot be read.
        ValueError: one is no JSON.
    """
    expected, actual = _read(expected_folder), _read(actual_folder)
    if expected is None or actual is None:
        same = expected is actual
        absent = () if same else (f"only {'pmpipe' if expected is None else 'npm'} wrote one",)
        return HiddenComparison(same, same, same, absent)
    differences = tuple(_differences(json.loads(expected), json.loads(actual), ""))
    return HiddenComparison(
        present=True, same_bytes=expected == actual, same_meaning=not differences, differences=differences
    )


def _read(folder: str) -> bytes | None:
    try:
        with open(f"{folder}/{HIDDEN_LOCKFILE}", "rb") as file:
            return file.read()
    except FileNotFoundError:
        return None


def _differences(expected: Any, actual: Any, where: str) -> Iterator[str]:
    if isinstance(expected, dict) and isinstance(actual, dict):
        for key in sorted(expected.keys() | actual.keys()):
            yield from _differences(expected.get(key, _ABSENT), actual.get(key, _ABSENT), f"{where} > {key}".lstrip())
    elif expected != actual:
        yield f"{where.removeprefix('> ')}: npm {_shown(expected)}, pmpipe {_shown(actual)}"


def _shown(value: Any) -> str:
    return value if value == _ABSENT else json.dumps(value)[:200]
