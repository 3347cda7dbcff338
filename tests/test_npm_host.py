"""npm run again and again in one process says and does what it does as a process of its own."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.npm import NpmRun, run_npm
from support.packages import PackedFile, make_package
from support.project import Project, processes_of, wait_until
from support.registry import PackageRegistry
from support.snapshot import snapshot

pytestmark = pytest.mark.npm

SCRIPTS = {
    "preinstall": "echo $npm_lifecycle_event >> ran",
    "tell": "echo told; echo wrong >&2; env -u _ | sort > environment; exit 3",
}
MANIFEST = {"name": "app", "version": "1.0.0", "scripts": SCRIPTS, "dependencies": {"left": "1"}}


@pytest.fixture
def project(tmp_path: Path, registry: PackageRegistry) -> Project:
    one = Project(tmp_path / "p", registry)
    cli = {"cli.js": PackedFile(b"#!/usr/bin/env node\n", 0o755)}
    one.declare(
        make_package("left", "1.0.0", dict(cli), bin={"left": "cli.js"}),
        make_package("left", "1.1.0", dict(cli), bin={"left": "cli.js"}),
        make_package("right", "1.0.0", dependencies={"left": "1.0.0"}),
        make_package("peering", "1.0.0", peerDependencies={"left": "2"}),
        make_package("old", "1.0.0", deprecated="too old"),
        **MANIFEST,
    )
    return one


@pytest.fixture
def environment(project: Project) -> dict[str, str]:
    base = project.base
    return {
        "PATH": os.environ["PATH"],
        "HOME": str(base / "home"),
        "TMPDIR": str(base / "tmp"),
        "npm_config_registry": f"{project.registry.url}/",
        "npm_config_cache": str(base / "npm-cache"),
        "npm_config_prefix": str(base / "prefix"),
        "npm_config_audit": "false",
        "npm_config_update_notifier": "false",
        "npm_config_fetch_retries": "0",
    }


def run_process(words: list[str], cwd: Path, env: dict[str, str]) -> NpmRun:
    done = subprocess.run(["npm", *words], cwd=cwd, env=env, capture_output=True, text=True, timeout=60, check=False)
    return NpmRun(done.returncode, done.stdout, done.stderr)


def settled(text: str) -> str:
    """Without durations, and names of log files."""
    return re.sub(r"[\d-]+T[\d_]+Z", "<time>", re.sub(r"\b[\d.]+m?s\b", "<duration>", text))


LINES = [
    "install",
    "install && ci",
    "install left@1.0.0 && update --save",
    "install right && uninstall left",
    "install right && ls --all",
    "install && ls nothing",
    "install old right --dry-run --json",
    "install right --package-lock-only --loglevel=info",
    "install peering",
    "install nothing --json",
    "ci",
    "install --global-style --bogus",
    "bogus",
    "install -g left",
    "install --foreground-scripts",
    "run tell",
    "config get cache prefix userconfig unicode tmp",
    "view left --color=always",
]


@pytest.mark.parametrize("line", LINES)
def test_it_says_and_leaves_what_npm_does(line: str, project: Project, environment: dict[str, str]) -> None:
    *before, words = [shlex.split(part) for part in line.split("&&")]
    for former in before:
        run_npm(former, cwd=project.folder, env=environment)
    kept = project.base.with_name("kept")
    shutil.copytree(project.base, kept, symlinks=True)
    ended, trees, environments = [], [], []
    for run in (run_process, run_npm):
        shutil.rmtree(project.base)
        shutil.copytree(kept, project.base, symlinks=True)
        done = run(words, cwd=project.folder, env=environment)
        ended.append((done.status, settled(done.stdout), settled(done.stderr)))
        written = project.folder / "environment"
        environments.append(written.read_text() if written.exists() else "")
        trees.append(snapshot(project.folder) | snapshot(project.base / "prefix"))
    assert ended[0] == ended[1]
    assert environments[0] == environments[1]
    assert trees[0] == trees[1]


def test_a_run_sees_what_has_changed_since_the_former_one(project: Project, environment: dict[str, str]) -> None:
    def view(field: str, **more: str) -> str:
        return run_npm(["view", "left", field], cwd=project.folder, env={**environment, **more}).stdout

    assert view("version") == "1.1.0\n"
    project.registry.publish(make_package("left", "1.2.0"))
    project.write(".npmrc", "prefer-online=true\n")
    assert view("version") == "1.2.0\n"
    assert view("name", npm_config_loglevel="silent", npm_config_json="true") == '"left"\n'
    assert view("name") == "left\n"


def test_a_run_has_the_umask_of_now(project: Project, environment: dict[str, str]) -> None:
    modes = []
    for mask in (0o022, 0o077):
        former = os.umask(mask)
        try:
            run_npm(["install"], cwd=project.folder, env=environment)
        finally:
            os.umask(former)
        modes.append((project.folder / "node_modules/left/cli.js").stat().st_mode & 0o777)
        shutil.rmtree(project.folder / "node_modules")
    assert modes == [0o755, 0o700]


# -- with a program in npm's place ------------------------------------------------------------------------------------

TELLS_PID = "process.stdout.write(String(process.pid));"


@pytest.fixture
def program(tmp_path: Path) -> Iterator[Path]:
    """What is run instead of npm, with npm's modules."""
    modules = Path(os.path.realpath(str(shutil.which("npm")))).parent.parent / "node_modules"
    (tmp_path / "npm/bin").mkdir(parents=True)
    (tmp_path / "npm/node_modules").symlink_to(modules)
    cli = tmp_path / "npm/bin/npm-cli.js"
    cli.touch(mode=0o755)
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin/npm").symlink_to(cli)
    yield cli
    # no other test is to be run with its process
    run_npm(["--version"], cwd=tmp_path, env={"PATH": os.environ["PATH"]})


def run_program(program: Path, text: str) -> NpmRun:
    program.write_text(f"#!/usr/bin/env node\n{text}\n")
    path = f"{program.parents[2] / 'bin'}{os.pathsep}{os.environ['PATH']}"
    return run_npm(["word"], cwd=program.parent, env={"PATH": path, "NODE_SERIAL": text})


@pytest.mark.parametrize(
    ("text", "status"),
    [
        ("", 0),
        ("process.exitCode = 5", 5),
        ("setTimeout(() => process.exit(), 1); process.exitCode = 6", 6),
        ("process.on('exit', () => { process.exitCode = 7 })", 7),
        ("process.once('beforeExit', () => setTimeout(() => { process.exitCode = 8 }, 1))", 8),
        ("throw new Error('thrown')", 1),
        ("Promise.reject(new Error('rejected'))", 1),
        ("process.on('uncaughtException', () => process.exit(9)); throw new Error()", 9),
        ("process.kill(process.pid, 'SIGKILL'); setTimeout(() => {}, 60000)", -signal.SIGKILL),
    ],
)
def test_it_ends_as_a_process_does(text: str, status: int, program: Path) -> None:
    assert run_program(program, text).status == status


@pytest.mark.parametrize(
    ("rest", "is_replaced"),
    [
        ("", False),
        ("process.exit(1)", False),
        ("setTimeout(() => {}, 60000).unref()", False),
        ("setTimeout(() => {}, 60000); process.exit(1)", True),
        ("require('node:child_process').spawn('sleep', ['60']); process.exit(1)", True),
        ("setImmediate(() => { throw new Error() }); process.exit(1)", True),
    ],
)
def test_a_process_in_which_something_is_left_is_replaced(rest: str, is_replaced: bool, program: Path) -> None:
    first, second = (run_program(program, f"{TELLS_PID} {rest}").stdout for _ in range(2))
    assert (first != second) == is_replaced


def test_what_is_written_before_the_end_is_complete(program: Path) -> None:
    run = run_program(
        program, "process.stdout.write('o'.repeat(3e6)); process.stderr.write('e'.repeat(3e6), process.exit)"
    )
    assert (len(run.stdout), len(run.stderr)) == (3_000_000, 3_000_000)


def test_a_run_that_takes_too_long_is_killed_and_the_next_one_is_not_concerned(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}/"
        environment = {"PATH": os.environ["PATH"], "HOME": str(tmp_path)}
        with pytest.raises(subprocess.TimeoutExpired):
            run_npm(["view", "left", f"--registry={url}"], cwd=tmp_path, env=environment, timeout_s=1)
        assert run_npm(["prefix"], cwd=tmp_path, env=environment) == (0, f"{tmp_path}\n", "")


def test_the_process_ends_with_the_one_that_asks(tmp_path: Path) -> None:
    code = "import os, sys; from support.npm import run_npm; run_npm(sys.argv[1:], cwd='.', env=os.environ)"
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parent), "HOME": str(tmp_path)}
    with socket.create_server(("127.0.0.1", 0)) as silent:
        silent.settimeout(60)
        url = f"http://127.0.0.1:{silent.getsockname()[1]}/"
        words = [sys.executable, "-c", code, "view", "left", f"--registry={url}"]
        with subprocess.Popen(words, env=environment, cwd=tmp_path, start_new_session=True) as asks:
            connection, _ = silent.accept()
            asks.kill()
        with connection:
            wait_until(lambda: not processes_of(asks.pid), "npm's process has ended")
