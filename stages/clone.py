"""Store -> node_modules: fills package folders from store entries; also runs the comparing and the removing of folders.

A package folder is made by ``mkdir`` for each folder that the index lists, and one hardlink, reflink or copy for each
file (`stages.entries.place`). The worker knows no state between jobs but which devices can share blocks. What a job
could not finish it takes away again, so that after a failure a new folder is not there.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterable, Iterator, Sequence

import msgspec

from pmpipe.npm.texts.text import printable
from stages.entries.check import check
from stages.entries.layers import LayerProbe
from stages.entries.opened_entry import FOLDER_FLAGS, DamagedEntryError, OpenedEntry, opened_entry, path_text
from stages.entries.place import Placing, ReflinkProbe
from stages.failure import filesystem_failure
from stages.messages import Check, Clone, Cloned, Damaged, Failed, Job, Remove, Result
from stages.remove import remove, remove_at, remove_tree
from stages.worker import Handler

_FOLDER_MODE = 0o755

#: Paths in one result have about this many bytes together, so that it fits in a datagram.
_RESULT_BYTES = 16 << 10

#: Of what could not be deleted, so many lines are passed on; the rest is only counted.
_MAXIMUM_LEFT = 20


def make_handler() -> Handler:
    """The clone stage's handler of `Clone`, `Check` and `Remove` jobs.

    To be called in the worker process: it sets the umask to 0, since the modes in `node_modules` are npm's whatever the
    user's umask is, and a ``chmod`` after each ``mkdir`` would double the calls.
    """
    os.umask(0)
    probes = Probes()

    def handle(job: Job) -> Iterable[Result]:
        if isinstance(job, Clone):
            return _in_parts(clone(job, probes))
        if isinstance(job, Check):
            return check(job)
        if isinstance(job, Remove):
            return (remove(job),)
        raise TypeError(f"the clone stage has no {type(job).__name__} jobs")

    return handle


class Probes(msgspec.Struct):
    """What is remembered from job to job of the store's filesystem, and of the project's."""

    reflink: ReflinkProbe = msgspec.field(default_factory=ReflinkProbe)
    layer: LayerProbe = msgspec.field(default_factory=LayerProbe)


def clone(job: Clone, probes: Probes) -> Cloned | Damaged | Failed:
    """Carry out one `Clone` job; needs a umask of 0.

    Args:
        job: what to place, and where.
        probes: of earlier jobs.
    """
    try:
        with opened_entry(job.entry) as entry:
            return _restore(job, probes, entry) if job.only else _fill(job, probes, entry)
    except DamagedEntryError as error:
        return Damaged(job.job, f"{job.label}: {error}")
    except OSError as error:
        return filesystem_failure(job.job, f"{job.label}: cannot read {printable(job.entry)}", error)


# -- a whole package ----------------------------------------------------------------------------------------------


class _Created(msgspec.Struct):
    """What a job has made so far, for the case that it must be undone.

    Attributes:
        package: the package folder itself is new.
        folders: all and only the folders within it that are new, parents before children.
    """

    package: bool = False
    folders: list[bytes] = msgspec.field(default_factory=list)


def _fill(job: Clone, probes: Probes, entry: OpenedEntry) -> Cloned | Failed:
    index, created = entry.index, _Created()
    try:
        created.package = _make_package_folder(job.destination, replaces=job.replaces)
        destination = os.open(job.destination, FOLDER_FLAGS)
    except OSError as error:
        return filesystem_failure(job.job, _cannot_write(job, b""), error)
    placing = Placing(entry.folder, destination, index.paths, index.sizes, index.executable)
    try:
        _make_folders(index.folders, destination, created)
        _place(job, probes, placing, has_install_script=index.has_install_script)
    except DamagedEntryError:
        _undo(job, placing, created)
        raise
    except OSError as error:
        left = _undo(job, placing, created)
        return filesystem_failure(job.job, _cannot_write(job, _where(placing, error)), error, details=left)
    finally:
        os.close(destination)
    return _cloned(job, placing, tuple(path_text(folder) for folder in index.gyp_packages()))


def _place(job: Clone, probes: Probes, placing: Placing, *, has_install_script: bool) -> None:
    can_reflink = job.method != "copy" and probes.reflink.can_reflink(placing.entry, placing.destination)
    if job.method == "hardlink" or (job.method == "auto" and not can_reflink):
        # a script writes where it likes in its own package: never into files of the store
        if has_install_script or (job.method == "auto" and probes.layer.is_lower(job.entry, placing.entry)):
            placing.copy(reflink=can_reflink)
        else:
            placing.hardlink()
    elif job.method in ("auto", "reflink", "copy"):
        placing.copy(reflink=can_reflink)
    else:
        raise ValueError(f"no clone method is called {job.method!r}")


def _make_package_folder(path: str, *, replaces: bool = False) -> bool:
    """Make sure that a real folder is at `path`; True if it is new."""
    try:
        os.mkdir(path, _FOLDER_MODE)
    except FileNotFoundError:
        _make_parent(os.path.dirname(path))
        os.mkdir(path, _FOLDER_MODE)
    except FileExistsError:
        if not replaces and stat.S_ISDIR(os.lstat(path).st_mode):
            return False
        remove_tree(path)
        os.mkdir(path, _FOLDER_MODE)
    return True


def _make_parent(path: str) -> None:
    try:
        os.mkdir(path, _FOLDER_MODE)
    except FileNotFoundError:
        _make_parent(os.path.dirname(path))
        _make_parent(path)
    except FileExistsError:
        return  # another worker has just made it; if it is no folder, the next mkdir says so


def _make_folders(folders: Iterable[bytes], destination: int, created: _Created) -> None:
    mkdir, new = os.mkdir, created.folders
    for folder in folders:
        try:
            mkdir(folder, _FOLDER_MODE, dir_fd=destination)
        except FileExistsError:
            if stat.S_ISDIR(os.stat(folder, dir_fd=destination, follow_symlinks=False).st_mode):
                continue
            os.unlink(folder, dir_fd=destination)
            mkdir(folder, _FOLDER_MODE, dir_fd=destination)
        new.append(folder)


# -- some files of a package --------------------------------------------------------------------------------------


def _restore(job: Clone, probes: Probes, entry: OpenedEntry) -> Cloned | Failed:
    index, wanted = entry.index, set(job.only)
    numbers = [number for number, path in enumerate(index.paths) if path_text(path) in wanted]
    if len(numbers) != len(wanted):
        raise ValueError(f"{job.label} has not all of the files {job.only!r}")
    paths = [index.paths[number] for number in numbers]
    try:
        _make_package_folder(job.destination)
        destination = os.open(job.destination, FOLDER_FLAGS)
    except OSError as error:
        return filesystem_failure(job.job, _cannot_write(job, b""), error)
    sizes, executable = [index.sizes[n] for n in numbers], [index.executable[n] for n in numbers]
    placing = Placing(entry.folder, destination, paths, sizes, executable)
    try:
        parents = _parents(paths)
        _make_folders((folder for folder in index.folders if folder in parents), destination, _Created())
        for path in paths:
            remove_at(path, destination)
        _place(job, probes, placing, has_install_script=index.has_install_script)
    except OSError as error:
        return filesystem_failure(job.job, _cannot_write(job, _where(placing, error)), error)
    finally:
        os.close(destination)
    return _cloned(job, placing)


def _parents(paths: Iterable[bytes]) -> set[bytes]:
    parents = set()
    for path in paths:
        folder = os.path.dirname(path)
        while folder and folder not in parents:
            parents.add(folder)
            folder = os.path.dirname(folder)
    return parents


# -- how it ended -------------------------------------------------------------------------------------------------


def _cloned(job: Clone, placing: Placing, gyp: tuple[str, ...] = ()) -> Cloned:
    return Cloned(job.job, placing.reflinked, placing.hardlinked, placing.copied, sum(placing.sizes), gyp)


def _in_parts(result: Cloned | Damaged | Failed) -> Iterator[Cloned | Damaged | Failed]:
    """A result in as many as fit in a datagram each: nothing limits how many packages are bundled with one."""
    if isinstance(result, Cloned) and result.gyp:
        start = size = 0
        for position, folder in enumerate(result.gyp):
            size += len(folder.encode())
            if size > _RESULT_BYTES:
                yield Cloned(result.job, 0, 0, 0, 0, result.gyp[start : position + 1], more=True)
                start, size = position + 1, 0
        result = msgspec.structs.replace(result, gyp=result.gyp[start:])
    yield result


def _cannot_write(job: Clone, path: str | bytes) -> str:
    below = f"/{printable(path)}" if path else ""
    return f"{job.label}: cannot write {printable(job.destination)}{below}"


def _where(placing: Placing, error: OSError) -> str | bytes:
    # a write has no file name; then it is the file in hand
    if isinstance(error.filename, str | bytes):
        return error.filename
    return placing.paths[placing.placed] if placing.placed < len(placing.paths) else b""


def _undo(job: Clone, placing: Placing, created: _Created) -> tuple[str, ...]:
    """Delete what the job made, and nothing else; say what could not be deleted."""
    left: list[str] = []
    _delete(os.unlink, placing.paths[: placing.placed], placing.destination, left)
    _delete(os.rmdir, created.folders[::-1], placing.destination, left)
    if created.package:
        _delete(os.rmdir, (os.fsencode(job.destination),), None, left)
    if len(left) > _MAXIMUM_LEFT:
        left[_MAXIMUM_LEFT:] = [f"and {len(left) - _MAXIMUM_LEFT:,} more"]
    return tuple(left)


def _delete(delete: Callable[..., None], paths: Sequence[bytes], folder: int | None, left: list[str]) -> None:
    for path in paths:
        try:
            delete(path, dir_fd=folder)
        except FileNotFoundError:  # noqa: PERF203 - each of them may fail
            continue
        except OSError as error:
            left.append(f"left behind: {printable(path)}: {error.strerror}")
