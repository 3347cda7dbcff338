"""The project's own lifecycle scripts, and those of workspaces and other folders that are linked."""

from __future__ import annotations

import json
import os
import signal
import sys
from pathlib import Path

import pytest
from support.packages import PackedFile, make_package
from support.project import Project, pid_of_script, processes_of

from pmpipe.npm import NPM_VERSION

EVENTS = ("preinstall", "install", "postinstall", "prepublish", "preprepare", "prepare", "postprepare")

NOTE = "echo $npm_lifecycle_event $npm_package_name >> $INIT_CWD/ran"


def ran(project: Project) -> list[str]:
    """What has run so far."""
    return (project.folder / "ran").read_text().splitlines()


@pytest.fixture
def own(project: Project) -> Project:
    """A project with a script for every event."""
    project.write("ran", "")
    project.want({"node_modules/left": make_package("left", "1.0.0")}, scripts=dict.fromkeys((*EVENTS, "test"), NOTE))
    return project


@pytest.mark.parametrize("command", ["ci", "install"])
def test_the_project_s_scripts_run_in_npm_s_order_each_time(own: Project, command: str) -> None:
    own.succeeds(command)
    assert ran(own) == [f"{event} app" for event in EVENTS]
    run = own.succeeds(command)
    assert len(ran(own)) == 2 * len(EVENTS)
    assert "> app@1.0.0 postinstall\n> echo" in run.stdout


@pytest.mark.parametrize(
    "words",
    [
        ("install", "--ignore-scripts"),
        ("install", "--dry-run"),
        ("install", "--package-lock-only"),
        ("ci", "--dry-run"),
        ("add", "left@1.0.0"),
        ("update",),
        ("prune",),
    ],
)
def test_when_the_project_s_scripts_do_not_run(own: Project, words: tuple[str, ...]) -> None:
    own.succeeds(*words)
    assert ran(own) == []


def test_scripts_for_changes_run_before_the_others_and_where_something_has_changed(project: Project) -> None:
    left, right = make_package("left", "1.0.0"), make_package("right", "1.0.0")
    changes = ("predependencies", "dependencies", "postdependencies")
    noting = dict.fromkeys(changes, f"{NOTE}; ls node_modules >> ran") | {"preinstall": NOTE}
    project.declare(left, right, dependencies={"left": "1.0.0"}, scripts=noting)
    project.write("ran", "")
    project.succeeds("install")
    assert ran(project) == [*(line for event in changes for line in (f"{event} app", "left")), "preinstall app"]
    for words, expected in (
        (("install",), ["preinstall app"]),
        (("add", "right"), [line for event in changes for line in (f"{event} app", "left", "right")]),
        (("add", "right", "--save-dev"), []),
        (("remove", "right"), [line for event in changes for line in (f"{event} app", "left")]),
        (("add", "right", "--ignore-scripts"), []),
        (("remove", "right", "--dry-run"), []),
        (("prune",), []),
    ):
        project.write("ran", "")
        project.succeeds(*words)
        assert ran(project) == expected, words


def test_a_failing_script_for_changes_is_the_end_and_the_change_stays(project: Project) -> None:
    left = make_package("left", "1.0.0")
    project.declare(left, scripts={"dependencies": "exit 3", "postdependencies": NOTE})
    project.write("ran", "")
    run = project.start("add", "left", alone=False).wait()
    assert run.status == 3
    assert "the dependencies script" in run.stderr
    assert ran(project) == []
    project.assert_installed({"node_modules/left": left})
    assert project.lock["packages"][""]["dependencies"] == {"left": "^1.0.0"}


@pytest.fixture
def early(project: Project) -> Project:
    """A project that asks for npm 12, whose scripts note what is installed when they run."""
    scripts = dict.fromkeys(EVENTS, "echo $npm_lifecycle_event $(ls node_modules) >> ran")
    project.write("ran", "")
    packages = {"node_modules/left": make_package("left", "1.0.0")}
    project.want(packages, scripts=scripts, engines={"npm": ">=12"})
    return project


@pytest.mark.parametrize("command", ["ci", "install"])
def test_for_npm_12_preinstall_runs_before_anything_is_installed(early: Project, command: str) -> None:
    early.succeeds(command)
    assert ran(early) == ["preinstall", *(f"{event} left" for event in EVENTS[1:])]
    early.succeeds(command)
    assert ran(early)[len(EVENTS) :] == [f"{event} left" for event in EVENTS]


@pytest.mark.parametrize(
    "words", [("install", "--ignore-scripts"), ("ci", "--dry-run"), ("install", "--package-lock-only"), ("add", "left")]
)
def test_for_npm_12_preinstall_runs_only_where_the_others_do(early: Project, words: tuple[str, ...]) -> None:
    early.succeeds(*words)
    assert ran(early) == []


def test_scripts_are_told_of_the_npm_that_the_project_asks_for(project: Project) -> None:
    say = "echo $npm_config_npm_version ${npm_config_user_agent%% *} >> ran"
    packages = {"node_modules/left": make_package("left", "1.0.0")}
    project.write("ran", "")
    for asked in ({}, {"packageManager": "npm@12.0.0"}):
        project.want(packages, scripts={"postinstall": say}, **asked)
        project.succeeds("ci")
    former, later = (line.split() for line in ran(project))
    assert former == [NPM_VERSION, f"npm/{NPM_VERSION}"]
    assert later[0].startswith("12.")
    assert later[1] == f"npm/{later[0]}"


def test_for_npm_12_preinstall_makes_what_the_install_needs(project: Project) -> None:
    left = make_package("left", "1.0.0")
    setting = f"registry={project.registry.url}/"
    project.want({"node_modules/left": left}, scripts={"preinstall": f"echo {setting} > .npmrc"}, engines={"npm": "12"})
    project.write(".npmrc", "registry=http://127.0.0.1:9/\n")
    project.names_registry = False
    project.succeeds("ci")
    project.assert_installed()


def test_for_npm_12_a_preinstall_that_fails_is_the_end_before_anything_is_installed(project: Project) -> None:
    project.want(
        {"node_modules/left": make_package("left", "1.0.0")}, scripts={"preinstall": "exit 7"}, engines={"npm": "12"}
    )
    run = project.fails("ci", status=7)
    assert "error[PM_SCRIPT]: app@1.0.0: the preinstall script ended with status 7" in run.stderr
    assert "nothing was installed" in run.stderr


def test_a_failure_has_the_script_s_status_and_leaves_a_complete_tree(project: Project) -> None:
    project.want(
        {"node_modules/left": make_package("left", "1.0.0")},
        scripts={"install": "echo to standard output; exit 5", "prepare": "echo never > never"},
    )
    run = project.start("ci", alone=False).wait()
    assert run.status == 5
    assert "app@1.0.0: the install script ended with status 5" in run.stderr
    assert "to standard output" in run.stdout
    project.assert_installed()
    assert not (project.folder / "never").exists()


def test_a_script_that_is_not_found_has_the_shell_s_status(project: Project) -> None:
    project.want({}, scripts={"prepare": "no-such-program"})
    run = project.start("install", alone=False).wait()
    assert run.status == 127


def test_in_a_document_nothing_else_stands(own: Project) -> None:
    report = own.succeeds("install", "--json").report
    assert report["placed"] == 1
    assert own.succeeds("install", "--json", "--silent").report["placed"] == 0


def test_output_that_cannot_be_written_is_told_and_no_script_is_left_out(own: Project) -> None:
    own.prefix = ("sh", "-c", 'exec "$@" > /dev/full', "sh")
    run = own.start("install", alone=False).wait()
    assert run.status == 1
    assert run.stderr.startswith("error[PM_OUTPUT]")
    assert "Traceback" not in run.stderr
    assert ran(own)[-1] == "postprepare app"


def test_scripts_find_executables_and_what_npm_tells_them(project: Project) -> None:
    tool = make_package("tool", "1.0.0", {"cli": PackedFile(b"#!/bin/sh\necho tool\n", 0o755)}, bin={"tool": "cli"})
    project.write("said", "")
    project.want(
        {"node_modules/tool": tool},
        config={"port": 80, "deep": {"list": [1, None, False, 2.5]}},
        engines={"node": ">=1"},
        bin="./main.js",
        scripts={"postinstall": "tool > said; env -0 > environment.bin"},
    )
    project.write("environment.bin", "")
    project.succeeds("ci", "--save-exact", cwd=project.folder)
    assert (project.folder / "said").read_text() == "tool\n"
    seen = dict(
        line.split("=", 1) for line in (project.folder / "environment.bin").read_text().split("\0") if "=" in line
    )
    expected = {
        "npm_lifecycle_event": "postinstall",
        "npm_lifecycle_script": "tool > said; env -0 > environment.bin",
        "npm_package_name": "app",
        "npm_package_version": "1.0.0",
        "npm_package_config_port": "80",
        "npm_package_config_deep_list_0": "1",
        "npm_package_config_deep_list_1": "",
        "npm_package_config_deep_list_3": "2.5",
        "npm_package_engines_node": ">=1",
        "npm_package_bin_app": "main.js",
        "npm_package_json": str(project.folder / "package.json"),
        "npm_config_save_exact": "true",
        "npm_config_local_prefix": str(project.folder),
        "npm_command": "ci",
        "INIT_CWD": str(project.folder),
    }
    assert {name: seen.get(name) for name in expected} == expected
    assert seen["npm_config_user_agent"].startswith("npm/")
    assert "PMPIPE_AT_WORK_IN" not in seen


def test_a_set_user_agent_is_told_to_registries_and_scripts(project: Project) -> None:
    project.write("said", "")
    project.want(
        {"node_modules/left": make_package("left", "1.0.0")},
        scripts={"preinstall": 'echo "$npm_config_user_agent" > said'},
    )
    project.succeeds("ci", "--user-agent=tool/1 workspaces={workspaces}")
    assert (project.folder / "said").read_text() == "tool/1 workspaces=false\n"
    assert {request.header("user-agent") for request in project.registry.requests} == {"tool/1 workspaces=false"}


def test_a_script_may_install_something_in_the_same_project(project: Project) -> None:
    project.write("ran", "")
    project.want(
        {"node_modules/left": make_package("left", "1.0.0")},
        scripts={"postinstall": f"{NOTE}; {sys.executable} -m pmpipe install --ignore-scripts"},
    )
    project.succeeds("ci")
    assert ran(project) == ["postinstall app"]


@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)])
def test_a_signal_ends_the_script_and_leaves_the_tree(project: Project, number: int, status: int) -> None:
    project.want(
        {"node_modules/left": make_package("left", "1.0.0")}, scripts={"install": "echo $$ > begun; sleep 999"}
    )
    project.write("begun", "")
    running = project.start("ci", alone=False)
    pid_of_script(project)
    running.signal(number)
    run = running.wait()
    assert run.status == status
    assert "all packages are installed" in run.stderr
    assert not processes_of(running.pid)
    project.assert_installed()


# -- workspaces and linked folders --------------------------------------------------------------------------------


@pytest.fixture
def monorepo(project: Project) -> Project:
    """Two workspaces: what one makes in its script is an executable that the other uses."""
    project.write("ran", "")
    maker = {
        "name": "maker",
        "version": "1.0.0",
        "bin": {"made": "dist/cli.sh"},
        "scripts": {"prepare": f"{NOTE}; mkdir -p dist; printf '#!/bin/sh\\necho made\\n' > dist/cli.sh"},
    }
    user = {
        "name": "user",
        "version": "1.0.0",
        "dependencies": {"maker": "1.0.0"},
        "scripts": {"postinstall": f"{NOTE}; made > said", "test": "exit 1"},
    }
    project.declare(workspaces=["packages/*"])
    project.write("packages/maker/package.json", json.dumps(maker))
    project.write("packages/user/package.json", json.dumps(user))
    return project


def test_workspaces_build_themselves_and_their_executables_are_linked(monorepo: Project) -> None:
    run = monorepo.succeeds("install", alone=False)
    assert run.stderr == ""
    assert ran(monorepo) == ["prepare maker", "postinstall user"]
    assert (monorepo.folder / "packages/user/said").read_text() == "made\n"
    assert os.access(monorepo.folder / "node_modules/.bin/made", os.X_OK)


@pytest.mark.parametrize("words", [("install",), ("ci",), ("update",), ("prune",)])
def test_workspaces_build_themselves_in_every_run(monorepo: Project, words: tuple[str, ...]) -> None:
    monorepo.succeeds("install", alone=False)
    monorepo.succeeds(*words, alone=False)
    assert len(ran(monorepo)) == 4


def test_a_chosen_workspace_alone(monorepo: Project) -> None:
    monorepo.succeeds("install", "-w", "maker", alone=False)
    assert ran(monorepo) == ["prepare maker"]


@pytest.mark.parametrize("command", ["install", "ci"])
def test_a_chosen_workspace_and_those_that_it_needs(monorepo: Project, command: str) -> None:
    alone = {"name": "alone", "version": "1.0.0", "scripts": {"postinstall": NOTE}}
    monorepo.write("packages/alone/package.json", json.dumps(alone))
    monorepo.succeeds("install", alone=False)
    monorepo.write("ran", "")
    monorepo.succeeds(command, "-w", "user", alone=False)
    assert ran(monorepo) == ["prepare maker", "postinstall user"]


def test_a_workspace_that_is_denied_builds_nothing(monorepo: Project) -> None:
    manifest = json.loads((monorepo.folder / "package.json").read_text())
    monorepo.write("package.json", json.dumps({**manifest, "allowScripts": {"file:packages/maker": False}}))
    monorepo.write("packages/user/package.json", json.dumps({"name": "user", "version": "1.0.0"}))
    monorepo.succeeds("install", alone=False)
    assert ran(monorepo) == []


def test_a_workspace_s_failure_takes_everything_back(monorepo: Project) -> None:
    monorepo.write(
        "packages/user/package.json",
        json.dumps({"name": "user", "version": "1.0.0", "scripts": {"prepare": "exit 9"}}),
    )
    run = monorepo.start("install", alone=False).wait()
    assert run.status == 9
    assert "user@1.0.0: the prepare script ended with status 9" in run.stderr
    assert not (monorepo.folder / "node_modules").exists()
    assert not (monorepo.folder / "package-lock.json").exists()


def test_a_linked_folder_builds_itself(project: Project, tmp_path: Path) -> None:
    folder = tmp_path / "beside"
    folder.mkdir()
    (folder / "package.json").write_text(
        json.dumps({"name": "beside", "version": "1.0.0", "scripts": {"prepare": NOTE}})
    )
    project.write("ran", "")
    project.declare(dependencies={"beside": f"file:{os.path.relpath(folder, project.folder)}"})
    project.succeeds("install")
    project.succeeds("install")
    assert ran(project) == ["prepare beside"] * 2


@pytest.mark.parametrize("command", ["install", "ci"])
def test_without_workspaces_linked_folders_build_themselves(project: Project, command: str) -> None:
    for folder in ("linked", "part"):
        script = {"name": folder, "version": "1.0.0", "scripts": {"prepare": NOTE}}
        project.write(f"{folder}/package.json", json.dumps(script))
    project.write("ran", "")
    project.declare(dependencies={"linked": "file:linked"}, workspaces=["part"])
    project.succeeds("install", "--package-lock-only")
    project.succeeds(command, "--no-workspaces")
    assert ran(project) == ["prepare linked"]


# -- patches ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("command", ["ci", "install"])
def test_what_the_project_patches_stays_out_of_the_store(project: Project, command: str) -> None:
    packages = {
        "node_modules/left": make_package("left", "1.0.0", {"index.js": b"left"}),
        "node_modules/@a/right": make_package("@a/right", "1.0.0", {"index.js": b"right"}),
    }
    project.write("patches/left+1.0.0.patch", "")
    project.write("patches/@a+right+1.0.0.patch", "")
    patch = "for one in left @a/right; do echo patched >> node_modules/$one/index.js; done"
    project.want(packages, scripts={"postinstall": patch})
    project.succeeds(command, "--clone-method=hardlink")
    assert (project.folder / "node_modules/left/index.js").read_text() == "leftpatched\n"
    # the store is examined when the project is closed
    other = project.sibling("other")
    other.want(packages)
    other.succeeds("ci", "--clone-method=hardlink")
    other.assert_installed()


def test_a_workspace_cannot_say_what_is_allowed(project: Project) -> None:
    package = make_package("built", "1.0.0", scripts={"install": "echo > made"})
    project.declare(package, workspaces=["packages/*"])
    workspace = {"name": "w", "version": "1.0.0", "dependencies": {"built": "1.0.0"}, "allowScripts": {"built": True}}
    project.write("packages/w/package.json", json.dumps(workspace))
    run = project.succeeds("install")
    assert "allowScripts in packages/w/package.json is passed over" in run.stderr
    assert not (project.folder / "node_modules/built/made").exists()
