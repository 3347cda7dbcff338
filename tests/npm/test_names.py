"""Names of packages: which ones may become folders, and agreement with npm."""

from __future__ import annotations

from random import Random

import pytest
from asking_npm import ask_npm

from pmpipe.npm.specs.names import is_valid_name, name_errors


@pytest.mark.parametrize(
    "name", ["react", "@babel/core", "constructor", "__proto__", "toString", "JSONStream", "a.b", "x~", "@..x/y", "1"]
)
def test_name_of_a_package_is_accepted(name):
    assert is_valid_name(name)


@pytest.mark.parametrize(
    "name",
    [
        "", "../x", "x/../y", "@x/../../y", "@x/..", "..", ".", ".bin", "node_modules", "Node_Modules", "favicon.ico",
        "/x", "x/", "a/b", "@x", "@/x", "@x/", "@x/y/z", "@x/.y", "x\\..\\y", "a b", " a", "a\n", "a\0", "a%2fb", "-x",
        "C:x", "é", "a?b", "a#b", "a:b", "\ud800",
    ],
)  # fmt: skip
def test_name_that_is_no_package_or_leaves_its_folder_is_refused(name):
    assert not is_valid_name(name)


@pytest.mark.parametrize("name", ["fs", "React", "x!", "a" * 215])
def test_old_name_that_may_not_be_published_may_be_installed(name):
    assert is_valid_name(name)


_PIECES = [
    *("a", "b", "Z", "0", "-", "_", ".", "..", "@", "@", "/", "/", "\\", "~", "!", "*", "'", "(", "%"),
    *(" ", "\t", "\n", "\0", "\ufeff", "\x1c", "\x85", "é", "İ", "😀", "constructor", "__proto__", "x" * 107),
    *("node_modules", "favicon.ico", "fs", "http", "node:test", "path/posix"),
]


@pytest.mark.npm
def test_names_are_judged_as_in_npm():
    random = Random(20260105)
    names = ["".join(random.choice(_PIECES) for _ in range(random.randint(0, 5))) for _ in range(10_000)]
    names += ["@" + name for name in names[:5_000]]
    different = []
    for name, answer in zip(
        names, ask_npm("ask_spec.cjs", [{"kind": "name", "name": name} for name in names]), strict=True
    ):
        errors = name_errors(name)
        mine = {"old": not errors, "errors": len(errors)}
        if mine != answer:
            different.append((name, mine, answer))
    assert different == []
