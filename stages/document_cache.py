"""The cache of documents: packuments as they came over the wire, with what is needed to ask whether they have changed.

::

    <store>/v1/packuments/<hex>  magic, length of the head (4 bytes), head (msgpack), body as received

The body is never decoded or compressed anew: what libcurl put into the arena is what ``sendfile`` takes out of it. A
file appears by one rename. Its modification time is when the registry last said that the document is current. A file
that is torn or of another format is as good as none.

Writing is a courtesy to the next run. It happens in a process of its own, which gets work only while its bounded queue
has room (see `pmpipe.resolving.machine`); a disk that is slow or full costs nothing but the copy.
"""

from __future__ import annotations

import hashlib
import mmap
import os
from collections.abc import Iterator
from typing import TYPE_CHECKING

import msgspec

from stages.arena import copy_to
from stages.messages import CachedDocument, CacheDocument, Job, Result

if TYPE_CHECKING:
    # the main process reads heads, and needs no processes for that
    from stages.worker import Handler

#: Changes with the format.
_MAGIC = b"pmpipe-document-1\n"
_LENGTH_BYTES = 4
_CREATE = os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_NOFOLLOW | os.O_CLOEXEC
_FILE_MODE = 0o600  # what a token gave access to is nobody else's

FOLDER_NAME = "packuments"


class KeptHead(msgspec.Struct, frozen=True, array_like=True):
    """What is known about a kept document.

    Attributes:
        url: where it came from.
        etag, last_modified: its validators; empty where there are none.
        fresh_s: so long (seconds) after the file's modification time it need not be asked for again.
        gzipped: the body is under gzip.
        length: of the body, in bytes.
    """

    url: str
    etag: str
    last_modified: str
    fresh_s: int
    gzipped: bool
    length: int


class KeptDocument(msgspec.Struct, frozen=True):
    """A document of the cache; `checked_s` is when it was last known to be current, in seconds since the epoch."""

    head: KeptHead
    body: memoryview
    checked_s: float

    def is_fresh(self, now_s: float) -> bool:
        """Whether it need not be asked for; a file from the future tells nothing."""
        return 0 <= now_s - self.checked_s < self.head.fresh_s


_head_decoder = msgspec.msgpack.Decoder(KeptHead)


def document_name(url: str, accept: str) -> str:
    """The name of a document's file: a digest of what is asked for."""
    return hashlib.sha256(f"{accept}\n{url}".encode()).hexdigest()


def encode_head(head: KeptHead) -> bytes:
    """What stands in the file in front of the body."""
    content = msgspec.msgpack.encode(head)
    return _MAGIC + len(content).to_bytes(_LENGTH_BYTES, "little") + content


def read_document(path: str) -> KeptDocument | None:
    """The document in a file; None if there is none, or none that can be used.

    Raises:
        OSError: there is one, and it cannot be read.
    """
    try:
        with open(path, "rb", buffering=0) as file:
            status = os.fstat(file.fileno())
            # libdeflate is given addresses, which Python has of writable memory only
            content = bytearray(status.st_size)
            is_whole = file.readinto(content) == len(content)
    except (FileNotFoundError, NotADirectoryError, PermissionError):
        # another user of a shared store keeps its documents for itself: they are asked for again
        return None
    start = len(_MAGIC) + _LENGTH_BYTES
    end = start + int.from_bytes(content[len(_MAGIC) : start], "little")
    try:
        head = _head_decoder.decode(content[start:end])
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return None
    if not (is_whole and content.startswith(_MAGIC)) or len(content) - end != head.length:
        return None
    return KeptDocument(head, memoryview(content)[end:], status.st_mtime)


def still_current(path: str) -> None:
    """Note that the registry has just said so; a file that is gone or cannot be touched will be asked for again."""
    try:
        os.utime(path)
    except OSError:
        return


def make_handler(arena: mmap.mmap) -> Handler:
    """The handler of `CacheDocument` jobs.

    Args:
        arena: where the bodies lie. It is only read.
    """

    def handle(job: Job) -> Iterator[Result]:
        assert isinstance(job, CacheDocument), job
        try:
            _write(job, arena)
        except OSError as error:
            yield CachedDocument(
                job.job, job.source.offset, f"cannot keep the packument of {job.label}: {error.strerror or error}"
            )
        else:
            yield CachedDocument(job.job, job.source.offset)

    return handle


def _write(job: CacheDocument, arena: mmap.mmap) -> None:
    partial = f"{job.staging}/document-{os.getpid()}-{os.urandom(6).hex()}"
    source = job.source
    try:
        fd = os.open(partial, _CREATE, _FILE_MODE)
        try:
            if os.write(fd, job.head) != len(job.head):
                raise OSError(0, "the disk is full")
            copy_to(fd, arena, source.offset, source.length)
        finally:
            os.close(fd)
        _publish(partial, job.path)
    except OSError:
        if os.path.lexists(partial):
            os.unlink(partial)
        raise


def _publish(partial: str, path: str) -> None:
    try:
        os.rename(partial, path)
    except FileNotFoundError:
        os.makedirs(os.path.dirname(path), exist_ok=True)
        os.rename(partial, path)
