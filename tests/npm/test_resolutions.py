"""yarn's ``resolutions``, said as ``overrides``."""

from __future__ import annotations

from typing import Any

import pytest

from pmpipe.npm.manifests.resolutions import may_contradict, read_resolutions, with_resolutions

#: resolutions -> the same as overrides
SAID: list[tuple[dict[str, str], dict[str, Any]]] = [
    ({"a": "1.0.0"}, {"a": "1.0.0"}),
    ({"**/a": "1.0.0"}, {"a": "1.0.0"}),
    ({"@s/a": "1.0.0"}, {"@s/a": "1.0.0"}),
    ({"**/@s/a": "1.0.0"}, {"@s/a": "1.0.0"}),
    ({"parent/a": "1.0.0"}, {"parent": {"a": "1.0.0"}}),
    ({"parent/**/a": "1.0.0"}, {"parent": {"a": "1.0.0"}}),
    ({"@s/parent/@s/a": "1.0.0"}, {"@s/parent": {"@s/a": "1.0.0"}}),
    ({"x/parent/a": "1.0.0"}, {"x": {"parent": {"a": "1.0.0"}}}),
    ({"a@^2": "2.1.0"}, {"a@^2": "2.1.0"}),
    ({"a@npm:^2": "npm:2.1.0"}, {"a@^2": "2.1.0"}),
    ({"a": "npm:^2"}, {"a": "^2"}),
    ({"a": "npm:other@2"}, {"a": "npm:other@2"}),
    ({"a": "1", "a/b": "2"}, {"a": {".": "1", "b": "2"}}),
    ({"a/b": "2", "a": "1"}, {"a": {"b": "2", ".": "1"}}),
]


@pytest.mark.parametrize(("resolutions", "overrides"), SAID)
def test_a_resolution_is_an_override(resolutions: dict[str, str], overrides: dict[str, Any]) -> None:
    read = read_resolutions(resolutions)
    assert read.overrides == overrides
    assert read.ignored == ()


@pytest.mark.parametrize(
    "resolutions",
    [
        {"a": "patch:a@1#x.patch"},
        {"a": "portal:../a"},
        {"a": 1},
        {"a/*": "1"},
        {"@types/*": "1"},
        {"": "1"},
        {"@s": "1"},
        {"a@patch:x": "1"},
        {"a@b c": "1"},
    ],
)
def test_what_cannot_be_said_is_named_and_ignored(resolutions: dict[str, Any]) -> None:
    read = read_resolutions(resolutions)
    assert read.overrides == {}
    (line,) = read.ignored
    assert next(iter(resolutions)) in line


@pytest.mark.parametrize("junk", [None, [], "a", 3])
def test_a_field_of_another_type_says_nothing(junk: Any) -> None:
    assert read_resolutions(junk).overrides == {}


def test_overrides_count_more_than_resolutions_for_the_same() -> None:
    resolutions = {"a": "1", "b": "1", "p/c": "1", "p/d": "1"}
    overrides = {"a": "2", "p": {"c": "2"}}
    assert with_resolutions(overrides, resolutions) == {"a": "2", "b": "1", "p": {"c": "2", "d": "1"}}


def test_an_override_of_a_package_and_a_resolution_below_it_both_hold() -> None:
    assert with_resolutions({"a": "2"}, {"a/b": "1"}) == {"a": {"b": "1", ".": "2"}}


def test_only_what_overrides_do_not_name_may_contradict_the_project() -> None:
    assert may_contradict({"a@^1": "2"}, {"a": "1", "b": "1"}) == {"b"}
