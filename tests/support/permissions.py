"""Letting another user reach a test's folder: pytest makes its own for one user only, two or three levels up."""

from __future__ import annotations

from pathlib import Path


def let_others_reach(folder: Path, mode: int = 0o755) -> None:
    """Give the folder this mode, and let others pass through every folder above it.

    Args:
        folder: absolute path.
        mode: permissions of the folder itself.
    """
    folder.chmod(mode)
    for above in folder.parents:
        if not above.stat().st_mode & 0o001:
            above.chmod(above.stat().st_mode & 0o777 | 0o055)
