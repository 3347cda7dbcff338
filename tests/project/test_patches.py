"""Which packages a project patches, by the names of its patches."""

from __future__ import annotations

from pathlib import Path

import pytest

from pmpipe.project.patches import patched_names


@pytest.mark.parametrize(
    ("file", "name"),
    [
        ("left-pad+1.3.0.patch", "left-pad"),
        ("@scope+name+1.0.0.patch", "@scope/name"),
        ("left-pad+1.3.0.dev.patch", "left-pad"),
        ("outer++inner+1.0.0.patch", "inner"),
        ("outer++@scope+inner+1.0.0.patch", "@scope/inner"),
        ("left-pad+1.3.0+001+first.patch", "left-pad"),
        ("left-pad+1.3.0-beta.1+build.patch", "left-pad"),
    ],
)
def test_the_name_of_a_patch_names_its_package(tmp_path: Path, file: str, name: str) -> None:
    (tmp_path / "patches").mkdir()
    (tmp_path / "patches" / file).touch()
    (tmp_path / "patches/README.md").touch()
    assert patched_names(str(tmp_path)) == {name}


def test_there_need_be_no_patches(tmp_path: Path) -> None:
    assert patched_names(str(tmp_path)) == frozenset()
    (tmp_path / "patches").touch()
    assert patched_names(str(tmp_path)) == frozenset()
    (tmp_path / "patches").unlink()
    (tmp_path / "patches").mkdir()
    (tmp_path / "patches/.patch").touch()
    assert patched_names(str(tmp_path)) == frozenset()
