"""Links in node_modules: executables in ``.bin``, workspaces and ``file:`` folders.

What is already as it should be stays untouched, so that a second run costs a few system calls for each link. Whatever
else stands in the place of a link is replaced, as npm does it for a project's own ``.bin``. A replaced link is never
absent: the new one is made beside it, under a name that the next run of the same job uses again, and renamed.

Source: npm's ``bin-links`` (link-bin, link-gently, fix-bin) and arborist's reify.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable

from pmpipe.npm.manifests.bins import unix_hashbang
from pmpipe.npm.texts.text import printable
from stages.entries.opened_entry import ABSENT
from stages.entries.place import write_all
from stages.failure import filesystem_failure
from stages.messages import Failed, Job, LinkBins, Linked, Result, Symlink
from stages.remove import remove_tree
from stages.worker import Handler

_READ_FLAGS = os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK
_CREATE_FLAGS = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC

#: So much of an executable is read to see whether its first line needs a change.
_HEAD_BYTES = 2048


def make_handler() -> Handler:
    """The link stage's handler of `Symlink` and `LinkBins` jobs.

    To be called in the worker process, whose umask is the user's: as with npm it bounds the modes of
    executables.
    """
    umask = os.umask(0o077)
    os.umask(umask)
    mode = 0o777 & ~umask

    def handle(job: Job) -> Iterable[Result]:
        if isinstance(job, LinkBins):
            return (link_bins(job, mode),)
        if isinstance(job, Symlink):
            return (symlink(job),)
        raise TypeError(f"the link stage has no {type(job).__name__} jobs")

    return handle


def symlink(job: Symlink) -> Linked | Failed:
    """Carry out one `Symlink` job."""
    try:
        made = _make_link(job.path, os.path.relpath(job.target, os.path.dirname(job.path)))
    except OSError as error:
        doing = f"{job.label}: cannot link {printable(job.path)} to {printable(job.target)}"
        return filesystem_failure(job.job, doing, error)
    return Linked(job.job, int(made), ())


def link_bins(job: LinkBins, mode: int) -> Linked | Failed:
    """Carry out one `LinkBins` job.

    Args:
        job: the package, and its executables' names and targets.
        mode: permissions that the targets get.
    """
    made, missing = 0, []
    for name, target in job.bins:
        link, file = _places(job, name, target)
        try:
            if not _exists(file):
                missing.append(name)
                continue
            # first, so that a link that is in place means that its target is right, whenever a run was cut off
            _make_runnable(file, job.package, mode)
            if not made:
                _replace_foreign(job.bin_folder)
            made += _make_link(link, os.path.relpath(file, job.bin_folder))
        except OSError as error:
            doing = f"{job.label}: cannot link {printable(link)} to {printable(file)}"
            return filesystem_failure(job.job, doing, error)
    return Linked(job.job, made, tuple(missing))


def _places(job: LinkBins, name: str, target: str) -> tuple[str, str]:
    """Where the link and the executable are. Names and targets were normalized: anything else is our own bug."""
    inside = os.path.normpath(target)
    if os.path.isabs(inside) or inside.split("/", 1)[0] in ("", ".", "..") or "/" in name or name in ("", ".", ".."):
        raise ValueError(f"{job.label}: the executable {name!r} at {target!r} leaves its package")
    return f"{job.bin_folder}/{name}", f"{job.package}/{inside}"


def _exists(path: str) -> bool:
    try:
        os.lstat(path)
    except (FileNotFoundError, NotADirectoryError):
        return False
    return True


# -- links --------------------------------------------------------------------------------------------------------


def _make_link(path: str, text: str) -> bool:
    """Make `path` a symbolic link that reads `text`, whatever stands there; False if it already is one."""
    try:
        os.symlink(text, path)
    except FileNotFoundError:
        os.makedirs(os.path.dirname(path), exist_ok=True)
        os.symlink(text, path)
    except FileExistsError:
        return _replace_by_link(path, text)
    return True


def _replace_by_link(path: str, text: str) -> bool:
    mode = os.lstat(path).st_mode
    if stat.S_ISLNK(mode) and os.readlink(path) == text:
        return False
    if stat.S_ISDIR(mode):
        remove_tree(path)
    beside = _beside(path)
    os.symlink(text, beside)
    os.rename(beside, path)
    return True


def _replace_foreign(bin_folder: str) -> None:
    """Remove what stands in the place of ``.bin`` and is no folder: links are made in the project, not elsewhere."""
    try:
        if not stat.S_ISDIR(os.lstat(bin_folder).st_mode):
            os.unlink(bin_folder)
    except FileNotFoundError:
        return


def _beside(path: str) -> str:
    """A free name in the same folder, always the same for one `path`: what a killed run left there is removed."""
    folder, name = os.path.split(path)
    beside = f"{folder}/.pmpipe-{os.fsdecode(os.fsencode(name)[:200])}"
    remove_tree(beside)
    return beside


# -- executables --------------------------------------------------------------------------------------------------


def _make_runnable(file: str, package: str, mode: int) -> None:
    """Give an executable its mode, and its first line the end that the kernel understands.

    A file with several names may be the store's: it is replaced by a copy, never changed. A symbolic link in a
    workspace is followed as long as it stays there.
    """
    real = os.path.realpath(file)
    if not real.startswith(os.path.realpath(package) + "/"):
        return
    try:
        descriptor = os.open(real, _READ_FLAGS)
    except OSError as error:
        if error.errno in ABSENT:
            return  # a dangling link: npm links to it
        raise
    try:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            return
        content = _rewritten(descriptor, status.st_size)
        if content is None and stat.S_IMODE(status.st_mode) == mode:
            return
        if content is None and status.st_nlink == 1:
            os.fchmod(descriptor, mode)
            return
        if content is None:
            content = _read(descriptor, status.st_size)
    finally:
        os.close(descriptor)
    _replace(real, content, mode)


def _rewritten(descriptor: int, size: int) -> bytes | None:
    if unix_hashbang(os.pread(descriptor, _HEAD_BYTES, 0)) is None:
        return None
    return unix_hashbang(_read(descriptor, size))


def _read(descriptor: int, size: int) -> bytes:
    pieces = []
    done = 0
    while done < size and (piece := os.pread(descriptor, size - done, done)):
        pieces.append(piece)
        done += len(piece)
    return b"".join(pieces)


def _replace(path: str, content: bytes, mode: int) -> None:
    beside = _beside(path)
    descriptor = os.open(beside, _CREATE_FLAGS, 0o600)
    try:
        try:
            write_all(descriptor, content)
            os.fchmod(descriptor, mode)
        finally:
            os.close(descriptor)
        os.rename(beside, path)
    except BaseException:
        os.unlink(beside)
        raise
