"""A project on which commands run as processes of their own."""

from __future__ import annotations

from collections.abc import Iterator
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
