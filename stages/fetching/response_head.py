"""What fetch reads of a response's header lines; libcurl has checked their form."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache

import msgspec

#: Validators are a digest or a date; what is longer is made to fill messages and files.
_LONGEST_VALIDATOR = 1_000

#: The longest that RFC 9111 (1.2.2) has every cache understand: some 68 years.
_LONGEST_FRESH_S = 1 << 31

#: Codings have names; what is longer is made to fill messages.
_LONGEST_CODING = 100

#: What begins a response. A header line may begin with ``HTTP/``, too.
_STATUS_LINE = re.compile(rb"HTTP/[0-9.]+ +([0-9]{3})(?=\s|\Z)")

#: The names of gzip as a content coding.
GZIP_CODINGS = ("gzip", "x-gzip")


class ResponseHead(msgspec.Struct, frozen=True):
    """What is read of every response.

    Attributes:
        status: the status code.
        length: of the body in bytes; None: not known before the body's end.
        encoding: the body's content coding in lower case, empty where there is none.
        http2: it came over HTTP/2.
    """

    status: int
    length: int | None
    encoding: str = ""
    http2: bool = False


def read_head(lines: Sequence[bytes]) -> ResponseHead:
    """The last response among header lines: interim ones and a proxy's come before it.

    Raises:
        ValueError: there is none.
    """
    length: int | None = None
    chunked, encoding = False, b""
    for line in reversed(lines):
        # most lines are about something else, and this is done for every download
        first = line[:1]
        if first in b"cCtT":
            name, _, value = line.partition(b":")
            name = name.lower()
            if name == b"content-length":
                length = _number(value.strip())
            elif name == b"transfer-encoding":
                chunked = chunked or bool(value)
            elif name == b"content-encoding":
                encoding = value.strip()
        elif first == b"H" and (status := _STATUS_LINE.match(line)):
            http2 = line.startswith(b"HTTP/2")
            return ResponseHead(int(status[1]), None if chunked else length, _coding(encoding), http2)
    raise ValueError("header lines without a status line")


def _coding(value: bytes) -> str:
    coding = value[:_LONGEST_CODING].lower().decode("latin-1")
    return "" if coding == "identity" else coding


_BEYOND_ASCII = re.compile(rb"[\x80-\xff]")

_DOCUMENT_FIELDS = re.compile(
    rb"^(etag|last-modified|cache-control|content-encoding|age):[ \t]*(.*?)\s*$", re.IGNORECASE | re.MULTILINE
)


class DocumentHead(msgspec.Struct, frozen=True):
    """What a response says about its body as something to be kept.

    Attributes:
        gzipped: the body is under gzip.
        etag, last_modified: validators, as received; empty where there are none.
        fresh_s: so long (seconds) it need not be asked for again, reckoned from when it left the registry, which may be
            over; -1: it must not be kept.
    """

    gzipped: bool
    etag: str
    last_modified: str
    fresh_s: int


def read_document_head(lines: Sequence[bytes]) -> DocumentHead:
    """The last response among header lines, as a document.

    Source: RFC 9111, for a cache of one user's: ``private`` is no obstacle.
    """
    head = b"".join(lines)
    # this is done for every packument, and most lines are about something else
    found = [(name.lower(), value) for name, value in _DOCUMENT_FIELDS.findall(head, max(0, head.rfind(b"\nHTTP/")))]
    # of a field that comes several times, the first line counts
    fields = dict(reversed(found))
    return DocumentHead(
        gzipped=_coding(fields.get(b"content-encoding", b"")) in GZIP_CODINGS,
        etag=_validator(fields.get(b"etag", b"")),
        last_modified=_validator(fields.get(b"last-modified", b"")),
        fresh_s=_left_s(
            _fresh_s(b",".join([value for name, value in found if name == b"cache-control"])), fields.get(b"age", b"")
        ),
    )


def _validator(value: bytes) -> str:
    """A validator that a later request can carry; one that is too odd for that is as good as none."""
    text = value.decode("latin-1")
    return text if len(text) <= _LONGEST_VALIDATOR and text.isascii() and text.isprintable() else ""


def _left_s(fresh_s: int, age: bytes) -> int:
    return max(0, fresh_s - (_number(age) or 0)) if fresh_s > 0 else fresh_s


@lru_cache(maxsize=64)
def _fresh_s(cache_control: bytes) -> int:
    directives: dict[bytes, bytes] = {}
    for directive in cache_control.lower().split(b","):
        name, _, value = directive.partition(b"=")
        directives[name.strip()] = value.strip(b' "')
    if b"no-store" in directives:
        return -1
    if b"no-cache" in directives:
        return 0
    return min(_number(directives.get(b"max-age", b"")) or 0, _LONGEST_FRESH_S)


def retry_after_s(lines: Sequence[bytes], now_s: float) -> int:
    """The Retry-After header of the last response in whole seconds, rounded up; 0: none, or none that makes sense.

    Args:
        lines: header lines.
        now_s: seconds since the epoch, which the header's other form, an HTTP date, is compared with.
    """
    for name, value in _last_response(lines):
        if name == b"retry-after":
            seconds = _number(value)
            return _seconds_until(value.decode("latin-1"), now_s) if seconds is None else seconds
    return 0


def location(lines: Sequence[bytes]) -> str:
    """The Location header of the last response, or an empty string; bytes beyond ASCII are percent-encoded."""
    # of several lines the first one counts, as with libcurl
    value = next((value for name, value in reversed(_last_response(lines)) if name == b"location"), b"")
    return _BEYOND_ASCII.sub(lambda byte: b"%%%02X" % byte[0][0], value).decode("ascii")


def _last_response(lines: Sequence[bytes]) -> list[tuple[bytes, bytes]]:
    """The last response, backwards: names in lower case with their values, and the status without a name."""
    fields: list[tuple[bytes, bytes]] = []
    for line in reversed(lines):
        if status := _STATUS_LINE.match(line):
            fields.append((b"", status[1]))
            break
        name, _, value = line.partition(b":")
        if value:
            fields.append((name.lower(), value.strip()))
    return fields


def _number(value: bytes) -> int | None:
    # libcurl has refused lengths that are no number; what it lets pass must not raise here
    return int(value) if value.isdigit() and len(value) < 20 else None


def _seconds_until(date: str, now_s: float) -> int:
    from email.utils import mktime_tz, parsedate_tz

    parsed = parsedate_tz(date)
    if parsed is None:
        return 0
    try:
        return max(0, int(mktime_tz(parsed) - now_s + 0.999))
    except (ValueError, OverflowError):
        return 0
