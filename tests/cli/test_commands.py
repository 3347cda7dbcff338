"""What the commands print, and where, as processes of their own."""

from __future__ import annotations

import fcntl
import json
import os
import pty
import re
import struct
import subprocess
import sys
import termios
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.loaded_modules import modules_of_msgspec
from support.packages import make_package
from support.project import Project
from support.registry import PackageRegistry, faults

LEFT = make_package("left", "1.0.0", {"index.js": b"left", "cli.js": b"#!/bin/sh\n"}, bin={"left": "cli.js"})
WANTED = {"node_modules/left": LEFT, "node_modules/right": make_package("right", "2.0.0")}

#: the fields of an install's document
FIELDS = {
    *("placed", "kept", "removed", "leftOut", "scriptsRun", "scriptsSkipped", "resolved", "packuments", "written"),
    *("changed", "versionsOf", "counts", "warnings", "seconds", "stageSeconds"),
}

#: what a run with nothing to do must not pay for
HEAVY = {
    "argparse",
    "asyncio",
    "dataclasses",
    "multiprocessing",
    "pmpipe.npm.locks.lock_check",
    "pmpipe.npm.semver",
    "pmpipe.scheduler",
    "psutil",
    "pycurl",
    "requests",
    "stages.messages",
    "subprocess",
    "tqdm",
    "ujson",
    "uvloop",
}


@pytest.fixture
def finished(project: Project) -> Project:
    project.want(WANTED)
    project.succeeds("ci")
    return project


# -- json ---------------------------------------------------------------------------------------------------------


def test_json_is_one_document_on_standard_output_and_nothing_else(project: Project) -> None:
    project.want(WANTED)
    run = project.succeeds("ci", "--json")
    assert set(run.report) == FIELDS
    assert (run.report["placed"], run.report["counts"]["fetched"]) == (2, 2)
    assert run.report["counts"]["wire_bytes"] == sum(len(one.tarball) for one in WANTED.values())
    assert set(run.report["stageSeconds"]) == {"fetch", "extract", "clone", "link"}
    assert run.stderr == ""


def test_the_document_has_the_same_fields_when_there_is_nothing_to_do(finished: Project) -> None:
    report = finished.succeeds("install", "--json").report
    assert set(report) == FIELDS
    assert report["placed"] == 0


def test_with_json_an_error_is_a_document_besides(project: Project) -> None:
    run = project.fails("ci", "--json")
    assert set(run.report) == {"error"}
    assert set(run.report["error"]) == {"code", "summary", "detail", "hint"}
    assert run.report["error"]["code"] == "PM_MANIFEST"
    assert run.stderr.startswith(f"error[PM_MANIFEST]: {run.report['error']['summary']}")


def test_the_document_of_several_errors_has_them_all(project: Project) -> None:
    project.want(WANTED)
    for name in WANTED:
        project.change_lock(name, resolved=f"{project.registry.url}/no/such.tgz")
    error = project.fails("ci", "--json").report["error"]
    assert (error["code"], len(error["problems"])) == ("PM_PROBLEMS", 2)
    assert {problem["code"] for problem in error["problems"]} == {"PM_REGISTRY"}


@pytest.mark.parametrize(
    ("command", "code"),
    [
        (["ci"], "PM_LOCKFILE"),
        (["verify"], "PM_LOCKFILE"),
        (["install"], "PM_MANIFEST"),
        (["remove", "left"], "PM_MANIFEST"),
        (["install-scripts", "ls"], "PM_MANIFEST"),
    ],
)
def test_an_error_is_a_document_if_an_npmrc_wants_one(project: Project, command: list[str], code: str) -> None:
    project.write(".npmrc", "json=true")
    project.write("package.json", "{")
    assert project.fails(*command).report["error"]["code"] == code
    assert project.fails(*command, "--no-json").stdout == ""


def test_wrong_usage_with_json_is_a_document_too(finished: Project) -> None:
    assert finished.fails("ci", "--no-such-flag", "--json", status=2).report["error"]["code"] == "PM_USAGE"


def test_an_error_behind_the_document_makes_no_second_one(project: Project) -> None:
    project.want(WANTED, scripts={"postinstall": "exit 3"})
    run = project.run("ci", "--json", alone=False)
    assert (run.status, set(run.report)) == (3, FIELDS)


def test_verify_lists_what_it_found_as_a_document(finished: Project) -> None:
    finished.write("node_modules/left/index.js", "changed")
    (finished.folder / "node_modules/right/index.js").unlink()
    run = finished.fails("verify", "--json")
    assert run.report == {
        "checked": 2,
        "missing": ["node_modules/right/index.js"],
        "changed": ["node_modules/left/index.js"],
        "unverifiable": [],
        "builtByScripts": [],
        "damagedStoreEntries": [],
    }


def test_the_store_s_commands_answer_with_documents(finished: Project) -> None:
    assert finished.succeeds("store", "path", "--json").report == {"path": str(finished.store)}
    assert finished.succeeds("store", "verify", "--json").report == {"checked": 2, "damaged": []}


# -- words --------------------------------------------------------------------------------------------------------


def test_an_install_ends_with_the_numbers_that_matter(project: Project) -> None:
    project.want(WANTED)
    run = project.succeeds("ci")
    first, second = run.stdout.splitlines()
    assert re.fullmatch(r"placed 2 packages in \d+\.\d\d s", first)
    assert re.fullmatch(r"  2 tarballs fetched \(.+\); 5 files (reflinked|hardlinked|copied); 1 link", second)
    assert run.stderr == ""


def test_nothing_to_do_is_told(finished: Project) -> None:
    assert finished.succeeds("install").stdout.startswith("up to date: 2 packages, nothing to do (")


def test_a_program_is_told_what_was_kept_where_there_is_nothing_to_do(finished: Project) -> None:
    assert json.loads(finished.succeeds("install", "--json").stdout)["kept"] == 2


def test_a_dry_run_tells_what_it_would_do_and_does_nothing(project: Project) -> None:
    project.want(WANTED)
    assert project.succeeds("ci", "--dry-run").stdout.startswith("would place 2 packages")
    assert not (project.folder / "node_modules").exists()


def test_what_goes_and_what_stays_is_counted(finished: Project) -> None:
    finished.want({"node_modules/left": LEFT})
    run = finished.succeeds("install")
    assert run.stdout.startswith("removed 1 package, kept 1 in ")


def test_a_dry_run_does_not_say_that_it_has_removed_something(finished: Project) -> None:
    finished.want({"node_modules/left": LEFT})
    assert finished.succeeds("install", "--dry-run").stdout.startswith("would remove 1 package, keep 1 in ")
    finished.want({"node_modules/new": make_package("new", "1.0.0"), "node_modules/left": LEFT})
    run = finished.succeeds("install", "--dry-run")
    assert run.stdout.startswith("would place 1 package, would remove 1, keep 1 in ")


def test_all_files_that_were_written_are_listed(project: Project) -> None:
    project.declare(LEFT, workspaces=["packages/*"])
    for name in ("a", "b"):
        project.write(f"packages/{name}/package.json", json.dumps({"name": name, "version": "1.0.0"}))
    run = project.succeeds("add", "left", "--workspaces")
    assert "wrote packages/a/package.json, packages/b/package.json and package-lock.json\n" in run.stdout


@pytest.mark.parametrize("command", ["ci", "install", "verify", "store verify", "store prune"])
def test_silent_prints_nothing_on_success(finished: Project, command: str) -> None:
    run = finished.succeeds(*command.split(), "--silent")
    assert (run.stdout, run.stderr) == ("", "")


def test_pruning_the_store_tells_what_has_gone(finished: Project) -> None:
    assert finished.succeeds("store", "prune").stdout == "nothing to remove\n"
    finished.want({})
    finished.succeeds("install")
    would = finished.succeeds("store", "prune", "--dry-run").stdout
    assert re.fullmatch(r"would remove 2 packages that no project is linked to \(\d.*B\)\n", would)
    report = finished.succeeds("store", "prune", "--json").report
    assert (report["packages"], report["packuments"]) == (2, 0)
    assert report["bytes"] > 0
    assert finished.succeeds("store", "prune").stdout == "nothing to remove\n"


@pytest.mark.parametrize("words", [["ci", "--silent"], ["ci"]])
def test_an_error_is_told_on_standard_error_only(project: Project, words: list[str]) -> None:
    run = project.fails(*words)
    assert run.stdout == ""
    assert "error[PM_MANIFEST]" in run.stderr
    assert "Traceback" not in run.stderr


@pytest.mark.parametrize("words", [["ci", "--no-such-flag"], ["ci", "left"], ["no-such-command"], ["store", "x"], []])
def test_wrong_usage_ends_with_status_2_and_a_hint(finished: Project, words: list[str]) -> None:
    process = subprocess.run(
        [sys.executable, "-m", "pmpipe", *words],
        cwd=finished.folder,
        env=finished._environment(),
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert process.returncode == 2
    assert "error[PM_USAGE]" in process.stderr
    assert process.stdout == ""


def test_install_scripts_that_are_not_run_are_told_once(project: Project) -> None:
    scripted = make_package("scripted", "1.0.0", scripts={"install": "exit 1"})
    project.want({"node_modules/scripted": scripted})
    assert project.succeeds("ci").stderr.count("install scripts") == 1
    assert "install scripts" not in project.succeeds("ci", "--ignore-scripts").stderr


def test_what_node_gyp_builds_counts_among_them(project: Project) -> None:
    project.want({"node_modules/native": make_package("native", "1.0.0", {"binding.gyp": b"{}"})})
    assert "1 package has install scripts" in project.succeeds("install").stderr
    assert project.lock["packages"]["node_modules/native"]["hasInstallScript"] is True
    assert "nothing to do" in project.succeeds("install").stdout


def test_help_and_version_end_with_0(finished: Project) -> None:
    for words in (["--help"], ["ci", "--help"], ["--version"]):
        run = finished.run(*words)
        assert run.status == 0
        assert "pmpipe" in run.stdout


@pytest.mark.parametrize("shell", ["bash", "zsh", "tcsh"])
def test_completion_prints_a_script_for_the_shell(project: Project, shell: str) -> None:
    script = project.succeeds("completion", shell).stdout
    assert "verify" in script
    assert "pmpipe" in script


def test_completion_wants_a_shell_that_it_knows(project: Project) -> None:
    assert "bash" in project.fails("completion", "ed", status=2).stderr


def test_the_store_s_path_is_printed(finished: Project) -> None:
    assert finished.succeeds("store", "path").stdout == f"{finished.store}\n"


def test_verify_says_that_all_is_well(finished: Project) -> None:
    assert finished.succeeds("verify").stdout == "verified 2 packages: every file is as it was unpacked\n"
    assert finished.succeeds("store", "verify").stdout == "verified 2 entries: every file is as it was unpacked\n"


def test_verify_names_what_is_wrong_and_what_to_do(finished: Project) -> None:
    finished.write("node_modules/left/index.js", "changed")
    (finished.folder / "node_modules/right/index.js").unlink()
    run = finished.fails("verify")
    assert run.stdout.splitlines() == ["missing: node_modules/right/index.js", "changed: node_modules/left/index.js"]
    assert "pmpipe install --repair" in run.stderr


def test_repair_names_what_it_restores(finished: Project) -> None:
    finished.write("node_modules/left/index.js", "changed")
    run = finished.succeeds("install", "--repair")
    assert "restoring node_modules/left/index.js" in run.stderr
    finished.assert_installed()


def test_verify_takes_no_names(finished: Project) -> None:
    assert "takes no names" in finished.fails("verify", "left", status=2).stderr


# -- streams ------------------------------------------------------------------------------------------------------


def run_in_shell(project: Project, command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["bash", "-c", command.replace("pmpipe", f"{sys.executable} -m pmpipe --store-dir={project.store}")],
        cwd=project.folder,
        env=project._environment(),
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )


@pytest.mark.parametrize("command", ["--help", "install", "verify"])
def test_a_reader_that_has_gone_is_no_bug(finished: Project, command: str) -> None:
    # the pipe's other end is closed before anything is written
    script = f"(sleep 0.01; pmpipe {command}; echo status $? >&2) | exec 0<&- true"
    run = run_in_shell(finished, script)
    assert run.stderr == "status 1\n"


@pytest.mark.parametrize("command", ["install", "ci", "store path --json"])
@pytest.mark.parametrize("closed", [">&-", "2>&-", "<&- >&- 2>&-"])
def test_standard_streams_may_be_closed(finished: Project, command: str, closed: str) -> None:
    run = run_in_shell(finished, f"pmpipe {command} {closed}")
    assert run.returncode == 0
    assert run.stderr == ""


@pytest.mark.parametrize("command", ["ci --json", "ci --json --no-such-flag"])
def test_what_is_for_a_closed_standard_error_does_not_go_to_standard_output(project: Project, command: str) -> None:
    project.want({"node_modules/scripted": make_package("scripted", "1.0.0", scripts={"install": "exit 1"})})
    run = run_in_shell(project, f"pmpipe {command} 2>&-")
    assert json.loads(run.stdout)


def test_a_terminal_that_cannot_show_a_character_is_no_failure(project: Project) -> None:
    project.want(WANTED)
    project.environment["PYTHONIOENCODING"] = "ascii"
    project.store = project.base / "störe…"
    run = project.fails("ci", "bü…", status=2)
    assert "b\\xfc\\u2026" in run.stderr
    assert "\\u2026" in project.succeeds("store", "path", "--json").stdout


# -- progress -----------------------------------------------------------------------------------------------------


@pytest.fixture
def gate(project: Project, registry: PackageRegistry) -> Iterator[threading.Event]:
    """The last tarball comes when this is set."""
    project.want(WANTED)
    event = threading.Event()
    registry.misbehave("/right/-/*", faults.hold(event, at=100))
    yield event
    event.set()


@pytest.fixture
def soon(gate: threading.Event, registry: PackageRegistry) -> Iterator[None]:
    """It comes when progress would have been seen for a while."""

    def open_later() -> None:
        registry.wait_for_requests("/right/-/*", 1)
        threading.Event().wait(0.6)
        gate.set()

    thread = threading.Thread(target=open_later)
    thread.start()
    yield
    thread.join()


def in_terminal(
    project: Project, *words: str, gate: threading.Event | None = None, columns: int = 120
) -> tuple[int, str]:
    """Run pmpipe with a terminal as its standard error; its status, and what the terminal got.

    Args:
        project: where.
        words: the command line.
        gate: is opened once something was shown.
        columns: the terminal's width.
    """
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("4H", 40, columns, 0, 0))
    flags = (f"--store-dir={project.store}", f"--registry={project.registry.url}/")
    process = subprocess.Popen(
        [sys.executable, "-m", "pmpipe", *words, *flags],
        cwd=project.folder,
        env={"TERM": "xterm", **project._environment()},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=theirs,
    )
    os.close(theirs)
    shown = b""
    while True:
        try:
            got = os.read(ours, 65536)
        except OSError:  # the terminal's last user has gone
            break
        if not got:
            break
        shown += got
        if gate is not None and b"1/2" in shown:
            gate.set()
    os.close(ours)
    return process.wait(30), shown.decode()


@pytest.mark.parametrize(("columns", "count"), [(160, "1/2 packages"), (80, "1/2")])
def test_a_terminal_shows_one_live_line_and_is_left_clean(
    project: Project, gate: threading.Event, columns: int, count: str
) -> None:
    status, shown = in_terminal(project, "ci", gate=gate, columns=columns)
    assert status == 0
    assert re.search(rf"pmpipe \|.*\| {count} \[.*fetched 1, unpacked 1, [0-9.]+ k?B, [0-9.]+ k?B/s\]", shown)
    assert "\n" not in shown.replace("\r\n", "\n").rstrip("\n")
    assert shown.rstrip("\r").rpartition("\r")[2].strip(" ") == ""


@pytest.mark.parametrize("flag", ["--silent", "--no-progress", "--json"])
def test_a_terminal_stays_empty_where_no_progress_is_wanted(project: Project, soon: None, flag: str) -> None:
    assert in_terminal(project, "ci", flag) == (0, "")


def test_a_terminal_without_a_width_is_taken_for_a_pipe(project: Project, soon: None) -> None:
    assert in_terminal(project, "ci", columns=0) == (0, "")


@pytest.mark.parametrize("environment", [{"CI": "true"}, {"TERM": "dumb"}], ids=str)
def test_a_terminal_that_is_a_log_is_taken_for_a_pipe(
    project: Project, soon: None, environment: dict[str, str]
) -> None:
    project.environment.update(environment)
    assert in_terminal(project, "ci") == (0, "")


def test_a_short_run_shows_no_progress(project: Project) -> None:
    project.want(WANTED)
    project.succeeds("ci")
    status, shown = in_terminal(project, "install")
    assert (status, shown) == (0, "")


def test_a_pipe_gets_no_live_line(project: Project, soon: None) -> None:
    assert "\r" not in project.succeeds("ci").stderr


# -- start-up -----------------------------------------------------------------------------------------------------


def test_nothing_to_do_loads_nothing_that_it_does_not_need(finished: Project, tmp_path: Path) -> None:
    probe = "import sys, os; from pmpipe.cli.main import main; status = main(sys.argv[1:], os.environ)"
    script = f"{probe}; print(*sys.modules, file=sys.stderr); sys.exit(status)"
    run = subprocess.run(
        [sys.executable, "-S", "-c", script, "install", f"--store-dir={finished.store}"],
        cwd=finished.folder,
        env={**finished._environment(), "PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert run.returncode == 0
    assert run.stdout.startswith("up to date")
    loaded = set(run.stderr.split())
    assert "pmpipe.tree.standing" in loaded
    assert loaded & HEAVY - modules_of_msgspec() == set()
