"""What a resolution depends on: the old lock, the settings, and how the new lock is to look."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest

from pmpipe.errors import ConfigError, LockfileError
from pmpipe.installing.frozen import runs_in_ci
from pmpipe.npm.texts.json_layout import ON_ONE_LINE, JsonLayout
from pmpipe.resolver import InstallStrategy
from pmpipe.resolving.inputs import lock_style, resolve_options, resolver_project
from pmpipe.settings.config import Config

LOCK = {"name": "app", "lockfileVersion": 3, "packages": {"": {"name": "app"}, "node_modules/a": {"version": "1.0.0"}}}
HIDDEN = "node_modules/.package-lock.json"


def config(folder: Path, **flags: object) -> Config:
    return Config.load({name.replace("_", "-"): one for name, one in flags.items()}, {"HOME": str(folder)}, str(folder))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "package.json").write_text('{"name": "app", "dependencies": {"a": "1"}}')
    (tmp_path / "node_modules").mkdir()
    return tmp_path


# -- the old lock ---------------------------------------------------------------------------------------------------


def locked(folder: Path, lock: bytes = b"") -> set[str] | None:
    entries = resolver_project(str(folder), "package-lock.json", lock).locked
    return None if entries is None else set(entries)


def test_without_a_lock_and_node_modules_nothing_was_resolved(folder: Path) -> None:
    assert locked(folder) is None


def test_without_a_lock_that_of_what_is_installed_counts(folder: Path) -> None:
    (folder / HIDDEN).write_text(json.dumps(LOCK))
    found = locked(folder)
    assert found is not None
    assert "node_modules/a" in found


@pytest.mark.parametrize("text", ["", "{", "[]", '{"lockfileVersion": 3}', "\0" * 100])
def test_a_torn_lock_of_what_is_installed_is_as_good_as_none(folder: Path, text: str) -> None:
    (folder / HIDDEN).write_text(text)
    assert locked(folder) is None


def test_the_lock_counts_more_than_what_is_installed(folder: Path) -> None:
    (folder / HIDDEN).write_text(json.dumps({**LOCK, "packages": {"node_modules/b": {"version": "1.0.0"}}}))
    assert "node_modules/b" not in (locked(folder, json.dumps(LOCK).encode()) or ())


def test_a_torn_lock_is_told(folder: Path) -> None:
    with pytest.raises(LockfileError, match=r"package-lock\.json:1:2"):
        locked(folder, b"{")


# -- settings -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "epoch"),
    [
        ("2026-01-31", 1769817600),
        ("2026-01-31T12:00:00Z", 1769860800),
        ("2026-01-31T12:00:00.000Z", 1769860800),
        ("2026-01-31T12:00:00+02:00", 1769853600),
    ],
)
def test_reads_the_date_before_which_versions_count(folder: Path, text: str, epoch: int) -> None:
    assert resolve_options(config(folder, before=text), {}, {}).pick.before == epoch


def test_the_least_age_of_a_release_is_in_days(folder: Path) -> None:
    before = resolve_options(config(folder, min_release_age="2"), {}, {}).pick.before
    assert before is not None
    assert abs(time.time() - 2 * 86_400 - before) < 60


def test_an_age_before_all_releases_leaves_out_every_one(folder: Path) -> None:
    assert resolve_options(config(folder, min_release_age=str(2**53 - 1)), {}, {}).pick.before == 0


def test_without_either_all_versions_count(folder: Path) -> None:
    assert resolve_options(config(folder), {}, {}).pick.before is None


@pytest.mark.parametrize("text", ["yesterday", "2026-13-01", "12"])
def test_what_is_no_date_is_told(folder: Path, text: str) -> None:
    with pytest.raises(ConfigError, match="before"):
        resolve_options(config(folder, before=text), {}, {})


def test_the_install_strategy_is_the_settings(folder: Path) -> None:
    assert resolve_options(config(folder, install_strategy="nested"), {}, {}).install_strategy is InstallStrategy.NESTED


# -- the new lock ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("old", "new"), [(1, 3), (2, 2), (3, 3), (4, 4), (5, 3), ("x", 3), (None, 3)])
def test_the_version_of_the_old_lock_is_kept_if_it_is_2_or_4(folder: Path, old: object, new: int) -> None:
    style = lock_style(config(folder), str(folder), json.dumps({"lockfileVersion": old}).encode())
    assert style.version == new


def test_an_update_of_everything_does_not_look_at_the_old_locks_version(folder: Path) -> None:
    old = b'{"lockfileVersion": 2}'
    assert lock_style(config(folder), str(folder), old, starts_anew=True).version == 3
    assert lock_style(config(folder, lockfile_version="2"), str(folder), b"", starts_anew=True).version == 2


def test_a_merge_conflict_does_not_hide_the_version_of_the_old_lock(folder: Path) -> None:
    sides = [json.dumps({"name": name, "lockfileVersion": 2, "packages": {}}) for name in ("ours", "theirs")]
    old = "<<<<<<< ours\n{}\n=======\n{}\n>>>>>>> theirs\n".format(*sides)
    assert lock_style(config(folder), str(folder), old.encode()).version == 2


@pytest.mark.parametrize("chosen", [1, 2, 3])
def test_the_chosen_version_counts_more(folder: Path, chosen: int) -> None:
    style = lock_style(config(folder, lockfile_version=str(chosen)), str(folder), b'{"lockfileVersion": 2}')
    assert style.version == chosen


def test_the_layout_is_that_of_package_json_whatever_the_old_locks_is(folder: Path) -> None:
    (folder / "package.json").write_bytes(b'{\r\n\t"name": "app"\r\n}')
    old = b'{\n    "lockfileVersion": 3\n}'
    for lock in (b"", old):
        assert lock_style(config(folder), str(folder), lock).layout == JsonLayout("\t", "\r\n")


def test_without_package_json_only_the_line_ends_of_the_old_lock_are_kept(folder: Path) -> None:
    (folder / "package.json").unlink()
    old = b'{\r\n    "lockfileVersion": 3\r\n}'
    assert lock_style(config(folder), str(folder), old).layout == JsonLayout("  ", "\r\n")
    assert lock_style(config(folder), str(folder), b"").layout == JsonLayout()


def test_a_lock_that_is_not_to_be_formatted_stands_on_one_line(folder: Path) -> None:
    assert lock_style(config(folder, format_package_lock="false"), str(folder), b"").layout == ON_ONE_LINE


# -- frozen locks ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "expected"), [("true", True), ("1", True), ("yes", True), ("", False), ("0", False), ("False", False)]
)
def test_a_build_server_sets_ci(value: str, expected: bool) -> None:
    assert runs_in_ci({"CI": value}) is expected


def test_without_ci_it_is_none() -> None:
    assert not runs_in_ci({})
