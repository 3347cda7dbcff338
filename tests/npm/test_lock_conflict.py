"""Lockfiles with merge conflicts: what is read out of both sides."""

from __future__ import annotations

import contextlib
import json
import random
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest
from asking_npm import ask_npm

from pmpipe.errors import LockfileError
from pmpipe.npm.locks.lock_conflict import without_conflicts

FILE = "package-lock.json"


def conflicted(base: Any, ours: Any, theirs: Any, folder: Path, style: str = "--diff3") -> str:
    """What git leaves of a file that was changed on both sides."""
    names = []
    for name, document in (("ours", ours), ("base", base), ("theirs", theirs)):
        (folder / name).write_text(json.dumps(document, indent=2) + "\n")
        names.append(name)
    command = ["git", "merge-file", "-p", *([style] if style else []), *names]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False).stdout


def merged(text: str) -> Any:
    return json.loads(without_conflicts(text.encode(), FILE).data)


def lock(**versions: str) -> dict[str, Any]:
    packages: dict[str, Any] = {"": {"name": "app", "dependencies": dict.fromkeys(versions, "*")}}
    packages.update({f"node_modules/{name}": {"version": version} for name, version in versions.items()})
    return {"name": "app", "lockfileVersion": 3, "packages": packages}


def test_a_text_without_conflicts_comes_back_as_it_is() -> None:
    for data in (b"{}", b"nothing", b'{"a": "<<<<<<< ======= >>>>>>>"}', b"\xff\xfe"):
        assert without_conflicts(data, FILE).data is data
        assert not without_conflicts(data, FILE).had_conflict


@pytest.mark.parametrize("style", ["", "--diff3"])
def test_keeps_what_either_side_has_added_and_prefers_ours(style: str, tmp_path: Path) -> None:
    text = conflicted(
        lock(a="1.0.0", z="1.0.0"),
        lock(a="1.1.0", b="1.0.0", z="1.0.0"),
        lock(a="1.2.0", c="1.0.0", z="1.0.0"),
        tmp_path,
        style,
    )
    found = without_conflicts(text.encode(), FILE)
    assert found.had_conflict
    packages = json.loads(found.data)["packages"]
    assert {path: entry["version"] for path, entry in packages.items() if path} == {
        "node_modules/a": "1.1.0",
        "node_modules/b": "1.0.0",
        "node_modules/c": "1.0.0",
        "node_modules/z": "1.0.0",
    }


def test_what_our_side_has_removed_goes(tmp_path: Path) -> None:
    text = conflicted(lock(a="1.0.0", b="1.0.0"), lock(a="1.0.0"), lock(a="1.0.0", b="1.1.0"), tmp_path)
    assert "node_modules/b" not in merged(text)["packages"]


def test_windows_line_ends_and_a_byte_order_mark_do_not_matter(tmp_path: Path) -> None:
    text = conflicted(lock(a="1.0.0"), lock(a="1.1.0"), lock(a="1.2.0"), tmp_path)
    assert merged("\ufeff" + text.replace("\n", "\r\n")) == merged(text)


@pytest.mark.parametrize(
    "text",
    [
        '{\n<<<<<<< a\n"x": 1\n=======\n"x": \n>>>>>>> b\n}',
        "[\n<<<<<<< a\n1\n=======\n2\n>>>>>>> b\n]",
        "<<<<<<<\n=======\n>>>>>>>\n",
        "<<<<<<<\n" + "[" * 1_000_000 + "\n=======\n{}\n>>>>>>>\n",
    ],
)
def test_a_side_that_is_no_json_object_is_refused(text: str) -> None:
    with pytest.raises(LockfileError) as refusal:
        without_conflicts(text.encode(), FILE)
    assert FILE in refusal.value.what


def test_a_hostile_text_ends_quickly() -> None:
    deep = '{"a":' * 600 + "1" + "}" * 600
    long = "[" + "1," * 300_000 + "1]"
    text = f'{{\n"w": {deep},\n<<<<<<< a\n"x": {long},\n=======\n"x": [1],\n>>>>>>> b\n"z": 1}}'
    started = time.process_time()
    with contextlib.suppress(LockfileError):
        without_conflicts(text.encode(), FILE)
    assert time.process_time() - started < 10


def invented(chance: random.Random, depth: int = 0) -> Any:
    kind = chance.randrange(6 if depth < 3 else 3)
    if kind == 0:
        return chance.choice(["1.0.0", "2.0.0", 1, 0, True, False, None, ""])
    if kind in (1, 2) and depth:
        return chance.choice(["a", "b", "c", 1, 2])
    if kind == 3 and depth:
        return [invented(chance, depth + 2) for _ in range(chance.randrange(4))]
    keys = chance.sample(["a", "b", "c", "d", "toString", "node_modules/x"], chance.randrange(5))
    return {key: invented(chance, depth + 1) for key in sorted(keys)}


def changed(value: Any, chance: random.Random, depth: int = 0) -> Any:
    if chance.random() < 0.15 and depth:
        return invented(chance, depth)
    if isinstance(value, dict):
        kept = {key: changed(member, chance, depth + 1) for key, member in value.items() if chance.random() > 0.15}
        if chance.random() < 0.3:
            kept[chance.choice("abcde")] = invented(chance, depth + 1)
        return dict(sorted(kept.items()))
    if isinstance(value, list):
        kept_members = [changed(member, chance, depth + 1) for member in value if chance.random() > 0.3]
        return [*kept_members, *([chance.choice(["a", "b", 1])] if chance.random() < 0.3 else [])]
    return value


def without_nulls(value: Any) -> Any:
    """npm writes null for members of arrays that are nowhere."""
    if isinstance(value, list):
        return [without_nulls(member) for member in value if member is not None]
    return {key: without_nulls(member) for key, member in value.items()} if isinstance(value, dict) else value


@pytest.mark.npm
def test_merges_as_npm_does(tmp_path: Path) -> None:
    chance = random.Random(7)
    texts = []
    while len(texts) < 400:
        base = invented(chance)
        if not isinstance(base, dict):
            continue
        text = conflicted(base, changed(base, chance), changed(base, chance), tmp_path)
        if "<<<<<<<" in text:
            texts.append(text)
    answers = ask_npm("ask_conflict.cjs", texts)
    compared = 0
    for text, answer in zip(texts, answers, strict=True):
        if "document" in answer:
            compared += 1
            assert without_nulls(merged(text)) == without_nulls(answer["document"]), text
    assert compared > 100
