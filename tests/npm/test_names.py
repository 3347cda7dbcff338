"""Names of packages: which ones may become folders, and agreement with npm."""

from __future__ import annotations

from random import Random

import pytest
from asking_npm import ask_npm

from pmpipe.npm.names import check_name, escape_name, is_valid_name, scope_of


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


@pytest.mark.parametrize("name", ["fs", "path/posix", "React", "x!", "a" * 215])
def test_old_name_may_be_installed_but_not_published(name):
    check = check_name(name)
    assert not check.is_valid_for_new_packages
    assert check.is_valid == ("/" not in name)


def test_scope_and_url_form_of_a_name():
    assert scope_of("@babel/core") == "@babel"
    assert scope_of("react") is None
    assert escape_name("@babel/core") == "@babel%2fcore"


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
    core = ask_npm("ask_core_modules.cjs", [None])[0]
    names += core
    different = []
    for name, answer in zip(
        names, ask_npm("ask_spec.cjs", [{"kind": "name", "name": name} for name in names]), strict=True
    ):
        check = check_name(name)
        mine = {
            "old": check.is_valid,
            "new": check.is_valid_for_new_packages,
            "errors": len(check.errors),
            "warnings": len(check.warnings),
        }
        if mine != answer:
            different.append((name, mine, answer))
    assert different == []
