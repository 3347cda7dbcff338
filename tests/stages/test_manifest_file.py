"""The package.json of a folder in which something is run."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from pmpipe.errors import FilesystemError
from stages.manifest_file import read_document


def test_a_package_json_that_cannot_be_read_is_not_one_without_scripts(tmp_path: Path) -> None:
    # one that leads to itself cannot be read, not even by root
    (tmp_path / "package.json").symlink_to("package.json")
    with pytest.raises(FilesystemError, match=r"cannot read .*/package\.json: Too many levels"):
        read_document(str(tmp_path))


@pytest.mark.parametrize("content", [b"", b"[]", b"{", b"\xff"])
def test_one_that_says_nothing_has_no_scripts(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "package.json").write_bytes(content)
    assert read_document(str(tmp_path)) == {}


def test_a_folder_in_its_place_is_none(tmp_path: Path) -> None:
    os.mkdir(tmp_path / "package.json")
    assert read_document(str(tmp_path)) == {}
    assert read_document(str(tmp_path / "absent")) == {}
