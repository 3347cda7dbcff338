"""Folders as dependencies and workspaces: copied under ``install-links``, and with a folder of executables."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from support.packages import make_package
from support.project import Project
from support.snapshot import snapshot

Files = dict[str, "str | dict[str, Any]"]
Words = tuple[str, ...]

COPY = "--install-links"

LIB: dict[str, Any] = {"name": "lib", "version": "1.0.0", "bin": "cli.js", "files": ["cli.js"], "license": "MIT"}

#: A folder of which npm packs a part.
FOLDER: Files = {
    "lib/package.json": {**LIB, "dependencies": {"alpha": "1"}},
    "lib/cli.js": "#!/usr/bin/env node\n",
    "lib/left-out.js": "1",
    "lib/README.md": "read",
}


class Pair:
    """The same project twice, one of them for npm."""

    def __init__(self, project: Project, files: Files) -> None:
        project.registry.publish(make_package("alpha", "1.0.0"), make_package("beta", "1.0.0"))
        self.project = project
        self.npms = project.base / "npms" / "app"
        self.write(files)

    def write(self, files: Files) -> None:
        for folder in (self.project.folder, self.npms):
            for path, content in files.items():
                (folder / path).parent.mkdir(parents=True, exist_ok=True)
                (folder / path).write_text(content if isinstance(content, str) else json.dumps(content))

    def run(self, *words: str, scripts: bool = False) -> None:
        """Run a command with both, and compare all that they leave; npm runs `scripts` only if told so."""
        self.project.succeeds(*words)
        self.project.npm(*words, cwd=self.npms, scripts=scripts)
        assert _text(self.project.folder) == _text(self.npms)
        assert snapshot(self.project.folder) == snapshot(self.npms)


def _text(folder: Path) -> list[str]:
    names = ("package.json", "package-lock.json", "node_modules/.package-lock.json")
    return [(folder / name).read_text() for name in names]


def root(**fields: Any) -> dict[str, Any]:
    return {"name": "app", "version": "1.0.0", **fields}


@pytest.mark.npm
def test_a_folder_is_copied_as_npm_packs_it(project: Project) -> None:
    pair = Pair(project, {**FOLDER, "package.json": root(dependencies={"lib": "file:lib"})})
    pair.run("install", COPY)
    assert sorted(path.name for path in (project.folder / "node_modules/lib").iterdir()) == [
        "README.md",
        "cli.js",
        "package.json",
    ]
    # a change of the folder counts when it is asked for
    pair.write({"lib/cli.js": "#!/usr/bin/env node\n2", "lib/package.json": {**LIB, "version": "1.1.0"}})
    pair.run("install", COPY)
    assert "nothing to do" in project.succeeds("install", COPY).stdout
    pair.run("update", COPY)
    assert (project.folder / "node_modules/lib/cli.js").read_text().endswith("2")
    pair.run("ci", COPY)
    pair.run("install", COPY, "beta@1.0.0")


@pytest.mark.npm
def test_links_become_copies_and_copies_links(project: Project) -> None:
    pair = Pair(project, {**FOLDER, "package.json": root(dependencies={"lib": "file:lib"})})
    for words in (("install",), ("install", COPY), ("ci", COPY), ("install",), ("ci",)):
        pair.run(*words)
        assert (project.folder / "node_modules/lib").is_symlink() == (COPY not in words)


@pytest.mark.npm
@pytest.mark.parametrize("spec", ["file:lib", "file:./lib"])
def test_what_a_copied_folder_asks_for_is_beside_the_original(project: Project, spec: str) -> None:
    """npm links a folder of the project that is written with a dot, even under install-links."""
    files: Files = {
        **FOLDER,
        "package.json": root(dependencies={"lib": spec}),
        "lib/package.json": {**LIB, "dependencies": {"b": "file:../b"}},
        "b/package.json": {"name": "b", "version": "2.0.0", "dependencies": {"c": "file:./c"}},
        "b/c/package.json": {"name": "c", "version": "3.0.0"},
    }
    pair = Pair(project, files)
    for words in (("install", COPY), ("install", COPY), ("ci", COPY)):
        pair.run(*words)
        assert (project.folder / "node_modules/lib").is_symlink() == (spec == "file:./lib")


@pytest.mark.npm
def test_workspaces_are_linked_all_the_same(project: Project) -> None:
    files: Files = {
        **FOLDER,
        "package.json": root(workspaces=["w"], dependencies={"w": "*", "lib": "file:lib"}),
        "w/package.json": {"name": "w", "version": "1.0.0", "dependencies": {"lib": "file:../lib"}},
    }
    pair = Pair(project, files)
    for command in ("install", "ci", "install"):
        pair.run(command, COPY)
    assert (project.folder / "node_modules/w").is_symlink()


def test_a_workspace_in_another_ones_folder_has_a_node_modules_of_its_own(project: Project) -> None:
    project.write("packages/outer/package.json", '{"name": "outer", "dependencies": {"lib": "2"}}')
    project.write("packages/outer/packages/inner/package.json", '{"name": "inner", "dependencies": {"lib": "3"}}')
    libs = [make_package("lib", f"{major}.0.0") for major in (1, 2, 3)]
    project.declare(*libs, dependencies={"lib": "1"}, workspaces=["packages/outer", "packages/outer/packages/inner"])
    own = project.folder / "packages/outer/packages/inner/node_modules/lib/package.json"
    for command in ("install", "ci"):
        project.succeeds(command)
        assert json.loads(own.read_text())["version"] == "3.0.0"
    shutil.rmtree(own.parent)
    project.succeeds("install")
    assert own.exists()


@pytest.mark.npm
@pytest.mark.parametrize("fields", [{"workspaces": {"nohoist": ["alpha"]}}, {"workspaces": "a/*", "overrides": "x"}])
def test_workspaces_of_workspaces_and_of_folders_stand_in_the_lock_and_mean_nothing(
    project: Project, fields: dict[str, Any]
) -> None:
    files: Files = {
        "package.json": root(workspaces=["packages/*"], dependencies={"lib": "file:lib"}),
        **{
            f"{path}/package.json": {"name": path[-3:], "version": "1.0.0", "dependencies": {"alpha": "1"}, **fields}
            for path in ("packages/one", "lib")
        },
    }
    pair = Pair(project, files)
    pair.run("install")
    pair.run("ci")
    pair.run("install", "beta")


@pytest.mark.parametrize("spec", ["./", "file:."])
def test_a_project_that_depends_on_its_own_folder_changes_as_any_other(project: Project, spec: str) -> None:
    alpha, beta = make_package("alpha", "1.0.0"), make_package("beta", "1.0.0")
    project.declare(alpha, beta, devDependencies={"app": spec, "alpha": "1"})
    project.succeeds("install")
    project.succeeds("install", "beta")
    assert set(project.lock["packages"]) == {"", "node_modules/alpha", "node_modules/app", "node_modules/beta"}
    assert project.lock["packages"][""]["dependencies"] == {"beta": "^1.0.0"}
    project.succeeds("uninstall", "alpha")
    assert set(project.lock["packages"]) == {"", "node_modules/app", "node_modules/beta"}
    project.succeeds("ci")


@pytest.mark.npm
def test_a_project_that_depends_on_its_own_folder_changes_as_with_npm(project: Project) -> None:
    pair = Pair(project, {"package.json": root(devDependencies={"app": "./", "alpha": "1"})})
    pair.run("install")
    pair.run("install", "beta", "--no-save")
    pair.run("install", "beta")
    pair.run("install", "alpha", "--save-prod")
    pair.run("uninstall", "beta")
    pair.run("dedupe")


def test_a_copied_folder_with_a_digest_in_the_lock_is_refused(project: Project) -> None:
    pair = Pair(project, {**FOLDER, "package.json": root(dependencies={"lib": "file:lib"})})
    project.succeeds("install", COPY)
    pair.project.change_lock("node_modules/lib", integrity=make_package("lib", "1.0.0").integrity)
    run = project.fails("ci", COPY)
    assert "lib@1.0.0 has a digest, but is the folder" in run.stderr


@pytest.mark.npm
@pytest.mark.parametrize(
    "manifest",
    [
        root(dependencies={"tools": "file:tools"}),
        root(workspaces=["tools"]),
        root(directories={"bin": "tools/bin"}, dependencies={"alpha": "1"}),
    ],
)
def test_a_folder_of_executables_stands_in_the_lock(project: Project, manifest: dict[str, Any]) -> None:
    files: Files = {
        "package.json": manifest,
        "tools/package.json": {"name": "tools", "version": "1.0.0", "directories": {"bin": "./bin"}},
        "tools/bin/one": "#!/bin/sh\n",
        "tools/bin/more/two": "#!/bin/sh\n",
        "tools/bin/.hidden": "x",
    }
    pair = Pair(project, files)
    steps: list[Words] = [("install",), ("install",), ("ci",), ("install", "beta@1.0.0"), ("uninstall", "beta")]
    for words in steps:
        pair.run(*words)
    location = "" if "directories" in manifest else "tools"
    assert set(project.lock["packages"][location]["bin"]) == {"one", "two", "more"}


def test_a_folder_of_executables_cannot_lie_outside_of_its_package(project: Project) -> None:
    project.declare(workspaces=["w"])
    project.write("w/package.json", json.dumps({"name": "w", "version": "1.0.0", "directories": {"bin": "../../"}}))
    project.succeeds("install")
    assert project.lock["packages"]["w"]["bin"] == {"package.json": "package.json"}


def test_a_folder_beside_the_project_is_linked_and_copied_by_turns(project: Project) -> None:
    beside = project.base / "beside"
    beside.mkdir()
    (beside / "package.json").write_text(json.dumps({"name": "beside", "version": "1.0.0"}))
    project.declare(dependencies={"beside": "file:../beside"})
    installed = project.folder / "node_modules/beside"
    for words in [(), (COPY,), ()]:
        project.succeeds("install", *words)
        assert installed.is_symlink() is (not words)
        run = project.fails("ci", *(() if words else (COPY,)))
        assert "PM_LOCK_OUT_OF_SYNC" in run.stderr


def test_what_a_linked_folder_needs_no_more_is_removed_from_it(project: Project) -> None:
    inner, outer = make_package("needed", "2.0.0"), make_package("needed", "1.0.0")
    project.write("linked/package.json", json.dumps({"name": "linked", "dependencies": {"needed": "2.0.0"}}))
    project.declare(inner, outer, dependencies={"linked": "file:linked", "needed": "1.0.0"})
    project.succeeds("install")
    assert (project.folder / "linked/node_modules/needed").is_dir()
    project.write("linked/package.json", json.dumps({"name": "linked"}))
    project.succeeds("install")
    assert not (project.folder / "linked/node_modules/needed").exists()
    project.succeeds("ci")


PREPARING: dict[str, Any] = {
    "name": "lib",
    "version": "1.0.0",
    "files": ["made.js"],
    "scripts": {"prepare": "echo $npm_lifecycle_event > made.js", "postinstall": "echo > never.js"},
}


@pytest.mark.npm
@pytest.mark.parametrize("scripts", [(), ("--ignore-scripts",)])
def test_what_a_copied_folder_prepares_is_copied_too(project: Project, scripts: Words) -> None:
    files: Files = {
        "package.json": root(dependencies={"lib": "file:../lib"}),
        "../lib/package.json": {**PREPARING, "scripts": {"prepare": PREPARING["scripts"]["prepare"]}},
    }
    pair = Pair(project, files)
    for command in ("install", "install", "ci"):
        pair.run(command, COPY, *scripts, scripts=not scripts)
    assert (project.folder / "node_modules/lib/made.js").exists() == (not scripts)


def test_a_copied_folder_that_cannot_prepare_itself_changes_nothing(project: Project) -> None:
    project.write("package.json", json.dumps(root(dependencies={"lib": "file:../lib"})))
    project.write("../lib/package.json", json.dumps({**PREPARING, "scripts": {"prepare": "echo why; exit 5"}}))
    run = project.fails("install", COPY, status=5)
    assert "the prepare script ended with status 5" in run.stderr
    assert "why" in run.stderr


def test_a_copied_folder_whose_scripts_are_denied_is_taken_as_it_is(project: Project) -> None:
    manifest = root(dependencies={"lib": "file:../lib"}, allowScripts={"file:../lib": False})
    project.write("package.json", json.dumps(manifest))
    project.write("../lib/package.json", json.dumps(PREPARING))
    project.succeeds("install", COPY)
    assert not (project.base / "lib/made.js").exists()


@pytest.mark.npm
@pytest.mark.parametrize("patterns", [["."], ["packages/*", "."]], ids=["alone", "among others"])
def test_a_project_that_is_a_workspace_of_itself_is_as_with_npm(project: Project, patterns: list[str]) -> None:
    wanted = {"app": "*"} if len(patterns) > 1 else {}
    one = {"name": "one", "version": "1.0.0", "dependencies": wanted}
    pair = Pair(project, {"package.json": root(workspaces=patterns), "packages/one/package.json": one})
    for words in (
        ("install",),
        ("ci",),
        ("install", "-w", "app", "alpha"),
        ("install", "--workspaces", "beta"),
        ("ci", "-w", "app"),
        ("uninstall", "-w", "app", "alpha"),
    ):
        pair.run(*words)
