"""Tells what an import brings along: start-up time counts, and pure modules stay pure.

What msgspec loads is the price of having it, and differs between versions of Python: on 3.10 subprocess is among it.
"""

from __future__ import annotations

import subprocess
import sys


def modules_loaded_by(code: str) -> set[str]:
    """The modules that some code loads in a fresh interpreter, without site's own imports and those of msgspec."""
    return _run(f"import msgspec; before = set(sys.modules)\n{code}\nprint(*set(sys.modules) - before)")


def modules_of_msgspec() -> set[str]:
    """The modules that are there when msgspec has been imported."""
    return _run("import msgspec; print(*sys.modules)")


def _run(code: str) -> set[str]:
    command = [sys.executable, "-S", "-c", f"import sys; sys.path[:] = {sys.path!r}; {code}"]
    return set(subprocess.run(command, stdout=subprocess.PIPE, encoding="utf-8", timeout=60, check=True).stdout.split())
