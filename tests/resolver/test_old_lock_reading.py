"""One way to read whatever lock there is, for resolving."""

from __future__ import annotations

import json
from typing import Any

import pytest

from pmpipe.errors import LockfileError
from pmpipe.resolver import OldLock, read_old_lock

FILE = "package-lock.json"


def read(text: str | bytes) -> OldLock:
    return read_old_lock(text.encode() if isinstance(text, str) else text, FILE, {"name": "app"}, "/project")


def lock(version: Any, **fields: Any) -> str:
    return json.dumps({"name": "app", "lockfileVersion": version, **fields})


PACKAGES = {"": {"name": "app"}, "node_modules/a": {"version": "1.0.0"}}


@pytest.mark.parametrize(
    ("text", "is_old"),
    [
        (lock(3, packages=PACKAGES), False),
        (lock(2, packages=PACKAGES, dependencies={"a": {"version": "1.0.0"}}), False),
        (lock(1, dependencies={"a": {"version": "1.0.0"}}), True),
        (lock(None, dependencies={"a": {"version": "1.0.0"}}), True),
        (lock(None, packages=PACKAGES), True),
        ("\ufeff" + lock(1, dependencies={"a": {"version": "1.0.0"}}), True),
    ],
)
def test_reads_locks_of_every_version(text: str, is_old: bool) -> None:
    found = read(text)
    assert (list(found.entries), found.is_old, found.had_conflict) == (["", "node_modules/a"], is_old, False)


def test_reads_a_conflicted_lock_of_version_1() -> None:
    text = (
        '{"lockfileVersion": 1, "dependencies": {\n<<<<<<< ours\n"a": {"version": "1.1.0"}\n=======\n'
        '"a": {"version": "1.2.0"}, "b": {"version": "1.0.0"}\n>>>>>>> theirs\n}}'
    )
    found = read(text)
    assert {path: entry.version for path, entry in found.entries.items() if path} == {
        "node_modules/a": "1.1.0",
        "node_modules/b": "1.0.0",
    }
    assert found.had_conflict
    assert found.is_old


@pytest.mark.parametrize(
    "text",
    [
        "",
        "null",
        "[]",
        "{",
        lock(4),
        lock(3, packages={"../../x/node_modules/.bin": {}}),
        lock(1, dependencies={"..": {"version": "1.0.0"}}),
        lock(1, dependencies={"a": {"version": "git+https://git.example/x.git#main"}}),
    ],
)
def test_what_is_no_lock_or_unsafe_is_refused(text: str) -> None:
    with pytest.raises(LockfileError):
        read(text)
