"""Fewer requests at a time where a registry says that there are too many. No I/O, no clock.

As long as no registry answers 429 or 503, nothing is held back. Once one does, nothing new is asked for during a pause;
what is refused in it belongs to the same trouble. Then a few requests go out, and more for each that succeeds, quickly
up to half of what was too many and slowly beyond (as TCP does it). So those that were refused, which come first, find a
registry that takes them: each has but a few attempts.
"""

from __future__ import annotations

#: Requests at a time after a pause.
_FEWEST = 2.0


class Brake:
    """It is for all registries together: hardly any run has more than one that is slow to answer.

    Args:
        most: requests at a time when nothing is held back.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._limit = float(most)
        self._half = float(most)
        self._held_until_s = 0.0

    def refused(self, now_s: float, pause_s: float, under_way: int) -> None:
        """A registry has said that there are too many requests.

        Args:
            now_s: the time by the loop's clock.
            pause_s: how long nothing new is to be asked for.
            under_way: how many requests there were, this one included.
        """
        if now_s >= self._held_until_s:
            self._half = max(_FEWEST, under_way / 2)
            self._limit = _FEWEST
        self._held_until_s = max(self._held_until_s, now_s + pause_s)

    def succeeded(self) -> None:
        """A request has been answered."""
        if self._limit < self._most:
            self._limit += 1.0 if self._limit < self._half else 1.0 / self._limit

    def admits(self, now_s: float, under_way: int) -> bool:
        """Whether one more request may be made, beside those that are under way."""
        return now_s >= self._held_until_s and under_way + 1 <= self._limit
