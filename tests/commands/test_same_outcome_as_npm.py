"""Commands that change a project leave what npm leaves: package.json files, lockfile, node_modules, byte for byte."""

from __future__ import annotations

import shlex
import shutil
from pathlib import Path

import pytest
from changes import CHANGES
from changing import Changing
from support.packages import make_package
from support.project import Project
from support.registry import PackageRegistry
from support.snapshot import Snapshot, differences, snapshot


@pytest.mark.npm
@pytest.mark.parametrize("what", [what for what in CHANGES if what != "installed as it is"])
def test_change_leaves_the_project_that_npm_leaves(what: str, tmp_path: Path, registry: PackageRegistry) -> None:
    case, line = CHANGES[what]
    npms = Changing(case, registry, tmp_path / "npm" / "app", installs=True)
    npms.write()
    packed = make_package("packed", "1.0.0", dependencies={"b": "^1.0.0"})
    (npms.folder / "packed.tgz").write_bytes(packed.tarball)
    ours = Project(tmp_path / "ours", registry)
    shutil.rmtree(ours.folder)
    shutil.copytree(npms.folder, ours.folder, symlinks=True)

    assert not npms.npm(*shlex.split(line))
    if what.startswith("optional"):
        # npm lists what is optional under dependencies too, with "*", until it writes the lockfile again
        assert not npms.npm("install")
    ours.succeeds(*shlex.split(line), alone=False)
    for name in ("package.json", "package-lock.json", "node_modules/.package-lock.json"):
        assert text_of(ours.folder / name) == text_of(npms.folder / name)
    assert not differences(without_empty_folders(npms.folder), without_empty_folders(ours.folder))
    ours.close()


def without_empty_folders(folder: Path) -> Snapshot:
    """What a project holds; npm leaves the folders behind from which everything was removed."""
    found = snapshot(folder)
    for path in sorted(found, reverse=True):
        if found[path].startswith("folder") and not any(other.startswith(f"{path}/") for other in found):
            del found[path]
    return found


def text_of(path: Path) -> str:
    return path.read_text() if path.exists() else ""
