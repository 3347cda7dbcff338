"""The extract stage: verify a tarball, unpack it, and make it a store entry.

The bytes are read where fetch has put them, in the shared arena, and go through memory only: digest, inflate, walk over
the headers, decide where every file goes. Not before all of that has succeeded is anything written, so a package is
never written in part because of what is in it.
"""

from __future__ import annotations

import hashlib
import mmap
import os
import stat
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import TypeVar

import msgspec

from pmpipe.errors import ArchiveError, FilesystemError, IntegrityError, PmpipeError
from pmpipe.npm.packages.integrity import Digest, strongest
from pmpipe.npm.texts.text import printable
from stages.entries.entry import EntryIndex, EntryPath, digest_entry_path, git_entry_path, patched_entry_name
from stages.entries.entry_writer import Content, StagedEntry, discard, whole_index
from stages.entries.opened_entry import DamagedEntryError, opened_entry
from stages.entries.store_trouble import store_trouble
from stages.messages import (
    ArchiveLimits,
    Damaged,
    Extract,
    Extracted,
    Failed,
    IntegrityText,
    Job,
    PackageFolder,
    Result,
    SharedBytes,
    StoreEntry,
    TarballFile,
    UsersFolder,
)
from stages.unpacking.inflate import Inflater, is_gzip
from stages.unpacking.layout import Layout
from stages.unpacking.package_json import read_facts
from stages.unpacking.packlist import PackedFile, pack_folder, read_packed
from stages.unpacking.patched import published_files, require_integrity
from stages.unpacking.tar import read_members
from stages.worker import Handler

SourceT = TypeVar("SourceT")

#: Of the warnings of one package, so many are passed on; the rest is only counted.
_MAXIMUM_WARNINGS = 20


def make_handler(arena: mmap.mmap) -> Handler:
    """The handler of `Extract` jobs.

    Args:
        arena: where the bytes of a `SharedBytes` lie. It is only read.

    Returns:
        A handler that yields one `Extracted` or `Failed` for a job, or `Damaged` if the store's entry of what is to be
        patched cannot be used. While it works, the process's umask is 0.
    """
    shared = _Shared(arena)
    inflater = Inflater()

    def handle(job: Job) -> Iterator[Result]:
        assert isinstance(job, Extract), job
        # files have exactly the modes that they are created with, which spares a chmod each
        umask = os.umask(0)
        try:
            yield _extract(job, shared, inflater)
        except DamagedEntryError as error:
            yield Damaged(job.job, str(error))
        except PmpipeError as error:
            what = error.what if isinstance(error, IntegrityError) else f"{printable(job.label)}: {error.what}"
            yield Failed(job.job, error.code, what, error.details, error.hint, _cause(error))
        finally:
            os.umask(umask)

    return handle


def _cause(error: PmpipeError) -> str:
    """What failures have in common when they are one problem: a full disk fails many packages."""
    # in a variable of `handle`, the error would keep itself alive, and with it all that the frames below it hold
    system = error.__cause__
    return system.strerror or "" if isinstance(system, OSError) else ""


class _Shared:
    """The tarballs in the arena."""

    def __init__(self, arena: mmap.mmap) -> None:
        self._arena = arena
        self._view = memoryview(arena)

    def content(self, source: SharedBytes) -> memoryview:
        """One tarball."""
        return self._view[source.offset : source.offset + source.length]

    def let_go(self, source: SharedBytes) -> None:
        """Count one no longer as memory of this process; it stays in the arena."""
        # its first and its last page may be a neighbour's, too
        first = -(-source.offset // mmap.PAGESIZE) * mmap.PAGESIZE
        length = (source.offset + source.length) // mmap.PAGESIZE * mmap.PAGESIZE - first
        if length > 0:
            self._arena.madvise(mmap.MADV_DONTNEED, first, length)


def _extract(job: Extract, shared: _Shared, inflater: Inflater) -> Extracted:
    if isinstance(job.source, StoreEntry):
        return _patch(job, job.source.path, job.integrity, ())
    unpacked = _unpack(job, shared, inflater)
    if job.patch is None:
        return unpacked
    return _patch(job, unpacked.entry, unpacked.integrity, unpacked.warnings)


def _unpack(job: Extract, shared: _Shared, inflater: Inflater) -> Extracted:
    source = job.source
    if isinstance(source, PackageFolder):
        return _extract_folder(job, source.path)
    if isinstance(source, UsersFolder):
        return _extract_copy(job, source.path)
    if isinstance(source, TarballFile):
        with memoryview(_read_file(source.path, job.limits)) as content:
            return _extract_tarball(job, content, inflater)
    assert isinstance(source, SharedBytes)
    with shared.content(source) as content:
        if source.encoding:
            return _extract_coded(job, content, source.encoding, inflater)
        return _extract_tarball(job, content, inflater, partial(shared.let_go, source))


def _extract_coded(job: Extract, content: memoryview, encoding: str, inflater: Inflater) -> Extracted:
    """Make an entry of a tarball that the server says is under a content coding."""
    # loaded only here: no registry does so by itself
    from stages.fetching.content_coding import HINT, said_of, without_coding

    decoded, chosen = None, content
    if not (job.integrity and _matches(job, content)):
        decoded = without_coding(content, encoding, job.limits, inflater)
    if decoded is not None and (not job.integrity or _matches(job, decoded)):
        chosen = memoryview(decoded)
    try:
        return _extract_tarball(job, chosen, inflater)
    except (ArchiveError, IntegrityError) as error:
        hint = error.hint if decoded is not None else HINT
        raise type(error)(error.what, details=(*error.details, said_of(encoding)), hint=hint) from error


def _extract_tarball(
    job: Extract, content: memoryview, inflater: Inflater, let_go: Callable[[], None] | None = None
) -> Extracted:
    digest = _verified_digest(job, content)
    integrity = job.integrity or IntegrityText(str(digest))
    entry = git_entry_path(job.store, job.key) if job.key else digest_entry_path(job.store, digest)
    if (present := _present(job, entry)) is not None:
        return _extracted(job, entry, present, integrity, [])
    with inflater.inflate(content, job.limits, let_go) if is_gzip(content) else memoryview(content) as tar:
        layout: Layout[slice] = Layout(job.limits.entries)
        add = layout.add
        for member in read_members(tar, job.limits):
            if member.regular:
                add(member.name, member.content, executable=member.executable)
            else:
                layout.check_folder(member.name)
        index = _write(job, layout, tar.__getitem__, entry, integrity)
    inflater.give_back()
    return _extracted(job, entry, index, integrity, layout.warnings)


def _extract_folder(job: Extract, folder: str) -> Extracted:
    entry = git_entry_path(job.store, job.key)
    try:
        if (present := _present(job, entry)) is not None:
            return _extracted(job, entry, present, job.integrity, [])
        layout: Layout[PackedFile] = Layout(job.limits.entries)
        for file in pack_folder(folder, job.limits):
            # a tarball's members have one segment more, and npm makes a tarball of the folder
            layout.add(b"package/" + file.path, file, executable=file.executable)
        index = _write(job, layout, read_packed, entry, job.integrity)
        return _extracted(job, entry, index, job.integrity, layout.warnings)
    finally:
        discard(folder)


def _extract_copy(job: Extract, folder: str) -> Extracted:
    """Make an entry of a folder of the user's, as npm does it by making a tarball of the folder first."""
    if job.integrity:
        raise IntegrityError(
            f"{printable(job.label)} has a digest, but is the folder {printable(folder)}, and no tarball",
            hint="remove its integrity from package-lock.json and install again",
        )
    layout: Layout[bytes] = Layout(job.limits.entries)
    for file in pack_folder(folder, job.limits):
        # read once: somebody may be writing there
        layout.add(b"package/" + file.path, read_packed(file), executable=file.executable)
    entry = digest_entry_path(job.store, _folder_digest(layout))
    if (present := _present(job, entry)) is not None:
        return _extracted(job, entry, present, "", layout.warnings)
    index = _write(job, layout, bytes, entry, "")
    return _extracted(job, entry, index, "", layout.warnings)


def _patch(job: Extract, published: str, integrity: str, warnings: tuple[str, ...]) -> Extracted:
    """Make an entry of a package in the store and the patch that belongs to it."""
    assert job.patch is not None, "what is in the store is only made into something else"
    entry = EntryPath(f"{job.store}/{patched_entry_name(os.path.relpath(published, job.store), job.patch.integrity)}")
    index = _present(job, entry)
    if index is None:
        content = bytes(_read_file(job.patch.path, job.limits))
        require_integrity(content, job.patch.integrity)
        with store_trouble(published, "read"), opened_entry(published) as opened:
            files = published_files(opened, job.label, job.limits.entries)
            files.apply(content)
            index = _write(job, files.layout, files.read, entry, integrity or opened.index.integrity)
    made = _extracted(job, entry, index, integrity or index.integrity, ())
    return msgspec.structs.replace(made, warnings=warnings)


def _folder_digest(layout: Layout[bytes]) -> Digest:
    """What names the entry of a folder, for which there is no tarball: the digest of all paths, modes and contents."""
    found = hashlib.sha512(b"folder")
    for path in sorted(layout.files):
        content = layout.files[path]
        found.update(b"%d:%b%d:%d:" % (len(path), path, path in layout.executable, len(content)))
        found.update(content)
    return Digest("sha512", found.hexdigest())


def _write(
    job: Extract, layout: Layout[SourceT], read: Callable[[SourceT], Content], entry: EntryPath, integrity: str
) -> EntryIndex:
    """Make the entry; returns the index of what is in its place afterwards."""
    layout.finish()
    files = layout.files
    facts = read_facts(files, layout.folders, lambda path: bytes(read(files[path])))
    with StagedEntry(job.store, durable=job.durable) as staged:
        index = staged.write(layout, read, facts, integrity)
        return staged.publish(entry, index, replace=job.replace)


def _verified_digest(job: Extract, content: memoryview) -> Digest:
    """The digest that names the tarball's entry: the expected one that it matches, or its sha512 if none is expected.

    Raises:
        IntegrityError: it matches none, or none of what is expected is a digest.
    """
    if not job.integrity:
        return Digest("sha512", hashlib.sha512(content).hexdigest())
    expected = strongest(job.integrity)
    found = _digest(content, expected[0].algorithm)
    if found not in expected:
        raise IntegrityError(
            f"integrity mismatch for {printable(job.label)}",
            details=(
                f"tarball:  {len(content):,} bytes",
                f"expected: {' or '.join(map(str, expected))}   got: {found}",
            ),
            hint="if it was republished, remove it from package-lock.json and install again",
        )
    return found


def _matches(job: Extract, content: memoryview | bytes) -> bool:
    expected = strongest(job.integrity)
    return _digest(content, expected[0].algorithm) in expected


def _digest(content: memoryview | bytes, algorithm: str) -> Digest:
    return Digest(algorithm, hashlib.new(algorithm, content).hexdigest())


def _present(job: Extract, entry: EntryPath) -> EntryIndex | None:
    """The index of the entry if another installer has made it meanwhile."""
    if job.replace:
        return None
    # nearly never: a question that is answered without an exception
    if not os.access(entry, os.F_OK):
        return None
    with store_trouble(entry, "read"):
        return whole_index(entry)


def _extracted(job: Extract, entry: EntryPath, index: EntryIndex, integrity: str, warnings: Sequence[str]) -> Extracted:
    shown = [f"{printable(job.label)}: {warning}" for warning in warnings[:_MAXIMUM_WARNINGS]]
    if len(warnings) > _MAXIMUM_WARNINGS:
        shown.append(f"{printable(job.label)}: {len(warnings) - _MAXIMUM_WARNINGS:,} more of the kind")
    return Extracted(job.job, entry, IntegrityText(integrity), len(index.paths), sum(index.sizes), tuple(shown))


def _read_file(path: str, limits: ArchiveLimits) -> bytearray:
    """A tarball on disk.

    Raises:
        FilesystemError: it cannot be read, or is no regular file.
        ArchiveError: it is longer than anything that may come out of it.
    """
    try:
        # a FIFO or device in its place must not block
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
        try:
            status = os.fstat(fd)
            if not stat.S_ISREG(status.st_mode):
                raise FilesystemError(f"cannot read {printable(path)}: it is no regular file")
            if status.st_size > limits.all_files:
                raise ArchiveError(f"{printable(path)} is longer than {limits.all_files:,} bytes, which is the limit")
            content = bytearray(status.st_size)
            length = 0
            with memoryview(content) as view:
                while count := os.readv(fd, [view[length:]]):
                    length += count
            return content[:length] if length < len(content) else content
        finally:
            os.close(fd)
    except OSError as error:
        raise FilesystemError(f"cannot read {printable(path)}: {error.strerror}") from error
