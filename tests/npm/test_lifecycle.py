"""Which command belongs to an event, and what scripts learn of their package.json."""

from __future__ import annotations

from typing import Any

import pytest

from pmpipe.npm.scripts.lifecycle import command_of, search_path
from pmpipe.npm.scripts.package_variables import label_of, package_variables


@pytest.mark.parametrize(
    ("document", "event", "has_gyp_file", "command"),
    [
        ({"scripts": {"install": "a"}}, "install", False, "a"),
        ({"scripts": {"install": "a"}}, "postinstall", True, ""),
        ({}, "install", True, "node-gyp rebuild"),
        ({"scripts": None}, "install", True, "node-gyp rebuild"),
        ({"gypfile": False}, "install", True, ""),
        ({"gypfile": True}, "install", False, ""),
        ({"scripts": {"preinstall": "a"}}, "install", True, ""),
        ({"scripts": {"install": ""}}, "install", True, "node-gyp rebuild"),
        ({"scripts": {"postinstall": "a"}}, "install", True, "node-gyp rebuild"),
        ({}, "preinstall", True, ""),
        ({"scripts": {"install": ["a"]}}, "install", False, ""),
    ],
)
def test_commands(document: dict[str, Any], event: str, has_gyp_file: bool, command: str) -> None:
    assert command_of(document, event, has_gyp_file=has_gyp_file) == command


def test_variables_of_a_package() -> None:
    document = {
        "name": " p ",
        "version": "=1.0.0+build",
        "description": "no variable",
        "config": {"a": {"b": [1, 2.0, 1.5, None, False, True, "x"]}, "empty": {}},
        "engines": {"node": ">=1"},
        "bin": {"one": "./one.js", "../two": "two.js"},
    }
    assert package_variables(document) == {
        "npm_package_name": "p",
        "npm_package_version": "1.0.0",
        "npm_package_config_a_b_0": "1",
        "npm_package_config_a_b_1": "2",
        "npm_package_config_a_b_2": "1.5",
        "npm_package_config_a_b_3": "",
        "npm_package_config_a_b_4": "",
        "npm_package_config_a_b_5": "true",
        "npm_package_config_a_b_6": "x",
        "npm_package_engines_node": ">=1",
        "npm_package_bin_one": "one.js",
        "npm_package_bin_two": "two.js",
    }
    assert package_variables({}) == {}


@pytest.mark.parametrize(
    ("document", "label"),
    [
        ({"name": "a", "version": "1.0.0"}, "a@1.0.0"),
        ({"name": "a"}, "a"),
        ({"version": "1.0.0"}, "1.0.0"),
        ({"name": 1, "version": 2}, ""),
        ({"name": "a", "version": "odd"}, "a@odd"),
    ],
)
def test_labels(document: dict[str, Any], label: str) -> None:
    assert label_of(document) == label


def test_the_search_path_begins_with_the_package_s_own_executables() -> None:
    assert search_path("/a/b", "/gyp", "/usr/bin:/bin").split(":") == [
        "/a/b/node_modules/.bin",
        "/a/node_modules/.bin",
        "/node_modules/.bin",
        "/gyp",
        "/usr/bin",
        "/bin",
    ]
    assert search_path("/", "", "") == "/node_modules/.bin"
