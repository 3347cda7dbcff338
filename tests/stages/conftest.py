"""What the stages' tests share: small filesystems of their own, the user's umask, file descriptors counted."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest


@pytest.fixture
def mounted() -> Iterator[Callable[..., None]]:
    """Mounts a tmpfs with the given options at a folder until the test ends; needs to be root."""
    if os.geteuid() != 0:
        pytest.skip("mounting needs root")
    folders: list[Path] = []

    def mount(folder: Path, options: str = "size=1m") -> None:
        folder.mkdir(exist_ok=True)
        subprocess.run(["mount", "-t", "tmpfs", "-o", options, "pmpipe-test", str(folder)], check=True)
        folders.append(folder)

    yield mount
    for folder in reversed(folders):
        subprocess.run(["umount", str(folder)], check=True)


@pytest.fixture
def users_umask() -> Iterator[Callable[[int], None]]:
    """Sets a umask until the test ends; handlers that change it are undone too."""
    before = os.umask(0o022)
    os.umask(before)

    def set_umask(umask: int) -> None:
        os.umask(umask)

    yield set_umask
    os.umask(before)


@pytest.fixture
def same_descriptors() -> Iterator[None]:
    """The test must end with the file descriptors that it began with."""
    before = sorted(os.listdir("/proc/self/fd"))
    yield
    assert sorted(os.listdir("/proc/self/fd")) == before
