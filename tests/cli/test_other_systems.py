"""What is told on a system that pmpipe does not run on."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ELSEWHERE = """
import sys

sys.platform = sys.argv.pop(1)
from pmpipe.__main__ import entry
entry()
"""


@pytest.mark.parametrize("system", ["darwin", "win32"])
def test_another_system_is_refused_before_anything_is_loaded(tmp_path: Path, system: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", ELSEWHERE, system, "install"],
        cwd=tmp_path,
        env={"HOME": str(tmp_path), "PYTHONPATH": str(Path(__file__).resolve().parents[2])},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith(f"error[PM_HOST]: pmpipe runs on Linux, not on {system}\n")
    assert not any(tmp_path.iterdir())
