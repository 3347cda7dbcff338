"""What is told of versions that their authors have deprecated: when they come, once each, as npm tells it."""

from __future__ import annotations

import pytest
from support.packages import make_package
from support.project import Project

OLD = make_package("old", "1.0.0", deprecated="use new\u001b[31m instead")
USER = make_package("user", "1.0.0", dependencies={"old": "1"})
OTHER = make_package("other", "1.0.0", dependencies={"old": "1"})
TOLD = "old@1.0.0 is deprecated: use new\x1b[31m instead"
WORDS = r"warning: old@1.0.0 is deprecated: use new\x1b[31m instead"


@pytest.fixture
def finished(project: Project) -> Project:
    project.declare(OLD, USER, OTHER, dependencies={"user": "1"})
    return project


@pytest.mark.parametrize("command", ["install", "ci"])
def test_a_deprecated_version_is_told_of_when_it_is_put_in_place(finished: Project, command: str) -> None:
    finished.succeeds("install", "--package-lock-only")
    assert finished.succeeds(command).stderr == f"{WORDS}\n"


def test_a_tree_that_the_store_remembers_tells_the_same(finished: Project) -> None:
    finished.succeeds("install")
    finished.succeeds("ci")
    assert finished.succeeds("ci").stderr == f"{WORDS}\n"


def test_what_was_there_before_is_not_told_of_again(finished: Project) -> None:
    finished.succeeds("install")
    assert finished.succeeds("add", "other").stderr == ""
    assert finished.succeeds("install").stderr == ""


def test_a_dry_run_and_a_lock_alone_bring_nothing_that_could_be_told_of(finished: Project) -> None:
    assert finished.succeeds("install", "--dry-run").stderr == ""
    assert finished.succeeds("install", "--package-lock-only").stderr == ""


def test_the_same_version_in_two_places_is_told_of_once(project: Project) -> None:
    newer = make_package("old", "2.0.0")
    project.declare(OLD, newer, USER, OTHER, dependencies={"old": "2", "user": "1", "other": "1"})
    assert project.succeeds("install").stderr == f"{WORDS}\n"
    assert (project.folder / "node_modules/other/node_modules/old").exists()


def test_a_deprecated_global_package_is_told_of(project: Project) -> None:
    project.declare(OLD)
    assert WORDS in project.succeeds("install", "-g", "old", f"--prefix={project.base}/prefix").stderr


def test_the_document_has_it_among_the_warnings(finished: Project) -> None:
    assert finished.succeeds("install", "--json").report["warnings"] == [TOLD]
