"""Finds programs on the PATH."""

from __future__ import annotations

import os
from collections.abc import Mapping


def find_program(name: str, environ: Mapping[str, str]) -> str | None:
    """The absolute path of a program on the PATH, links not followed, or None; without the cost of importing shutil."""
    for folder in environ.get("PATH", os.defpath).split(os.pathsep):
        candidate = os.path.join(folder or os.curdir, name)
        if os.path.isfile(candidate) and os.access(candidate, os.X_OK):
            return os.path.abspath(candidate)
    return None
