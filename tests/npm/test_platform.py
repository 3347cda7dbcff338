"""Which packages are made for a platform and its engines."""

from __future__ import annotations

import itertools

import pytest
from asking_npm import ask_npm

from pmpipe.npm.manifests.declared import Declared
from pmpipe.npm.packages.platform import Engines, Platform, unsupported_engines, unsupported_platform

HERE = Platform("linux", "x64", "glibc")
LISTS = [None, "linux", "!linux", "any", "", [], ["any"], ["any", "darwin"], ["linux", "darwin"], ["darwin"]]
LISTS += [
    ["!darwin"],
    ["!linux"],
    ["!darwin", "!win32"],
    ["!darwin", "linux"],
    ["linux", "!linux"],
    ["!any"],
    ["!!linux"],
]
RANGES = [None, "", "*", ">=18", "<18", "^20.0.0", ">=20.0.0-0 <21", "18 || 20", "not a range", "20.x", "=v20.1.0"]


def named(wanted, name):
    """The list with linux called by another name."""
    if wanted is None or isinstance(wanted, str):
        return wanted and wanted.replace("linux", name)
    return [entry.replace("linux", name) for entry in wanted]


@pytest.mark.npm
def test_platforms_are_matched_as_npm_matches_them():
    cases = [
        (named(os, "linux"), named(cpu, "x64"), named(libc, "glibc"))
        for os, cpu, libc in itertools.product(LISTS, repeat=3)
    ]
    questions = [
        {
            "ask": "platform",
            "target": {key: value for key, value in zip(("os", "cpu", "libc"), case, strict=True) if value is not None},
            "platform": {"os": HERE.os, "cpu": HERE.cpu, "libc": HERE.libc},
        }
        for case in cases
    ]
    answers = ask_npm("ask_config.cjs", questions)
    assert set(answers) == {"", "EBADPLATFORM"}
    for (os, cpu, libc), expected in zip(cases, answers, strict=True):
        refused = unsupported_platform(Declared(os=os, cpu=cpu, libc=libc), HERE)
        assert bool(refused) == bool(expected), (os, cpu, libc)


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        ({}, "linux-x64-glibc"),
        ({"cpu": "arm64"}, "linux-arm64-glibc"),
        ({"os": "linux", "libc": "musl"}, "linux-x64-musl"),
        ({"os": "darwin"}, "darwin-x64"),
        ({"os": "darwin", "libc": "musl"}, "darwin-x64-musl"),
    ],
    ids=str,
)
def test_other_system_that_is_asked_for_has_not_our_libc(asked: dict[str, str], expected: str):
    assert str(HERE.instead(**{"os": None, "cpu": None, "libc": None, **asked})) == expected


def test_package_that_names_a_libc_is_not_for_an_unknown_one():
    nowhere = Platform("darwin", "arm64")
    assert unsupported_platform(Declared(libc=["glibc"]), nowhere) == "libc glibc"
    assert unsupported_platform(Declared(libc=["!musl"]), nowhere) == "libc !musl"
    assert unsupported_platform(Declared(), nowhere) == ""


@pytest.mark.npm
@pytest.mark.parametrize("node", ["20.1.0", "18.0.0", "21.0.0-nightly20230801"])
def test_engines_are_matched_as_npm_matches_them(node):
    cases = list(itertools.product(RANGES, repeat=2))
    questions = [
        {"ask": "engines", "engines": {"node": wanted, "npm": npm}, "node": f"v{node}", "npm": "9.0.0"}
        for wanted, npm in cases
    ]
    answers = ask_npm("ask_config.cjs", questions)
    assert set(answers) == {"", "EBADENGINE"}
    for (wanted, npm), expected in zip(cases, answers, strict=True):
        engines = {engine: text for engine, text in (("node", wanted), ("npm", npm)) if text is not None}
        refused = unsupported_engines(Declared(engines=engines), Engines(node, "9.0.0"))
        assert bool(refused) == bool(expected), (wanted, npm)


@pytest.mark.parametrize("engines", [None, ["node >= 30"], "node >= 30", {"iojs": "1"}])
def test_other_engines_and_older_spellings_are_not_checked(engines):
    assert unsupported_engines(Declared(engines=engines), Engines("20.0.0", "9.0.0")) == ""


def test_engine_that_is_not_there_is_not_asked_for():
    assert unsupported_engines(Declared(engines={"node": ">=99", "npm": ">=99"}), Engines()) == ""
