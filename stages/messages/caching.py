"""What crosses the queues to and from the cache of documents."""

from __future__ import annotations

from stages.messages.base import JobId, Message, SharedBytes


class CacheDocument(Message, frozen=True):
    """Write one document as received to the cache, by one rename.

    Attributes:
        job: this job's number.
        label: the package's name, for messages.
        source: the body.
        head: what the cache keeps in front of it (`stages.document_cache`).
        staging: absolute path of the folder where it is written first.
        path: absolute path of the cache's file.
    """

    job: JobId
    label: str
    source: SharedBytes
    head: bytes
    staging: str
    path: str


class CachedDocument(Message, frozen=True):
    """The document is in the cache, or could not be written, for the reason given.

    Attributes:
        job: the job's number.
        offset: where in the arena the body lies; the writer has read it.
        problem: why it could not be written, or empty.
    """

    job: JobId
    offset: int
    problem: str = ""
