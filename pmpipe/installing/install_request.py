"""What an install is asked for, and what it tells at its end."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from typing import TYPE_CHECKING

import msgspec

from pmpipe.installing.ahead import Ahead
from pmpipe.lifecycle.scripts import Scripts
from pmpipe.npm.locks.package_path import PackagePath
from pmpipe.orders import Counts
from pmpipe.pipeline.driving import Crew
from pmpipe.pipeline.pipeline import Sizes
from pmpipe.project.project_write import ProjectWrite
from pmpipe.scheduler import Scheduler
from pmpipe.tree.hidden_lockfile import MakeHiddenLockfile
from pmpipe.tree.installed import EarlySurvey

if TYPE_CHECKING:
    from pmpipe.changing.dependency_changes import DependencyChange


class Arrival(msgspec.Struct, frozen=True):
    """Where a tree goes before its scripts run, if it is not built in its place.

    Attributes:
        folder: absolute path of the folder whose node_modules gets it.
        bin_folder: absolute path of the folder where its packages' executables are linked.
        move: puts it there; returns the locations that were, without what lies in them.
        preserve: called with the paths of executables before they change.
        settle: called when all is complete; until then the move may be taken back.
    """

    folder: str
    bin_folder: str
    move: Callable[[], Collection[PackagePath]]
    preserve: Callable[[Iterable[str]], None]
    settle: Callable[[], None]


class Request(msgspec.Struct, frozen=True):
    """What the user asked for.

    Attributes:
        fresh: what is in node_modules goes first (``ci``).
        durable: store entries are flushed to the disk.
        offline: nothing may be fetched.
        dry_run: plan only.
        sizes: processes and queues.
        crew: the processes, which were made with `sizes`.
        hidden_lockfile: makes its text.
        write: files of the project that change together with the tree: lockfile, package.json.
        watch: called with the scheduler at every wake-up.
        ahead: what has begun already.
        surveyed: what stands in node_modules, if that has been looked at already.
        came_damaged: SRI of tarballs that were fetched before, and damaged.
        scripts: lifecycle scripts, which run when all is in place; None: nobody asks for them.
        notes_built: packages that node-gyp builds are noted as such, as npm notes them.
        never_built: locations of packages that say that node-gyp does not build them.
        arrival: where the tree goes before scripts run; None: it is built in its place.
    """

    fresh: bool
    durable: bool
    offline: bool
    dry_run: bool
    sizes: Sizes
    crew: Crew
    hidden_lockfile: MakeHiddenLockfile
    watch: Callable[[Scheduler], None]
    write: ProjectWrite | None = None
    ahead: Ahead | None = None
    surveyed: EarlySurvey | None = None
    came_damaged: frozenset[str] = frozenset()
    scripts: Scripts | None = None
    notes_built: bool = False
    never_built: frozenset[str] = frozenset()
    arrival: Arrival | None = None


class Summary(msgspec.Struct):
    """What a run did.

    Attributes:
        placed: package folders that were filled, and not taken out again because something optional has failed.
        kept: locations that stayed as they were.
        removed: paths, relative to the project, that went without replacement.
        left_out: locations of optional packages that could not be had.
        counts: what went through the stages.
        warnings: one line each.
        stage_s: seconds during which each stage had work.
        scripts_run: packages and linked folders whose scripts have run to their end.
        scripts_skipped: packages with install scripts, none of which has run.
        recorded: location -> sha512 that was computed because the lockfile has no digest.
        built: locations of new packages that node-gyp builds, while the lockfile knows of no install script.
        resolved: packages that were found by resolving; 0 if the lockfile was up to date.
        kept_from: the lock of another package manager whose versions were kept then, or empty.
        documents: packuments that came from the registry.
        written: package.json files and lockfiles that were written, relative to the project.
        changed: what became of the dependencies that the project and its workspaces ask for themselves.
    """

    placed: int = 0
    kept: int = 0
    removed: list[str] = msgspec.field(default_factory=list)
    left_out: list[str] = msgspec.field(default_factory=list)
    counts: Counts = msgspec.field(default_factory=Counts)
    warnings: list[str] = msgspec.field(default_factory=list)
    stage_s: dict[str, float] = msgspec.field(default_factory=dict)
    scripts_run: int = 0
    scripts_skipped: int = 0
    recorded: dict[PackagePath, str] = msgspec.field(default_factory=dict)
    built: list[PackagePath] = msgspec.field(default_factory=list)
    resolved: int = 0
    kept_from: str = ""
    documents: int = 0
    written: tuple[str, ...] = ()
    changed: list[DependencyChange] = msgspec.field(default_factory=list)

    @property
    def changes_tree(self) -> bool:
        """Whether anything in node_modules is another thing now: packages, or links."""
        return bool(self.placed or self.removed or self.counts.linked)

    def add_stages(self, stage_s: Mapping[str, float]) -> None:
        """Count seconds during which stages had work."""
        for stage, seconds in stage_s.items():
            self.stage_s[stage] = self.stage_s.get(stage, 0.0) + seconds
