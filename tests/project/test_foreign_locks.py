"""What is said of the locks of other package managers that have no say."""

from __future__ import annotations

from pathlib import Path

import pytest

from pmpipe.project.foreign_locks import first_lock, overruled_locks, unread_locks


@pytest.mark.parametrize(
    ("files", "said"),
    [
        ([], ()),
        (["yarn.lock"], ()),
        (["bun.lock", "bun.lockb"], ()),
        (["bun.lockb"], ("bun.lockb is not read", "--save-text-lockfile")),
        (["pnpm-lock.yaml", "yarn.lock"], ("from yarn.lock, and not from pnpm-lock.yaml;",)),
        (["bun.lock", "pnpm-lock.yaml"], ("from pnpm-lock.yaml, and not from bun.lock;",)),
        (["bun.lock", "bun.lockb", "pnpm-lock.yaml", "yarn.lock"], ("not from pnpm-lock.yaml and bun.lock;",)),
        (["bun.lockb", "yarn.lock"], ("from yarn.lock, and not from bun.lockb;",)),
    ],
)
def test_locks_that_are_not_read_are_named(tmp_path: Path, files: list[str], said: tuple[str, ...]) -> None:
    (tmp_path / "pnpm-lock.yaml").write_text("")
    for name in files:
        (tmp_path / name).write_text("x")
    lines = unread_locks(str(tmp_path))
    assert len(lines) == (1 if said else 0)
    assert all(part in lines[0] for part in said)


def test_a_blank_lock_is_none(tmp_path: Path) -> None:
    (tmp_path / "yarn.lock").write_text(" \n\n")
    (tmp_path / "pnpm-lock.yaml").write_text("\n" * 5000 + "x")
    assert first_lock(str(tmp_path)) == "pnpm-lock.yaml"
    assert unread_locks(str(tmp_path)) == []


def test_a_lock_that_what_is_installed_overrules_is_named(tmp_path: Path) -> None:
    assert overruled_locks(str(tmp_path)) == []
    (tmp_path / "yarn.lock").write_text("")
    (tmp_path / "bun.lock").write_text("x")
    (line,) = overruled_locks(str(tmp_path))
    assert line.startswith("versions are kept from node_modules, and not from bun.lock;")
