"""The part of an install in which scripts run: all packages are in place, and a failure can still take them back."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable

import msgspec

from pmpipe.lifecycle.scripts import Scripts
from pmpipe.npm.locks.package_path import PackagePath
from pmpipe.plan import BinLinks, Plan
from pmpipe.planning.planner import Wanted, bin_links
from pmpipe.system.presence import is_there


class ScriptStep(msgspec.Struct):
    """Runs the scripts of one install, and puts right what follows from them.

    Args:
        wanted: the tree that stands now.
        scripts: which run, and how.
        discard: called with the absolute path of what is to be removed; a failure may put it back.
        preserve: called with links before they change, where a failure is to put them back.
        make: makes links; returns what is odd about them.

    Attributes:
        left_out: locations of optional packages whose scripts have failed, and of what only these need.
        relinked: what was linked once more.
        warnings: one line each.
    """

    wanted: Wanted
    scripts: Scripts
    discard: Callable[[str], None]
    preserve: Callable[[Iterable[BinLinks]], None]
    make: Callable[[Plan], list[str]]
    left_out: set[str] = msgspec.field(default_factory=set)
    relinked: set[PackagePath] = msgspec.field(default_factory=set)
    warnings: list[str] = msgspec.field(default_factory=list)

    def run(self, placed: Collection[PackagePath], gyp: Collection[PackagePath]) -> None:
        """Do it.

        Args:
            placed: locations that were filled by this run, and what came bundled with them.
            gyp: those of them that node-gyp builds.

        Raises:
            PmpipeError, CancelledError: see `Scripts.run`.
            OSError: what has failed cannot be removed.
        """
        failed = self.scripts.run(self.wanted.tree, placed, gyp, self.link, self.wanted.left_out_with)
        for location, why in failed.items():
            self.warnings.append(f"the optional {location} is left out: {why}")
            self._leave_out(location)

    def link(self, locations: Collection[PackagePath]) -> None:
        """Link the executables of packages whose scripts may have made them.

        Raises:
            PmpipeError, CancelledError: a link cannot be made.
        """
        if not self.scripts.config.bin_links:
            return
        links = [
            link
            for bins in self.wanted.tree.bins
            if bins.location in locations or bins.filled_by in locations
            for link in bin_links(bins, self.wanted.project)
        ]
        if links:
            self.preserve(links)
            made = self.make(Plan(links=[*links]))
            # what was said before of those that were missing may be true no more
            former = tuple(f"{link.label}: its bin " for link in links)
            self.warnings = [one for one in self.warnings if not one.startswith(former)] + made
            self.relinked.update(PackagePath(link.label) for link in links)

    def _leave_out(self, location: PackagePath) -> None:
        gone = {location, *self.wanted.left_out_with(location)} - self.left_out
        self.left_out |= gone
        for bins in self.wanted.tree.bins:
            if bins.location in gone:
                for name, _ in bins.bins:
                    self._remove(f"{bins.bin_folder}/{name}")
        for path in sorted(gone):
            self._remove(path)

    def _remove(self, path: str) -> None:
        whole = f"{self.wanted.project}/{path}"
        if is_there(whole):
            self.discard(whole)
