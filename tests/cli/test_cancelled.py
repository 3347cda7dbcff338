"""What a command that was cancelled says of what it leaves."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import TypeAlias

import pytest
from support.packages import make_package

Completed: TypeAlias = subprocess.CompletedProcess[str]

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


BEGINNING = "pmpipe.tree.transaction:ModulesFolder:begin"
PLACES = [(BEGINNING, False), ("pmpipe.pipeline.driving:Crew:end", True), ("pmpipe.session:Session:note_done", True)]


@pytest.fixture
def project(tmp_path: Path) -> Path:
    folder = tmp_path / "app"
    folder.mkdir()
    (folder / "a.tgz").write_bytes(make_package("a", "1.0.0").tarball)
    (folder / "package.json").write_text(json.dumps({"dependencies": {"a": "file:a.tgz"}}))
    return folder


def interrupted(
    project: Path, place: str, *words: str, stdout: int = subprocess.PIPE, program: str = INTERRUPTED
) -> Completed:
    """Install a project, with a signal at a place."""
    base = project.parent
    return subprocess.run(
        [sys.executable, "-c", program, place, "install", "--store-dir", str(base / "store"), *words],
        cwd=project,
        env={"HOME": str(base), "PYTHONPATH": str(Path(__file__).resolve().parents[2])},
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
    assert "stopped; the project is as it was before" in done.stderr
