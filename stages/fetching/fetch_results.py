"""What fetch asks a registry for a document by, and what it answers the main process."""

from __future__ import annotations

from pmpipe.errors import RegistryError
from stages.fetching.response_head import DocumentHead
from stages.fetching.transfer import Completed, NotModified
from stages.fetching.transfer_ending import Failure
from stages.messages import Failed, FetchDocument, FetchedDocument, FetchTarball, JobId, SharedBytes


def document_headers(job: FetchDocument) -> tuple[str, ...]:
    """The header lines of a document's request; it may come under gzip, and is kept as it comes."""
    headers = [f"Accept: {job.accept}", "Accept-Encoding: gzip"]
    if job.etag:
        headers.append(f"If-None-Match: {job.etag}")
    if job.last_modified:
        headers.append(f"If-Modified-Since: {job.last_modified}")
    return tuple(headers)


def document_result(
    number: JobId, head: DocumentHead, step: Completed | NotModified, source: SharedBytes | None
) -> FetchedDocument:
    """A document has come, or is what it was.

    Args:
        number: the job.
        head: what its answer's header said.
        step: how its download ended.
        source: where it lies; None if it is what it was.
    """
    return FetchedDocument(
        number, source, head.gzipped, head.etag, head.last_modified, head.fresh_s, step.wire_bytes, step.attempts
    )


def not_requested(job: FetchTarball | FetchDocument, failure: Failure) -> Failed:
    """The result of a job that nothing can be asked for."""
    what = f"{job.label} could not be fetched: {failure.what}"
    return Failed(job.job, failure.code, what, failure.details, failure.hint, failure.cause)


def withdrawn(number: JobId, label: str) -> Failed:
    """The result of a job that was given up."""
    return Failed(number, RegistryError.code, f"{label} is not needed any more")
