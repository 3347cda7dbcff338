"""`pmpipe --version`, although npm has a setting of that name."""

from __future__ import annotations

import subprocess
import sys

from pmpipe import __version__


def test_version_is_printed() -> None:
    done = subprocess.run([sys.executable, "-m", "pmpipe", "--version"], capture_output=True, text=True, check=True)
    assert done.stdout == f"pmpipe {__version__}\n"
