from __future__ import annotations

import os
from pathlib import Path

import pytest
from support.limits import no_larger_files_than

from pmpipe.system.whole_file import write_by_way_of


def test_a_file_takes_its_place_by_a_rename(tmp_path: Path) -> None:
    (tmp_path / "path").write_bytes(b"former")

    write_by_way_of(f"{tmp_path}/partial", f"{tmp_path}/path", b"new")

    assert (tmp_path / "path").read_bytes() == b"new"
    assert os.listdir(tmp_path) == ["path"]


def test_a_file_that_cannot_take_its_place_leaves_nothing(tmp_path: Path) -> None:
    (tmp_path / "path").mkdir()

    with pytest.raises(IsADirectoryError):
        write_by_way_of(f"{tmp_path}/partial", f"{tmp_path}/path", b"new")

    assert os.listdir(tmp_path) == ["path"]


def test_a_file_that_cannot_be_written_leaves_nothing_but_the_former_one(tmp_path: Path) -> None:
    (tmp_path / "path").write_bytes(b"former")

    with no_larger_files_than(2), pytest.raises(OSError, match="File too large"):
        write_by_way_of(f"{tmp_path}/partial", f"{tmp_path}/path", b"new")

    assert (tmp_path / "path").read_bytes() == b"former"
    assert os.listdir(tmp_path) == ["path"]
