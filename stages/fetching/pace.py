"""How fast transfers are: which have been too slow for too long. No clock, no libcurl.

libcurl has such a check, and its timer is lost in some versions (seen in 8.23, not in 8.12): of several transfers under
way only the one whose timer comes first is checked, and one that stands still is found when its connect timeout
comes, up to a minute late. So the check is made here, once a second for all.
"""

from __future__ import annotations

#: Who looks so late has stood still: stopped by Ctrl-Z, or on a host that is far too busy. It says nothing of a server.
_LONGEST_LOOK_S = 10.0


class Pace:
    """The pace of one request; to be looked at about once a second.

    Args:
        minimum_bytes_per_s: what is slower is slow.
    """

    __slots__ = ("_looked_at_s", "_minimum_bytes_per_s", "_received_bytes", "_slow_since_s")

    def __init__(self, minimum_bytes_per_s: int) -> None:
        self._minimum_bytes_per_s = minimum_bytes_per_s
        self._received_bytes = 0
        #: when it was looked at last, and since when it has been slow; None: it is not waiting for bytes
        self._looked_at_s: float | None = None
        self._slow_since_s = 0.0

    def pause(self) -> None:
        """It is not waiting for bytes: the request was not sent yet, or nobody takes what comes."""
        self._looked_at_s = None

    def slow_for_s(self, now_s: float, received_bytes: int) -> float:
        """For how long it has been slow, in seconds; 0 at the first look after the beginning, a pause or a long time.

        Args:
            now_s: the time on a clock that does not go back.
            received_bytes: of the body, since the request's beginning.
        """
        if not self._is_slow(now_s, received_bytes):
            self._slow_since_s = now_s
        self._looked_at_s, self._received_bytes = now_s, received_bytes
        return now_s - self._slow_since_s

    def _is_slow(self, now_s: float, received_bytes: int) -> bool:
        before_s = self._looked_at_s
        if before_s is None or now_s - before_s > _LONGEST_LOOK_S:
            return False
        return received_bytes - self._received_bytes < self._minimum_bytes_per_s * (now_s - before_s)
