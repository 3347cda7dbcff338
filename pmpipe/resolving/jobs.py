"""The jobs of a resolution, made of what it wants."""

from __future__ import annotations

from pmpipe.resolving.packument_requests import LONGEST_DOCUMENT
from pmpipe.resolving.warming import Tarball
from pmpipe.tasks import Settings
from stages.document_cache import KeptHead, encode_head
from stages.messages import (
    CacheDocument,
    Extract,
    FetchDocument,
    FetchedDocument,
    FetchGit,
    FetchTarball,
    FindGitCommit,
    IntegrityText,
    JobId,
    SharedBytes,
    Source,
    WantCommit,
    WantDocument,
)


def fetch_document(job: JobId, want: WantDocument) -> FetchDocument:
    """Ask for a packument."""
    return FetchDocument(
        job,
        want.label,
        want.url,
        want.authorization,
        want.accept,
        want.etag,
        want.last_modified,
        LONGEST_DOCUMENT,
        want.certificate,
    )


def keep_document(
    job: JobId, want: WantDocument, result: FetchedDocument, source: SharedBytes, settings: Settings
) -> CacheDocument:
    """Write a packument that has come, and lies at `source`, to the cache."""
    head = KeptHead(want.url, result.etag, result.last_modified, result.fresh_s, result.gzipped, source.length)
    return CacheDocument(job, want.label, source, encode_head(head), settings.staging, want.cache_path)


def find_commit(job: JobId, want: WantCommit, settings: Settings) -> FindGitCommit:
    """Ask which commit a git reference means."""
    folder = _folder(job, settings)
    return FindGitCommit(job, want.label, want.repositories, want.reference, want.requested_range, folder)


def fetch(job: JobId, tarball: Tarball, settings: Settings) -> FetchTarball | FetchGit:
    """Download a tarball, or check a commit out."""
    if tarball.commit:
        folder = _folder(job, settings)
        return FetchGit(job, tarball.label, tarball.repositories, tarball.commit, tarball.subfolder, folder)
    limit = settings.limits.all_files
    return FetchTarball(job, tarball.label, tarball.url, tarball.authorization, limit, tarball.certificate)


def extract(job: JobId, tarball: Tarball, source: Source, settings: Settings) -> Extract:
    """Unpack what has come, and lies at `source`, into the store."""
    return Extract(
        job,
        tarball.label,
        source,
        IntegrityText(tarball.integrity),
        settings.store,
        tarball.key,
        settings.limits,
        settings.durable,
        replace=tarball.replace,
    )


def _folder(job: JobId, settings: Settings) -> str:
    return f"{settings.staging}/resolve-{settings.run}-{job}"
