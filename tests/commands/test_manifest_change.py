"""Commands that change manifests: the package.json files and the lockfile are npm's, byte for byte."""

from __future__ import annotations

import shlex
from pathlib import Path

import pytest
from changes import CHANGES
from changing import Changing
from support.packages import make_package
from support.registry import PackageRegistry


@pytest.mark.npm
@pytest.mark.parametrize("what", CHANGES)
def test_change_leaves_the_files_that_npm_leaves(what: str, tmp_path: Path, registry: PackageRegistry) -> None:
    case, line = CHANGES[what]
    changing = Changing(case, registry, tmp_path / "project")
    changing.write()
    packed = make_package("packed", "1.0.0", dependencies={"b": "^1.0.0"})
    (changing.folder / "packed.tgz").write_bytes(packed.tarball)
    ours = changing.ours(line)
    refusal = changing.npm(*shlex.split(line))
    assert not refusal
    if what.startswith("optional"):
        # npm lists what is optional under dependencies too, with "*", until it writes the lockfile again
        assert not changing.npm("install")
    npms = changing.state()
    assert sorted(ours) == sorted(npms)
    for path, content in npms.items():
        assert ours[path].decode() == content.decode(), path
