"""What crosses the queues to and from extract: bytes -> store."""

from __future__ import annotations

from stages.messages.base import IntegrityText, JobId, Message, Source


class ArchiveLimits(Message, frozen=True):
    """Caps that an archive may not exceed; all in bytes except the number of entries and the ratio."""

    entries: int
    one_file: int
    all_files: int
    ratio: int


class Patch(Message, frozen=True):
    """A unified diff.

    Attributes:
        path: absolute.
        integrity: expected SRI of the file.
    """

    path: str
    integrity: str


class Extract(Message, frozen=True):
    """Verify one tarball and unpack it into the store.

    Attributes:
        job: this job's number.
        label: ``name@version`` for messages.
        source: where the bytes lie.
        integrity: expected SRI; empty where the lockfile has none, then nothing is compared.
        store: absolute path of the store's version folder; the entry's place follows from the strongest expected
            digest, or from the computed sha512 where none is expected (`stages.entries.entry.entry_path`).
        key: a digest text that names the entry instead of the tarball's own (git checkouts); empty otherwise.
        limits: caps on the archive.
        replace: the entry that stands there is damaged in a way its index does not show; put this one in its place.
        durable: flush files and folders to the disk before the entry appears.
        patch: what is applied to the package, which makes an entry of its own beside the tarball's.
    """

    job: JobId
    label: str
    source: Source
    integrity: IntegrityText
    store: str
    key: str
    limits: ArchiveLimits
    durable: bool
    replace: bool = False
    patch: Patch | None = None


class Extracted(Message, frozen=True):
    """The store holds the complete entry.

    Attributes:
        job: the job's number.
        entry: absolute path of the store entry.
        integrity: the expected SRI as given, or ``sha512-…`` as computed where none was given.
        files: number of regular files in the entry.
        unpacked_bytes: their total size.
        warnings: what was odd but harmless (an absolute path that was made relative), one line each.
    """

    job: JobId
    entry: str
    integrity: IntegrityText
    files: int
    unpacked_bytes: int
    warnings: tuple[str, ...]
