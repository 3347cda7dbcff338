"""Tells what an import brings along: start-up time counts, and pure modules stay pure."""

from __future__ import annotations

import subprocess
import sys


def modules_loaded_by(name: str) -> set[str]:
    """The modules that are loaded after importing one in a fresh interpreter without site's own imports."""
    code = f"import sys; sys.path[:] = {sys.path!r}; import {name}; print(*sys.modules)"
    loaded = subprocess.run(
        [sys.executable, "-S", "-c", code], stdout=subprocess.PIPE, encoding="utf-8", timeout=30, check=True
    )
    return set(loaded.stdout.split())
