"""What a command that was cancelled says of what it leaves."""

from __future__ import annotations

import json
import os
import pty
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TypeAlias

import pytest
from support.packages import make_package

Completed: TypeAlias = subprocess.CompletedProcess[str]

#: The program, in which a signal comes right before something is called.
INTERRUPTED = """
import importlib, os, signal, sys

module, owner, name = sys.argv.pop(1).split(":")
holder = importlib.import_module(module)
if owner:
    holder = getattr(holder, owner)
called = getattr(holder, name)

def interrupted(*arguments, **options):
    os.kill(os.getpid(), signal.SIGINT)
    return called(*arguments, **options)

setattr(holder, name, interrupted)
from pmpipe.__main__ import entry
entry()
"""

#: Gives a signal the time to come.
WAIT = """
def wait():
    import time
    time.sleep(60)
"""

STOPPED = "\npmpipe: stopped; the project is as it was before\n"

BEGINNING = "pmpipe.tree.transaction:ModulesFolder:begin"
PLACES = [
    (BEGINNING, False),
    ("pmpipe.pipeline.driving:Crew:end", True),
    ("pmpipe.session:Session:note_done", True),
]


@pytest.fixture
def project(tmp_path: Path) -> Path:
    folder = tmp_path / "app"
    folder.mkdir()
    (folder / "a.tgz").write_bytes(make_package("a", "1.0.0").tarball)
    (folder / "package.json").write_text(json.dumps({"dependencies": {"a": "file:a.tgz"}}))
    return folder


def interrupted(
    project: Path,
    *words: str,
    stdin: int = subprocess.DEVNULL,
    stdout: int = subprocess.PIPE,
    program: str = INTERRUPTED,
    command: Sequence[str] = ("install",),
    **environment: str,
) -> Completed:
    """Install a project, or what else there is to do, with a signal at the place that is the first word."""
    base = project.parent
    return subprocess.run(
        [sys.executable, "-c", WAIT + program, *words[:1], *command, "--store-dir", str(base / "store"), *words[1:]],
        cwd=project,
        env={"HOME": str(base), "PYTHONPATH": str(Path(__file__).resolve().parents[2]), **environment},
        stdin=stdin,
        stdout=stdout,
        stderr=subprocess.PIPE,
        text=True,
        check=False,
    )


@pytest.mark.parametrize(("place", "is_done"), PLACES)
def test_a_signal_that_comes_too_late_is_told_so(project: Path, place: str, is_done: bool) -> None:
    done = interrupted(project, place)
    assert done.returncode == 130, done.stderr
    assert done.stdout == ""
    state = "all that was to be done is done" if is_done else "the project is as it was before"
    assert f"stopped; {state}\n" in done.stderr
    assert (project / "node_modules/a").is_dir() is is_done
    assert (project / "package-lock.json").is_file() is is_done


@pytest.mark.parametrize(("place", "is_done"), PLACES)
@pytest.mark.parametrize("is_setting", [False, True])
def test_with_json_a_signal_is_a_document_besides(project: Path, place: str, is_done: bool, is_setting: bool) -> None:
    if is_setting:
        (project / ".npmrc").write_text("json=true\n")
    done = interrupted(project, place, *([] if is_setting else ["--json"]))
    assert done.returncode == 130, done.stderr
    state = "all that was to be done is done" if is_done else "the project is as it was before"
    failure = {"code": "PM_SIGNAL", "summary": "stopped by SIGINT", "detail": state, "hint": ""}
    assert json.loads(done.stdout) == {"error": failure}
    assert done.stderr == f"\npmpipe: stopped; {state}\n"


@pytest.mark.parametrize(
    ("words", "place"),
    [
        (["--package-lock-only"], "pmpipe.store:Store:close"),
        (["--package-lock-only"], "pmpipe.cli.install::may_run_scripts"),
        (["--loglevel=error"], "pmpipe.cli.install::run_change_scripts"),
    ],
)
def test_a_signal_does_not_take_back_what_counts_already(project: Path, words: list[str], place: str) -> None:
    done = interrupted(project, place, *words)
    assert (done.returncode, done.stderr) == (130, "\npmpipe: stopped; all that was to be done is done\n")
    assert (project / "package-lock.json").is_file()


def test_a_signal_while_the_new_tree_is_finished_comes_too_late(project: Path) -> None:
    done = interrupted(project, "pmpipe.tree.hidden_lockfile:HiddenLockfile:touch")
    assert (done.returncode, done.stderr) == (0, "")
    assert (project / "node_modules/a").is_dir()


def test_a_signal_that_finds_nothing_done_in_a_dry_run_is_told_so(project: Path) -> None:
    done = interrupted(project, "pmpipe.store:Store:close", "--dry-run")
    assert (done.returncode, done.stderr) == (130, STOPPED)
    assert not (project / "package-lock.json").exists()


@pytest.mark.parametrize("command", [("store", "prune"), ("store", "verify")])
def test_a_signal_while_the_store_is_looked_after_speaks_of_the_store(project: Path, command: Sequence[str]) -> None:
    done = interrupted(project, "pmpipe.store:Store:entries", command=command)
    assert (done.returncode, done.stderr) == (130, "\npmpipe: stopped; the store is good as it is now\n")


@pytest.fixture
def terminal() -> Iterator[int]:
    """A terminal that is nobody's yet."""
    ours, theirs = pty.openpty()
    yield theirs
    os.close(ours)
    os.close(theirs)


#: What a shell does for what it runs in the foreground.
IN_FOREGROUND = """
import fcntl, os, termios

os.setsid()
fcntl.ioctl(0, termios.TIOCSCTTY, 0)
"""


@pytest.mark.parametrize(
    ("number", "status"), [(signal.SIGINT, -signal.SIGINT), (signal.SIGTERM, 128 + signal.SIGTERM)]
)
def test_a_shell_learns_that_ctrl_c_has_ended_the_run(
    project: Path, terminal: int, number: signal.Signals, status: int
) -> None:
    program = IN_FOREGROUND + INTERRUPTED.replace("SIGINT", number.name)
    done = interrupted(project, BEGINNING, stdin=terminal, program=program)
    assert (done.returncode, done.stderr) == (status, STOPPED)


def test_what_ends_a_script_of_the_project_by_ctrl_c_ends_the_run_so(project: Path, terminal: int) -> None:
    (project / "package.json").write_text(json.dumps({"scripts": {"install": "kill -INT 0"}}))
    program = IN_FOREGROUND + "import sys; sys.argv.pop(1)\nfrom pmpipe.__main__ import entry\nentry()"
    done = interrupted(project, "none", stdin=terminal, program=program)
    assert done.returncode == -signal.SIGINT, done.stderr


def test_a_signal_keeps_its_status_when_nobody_reads_the_document(project: Path) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    try:
        assert interrupted(project, BEGINNING, "--json", stdout=writer).returncode == 130
    finally:
        os.close(writer)


def test_a_signal_while_a_class_is_made_is_no_bug(project: Path) -> None:
    # where a module is loaded late, this may happen in any run
    program = INTERRUPTED.replace(
        "    os.kill(os.getpid(), signal.SIGINT)\n",
        """\
    class Named:
        def __set_name__(self, owner, name):
            os.kill(os.getpid(), signal.SIGINT)
    type("Made", (), {"named": Named()})
""",
    )
    assert program != INTERRUPTED
    done = interrupted(project, BEGINNING, program=program)
    assert done.returncode == 130, done.stderr
    assert done.stderr == STOPPED


def test_a_signal_while_a_module_is_loaded_waits_for_the_module(project: Path) -> None:
    (project.parent / "late.py").write_text(
        """
import os, signal

class Last:
    def __del__(self):
        os.kill(os.getpid(), signal.SIGINT)

try:
    os.kill(os.getpid(), signal.SIGINT)
    Last()
except BaseException:
    print("cut off")
"""
    )
    program = INTERRUPTED.replace("    os.kill", "    sys.path.insert(0, os.environ['HOME']); import late; os.kill")
    done = interrupted(project, BEGINNING, program=program.replace("os.kill(os.getpid(), signal.SIGINT)", "wait()"))
    assert done.returncode == 130, done.stderr
    assert (done.stdout, done.stderr) == ("", STOPPED)


@pytest.mark.parametrize("times", [1, 3])
def test_a_signal_that_is_swallowed_comes_again(project: Path, times: int) -> None:
    program = f"""
class Last:
    def __del__(self):
        os.kill(os.getpid(), signal.SIGINT)

def lasts():
    for _ in range({times}):
        Last()
    wait()
""" + INTERRUPTED.replace("os.kill(os.getpid(), signal.SIGINT)", "lasts()")
    done = interrupted(project, BEGINNING, program=program)
    assert done.returncode == 130, done.stderr
    assert done.stderr == STOPPED


def test_what_a_signal_cuts_off_closes_its_files_without_a_word(project: Path) -> None:
    program = INTERRUPTED.replace(
        "os.kill(os.getpid(), signal.SIGINT)", "[open(os.devnull), os.kill(os.getpid(), signal.SIGINT)]"
    )
    done = interrupted(project, BEGINNING, program=program, PYTHONWARNINGS="error")
    assert done.returncode == 130, done.stderr
    assert done.stderr == STOPPED


@pytest.mark.parametrize("module", ["msgspec", "pmpipe.cli.options"])
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_while_the_program_is_loaded_ends_it_at_once(project: Path, module: str, number: int) -> None:
    program = f"""
import os, signal, sys

class Signalling:
    def find_spec(self, name, path=None, target=None):
        if name == "{module}":
            os.kill(os.getpid(), {int(number)})

sys.meta_path.insert(0, Signalling())
from pmpipe.__main__ import entry
entry()
"""
    done = interrupted(project, program=program)
    assert (done.returncode, done.stdout, done.stderr) == (128 + number, "", "")
