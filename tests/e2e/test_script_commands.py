"""`install-scripts` and its aliases, which say whose scripts may run, and `rebuild`, which runs them once more."""

from __future__ import annotations

import json
import os
import signal
import sys
from pathlib import Path
from typing import Any

import pytest
from support.faulty import Fault
from support.git import make_repository
from support.packages import PackedFile, make_package
from support.project import Project, pid_of_script, processes_of, wait_until
from support.registry import PackageRegistry

#: Notes in the project's folder what runs, in its order.
NOTE = "echo $npm_lifecycle_event $npm_package_name >> $INIT_CWD/ran"
EVENTS = dict.fromkeys(("preinstall", "install", "postinstall"), NOTE)
ORDER = ["preinstall", "install", "postinstall"]

BUILT = make_package("built", "1.0.0", {"index.js": b"1"}, scripts={"postinstall": NOTE})
OTHER = make_package("@scope/other", "2.0.0", scripts={"install": NOTE, "prepare": "never"})
PLAIN = make_package("plain", "1.0.0")
PACKAGES = {"node_modules/@scope/other": OTHER, "node_modules/built": BUILT, "node_modules/plain": PLAIN}


def ran(project: Project) -> list[str]:
    """What has run so far."""
    return (project.folder / "ran").read_text().splitlines()


def manifest(project: Project) -> dict[str, Any]:
    return json.loads((project.folder / "package.json").read_text())


def allowed(project: Project) -> object:
    return manifest(project).get("allowScripts")


def allow(project: Project, entries: object) -> None:
    project.write("package.json", json.dumps({**manifest(project), "allowScripts": entries}, indent=2) + "\n")


@pytest.fixture
def locked(project: Project) -> Project:
    """A project with two packages that have scripts, not installed yet."""
    project.write("ran", "")
    project.want(PACKAGES)
    return project


@pytest.fixture
def installed(locked: Project) -> Project:
    """The same, installed; nothing has run."""
    locked.succeeds("ci")
    return locked


# -- listing ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "words", [["install-scripts", "ls"], ["install-scripts", "list"], ["approve-scripts", "--allow-scripts-pending"]]
)
def test_what_nobody_has_decided_about_is_listed_with_its_scripts(installed: Project, words: list[str]) -> None:
    lines = installed.succeeds(*words).stdout.splitlines()
    assert lines == [
        "2 packages have install scripts that nobody has approved or denied:",
        f"  @scope/other@2.0.0 (install: {NOTE})",
        f"  built@1.0.0 (postinstall: {NOTE})",
    ]
    allow(installed, {"built": True, "@scope/other": False})
    assert installed.succeeds(*words).stdout.startswith("no package has install scripts")


def test_a_list_as_a_document(installed: Project) -> None:
    assert installed.succeeds("install-scripts", "ls", "--json").report == {
        "allowScripts": [
            {"name": "@scope/other", "changes": [{"key": "@scope/other@2.0.0", "change": "pending"}]},
            {"name": "built", "changes": [{"key": "built@1.0.0", "change": "pending"}]},
        ]
    }


def test_the_lockfile_is_enough(locked: Project) -> None:
    run = locked.succeeds("install-scripts", "ls")
    assert "  built@1.0.0 (install: (not known before it is installed))" in run.stdout
    locked.succeeds("install-scripts", "approve", "built")
    assert allowed(locked) == {"built@1.0.0": True}


def test_the_tree_is_enough(installed: Project) -> None:
    (installed.folder / "package-lock.json").unlink()
    assert "built@1.0.0" in installed.succeeds("install-scripts", "ls").stdout
    installed.succeeds("approve-scripts", "built")
    assert allowed(installed) == {"built@1.0.0": True}


def test_neither_lockfile_nor_tree_is_not_enough(locked: Project) -> None:
    (locked.folder / "package-lock.json").unlink()
    run = locked.fails("install-scripts", "ls")
    assert "there is no package-lock.json" in run.stderr
    assert "pmpipe install" in run.stderr


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ('{"allowScripts":\n[}', "package.json:2:2: the file is not valid JSON"),
        ("[]", "the document must be an object"),
        ("", "package.json:1:1: the file is empty"),
    ],
)
def test_a_package_json_that_cannot_be_read_is_told_with_its_place(locked: Project, text: str, problem: str) -> None:
    locked.write("package.json", text)
    run = locked.fails("install-scripts", "ls")
    assert "error[PM_MANIFEST]" in run.stderr
    assert problem in run.stderr


def test_a_tree_that_package_json_has_outgrown_will_do(installed: Project) -> None:
    document = manifest(installed)
    document["dependencies"]["new"] = "^1.0.0"
    installed.write("package.json", json.dumps(document))
    installed.succeeds("approve-scripts", "built")
    assert allowed(installed) == {"built@1.0.0": True}


# -- deciding -----------------------------------------------------------------------------------------------------


def test_what_is_approved_runs_with_the_next_install(installed: Project) -> None:
    run = installed.succeeds("install-scripts", "approve", "built")
    assert run.stdout == "approved built:\n  added built@1.0.0\n"
    assert "pmpipe install" in run.stderr
    assert ran(installed) == []
    installed.succeeds("install")
    assert ran(installed) == ["postinstall built"]


def test_all_that_nobody_has_decided_about_is_approved_or_denied(installed: Project) -> None:
    installed.succeeds("deny-scripts", "built")
    installed.succeeds("approve-scripts", "--all")
    assert allowed(installed) == {"built": False, "@scope/other@2.0.0": True}
    assert "no package has install scripts" in installed.succeeds("deny-scripts", "-a").stdout


def test_without_a_pin_all_versions_are_approved(installed: Project) -> None:
    allow(installed, {"built@0.9.0": True})
    installed.succeeds("install-scripts", "approve", "built", "--no-allow-scripts-pin")
    assert allowed(installed) == {"built": True}
    installed.write(".npmrc", "allow-scripts-pin=false\n")
    installed.succeeds("install-scripts", "approve", "--all")
    assert allowed(installed) == {"built": True, "@scope/other": True}


def test_an_approval_is_told_as_a_document(installed: Project) -> None:
    allow(installed, {"built": True})
    run = installed.succeeds("approve-scripts", "built@1", "--json")
    changes = [{"key": "built@1.0.0", "change": "added"}, {"key": "built", "change": "replaced-by-pin"}]
    assert run.report == {"allowScripts": [{"name": "built", "changes": changes}]}
    assert run.stderr == ""


def test_what_is_denied_is_not_approved(installed: Project) -> None:
    allow(installed, {"built": False})
    run = installed.succeeds("install-scripts", "approve", "built")
    assert '"built" is denied' in run.stderr
    assert run.stdout == "nothing to approve: allowScripts stays as it is\n"
    assert allowed(installed) == {"built": False}


def test_package_json_keeps_its_layout(installed: Project) -> None:
    text = json.dumps({**manifest(installed), "allowScripts": {}, "zzz": [1]}, indent="\t").replace("\n", "\r\n")
    installed.write("package.json", text)
    installed.succeeds("install-scripts", "deny", "built")
    expected = text.replace('"allowScripts": {}', '"allowScripts": {\r\n\t\t"built": false\r\n\t}')
    assert (installed.folder / "package.json").read_bytes().decode() == expected + "\r\n"


def test_a_workspace_s_folder_is_a_way_to_the_project(project: Project) -> None:
    project.declare(BUILT, workspaces=["packages/*"])
    workspace = {"name": "one", "version": "1.0.0", "dependencies": {"built": "1.0.0"}, "scripts": EVENTS}
    project.write("packages/one/package.json", json.dumps(workspace))
    project.write("ran", "")
    project.succeeds("install", "--ignore-scripts", alone=False)
    project.succeeds("approve-scripts", "--all", cwd=project.folder / "packages/one")
    assert allowed(project) == {"built@1.0.0": True}
    assert "no package of this project is called one" in project.fails("deny-scripts", "one").stderr


def test_bundled_packages_cannot_be_approved(project: Project) -> None:
    inner = json.dumps({"name": "inner", "version": "1.0.0", "scripts": {"install": NOTE}}).encode()
    files = {"node_modules/inner/package.json": inner}
    outer = make_package("outer", "1.0.0", files, dependencies={"inner": "1.0.0"}, bundleDependencies=["inner"])
    project.declare(outer, dependencies={"outer": "1.0.0"})
    project.succeeds("install")
    assert "no package has install scripts" in project.succeeds("install-scripts", "ls").stdout
    assert "called inner" in project.fails("install-scripts", "approve", "inner").stderr


def test_a_name_that_nothing_has_is_told_with_those_that_have_scripts(installed: Project) -> None:
    run = installed.fails("install-scripts", "approve", "built", "bult", "built@2")
    assert "no package of this project is called bult, built@2" in run.stderr
    assert "with install scripts: @scope/other@2.0.0, built@1.0.0" in run.stderr
    assert allowed(installed) is None


@pytest.mark.parametrize(
    "words",
    [
        ["install-scripts"],
        ["install-scripts", "allow"],
        ["install-scripts", "approve"],
        ["install-scripts", "deny"],
        ["install-scripts", "approve", "built", "--all"],
        ["install-scripts", "ls", "built"],
        ["install-scripts", "ls", "--all"],
        ["install-scripts", "prune", "built"],
        ["approve-scripts"],
        ["approve-scripts", "built", "--allow-scripts-pending"],
        ["deny-scripts", "--allow-scripts-pending"],
        ["install-scripts", "ls", "--global"],
        ["approve-scripts", "built", "--global"],
        ["rebuild", "--global"],
        ["rebuild", "built@latest"],
    ],
    ids=" ".join,
)
def test_wrong_usage(installed: Project, words: list[str]) -> None:
    assert "error[PM_USAGE]" in installed.fails(*words, status=2).stderr


def test_a_dry_run_writes_nothing(installed: Project) -> None:
    assert "would have approved built" in installed.succeeds("approve-scripts", "built", "--dry-run").stdout
    assert allowed(installed) is None


# -- pruning ------------------------------------------------------------------------------------------------------


def test_entries_without_effect_go(installed: Project) -> None:
    allow(installed, {"built@1.0.0": True, "built@0.9.0": True, "plain": False, "gone": True})
    run = installed.succeeds("install-scripts", "prune", "--dry-run")
    expected = "would remove 3 entries that have no effect from allowScripts:\n"
    assert run.stdout == (
        f"{expected}  built@0.9.0 (no such package)\n  plain (no install scripts)\n  gone (no such package)\n"
    )
    assert len(allowed(installed)) == 4
    report = installed.succeeds("install-scripts", "prune", "--json").report["allowScripts"]
    assert report["dryRun"] is False
    assert report["removed"][0] == {"key": "built@0.9.0", "value": True, "reason": "not-installed"}
    assert allowed(installed) == {"built@1.0.0": True}
    assert "every entry" in installed.succeeds("install-scripts", "prune").stdout


def test_the_field_goes_with_its_last_entry(installed: Project) -> None:
    allow(installed, {"gone": True})
    installed.succeeds("install-scripts", "prune")
    assert "allowScripts" not in manifest(installed)


# -- rebuilding ---------------------------------------------------------------------------------------------------


@pytest.fixture
def whole(project: Project) -> Project:
    """Packages, one of them in another one, and a project that all have scripts; they have run."""
    project.write("ran", "")
    inner, last = (make_package(name, "1.0.0", scripts=EVENTS) for name in ("inner", "last"))
    outer = make_package("outer", "1.0.0", scripts=EVENTS, dependencies={"inner": "1.0.0"})
    project.want(
        {"node_modules/last": last, "node_modules/outer": outer, "node_modules/outer/node_modules/inner": inner},
        allowScripts={"inner": True, "outer": True, "last": True},
        scripts={**EVENTS, "prepare": NOTE, "prepublish": NOTE},
    )
    project.succeeds("install")
    project.write("ran", "")
    return project


@pytest.mark.parametrize("command", ["rebuild", "rb"])
def test_everything_is_built_once_more_in_npm_s_order(whole: Project, command: str) -> None:
    run = whole.succeeds(command, "--foreground-scripts")
    assert ran(whole) == [f"{event} {name}" for event in ORDER for name in ("app", "last", "outer", "inner")]
    assert "\nbuilt 4 packages in " in run.stdout
    assert run.stderr == ""
    assert whole.succeeds("install", "--ignore-scripts").stdout.startswith("up to date: ")


@pytest.mark.parametrize(
    ("words", "names"),
    [
        (["inner"], ["inner"]),
        (["last@1", "inner@^1.0.0"], ["last", "inner"]),
        (["./node_modules/outer"], ["outer"]),
        (["last@2"], []),
        (["nothing"], []),
    ],
)
def test_what_is_named_is_built(whole: Project, words: list[str], names: list[str]) -> None:
    run = whole.succeeds("rebuild", *words, "--foreground-scripts")
    assert ran(whole) == [f"{event} {name}" for event in ORDER for name in names]
    assert ("nothing that is installed is called" in run.stderr) is not bool(names)


def test_what_is_denied_or_not_allowed_is_not_built(whole: Project) -> None:
    allow(whole, {"outer": False, "last": True})
    run = whole.succeeds("rebuild", "--json", "--foreground-scripts")
    assert ran(whole) == [f"{event} {name}" for event in ORDER for name in ("app", "last")]
    assert run.report["scriptsRun"] == 2
    assert "1 package has install scripts that nobody has allowed: inner@1.0.0" in run.stderr
    whole.succeeds("rebuild", "--dangerously-allow-all-scripts")
    assert len(ran(whole)) == 6 + 12


def test_strict_refuses_to_rebuild_what_nobody_has_looked_at(whole: Project) -> None:
    allow(whole, {"outer": False})
    assert "inner@1.0.0" in whole.fails("rebuild", "--strict-allow-scripts").stderr
    assert ran(whole) == []


def test_a_dry_run_tells_what_would_be_built(whole: Project) -> None:
    assert "would build 1 package: last@1.0.0" in whole.succeeds("rebuild", "last", "--dry-run").stdout
    assert ran(whole) == []


def test_what_is_rebuilt_has_run(installed: Project) -> None:
    installed.succeeds("approve-scripts", "--all")
    installed.succeeds("rebuild", "built")
    assert ran(installed) == ["postinstall built"]
    # the other one has been allowed, and still waits
    installed.succeeds("install")
    assert ran(installed) == ["postinstall built", "install @scope/other"]
    installed.succeeds("install")
    assert len(ran(installed)) == 2


def test_package_json_and_lockfile_may_have_gone_on(installed: Project) -> None:
    installed.write("package.json", json.dumps({"name": "app", "dependencies": {"x": "1"}}))
    installed.succeeds("rebuild", "--dangerously-allow-all-scripts")
    (installed.folder / "package-lock.json").unlink()
    installed.succeeds("rebuild", "--dangerously-allow-all-scripts", "--omit=dev")
    assert sorted(ran(installed)) == ["install @scope/other"] * 2 + ["postinstall built"] * 2


def test_a_project_without_dependencies_builds_itself(project: Project) -> None:
    project.write("ran", "")
    project.declare(scripts=EVENTS)
    assert project.succeeds("rebuild").stdout.startswith("built 1 package in ")
    assert ran(project) == [f"{event} app" for event in ORDER]
    assert project.succeeds("rebuild", "--ignore-scripts").stdout.startswith("nothing to build")


def test_the_project_s_own_scripts_keep_the_caller_s_environment(project: Project) -> None:
    project.write("seen", "")
    project.environment["MY_TOKEN"] = "secret-text"
    project.write(".npmrc", "//registry.example/:_authToken=${MY_TOKEN}\n")
    spy = make_package("spy", "1.0.0", scripts={"install": "env > seen"})
    project.want({"node_modules/spy": spy}, allowScripts={"spy": True}, scripts={"install": "env > seen"})
    project.succeeds("ci", "--ignore-scripts")
    project.succeeds("rebuild")
    assert "secret-text" in (project.folder / "seen").read_text()
    seen = (project.folder / "node_modules/spy/seen").read_text()
    assert "secret-text" not in seen
    assert "npm_command=rebuild" in seen


def test_node_gyp_builds_what_the_lockfile_knows_nothing_of(project: Project) -> None:
    gyp = make_package(
        "gyp", "1.0.0", {"cli": PackedFile(b"#!/bin/sh\necho $@ >> built\n", 0o755)}, bin={"node-gyp": "cli"}
    )
    native = make_package("native", "1.0.0", {"binding.gyp": b"{}"})
    project.want({"node_modules/gyp": gyp, "node_modules/native": native}, allowScripts={"native": True})
    project.succeeds("ci", "--ignore-scripts")
    assert "every entry" in project.succeeds("install-scripts", "prune", "--dry-run").stdout
    project.succeeds("rebuild")
    assert (project.folder / "node_modules/native/built").read_text() == "rebuild\n"


# -- executables --------------------------------------------------------------------------------------------------


@pytest.fixture
def with_tool(project: Project) -> Project:
    """A package with two executables, one of which its script makes; only the script has not run."""
    tool = make_package(
        "tool",
        "1.0.0",
        {"cli": PackedFile(b"#!/bin/sh\n", 0o755)},
        bin={"tool": "cli", "made": "made"},
        scripts={"preinstall": "echo '#!/bin/sh' > made", "install": "made"},
    )
    project.want({"node_modules/tool": tool}, allowScripts={"tool": True})
    project.succeeds("ci", "--ignore-scripts")
    return project


def test_executables_are_linked_again(with_tool: Project) -> None:
    link = with_tool.folder / "node_modules/.bin/tool"
    link.unlink()
    run = with_tool.succeeds("rebuild")
    assert os.access(link, os.X_OK)
    assert os.access(with_tool.folder / "node_modules/.bin/made", os.X_OK)
    assert "built 1 package, 2 links made in" in run.stdout
    assert run.stderr == ""


def test_without_scripts_executables_are_linked_all_the_same(with_tool: Project) -> None:
    link = with_tool.folder / "node_modules/.bin/tool"
    link.unlink()
    with_tool.succeeds("rebuild", "--ignore-scripts")
    assert link.is_symlink()
    assert not (with_tool.folder / "node_modules/tool/made").exists()
    with_tool.succeeds("install")
    assert (with_tool.folder / "node_modules/tool/made").exists()


@pytest.mark.parametrize("command", ["rebuild", "ci"])
def test_without_bin_links_none_are_made(project: Project, command: str) -> None:
    script = {"preinstall": "echo '#!/bin/sh' > made"}
    maker = make_package("maker", "1.0.0", bin={"made": "made"}, scripts=script)
    project.want({"node_modules/maker": maker}, allowScripts={"maker": True})
    project.succeeds("ci", "--ignore-scripts", "--no-bin-links")
    project.succeeds(command, "--no-bin-links")
    assert (project.folder / "node_modules/maker/made").exists()
    assert not (project.folder / "node_modules/.bin").exists()


# -- linked folders -----------------------------------------------------------------------------------------------


@pytest.fixture
def monorepo(project: Project) -> Project:
    project.write("ran", "")
    project.declare(BUILT, workspaces=["packages/*"], scripts={"postinstall": NOTE}, allowScripts={"built": True})
    for name in ("one", "two"):
        workspace = {"name": name, "version": "1.0.0", "dependencies": {"built": "1"}, "scripts": {"prepare": NOTE}}
        project.write(f"packages/{name}/package.json", json.dumps(workspace))
    project.succeeds("install", "--ignore-scripts", alone=False)
    return project


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ([], ["postinstall app", "postinstall built", "prepare one", "prepare two"]),
        (["one"], ["prepare one"]),
        (["two@1", "built"], ["postinstall built", "prepare two"]),
        (["./packages/two"], ["prepare two"]),
        (["built"], ["postinstall built"]),
        (["--no-workspaces"], ["postinstall app"]),
    ],
)
def test_linked_folders_come_last(monorepo: Project, words: list[str], expected: list[str]) -> None:
    monorepo.succeeds("rebuild", "--foreground-scripts", *words, alone=False)
    assert ran(monorepo) == expected


def test_a_package_from_git_prepares_itself_with_the_next_install(project: Project, tmp_path: Path) -> None:
    document = {"name": "g", "version": "1.0.0", "scripts": {"prepare": "echo x >> made"}}
    url = make_repository(tmp_path / "repository", {"package.json": json.dumps(document)})[0]
    project.declare(dependencies={"g": url})
    project.succeeds("install")
    assert "g@1.0.0 (prepare: echo x >> made)" in project.succeeds("install-scripts", "ls").stdout
    allow(project, {url: True})
    assert "every entry" in project.succeeds("install-scripts", "prune").stdout
    made = project.folder / "node_modules/g/made"
    project.succeeds("rebuild")
    assert not made.exists()
    for command in ("install", "rebuild", "install"):
        project.succeeds(command)
        assert made.read_text() == "x\n"


def test_a_package_from_git_on_a_host_of_ones_own_can_be_approved_by_its_name(project: Project, tmp_path: Path) -> None:
    document = {"name": "g", "version": "1.0.0", "scripts": {"prepare": "echo x >> made"}}
    url, commit = make_repository(tmp_path / "repository", {"package.json": json.dumps(document)})
    project.declare(dependencies={"g": url})
    project.succeeds("install")
    project.succeeds("install-scripts", "approve", "g")
    assert allowed(project) == {f"{url}#{commit}": True}
    project.succeeds("install")
    assert (project.folder / "node_modules/g/made").read_text() == "x\n"


def test_what_no_entry_can_mean_is_not_said_to_have_been_decided_about(
    project: Project, registry: PackageRegistry
) -> None:
    url = registry.serve("/loose.tgz", BUILT.tarball)
    project.declare(dependencies={"built": url})
    project.succeeds("install")
    run = project.succeeds("install-scripts", "approve", "built")
    assert "no entry can mean them: built@1.0.0" in run.stderr
    assert "nothing to approve: allowScripts stays as it is" in run.stdout


# -- failures -----------------------------------------------------------------------------------------------------


@pytest.fixture
def fickle(project: Project) -> Project:
    """An optional package whose script has run, and would fail if a file called broken were there."""
    script = "echo x >> half; test ! -e $INIT_CWD/broken || exit 7; echo x >> half"
    package = make_package("fickle", "1.0.0", scripts={"install": script})
    project.want(
        {"node_modules/fickle": package},
        dependencies={},
        optionalDependencies={"fickle": "1.0.0"},
        allowScripts={"fickle": True},
    )
    project.succeeds("ci")
    return project


def half(project: Project) -> str:
    return (project.folder / "node_modules/fickle/half").read_text()


def test_a_failure_has_the_script_s_status_even_where_the_package_is_optional(fickle: Project) -> None:
    fickle.write("broken", "")
    run = fickle.start("rebuild", alone=False).wait()
    assert run.status == 7
    assert "fickle@1.0.0: the install script ended with status 7" in run.stderr
    assert "pmpipe install" in run.stderr
    assert half(fickle) == "x\nx\nx\n"
    assert not [name for name in os.listdir(fickle.folder / "node_modules") if "pmpipe" in name]
    (fickle.folder / "broken").unlink()
    # what has failed is built anew, from what was unpacked
    fickle.succeeds("install")
    assert half(fickle) == "x\nx\n"
    assert fickle.succeeds("install").stdout.startswith("up to date")


def test_a_failure_can_be_mended_by_another_rebuild(fickle: Project) -> None:
    fickle.write("broken", "")
    assert fickle.start("rebuild", alone=False).wait().status == 7
    (fickle.folder / "broken").unlink()
    fickle.succeeds("rebuild")
    assert half(fickle) == "x\n" * 5
    fickle.succeeds("install")
    assert half(fickle) == "x\n" * 5


def test_a_rebuild_that_the_store_refuses_is_told(fickle: Project) -> None:
    # by now the store has a note that nothing is to be done
    fickle.succeeds("install")
    run = fickle.fails("rebuild", fault=Fault("main", "os.remove", "EIO"))
    assert "error[PM_STORE]" in run.stderr
    fickle.succeeds("rebuild")


@pytest.fixture
def slow(project: Project) -> Project:
    """A package whose script, once a file called slow is there, waits for ever."""
    script = "echo x >> half; test ! -e $INIT_CWD/slow || { echo $$ > $INIT_CWD/begun; sleep 1000; }; echo x >> half"
    package = make_package("fickle", "1.0.0", scripts={"install": script})
    project.write("begun", "")
    project.want({"node_modules/fickle": package}, allowScripts={"fickle": True})
    project.succeeds("ci")
    project.write("slow", "")
    return project


def test_a_killed_rebuild_is_put_right_by_the_next_install(slow: Project) -> None:
    running = slow.start("rebuild", alone=False)
    pid = pid_of_script(slow)
    running.signal(signal.SIGKILL)
    running.process.communicate()
    wait_until(lambda: not processes_of(pid), "the script has ended with its run")
    wait_until(lambda: not processes_of(running.pid), "the workers have ended with their run")
    (slow.folder / "slow").unlink()
    slow.succeeds("install")
    assert half(slow) == "x\nx\n"


@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_ends_the_script_too(slow: Project, number: int, status: int) -> None:
    running = slow.start("rebuild", alone=False)
    pid = pid_of_script(slow)
    running.signal(number)
    run = running.wait()
    assert run.status == status
    assert "the next `pmpipe install`" in run.stderr
    assert not processes_of(pid)
    (slow.folder / "slow").unlink()
    slow.succeeds("install")
    assert half(slow) == "x\nx\n"


def test_what_a_killed_install_was_changing_is_left_to_the_next_install(whole: Project) -> None:
    journal = {"everything": False, "locations": ["node_modules/last"]}
    whole.write("node_modules/.pmpipe-journal", json.dumps(journal))
    whole.start("rebuild", "--foreground-scripts", alone=False).wait()
    assert "install last" not in ran(whole)
    assert json.loads((whole.folder / "node_modules/.pmpipe-journal").read_text()) == journal
    whole.succeeds("install")


def test_a_script_that_calls_pmpipe_in_the_same_project_is_told_instead_of_waiting_for_ever(project: Project) -> None:
    project.want({}, scripts={"install": f"{sys.executable} -m pmpipe install"})
    assert "waits for its end" in project.fails("rebuild").stderr
