"""While an override contradicts a direct dependency, npm and we refuse each command, even one that mends it."""

from __future__ import annotations

import shlex
import shutil
from pathlib import Path

import pytest
from changes import PLAIN, needs
from changing import Changing
from support.project import Project
from support.registry import PackageRegistry

CONSISTENT = {"name": "app", "version": "1.0.0", **needs(a="^1.0.0", b="^1.0.0")}
CONTRADICTION = {**PLAIN, "before": CONSISTENT, "project": {**CONSISTENT, "overrides": {"b": "2.0.0"}}}
COMMANDS = (
    "install",
    "install c",
    "install b@2.0.0",
    "uninstall b",
    "uninstall --no-save b",
    "uninstall --package-lock-only b",
    "update",
    "update a",
    "dedupe",
    "prune",
)


@pytest.mark.npm
@pytest.mark.parametrize("has_lock", [True, False])
@pytest.mark.parametrize("line", COMMANDS)
def test_command_is_refused_like_npms(line: str, has_lock: bool, tmp_path: Path, registry: PackageRegistry) -> None:
    npms = Changing({**CONTRADICTION, "locked": has_lock}, registry, tmp_path / "npm" / "app", installs=True)
    npms.write()
    ours = Project(tmp_path / "ours", registry)
    shutil.rmtree(ours.folder)
    shutil.copytree(npms.folder, ours.folder, symlinks=True)
    assert "EOVERRIDE" in npms.npm(*shlex.split(line))
    assert "error[PM_OVERRIDE]" in ours.fails(*shlex.split(line)).stderr
    ours.close()
