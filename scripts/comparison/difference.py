"""Where two trees differ."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum

from comparison.snapshot import Item, Kind, Snapshot


class Difference(Enum):
    """How a path of the actual tree differs from the expected one; the value is its name in reports."""

    MISSING = "missing"
    EXTRA = "extra"
    KIND = "type"
    EXECUTABLE = "executable"
    MODE = "mode"
    TARGET = "target"
    BYTES = "bytes"


@dataclass(frozen=True, slots=True, order=True)
class Finding:
    """One path that differs.

    Attributes:
        path: relative to the trees' roots.
        difference: how; a path may have several.
        detail: expected and actual, in words.
    """

    path: str
    difference: str
    detail: str


def compare(expected: Snapshot, actual: Snapshot, *, all_modes: bool) -> list[Finding]:
    """All findings, in the order of the paths.

    Args:
        expected: the tree that is right.
        actual: the tree that is judged.
        all_modes: compare every permission bit of files and folders; otherwise only whether files are executable
            (two programs may treat umask differently).
    """
    return sorted(_findings(expected, actual, all_modes=all_modes))


def count(findings: list[Finding]) -> dict[str, int]:
    """How many findings of each difference, every difference named."""
    counts = Counter(finding.difference for finding in findings)
    return {difference.value: counts[difference.value] for difference in Difference}


def _findings(expected: Snapshot, actual: Snapshot, *, all_modes: bool) -> Iterator[Finding]:
    for path, wanted in expected.items():
        found = actual.get(path)
        if found is None:
            yield Finding(path, Difference.MISSING.value, f"expected a {wanted.kind.value}")
        elif found.kind is not wanted.kind:
            yield Finding(path, Difference.KIND.value, f"expected a {wanted.kind.value}, is a {found.kind.value}")
        else:
            yield from _of_same_kind(path, wanted, found, all_modes=all_modes)
    for path in actual.keys() - expected.keys():
        yield Finding(path, Difference.EXTRA.value, f"a {actual[path].kind.value} that nothing expects")


def _of_same_kind(path: str, wanted: Item, found: Item, *, all_modes: bool) -> Iterator[Finding]:
    if found.is_executable != wanted.is_executable:
        yield Finding(path, Difference.EXECUTABLE.value, f"expected {wanted.mode:04o}, is {found.mode:04o}")
    elif all_modes and found.mode != wanted.mode:
        yield Finding(path, Difference.MODE.value, f"expected {wanted.mode:04o}, is {found.mode:04o}")
    if found.content == wanted.content:
        return
    if wanted.kind is Kind.LINK:
        yield Finding(path, Difference.TARGET.value, f"expected {wanted.content}, is {found.content}")
    else:
        yield Finding(path, Difference.BYTES.value, f"expected {wanted.bytes:,} bytes, is {found.bytes:,} others")
