"""Each case shows one rule of npm's; what npm makes of it was recorded from npm itself."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lockcheck.codes import CODES
from playing import ask_npm, load_cases, lock_text, resolve, summary
from support.registry import PackageRegistry

from pmpipe.errors import PmpipeError
from pmpipe.npm import NPM_VERSION
from pmpipe.npm.packages.npm_version import npm_version_for

CASES = dict(load_cases())
#: of those for npm 12 the outcome was recorded from it, and the npm on the machine may be an older one
NPM_CASES = [
    name for name, case in CASES.items() if "npm_fails" not in case and npm_version_for(case["project"]) == NPM_VERSION
]
URL = "https://registry.example"


def outcome(case: dict[str, Any], pick: Any = None) -> dict[str, str] | str:
    """The tree of a case in short, or the code of the error that it ends with."""
    try:
        return summary(lock_text(resolve(case, "/project", URL, pick=pick)))
    except PmpipeError as error:
        return CODES[error.code]


@pytest.mark.parametrize("name", CASES)
def test_makes_the_tree_that_npm_made(name: str) -> None:
    case = CASES[name]
    assert outcome(case) == case.get("tree", case.get("error")), case["rule"]


@pytest.mark.parametrize("name", [name for name, case in CASES.items() if len(case["registry"]) > 2])
@settings(max_examples=15)
@given(order=st.lists(st.integers(0, 99), min_size=1, max_size=20))
def test_the_order_of_answers_does_not_matter(name: str, order: list[int]) -> None:
    case = CASES[name]
    turns = iter(order * 100)
    expected = case.get("tree", case.get("error"))
    assert outcome(case, pick=lambda outstanding: next(turns) % outstanding) == expected


@pytest.mark.npm
@pytest.mark.parametrize("name", NPM_CASES)
def test_writes_the_bytes_that_npm_writes(name: str, tmp_path: Path, registry: PackageRegistry) -> None:
    case = CASES[name]
    project = tmp_path / "project"
    project.mkdir()
    code, npms_lock = ask_npm(case, registry, project)
    if code:
        with pytest.raises(PmpipeError) as refusal:
            resolve(case, str(project), registry.url)
        assert CODES[refusal.value.code] == code
    else:
        lock = lock_text(resolve(case, str(project), registry.url))
        assert lock.decode() == npms_lock.decode()
