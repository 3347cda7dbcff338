"""What a kill left on the disk: how far the run had come, and what must be gone after the next."""

from __future__ import annotations

import os
from collections.abc import Iterator

from comparison.hidden import HIDDEN_LOCKFILE
from comparison.snapshot import Snapshot

#: how pmpipe's own names in a project begin, and how names of files being written end
_OURS = ".pmpipe-"
_PARTIAL = ".partial"
#: what a run puts into a project before it changes anything
JOURNAL = f"node_modules/{_OURS}journal"


def leftovers(folder: str, store: str, temporary: str) -> list[str]:
    """Paths that no finished run may leave: journals, folders being built or deleted, staging, temporary files."""
    found = [f"{folder}/{path}" for path in _ours(folder)]
    for place in (_staging(store), temporary):
        found += [f"{place}/{name}" for name in _names(place)]
    found += [path for path in _files(store) if path.endswith(_PARTIAL)]
    return found


def stage_of(folder: str, store: str, status: int, expected: Snapshot) -> str:
    """In a few words, how far a killed run had come, judged by what exists."""
    if status >= 0:
        return "had ended"
    names = sorted({_word(path) for path in _ours(folder)})
    packages = sum(os.path.lexists(f"{folder}/{path}") for path in expected if path.endswith("/package.json"))
    wanted = sum(path.endswith("/package.json") for path in expected)
    share = "all" if packages == wanted else "some" if packages else "no"
    words = [f"{share} packages placed", *names]
    if _names(_staging(store)):
        words.append("staging")
    if os.path.exists(f"{folder}/{HIDDEN_LOCKFILE}"):
        words.append("hidden lockfile")
    return ", ".join(words)


def _word(path: str) -> str:
    return os.path.basename(path).removeprefix(_OURS)


def _ours(folder: str) -> Iterator[str]:
    """Paths of pmpipe's own names, not looking into them."""
    for parent, folders, files in os.walk(folder):
        for name in (*folders, *files):
            if name.startswith(_OURS) or name.endswith(_PARTIAL):
                yield os.path.relpath(f"{parent}/{name}", folder)
        folders[:] = [name for name in folders if not name.startswith(_OURS)]


def _files(folder: str) -> Iterator[str]:
    for parent, _, files in os.walk(folder):
        yield from (f"{parent}/{name}" for name in files)


def _staging(store: str) -> str:
    return f"{store}/v1/staging"


def _names(folder: str) -> list[str]:
    try:
        return sorted(os.listdir(folder))
    except FileNotFoundError:
        return []
