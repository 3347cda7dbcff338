"""Versions and ranges: what people rely on, and agreement with npm's own semver on a hundred thousand pairs."""

from __future__ import annotations

import pytest
from asking_npm import ask_npm
from hypothesis import given
from hypothesis import strategies as st
from semver_texts import Texts
from support.loaded_modules import modules_loaded_by

from pmpipe.errors import InvalidSpecError
from pmpipe.npm import semver

#: The order of ask_semver.cjs.
MODES = [
    {"loose": True},
    {"loose": True, "include_prerelease": True},
    {"loose": False},
    {"loose": False, "include_prerelease": True},
]


@pytest.mark.parametrize(
    ("version", "requested_range"),
    [
        ("1.2.3", "^1.0.0"),
        ("1.2.3", "1.x || 3"),
        ("0.2.5", "^0.2.3"),
        ("1.2.9", "~1.2.3"),
        ("2.3.9", "1.2 - 2.3"),
        ("1.2.3-rc.2", "^1.2.3-rc.1"),
        ("1.2.3+build", "1.2.3"),
        ("v1.2.3", " >= 1.2.3 "),
        ("3.0.0", ""),
        ("1.2.3beta", "1.2.3-beta"),
    ],
)
def test_version_satisfies_range(version, requested_range):
    assert semver.satisfies(version, requested_range)


@pytest.mark.parametrize(
    ("version", "requested_range"),
    [
        ("2.0.0", "^1.0.0"),
        ("0.3.0", "^0.2.3"),
        ("0.0.4", "^0.0.3"),
        ("1.3.0", "~1.2.3"),
        ("2.4.0", "1.2 - 2.3"),
        ("2.0.0-rc.1", "^1.2.3"),
        ("1.3.0-rc.1", "^1.2.3-rc.1"),
        ("1.2.3-rc.1", "*"),
        ("1.2.3", "latest"),
        ("1.2", "*"),
        ("1.2.3\n1", "*"),
    ],
)
def test_version_does_not_satisfy_range(version, requested_range):
    assert not semver.satisfies(version, requested_range)


def test_prereleases_count_as_versions_when_included():
    assert semver.satisfies("1.3.0-rc.1", "^1.2.3", include_prerelease=True)
    assert not semver.satisfies("2.0.0-rc.1", "^1.2.3", include_prerelease=True)


def test_strict_grammar_refuses_what_the_loose_one_accepts():
    assert semver.parse_version("=1.2.3beta") is not None
    assert semver.parse_version("=1.2.3beta", loose=False) is None


def test_version_tells_its_parts():
    version = semver.parse_version("v1.2.3-rc.01+build.5")
    assert version is not None
    assert version.key[:3] == (1, 2, 3)
    assert version.prerelease == ("rc", 1)
    assert version.build == "build.5"
    assert str(version) == "1.2.3-rc.1"


def test_versions_are_ordered_by_precedence():
    ordered = [
        "1.0.0-1",
        "1.0.0-2",
        "1.0.0-11",
        "1.0.0-a",
        "1.0.0-a.1",
        "1.0.0-a.b",
        "1.0.0-b",
        "1.0.0",
        "1.0.1",
        "1.10.0",
    ]
    parsed = [semver.parse_version(text) for text in reversed(ordered)]
    assert [str(version) for version in sorted(parsed)] == ordered


def test_versions_compare_with_every_operator():
    lower, higher = semver.parse_version("1.2.3-rc.1"), semver.parse_version("1.2.3")
    assert lower < higher
    assert lower <= higher
    assert higher > lower
    assert higher >= lower
    assert lower != higher
    assert lower != "1.2.3-rc.1"


def test_build_metadata_does_not_order_versions():
    first, second = semver.parse_version("1.0.0+a"), semver.parse_version("1.0.0+b")
    assert first == second
    assert hash(first) == hash(second)
    assert semver.compare(first, second) == 0


def test_numbers_beyond_javascript_make_a_version_invalid():
    assert semver.parse_version("1.2.9007199254740991") is not None
    assert semver.parse_version("1.2.9007199254740992") is None


def test_overlong_version_is_invalid():
    assert semver.parse_version("1.2.3-" + "a" * 250) is not None
    assert semver.parse_version("1.2.3-" + "a" * 251) is None


def test_prerelease_numbers_beyond_javascript_are_level_when_their_doubles_are():
    first, second = semver.parse_version("1.0.0-9007199254740992"), semver.parse_version("1.0.0-9007199254740993")
    assert semver.compare(first, second) == 0
    assert first != second
    assert len({first, second, semver.parse_version("1.0.0-9007199254740992+build")}) == 2
    assert semver.satisfies("1.0.0-9007199254740993", "1.0.0-9007199254740992")


def test_max_satisfying_returns_the_text_that_was_given():
    versions = ["1.0.0", "v1.5.0+build", "2.0.0", "1.4.0", "1.5.0", "garbage"]
    assert semver.max_satisfying(versions, "^1.0.0") == "v1.5.0+build"
    assert semver.max_satisfying(versions, "^3.0.0") is None
    assert semver.max_satisfying(versions, "latest") is None


@pytest.mark.parametrize(
    ("text", "printed"),
    [
        ("", "*"),
        ("^1.2.3", ">=1.2.3 <2.0.0-0"),
        ("1.2 - 3", ">=1.2.0 <4.0.0-0"),
        ("1 || 2", ">=1.0.0 <2.0.0-0||>=2.0.0 <3.0.0-0"),
        ("1 || *", "*"),
        ("latest", None),
        ("1 foo", ">=1.0.0 <2.0.0-0"),
    ],
)
def test_range_is_printed_as_npm_does(text, printed):
    assert semver.valid_range(text) == printed


def test_texts_are_read_once():
    assert semver.parse_range("^7.1.2") is semver.parse_range("^7.1.2")
    assert semver.parse_version("7.1.2") is semver.parse_version("7.1.2")


def test_hostile_range_is_refused_without_work():
    assert semver.parse_range("v " * 500_000) is None
    assert semver.parse_range("1 " + "v" * 4_000) is not None


def test_subset_and_intersects():
    assert semver.subset("^1.2.3", "1.x")
    assert semver.subset("1.x", "1.x")
    assert not semver.subset("1.x", "^1.2.3")
    assert semver.intersects("^1.2.3", "~1.4")
    assert not semver.intersects("^1.2.3", "^2")


@pytest.mark.parametrize("relation", [semver.subset, semver.intersects])
def test_relation_refuses_what_is_no_range(relation):
    with pytest.raises(InvalidSpecError, match="'latest' is no range"):
        relation("latest", "^1")


@given(st.text(max_size=60))
def test_any_text_is_read_or_refused(text):
    semver.parse_version(text)
    parsed = semver.parse_range(text)
    if parsed is not None:
        again = semver.parse_range(str(parsed))
        assert again is not None
        assert str(again) == str(parsed)


@pytest.mark.parametrize(
    ("version", "wanted"),
    [
        ("1.2.3", "1.2.3"),
        ("1.2.3", "^1.2.3"),
        ("1.10.0", "^1.2.3"),
        ("1.2.10", "~1.2.3"),
        ("0.1.9", "^0.1.3"),
        ("0.0.9", "~0.0.3"),
    ],
)
def test_what_most_dependencies_ask_for_is_told_plainly(version, wanted):
    assert semver.plainly_satisfies(version, wanted)


@pytest.mark.parametrize("wanted", ["latest", "1.2.x", ">=1.2.3", "1.2.3 || 2", "v1.2.3", "", "1.2.3-a"])
def test_what_only_the_grammar_can_tell_is_not_told_plainly(wanted):
    assert not semver.plainly_satisfies("1.2.3", wanted)
    assert not semver.plainly_satisfies(wanted, wanted)


def test_what_is_told_plainly_is_true():
    texts = Texts(20261129)
    told = 0
    numbers = ["0", "0", "1", "1", "2", "10", "01", "999999999", "1000000000"]
    for _ in range(20_000):
        parts = [texts.random.choice(numbers) for _ in range(3)]
        plain = ".".join(parts)
        parts[texts.random.randint(0, 2)] = texts.random.choice(numbers)
        other = ".".join(parts)
        version = texts.version() if texts.rarely(0.2) else plain
        wanted = texts.requested_range() if texts.rarely(0.2) else texts.random.choice(["", "^", "~"]) + other
        if semver.plainly_satisfies(version, wanted):
            told += 1
            assert semver.satisfies(version, wanted), (version, wanted)
    assert told > 500


def test_module_loads_nothing_that_does_io():
    heavy = {"socket", "subprocess", "asyncio", "multiprocessing", "urllib", "pathlib", "json"}
    assert not heavy & modules_loaded_by("import pmpipe.npm.semver")


@pytest.mark.npm
def test_versions_are_valid_printed_and_ordered_as_in_npm():
    texts = Texts(20260101)
    questions = [{"kind": "version", "version": texts.version(), "other": texts.version()} for _ in range(15_000)]
    different = []
    for question, answers in zip(questions, ask_npm("ask_semver.cjs", questions), strict=True):
        for loose, answer in zip([True, False], answers, strict=True):
            first = semver.parse_version(question["version"], loose)
            second = semver.parse_version(question["other"], loose)
            order = semver.compare(first, second) if first and second else "error"
            printed = semver.valid_version(question["version"], loose=loose)
            if {"printed": printed, "order": order} != answer:
                different.append((question, loose, printed, order, answer))
    assert different == []


@pytest.mark.npm
def test_ranges_are_valid_printed_and_satisfied_as_in_npm():
    texts = Texts(20260102)
    questions = [
        {"kind": "range", "range": texts.requested_range(), "versions": [texts.version() for _ in range(20)]}
        for _ in range(5_100)
    ]
    different = []
    for question, answers in zip(questions, ask_npm("ask_semver.cjs", questions), strict=True):
        text = question["range"]
        for mode, answer in zip(MODES, answers, strict=True):
            versions = question["versions"][: len(answer["satisfied"])]
            mine = {
                "printed": semver.valid_range(text, **mode),
                "satisfied": "".join(str(int(semver.satisfies(version, text, **mode))) for version in versions),
                "highest": semver.max_satisfying(versions, text, **mode),
            }
            if mine != answer:
                different.append((text, mode, mine, answer))
    assert different == []


@pytest.mark.npm
def test_ranges_intersect_and_contain_each_other_as_in_npm():
    texts = Texts(20260103)
    questions = [
        {"kind": "relation", "first": texts.requested_range(), "second": texts.requested_range()} for _ in range(3_000)
    ]
    different = []
    for question, answers in zip(questions, ask_npm("ask_semver.cjs", questions), strict=True):
        for mode, answer in zip(MODES, answers, strict=True):
            mine = {
                "intersects": _relation(semver.intersects, question, mode),
                "subset": _relation(semver.subset, question, mode),
            }
            if mine != answer:
                different.append((question, mode, mine, answer))
    assert different == []


def _relation(relation, question, mode):
    try:
        return relation(question["first"], question["second"], **mode)
    except InvalidSpecError:
        return "error"
