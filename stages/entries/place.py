"""How the files of one store entry get into one package folder: reflinked, hardlinked or copied.

Hardlinking is the hot path of a warm install, some 150,000 files: one ``linkat`` each, relative to two descriptors, and
nothing else. Measured on ext4 and tmpfs (2 cores, 159,000 links, 20,000 folders), Python's share is a twentieth of the
time; the rest is the kernel's. A descriptor per folder, ``chdir``, sorted paths: none differs by more than the
noise.
"""

from __future__ import annotations

import errno
import fcntl
import os
import stat
from collections.abc import Sequence

import msgspec

from pmpipe.npm.texts.text import printable
from stages.entries.entry import INDEX_NAME
from stages.entries.opened_entry import ABSENT, DamagedEntryError

#: ioctl that shares all of a file's blocks with another file; `fcntl.FICLONE` exists from Python 3.12 on
_FICLONE = 0x40049409

#: A hardlink is not possible for this file, but a copy may be: other device, too many links, protected_hardlinks or
#: a filesystem without hardlinks.
_COPY_INSTEAD = frozenset({errno.EXDEV, errno.EMLINK, errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS})

#: The filesystem (or this pair of files) cannot share blocks.
_NO_REFLINK = frozenset(
    {errno.EXDEV, errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.EINVAL, errno.ENOTTY, errno.EAGAIN}
)

#: The kernel does not copy between these two files by itself.
_NO_KERNEL_COPY = frozenset({errno.EXDEV, errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.EINVAL})

#: Up to this many bytes a file is read and written at once; above, the kernel copies.
_AT_ONCE_BYTES = 256 << 10

_READ_FLAGS = os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK
_CREATE_FLAGS = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC

#: Modes of the files in a package folder, whatever the umask (the worker's is 0).
_PLAIN_MODE, _EXECUTABLE_MODE = 0o644, 0o755


class ReflinkProbe(msgspec.Struct):
    """Remembers which pairs of devices can share blocks."""

    #: (device of the store, device of the destination) -> they can
    _known: dict[tuple[int, int], bool] = msgspec.field(default_factory=dict)
    #: the store's filesystem has refused within itself: no other device will do either, and nothing need be asked
    _never: bool = False

    def can_reflink(self, entry: int, destination: int) -> bool:
        """Whether files of the folder `entry` can be reflinked into the folder `destination` (both descriptors).

        Args:
            entry: of the one store that this process clones from.
            destination: anywhere.
        """
        if self._never:
            return False
        pair = (os.fstat(entry).st_dev, os.fstat(destination).st_dev)
        known = self._known.get(pair)
        if known is None:
            known = self._known[pair] = _try_reflink(entry, destination)
            self._never = not known and pair[0] == pair[1]
        return known


def _try_reflink(entry: int, destination: int) -> bool:
    source = os.open(INDEX_NAME, _READ_FLAGS, dir_fd=entry)
    try:
        # an unnamed file: whatever happens, nothing has to be cleaned up
        unnamed = os.open(".", os.O_WRONLY | os.O_TMPFILE | os.O_CLOEXEC, 0o600, dir_fd=destination)
    except OSError as error:
        if error.errno in (errno.EOPNOTSUPP, errno.ENOTSUP, errno.EISDIR, errno.EINVAL):
            return False
        raise
    else:
        try:
            return _share_blocks(source, unnamed)
        finally:
            os.close(unnamed)
    finally:
        os.close(source)


def _share_blocks(source: int, target: int) -> bool:
    try:
        fcntl.ioctl(target, _FICLONE, source)
    except OSError as error:
        if error.errno in _NO_REFLINK:
            return False
        raise
    return True


class Placing(msgspec.Struct):
    """Some files of one store entry on their way into one package folder.

    Attributes:
        entry: descriptor of the store entry's folder.
        destination: descriptor of the package folder; all folders for `paths` exist in it.
        paths: the files, relative to both; nothing stands in their places.
        sizes: in bytes, one for each path.
        executable: one for each path.
        placed: how many of `paths`, from the first, are in place. Right also after an error: the file that failed,
            ``paths[placed]``, has left nothing behind.
        reflinked: how many of them share blocks with the store's file.
        hardlinked: how many of them are the store's file.
        copied: how many of them are files of their own.
    """

    entry: int
    destination: int
    paths: Sequence[bytes]
    sizes: Sequence[int]
    executable: Sequence[bool]
    placed: int = 0
    reflinked: int = 0
    hardlinked: int = 0
    copied: int = 0

    def hardlink(self) -> None:
        """Place all files as hardlinks, and as copies where the filesystem refuses one.

        Raises:
            DamagedEntryError: the store lacks a file.
            OSError: a file cannot be placed.
        """
        link, entry, destination = os.link, self.entry, self.destination
        for number, path in enumerate(self.paths):
            try:
                # a symbolic link in the store must not make a hardlink of the file it names, anywhere on this device
                link(path, path, src_dir_fd=entry, dst_dir_fd=destination, follow_symlinks=False)
            except OSError as error:  # noqa: PERF203 - free since Python 3.11, and each file may need its own way
                self.placed = number
                self._hardlink_refused(number, error)
        self.placed = len(self.paths)
        self.hardlinked = self.placed - self.copied

    def _hardlink_refused(self, number: int, error: OSError) -> None:
        if error.errno in _COPY_INSTEAD:
            self._copy(number, reflink=False)
            return
        if error.errno in ABSENT:
            # the same numbers are given when the destination vanishes
            self._require_source(self.paths[number])
        raise error

    def _require_source(self, path: bytes) -> None:
        try:
            os.stat(path, dir_fd=self.entry, follow_symlinks=False)
        except OSError as error:
            if error.errno in ABSENT:
                raise DamagedEntryError(f"{printable(path)} is missing") from error
            raise

    def copy(self, *, reflink: bool) -> None:
        """Place all files as new files.

        Args:
            reflink: share blocks with the store's files where the filesystem can.

        Raises:
            DamagedEntryError: the store lacks a file, or it is not as long as the index says.
            OSError: a file cannot be placed.
        """
        for number in range(len(self.paths)):
            self.placed = number
            self._copy(number, reflink=reflink)
        self.placed = len(self.paths)

    def _copy(self, number: int, *, reflink: bool) -> None:
        path, size = self.paths[number], self.sizes[number]
        source = self._open_source(path, size)
        try:
            mode = _EXECUTABLE_MODE if self.executable[number] else _PLAIN_MODE
            target = os.open(path, _CREATE_FLAGS, mode, dir_fd=self.destination)
            try:
                try:
                    shared = reflink and _share_blocks(source, target)
                    if not shared:
                        _copy_bytes(source, target, size, path)
                finally:
                    os.close(target)
            except BaseException:
                os.unlink(path, dir_fd=self.destination)
                raise
        finally:
            os.close(source)
        if shared:
            self.reflinked += 1
        else:
            self.copied += 1

    def _open_source(self, path: bytes, size: int) -> int:
        try:
            source = os.open(path, _READ_FLAGS, dir_fd=self.entry)
        except OSError as error:
            if error.errno in ABSENT:
                raise DamagedEntryError(f"{printable(path)} is missing") from error
            raise
        status = os.fstat(source)
        if not stat.S_ISREG(status.st_mode) or status.st_size != size:
            os.close(source)
            raise DamagedEntryError(f"{printable(path)} is not the file of {size:,} bytes that the index lists")
        return source


def _copy_bytes(source: int, target: int, size: int, path: bytes) -> None:
    done = 0
    if size > _AT_ONCE_BYTES:
        done = _copy_in_kernel(source, target, size)
        os.lseek(source, done, os.SEEK_SET)
    while done < size:
        piece = os.read(source, min(_AT_ONCE_BYTES, size - done))
        if not piece:
            raise DamagedEntryError(f"{printable(path)} was cut off while it was read")
        done += write_all(target, piece)


def _copy_in_kernel(source: int, target: int, size: int) -> int:
    """Copy as much as the kernel is willing to, and return how much that was."""
    done = 0
    try:
        # a count of 0 before the end: some filesystems say so instead of refusing
        while done < size and (count := os.copy_file_range(source, target, size - done)):
            done += count
    except OSError as error:
        if error.errno not in _NO_KERNEL_COPY:
            raise
    try:
        while done < size and (count := os.sendfile(target, source, done, size - done)):
            done += count
    except OSError as error:
        if error.errno not in _NO_KERNEL_COPY:
            raise
    return done


def write_all(target: int, content: bytes) -> int:
    """Write all of `content`, however little the system takes at once; return its length."""
    view = memoryview(content)
    while view:
        view = view[os.write(target, view) :]
    return len(content)
