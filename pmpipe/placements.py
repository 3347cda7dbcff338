"""The placements' half of the install state machine: each folder of node_modules on its way to being complete.

::

    BLOCKED -> READY -> CLONING -> PLACED -> REMOVING -> LEFT_OUT
       '--------'-----------'-------------------------------^

A placement is READY when its package is stored and its parent's folder complete. It is LEFT_OUT when the install does
without it (an optional package that could not be had, with what only it needed) or cannot have it (the run fails).
"""

from __future__ import annotations

import enum
from collections import deque

import msgspec

from pmpipe.downloads import Downloads
from pmpipe.plan import LinkNumber, PackageNumber, PlacementNumber, Plan


class PlacementState(enum.Enum):
    """Where a folder of node_modules is on its way to being complete."""

    BLOCKED = enum.auto()
    READY = enum.auto()
    CLONING = enum.auto()
    PLACED = enum.auto()
    REMOVING = enum.auto()
    LEFT_OUT = enum.auto()


_GONE = (PlacementState.REMOVING, PlacementState.LEFT_OUT)

#: A process is at work in the folder, or will be.
_BUSY = (PlacementState.CLONING, PlacementState.REMOVING)


class Placements(msgspec.Struct):
    """Which folders can be filled now, which links can be made now."""

    plan: Plan
    downloads: Downloads
    states: list[PlacementState] = msgspec.field(default_factory=list)
    #: the placements of each package
    wanted_at: list[list[PlacementNumber]] = msgspec.field(default_factory=list)
    #: every placement in state READY, once; also ones that are no longer READY
    _to_clone: deque[PlacementNumber] = msgspec.field(default_factory=deque)
    #: placements in state REMOVING whose job is not given out yet
    _to_remove: deque[PlacementNumber] = msgspec.field(default_factory=deque)
    #: links whose placement is complete and whose job is not given out yet
    _to_link: deque[LinkNumber] = msgspec.field(default_factory=deque)
    #: the same where the placement is optional
    _to_link_last: deque[LinkNumber] = msgspec.field(default_factory=deque)
    #: placements that lie in this one's folder
    _within: dict[PlacementNumber, list[PlacementNumber]] = msgspec.field(default_factory=dict)
    #: links that wait for this placement
    _links_after: dict[PlacementNumber, list[LinkNumber]] = msgspec.field(default_factory=dict)
    #: placements by location
    _at: dict[str, PlacementNumber] = msgspec.field(default_factory=dict)

    def __post_init__(self) -> None:
        self.states.extend([PlacementState.BLOCKED] * len(self.plan.placements))
        self.wanted_at.extend([] for _ in self.plan.packages)
        for index, placement in enumerate(self.plan.placements):
            number = PlacementNumber(index)
            self._at[placement.location] = number
            self.wanted_at[placement.package].append(number)
            if placement.parent is None:
                self._unblock(number)
            else:
                self._within.setdefault(placement.parent, []).append(number)
        for index, link in enumerate(self.plan.links):
            if link.after is None:
                self._to_link.append(LinkNumber(index))
            else:
                self._links_after.setdefault(link.after, []).append(LinkNumber(index))

    # -- what is ready --------------------------------------------------------------------------------------------

    def next_to_clone(self) -> PlacementNumber | None:
        """Take the next folder to fill, now CLONING; None when none is ready."""
        while self._to_clone:
            number = self._to_clone.popleft()
            if self.states[number] is PlacementState.READY:
                self.states[number] = PlacementState.CLONING
                return number
        return None

    def ready_count(self) -> int:
        """How many folders can be filled now, or a few more."""
        return len(self._to_clone)

    def next_to_remove(self) -> PlacementNumber | None:
        """Take the next folder that is to go again; None when there is none that can go now.

        What lies in it comes first: a process that fills or removes that would find the ground gone, or make it anew.
        """
        for position, number in enumerate(self._to_remove):
            if not any(self.states[inner] in _BUSY for inner in self._within.get(number, ())):
                del self._to_remove[position]
                return number
        return None

    def next_to_link(self, *, is_last: bool) -> LinkNumber | None:
        """Take the next link whose placement is complete; None when there is none.

        Args:
            is_last: no placement will be left out any more. What is optional has no links before: nothing takes away
                those of what is left out.
        """
        if self._to_link:
            return self._to_link.popleft()
        while is_last and self._to_link_last:
            number = self._to_link_last.popleft()
            after = self.plan.links[number].after
            if after is None or self.states[after] is PlacementState.PLACED:
                return number
        return None

    def is_wanted(self, package: PackageNumber) -> bool:
        """Some placement still waits for the package; the others were left out meanwhile."""
        return any(self.states[number] not in _GONE for number in self.wanted_at[package])

    def waits(self, number: PlacementNumber) -> bool:
        """The placement still needs its package: no job for it has been given out, and it was not left out."""
        return self.states[number] in (PlacementState.BLOCKED, PlacementState.READY)

    def are_settled(self) -> bool:
        """Every placement is complete or left out."""
        return all(state in (PlacementState.PLACED, PlacementState.LEFT_OUT) for state in self.states)

    # -- transitions ----------------------------------------------------------------------------------------------

    def package_stored(self, package: PackageNumber) -> None:
        """The package's entry is complete: BLOCKED -> READY wherever the parent is too."""
        for number in self.wanted_at[package]:
            self._unblock(number)

    def package_damaged(self, package: PackageNumber) -> None:
        """The package's entry is no longer complete: READY -> BLOCKED."""
        for number in self.wanted_at[package]:
            if self.states[number] is PlacementState.READY:
                self.states[number] = PlacementState.BLOCKED

    def placed(self, number: PlacementNumber) -> None:
        """CLONING -> PLACED; or, left out meanwhile, its folder is to go again."""
        if self.states[number] is PlacementState.REMOVING:
            self._to_remove.append(number)
            return
        self.states[number] = PlacementState.PLACED
        for inner in self._within.get(number, ()):
            self._unblock(inner)
        optional = self.plan.placements[number].optional
        (self._to_link_last if optional else self._to_link).extend(self._links_after.get(number, ()))

    def not_placed(self, number: PlacementNumber) -> None:
        """CLONING -> BLOCKED, and READY if everything is there; or, left out meanwhile, what was begun is to go."""
        if self.states[number] is PlacementState.REMOVING:
            self._to_remove.append(number)
            return
        self.states[number] = PlacementState.BLOCKED
        self._unblock(number)

    def cannot_be_placed(self, number: PlacementNumber) -> None:
        """Any state -> LEFT_OUT, in a run that fails for it."""
        self.states[number] = PlacementState.LEFT_OUT

    def leave_out(self, location: str) -> None:
        """The install does without the placement at `location`; a folder that is there already is to go again."""
        number = self._at.get(location)
        if number is None or self.states[number] in _GONE:
            return
        state = self.states[number]
        if state is PlacementState.PLACED:
            self._to_remove.append(number)
        in_the_way = state in (PlacementState.PLACED, PlacementState.CLONING)
        self.states[number] = PlacementState.REMOVING if in_the_way else PlacementState.LEFT_OUT

    def removed(self, number: PlacementNumber) -> None:
        """REMOVING -> LEFT_OUT."""
        self.states[number] = PlacementState.LEFT_OUT

    def _unblock(self, number: PlacementNumber) -> None:
        if self.states[number] is not PlacementState.BLOCKED:
            return
        placement = self.plan.placements[number]
        if not self.downloads.is_stored(placement.package):
            return
        if placement.parent is None or self.states[placement.parent] is PlacementState.PLACED:
            self.states[number] = PlacementState.READY
            self._to_clone.append(number)

    def left_out(self) -> set[str]:
        """Locations that the tree does without."""
        return {
            placement.location
            for placement, state in zip(self.plan.placements, self.states, strict=True)
            if state is PlacementState.LEFT_OUT
        }

    def validate(self, in_clone: list[PlacementNumber]) -> None:
        """Assert every collection's rule, given the placements whose jobs are in flight."""
        queued = set(self._to_clone)
        for index, state in enumerate(self.states):
            number = PlacementNumber(index)
            parent = self.plan.placements[number].parent
            if state is PlacementState.READY:
                assert number in queued, "what is READY is queued"
                assert self.downloads.is_stored(self.plan.placements[number].package), "what is READY is stored"
            if state is PlacementState.CLONING:
                assert number in in_clone, "what is CLONING is in flight"
            if state in (PlacementState.READY, PlacementState.CLONING, PlacementState.PLACED) and parent is not None:
                complete = (PlacementState.PLACED, *_GONE)
                assert self.states[parent] in complete, "a parent's folder is complete before what lies in it"
        for number in self._to_remove:
            assert self.states[number] is PlacementState.REMOVING, "only what is REMOVING is to go"
