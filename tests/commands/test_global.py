"""`--global`: the same packages and executables below the prefix as npm makes, all or nothing."""

from __future__ import annotations

import json
import os
import shlex
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.faulty import Fault
from support.npm import run_npm
from support.packages import PackedFile, make_package
from support.project import Project, pid_of_script, processes_of, wait_until
from support.registry import PackageRegistry
from support.snapshot import Snapshot, snapshot

CLI = {"cli.js": PackedFile(b"#!/usr/bin/env node\n", 0o755)}


def publish(registry: PackageRegistry) -> None:
    registry.publish(
        make_package("deep", "1.0.0", dict(CLI), bin={"deep": "cli.js"}),
        make_package("deep", "2.0.0", dict(CLI), bin={"deep": "cli.js"}),
        make_package("middle", "1.0.0", dependencies={"deep": "1"}),
        make_package(
            "tool", "1.0.0", dict(CLI), bin={"tool": "cli.js", "tool-old": "cli.js"}, dependencies={"deep": "1"},
        ),
        make_package(
            "tool", "2.0.0", dict(CLI), bin={"tool": "cli.js"}, dependencies={"middle": "1", "deep": "2"},
            peerDependencies={"peer": "1"},
        ),
        make_package("peer", "1.0.0", dependencies={"middle": "1"}),
        make_package("@s/scoped", "1.0.0", dict(CLI), bin={"scoped": "cli.js"}),
        make_package("opting", "1.0.0", optionalDependencies={"deep": "1"}, peerDependencies={"peer": "1"}),
        make_package("other", "1.0.0", dict(CLI), bin={"tool": "cli.js"}),
    )  # fmt: skip


class Place:
    """A prefix for npm, and one for us."""

    def __init__(self, base: Path, registry: PackageRegistry) -> None:
        publish(registry)
        self.registry = registry
        self.project = Project(base / "p", registry)
        self.ours, self.npms = base / "ours", base / "npms"
        for prefix in (self.ours, self.npms):
            (prefix / "lib").mkdir(parents=True)

    def npm(self, line: str) -> None:
        flags = (
            f"--prefix={self.npms}",
            f"--registry={self.registry.url}/",
            f"--cache={self.npms}-cache",
            "--no-audit",
        )
        environment = {**os.environ, "HOME": str(self.project.base / "home")}
        words = (*shlex.split(line), "-g", "--ignore-scripts", *flags)
        run = run_npm(words, cwd=self.project.folder, env=environment)
        assert run.status == 0, run.stdout + run.stderr

    def pmpipe(self, line: str, **options) -> None:
        self.project.succeeds(*shlex.split(line), "-g", f"--prefix={self.ours}", **options)

    def fails(self, line: str, **options) -> str:
        before = snapshot(self.ours)
        run = self.project.fails(*shlex.split(line), "-g", f"--prefix={self.ours}", **options)
        assert snapshot(self.ours) == before
        return run.stderr


def without_empty(found: Snapshot) -> Snapshot:
    return {
        path: what
        for path, what in found.items()
        if not what.startswith("folder") or any(other.startswith(f"{path}/") for other in found)
    }


@pytest.fixture
def place(tmp_path: Path, registry: PackageRegistry) -> Iterator[Place]:
    made = Place(tmp_path, registry)
    yield made
    made.project.close()


SEQUENCES = [
    ["install tool@1"],
    ["install tool"],
    ["install tool@1 @s/scoped"],
    ["install tool@1", "install tool@2"],
    ["install tool@1", "install @s/scoped", "uninstall tool"],
    ["install @s/scoped deep@1", "uninstall @s/scoped nothing"],
    ["install tool@1 deep@1", "update tool"],
    ["install tool@1 deep@1", "update"],
    ["install alias@npm:tool@1"],
    ["install tool@1", "install other --force"],
    ["install tool@1", "install other --force", "install tool@1"],
    ["install tool@1", "install other --force", "update"],
    ["install opting --omit=optional --omit=peer"],
    ["install tool@2 --legacy-bundling"],
    ["install tool@2 --install-strategy=nested"],
]


@pytest.mark.npm
@pytest.mark.parametrize("lines", SEQUENCES, ids=" and ".join)
def test_prefix_holds_what_npm_puts_there(lines: list[str], place: Place) -> None:
    for line in lines:
        place.npm(line)
        place.pmpipe(line)
    assert without_empty(snapshot(place.ours)) == without_empty(snapshot(place.npms))


def test_folder_is_linked(place: Place) -> None:
    place.project.write("package.json", '{"name": "mine", "version": "1.0.0", "bin": "cli.js"}')
    place.project.write("cli.js", "#!/usr/bin/env node\n")
    place.pmpipe("install", alone=False)
    assert (place.ours / "lib/node_modules/mine").resolve() == place.project.folder.resolve()
    assert (place.ours / "bin/mine").resolve() == (place.project.folder / "cli.js").resolve()


@pytest.mark.parametrize("variable", ["npm_config_location", "NPM_CONFIG_LOCATION"])
def test_environment_may_say_that_it_is_global(variable: str, place: Place) -> None:
    place.project.environment[variable] = "global"
    place.project.succeeds("install", "tool@1", f"--prefix={place.ours}")
    assert (place.ours / "bin/tool").exists()
    place.project.fails("remove", "tool", "--global=false")


def test_name_that_a_package_has_is_taken_back(place: Place) -> None:
    place.pmpipe("install tool@1")
    (place.ours / "bin/tool").unlink()
    (place.ours / "bin/tool").write_text("mine")
    place.pmpipe("install tool@1")
    assert (place.ours / "bin/tool").is_symlink()


def test_executable_of_somebody_else_is_not_replaced(place: Place) -> None:
    (place.ours / "bin").mkdir()
    (place.ours / "bin/tool").write_text("mine")
    assert "is there already" in place.fails("install tool@1")
    place.pmpipe("install tool@1 --force")
    assert (place.ours / "bin/tool").is_symlink()


@pytest.mark.parametrize("command", ["ci", "dedupe", "prune"])
def test_commands_about_a_project_are_refused(place: Place, command: str) -> None:
    place.fails(command, status=2)


def test_failure_leaves_the_prefix_as_it_was(place: Place) -> None:
    place.pmpipe("install tool@1")
    assert "nothing-like-it" in place.fails("install tool@2 nothing-like-it")


def test_without_a_name_and_a_package_json_it_says_what_to_name(place: Place) -> None:
    empty = place.project.base / "empty"
    empty.mkdir()
    said = place.fails("install", cwd=empty)
    assert f"there is no package.json in {empty}" in said
    assert "pmpipe install -g typescript" in said


@pytest.mark.parametrize("number", range(3, 14))
def test_full_disk_at_any_rename_leaves_the_prefix_as_it_was(place: Place, number: int) -> None:
    place.pmpipe("install tool@1")
    before = snapshot(place.ours)
    words = ("install", "-g", f"--prefix={place.ours}", "tool@2")
    run = place.project.run(*words, fault=Fault("main", "os.rename", "ENOSPC", number))
    assert run.status == 0 or snapshot(place.ours) == before


@pytest.mark.parametrize("number", range(3, 14))
def test_kill_at_any_rename_is_mended_by_the_next_run(place: Place, number: int) -> None:
    place.pmpipe("install tool@1")
    words = ("install", "-g", f"--prefix={place.ours}", "tool@2")
    place.project.run(*words, fault=Fault("main", "os.rename", "SIGKILL", number), alone=False)
    place.pmpipe("install @s/scoped")
    version = json.loads((place.ours / "lib/node_modules/tool/package.json").read_text())["version"]
    # one of the executables is in the older version only
    assert (place.ours / "bin/tool-old").exists() == (version == "1.0.0")
    assert (place.ours / "bin/tool").exists()
    assert not (place.ours / "lib/.pmpipe-global").exists()


def publish_scripted(place: Place, version: str, command: str, event: str = "postinstall", **fields) -> None:
    # a script makes what it says in its own folder, and notes where it was
    scripts = {event: f"pwd > {place.project.base}/where && {command}"}
    place.registry.publish(make_package("scripted", version, scripts=scripts, **fields))


def where_it_ran(place: Place) -> str:
    return (place.project.base / "where").read_text().strip()


ALLOWED = "install scripted --allow-scripts=scripted --prefer-online"


def test_scripts_run_in_the_final_place(place: Place) -> None:
    publish_scripted(place, "1.0.0", "echo 1 > made")
    place.pmpipe(ALLOWED)
    assert where_it_ran(place) == str(place.ours / "lib/node_modules/scripted")
    assert (place.ours / "lib/node_modules/scripted/made").exists()


def test_scripts_of_what_a_global_package_needs_run_in_their_final_place(place: Place) -> None:
    publish_scripted(place, "1.0.0", "true")
    place.registry.publish(make_package("above", "1.0.0", dependencies={"scripted": "1"}))
    place.pmpipe("install above --allow-scripts=scripted")
    assert where_it_ran(place) == str(place.ours / "lib/node_modules/above/node_modules/scripted")


def test_optional_package_whose_script_fails_is_left_out(place: Place) -> None:
    publish_scripted(place, "1.0.0", "exit 3", bin="index.js")
    place.registry.publish(make_package("above", "1.0.0", optionalDependencies={"scripted": "1"}))
    place.pmpipe("install above --allow-scripts=scripted")
    assert (place.ours / "lib/node_modules/above/package.json").exists()
    assert not (place.ours / "lib/node_modules/above/node_modules/scripted").exists()


def test_executable_that_a_linked_folder_makes_is_linked(place: Place) -> None:
    manifest = {
        "name": "mine",
        "version": "1.0.0",
        "bin": "cli.js",
        "scripts": {"prepare": "echo '#!/bin/sh' > cli.js"},
    }
    place.project.write("package.json", json.dumps(manifest))
    place.pmpipe("install", alone=False)
    assert (place.ours / "bin/mine").resolve() == (place.project.folder / "cli.js").resolve()
    assert os.access(place.ours / "bin/mine", os.X_OK)


def test_executable_that_a_script_makes_is_linked(place: Place) -> None:
    publish_scripted(place, "1.0.0", "echo '#!/bin/sh' > made.sh", "preinstall", bin={"made": "made.sh"})
    place.pmpipe(ALLOWED)
    assert (place.ours / "bin/made").resolve() == place.ours / "lib/node_modules/scripted/made.sh"


def test_executable_that_a_script_makes_replaces_none_of_somebody_else(place: Place) -> None:
    (place.ours / "bin").mkdir()
    (place.ours / "bin/made").write_text("mine")
    publish_scripted(place, "1.0.0", "echo '#!/bin/sh' > made.sh", "preinstall", bin={"made": "made.sh"})
    assert "is there already" in place.fails(ALLOWED)


@pytest.mark.parametrize("is_update", [True, False])
def test_failing_script_leaves_the_prefix_as_it_was(place: Place, is_update: bool) -> None:
    if is_update:
        publish_scripted(place, "1.0.0", "echo 1 > made", bin="index.js")
        place.pmpipe(ALLOWED)
    publish_scripted(place, "2.0.0", "exit 7", bin="index.js")
    assert "ended with status 7" in place.fails(ALLOWED, status=7)


@pytest.mark.parametrize("is_update", [True, False])
def test_what_was_killed_while_scripts_ran_is_taken_back_by_the_next_run(place: Place, is_update: bool) -> None:
    if is_update:
        publish_scripted(place, "1.0.0", "echo 1 > made", bin="index.js")
        place.pmpipe(ALLOWED)
    before = snapshot(place.ours)
    begun = place.project.folder / "begun"
    publish_scripted(place, "2.0.0", f"echo 2 > made && echo $$ > {begun} && sleep 60", bin="index.js")
    running = place.project.start(*shlex.split(ALLOWED), "-g", f"--prefix={place.ours}", alone=False)
    pid = pid_of_script(place.project)
    assert snapshot(place.ours) != before
    running.signal(signal.SIGKILL)
    assert running.wait().status == -signal.SIGKILL
    wait_until(lambda: not processes_of(pid), "the script has ended")
    place.pmpipe("remove nothing-like-it", alone=False)
    assert without_empty(snapshot(place.ours)) == without_empty(before)


@pytest.mark.npm
def test_npm_runs_scripts_in_the_final_place(place: Place) -> None:
    publish_scripted(place, "1.0.0", "true")
    environment = {**os.environ, "HOME": str(place.project.base / "home")}
    flags = (f"--prefix={place.npms}", f"--registry={place.registry.url}/", f"--cache={place.npms}-cache")
    run = run_npm(("install", "scripted", "-g", *flags), cwd=place.project.folder, env=environment)
    assert run.status == 0, run.stdout + run.stderr
    assert where_it_ran(place) == str(place.npms / "lib/node_modules/scripted")


def test_dry_run_changes_nothing(place: Place) -> None:
    place.pmpipe("install tool --dry-run")
    place.pmpipe("uninstall tool --dry-run")
    assert without_empty(snapshot(place.ours)) == {}


@pytest.mark.parametrize("command", ["remove", "update"])
def test_name_of_no_global_package_is_told(place: Place, command: str) -> None:
    place.pmpipe("install tool")
    run = place.project.succeeds(command, "-g", f"--prefix={place.ours}", "tool", "toll")
    assert run.stderr == 'warning: nothing global is called "toll"\n'


def test_name_with_a_version_is_refused_before_anything_is_removed(place: Place) -> None:
    place.pmpipe("install tool")
    assert '"tool@1" is no package\'s name' in place.fails("remove tool tool@1")
    assert (place.ours / "lib/node_modules/tool").exists()
