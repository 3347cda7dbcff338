"""Changing a file of the project (lockfile, package.json) as a part of an install: by one rename, or not at all."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Sequence
from dataclasses import dataclass, field

from pmpipe.errors import FilesystemError
from pmpipe.project_files import read_file

_SUFFIX = ".pmpipe-partial"
_MODE = 0o666


@dataclass(slots=True)
class FileChange:
    """The new content of one file.

    Attributes:
        folder: absolute path of the folder that it is in.
        name: its name there.
        content: what it is to hold.
    """

    folder: str
    name: str
    content: bytes
    #: what it held; None: it did not exist
    _before: bytes | None = field(init=False, default=None)
    _applied: bool = field(init=False, default=False)

    @property
    def path(self) -> str:
        """Absolute path of the file."""
        return os.path.join(self.folder, self.name)

    def apply(self) -> None:
        """Change the file; one that holds just this already is left alone.

        Raises:
            FilesystemError: it cannot be read or written; it is as it was.
        """
        self._before = read_file(self.folder, self.name)
        if self._before == self.content:
            return
        self._write(self.content)
        self._applied = True

    def undo(self) -> None:
        """Put the file back as it was.

        Raises:
            FilesystemError: it cannot be written.
        """
        if not self._applied:
            return
        if self._before is None:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(self.path)
        else:
            self._write(self._before)
        self._applied = False

    def _write(self, content: bytes) -> None:
        # a link in its place leads to the file that is meant
        path = os.path.realpath(self.path)
        partial = f"{path}{_SUFFIX}"
        try:
            _write_partial(partial, content, _mode_of(path))
            os.rename(partial, path)
        except OSError as error:
            with contextlib.suppress(OSError):
                os.unlink(partial)
            raise FilesystemError(
                f"cannot write {self.path}: {error.strerror}", hint="check permissions and free space"
            ) from error


def apply_all(changes: Sequence[FileChange]) -> None:
    """Apply all of several changes, or none.

    Raises:
        FilesystemError: one of them cannot be made; all files are as they were.
    """
    with contextlib.ExitStack() as undoing:
        for change in changes:
            undoing.callback(change.undo)
            change.apply()
        undoing.pop_all()


def _mode_of(path: str) -> int:
    try:
        return os.stat(path).st_mode & 0o777
    except OSError:
        return -1


def _write_partial(partial: str, content: bytes, mode: int) -> None:
    fd = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC | os.O_NOFOLLOW, _MODE)
    with open(fd, "wb") as file:
        if mode >= 0:
            os.fchmod(fd, mode)
        file.write(content)


def remove_leftovers(folder: str, names: tuple[str, ...]) -> None:
    """Remove what a killed run has left of files that it was writing; a folder that cannot be written keeps it."""
    for name in names:
        with contextlib.suppress(OSError):
            os.unlink(os.path.join(folder, f"{name}{_SUFFIX}"))
