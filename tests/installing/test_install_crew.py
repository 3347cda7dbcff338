"""Whose processes start before it is known what is wanted."""

from __future__ import annotations

import json
import multiprocessing
from collections.abc import Callable
from pathlib import Path

import pytest

from pmpipe.installing.install_crew import InstallCrew
from pmpipe.session import Session

FETCH, EXTRACT = "pmpipe-fetch-0", "pmpipe-extract-0"
LOCK = {"name": "app", "lockfileVersion": 3, "packages": {"": {"name": "app"}}}

Started = Callable[..., list[str]]


@pytest.fixture
def started(tmp_path: Path) -> Started:
    """The processes that are started for the project, by their names."""
    (tmp_path / "package.json").write_text(json.dumps({"name": "app"}))

    def start(**flags: object) -> list[str]:
        session = Session.open({"store-dir": f"{tmp_path}/store", **flags}, {"HOME": str(tmp_path)}, str(tmp_path))
        with InstallCrew(session) as crew:
            crew.get_ready(session)
            crew.get_ready(session)
            return sorted(child.name for child in multiprocessing.active_children())

    return start


def lock(folder: Path) -> None:
    (folder / "package-lock.json").write_text(json.dumps(LOCK))


def test_without_a_lock_and_a_packument_fetch_starts_once(started: Started) -> None:
    assert started() == [FETCH]


def test_with_a_lock_that_nobody_has_installed_from_extract_starts_too(started: Started, tmp_path: Path) -> None:
    lock(tmp_path)
    assert started() == [EXTRACT, FETCH]


def test_where_packages_are_there_nothing_starts(started: Started, tmp_path: Path) -> None:
    lock(tmp_path)
    (tmp_path / "node_modules").mkdir()
    assert started() == []


@pytest.mark.parametrize("flag", ["offline", "dry-run", "package-lock-only"])
def test_where_nothing_may_be_fetched_nothing_starts(started: Started, tmp_path: Path, flag: str) -> None:
    lock(tmp_path)
    assert started(**{flag: True}) == []


def test_afterwards_no_process_is_left(started: Started) -> None:
    started()
    assert multiprocessing.active_children() == []
