"""`pmpipe store verify` beside other runs."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from support.entries import make_entry

from pmpipe.cli import store as command
from pmpipe.cli.options import CommandLine
from pmpipe.pipeline.checking import CheckTask, Finding
from pmpipe.pipeline.pipeline import Sizes
from pmpipe.store import Store

FILES = {"index.js": b"1", "lib/a.js": b"23"}


@pytest.fixture
def damaged(store: Store) -> Path:
    entry = Path(make_entry(Path(store.folder, "sha512/ab/abcd"), FILES))
    (entry / "index.js").write_bytes(b"2")
    return entry


def verify(store: Store, monkeypatch: pytest.MonkeyPatch, between: Callable[[], object]) -> int:
    """Run the command, and something else between its look at the entries and what it does about them."""
    look = command.check

    def check(tasks: Sequence[CheckTask], sizes: Sizes) -> list[Finding]:
        found = look(tasks, sizes)
        assert found
        between()
        return found

    monkeypatch.setattr(command, "check", check)
    return command.run_store(CommandLine("store", ["verify"], {"store-dir": store.root}), {"PATH": ""})


def test_a_damaged_entry_is_taken_out(store: Store, damaged: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert verify(store, monkeypatch, lambda: None) == 1
    assert not damaged.exists()


def test_an_entry_that_another_run_has_put_right_meanwhile_stays(
    store: Store, damaged: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def mend() -> None:
        store.discard(str(damaged))
        make_entry(damaged, FILES)

    assert verify(store, monkeypatch, mend) == 0
    assert store.has(str(damaged))


def test_an_entry_that_another_run_has_taken_out_meanwhile_is_not_damaged(
    store: Store, damaged: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    assert verify(store, monkeypatch, lambda: shutil.rmtree(damaged)) == 0
    assert "damaged" not in capfd.readouterr().out
