"""Which `lockfileVersion` a lock gets when it is written, and when it is written for that alone."""

from __future__ import annotations

import json
import shutil

import pytest
from support.packages import make_package
from support.project import Project

ALPHA = make_package("alpha", "1.0.0", dependencies={"beta": "1"}, bin={"alpha": "index.js"})
BETA = make_package("beta", "1.0.0")
CHOICES = [(2, 3), (3, 2)]


def install(project: Project, version: int) -> None:
    """An up-to-date lock of a version, and all that it says."""
    project.declare(ALPHA, BETA, dependencies={"alpha": "^1.0.0"})
    project.succeeds("install", f"--lockfile-version={version}")
    assert project.lock["lockfileVersion"] == version


def lock_text(project: Project) -> str:
    return (project.folder / "package-lock.json").read_text()


def npm_lock(project: Project, before: str, *words: str) -> str:
    """What npm makes of that lock."""
    project.write("package-lock.json", before)
    project.npm(*words)
    return lock_text(project)


@pytest.mark.npm
@pytest.mark.parametrize(
    "words",
    [
        ("update",),
        ("update", "--package-lock-only"),
        ("update", "--no-save"),
        ("update", "--lockfile-version=2"),
        ("update", "beta"),
        ("install",),
        ("install", "--lockfile-version=3"),
        ("install", "--lockfile-version=3", "--package-lock-only"),
        ("install", "--lockfile-version=3", "--no-save"),
        ("install", "--lockfile-version=3", "--dry-run"),
        ("prune", "--lockfile-version=3"),
        ("dedupe", "--lockfile-version=3"),
        ("ci", "--lockfile-version=3"),
    ],
)
def test_a_lock_of_version_2_gets_the_version_that_npm_gives_it(project: Project, words: tuple[str, ...]) -> None:
    install(project, 2)
    before = lock_text(project)
    project.succeeds(*words)
    ours = lock_text(project)
    assert ours == npm_lock(project, before, *words)


def test_an_update_of_everything_writes_version_3(project: Project) -> None:
    install(project, 2)
    project.succeeds("update", "alpha")
    assert project.lock["lockfileVersion"] == 2
    project.succeeds("update")
    assert project.lock["lockfileVersion"] == 3


@pytest.mark.parametrize(("old", "new"), CHOICES)
def test_a_lock_that_will_do_is_written_anew_if_another_version_is_asked_for(
    project: Project, old: int, new: int
) -> None:
    install(project, old)
    before = lock_text(project)
    assert "wrote package-lock.json" in project.succeeds("install", f"--lockfile-version={new}").stdout
    assert project.lock["lockfileVersion"] == new
    assert "nothing to do" in project.succeeds("install", f"--lockfile-version={new}").stdout
    assert "nothing to do" in project.succeeds("install").stdout
    project.succeeds("install", f"--lockfile-version={old}")
    assert lock_text(project) == before


@pytest.mark.parametrize(("old", "new"), CHOICES)
def test_another_version_is_written_without_a_registry(project: Project, old: int, new: int) -> None:
    install(project, old)
    shutil.rmtree(project.store / "v1/packuments")
    since = len(project.registry.requests)
    project.succeeds("install", f"--lockfile-version={new}", "--offline")
    assert project.lock["lockfileVersion"] == new
    assert len(project.registry.requests) == since


def test_the_version_may_stand_in_npmrc(project: Project) -> None:
    install(project, 3)
    project.write(".npmrc", "lockfile-version=2\n")
    project.succeeds("install")
    assert project.lock["lockfileVersion"] == 2


@pytest.mark.parametrize(
    "words", [("ci",), ("install", "--frozen-lockfile"), ("install", "--no-package-lock"), ("install", "--no-save")]
)
def test_a_run_that_may_not_change_the_lock_leaves_its_version(project: Project, words: tuple[str, ...]) -> None:
    install(project, 2)
    before = lock_text(project)
    project.succeeds(*words, "--lockfile-version=3")
    assert lock_text(project) == before


@pytest.mark.npm
@pytest.mark.parametrize("old", [2, 3])
@pytest.mark.parametrize(
    "words",
    [
        ("install",),
        ("install", "--package-lock-only"),
        ("update",),
        ("uninstall", "alpha"),
        ("install", "-D", "beta"),
        ("dedupe",),
        ("install", "--no-save"),
        ("ci",),
    ],
)
def test_version_1_is_written_as_by_npm(project: Project, words: tuple[str, ...], old: int) -> None:
    install(project, old)
    manifest, before = (project.folder / "package.json").read_text(), lock_text(project)
    project.succeeds(*words, "--lockfile-version=1")
    ours, tree = lock_text(project), project.tree()
    project.write("package.json", manifest)
    assert ours == npm_lock(project, before, *words, "--lockfile-version=1")
    assert project.tree() == tree


@pytest.mark.npm
def test_version_1_stays_as_it_is_while_it_is_asked_for(project: Project) -> None:
    project.write("packages/w/package.json", json.dumps({"name": "w", "version": "1.0.0"}))
    project.declare(
        ALPHA, BETA, dependencies={"alpha": "^1.0.0"}, optionalDependencies={"beta": "*"}, workspaces=["packages/*"]
    )
    project.write(".npmrc", "lockfile-version=1\n")
    project.succeeds("install")
    first, tree = lock_text(project), project.tree()
    assert project.lock["lockfileVersion"] == 1
    assert "packages" not in project.lock
    for command in ("install", "ci", "install"):
        project.succeeds(command)
        assert (lock_text(project), project.tree()) == (first, tree)
    assert npm_lock(project, first, "install") == first
    project.succeeds("install", "--lockfile-version=3")
    assert project.lock["lockfileVersion"] == 3


def test_a_project_without_dependencies_has_a_lock_of_version_1(project: Project) -> None:
    project.declare()
    project.succeeds("install", "--lockfile-version=1")
    assert project.lock == {"name": "app", "version": "1.0.0", "lockfileVersion": 1, "requires": True}
    project.succeeds("install", "--lockfile-version=1")


def test_a_lock_that_does_not_say_its_version_gets_the_one_that_is_asked_for(project: Project) -> None:
    install(project, 3)
    document = project.lock
    del document["lockfileVersion"]
    project.write("package-lock.json", json.dumps(document, indent=2))
    project.succeeds("install", "--lockfile-version=3")
    assert project.lock["lockfileVersion"] == 3


# -- version 4 ----------------------------------------------------------------------------------------------------


def as_version(project: Project, version: int) -> None:
    """Have the lock say that it is of another version."""
    project.write("package-lock.json", json.dumps({**project.lock, "lockfileVersion": version}))


def test_a_lock_of_version_4_is_installed_from_and_stays_one(project: Project) -> None:
    install(project, 3)
    as_version(project, 4)
    project.succeeds("ci")
    assert json.loads((project.folder / "node_modules/.package-lock.json").read_text())["lockfileVersion"] == 3
    project.registry.publish(make_package("gamma", "1.0.0"))
    project.succeeds("add", "gamma")
    assert project.lock["lockfileVersion"] == 4
    project.succeeds("install", "--lockfile-version=3")
    assert project.lock["lockfileVersion"] == 3


@pytest.mark.parametrize("command", ["ci", "install", "update"])
def test_a_lock_of_a_version_that_is_unknown_is_refused(project: Project, command: str) -> None:
    install(project, 3)
    as_version(project, 5)
    assert "lockfileVersion 5 is not known, only 1 to 4 are" in project.fails(command).stderr
