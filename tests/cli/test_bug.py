"""What is told of an exception that nobody expected."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

#: The program, in which reading the settings fails as nobody expected.
BROKEN = """
from pmpipe.session import Session

def broken(*arguments, **options):
    raise ValueError("odd")

Session.open = broken
from pmpipe.cli.main import entry
entry()
"""


def test_a_bug_is_told_with_status_70_and_with_json_in_a_document(tmp_path: Path) -> None:
    (tmp_path / "package.json").write_text("{}")
    done = subprocess.run(
        [sys.executable, "-c", BROKEN, "install", "--json"],
        cwd=tmp_path,
        env={"HOME": str(tmp_path), "PYTHONPATH": str(Path(__file__).resolve().parents[2])},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 70, done.stderr
    assert done.stderr.startswith("error[PM_INTERNAL]: ValueError: odd\nTraceback")
    hint = "this is a bug of pmpipe: please report it with the lines above"
    assert done.stderr.endswith(f"hint: {hint}\n")
    failure = {"code": "PM_INTERNAL", "summary": "ValueError: odd", "detail": "", "hint": hint}
    assert json.loads(done.stdout) == {"error": failure}
