"""The date of the hidden lockfile: by it npm and the next run know whether anything has changed."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from support.trees import wanted_tree

from pmpipe.tree.hidden_lockfile import HiddenLockfile
from pmpipe.tree.standing import TOLERANCE_NS
from pmpipe.tree.transaction import ModulesFolder

SECOND_NS = 1_000_000_000
LONG_AGO_NS = 1_500_000_000 * SECOND_NS


@pytest.fixture
def hidden(tmp_path: Path) -> HiddenLockfile:
    folder = tmp_path / "node_modules"
    folder.mkdir()
    made = HiddenLockfile(
        str(tmp_path),
        wanted_tree(),
        {str(folder): ModulesFolder(str(folder), fresh=False)},
        lambda _installed, _built, _digests: b"{}",
    )
    made.write()
    return made


def dated(hidden: HiddenLockfile, newest_ns: int) -> int:
    """When it is said to be from, if its folder was changed last at this time (ns)."""
    os.utime(os.path.dirname(hidden.path), ns=(newest_ns, newest_ns))
    hidden.touch()
    return os.stat(hidden.path).st_mtime_ns


def test_it_is_older_than_the_newest_folder_by_just_what_npm_lets_pass(hidden: HiddenLockfile) -> None:
    newest_ns = LONG_AGO_NS + SECOND_NS // 2
    assert dated(hidden, newest_ns) == newest_ns - TOLERANCE_NS


def test_it_is_not_of_another_second_than_the_newest_folder(hidden: HiddenLockfile) -> None:
    newest_ns = LONG_AGO_NS + TOLERANCE_NS // 2
    assert dated(hidden, newest_ns) >= newest_ns


def test_there_need_not_be_one(hidden: HiddenLockfile) -> None:
    os.unlink(hidden.path)
    hidden.touch()
    assert not os.path.lexists(hidden.path)
