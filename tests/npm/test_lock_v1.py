"""Reading locks of version 1 as if they were of version 3."""

from __future__ import annotations

import json
from typing import Any

import pytest

from pmpipe.errors import LockfileError
from pmpipe.npm.locks.lock_v1 import entries_of_version_1, modern_lock, needs_inflating
from pmpipe.npm.locks.lock_version import is_version_1
from pmpipe.npm.locks.lockfile import read_lockfile

FILE = "package-lock.json"
COMMIT = "0123456789" * 4
SRI = "sha512-" + "A" * 86 + "=="


def entries(locks: dict[str, Any], manifest: dict[str, Any] | None = None) -> dict[str, Any]:
    found = entries_of_version_1({"name": "app", "dependencies": locks}, manifest or {}, "/project")
    return {location: entry for location, entry in found.items() if location}


def test_what_lies_inside_comes_below() -> None:
    inner = {"b": {"version": "2.0.0", "dependencies": {"@s/c": {"version": "3.0.0"}}}}
    assert list(entries({"a": {"version": "1.0.0", "dependencies": inner}})) == [
        "node_modules/a",
        "node_modules/a/node_modules/b",
        "node_modules/a/node_modules/b/node_modules/@s/c",
    ]


def test_an_alias_has_the_name_of_the_package() -> None:
    assert entries({"a": {"version": "npm:@s/b@1.0.0", "integrity": SRI}})["node_modules/a"] == {
        "integrity": SRI,
        "name": "@s/b",
        "version": "1.0.0",
    }


def test_a_tarball_has_the_version_of_its_address() -> None:
    url = "https://registry.example/files/a-1.2.3.tgz"
    assert entries({"a": {"version": url, "integrity": SRI}})["node_modules/a"] == {
        "integrity": SRI,
        "resolved": url,
        "version": "1.2.3",
    }


@pytest.mark.parametrize(
    ("version", "resolved"),
    [
        (f"github:u/r#{COMMIT}", f"git+ssh://git@github.com/u/r.git#{COMMIT}"),
        (f"git+https://git.example/r.git#{COMMIT}", f"git+https://git.example/r.git#{COMMIT}"),
    ],
)
def test_a_repository_is_kept_with_its_commit(version: str, resolved: str) -> None:
    assert entries({"a": {"version": version, "from": "github:u/r#main"}})["node_modules/a"] == {"resolved": resolved}


def test_a_folder_becomes_a_link_and_its_target() -> None:
    inner = {"version": "file:lib/a", "requires": {"b": "^1.0.0"}, "dependencies": {"b": {"version": "1.0.0"}}}
    assert entries({"a": inner}) == {
        "node_modules/a": {"link": True, "resolved": "lib/a"},
        "lib/a": {"dependencies": {"b": "^1.0.0"}},
        "lib/a/node_modules/b": {"version": "1.0.0"},
    }


def test_what_is_required_is_optional_if_what_is_found_is() -> None:
    locks = {
        "a": {"version": "1.0.0", "requires": {"b": "1", "c": "1", "lost": "1"}},
        "b": {"version": "1.0.0", "optional": True},
        "c": {"version": "1.0.0"},
    }
    assert entries(locks)["node_modules/a"] == {
        "version": "1.0.0",
        "optionalDependencies": {"b": "1"},
        "dependencies": {"c": "1", "lost": "1"},
    }


def test_the_bundler_is_told_what_it_brings() -> None:
    inner = {"b": {"version": "1.0.0", "bundled": True}, "c": {"version": "1.0.0", "bundled": True}}
    found = entries({"a": {"version": "1.0.0", "requires": {"b": "1"}, "dependencies": inner}})
    assert found["node_modules/a"]["bundleDependencies"] == ["b"]


def test_the_result_is_a_lockfile_of_version_3() -> None:
    old = {"name": "app", "version": "1.0.0", "lockfileVersion": 1, "dependencies": {"a": {"version": "1.0.0"}}}
    lock = read_lockfile(modern_lock(json.dumps(old).encode(), {"dependencies": {"a": "1"}}, "/project", FILE), FILE)
    assert (lock.name, lock.lockfile_version, list(lock.entries)) == ("app", 3, ["", "node_modules/a"])


@pytest.mark.parametrize("name", ["../../x", "/x", ".bin", "a/../../b", "node_modules", ""])
def test_a_name_that_leads_elsewhere_is_refused_like_any_other_path(name: str) -> None:
    old = json.dumps({"dependencies": {name: {"version": "1.0.0"}}}).encode()
    with pytest.raises(LockfileError):
        read_lockfile(modern_lock(old, {}, "/project", FILE), FILE)


@pytest.mark.parametrize(
    "text",
    [
        "[]",
        "nothing",
        '{"dependencies": [1]}',
        '{"dependencies": {"a": 1}}',
        '{"dependencies": {"a": {"dependencies": 1}}}',
        '{"dependencies": ' + '{"a": {"dependencies": ' * 400 + "{}" + "}}" * 400 + "}",
        '{"dependencies": ' + '{"a": {"dependencies": ' * 100_000,
    ],
)
def test_what_is_no_lock_is_refused(text: str) -> None:
    with pytest.raises(LockfileError):
        modern_lock(text.encode(), {}, "/project", FILE)


def test_fields_of_odd_types_are_passed_over() -> None:
    odd = {"version": 1, "resolved": [], "integrity": {}, "requires": {"b": 1}, "bundled": 0, "from": None}
    assert entries({"a": odd}) == {"node_modules/a": {}}


@pytest.mark.parametrize(
    ("document", "expected"),
    [
        ({"lockfileVersion": 1, "dependencies": {"a": {}}}, (True, True)),
        ({"dependencies": {"a": {}}}, (True, True)),
        ({"lockfileVersion": 1, "packages": {"": {}}}, (False, True)),
        ({"lockfileVersion": 2, "packages": {"": {}}, "dependencies": {"a": {}}}, (False, False)),
        ({"lockfileVersion": 3}, (False, False)),
        ({"packages": {"": {}}}, (False, True)),
    ],
)
def test_tells_which_locks_are_old(document: dict[str, Any], expected: tuple[bool, bool]) -> None:
    data = json.dumps(document).encode()
    assert (is_version_1(data), needs_inflating(data)) == expected


def test_a_number_that_is_out_of_range_is_no_obstacle_to_telling() -> None:
    in_an_entry = b'{"lockfileVersion": 3, "packages": {"": {}, "node_modules/a": {"odd": 1e999}}}'
    assert (is_version_1(in_an_entry), needs_inflating(in_an_entry)) == (False, False)
    in_place_of_all = b'{"lockfileVersion": 3, "packages": 1e999, "dependencies": {"a": {}}}'
    assert (is_version_1(in_place_of_all), needs_inflating(in_place_of_all)) == (False, False)
