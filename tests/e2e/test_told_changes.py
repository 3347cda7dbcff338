"""What is told of the dependencies that a command has changed: which version each has now, and where it stands."""

from __future__ import annotations

import pytest
from support.packages import make_package
from support.project import Project

LEAF = make_package("leaf", "1.0.0")
NEWER = make_package("leaf", "1.1.0")
OTHER = make_package("other", "2.0.0", dependencies={"leaf": "1"})


def told(project: Project, *words: str) -> list[str]:
    """The lines about dependencies that a command prints."""
    return [
        line.strip() for line in project.succeeds(*words).stdout.splitlines() if line[:4] in ("  + ", "  - ", "  ~ ")
    ]


@pytest.fixture
def finished(project: Project) -> Project:
    project.declare(LEAF, OTHER, dependencies={"leaf": "^1.0.0"})
    project.succeeds("install")
    return project


def test_what_is_added_moved_updated_and_removed_is_told_with_its_version(finished: Project) -> None:
    assert told(finished, "add", "-D", "other") == ["+ other 2.0.0 (devDependencies)"]
    assert told(finished, "add", "other", "--save-prod") == ["~ other 2.0.0 (dependencies)"]
    finished.registry.publish(NEWER)
    assert told(finished, "update", "--dry-run", "--prefer-online") == ["~ leaf 1.0.0 -> 1.1.0 (dependencies)"]
    assert told(finished, "update", "--prefer-online") == ["~ leaf 1.0.0 -> 1.1.0 (dependencies)"]
    assert told(finished, "remove", "other") == ["- other 2.0.0 (dependencies)"]


def test_a_new_project_tells_nothing_of_all_that_it_asks_for(project: Project) -> None:
    project.declare(LEAF, OTHER, dependencies={"leaf": "^1.0.0"})
    assert told(project, "install") == []
    assert told(project, "ci") == []


@pytest.mark.parametrize("flags", [(), ("--no-package-lock",)])
def test_without_a_lock_what_is_added_is_told_alone(project: Project, flags: tuple[str, ...]) -> None:
    project.declare(LEAF, OTHER, dependencies={"leaf": "^1.0.0"})
    assert told(project, "add", "other", *flags) == ["+ other 2.0.0 (dependencies)"]


def test_what_somebody_has_changed_in_the_manifest_is_told_by_install(finished: Project) -> None:
    finished.declare(LEAF, OTHER, dependencies={"leaf": "^1.0.0", "other": "2"})
    assert told(finished, "install") == ["+ other 2.0.0 (dependencies)"]


def test_a_workspace_is_named(project: Project) -> None:
    project.declare(LEAF, workspaces=["packages/*"])
    project.write("packages/one/package.json", '{"name": "one", "version": "1.0.0"}')
    assert told(project, "add", "leaf", "-w", "one") == ["+ leaf 1.0.0 (dependencies of packages/one)"]


def test_what_is_not_saved_or_global_is_told_as_such(finished: Project) -> None:
    assert told(finished, "add", "other", "--no-save") == ["+ other 2.0.0 (not saved)"]
    assert told(finished, "add", "-g", "other", f"--prefix={finished.base}/prefix") == ["+ other 2.0.0 (global)"]


def test_the_document_has_the_same(finished: Project) -> None:
    change = {"name": "other", "kind": "dependencies", "workspace": "", "before": None, "after": "2.0.0"}
    assert finished.succeeds("add", "other", "--json").report["changed"] == [change]


@pytest.mark.parametrize(("flag", "meant"), [("--dev", "-D"), ("--optional", "-O")])
def test_a_switch_that_saves_with_yarn_and_bun_and_not_with_npm_is_told_of(
    finished: Project, flag: str, meant: str
) -> None:
    run = finished.succeeds("add", flag, "other")
    assert "+ other 2.0.0 (dependencies)" in run.stdout
    assert run.stderr == f"warning: {flag} means --include={flag[2:]}, as with npm; {meant} saves so\n"
    assert finished.succeeds("install", flag).stderr == ""


@pytest.mark.parametrize(
    ("command", "told"),
    [
        ("remove laef", 'warning: nothing depended on is called "laef"\n'),
        ("update laef", 'warning: nothing in the tree is called "laef"\n'),
        ("remove leaf", ""),
        ("update leaf", ""),
    ],
)
def test_a_name_that_is_given_in_vain_is_told(finished: Project, command: str, told: str) -> None:
    assert finished.succeeds(*command.split()).stderr == told


@pytest.mark.parametrize("command", ["remove", "update"])
def test_a_name_with_a_version_is_refused(finished: Project, command: str) -> None:
    run = finished.fails(command, "leaf@1")
    assert run.stderr.startswith('error[PM_SPEC]: "leaf@1" is no package\'s name\n')


def test_what_others_need_may_be_updated_by_its_name(project: Project) -> None:
    project.declare(LEAF, OTHER, dependencies={"other": "*"})
    assert project.succeeds("update", "leaf").stderr == ""
    assert project.succeeds("update", "leaf").stderr == ""
    assert project.succeeds("remove", "leaf").stderr == 'warning: nothing depended on is called "leaf"\n'
