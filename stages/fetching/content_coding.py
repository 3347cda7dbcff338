"""Content codings that nobody has asked for.

Tarballs are asked for as they are. A cache before the registry may have them under gzip all the same, because another
program asked for that and the cache ignores ``Vary``; and some servers take the ``.gz`` in a file's name for a coding.
npm takes the coding off whatever it is told, and looks at the digest then. Here the digest decides: what matches it as
it came is not touched. Without a digest it is npm's way, so that both write the same one into a lockfile.
"""

from __future__ import annotations

import zlib

from pmpipe.errors import ArchiveError
from pmpipe.npm.texts.text import printable
from pmpipe.npm.texts.url import Url
from stages.fetching.response_head import GZIP_CODINGS
from stages.fetching.transfer_ending import Failure
from stages.messages import ArchiveLimits
from stages.unpacking.inflate import Inflater, is_gzip

#: For failures of which a coding is the likely cause.
HINT = "the registry, or a cache before it, answers with a Content-Encoding that was not asked for: mend it there"


def without_coding(content: memoryview, encoding: str, limits: ArchiveLimits, inflater: Inflater) -> bytes | None:
    """What is under a coding; None: it is one that is not known, or there is something else under it.

    Args:
        content: as it came.
        encoding: the value of Content-Encoding in lower case.
        limits: how much may come out.
        inflater: its former result was released.
    """
    if encoding in GZIP_CODINGS and is_gzip(content):
        try:
            with inflater.inflate(content, limits) as inflated:
                return bytes(inflated)
        except ArchiveError:
            return None
    return _inflated(content, limits) if encoding == "deflate" else None


def _inflated(content: memoryview, limits: ArchiveLimits) -> bytes | None:
    # the coding is zlib's format; some servers send what is inside of that (RFC 9110, 8.4.1.2)
    for window_bits in (zlib.MAX_WBITS, -zlib.MAX_WBITS):
        unpacking = zlib.decompressobj(window_bits)
        try:
            found = unpacking.decompress(content, min(limits.all_files, len(content) * limits.ratio))
        except zlib.error:
            continue
        if unpacking.eof:
            return found
    return None


def said_of(encoding: str) -> str:
    """The line of a message that names a coding."""
    return f"it came under the content coding {printable(encoding)}, which was not asked for"


def unreadable_document(encoding: str, url: Url) -> Failure:
    """Why a document cannot be read that is under a coding which nobody has asked for."""
    said = f"{url.netloc} answered under the content coding {printable(encoding)}, which was not asked for"
    return Failure(what=said, hint=HINT, cause=f"content coding from {url.netloc}")
