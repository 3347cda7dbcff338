"""The text of a lockfile."""

from __future__ import annotations

import random
from typing import Any

import pytest
from asking import ask

from pmpipe.npm.locks.lock_writer import write_lockfile
from pmpipe.npm.texts.json_layout import ON_ONE_LINE, JsonLayout, lock_layout_of


def test_puts_known_keys_first_and_objects_last() -> None:
    text = write_lockfile({"z": 1, "dependencies": {"b": "1"}, "a": {"x": 1}, "version": "1.0.0", "name": "n"})
    assert text.decode() == (
        '{\n  "name": "n",\n  "version": "1.0.0",\n  "z": 1,\n'
        '  "dependencies": {\n    "b": "1"\n  },\n  "a": {\n    "x": 1\n  }\n}\n'
    )


def test_a_dependency_called_version_comes_before_the_others() -> None:
    assert list_keys(write_lockfile({"dependencies": {"a": "1", "version": "1"}})) == ["dependencies", "version", "a"]


def test_keys_that_look_like_positions_come_first_as_in_javascript() -> None:
    assert list_keys(write_lockfile({"b": 1, "10": 1, "9": 1, "01": 1})) == ["9", "10", "01", "b"]


def test_arrays_count_as_no_objects_and_empty_ones_stay_on_their_line() -> None:
    assert write_lockfile({"a": {}, "b": [], "c": ["x", {"z": 1, "y": 2}]}) == (
        b'{\n  "b": [],\n  "c": [\n    "x",\n    {\n      "y": 2,\n      "z": 1\n    }\n  ],\n  "a": {}\n}\n'
    )


@pytest.mark.parametrize(
    ("manifest", "layout"),
    [
        ('{"name": "x"}', JsonLayout()),
        ('{\n"name": "x"\n}', JsonLayout()),
        ("{}\r\n", JsonLayout("  ", "\r\n")),
        ('{\n\n   "name": "x"\n}', JsonLayout("   ", "\n\n")),
        ("{\n" + " " * 14 + '"name": "x"\n}', JsonLayout(" " * 10)),
        ('{ \n    "name": "x"\n}', JsonLayout()),
    ],
)
def test_a_lock_is_never_on_one_line_because_package_json_is(manifest: str, layout: JsonLayout) -> None:
    assert lock_layout_of(manifest) == layout


def test_what_stands_on_one_line_has_no_line_end() -> None:
    assert write_lockfile({"b": [1, 2], "a": {"c": "x y"}}, ON_ONE_LINE) == b'{"b":[1,2],"a":{"c":"x y"}}'


def test_writes_the_layout_of_package_json() -> None:
    layout = lock_layout_of('{\r\n\t"name": "x"\r\n}\r\n')
    assert layout == JsonLayout("\t", "\r\n")
    assert write_lockfile({"a": {"b": "  c"}}, layout) == b'{\r\n\t"a": {\r\n\t\t"b": "  c"\r\n\t}\r\n}\r\n'


def test_does_not_change_what_it_writes() -> None:
    document = {"b": 1, "a": {"z": 1, "y": 2}}
    write_lockfile(document)
    assert list(document) == ["b", "a"]
    assert list(document["a"]) == ["z", "y"]  # type: ignore[call-overload]


def list_keys(text: bytes) -> list[str]:
    return [line.split('"')[1] for line in text.decode().splitlines() if '"' in line]


@pytest.mark.npm
def test_writes_any_value_as_npm_does() -> None:
    chance = random.Random(5)
    keys = [
        "name",
        "version",
        "resolved",
        "packages",
        "dependencies",
        "a",
        "B",
        "b-c",
        "@s/x",
        "10",
        "2",
        "é",
        'q"\\',
        "",
    ]
    leaves: list[Any] = ["x", "", "é\u2028\x01\x7f", 1, 1.0, 2.5, True, None, [], ["y", {"z": 1, "a": []}], {}]

    def value(depth: int) -> Any:
        if depth and chance.random() < 0.5:
            return {key: value(depth - 1) for key in chance.sample(keys, chance.randint(0, 7))}
        return chance.choice(leaves)

    documents = [{"top": value(4), "name": value(3)} for _ in range(300)]
    expected = ask("ask_order.cjs", [{"value": document} for document in documents])
    for document, text in zip(documents, expected, strict=True):
        assert write_lockfile(document).decode() == text
