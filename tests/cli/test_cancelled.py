"""What a command that was cancelled says of what it leaves."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from support.packages import make_package

#: The program, in which a signal comes right before something is called.
INTERRUPTED = """
import importlib, os, signal, sys

module, owner, name = sys.argv.pop(1).split(":")
holder = getattr(importlib.import_module(module), owner)
called = getattr(holder, name)

def interrupted(*arguments, **options):
    os.kill(os.getpid(), signal.SIGINT)
    return called(*arguments, **options)

setattr(holder, name, interrupted)
from pmpipe.cli.main import entry
entry()
"""


@pytest.mark.parametrize(
    ("place", "is_done"),
    [
        ("pmpipe.transaction:ModulesFolder:begin", False),
        ("pmpipe.driving:Crew:end", True),
        ("pmpipe.session:Session:note_done", True),
    ],
)
def test_a_signal_that_comes_too_late_is_told_so(tmp_path: Path, place: str, is_done: bool) -> None:
    project = tmp_path / "app"
    project.mkdir()
    (project / "a.tgz").write_bytes(make_package("a", "1.0.0").tarball)
    (project / "package.json").write_text(json.dumps({"dependencies": {"a": "file:a.tgz"}}))
    done = subprocess.run(
        [sys.executable, "-c", INTERRUPTED, place, "install", "--store-dir", str(tmp_path / "store")],
        cwd=project,
        env={"HOME": str(tmp_path), "PYTHONPATH": str(Path(__file__).resolve().parents[2])},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 130, done.stderr
    state = "all that was to be done is done" if is_done else "the project is as it was before"
    assert f"stopped; {state}\n" in done.stderr
    assert (project / "node_modules/a").is_dir() is is_done
    assert (project / "package-lock.json").is_file() is is_done
