"""Reading packuments, one after the other, in memory that is used again and again.

All packuments of a large project are hundreds of megabytes of JSON, of which a hundredth is ever looked at. So each is
inflated into the same room, lives there until the next one comes, and afterwards keeps its compressed body, a tenth of
it, to be read again for a version that nobody had asked for before.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from pmpipe.errors import ArchiveError, RegistryError
from pmpipe.npm.packument import Packument, decode_packument
from stages.inflate import Inflater, inflate
from stages.messages import ArchiveLimits

_Text = TypeVar("_Text", bytearray, memoryview)

#: Bytes of a packument, unpacked; the largest there are have some thirty million.
LONGEST_DOCUMENT = 128 << 20

#: JSON with thousands of like versions shrinks to a fiftieth; what shrinks more is made to fill memory.
_LIMITS = ArchiveLimits(entries=0, one_file=LONGEST_DOCUMENT, all_files=LONGEST_DOCUMENT, ratio=2_000)


class PackumentReader:
    """Reads packuments; one for a process."""

    def __init__(self) -> None:
        self._inflater = Inflater()
        #: whose text is in the room
        self._last: Packument | None = None

    def read(self, body: bytes | memoryview, name: str, *, gzipped: bool) -> Packument:
        """The packument in a document's body; the one read before it forgets its text (`Packument.compact`).

        Args:
            body: as received; it is copied.
            name: of the package that was asked for.
            gzipped: the body is under gzip.

        Raises:
            RegistryError: the body is no packument.
        """
        if self._last is not None:
            self._last.compact()
            self._last = None
        # libdeflate is given addresses, which Python has of writable memory only
        kept = bytearray(body)

        def again() -> bytearray:
            # into memory of its own: another one may be in the room, and this one may be kept for a while
            return _inflated(inflate, kept, name) if gzipped else kept

        text = _inflated(self._inflater.inflate, kept, name) if gzipped else kept
        self._last = decode_packument(text, name, again)
        return self._last


def _inflated(how: Callable[[memoryview, ArchiveLimits], _Text], body: bytearray, name: str) -> _Text:
    try:
        with memoryview(body) as view:
            return how(view, _LIMITS)
    except ArchiveError as error:
        raise RegistryError(
            f"the registry's answer for {name} cannot be read: {error.what}",
            hint="the registry or a proxy in front of it may be cutting answers off; try again",
        ) from error
