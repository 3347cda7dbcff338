"""The script stage alone: one package, one event, and what comes of it."""

from __future__ import annotations

import json
import mmap
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.project import processes_of, wait_until

from stages.messages import Failed, JobId, Remove, Result, RunScript, ScriptRan
from stages.messages.scripting import ShownOn
from stages.script import script_handler
from stages.worker import Handler, JobBoard

pytestmark = pytest.mark.usefixtures("same_descriptors")


@pytest.fixture
def board() -> JobBoard:
    return JobBoard(mmap.mmap(-1, mmap.PAGESIZE), 0, "script")


@pytest.fixture
def handle(board: JobBoard) -> Iterator[Handler]:
    with script_handler({"PATH": os.environ["PATH"], "GIVEN": "yes"}, "", board) as handler:
        yield handler


def package(folder: Path, **fields: object) -> str:
    folder.mkdir()
    (folder / "package.json").write_text(json.dumps({"name": "p", "version": "1.0.0", **fields}))
    return str(folder)


def run(handle: Handler, folder: str, event: str = "install", *, shell: str = "sh", shown_on: ShownOn = "") -> Result:
    (result,) = handle(RunScript(JobId(7), "p@1.0.0", event, folder, shell, {"OWN": "too"}, shown_on))
    return result


def test_the_command_of_the_event_is_run_in_the_package(handle: Handler, tmp_path: Path) -> None:
    folder = package(tmp_path / "p", scripts={"install": "pwd; echo $GIVEN $OWN; exit 3", "postinstall": "true"})
    assert run(handle, folder) == ScriptRan(JobId(7), "pwd; echo $GIVEN $OWN; exit 3", 3, f"{folder}\nyes too\n")
    assert run(handle, folder, "postinstall") == ScriptRan(JobId(7), "true", 0, "")


@pytest.mark.parametrize(
    "content", [None, "", "[]", "{", '{"scripts": []}', '{"scripts": {"install": 1}}', '{"scripts": {"install": ""}}']
)
def test_where_there_is_no_command_nothing_is_run(handle: Handler, tmp_path: Path, content: str | None) -> None:
    folder = tmp_path / "p"
    folder.mkdir()
    if content is not None:
        (folder / "package.json").write_text(content)
    assert run(handle, str(folder)) == ScriptRan(JobId(7))


def test_what_ends_by_a_signal_has_its_number(handle: Handler, tmp_path: Path) -> None:
    result = run(handle, package(tmp_path / "p", scripts={"install": "kill -TERM $$"}))
    assert isinstance(result, ScriptRan)
    assert result.status == -signal.SIGTERM


def test_both_outputs_are_kept_in_their_order_and_the_end_of_them(handle: Handler, tmp_path: Path) -> None:
    script = "yes | head -c 100000; echo one; echo two >&2; printf '\\377'"
    result = run(handle, package(tmp_path / "p", scripts={"install": script}))
    assert isinstance(result, ScriptRan)
    assert result.output.endswith("one\ntwo\n\ufffd")
    assert len(result.output) <= 8 << 10


def test_nothing_is_kept_of_what_is_shown(handle: Handler, tmp_path: Path) -> None:
    result = run(handle, package(tmp_path / "p", scripts={"install": "true"}), shown_on="stdout")
    assert result == ScriptRan(JobId(7), "true")


def test_nobody_answers_a_script(handle: Handler, tmp_path: Path) -> None:
    result = run(handle, package(tmp_path / "p", scripts={"install": "read answer; echo got $answer"}))
    assert isinstance(result, ScriptRan)
    assert result.output == "got\n"


def test_signals_are_as_a_shell_has_them(handle: Handler, tmp_path: Path) -> None:
    previous = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        result = run(handle, package(tmp_path / "p", scripts={"install": "kill -INT $$; echo still here"}))
    finally:
        signal.signal(signal.SIGINT, previous)
    assert isinstance(result, ScriptRan)
    assert (result.status, result.output) == (-signal.SIGINT, "")


@pytest.mark.parametrize(("command", "shell"), [("true", "/no/shell"), ("echo \0", "sh"), ("x" * 200_000, "sh")])
def test_what_cannot_be_started_is_a_failure(handle: Handler, tmp_path: Path, command: str, shell: str) -> None:
    result = run(handle, package(tmp_path / "p", scripts={"install": command}), shell=shell)
    assert isinstance(result, Failed)
    assert result.code == "PM_SCRIPT"
    assert result.what.startswith("p@1.0.0: the install script cannot be started")


def test_a_package_json_that_cannot_be_read_is_a_failure(handle: Handler, tmp_path: Path) -> None:
    (tmp_path / "p").mkdir()
    (tmp_path / "p/package.json").symlink_to("package.json")
    result = run(handle, str(tmp_path / "p"))
    assert isinstance(result, Failed)
    assert result.code == "PM_FILESYSTEM"


def test_the_group_of_a_script_that_runs_is_noted(tmp_path: Path) -> None:
    memory = mmap.mmap(-1, mmap.PAGESIZE)
    groups: list[int] = []

    class Noting(JobBoard):
        def note_group(self, group: int) -> None:
            super().note_group(group)
            groups.append(self.group())

    with script_handler({"PATH": os.environ["PATH"]}, "", Noting(memory, 3, "script")) as handler:
        result = run(handler, package(tmp_path / "p", scripts={"install": "cut -d' ' -f5 /proc/$$/stat"}))
    assert isinstance(result, ScriptRan)
    assert groups == [int(result.output), 0]


def test_other_jobs_are_a_bug(handle: Handler) -> None:
    with pytest.raises(TypeError):
        handle(Remove(JobId(1), "/x"))


@pytest.mark.parametrize("how", ["told to end", "without a parent"])
def test_the_script_ends_with_the_process(tmp_path: Path, how: str) -> None:
    begun = tmp_path / "begun"
    folder = package(tmp_path / "p", scripts={"install": f"trap '' TERM; (sleep 1000; true) & echo $$ > {begun}; wait"})
    work = (
        "import mmap, os, sys\n"
        "from stages.messages import JobId, RunScript\n"
        "from stages.script import script_handler\n"
        "from stages.worker import JobBoard\n"
        "board = JobBoard(mmap.mmap(-1, mmap.PAGESIZE), 0, 'script')\n"
        "if os.fork():\n"
        "    os.wait()\n"
        "    os._exit(0)\n"
        "with script_handler(dict(os.environ), '', board) as handle:\n"
        f"    list(handle(RunScript(JobId(1), 'p', 'install', {folder!r}, 'sh', {{}}, '')))\n"
    )
    parent = subprocess.Popen([sys.executable, "-c", work], env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)})
    try:
        wait_until(lambda: begun.exists() and bool(begun.read_text().strip()), "the script has begun")
        session = int(begun.read_text())
        if how == "told to end":
            (child,) = Path(f"/proc/{parent.pid}/task/{parent.pid}/children").read_text().split()
            os.kill(int(child), signal.SIGTERM)
        else:
            parent.kill()
        wait_until(lambda: not processes_of(session), "the script has ended, with what it had started")
    finally:
        parent.kill()
        parent.wait()
