"""One run at a time in one project."""

from __future__ import annotations

import errno
import fcntl
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from pmpipe.errors import FilesystemError
from pmpipe.project.project_lock import project_lock
from pmpipe.system.interrupts import SIGNALS, CancelledError, cancel_on_signals, signals_ignored

HOLD = """
import sys
sys.path[:] = {path!r}
from pmpipe.project.project_lock import project_lock
with project_lock({folder!r}, lambda line: print(line, flush=True)):
    print("holding", flush=True)
    sys.stdin.read()
"""


def holder(folder: Path) -> subprocess.Popen[str]:
    script = HOLD.format(path=sys.path, folder=str(folder))
    return subprocess.Popen([sys.executable, "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def line_of(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


def never(line: str) -> None:
    raise AssertionError(line)


def test_the_second_waits_for_the_first_and_says_so(tmp_path: Path) -> None:
    first, second = holder(tmp_path), None
    try:
        assert line_of(first) == "holding"
        second = holder(tmp_path)
        assert line_of(second).startswith("another pmpipe is at work")
        first.communicate("")
        assert line_of(second) == "holding"
    finally:
        for process in (first, second):
            if process is not None:
                process.kill()
                process.communicate()


def test_a_lock_of_a_killed_run_is_no_obstacle(tmp_path: Path) -> None:
    first = holder(tmp_path)
    assert line_of(first) == "holding"
    first.kill()
    first.communicate()
    with project_lock(str(tmp_path), never):
        assert os.listdir(tmp_path) == []


def test_a_lock_is_given_back_after_an_error(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError), project_lock(str(tmp_path), never):
        raise ZeroDivisionError
    with project_lock(str(tmp_path), never):
        pass


def test_a_project_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(FilesystemError, match="none"), project_lock(f"{tmp_path}/none", never):
        pass


def test_a_read_only_project_can_be_locked(tmp_path: Path) -> None:
    tmp_path.chmod(0o555)
    with project_lock(str(tmp_path), never):
        pass


# -- signals ------------------------------------------------------------------------------------------------------


def test_a_filesystem_without_locks_is_no_obstacle_and_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def flock(fd: int, operation: int) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(fcntl, "flock", flock)
    told: list[str] = []
    with project_lock(str(tmp_path), told.append):
        assert told == ["this filesystem knows no locks: see to it that no other pmpipe is at work in this project"]


def test_another_failure_to_lock_is_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def flock(fd: int, operation: int) -> None:
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(fcntl, "flock", flock)
    with (
        pytest.raises(FilesystemError, match=r"cannot lock .*: Input/output"),
        project_lock(str(tmp_path), never),
    ):
        pass


@pytest.mark.parametrize("number", SIGNALS)
def test_a_signal_is_raised_where_the_program_is(number: int) -> None:
    before = [signal.getsignal(one) for one in SIGNALS]
    with pytest.raises(CancelledError) as caught, cancel_on_signals():
        os.kill(os.getpid(), number)
    assert caught.value.signal_number == number
    assert [signal.getsignal(one) for one in SIGNALS] == before


def test_only_the_first_signal_counts() -> None:
    with cancel_on_signals():
        with pytest.raises(CancelledError):
            os.kill(os.getpid(), signal.SIGTERM)
        os.kill(os.getpid(), signal.SIGINT)
        os.kill(os.getpid(), signal.SIGTERM)


def test_what_must_be_done_to_its_end_is_not_cut_off() -> None:
    with cancel_on_signals():
        with signals_ignored():
            os.kill(os.getpid(), signal.SIGINT)
            os.kill(os.getpid(), signal.SIGTERM)
        with pytest.raises(CancelledError):
            os.kill(os.getpid(), signal.SIGTERM)
