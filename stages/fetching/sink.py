"""Where a download's body goes: what a transfer asks of the one who wants its bytes."""

from __future__ import annotations

from typing import Protocol


class BodyTooLongError(Exception):
    """A body is, or says it will be, longer than the sink takes. `length` is in bytes."""

    def __init__(self, length: int) -> None:
        super().__init__(f"{length} bytes")
        self.length = length


class Sink(Protocol):
    """Where the body of a successful response goes. Called from within libcurl: it must not start or end transfers."""

    def begin(self, length: int | None) -> None:
        """A body starts, of `length` bytes if that is known.

        Raises:
            BodyTooLongError: the sink does not take so many.
        """

    def write(self, data: bytes | memoryview) -> bool:
        """Take the next bytes; False: not now, the same bytes come again after the transfer was resumed.

        Raises:
            BodyTooLongError: the sink does not take so many.
        """

    def rewind(self) -> None:
        """The attempt failed: forget everything since `begin`, which may not have been called."""
