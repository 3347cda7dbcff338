"""An install that begins before its plan: what is sure to be part of it is fetched and unpacked meanwhile."""

from __future__ import annotations

from collections.abc import Mapping

from pmpipe.pipeline.driving import Crew
from pmpipe.plan import Plan
from pmpipe.planning.package_list import PackageList
from pmpipe.scheduler import Scheduler
from pmpipe.tasks import Settings


class Ahead:
    """An install that has begun before its plan.

    Args:
        packages: what to begin with; the plan's packages are to be added to it.
        settings: of the scheduler.
        crew: the processes.

    Attributes:
        scheduler: has packages only, until it is given the plan.
        stage_s: seconds during which each stage had work.
    """

    def __init__(self, packages: PackageList, settings: Settings, crew: Crew) -> None:
        self.packages = packages
        self.scheduler = Scheduler(Plan(packages.packages), settings, is_complete=False)
        self.stage_s: dict[str, float] = {}
        self._crew = crew

    def run_until(self, fd: int) -> None:
        """Go on until a descriptor is readable.

        Raises:
            PmpipeError, CancelledError: see `Crew.drive`.
        """
        self._count(self._crew.drive_until(self.scheduler, fd))

    def turn(self) -> None:
        """Give out what can be given out now, without waiting for anything.

        Raises:
            PmpipeError, CancelledError: see `Crew.drive`.
        """
        self._count(self._crew.turn(self.scheduler))

    def _count(self, stage_s: Mapping[str, float]) -> None:
        for stage, seconds in stage_s.items():
            self.stage_s[stage] = self.stage_s.get(stage, 0.0) + seconds
