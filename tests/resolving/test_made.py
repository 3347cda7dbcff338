"""What a resolution has made, on its way from the resolve process to the main one."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest
from support.limits import no_larger_files_than

from pmpipe.errors import StoreError
from pmpipe.resolving.made import Made, take_made, write_made


def test_what_was_made_is_taken_once_and_leaves_no_file(tmp_path: Path) -> None:
    made = Made(b"{}", {"package.json": b"{}"}, packages=3, unavailable=("node_modules/a",))
    assert take_made(write_made(made, str(tmp_path))) == made
    assert os.listdir(tmp_path) == []


def test_what_cannot_be_written_as_a_whole_leaves_no_file(tmp_path: Path) -> None:
    made = Made(b"x" * 1000)
    with no_larger_files_than(100), pytest.raises(StoreError, match="File too large"):
        write_made(made, str(tmp_path))
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("name", ["builtins.open", "os.unlink"])
def test_what_cannot_be_taken_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    def refuse(path: str, *_: object) -> None:
        raise OSError(errno.EMFILE, "Too many open files", path)

    path = write_made(Made(b"{}", {}), str(tmp_path))
    with monkeypatch.context() as patched:
        patched.setattr(name, refuse)
        with pytest.raises(StoreError, match="Too many open files"):
            take_made(path)
