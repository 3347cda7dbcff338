"""Commands that change a project and fail leave everything as it was, and say why."""

from __future__ import annotations

import json
import os
import signal
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.faulty import Fault
from support.packages import make_package
from support.project import Project
from support.registry import PackageRegistry, faults

MANIFEST = {"name": "app", "version": "1.0.0", "dependencies": {"a": "^1.0.0"}}


@pytest.fixture
def project(tmp_path: Path, registry: PackageRegistry) -> Iterator[Project]:
    """A project with a@1.0.0 installed; the registry has a@1.1.0, b and c, too. Each run that fails is checked."""
    one = Project(tmp_path / "p", registry)
    registry.publish(make_package("a", "1.0.0"))
    one.write("package.json", json.dumps(MANIFEST, indent=4) + "\n")
    one.succeeds("install", alone=False)
    registry.publish(
        make_package("a", "1.1.0"),
        make_package("b", "1.0.0"),
        make_package("b", "2.0.0"),
        make_package("c", "1.0.0", dependencies={"missing": "1"}),
        make_package("d", "1.0.0", os=["plan9"]),
        make_package("p", "1.0.0", peerDependencies={"a": "^3.0.0"}),
    )
    one.environment["npm_config_prefer_online"] = "true"
    yield one
    one.close()


def test_unknown_package_is_named(project):
    run = project.fails("add", "nothing-like-it")
    assert "nothing-like-it" in run.stderr
    assert "error[PM_REGISTRY]" in run.stderr


def test_version_that_does_not_exist_names_tags_and_the_nearest(project):
    run = project.fails("add", "b@3")
    assert "error[PM_NO_MATCHING_VERSION]: no version of b matches 3" in run.stderr
    assert "tags: latest: 2.0.0" in run.stderr
    assert "nearest: 2.0.0" in run.stderr


def test_tag_that_does_not_exist_names_those_that_do(project):
    run = project.fails("add", "b@nxt")
    assert "no version of b matches nxt" in run.stderr
    assert "tags: latest: 2.0.0" in run.stderr


@pytest.mark.parametrize("argument", ["^1.0.0", "b@@1", "b@foo:bar", "../x/y@1 2"])
def test_argument_that_means_nothing_is_refused(project, argument):
    assert "error[PM_" in project.fails("add", argument).stderr


def test_one_of_several_that_is_missing_stops_all(project):
    project.fails("add", "b", "nothing-like-it")


def test_dependency_of_what_is_added_that_is_missing_stops_it(project):
    run = project.fails("add", "c")
    assert "missing" in run.stderr


def test_package_for_another_system_is_refused(project):
    assert "error[PM_PLATFORM]" in project.fails("add", "d").stderr


def test_peer_that_cannot_be_had_is_explained(project):
    assert "error[PM_PEER_CONFLICT]" in project.fails("add", "p").stderr


def test_folder_that_does_not_exist_is_told(project):
    assert "nowhere/package.json cannot be read" in project.fails("add", "./nowhere").stderr


@pytest.mark.parametrize("content", ["{", "[]", ""])
def test_folder_whose_package_json_cannot_be_used_is_not_one_that_needs_nothing(project, content):
    project.write("lib/package.json", content)
    project.write("package.json", json.dumps({**MANIFEST, "devDependencies": {"lib": "file:./lib"}}))
    (project.folder / "package-lock.json").unlink()
    assert f"cannot use {project.folder}/lib/package.json" in project.fails("install").stderr


def test_folder_without_a_name_is_told(project):
    project.write("lib/package.json", "{}")
    assert "has no name" in project.fails("add", "./lib").stderr


def test_override_that_contradicts_what_is_added_is_refused(project):
    project.write("package.json", json.dumps({**MANIFEST, "overrides": {"b": "1.0.0"}}))
    assert "error[PM_OVERRIDE]" in project.fails("add", "b@2").stderr


@pytest.mark.parametrize(
    "command",
    [
        "install",
        "ci",
        "add a@2.0.0",
        "add b",
        "remove a",
        "remove --no-save a",
        "update",
        "update a",
        "dedupe",
        "prune",
    ],
)
def test_override_that_contradicts_a_dependency_stops_every_command(project, command):
    project.write("package.json", json.dumps({**MANIFEST, "overrides": {"a": "2.0.0"}}))
    assert "error[PM_OVERRIDE]" in project.fails(*command.split()).stderr


def test_workspace_that_does_not_exist_is_told(project):
    assert "no workspace is called" in project.fails("add", "b", "-w", "one").stderr


def test_frozen_lockfile_is_not_changed(project):
    assert "--frozen-lockfile" in project.fails("add", "b", "--frozen-lockfile").stderr


def test_kinds_that_exclude_each_other_are_refused(project):
    run = project.fails("add", "b", "-D", "-O")
    assert "save-dev" in run.stderr
    assert "save-optional" in run.stderr


def test_remove_without_a_name_is_wrong_usage(project):
    project.fails("remove", status=2)


@pytest.mark.parametrize("command", ["dedupe", "prune"])
def test_names_where_none_are_taken_are_wrong_usage(project, command):
    project.fails(command, "a", status=2)


def test_update_takes_names_only(project):
    run = project.fails("update", "a@2")
    assert "pmpipe add name@range" in run.stderr


def test_tarball_with_a_wrong_digest_stops_it(project, registry):
    registry.misbehave("*/b-2.0.0.tgz", faults.corrupt(at=40))
    project.fails("add", "b")


def test_registry_that_answers_nothing_stops_it(project, registry):
    registry.misbehave("/b", faults.status(503))
    project.fails("add", "b", "--fetch-retries=0")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_package_json_that_cannot_be_written_stops_it(project):
    project.folder.chmod(0o555)
    try:
        project.fails("add", "b")
    finally:
        project.folder.chmod(0o755)


def test_dry_run_changes_nothing(project):
    before = (project.folder / "package.json").read_bytes(), (project.folder / "package-lock.json").read_bytes()
    project.succeeds("add", "b", "--dry-run")
    project.succeeds("remove", "a", "--dry-run")
    project.succeeds("update", "--dry-run")
    project.succeeds("find-dupes")
    assert before == (
        (project.folder / "package.json").read_bytes(),
        (project.folder / "package-lock.json").read_bytes(),
    )
    assert not (project.folder / "node_modules/b").exists()


def test_interrupted_run_leaves_everything_as_it_was(project, registry):
    gate = threading.Event()
    registry.misbehave("*/b-2.0.0.tgz", faults.hold(gate, at=10))
    running = project.start("add", "b")
    registry.wait_for_requests("*/b-2.0.0.tgz")
    running.signal(signal.SIGINT)
    assert running.wait().status == 130
    gate.set()


def test_formatting_of_package_json_stays(project):
    project.succeeds("add", "b")
    text = (project.folder / "package.json").read_text()
    assert text == json.dumps({**MANIFEST, "dependencies": {"a": "^1.0.0", "b": "^2.0.0"}}, indent=4) + "\n"


def test_folder_without_a_package_json_gets_one(tmp_path, registry):
    registry.publish(make_package("b", "1.0.0"))
    new = Project(tmp_path / "new", registry)
    new.succeeds("add", "b", alone=False)
    assert (new.folder / "package.json").read_text() == '{\n  "dependencies": {\n    "b": "^1.0.0"\n  }\n}\n'
    assert (new.folder / "node_modules/b/package.json").exists()
    new.close()


def test_folder_that_does_not_exist_is_made(project):
    project.succeeds("add", "b", "--prefix", "made/here", alone=False)
    assert json.loads((project.folder / "made/here/package.json").read_text()) == {"dependencies": {"b": "^2.0.0"}}
    assert (project.folder / "made/here/node_modules/b/index.js").exists()


def test_folder_that_does_not_exist_is_not_made_for_nothing(project):
    project.fails("add", "nothing-like-it", "--prefix", "made/here")
    project.succeeds("add", "b", "--dry-run", "--prefix", "made/here")
    project.fails("remove", "b", "--prefix", "made/here")
    assert not (project.folder / "made").exists()


def test_what_was_added_is_done_for_the_next_install(project):
    project.succeeds("add", "b")
    assert "nothing to do" in project.succeeds("install").stdout


def test_what_was_not_saved_goes_with_the_next_install(project):
    project.succeeds("add", "b", "--no-save")
    assert (project.folder / "node_modules/b").exists()
    assert "b" not in json.loads((project.folder / "package.json").read_text())["dependencies"]
    project.succeeds("install")
    assert not (project.folder / "node_modules/b").exists()


def test_only_the_lock_is_written_if_that_is_asked_for(project):
    project.succeeds("add", "b", "--package-lock-only")
    assert "node_modules/b" in project.lock["packages"]
    assert "b" in json.loads((project.folder / "package.json").read_text())["dependencies"]
    assert not (project.folder / "node_modules/b").exists()


def test_command_in_a_workspace_s_folder_is_about_that_workspace(project):
    project.write("package.json", json.dumps({**MANIFEST, "workspaces": ["packages/*"]}))
    inner = project.write("packages/one/package.json", '{\n  "name": "one"\n}\n')
    project.succeeds("add", "b", cwd=inner.parent, alone=False)
    assert json.loads(inner.read_text()) == {"name": "one", "dependencies": {"b": "^2.0.0"}}
    assert not (inner.parent / "package-lock.json").exists()
    assert (project.folder / "node_modules/b").exists()


def test_what_is_omitted_for_a_workspace_stays_where_the_project_has_it(project):
    project.write("package.json", json.dumps({**MANIFEST, "workspaces": ["packages/*"], "devDependencies": {"b": "1"}}))
    project.write("packages/one/package.json", json.dumps({"name": "one", "devDependencies": {"b": "2"}}))
    own, workspaces = project.folder / "node_modules/b", project.folder / "packages/one/node_modules/b"
    project.succeeds("install", alone=False)
    assert (own.exists(), workspaces.exists()) == (True, True)
    project.succeeds("install", "--omit=dev", "-w", "one", alone=False)
    assert (own.exists(), workspaces.exists()) == (True, False)
    project.succeeds("install", "--omit=dev", alone=False)
    assert (own.exists(), workspaces.exists()) == (False, False)


def test_workspace_for_another_platform_is_told_once(project):
    project.write("package.json", json.dumps({**MANIFEST, "workspaces": ["packages/*"]}))
    project.write("packages/one/package.json", json.dumps({"name": "one", "os": ["plan9"]}))
    assert project.fails("install").stderr.count("error[PM_PLATFORM]") == 1


@pytest.mark.parametrize("number", range(1, 12))
def test_kill_at_any_rename_is_followed_by_all_or_nothing(project, number):
    run = project.run("add", "b", fault=Fault("main", "os.rename", "SIGKILL", number), alone=False)
    project.succeeds("install", alone=False)
    named = "b" in json.loads((project.folder / "package.json").read_text())["dependencies"]
    assert ("node_modules/b" in project.lock["packages"]) == named
    assert (project.folder / "node_modules/b").exists() == named
    assert named or run.status == -signal.SIGKILL
    assert not [path for path in project.folder.iterdir() if ".pmpipe" in path.name]


@pytest.mark.parametrize("number", range(1, 12))
def test_full_disk_at_any_rename_changes_nothing(project, number):
    run = project.run("add", "b", fault=Fault("main", "os.rename", "ENOSPC", number))
    named = "b" in json.loads((project.folder / "package.json").read_text())["dependencies"]
    assert run.status == (0 if named else 1)
