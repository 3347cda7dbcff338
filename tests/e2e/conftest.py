"""What the tests of the whole program share: a project with its registry and store, and filesystems of its own."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from support.project import Project
from support.registry import PackageRegistry


@pytest.fixture
def project(tmp_path: Path, registry: PackageRegistry) -> Iterator[Project]:
    """An empty project; what every run must keep to is checked after each, the store at the end."""
    one = Project(tmp_path / "p", registry)
    yield one
    one.close()


@pytest.fixture
def mounts() -> Iterator[Callable[..., Path]]:
    """Mounts a tmpfs with the given options at a folder, until the test ends."""
    if os.geteuid() != 0:
        pytest.skip("mounting needs root")
    mounted: list[Path] = []

    def mount(folder: Path, options: str) -> Path:
        folder.mkdir(parents=True, exist_ok=True)
        subprocess.run(["mount", "-t", "tmpfs", "-o", options, "pmpipe-test", str(folder)], check=True)
        mounted.append(folder)
        return folder

    yield mount
    for folder in reversed(mounted):
        subprocess.run(["umount", "--lazy", str(folder)], check=True)
