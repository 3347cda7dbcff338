"""Executables: names by base name, targets inside the package, and one owner for each name."""

from __future__ import annotations

import json
import random

import pytest
from asking_npm import ask_npm
from hypothesis import given
from hypothesis import strategies as st

from pmpipe.npm.manifests.bins import (
    BinCandidate,
    bin_folder_of,
    bins_of_directories,
    bins_of_folder,
    bins_of_manifest,
    choose_bins,
    normalize_bins,
    unix_hashbang,
)


def test_a_lone_path_is_the_executable_of_the_packages_own_name():
    assert normalize_bins("tool", "./cli.js") == {"tool": "cli.js"}


def test_a_name_of_very_many_digits_is_a_name_like_any_other():
    name = "1" * 5_000
    assert normalize_bins("a", {name: "a.js", "7": "b.js"}) == {"7": "b.js", name: "a.js"}


def test_the_scope_is_no_part_of_the_executables_name():
    assert normalize_bins("@scope/tool", "cli.js") == {"tool": "cli.js"}
    assert normalize_bins("tool", {"@scope/other": "cli.js"}) == {"other": "cli.js"}


def test_a_lone_path_without_a_name_is_no_executable():
    assert normalize_bins("", "cli.js") == {}


@pytest.mark.parametrize("name", ["", ".", "..", "/", "a/..", "a\\..", "..\\..", ":", "a/../..", "__proto__", "a\0b"])
def test_names_that_leave_nothing_are_dropped(name):
    assert normalize_bins("tool", {name: "cli.js"}) == {}


def test_of_two_keys_with_one_base_name_the_last_one_wins_and_on_disk_the_first():
    both = {"x/a": "1.js", "a": "2.js"}
    assert normalize_bins("tool", both) == {"a": "2.js"}
    assert bins_of_manifest("tool", both) == {"a": "1.js"}


@pytest.mark.parametrize(
    "name", ["../../e", "/usr/bin/e", "..\\..\\e", "C:\\windows\\e", "c:e", "e/", "a/../e", "./e", "x/y/../../../e"]
)
def test_names_are_reduced_to_their_base(name):
    assert normalize_bins("tool", {name: "cli.js"}) == {"e": "cli.js"}


@pytest.mark.parametrize(
    ("given", "inside"),
    [
        ("../../../etc/passwd", "etc/passwd"),
        ("/etc/passwd", "etc/passwd"),
        ("//etc/passwd", "etc/passwd"),
        ("..\\..\\e.exe", "e.exe"),
        ("C:\\e.exe", "C:/e.exe"),
        ("lib/../../../e", "e"),
        ("./bin//cli.js", "bin/cli.js"),
        ("bin/", "bin/"),
    ],
)
def test_targets_are_confined_to_the_package(given, inside):
    assert normalize_bins("tool", {"e": given}) == {"e": inside}


@pytest.mark.parametrize(
    "target", ["", ".", "..", "/", "a/..", "../..", 1, None, ["cli.js"], {"a": "b"}, "a\0", "\ud800"]
)
def test_targets_that_leave_nothing_are_dropped(target):
    assert normalize_bins("tool", {"e": target, "kept": "cli.js"}) == {"kept": "cli.js"}


@pytest.mark.parametrize("bin_field", [None, 0, 1, True, "", {}, [], [1], 1.5])
def test_anything_else_is_no_executable(bin_field):
    assert normalize_bins("tool", bin_field) == {}


def test_a_list_names_executables_by_their_files():
    assert normalize_bins("tool", ["bin/a.js", "bin/b"]) == {"a.js": "bin/a.js", "b": "bin/b"}


SEGMENTS = st.sampled_from(["a", "b", "..", ".", "", "@s", "1", "0", "C:", "é", "node_modules", "constructor"])
PATHS = st.builds(
    lambda segments, separators: "".join(a + b for a, b in zip(segments, [*separators, ""], strict=False)),
    st.lists(SEGMENTS, min_size=1, max_size=5),
    st.lists(st.sampled_from(["/", "\\", "//", ":"]), min_size=5, max_size=5),
)


@given(PATHS, PATHS)
def test_whatever_is_given_nothing_leaves_the_package_or_the_bin_folder(name, target):
    for base, inside in (normalize_bins("tool", {name: target}) | bins_of_manifest("tool", {name: target})).items():
        assert "/" not in base
        assert base not in ("", ".", "..")
        assert not inside.startswith("/")
        assert ".." not in inside.split("/")


def _odd_manifests(count: int) -> list[dict[str, object]]:
    choose = random.Random(5)
    segments = ["a", "b", "c.js", "..", ".", "", "@s", "1", "10", "01", "C:", "é", "constructor", "__proto__", " "]

    def path() -> str:
        length = choose.randint(1, 4)
        return "".join(choose.choice(segments) + choose.choice(["/", "\\", "", "//", ":"]) for _ in range(length))

    manifests: list[dict[str, object]] = [
        {"name": name, "bin": given}
        for name in ("tool", "@scope/tool", "", "..", "@scope/..")
        for given in ("cli.js", "../cli.js", "", ".", "/", "bin/", [], ["x/a", "y/a"], {}, 1, None, True)
    ]
    for _ in range(count):
        targets = [path() if choose.random() < 0.9 else choose.choice([1, None, [], ""]) for _ in range(4)]
        manifests.append({"name": "tool", "bin": {path(): target for target in targets}})
    return manifests


@pytest.mark.npm
def test_agrees_with_npm_on_odd_names_and_targets():
    manifests = _odd_manifests(5000)
    for manifest, expected in zip(manifests, ask_npm("ask_bins.cjs", manifests), strict=True):
        name = manifest["name"]
        assert isinstance(name, str)
        assert normalize_bins(name, manifest["bin"]) == expected["in_lockfile"], json.dumps(manifest)
        assert bins_of_manifest(name, manifest["bin"]) == expected["on_disk"], json.dumps(manifest)


def test_a_folder_of_executables():
    entries = ["cli.js", "sub", "sub/other.js", ".hidden", ".git/config", "sub/.x"]
    assert bins_of_folder("./bin", entries) == {
        "cli.js": "bin/cli.js",
        "sub": "bin/sub",
        "other.js": "bin/sub/other.js",
    }


def test_a_folder_of_executables_is_confined_to_the_package():
    assert bins_of_folder("../../bin", ["cli.js"]) == {"cli.js": "bin/cli.js"}
    assert bins_of_folder("..", ["cli.js"]) == {"cli.js": "cli.js"}


# -- who gets a name ----------------------------------------------------------------------------------------------


def owners(*candidates: BinCandidate) -> dict[str, str]:
    return {
        f"{chosen.bin_folder}/{name}": chosen.location for chosen in choose_bins(candidates) for name, _ in chosen.bins
    }


def candidate(location: str, *names: str, is_link: bool = False) -> BinCandidate:
    return BinCandidate(location, is_link, normalize_bins("", dict.fromkeys(names, "cli.js")))


def test_the_first_in_english_order_gets_the_name():
    zoo, ape = candidate("node_modules/zoo", "x"), candidate("node_modules/Ape", "x", "y")
    assert owners(zoo, ape) == {"node_modules/.bin/x": "node_modules/Ape", "node_modules/.bin/y": "node_modules/Ape"}


def test_a_scope_comes_before_letters():
    assert owners(candidate("node_modules/a", "x"), candidate("node_modules/@z/z", "x")) == {
        "node_modules/.bin/x": "node_modules/@z/z"
    }


def test_an_installed_package_comes_before_a_link():
    assert owners(candidate("node_modules/a", "x", is_link=True), candidate("node_modules/b", "x")) == {
        "node_modules/.bin/x": "node_modules/b"
    }


def test_each_node_modules_has_names_of_its_own():
    assert owners(candidate("node_modules/a", "x"), candidate("node_modules/b/node_modules/c", "x")) == {
        "node_modules/.bin/x": "node_modules/a",
        "node_modules/b/node_modules/.bin/x": "node_modules/b/node_modules/c",
    }


@pytest.mark.parametrize(
    ("location", "folder"),
    [
        ("node_modules/a", "node_modules/.bin"),
        ("node_modules/@s/a", "node_modules/.bin"),
        ("node_modules/@s/a/node_modules/@t/b", "node_modules/@s/a/node_modules/.bin"),
        ("packages/w/node_modules/a", "packages/w/node_modules/.bin"),
    ],
)
def test_executables_are_linked_beside_the_package(location, folder):
    assert bin_folder_of(location) == folder


# -- the first line -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("content", "rewritten"),
    [
        (b"#!/usr/bin/env node\r\nx\r\n", b"#!/usr/bin/env node\nx\r\n"),
        (b"#!x\r\r\n", b"#!x\r\n"),
        (b"#!" + b"x" * 2044 + b"\r\n", b"#!" + b"x" * 2044 + b"\n"),
        (b"#!x\r\n\xff", "#!x\n\ufffd".encode()),
    ],
)
def test_a_windows_line_end_after_the_interpreter_is_taken_out(content, rewritten):
    assert unix_hashbang(content) == rewritten


@pytest.mark.parametrize(
    "content",
    [b"", b"#!", b"#!\r\n", b"#!x\nx\r\n", b"x\r\n", b" #!x\r\n", b"#!x\r", b"#!" + b"x" * 2045 + b"\r\n", b"#!x"],
)
def test_any_other_content_stays(content):
    assert unix_hashbang(content) is None


def test_directories_bin_counts_where_there_is_no_bin():
    paths = ["package.json", "bin", "bin/tool", "bin/sub/other", "bin/.hidden", "lib/x"]
    manifest = {"directories": {"bin": "./bin"}}
    assert bins_of_directories(manifest, paths) == {"tool": "bin/tool", "other": "bin/sub/other"}
    assert bins_of_directories({**manifest, "bin": {"a": "a.js"}}, paths) == {}


@pytest.mark.parametrize("directories", [None, [], {}, {"bin": ""}, {"bin": 1}])
def test_directories_that_name_no_folder_give_no_bins(directories):
    assert bins_of_directories({"directories": directories}, ["bin/tool"]) == {}
