"""Commands that change a project whose lock only resolving can read: one of version 1, or one with merge conflicts."""

from __future__ import annotations

import json
import shutil
from typing import Any

import pytest
from support.packages import Package, make_package
from support.project import Project

ALPHA = make_package("alpha", "1.0.0", dependencies={"gamma": "^1.0.0"}, bin={"alpha": "index.js"})
BETA = make_package("beta", "1.0.0")
GAMMA = make_package("gamma", "1.0.0")
GAMMA_2 = make_package("gamma", "2.0.0")
LEFT_OVER = make_package("left-over", "1.0.0")
NEWER = (make_package("beta", "1.1.0"), make_package("gamma", "1.1.0"))
DEPENDENCIES = {"alpha": "^1.0.0", "beta": "^1.0.0"}

COMMANDS: list[tuple[str, ...]] = [
    ("install", "delta"),
    ("install", "delta", "--package-lock-only"),
    ("install", "delta", "--save-dev"),
    ("uninstall", "beta"),
    ("update",),
    ("update", "beta"),
    ("prune",),
    ("dedupe",),
]


def old_lock(project: Project) -> dict[str, Any]:
    """A lock of version 1, as npm 6 would have left it; gamma lies in it twice, and nothing needs left-over."""

    def entry(package: Package, **more: Any) -> dict[str, Any]:
        address = f"{project.registry.url}/{package.name}/-/{package.name}-{package.version}.tgz"
        return {"version": package.version, "resolved": address, "integrity": package.integrity, **more}

    below = {"gamma": entry(GAMMA)}
    return {
        "name": "app",
        "version": "1.0.0",
        "lockfileVersion": 1,
        "requires": True,
        "dependencies": {
            "alpha": entry(ALPHA, requires={"gamma": "^1.0.0"}, dependencies=below),
            "beta": entry(BETA),
            "gamma": entry(GAMMA_2),
            "left-over": entry(LEFT_OVER),
        },
    }


@pytest.fixture
def old(project: Project) -> Project:
    """A project with a lock of version 1 that is behind what the registry has."""
    delta = make_package("delta", "1.0.0")
    project.declare(ALPHA, BETA, GAMMA, GAMMA_2, LEFT_OVER, delta, *NEWER, dependencies=DEPENDENCIES)
    project.write("package-lock.json", json.dumps(old_lock(project), indent=2) + "\n")
    return project


def outcome(project: Project) -> tuple[str, str]:
    """What package.json and lock say now."""
    return (project.folder / "package.json").read_text(), (project.folder / "package-lock.json").read_text()


def outcome_with_npm(project: Project, words: tuple[str, ...], before: tuple[str, str]) -> tuple[str, str]:
    """What npm makes of the project as it was."""
    shutil.rmtree(project.folder / "node_modules", ignore_errors=True)
    project.write("package.json", before[0])
    project.write("package-lock.json", before[1])
    project.npm(*words)
    return outcome(project)


@pytest.mark.npm
@pytest.mark.parametrize("words", COMMANDS)
def test_a_lock_of_version_1_is_changed_as_npm_changes_it(old: Project, words: tuple[str, ...]) -> None:
    before = outcome(old)
    old.succeeds(*words)
    ours = outcome(old)
    assert ours == outcome_with_npm(old, words, before)


@pytest.mark.parametrize("words", COMMANDS)
def test_a_lock_of_version_1_becomes_one_of_version_3(old: Project, words: tuple[str, ...]) -> None:
    old.succeeds(*words)
    assert old.lock["lockfileVersion"] == 3
    assert old.lock["packages"]["node_modules/alpha"]["bin"] == {"alpha": "index.js"}
    assert "delta" not in words or "node_modules/delta" in old.lock["packages"]


@pytest.mark.npm
@pytest.mark.parametrize("head", [{"version": "0.9.0"}, {"name": "former"}, {"name": None, "version": None}])
def test_ci_names_the_project_as_the_lock_of_version_1_does(project: Project, head: dict[str, Any]) -> None:
    project.declare(ALPHA, BETA, GAMMA, GAMMA_2, dependencies=DEPENDENCIES)
    lock = {key: value for key, value in {**old_lock(project), **head}.items() if value is not None}
    del lock["dependencies"]["left-over"]
    project.write("package-lock.json", json.dumps(lock))
    project.succeeds("ci")
    ours = (project.folder / "node_modules/.package-lock.json").read_text()
    project.npm("ci")
    assert ours == (project.folder / "node_modules/.package-lock.json").read_text()


def test_what_is_not_to_be_saved_leaves_a_lock_of_version_1_as_it_is(old: Project) -> None:
    before = outcome(old)
    old.succeeds("install", "delta", "--no-save")
    assert outcome(old) == before
    assert (old.folder / "node_modules/delta").is_dir()


@pytest.fixture(params=[2, 3])
def conflicting(old: Project, request: pytest.FixtureRequest) -> Project:
    """The same project; the two sides of a merge have resolved it at different times."""
    old.succeeds("install", "--package-lock-only", f"--lockfile-version={request.param}")
    base = outcome(old)[1]
    old.succeeds("update", "beta", "--package-lock-only", f"--lockfile-version={request.param}")
    ours = outcome(old)[1]
    theirs = base.replace('"version": "1.0.0"', '"version": "1.0.1"', 1)
    old.write("package-lock.json", f"<<<<<<< HEAD\n{ours}||||||| base\n{base}=======\n{theirs}>>>>>>> theirs\n")
    return old


@pytest.mark.npm
@pytest.mark.parametrize("words", COMMANDS)
def test_a_lock_with_conflicts_is_merged_and_changed_as_npm_does_it(
    conflicting: Project, words: tuple[str, ...]
) -> None:
    before = outcome(conflicting)
    conflicting.succeeds(*words)
    ours = outcome(conflicting)
    assert ours == outcome_with_npm(conflicting, words, before)


@pytest.mark.parametrize("words", [words for words in COMMANDS if words != ("dedupe",)])
def test_a_lock_that_was_changed_has_no_conflicts_left(conflicting: Project, words: tuple[str, ...]) -> None:
    conflicting.succeeds(*words)
    packages = conflicting.lock["packages"]
    assert packages[""]["version"] == "1.0.0"
    assert "delta" not in words or "node_modules/delta" in packages
    assert ("node_modules/beta" in packages) == ("uninstall" not in words)
