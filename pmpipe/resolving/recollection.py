"""Whether a remembered resolution still holds: what the registry is asked about it, and what it has answered.

It is asked about all packuments at once. As soon as one of them has changed the resolver begins after all; what has
been answered by then, and what is still to come, is there for it when it asks.
"""

from __future__ import annotations

from pmpipe.resolver import Ask, Fed
from pmpipe.resolving.remembered import Answered, RememberedResolution


class Recollection:
    """One remembered resolution, and the doubts about it.

    Args:
        remembered: what is doubted.

    Attributes:
        has_changed: a packument is another one now.
    """

    def __init__(self, remembered: RememberedResolution) -> None:
        self.remembered = remembered
        self.has_changed = False
        #: by number of the want: packuments about which the registry has not answered yet
        self._doubts: dict[int, Answered] = {}
        self._doubted: set[Ask] = set()
        #: what the resolver waits for
        self._awaited: set[Ask] = set()
        #: whose kept copy is current
        self._current: set[Ask] = set()
        #: what has come, and nobody has asked for yet
        self._early: dict[Ask, Fed] = {}

    @property
    def holds(self) -> bool:
        """Whether nothing has changed."""
        return not (self._doubts or self.has_changed)

    def __contains__(self, number: int) -> bool:
        """Whether a want is about this, and not answered."""
        return number in self._doubts

    def doubt(self, number: int, answered: Answered) -> None:
        """The registry is asked about a packument by the want of this number."""
        self._doubts[number] = answered
        self._doubted.add(answered.ask)

    def is_what_it_was(self, number: int, body: bytes | memoryview) -> bool:
        """Whether a body answers a want as before."""
        answered = self._doubts[number]
        return Answered.by(answered.ask, body) == answered

    def is_current(self, number: int) -> None:
        """The registry stands by the kept copy."""
        self._current.add(self._settled(number).ask)

    def came(self, number: int, fed: Fed) -> None:
        """The registry has another packument now, or none.

        Args:
            number: of the want.
            fed: the packument, or why there is none.
        """
        self._early[self._settled(number).ask] = fed
        self.has_changed = True

    def _settled(self, number: int) -> Answered:
        answered = self._doubts.pop(number)
        self._doubted.remove(answered.ask)
        return answered

    def is_awaited(self, ask: Ask) -> bool:
        """Whether the resolver has asked for this meanwhile; it is told now."""
        was_awaited = ask in self._awaited
        self._awaited.discard(ask)
        return was_awaited

    def take(self, ask: Ask) -> Fed | None:
        """What has come for the resolver; None: nothing."""
        return self._early.pop(ask, None)

    def has_confirmed(self, ask: Ask) -> bool:
        """Whether the kept copy is current."""
        return ask in self._current

    def awaits(self, ask: Ask) -> bool:
        """Whether the registry is being asked about this already; the resolver waits for it then."""
        if ask not in self._doubted:
            return False
        self._awaited.add(ask)
        return True
