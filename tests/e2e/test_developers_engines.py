"""A project that asks for another runtime, package manager or platform than there is."""

from __future__ import annotations

from typing import Any

import pytest
from support.packages import make_package
from support.project import Project

PACKAGES = {"node_modules/left": make_package("left", "1.0.0")}

PNPM = {"packageManager": {"name": "pnpm", "version": "9"}}


@pytest.mark.parametrize("words", [("install",), ("ci",), ("add", "left@1.0.0"), ("update",), ("rebuild",)])
def test_what_does_not_fit_is_refused_and_let_through_by_force(project: Project, words: tuple[str, ...]) -> None:
    project.want(PACKAGES)
    project.succeeds("ci")
    project.want(PACKAGES, devEngines=PNPM)
    run = project.fails(*words)
    assert "error[PM_ENGINE]: package.json asks for another packageManager (devEngines)" in run.stderr
    assert "packageManager must be pnpm, and is npm" in run.stderr
    run = project.succeeds(*words, "--force")
    assert "packageManager must be pnpm, and is npm" in run.stderr


@pytest.mark.parametrize(
    ("field", "said"),
    [
        ({"packageManager": {"name": "npm", "version": "^11"}}, ""),
        ({"packageManager": {"name": "npm", "version": "^12"}}, ""),
        ({"packageManager": {"name": "npm"}, "os": {"name": "linux"}}, ""),
        ({"packageManager": {"name": "pnpm", "onFail": "ignore"}}, ""),
        ({"packageManager": {"name": "pnpm", "onFail": "warn"}}, "packageManager must be pnpm"),
    ],
)
def test_what_fits_or_need_not(project: Project, field: dict[str, Any], said: str) -> None:
    project.want(PACKAGES, devEngines=field)
    for _ in range(2):
        run = project.succeeds("install")
        assert said in run.stderr
        assert bool(run.stderr) == bool(said)


def test_a_field_that_cannot_be_used_is_named(project: Project) -> None:
    project.want(PACKAGES, devEngines={"runtime": "node"})
    run = project.fails("install", "--force")
    assert "error[PM_MANIFEST]: cannot use package.json: devEngines.runtime must be an object" in run.stderr


def test_without_node_the_runtime_is_not_judged(project: Project) -> None:
    project.want(PACKAGES, devEngines={"runtime": {"name": "node", "version": ">=99"}})
    project.environment["PATH"] = "/nowhere"
    run = project.succeeds("install")
    assert "devEngines.runtime of package.json is not looked at: there is no Node.js" in run.stderr


@pytest.mark.parametrize("line", ["global=true", "location=global"])
def test_an_npmrc_cannot_make_all_commands_global(project: Project, line: str) -> None:
    project.want(PACKAGES)
    project.write(".npmrc", f"{line}\n")
    for words in (("install",), ("ci",), ("add", "left@1.0.0")):
        run = project.fails(*words)
        assert "an .npmrc says that all commands are global" in run.stderr
