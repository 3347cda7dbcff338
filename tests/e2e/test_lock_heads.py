"""What a lockfile has beside its entries: some of it is always as npm writes it, the rest stays whatever it is."""

from __future__ import annotations

import json
from typing import Any

import pytest
from support.packages import make_package
from support.project import Project

Document = dict[str, Any]

#: What other programs may have put there: before, behind and beside what npm has there.
OTHERS: Document = {"zest": [{"b": 1, "a": None}], "1": "one", "about": {"z": 1.0, "a": {}}, "~": "ä", "author": "us"}

#: What npm writes otherwise, and what it is then.
WRONG: list[tuple[Document, tuple[str, ...]]] = [
    ({}, ("requires",)),
    ({"requires": False}, ()),
    ({"requires": {"alpha": "1"}}, ()),
    ({"lockfileVersion": 0}, ()),
    ({"lockfileVersion": 1}, ()),
    ({}, ("lockfileVersion",)),
    ({"lockfileVersion": 2}, ()),
    ({"lockfileVersion": 2, "dependencies": {}}, ()),
    ({"dependencies": {}}, ()),
    ({"dependencies": {"alpha": {"version": "1.0.0"}}}, ()),
]


@pytest.fixture
def locked(project: Project) -> Project:
    """A project that is installed and in step."""
    alpha = make_package("alpha", "1.0.0", dependencies={"beta": "1"})
    project.declare(alpha, make_package("beta", "1.0.0"), dependencies={"alpha": "1"})
    project.succeeds("install")
    return project


def texts(project: Project) -> tuple[str, str]:
    """The lockfile and the hidden one."""
    files = ("package-lock.json", "node_modules/.package-lock.json")
    return (project.folder / files[0]).read_text(), (project.folder / files[1]).read_text()


def with_head(project: Project, fields: Document, without: tuple[str, ...] = ()) -> str:
    document = {**project.lock, **fields}
    return json.dumps({key: value for key, value in document.items() if key not in without}, indent=2) + "\n"


def made_by_both(project: Project, lock: str, *words: str) -> tuple[tuple[str, str], tuple[str, str]]:
    """What a command makes of a lock and the hidden one, with pmpipe and with npm."""
    manifest = (project.folder / "package.json").read_text()
    found = []
    for run in (project.succeeds, project.npm):
        project.write("package.json", manifest)
        project.write("package-lock.json", lock)
        run(*words)
        found.append(texts(project))
    return found[0], found[1]


@pytest.mark.npm
@pytest.mark.parametrize(("fields", "without"), WRONG)
def test_install_writes_what_a_lock_is_headed_with_as_npm_does(
    locked: Project, fields: Document, without: tuple[str, ...]
) -> None:
    odd = with_head(locked, fields, without)
    ours, npms = made_by_both(locked, odd, "install")
    assert ours == npms
    assert ours[0] != odd
    assert "nothing to do" in locked.succeeds("install").stdout


@pytest.mark.npm
@pytest.mark.parametrize(("fields", "without"), WRONG)
def test_ci_takes_such_a_lock_as_it_is(locked: Project, fields: Document, without: tuple[str, ...]) -> None:
    odd = with_head(locked, fields, without)
    ours, npms = made_by_both(locked, odd, "ci")
    assert ours == npms
    assert ours[0] == odd


@pytest.mark.npm
@pytest.mark.parametrize(
    ("words", "indent"),
    [
        (("ci",), ""),
        (("ci",), "\t"),
        (("install", "beta"), " "),
        (("install", "--no-save", "beta"), "\t"),
        (("update",), " "),
        (("update", "beta"), " "),
    ],
)
def test_what_others_have_put_at_the_top_of_a_lock_stays_where_npm_keeps_it(
    locked: Project, words: tuple[str, ...], indent: str
) -> None:
    manifest = json.loads((locked.folder / "package.json").read_text())
    locked.write("package.json", json.dumps(manifest, indent=indent or None) + "\n")
    ours, npms = made_by_both(locked, with_head(locked, OTHERS), *words)
    assert ours == npms
    assert ("author" in ours[1]) == (words != ("update",))


@pytest.mark.npm
@pytest.mark.parametrize("words", [("ci",), ("install", "--no-save", "beta"), ("install", "beta")])
@pytest.mark.parametrize("fields", [{"name": 5}, {"version": None}, {"name": "other", "version": "0.9.0"}])
def test_name_and_version_in_the_hidden_lockfile_are_those_of_the_lock_that_stays(
    locked: Project, fields: Document, words: tuple[str, ...]
) -> None:
    ours, npms = made_by_both(locked, with_head(locked, fields), *words)
    assert ours == npms


@pytest.mark.npm
def test_a_lock_keeps_the_version_that_the_package_json_has_no_longer(locked: Project) -> None:
    locked.write("package.json", json.dumps({"name": "app", "dependencies": {"alpha": "^1.0.0"}}, indent=2) + "\n")
    ours, npms = made_by_both(locked, (locked.folder / "package-lock.json").read_text(), "install")
    assert ours == npms
    assert locked.lock["version"] == "1.0.0"
    assert "nothing to do" in locked.succeeds("install").stdout


@pytest.mark.npm
def test_what_others_have_put_into_a_lock_survives_a_merge(locked: Project) -> None:
    ours_side = with_head(locked, OTHERS)
    lines = ours_side.splitlines(keepends=True)
    at = next(index for index, line in enumerate(lines) if '"name"' in line)
    lines[at : at + 1] = ["<<<<<<< ours\n", lines[at], "=======\n", '  "name": "theirs",\n', ">>>>>>> theirs\n"]
    ours, npms = made_by_both(locked, "".join(lines), "install")
    assert ours == npms
    assert locked.lock["author"] == "us"
