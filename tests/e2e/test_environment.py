"""Odd surroundings: locales, names of folders, clocks, streams that are closed. The tree is the same."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from support.packages import PackedFile, make_package
from support.project import Project, wait_until
from support.snapshot import snapshot

ODD_FILES = {"ünïcødé/日本語.js": b"1", "with space/it's.js": b"2", 'new\nline"quote.js': b"3"}
PACKAGES = {
    "node_modules/alpha": make_package(
        "alpha", "1.0.0", {**ODD_FILES, "cli.js": PackedFile(b"#!/bin/sh\n", 0o755)}, bin="cli.js"
    ),
    "node_modules/@scope/beta": make_package("@scope/beta", "1.0.0"),
}
YEARS_NS = 10 * 365 * 24 * 3600 * 10**9


@pytest.mark.parametrize(
    "locale",
    [
        {"LANG": "C"},
        {"LANG": "C", "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0"},
        {"LC_ALL": "no_SUCH.locale"},
    ],
    ids=str,
)
def test_every_locale_gives_the_same_tree(project: Project, locale: dict[str, str]) -> None:
    project.environment.update(locale)
    project.want(PACKAGES)
    project.succeeds("ci")
    project.assert_installed()
    (project.folder / "node_modules/alpha/ünïcødé/日本語.js").unlink()
    project.fails("verify")
    project.succeeds("install", "--repair")
    project.assert_installed()


@pytest.mark.parametrize(
    "name",
    [
        "with space",
        'it\'s "quoted"',
        "new\nline",
        "ünïcødé-日本語",
        "-dash",
        "$HOME`id`;#%41",
        "a" * 200,
        "node_modules",
    ],
    ids=ascii,
)
def test_every_name_of_the_working_folder_gives_the_same_tree(project: Project, name: str) -> None:
    project.folder = project.base / name / "app"
    project.folder.mkdir(parents=True)
    project.store = project.base / name / "store"
    project.want(PACKAGES)
    project.succeeds("ci")
    project.assert_installed()
    assert "nothing to do" in project.succeeds("install").stdout
    project.succeeds("verify")


@pytest.mark.parametrize("utf8", ["", "0"])
def test_names_are_utf8_in_every_locale(project: Project, utf8: str) -> None:
    project.environment.update({"LC_ALL": "C", "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": utf8})
    project.folder = project.base / "日本語"
    project.write("packages/ü/package.json", '{"name": "u", "version": "1.0.0"}')
    project.declare(PACKAGES["node_modules/alpha"], dependencies={"alpha": "1.0.0"}, workspaces=["packages/*"])
    project.succeeds("install")
    assert project.lock["packages"]["node_modules/u"] == {"resolved": "packages/ü", "link": True}
    project.succeeds("ci")
    assert (project.folder / "node_modules/u/package.json").is_file()


def test_a_working_folder_that_is_no_utf8_is_installed_in_or_refused(project: Project) -> None:
    project.folder = project.base / os.fsdecode(b"caf\xe9")
    project.folder.mkdir()
    project.want(PACKAGES)
    run = project.run("ci")
    assert run.status in (0, 1)
    assert "Traceback" not in run.stderr


def test_the_project_is_found_from_a_folder_within_it(project: Project) -> None:
    project.want(PACKAGES)
    inner = project.folder / "src/deep"
    inner.mkdir(parents=True)
    project.succeeds("ci", cwd=inner)
    project.assert_installed()


def test_the_project_may_be_named_by_a_relative_path(project: Project) -> None:
    project.want(PACKAGES)
    project.succeeds("ci", "--dir", "app", cwd=project.base)
    project.assert_installed()


def test_the_project_may_be_reached_through_a_link(project: Project) -> None:
    project.want(PACKAGES)
    link = project.base / "link"
    link.symlink_to(project.folder)
    project.succeeds("ci", cwd=link)
    project.assert_installed()


@pytest.mark.parametrize("years", [-1, 1], ids=["ten years ago", "ten years ahead"])
def test_a_tree_that_is_dated_ten_years_off_is_changed_like_any_other(project: Project, years: int) -> None:
    project.want(PACKAGES)
    project.succeeds("ci")
    for path in (project.base, *project.base.rglob("*")):
        date = path.lstat().st_mtime_ns + years * YEARS_NS
        os.utime(path, ns=(date, date), follow_symlinks=False)
    project.want({**PACKAGES, "node_modules/new": make_package("new", "1.0.0")})
    project.succeeds("install")
    project.assert_installed()
    project.succeeds("verify")
    project.succeeds("ci")
    project.assert_installed()


#: imported by every Python process before anything else: its clocks are ten years off
CLOCK = """
import time
real, real_ns = time.time, time.time_ns
time.time = lambda: real() + {years} * 365 * 86400
time.time_ns = lambda: real_ns() + {years} * 365 * 86400 * 10**9
"""


@pytest.mark.parametrize("years", [-10, 10])
def test_a_clock_that_is_ten_years_off_gives_the_same_tree(project: Project, tmp_path: Path, years: int) -> None:
    (tmp_path / "clock").mkdir()
    (tmp_path / "clock/usercustomize.py").write_text(CLOCK.format(years=years))
    (tmp_path / "clock/sitecustomize.py").write_text(CLOCK.format(years=years))
    project.python_path = (tmp_path / "clock",)
    project.want(PACKAGES)
    for words in (("ci",), ("install",), ("verify",), ("ci",)):
        project.succeeds(*words)
    project.assert_installed()


@pytest.mark.parametrize("command", ["ci", "install", "verify"])
def test_a_layout_of_links_is_refused_and_nothing_done(project: Project, command: str) -> None:
    project.want(PACKAGES)
    project.succeeds("ci")
    before = snapshot(project.folder)
    (project.base / "home/.npmrc").write_text("install-strategy=linked\n")
    assert "install-strategy=linked" in project.fails(command).stderr
    assert snapshot(project.folder) == before
    project.succeeds(command, "--install-strategy=hoisted")


@pytest.mark.parametrize("umask", ["000", "077", "177"])
def test_every_umask_gives_the_same_tree(project: Project, umask: str) -> None:
    project.want(PACKAGES)
    project.prefix = ("sh", "-c", f'umask {umask}; exec "$@"', "sh")
    if umask == "177" and os.geteuid() != 0:
        pytest.skip("a folder of one's own that one may not enter is no place to install in, but for root")
    project.succeeds("ci")
    modes = {path: oct(path.stat().st_mode & 0o777) for path in (project.folder / "node_modules/alpha").rglob("*")}
    assert {mode for path, mode in modes.items() if path.is_dir()} == {"0o755"}
    assert {mode for path, mode in modes.items() if path.is_file() and path.name != "cli.js"} == {"0o644"}


@pytest.mark.parametrize("streams", [">&-", "2>&-", "<&-", ">&- 2>&- <&-"])
def test_closed_streams_do_no_harm(project: Project, streams: str) -> None:
    project.want(PACKAGES)
    project.prefix = ("sh", "-c", f'exec "$@" {streams}', "sh")
    project.succeeds("ci")
    project.assert_installed()


@pytest.mark.parametrize("words", [("ci",), ("ci", "--json"), ("ci", "--json", "--foreground-scripts")])
@pytest.mark.parametrize("buffered", ["", "1"])
def test_a_report_that_cannot_be_written_is_a_failure_in_plain_words(
    project: Project, words: tuple[str, ...], buffered: str
) -> None:
    project.environment["PYTHONUNBUFFERED"] = buffered
    project.want(PACKAGES)
    project.prefix = ("sh", "-c", 'exec "$@" >/dev/full', "sh")
    run = project.run(*words, alone=False)
    assert run.status == 1
    assert "error[PM_OUTPUT]: cannot write what there is to tell: No space left on device" in run.stderr
    assert "Traceback" not in run.stderr
    # the work itself was done
    project.assert_installed()


@pytest.mark.parametrize("buffered", ["", "1"])
def test_what_cannot_be_told_on_standard_error_fails_nothing(project: Project, buffered: str) -> None:
    project.environment["PYTHONUNBUFFERED"] = buffered
    project.want(PACKAGES)
    project.write(".npmrc", "git=/no/such/git\n")
    assert "warning: " in project.succeeds("ci").stderr
    project.prefix = ("sh", "-c", 'exec "$@" 2>/dev/full', "sh")
    for words in (("ci",), ("ci", "--verbose"), ("install",), ("ci", "--json")):
        project.succeeds(*words)
        project.assert_installed()
    assert project.run("ci", "--no-such-flag").status == 2


def test_a_reader_that_goes_away_does_no_harm(project: Project) -> None:
    project.want(PACKAGES)
    project.prefix = ("sh", "-c", '{ "$@"; echo "status $?" >&2; } | true', "sh")
    run = project.run("ci", alone=False)
    assert "Traceback" not in run.stderr
    project.assert_installed()


@pytest.mark.parametrize("words", [("ci",), ("ci", "--dir=/"), ("install", "-g", "x"), ("store", "verify")])
def test_a_working_folder_that_is_gone_is_named(project: Project, words: tuple[str, ...]) -> None:
    project.want(PACKAGES)
    gone = project.base / "gone"
    gone.mkdir()
    project.prefix = ("sh", "-c", f'rmdir {gone}; exec "$@"', "sh")
    run = project.fails(*words, cwd=gone)
    assert "the working folder cannot be used" in run.stderr


def test_no_home_folder_is_needed(project: Project) -> None:
    project.want(PACKAGES)
    project.prefix = ("env", "-u", "HOME", "-u", "TMPDIR")
    project.succeeds("ci")
    project.assert_installed()


def test_version_and_help_are_shown(project: Project) -> None:
    assert project.succeeds("--version").stdout.startswith("pmpipe ")
    assert "usage: pmpipe" in project.succeeds("--help").stdout
    assert "usage: pmpipe ci" in project.succeeds("ci", "--help").stdout


@pytest.mark.parametrize(
    "words", [("frobnicate",), ("ci", "--loglevel"), ("ci", "--omit=everything"), ("store", "burn")]
)
def test_wrong_usage_is_told_and_nothing_done(project: Project, words: tuple[str, ...]) -> None:
    project.want(PACKAGES)
    run = project.run(*words)
    assert run.status in (1, 2)
    assert "error[PM_" in run.stderr
    assert "Traceback" not in run.stderr


def test_a_git_that_never_answers_ends_with_the_run(project: Project) -> None:
    tools = project.base / "tools"
    tools.mkdir()
    started = project.base / "git-started"
    (tools / "git").write_text(f"#!/bin/sh\ntouch {started}\nexec sleep 1000\n")
    (tools / "git").chmod(0o755)
    project.environment["PATH"] = f"{tools}:{os.environ['PATH']}"
    project.want({"node_modules/alpha": {"version": "1.0.0", "resolved": "git+https://git.example/a.git#" + "a" * 40}})
    running = project.start("ci")
    wait_until(started.exists, "git has been started")
    running.signal(signal.SIGINT)
    assert running.wait().status == 130


def test_the_module_is_the_same_program(project: Project) -> None:
    console = Path(sys.executable).with_name("pmpipe")
    if not console.exists():
        pytest.skip("pmpipe is not installed in this environment")
    shown = subprocess.run([console, "--version"], capture_output=True, text=True, check=True).stdout
    assert shown == project.succeeds("--version").stdout


def _in_sandbox(mount: str) -> tuple[str, ...]:
    """What runs a command where something else is mounted; the test is skipped where that is not possible."""
    if os.geteuid() != 0 or subprocess.run(["unshare", "-m", "true"], capture_output=True, check=False).returncode:
        pytest.skip("mounts of one's own need root")
    return ("unshare", "-m", "sh", "-c", f'mount -t tmpfs {mount} && exec "$@"', "sh")


@pytest.mark.root
def test_a_system_without_semaphores_is_told_where_they_are_missing(project: Project) -> None:
    project.want(PACKAGES)
    project.prefix = _in_sandbox("-o ro pmpipe-test /dev/shm")
    run = project.fails("ci")
    assert "refuses semaphores, which it keeps in /dev/shm: Read-only file system" in run.stderr


@pytest.mark.root
def test_a_system_that_does_not_show_its_processes_is_good_enough(project: Project) -> None:
    project.want(PACKAGES)
    project.prefix = _in_sandbox("pmpipe-test /proc")
    project.succeeds("ci")
    project.assert_installed()


@pytest.mark.parametrize("home", ["/dev/null", "."], ids=["none", "relative"])
def test_without_a_home_folder_of_ones_own_the_tree_is_the_same(project: Project, home: str) -> None:
    # what a container has that is run as some user by number, and what people give it then
    project.names_store = False
    project.environment["HOME"] = home
    project.want(PACKAGES)
    elsewhere = project.base / "elsewhere"
    elsewhere.mkdir()
    used = project.base / f"tmp/pmpipe-{os.geteuid()}" if home == "/dev/null" else elsewhere / ".cache/pmpipe"
    for _ in range(2):
        run = project.succeeds("ci", "--dir", str(project.folder), cwd=elsewhere)
        assert (f"it is at {used}" in run.stderr) == (home == "/dev/null")
        project.assert_installed()
    assert (used / "v1").is_dir()
    project.succeeds("verify", "--dir", str(project.folder), cwd=elsewhere)
    assert not (project.folder / "~").exists()
