"""What is told of an exception that nobody expected."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

#: The program, in which reading the settings fails as nobody expected.
BROKEN = """
from pmpipe.session import Session

def broken(*arguments, **options):
    {}

Session.open = broken
from pmpipe.cli.main import entry
entry()
"""


def install_broken(folder: Path, statement: str) -> subprocess.CompletedProcess[str]:
    """Run ``install --json`` in a folder, where reading the settings does this instead."""
    (folder / "package.json").write_text("{}")
    return subprocess.run(
        [sys.executable, "-c", BROKEN.format(statement), "install", "--json"],
        cwd=folder,
        env={"HOME": str(folder), "PYTHONPATH": str(Path(__file__).resolve().parents[2])},
        capture_output=True,
        text=True,
        check=False,
    )


def test_a_bug_is_told_with_status_70_and_with_json_in_a_document(tmp_path: Path) -> None:
    done = install_broken(tmp_path, 'raise ValueError("odd")')
    assert done.returncode == 70, done.stderr
    assert done.stderr.startswith("error[PM_INTERNAL]: ValueError: odd\nTraceback")
    hint = "this is a bug of pmpipe: please report it with the lines above"
    assert done.stderr.endswith(f"hint: {hint}\n")
    failure = {"code": "PM_INTERNAL", "summary": "ValueError: odd", "detail": "", "hint": hint}
    assert json.loads(done.stdout) == {"error": failure}


@pytest.mark.parametrize(
    ("statement", "what"),
    [
        ("raise MemoryError", "there is not enough memory"),
        ("raise KeyError from MemoryError()", "there is not enough memory"),
        ("raise OSError(24, 'Too many open files')", "[Errno 24]"),
    ],
)
def test_what_the_host_lacks_is_no_bug_wherever_it_is_missed(tmp_path: Path, statement: str, what: str) -> None:
    done = install_broken(tmp_path, statement)
    assert done.returncode == 1, done.stderr
    assert done.stderr.startswith("error[PM_HOST]: ")
    assert what in done.stderr
    assert "Traceback" not in done.stderr
    assert json.loads(done.stdout)["error"]["code"] == "PM_HOST"


def test_where_there_is_no_memory_for_the_words_of_an_error_a_few_are_told(tmp_path: Path) -> None:
    done = install_broken(tmp_path, "import pmpipe.cli.main as main; main._tell_failure = broken; raise MemoryError")
    assert done.returncode == 1
    assert done.stderr.startswith("error[PM_HOST]: there is not enough memory\n")
    assert "Traceback" not in done.stderr
