"""Deletes files, links and whole folders by descriptors, so that no link is followed, not even one put there meanwhile.

A folder may be closed to its owner, as scripts leave some: it is opened up then.

A folder may be deeper than there are descriptors or Python frames: what lies below `_DEEPEST` is renamed to the top of
the folder that is being deleted, and emptied from there.
"""

from __future__ import annotations

import contextlib
import errno
import os
import stat
from collections.abc import Sequence

from pmpipe.npm.texts.text import printable
from stages.failure import filesystem_failure
from stages.messages import Failed, Remove, Removed

_FOLDER_FLAGS = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC

#: Levels below the folder that are entered before the rest is moved up; two descriptors are open per level.
_DEEPEST = 12


def remove(job: Remove) -> Removed | Failed:
    """Carry out one `Remove` job."""
    try:
        remove_tree(job.path)
    except OSError as error:
        where = error.filename if isinstance(error.filename, str) else job.path
        return filesystem_failure(job.job, f"cannot remove {printable(where)}", error)
    return Removed(job.job)


def remove_tree(path: str) -> None:
    """Delete what is at `path`, whatever it is; nothing there is no error.

    Raises:
        OSError: something could not be deleted; what was deleted until then is gone. It has the whole path.
    """
    try:
        mode = os.lstat(path).st_mode
    except (FileNotFoundError, NotADirectoryError):
        return
    if stat.S_ISDIR(mode):
        _remove_folder(path)
    else:
        _unlink(path, None)


def remove_at(name: bytes, folder: int) -> None:
    """As `remove_tree`, for an entry of the folder open as descriptor `folder`."""
    try:
        _unlink(name, folder)
    except IsADirectoryError:
        child = _open(name, folder)
        try:
            _Emptying(child).run()
        finally:
            os.close(child)
        _rmdir(name, folder)


def _remove_folder(path: str) -> None:
    top = _open(path, None)
    try:
        _Emptying(top).run()
    finally:
        os.close(top)
    _rmdir(path, None)


class _Emptying:
    """Deletes everything in the folder that is open as descriptor `top`."""

    def __init__(self, top: int) -> None:
        self._top = top
        #: names in `top` of folders that were moved up and are not empty yet
        self._moved: list[str] = []
        self._number = 0

    def run(self) -> None:
        self._empty(self._top, 0)
        while self._moved:
            moved, self._moved = self._moved, []
            self._remove_subfolders(self._top, moved, 0)

    def _empty(self, folder: int, depth: int) -> None:
        try:
            self._delete_entries(folder, depth)
        except PermissionError:
            if not _opened_up(folder):
                raise
            self._delete_entries(folder, depth)

    def _delete_entries(self, folder: int, depth: int) -> None:
        subfolders = []
        # listed as a whole first: some filesystems pass entries over when others are deleted between two reads
        try:
            with os.scandir(folder) as entries:
                listed = list(entries)
        except OSError as error:
            _name_place(error, folder)
            raise
        for entry in listed:
            if entry.is_dir(follow_symlinks=False):
                subfolders.append(entry.name)
            else:
                _unlink(entry.name, folder)
        self._remove_subfolders(folder, subfolders, depth)

    def _remove_subfolders(self, folder: int, names: Sequence[str], depth: int) -> None:
        for name in names:
            if depth >= _DEEPEST and self._move_up(name, folder):
                continue
            try:
                child = _open(name, folder)
            except FileNotFoundError:
                continue
            try:
                self._empty(child, depth + 1)
            finally:
                os.close(child)
            _rmdir(name, folder)

    def _move_up(self, name: str, folder: int) -> bool:
        """Whether it could be moved: overlayfs renames no folder of a lower layer, which is entered where it is."""
        try:
            return self._rename_up(name, folder)
        except PermissionError:
            # a folder that is closed cannot move
            child = _open(name, folder)
            try:
                _opened_up(child)
            finally:
                os.close(child)
            return self._rename_up(name, folder)

    def _rename_up(self, name: str, folder: int) -> bool:
        while True:
            self._number += 1
            moved = f".pmpipe-remove-{self._number}"
            try:
                os.rename(name, moved, src_dir_fd=folder, dst_dir_fd=self._top)
            except OSError as error:
                if error.errno == errno.EXDEV:
                    return False
                if error.errno not in (errno.EEXIST, errno.ENOTEMPTY, errno.ENOTDIR):
                    _name_place(error, folder, name)
                    raise
            else:
                self._moved.append(moved)
                return True


def _open(name: str | bytes, folder: int | None) -> int:
    """Open a folder for reading, even if it is closed to its owner."""
    try:
        try:
            return os.open(name, _FOLDER_FLAGS, dir_fd=folder)
        except PermissionError:
            # only so is no link followed
            itself = os.open(name, _FOLDER_FLAGS | os.O_PATH, dir_fd=folder)
            try:
                os.chmod(f"/proc/self/fd/{itself}", stat.S_IRWXU)
            finally:
                os.close(itself)
            return os.open(name, _FOLDER_FLAGS, dir_fd=folder)
    except OSError as error:
        _name_place(error, folder, name)
        raise


def _opened_up(folder: int) -> bool:
    """Let the owner delete what lies in an open folder; False if that was not what was in the way."""
    if os.fstat(folder).st_mode & stat.S_IRWXU == stat.S_IRWXU:
        return False
    os.fchmod(folder, stat.S_IRWXU)
    return True


def _unlink(name: str | bytes, folder: int | None) -> None:
    try:
        os.unlink(name, dir_fd=folder)
    except FileNotFoundError:
        return  # somebody else deleted it: that is what was wanted
    except OSError as error:
        _name_place(error, folder, name)
        raise


def _rmdir(name: str | bytes, folder: int | None) -> None:
    try:
        os.rmdir(name, dir_fd=folder)
    except FileNotFoundError:
        return
    except OSError as error:
        _name_place(error, folder, name)
        raise


def _name_place(error: OSError, folder: int | None, name: str | bytes = "") -> None:
    """Have an error name a whole path, where it has one that is relative to a descriptor, or the descriptor."""
    if folder is None:
        return
    # without /proc the error says what it did before
    with contextlib.suppress(OSError):
        place = os.readlink(f"/proc/self/fd/{folder}")
        error.filename = os.path.join(place, os.fsdecode(name)) if name else place
