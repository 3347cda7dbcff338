"""Packuments that were asked for before the resolver was there, until it wants them (see `pmpipe.resolving.beginning`).

Each answers one want: whoever wants it again asks for it anew.
"""

from __future__ import annotations

import msgspec

from stages.messages import Failed, FetchedDocument, SharedBytes, WantDocument

#: The number of a want that is not the resolver's.
FORESEEN = -1


class _Expected(msgspec.Struct):
    """One of them.

    Attributes:
        want: the resolver's, once there is one.
        result: what came of it, until it answers that.
    """

    want: WantDocument | None = None
    result: FetchedDocument | Failed | None = None


class Foreseen(msgspec.Struct):
    """What is foreseen, and not wanted or not there yet."""

    #: by URL and form
    _expected: dict[tuple[str, str], _Expected] = msgspec.field(default_factory=dict)

    def expect(self, asked: WantDocument) -> None:
        """A document is asked for."""
        self._expected[asked.url, asked.accept] = _Expected()

    def claim(self, want: WantDocument) -> bool:
        """Whether this document is there or on its way, and answers the want."""
        expected = self._expected.get((want.url, want.accept))
        if expected is None or expected.want is not None:
            return False
        expected.want = want
        return True

    def came(self, asked: WantDocument, result: FetchedDocument | Failed) -> bool:
        """A document is there, or cannot be had.

        Returns:
            whether the resolver wants it already.
        """
        expected = self._expected[asked.url, asked.accept]
        expected.result = result
        return expected.want is not None

    def take(self, asked: WantDocument) -> tuple[WantDocument, FetchedDocument | Failed] | None:
        """The resolver's want and what came of it, once there are both."""
        expected = self._expected[asked.url, asked.accept]
        if expected.want is None or expected.result is None:
            return None
        del self._expected[asked.url, asked.accept]
        return expected.want, expected.result

    def let_go(self) -> list[SharedBytes]:
        """Forget what has come; nobody will want it any more.

        Returns:
            where it lies in the arena.
        """
        sources: list[SharedBytes] = []
        for expected in self._expected.values():
            if isinstance(expected.result, FetchedDocument) and expected.result.source is not None:
                sources.append(expected.result.source)
            expected.result = None
        return sources

    def validate_end(self) -> None:
        """Assert that nothing lies there any more."""
        assert not any(expected.result for expected in self._expected.values())
