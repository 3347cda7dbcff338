"""A run that is forked from a process with pmpipe's modules is like one that begins by itself."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from support.launched import can_launch, launch
from support.project import processes_of, wait_until


@pytest.fixture
def environment() -> dict[str, str]:
    return {
        "PATH": os.environ["PATH"],
        "HOME": "/nowhere",
        "LANG": "C.UTF-8",
        "PYTHONPATH": os.pathsep.join(filter(None, sys.path)),
        "PYTHONWARNINGS": "error",
        "ODD": "ü=\n",
    }


def test_it_finds_what_a_process_of_its_own_finds(tmp_path: Path, environment: dict[str, str]) -> None:
    words = ["3", "ü", ""]
    command = [sys.executable, "-m", "support.self_report", *words]
    own = subprocess.run(
        command, stdin=subprocess.DEVNULL, capture_output=True, cwd=tmp_path, env=environment, start_new_session=True,
        check=False,
    )  # fmt: skip
    forked = launch("support.self_report", words, str(tmp_path), environment)
    stdout, stderr = forked.communicate(60)
    assert (forked.returncode, stderr) == (own.returncode, own.stderr.decode()) == (3, "")
    assert json.loads(stdout) == json.loads(own.stdout)


def test_the_signal_that_ends_it_is_told_and_its_processes_are_of_its_session(
    tmp_path: Path, environment: dict[str, str]
) -> None:
    (tmp_path / "package.json").write_text('{"dependencies": {"left": "1"}}')
    with socket.create_server(("127.0.0.1", 0)) as silent:
        registry = f"--registry=http://127.0.0.1:{silent.getsockname()[1]}/"
        run = launch("pmpipe", ["install", registry], str(tmp_path), environment)
        wait_until(lambda: len(processes_of(run.pid)) > 1, "it has begun its workers")
        with pytest.raises(subprocess.TimeoutExpired):
            run.wait(0)
        assert run.poll() is None
        run.send_signal(signal.SIGKILL)
    run.communicate(60)
    assert run.returncode == run.wait() == -signal.SIGKILL
    wait_until(lambda: not processes_of(run.pid), "its workers end")


def test_what_the_interpreter_reads_at_its_start_is_no_matter_for_a_fork() -> None:
    assert can_launch({"npm_config_loglevel": "silly"}, {})
    assert not can_launch({"LC_ALL": "C"}, {})
    assert not can_launch({"PYTHONUTF8": "0"}, {})
    assert not can_launch({}, {"COVERAGE_PROCESS_START": "setup.cfg"})
