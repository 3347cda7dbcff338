"""Packages from git that make by their own scripts what they consist of."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path
from typing import Any

import pytest
from support.git import make_repository
from support.packages import PackedFile, make_package
from support.project import NpmError, Project, processes_of, wait_until

COMPILER = make_package(
    "compiler", "1.0.0", {"cli": PackedFile(b"#!/bin/sh\necho compiled > dist.js\n", 0o755)}, bin={"compile": "cli"}
)


MANIFEST: dict[str, Any] = {
    "name": "g",
    "version": "1.0.0",
    "files": ["dist.js"],
    "devDependencies": {"compiler": "1.0.0"},
    "scripts": {"prepare": "compile"},
}


def make_git_package(folder: Path, **fields: Any) -> str:
    """A repository of a package whose file dist.js has to be made by a development dependency; its URL."""
    return make_repository(folder, {"package.json": json.dumps({**MANIFEST, **fields}), "src.js": "source"})[0]


def made(project: Project) -> str:
    """What the package has made; empty if it is not there."""
    file = project.folder / "node_modules/g/dist.js"
    return file.read_text() if file.exists() else ""


@pytest.fixture
def url(tmp_path: Path) -> str:
    return make_git_package(tmp_path / "repository")


def test_a_package_that_may_prepare_itself_is_what_its_scripts_make(project: Project, url: str) -> None:
    project.declare(COMPILER, dependencies={"g": url}, allowScripts={url: True})
    run = project.succeeds("install")
    assert run.stderr == ""
    assert sorted(os.listdir(project.folder / "node_modules/g")) == ["dist.js", "package.json"]
    assert made(project) == "compiled\n"
    assert "node_modules/compiler" not in project.lock["packages"]
    # from the store, without git
    project.environment["PATH"] = "/usr/bin:/bin"
    project.succeeds("ci", "--offline")
    assert made(project) == "compiled\n"
    assert project.succeeds("verify").stdout.startswith("verified 1 package")


def test_a_package_that_nobody_has_allowed_is_taken_as_it_is_until_somebody_does(project: Project, url: str) -> None:
    project.declare(COMPILER, dependencies={"g": url})
    run = project.succeeds("install")
    assert "g@1.0.0 comes from git and has a prepare script, which has not run" in run.stderr
    assert made(project) == ""
    manifest = json.loads((project.folder / "package.json").read_text())
    project.write("package.json", json.dumps({**manifest, "allowScripts": {url: True}}))
    run = project.succeeds("install")
    assert run.stderr == ""
    assert made(project) == "compiled\n"
    assert project.succeeds("install").stdout.startswith("up to date")


def test_without_scripts_it_is_taken_as_it_is(project: Project, url: str) -> None:
    project.declare(COMPILER, dependencies={"g": url}, allowScripts={url: True})
    run = project.succeeds("install", "--ignore-scripts")
    assert (run.stderr, made(project)) == ("", "")
    project.succeeds("install")
    assert made(project) == "compiled\n"


def test_a_failure_is_told_with_what_was_said(project: Project, tmp_path: Path) -> None:
    url = make_git_package(tmp_path / "repository", scripts={"prepare": "echo some reason; exit 3"})
    project.declare(COMPILER, dependencies={"g": url}, allowScripts={url: True})
    run = project.fails("install", status=3)
    assert "g@1.0.0: preparing it ended with status 3" in run.stderr
    assert "some reason" in run.stderr
    assert not [name for name in project.staging() if name.startswith("git-")]


@pytest.mark.npm
def test_npm_ends_with_the_status_of_the_script_too(project: Project, tmp_path: Path) -> None:
    url = make_git_package(tmp_path / "repository", devDependencies={}, scripts={"prepare": "exit 3"})
    project.declare(COMPILER, dependencies={"g": url}, allowScripts={url: True})
    with pytest.raises(NpmError) as failed:
        project.npm("install", scripts=True)
    assert failed.value.returncode == project.fails("install", status=3, alone=False).status


@pytest.mark.npm
@pytest.mark.parametrize("lock", ["{", "", "<<<<<<< ours\n{\n"])
def test_a_lock_in_the_repository_that_is_no_json_is_passed_over_as_by_npm(
    project: Project, tmp_path: Path, lock: str
) -> None:
    files = {"package.json": json.dumps(MANIFEST), "package-lock.json": lock}
    url = make_repository(tmp_path / "repository", files)[0]
    project.declare(COMPILER, dependencies={"g": url}, allowScripts={url: True})
    project.npm("install", scripts=True)
    assert made(project) == "compiled\n"
    project.succeeds("ci", alone=False)
    assert made(project) == "compiled\n"


def test_an_optional_package_that_cannot_be_prepared_is_left_out(project: Project, tmp_path: Path) -> None:
    url = make_git_package(tmp_path / "repository", scripts={"prepare": "exit 3"})
    kept = make_package("kept", "1.0.0")
    project.declare(
        COMPILER, kept, dependencies={"kept": "1"}, optionalDependencies={"g": url}, allowScripts={url: True}
    )
    run = project.succeeds("install")
    assert "the optional node_modules/g is left out: g@1.0.0: preparing it ended with status 3" in run.stderr
    project.assert_installed({"node_modules/kept": kept})


@pytest.mark.parametrize("script", ["rm package.json", "echo '{' > package.json", 'rm -rf "$PWD"'])
def test_a_package_that_loses_its_package_json_is_refused(project: Project, tmp_path: Path, script: str) -> None:
    url = make_git_package(tmp_path / "repository", scripts={"prepare": script})
    project.declare(COMPILER, dependencies={"g": url}, allowScripts={url: True})
    run = project.fails("install")
    assert "g@1.0.0: preparing it has left no package.json that can be read" in run.stderr


def test_its_own_npmrc_does_not_decide_whether_its_scripts_run(project: Project, tmp_path: Path) -> None:
    files = {"package.json": json.dumps(MANIFEST), ".npmrc": "ignore-scripts=true\n"}
    url = make_repository(tmp_path / "repository", files)[0]
    project.declare(COMPILER, dependencies={"g": url}, allowScripts={url: True})
    project.succeeds("install")
    assert made(project) == "compiled\n"


def test_its_workspaces_prepare_themselves_whatever_is_chosen_of_the_project_s(
    project: Project, tmp_path: Path
) -> None:
    part = {"name": "part", "version": "1.0.0", "scripts": {"prepare": "echo made > made.js"}}
    root = {**MANIFEST, "workspaces": ["part"], "scripts": {"prepare": "cp part/made.js dist.js"}}
    files = {"package.json": json.dumps(root), "part/package.json": json.dumps(part)}
    url = make_repository(tmp_path / "repository", files)[0]
    project.write("app-part/package.json", json.dumps({"name": "app-part", "version": "1.0.0"}))
    project.declare(COMPILER, dependencies={"g": url}, workspaces=["app-part"], allowScripts={url: True})
    project.environment["npm_config_workspace"] = "app-part"
    project.environment["npm_config_include_workspace_root"] = "true"
    project.succeeds("install")
    assert made(project) == "made\n"


def test_its_scripts_get_no_credentials(project: Project, tmp_path: Path) -> None:
    url = make_git_package(tmp_path / "repository", scripts={"prepare": "env > dist.js"})
    project.declare(COMPILER, dependencies={"g": url}, allowScripts={url: True})
    project.write(".npmrc", "//registry.example/:_authToken=${MY_TOKEN}\nelectron_mirror=https://m.example\n")
    (project.base / "home/.npmrc").write_text("//registry.example/:_authToken=${MY_TOKEN}\n")
    project.environment["MY_TOKEN"] = "the-secret"
    project.succeeds("install")
    assert "the-secret" not in made(project)
    assert "npm_config_electron_mirror=https://m.example" in made(project)


def test_its_scripts_learn_that_the_project_leaves_development_dependencies_out(
    project: Project, tmp_path: Path
) -> None:
    url = make_git_package(tmp_path / "repository", scripts={"prepare": "compile; echo $NODE_ENV >> dist.js"})
    project.declare(COMPILER, dependencies={"g": url}, allowScripts={url: True})
    project.succeeds("install", "--omit=dev")
    assert made(project).endswith("production\n")


def test_packages_that_need_each_other_to_prepare_themselves_come_to_an_end(project: Project, tmp_path: Path) -> None:
    # each of the two has the other among its development dependencies
    other = f"git+file://{tmp_path}/two"
    one = make_git_package(
        tmp_path / "one",
        devDependencies={"two": other},
        allowScripts={other: True},
        scripts={"prepare": "echo > dist.js"},
    )
    make_git_package(
        tmp_path / "two",
        name="two",
        devDependencies={"g": one},
        allowScripts={one: True},
        scripts={"prepare": "echo > dist.js"},
    )
    project.declare(dependencies={"g": one}, allowScripts={one: True})
    project.succeeds("install")
    assert made(project) == "\n"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_nothing_goes_on_when_the_run_is_ended(project: Project, tmp_path: Path, number: int) -> None:
    begun = tmp_path / "begun"
    url = make_git_package(tmp_path / "repository", scripts={"prepare": f"echo $$ > {begun}; sleep 1000"})
    project.declare(COMPILER, dependencies={"g": url}, allowScripts={url: True})
    running = project.start("install", alone=False)
    wait_until(lambda: begun.exists() and bool(begun.read_text().strip()), "the script has begun")
    session = os.getsid(int(begun.read_text()))
    running.signal(number)
    if number == signal.SIGKILL:
        running.process.communicate()
        wait_until(lambda: not processes_of(running.pid), "the workers have ended")
    else:
        assert running.wait().status == 128 + number
        assert not (project.folder / "node_modules").exists()
    wait_until(lambda: not processes_of(session), "what prepares the package has ended")


@pytest.mark.npm
def test_npm_makes_the_same_of_it(project: Project, url: str) -> None:
    project.declare(COMPILER, dependencies={"g": url}, allowScripts={url: True})
    project.npm("install", scripts=True)
    files = {path.name: path.read_bytes() for path in (project.folder / "node_modules/g").iterdir()}
    lock = project.lock
    project.succeeds("ci", alone=False)
    assert {path.name: path.read_bytes() for path in (project.folder / "node_modules/g").iterdir()} == files
    assert project.lock == lock


def test_runs_that_share_a_store_have_checkouts_of_their_own(project: Project, tmp_path: Path) -> None:
    begun, go_on = tmp_path / "begun", tmp_path / "go-on"
    slow = f"echo > {begun}; while ! test -e {go_on}; do sleep 0.01; done; compile"
    first = make_git_package(tmp_path / "first", scripts={"prepare": slow})
    second = make_git_package(tmp_path / "second")
    project.declare(COMPILER, dependencies={"g": first}, allowScripts={first: True})
    other = project.sibling("other")
    other.declare(dependencies={"g": second}, allowScripts={second: True})
    running = project.start("install")
    wait_until(begun.exists, "the first has a checkout")
    other.succeeds("install")
    go_on.touch()
    assert running.wait().status == 0
    assert made(project) == made(other) == "compiled\n"
