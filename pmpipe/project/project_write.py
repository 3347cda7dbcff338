"""Writing a project's package.json files and its lockfile: all of them or none, whatever happens in between.

They are the last thing that a command changes::

    prepare ──> (node_modules changes) ──> commit ──> finish
       └────────────────┴── failure: roll_back ─┘

`prepare` writes every new content beside its file, where a full disk or a folder that cannot be written shows;
`commit` has nothing left to do but renames. A journal in the project's folder tells the next run what a killed one had
in hand: before the commit the new contents are thrown away, from then on they are put in place. Going back after a
commit has begun is a change of the same kind: the former contents lie beside the files before the journal says that
they count.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable, Mapping
from contextlib import suppress

import msgspec

from pmpipe.errors import FilesystemError, after
from pmpipe.project.project_files import LOCKFILES, MANIFEST, YARN_LOCK
from pmpipe.system.owners import unwritable_hint
from pmpipe.system.presence import is_link, is_there
from pmpipe.system.whole_file import PARTIAL, naming, new_file, write_whole

JOURNAL = ".pmpipe-files"
_SUFFIX = ".pmpipe-new"
#: of what a file held before, while a commit that has failed is taken back
_FORMER_SUFFIX = ".pmpipe-former"


class _Journal(msgspec.Struct, frozen=True):
    """What is being written.

    Attributes:
        paths: of the files, relative to the project; the new content of each lies beside it.
        committed: the new contents count.
        gone: those of `paths` that are to be removed, once that counts.
        goes_back: the former contents are what counts; those of files that have changed lie beside them, too.
    """

    paths: tuple[str, ...] = ()
    committed: bool = False
    gone: tuple[str, ...] = ()
    goes_back: bool = False


class ProjectWrite:
    """Some of a project's files that are to get new contents.

    Args:
        folder: absolute path of the project.
        files: the new contents, by path relative to the project; None for a file that is to be removed.
    """

    def __init__(self, folder: str, files: Mapping[str, bytes | None]) -> None:
        self.folder = folder
        self.files = dict(files)
        #: what the files held that have been exchanged; None where there was none
        self._before: dict[str, bytes | None] = {}
        self._began = False

    @property
    def changed(self) -> tuple[str, ...]:
        """The files that `commit` has exchanged, relative to the project."""
        return tuple(self._before)

    def prepare(self) -> None:
        """Write the new contents beside the files; those that hold just this already are left alone.

        Raises:
            OSError: one cannot be written; `roll_back` removes the others.
        """
        self.files = {
            path: content for path, content in self.files.items() if _content(_target(self.folder, path)) != content
        }
        if not self.files:
            return
        self._began = True
        _write_journal(self.folder, _Journal(tuple(self.files)))
        for path, content in self.files.items():
            if content is not None:
                _write_beside(_target(self.folder, path), _SUFFIX, content)

    def commit(self) -> None:
        """Put the new contents in place.

        Raises:
            OSError: that has failed; `roll_back` puts back what was exchanged.
        """
        if not self._began:
            return
        for path in self.files:
            self._before[path] = _content(_target(self.folder, path))
        gone = tuple(path for path, content in self.files.items() if content is None)
        _write_journal(self.folder, _Journal(tuple(self.files), committed=True, gone=gone))
        for path, content in self.files.items():
            target = _target(self.folder, path)
            if content is None:
                os.unlink(target)
            else:
                os.rename(target + _SUFFIX, target)

    def roll_back(self) -> None:
        """After a failure: the files are as they were.

        Raises:
            OSError: one cannot be put back; the next run will try to bring the command to its end instead.
        """
        if not self._began:
            return
        if self._before:
            self._go_back()
        _discard(self.folder, tuple(self.files))
        self._began = False

    def _go_back(self) -> None:
        gone = []
        for path, content in self._before.items():
            target = _target(self.folder, path)
            if _content(target) == content:
                continue
            if content is None:
                gone.append(path)
            else:
                _write_beside(target, _FORMER_SUFFIX, content)
        journal = _Journal(tuple(self.files), committed=True, gone=tuple(gone), goes_back=True)
        _write_journal(self.folder, journal)
        _put_in_place(self.folder, journal)

    def finish(self) -> None:
        """After success: the journal goes."""
        if self._began:
            os.unlink(f"{self.folder}/{JOURNAL}")
            self._began = False

    def apply(self) -> None:
        """All of it at once; `undo` takes it back.

        Raises:
            FilesystemError: a file cannot be written; all are as they were, unless the message says otherwise.
        """
        try:
            self.exchange()
        except OSError as error:
            raise FilesystemError(
                f"cannot write {error.filename}: {error.strerror}",
                hint=f"{unwritable_hint(error)}; nothing was changed",
            ) from error

    def exchange(self) -> None:
        """As `apply`.

        Raises:
            OSError: a file cannot be written; all are as they were.
            FilesystemError: one that had been written cannot be put back either.
        """
        try:
            self.prepare()
            self.commit()
            self.finish()
        except BaseException as cause:
            try:
                self.roll_back()
            except OSError as error:
                raise _not_put_back(self._before, error, cause) from error
            self._before = {}
            raise

    def undo(self) -> None:
        """Put back what `apply` has exchanged.

        Raises:
            FilesystemError: a file cannot be put back.
        """
        before, self._before = self._before, {}
        try:
            ProjectWrite(self.folder, before).exchange()
        except OSError as error:
            raise _not_put_back(before, error) from error


def recover(folder: str) -> None:
    """Bring a project's files into one of two states after a run was killed: as before it, or as it meant them to be.

    Args:
        folder: absolute path of the project, locked.

    Raises:
        FilesystemError: they cannot be written.
    """
    try:
        with open(f"{folder}/{JOURNAL}", "rb") as file:
            data = file.read()
    except (FileNotFoundError, NotADirectoryError):
        data = b"{}"
    except OSError as error:
        raise FilesystemError(f"cannot read {folder}/{JOURNAL}: {error.strerror}") from error
    try:
        journal = _read_journal(data, folder)
        if journal.committed:
            _put_in_place(folder, journal)
        _discard(folder, journal.paths)
    except OSError as error:
        raise FilesystemError(
            f"cannot finish what a killed run was writing: {error.filename}: {error.strerror}"
        ) from error


def _read_journal(data: bytes, folder: str) -> _Journal:
    """A journal; an empty one if this is none, or none of ours: it may have come with the project."""
    try:
        journal = msgspec.json.decode(data, type=_Journal)
    except msgspec.MsgspecError:
        return _Journal()
    names = (MANIFEST, *LOCKFILES, YARN_LOCK)
    ours = all(os.path.basename(path) in names for path in journal.paths)
    # what a run makes, and takes away again, lies in the project's own folder; what a link leads to, nobody knows where
    ours = ours and all(path in names and not is_link(f"{folder}/{path}") for path in journal.gone)
    return journal if ours else _Journal()


def _put_in_place(folder: str, journal: _Journal) -> None:
    """Have what counts by a journal stand in place, whatever of it does already."""
    suffix = _FORMER_SUFFIX if journal.goes_back else _SUFFIX
    for path in journal.paths:
        target = _target(folder, path)
        if is_there(target + suffix):
            os.rename(target + suffix, target)
    for path in journal.gone:
        with suppress(FileNotFoundError):
            os.unlink(_target(folder, path))


def _target(folder: str, path: str) -> str:
    """The file itself: a link to it stays a link."""
    return os.path.realpath(f"{folder}/{path}")


def _not_put_back(paths: Iterable[str], error: OSError, cause: BaseException | None = None) -> FilesystemError:
    return FilesystemError(
        f"cannot put back {' and '.join(paths)}: {error.strerror}",
        details=(f"path: {error.filename}", *after(cause)),
        hint="the next `pmpipe install` goes by what the files say now",
    )


def _write_beside(target: str, suffix: str, content: bytes) -> None:
    """Write what a file is to hold into a new one beside it, with the same owner and mode."""
    with naming(target + suffix), new_file(target + suffix) as file:
        file.write(content)
    with suppress(FileNotFoundError):
        _keep_owner_and_mode(target + suffix, os.stat(target))


def _keep_owner_and_mode(path: str, before: os.stat_result) -> None:
    """Give a file the owner, group and mode of the one that it is to replace."""
    made = os.stat(path)
    if (made.st_uid, made.st_gid) != (before.st_uid, before.st_gid):
        # only root may give files away; who may not is their owner from now on
        with suppress(PermissionError):
            os.chown(path, before.st_uid, before.st_gid)
    # after the owner: a change of owner takes special bits away
    os.chmod(path, stat.S_IMODE(before.st_mode))


def _content(path: str) -> bytes | None:
    try:
        with naming(path), open(path, "rb") as file:
            return file.read()
    except FileNotFoundError:
        return None


def _write_journal(folder: str, journal: _Journal) -> None:
    write_whole(f"{folder}/{JOURNAL}", msgspec.json.encode(journal))


def _discard(folder: str, paths: tuple[str, ...]) -> None:
    beside = [_target(folder, path) + suffix for path in paths for suffix in (_SUFFIX, _FORMER_SUFFIX)]
    leftovers = [*beside, f"{folder}/{JOURNAL}{PARTIAL}"]
    # the journal last: without it nobody would know of the others
    for path in (*leftovers, f"{folder}/{JOURNAL}"):
        # on a read-only filesystem even the removal of what is not there fails
        if is_there(path):
            os.unlink(path)
