"""Scripts that bun, pnpm or yarn are told to run: they do not run, and whoever comes from there is told what to do."""

from __future__ import annotations

from typing import Any

import pytest
from support.packages import make_package
from support.project import Project

BUILT = make_package("built", "1.0.0", scripts={"install": "echo > ran"})
SCOPED = make_package("@s/built", "1.0.0", scripts={"install": "echo > ran"})


def want(project: Project, yaml: str = "", **root: Any) -> None:
    project.declare(BUILT, SCOPED, dependencies={"built": "1", "@s/built": "1"}, **root)
    if yaml:
        project.write("pnpm-workspace.yaml", yaml)


@pytest.mark.parametrize(
    ("yaml", "root", "place"),
    [
        ("", {"trustedDependencies": ["built", "@s/built"]}, "trustedDependencies in package.json"),
        ("", {"pnpm": {"onlyBuiltDependencies": ["built", "@s/built@1.0.0"]}}, "onlyBuiltDependencies in pnpm in"),
        ("onlyBuiltDependencies: [built, '@s/built']\n", {}, "onlyBuiltDependencies in pnpm-workspace.yaml"),
        ("allowBuilds: {built: true, '@s/built': true}\n", {}, "allowBuilds in pnpm-workspace.yaml"),
        ("", {"dependenciesMeta": {"built": {"built": True}, "@s/built": {"built": True}}}, "dependenciesMeta in"),
    ],
    ids=["bun", "pnpm in package.json", "pnpm", "pnpm 11", "yarn"],
)
def test_what_others_allow_is_told_with_the_words_that_allow_it_here(
    project: Project, yaml: str, root: dict[str, Any], place: str
) -> None:
    want(project, yaml, **root)
    run = project.succeeds("install")
    assert f"warning: {place}" in run.stderr
    assert "`pmpipe install-scripts approve @s/built built`" in run.stderr
    assert not (project.folder / "node_modules/built/ran").exists()
    project.succeeds("install-scripts", "approve", "@s/built", "built")
    assert place not in project.succeeds("install").stderr
    assert (project.folder / "node_modules/built/ran").exists()


@pytest.mark.parametrize(
    ("yaml", "root"),
    [
        ("allowBuilds: {built: false}\n", {}),
        ("onlyBuiltDependencies: [other]\n", {"trustedDependencies": "built", "pnpm": [], "dependenciesMeta": 1}),
        ("[", {"dependenciesMeta": {"built": {"built": False}, "@s/built": 1}}),
    ],
)
def test_what_nobody_allows_anywhere_is_not_told_of(project: Project, yaml: str, root: dict[str, Any]) -> None:
    want(project, **root)
    project.succeeds("install", "--package-lock-only")
    # a resolution would read it, too
    project.write("pnpm-workspace.yaml", yaml)
    assert "npm's words" not in project.succeeds("ci", "--json").stderr
