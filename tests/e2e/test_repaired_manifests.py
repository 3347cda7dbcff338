"""Projects with ``packageExtensions``: what the commands make of them, and what they refuse."""

from __future__ import annotations

import json
from typing import Any

import pytest
from support.packages import make_package
from support.project import Project

ALPHA = make_package("alpha", "1.0.0")
BETA = make_package("beta", "1.0.0")
GAMMA = make_package("gamma", "1.0.0")
RULES: dict[str, Any] = {"alpha@1": {"dependencies": {"beta": "^1.0.0"}}}


@pytest.fixture
def repaired(project: Project) -> Project:
    """A project that is installed, in which a rule adds beta to alpha."""
    declare(project, RULES)
    project.succeeds("install")
    return project


def declare(project: Project, rules: Any, **fields: Any) -> None:
    given = {"dependencies": {"alpha": "^1.0.0"}, **fields}
    project.declare(ALPHA, BETA, GAMMA, **given, **({} if rules is None else {"packageExtensions": rules}))


def hidden(project: Project) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((project.folder / "node_modules/.package-lock.json").read_text())
    return found


def test_what_a_rule_adds_is_installed_and_stands_in_the_locks(repaired: Project) -> None:
    lock = repaired.lock
    assert lock["lockfileVersion"] == 4
    assert lock["packages"][""]["packageExtensionsHash"].startswith("sha512-")
    applied = {"selector": "alpha@1", "dependencies": ["beta"]}
    assert lock["packages"]["node_modules/alpha"]["packageExtensionsApplied"] == applied
    assert hidden(repaired)["lockfileVersion"] == 3
    assert hidden(repaired)["packages"]["node_modules/alpha"]["packageExtensionsApplied"] == applied
    assert (repaired.folder / "node_modules/beta").is_dir()
    # the package itself stays its author's
    assert "dependencies" not in json.loads((repaired.folder / "node_modules/alpha/package.json").read_text())


def test_the_next_run_has_nothing_to_do(repaired: Project) -> None:
    before = repaired.lock
    assert "nothing to do" in repaired.succeeds("install").stdout
    assert "nothing to do" in repaired.succeeds("install", "--lockfile-version=3").stdout
    repaired.succeeds("ci")
    repaired.succeeds("add", "gamma")
    repaired.succeeds("remove", "gamma")
    assert repaired.lock == before


@pytest.mark.parametrize(
    ("rules", "line"),
    [
        ({}, "Invalid: packageExtensions have changed since the lock file was made"),
        (None, "Invalid: lock file was made with packageExtensions, and package.json has none"),
    ],
)
def test_ci_refuses_a_lock_that_was_made_with_other_rules(repaired: Project, rules: Any, line: str) -> None:
    declare(repaired, rules)
    assert line in repaired.fails("ci").stderr
    assert line in repaired.fails("install", "--frozen-lockfile").stderr
    repaired.succeeds("install")
    assert set(repaired.lock["packages"]) == {"", "node_modules/alpha"}
    assert not (repaired.folder / "node_modules/beta").exists()
    repaired.succeeds("ci")


@pytest.mark.parametrize("version", [1, 2, 3])
def test_ci_refuses_a_lock_that_was_made_without_rules(project: Project, version: int) -> None:
    declare(project, None)
    project.succeeds("install", f"--lockfile-version={version}")
    declare(project, {"alpha": {"peerDependenciesMeta": {}}})
    assert "Missing: packageExtensions of package.json from lock file" in project.fails("ci").stderr
    project.succeeds("install")
    assert project.lock["lockfileVersion"] == 4
    project.succeeds("ci")


def edit_entry(project: Project, **fields: Any) -> None:
    lock = project.lock
    lock["packages"]["node_modules/alpha"].update(fields)
    project.write("package-lock.json", json.dumps(lock))


def test_ci_refuses_what_is_said_to_be_repaired_by_a_rule_that_is_none(repaired: Project) -> None:
    edit_entry(repaired, packageExtensionsApplied={"selector": "alpha@2"})
    assert "alpha@1.0.0 is repaired by alpha@2, which is not for it" in repaired.fails("ci").stderr
    edit_entry(repaired, packageExtensionsApplied=True)
    assert "alpha@1.0.0 is repaired by None, which is not for it" in repaired.fails("ci").stderr


def test_ci_refuses_several_rules_for_one_package(project: Project) -> None:
    rules = {"alpha@1": {}, "alpha@2": {}}
    declare(project, rules)
    project.succeeds("install")
    # both hold for what the lock says by now
    edit_entry(project, version="1.0.0", name="alpha")
    project.succeeds("ci")
    declare(project, {"alpha@1": {}, "alpha": {}})
    assert "several packageExtensions are for alpha@1.0.0" in project.fails("install").stderr


def test_rules_that_cannot_be_used_are_refused_before_anything_else(project: Project) -> None:
    declare(project, {"alpha@latest": {}})
    for command in ("install", "install beta"):
        refusal = project.fails(*command.split()).stderr
        assert "packageExtensions > alpha@latest is for latest, which is no range of versions" in refusal
    assert not project.registry.requests


def test_what_is_done_to_workspaces_is_told_by_every_run_that_looks(project: Project) -> None:
    workspace = {"name": "alpha", "version": "1.0.0", "packageExtensions": {}}
    project.write("packages/alpha/package.json", json.dumps(workspace))
    declare(project, RULES, workspaces=["packages/*"])
    for command in ("install", "ci"):
        told = project.succeeds(command).stderr
        assert told.count("packageExtensions of the workspace alpha are ignored") == 1
        assert told.count("packageExtensions do not change workspaces: alpha is one") == 1


def test_an_update_of_everything_keeps_the_rules(repaired: Project) -> None:
    repaired.succeeds("update")
    lock = repaired.lock
    assert lock["lockfileVersion"] == 4
    # of a lock that is begun anew npm leaves out what the project's own entry says as well
    assert "name" not in lock
    assert "packageExtensionsApplied" in lock["packages"]["node_modules/alpha"]
