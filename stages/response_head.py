"""What fetch reads of a response's header lines; libcurl has checked their form."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ResponseHead:
    """Status and body length in bytes, None where the length is not known before the body's end."""

    status: int
    length: int | None


def read_head(lines: Sequence[bytes]) -> ResponseHead:
    """The last response among header lines: interim ones and a proxy's come before it.

    Raises:
        ValueError: there is none.
    """
    length: int | None = None
    chunked = False
    for name, value in _last_response(lines):
        if name == b"content-length":
            length = _number(value)
        elif name == b"transfer-encoding":
            chunked = True
        elif name == b"":
            return ResponseHead(int(value), None if chunked else length)
    raise ValueError("header lines without a status line")


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


def _last_response(lines: Sequence[bytes]) -> Iterator[tuple[bytes, bytes]]:
    """The last response, backwards: names in lower case with their values, and the status without a name."""
    for line in reversed(lines):
        if line.startswith(b"HTTP/"):
            yield b"", line.split(None, 2)[1]
            return
        name, _, value = line.partition(b":")
        if value:
            yield name.lower(), value.strip()


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
