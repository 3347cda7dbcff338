"""One question to the name server for a host: the first download asks, the others wait until there is an answer.

libcurl keeps what a name server has said, but what starts before there is an answer asks for itself: 48 downloads that
start together send 96 questions within a millisecond, and a name server that is small or guarded drops what it cannot
take. Who was not answered asks again after 2.5 s (musl's resolver) or 5 s (glibc's and c-ares'). To wait costs nothing:
nobody could connect without the answer.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Generic, TypeVar

_Download = TypeVar("_Download")


class NameGate(Generic[_Download]):
    """Who may start, and who waits for the name of a peer: an origin, or the proxy on the way to it.

    Whoever was let through has to be followed by a call of `open` for the same peer, or by one of `leave` when its
    request has ended, whatever has become of it. Otherwise those that wait would wait for ever.
    """

    def __init__(self) -> None:
        #: peers whose name has an answer, be it that there is none
        self._open: set[str] = set()
        #: of all other peers that were asked for: the download that asks, and all and only those that wait for it
        self._asking: dict[str, tuple[object, list[_Download]]] = {}

    def admits(self, peer: str, asker: object, download: _Download) -> bool:
        """Whether a download may start; if not, it is kept until `open`.

        Args:
            peer: whose name has to be known.
            asker: what is the same for all attempts of this download.
            download: what `open` is to return.
        """
        if peer in self._open:
            return True
        first, waiting = self._asking.setdefault(peer, (asker, []))
        if first is asker:
            return True
        waiting.append(download)
        return False

    def withdraw(self, is_meant: Callable[[_Download], bool]) -> _Download | None:
        """Take out a download that waits for a name; None if none that is meant does."""
        for _, waiting in self._asking.values():
            for download in waiting:
                if is_meant(download):
                    waiting.remove(download)
                    return download
        return None

    def open(self, peer: str) -> list[_Download]:
        """The peer's name has an answer, or nobody asks any more: those that waited, in their order."""
        self._open.add(peer)
        _, waiting = self._asking.pop(peer, (None, []))
        return waiting

    def leave(self, asker: object, staying_at: str = "") -> list[_Download]:
        """A request of this asker has ended, or will not be made: open what it has kept shut.

        Args:
            asker: as for `admits`.
            staying_at: the peer that its next request will ask for again, so that the others may go on waiting;
                empty: it asks for none.

        Returns:
            those that waited, in their order.
        """
        left = [peer for peer, (first, _) in self._asking.items() if first is asker and peer != staying_at]
        return [download for peer in left for download in self.open(peer)]
