"""Writing package.json files and the lockfile: all or none of them, also after a kill at any step."""

from __future__ import annotations

import errno
import os
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
from support.limits import no_larger_files_than

from pmpipe.errors import FilesystemError
from pmpipe.project.project_write import ProjectWrite, recover

BEFORE = {"package.json": b"old", "packages/a/package.json": b"old a"}
AFTER = {"package.json": b"new", "packages/a/package.json": b"new a", "package-lock.json": b"lock"}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for path, content in BEFORE.items():
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_bytes(content)
    return tmp_path


def files(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_writes_all_files_and_leaves_nothing_else(folder):
    ProjectWrite(str(folder), AFTER).apply()
    assert files(folder) == AFTER


def test_nothing_to_write_touches_nothing(folder):
    write = ProjectWrite(str(folder), {})
    write.apply()
    write.roll_back()
    assert files(folder) == BEFORE


def test_mode_of_a_file_and_a_link_to_it_stay(folder):
    (folder / "package.json").rename(folder / "real.json")
    (folder / "real.json").chmod(0o640)
    (folder / "package.json").symlink_to("real.json")
    ProjectWrite(str(folder), {"package.json": b"new"}).apply()
    assert (folder / "package.json").is_symlink()
    assert (folder / "real.json").read_bytes() == b"new"
    assert (folder / "real.json").stat().st_mode & 0o777 == 0o640


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may give files away")
def test_owner_and_group_of_a_file_stay(folder):
    os.chown(folder / "package.json", 1234, 5678)
    ProjectWrite(str(folder), AFTER).apply()
    kept = (folder / "package.json").stat()
    assert (kept.st_uid, kept.st_gid) == (1234, 5678)
    assert (folder / "package.json").read_bytes() == b"new"


def test_owner_that_cannot_be_kept_is_no_reason_to_fail(folder, monkeypatch):
    def refuse(path, uid, gid):
        raise PermissionError(1, "Operation not permitted", path)

    monkeypatch.setattr(os, "chown", refuse)
    monkeypatch.setattr(os, "stat", _another_owner(os.stat, str(folder / "package.json")))
    ProjectWrite(str(folder), {"package.json": b"new"}).apply()
    assert (folder / "package.json").read_bytes() == b"new"


def _another_owner(stat, path):
    """`os.stat` for which one file is somebody else's."""

    def somebody_elses(asked, **options):
        found = stat(asked, **options)
        if asked != path:
            return found
        fields = list(found)
        fields[4] += 1
        return os.stat_result(fields)

    return somebody_elses


def test_what_was_applied_can_be_undone(folder):
    write = ProjectWrite(str(folder), AFTER)
    write.apply()
    write.undo()
    assert files(folder) == BEFORE
    write.undo()
    assert files(folder) == BEFORE


def test_file_that_would_not_change_is_not_touched(folder):
    # not the whole status: reading it may set the time of the last access
    before = (folder / "package.json").stat()
    ProjectWrite(str(folder), {"package.json": b"old"}).apply()
    after = (folder / "package.json").stat()
    assert (after.st_ino, after.st_ctime_ns) == (before.st_ino, before.st_ctime_ns)


def test_failure_while_preparing_leaves_the_files_as_they_were(folder):
    with pytest.raises(FilesystemError, match="nothing was changed"):
        ProjectWrite(str(folder), {**AFTER, "missing/package.json": b"x"}).apply()
    assert files(folder) == BEFORE


def test_failure_in_the_middle_of_the_renames_puts_back_what_was_exchanged(folder):
    write = ProjectWrite(str(folder), AFTER)
    write.prepare()
    (folder / "package-lock.json").mkdir()
    with pytest.raises(OSError, match="directory"):
        write.commit()
    (folder / "package-lock.json").rmdir()
    write.roll_back()
    assert files(folder) == BEFORE


def test_roll_back_after_the_commit_puts_everything_back(folder):
    write = ProjectWrite(str(folder), AFTER)
    write.prepare()
    write.commit()
    write.roll_back()
    assert files(folder) == BEFORE


def _full(monkeypatch):
    """From now on nothing can be written."""

    def refuse(path, mode="r", *arguments, **options):
        if not mode.startswith("r"):
            raise OSError(errno.ENOSPC, "No space left on device", path)
        return opened(path, mode, *arguments, **options)

    opened = open
    monkeypatch.setattr("builtins.open", refuse)


def test_what_cannot_be_undone_is_whole_and_told(folder, monkeypatch):
    write = ProjectWrite(str(folder), AFTER)
    write.apply()
    _full(monkeypatch)
    with pytest.raises(FilesystemError, match=r"cannot put back .*: No space left on device") as raised:
        write.undo()
    monkeypatch.undo()
    assert "nothing was changed" not in str(raised.value)
    assert files(folder) == AFTER


def test_what_cannot_be_rolled_back_is_whole_and_told_and_finished_by_the_next_run(folder, monkeypatch):
    renamed = os.rename

    def rename(source, target):
        if target.endswith("package-lock.json"):
            _full(monkeypatch)
            raise OSError(errno.EIO, "Input/output error", source)
        renamed(source, target)

    monkeypatch.setattr(os, "rename", rename)
    with pytest.raises(FilesystemError, match="cannot put back") as raised:
        ProjectWrite(str(folder), AFTER).apply()
    monkeypatch.undo()
    assert any("Input/output error" in line for line in raised.value.details)
    assert "nothing was changed" not in str(raised.value)
    recover(str(folder))
    assert files(folder) == AFTER


@pytest.mark.parametrize("times", [1, 1000])
def test_files_whose_journal_cannot_be_removed_are_put_back(folder, monkeypatch, times):
    unlink, refused = os.unlink, []

    def refuse(path):
        if path.endswith(".pmpipe-files") and len(refused) < times:
            refused.append(path)
            raise OSError(errno.EBUSY, "Device or resource busy", path)
        unlink(path)

    with monkeypatch.context() as patched:
        patched.setattr(os, "unlink", refuse)
        with pytest.raises(FilesystemError, match="Device or resource busy") as told:
            ProjectWrite(str(folder), AFTER).apply()
    assert ("nothing was changed" in str(told.value)) == (times == 1)
    recover(str(folder))
    assert files(folder) == BEFORE


def test_a_file_that_cannot_be_written_to_its_end_is_named(folder):
    write = ProjectWrite(str(folder), {"package-lock.json": b"x" * 5_000})
    with no_larger_files_than(1_000), pytest.raises(FilesystemError, match=r"cannot write \S*/package-lock\.json"):
        write.apply()
    assert files(folder) == BEFORE


class Killed(BaseException):
    """What a SIGKILL would end."""


@contextmanager
def _killed_after(steps, monkeypatch):
    """A SIGKILL after so many changes of the disk; a file that was being written then is cut off."""
    done = 0

    def counted(operation):
        def step(*arguments, **options):
            nonlocal done
            if done == steps:
                raise Killed
            done += 1
            return operation(*arguments, **options)

        return step

    with monkeypatch.context() as patched, suppress(Killed):
        for name in ("rename", "chmod", "unlink"):
            patched.setattr(os, name, counted(getattr(os, name)))
        patched.setattr("builtins.open", counted(open))
        yield


@pytest.mark.parametrize("steps", range(24))
def test_kill_at_any_step_is_followed_by_all_or_nothing(folder, steps, monkeypatch):
    with _killed_after(steps, monkeypatch):
        write = ProjectWrite(str(folder), AFTER)
        write.prepare()
        write.commit()
        write.finish()
    recover(str(folder))
    assert files(folder) in (BEFORE, AFTER)
    recover(str(folder))
    assert files(folder) in (BEFORE, AFTER)


@pytest.mark.parametrize("is_finished", [True, False])
@pytest.mark.parametrize("steps", range(28))
def test_kill_at_any_step_of_going_back_is_followed_by_all_or_nothing(folder, steps, is_finished, monkeypatch):
    write = ProjectWrite(str(folder), AFTER)
    write.prepare()
    write.commit()
    if is_finished:
        write.finish()
    with _killed_after(steps, monkeypatch):
        (write.undo if is_finished else write.roll_back)()
    recover(str(folder))
    assert files(folder) in (BEFORE, AFTER)


@pytest.mark.parametrize("steps", range(28))
def test_kill_while_renames_are_taken_back_is_followed_by_all_or_nothing(folder, steps, monkeypatch):
    write = ProjectWrite(str(folder), AFTER)
    write.prepare()
    rename = os.rename

    def refuse(source, target):
        if target.endswith("package-lock.json"):
            raise OSError(errno.EIO, "Input/output error", source)
        rename(source, target)

    with monkeypatch.context() as patched:
        patched.setattr(os, "rename", refuse)
        with pytest.raises(OSError, match="Input/output"):
            write.commit()
    with _killed_after(steps, monkeypatch):
        write.roll_back()
    recover(str(folder))
    assert files(folder) in (BEFORE, AFTER)


def test_a_link_that_a_project_brings_has_nothing_else_overwritten(folder):
    project = folder / "packages/a"
    (folder / "theirs").write_bytes(b"theirs")
    for name in ("package.json.pmpipe-new", "package-lock.json.pmpipe-new", ".pmpipe-files.partial"):
        (project / name).symlink_to("../../theirs")
    ProjectWrite(str(project), {"package.json": b"new", "package-lock.json": b"lock"}).apply()
    assert files(project) == {"package.json": b"new", "package-lock.json": b"lock"}
    assert not (project / "package-lock.json").is_symlink()
    assert (folder / "theirs").read_bytes() == b"theirs"


def test_a_journal_that_a_project_brings_removes_nothing_elsewhere(folder):
    project = folder / "packages"
    (project / "package-lock.json").symlink_to("../package.json")
    before = files(folder)
    for gone in ("../package.json", "package-lock.json"):
        (project / ".pmpipe-files").write_text(f'{{"paths": ["{gone}"], "committed": true, "gone": ["{gone}"]}}')
        recover(str(project))
        assert files(folder) == before


@pytest.mark.parametrize("journal", [b"{", b'{"paths": ["../x/.bashrc"], "committed": true}'])
def test_journal_that_is_none_of_ours_is_thrown_away(folder, journal):
    project = folder / "packages"
    (folder / "x").mkdir()
    (folder / "x/.bashrc.pmpipe-new").write_bytes(b"theirs")
    before = files(folder)
    (project / ".pmpipe-files").write_bytes(journal)
    recover(str(project))
    assert files(folder) == before


def test_what_has_failed_need_not_be_undone(folder, monkeypatch):
    rename = os.rename

    def refuse(source: str, destination: str) -> None:
        if destination.endswith("package-lock.json"):
            raise OSError(errno.ENOSPC, "No space left on device", source)
        rename(source, destination)

    write = ProjectWrite(str(folder), AFTER)
    with monkeypatch.context() as patched:
        patched.setattr(os, "rename", refuse)
        with pytest.raises(FilesystemError):
            write.apply()
    assert write.changed == ()
    write.undo()
    assert files(folder) == BEFORE


def test_recovery_that_fails_is_an_error(folder):
    (folder / ".pmpipe-files").mkdir()
    with pytest.raises(FilesystemError, match="cannot read"):
        recover(str(folder))
