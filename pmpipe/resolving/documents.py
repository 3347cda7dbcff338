"""Reading packuments, one after the other, in memory that is used again and again.

All packuments of a large project are hundreds of megabytes of JSON, of which a hundredth is ever looked at. So each is
inflated into the same room, lives there until the next one comes, and afterwards keeps its body as it was received,
most often a tenth of it, to be read again for a version that nobody had asked for before. That happens in a second
room, so that neither takes fresh memory, whose page faults cost half as much as the inflating. For the same reason a
body that stays where it is, in the arena for example, is not copied.
"""

from __future__ import annotations

from pmpipe.errors import ArchiveError, RegistryError
from pmpipe.npm.packages.packument import Packument, decode_packument
from pmpipe.resolving.packument_requests import LONGEST_DOCUMENT
from stages.messages import ArchiveLimits
from stages.unpacking.inflate import Inflater

#: JSON with thousands of like versions shrinks to a fiftieth; what shrinks more is made to fill memory.
_LIMITS = ArchiveLimits(entries=0, one_file=LONGEST_DOCUMENT, all_files=LONGEST_DOCUMENT, ratio=2_000)


class PackumentReader:
    """Reads packuments; one for a process."""

    def __init__(self) -> None:
        self._new, self._old = _Room(), _Room()

    def read(self, body: bytes | memoryview, name: str, *, gzipped: bool, stays: bool = False) -> Packument:
        """The packument in a document's body; the one read before it forgets its text (`Packument.compact`).

        Args:
            body: as received.
            name: of the package that was asked for.
            gzipped: the body is under gzip.
            stays: the body will be there for as long as the packument is; otherwise it is copied.

        Raises:
            RegistryError: the body is no packument.
        """
        # libdeflate is given addresses, which Python has of writable memory only
        kept = body if stays else bytearray(body)

        def again() -> bytes | bytearray | memoryview:
            text = self._old.text(kept, name, gzipped=gzipped)
            self._old.holder = packument
            return text

        packument = decode_packument(self._new.text(kept, name, gzipped=gzipped), name, again)
        self._new.holder = packument
        return packument


class _Room:
    """Memory for the text of one packument at a time, which is its holder."""

    def __init__(self) -> None:
        self._inflater = Inflater()
        self.holder: Packument | None = None

    def text(self, body: bytes | bytearray | memoryview, name: str, *, gzipped: bool) -> bytes | bytearray | memoryview:
        """The text in a document's body; the holder, if there is one, forgets its own.

        Raises:
            RegistryError: the body cannot be unpacked.
        """
        if self.holder is not None:
            self.holder.compact()
            self.holder = None
        if not gzipped:
            return body
        try:
            with memoryview(body) as view:
                return self._inflater.inflate(view, _LIMITS)
        except ArchiveError as error:
            raise RegistryError(
                f"the registry's answer for {name} cannot be read: {error.what}",
                hint="the registry or a proxy in front of it may be cutting answers off; try again",
            ) from error
