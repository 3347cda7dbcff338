"""Downloads that have to be started: for the first time or again, and what they wait for."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable

import msgspec

from stages.fetching.arena_sink import ArenaSink
from stages.fetching.name_gate import NameGate
from stages.fetching.transfer import Transfer
from stages.messages import JobId


class Waiting(msgspec.Struct, eq=False):
    """A download that is not under way."""

    transfer: Transfer
    sink: ArenaSink
    is_document: bool


class WaitingDownloads:
    """All and only downloads that are not under way: each waits for its turn, for a name, or for its next attempt.

    Args:
        loop: has the timers of next attempts.
        on_due: called when a download waits for its turn that did not before.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, on_due: Callable[[], None]) -> None:
        self._loop = loop
        self._on_due = on_due
        #: those whose turn is next, in this order; only `put` and `put_first` add to them
        self.documents: deque[Waiting] = deque()
        self.tarballs: deque[Waiting] = deque()
        self._names: NameGate[Waiting] = NameGate()
        self._retrying: dict[Waiting, asyncio.TimerHandle] = {}

    @property
    def are_none(self) -> bool:
        """Whether nothing waits for its turn or its next attempt; who waits for a name waits for one that asks."""
        return not (self.documents or self.tarballs or self._retrying)

    def put(self, waiting: Waiting) -> None:
        """Its turn comes after that of all others of its kind."""
        self._queue(waiting).append(waiting)

    def put_first(self, waiting: Waiting) -> None:
        """Its turn comes before that of all others of its kind."""
        self._queue(waiting).appendleft(waiting)

    def put_later(self, waiting: Waiting, wait_s: float) -> None:
        """The same, in so many seconds."""
        if wait_s <= 0:
            self.put_first(waiting)
        else:
            self._retrying[waiting] = self._loop.call_later(wait_s, self._on_retry, waiting)

    def hurry(self, origin: str) -> None:
        """Those that wait for another attempt at an origin need not wait any longer."""
        for waiting, timer in list(self._retrying.items()):
            if waiting.transfer.url.origin == origin:
                timer.cancel()
                del self._retrying[waiting]
                self.put_first(waiting)

    def take_out(self, number: JobId) -> Waiting | None:
        """Forget a job's download; None if none waits that is this job's."""
        for queue in (self.documents, self.tarballs):
            for waiting in queue:
                if waiting.transfer.job == number:
                    queue.remove(waiting)
                    return waiting
        for waiting in self._retrying:
            if waiting.transfer.job == number:
                self._retrying.pop(waiting).cancel()
                return waiting
        return self._names.withdraw(lambda waiting: waiting.transfer.job == number)

    # -- names of hosts: see `stages.fetching.name_gate` ---------------------------------------------------------------

    def admits(self, waiting: Waiting) -> bool:
        """Whether a download may start; if not, it waits for the name of its peer."""
        return self._names.admits(waiting.transfer.peer, waiting.transfer, waiting)

    def on_name(self, peer: str) -> None:
        """A peer's name has an answer."""
        self._let_go_on(self._names.open(peer))

    def leave(self, transfer: Transfer, staying_at: str = "") -> None:
        """A request has ended, or will not be made; it may have been the one that asks for a name.

        Args:
            transfer: whose request.
            staying_at: the peer that its next request asks for again.
        """
        self._let_go_on(self._names.leave(transfer, staying_at))

    def _let_go_on(self, waited: list[Waiting]) -> None:
        # they were waiting before all others
        for waiting in reversed(waited):
            self.put_first(waiting)
        if waited:
            self._on_due()

    def _on_retry(self, waiting: Waiting) -> None:
        del self._retrying[waiting]
        self.put_first(waiting)
        self._on_due()

    def _queue(self, waiting: Waiting) -> deque[Waiting]:
        return self.documents if waiting.is_document else self.tarballs
