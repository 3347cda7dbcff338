"""`pmpipe rebuild`: scripts run once more in what is installed, and executables are linked again."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence

import msgspec

from pmpipe.cli.installing import about_scripts
from pmpipe.cli.options import CommandLine
from pmpipe.cli.output import Output, tell
from pmpipe.cli.progress import Progress
from pmpipe.cli.wording import some_of
from pmpipe.installing.dev_engines import require_dev_engines
from pmpipe.installing.install_crew import InstallCrew
from pmpipe.lifecycle.making import make_scripts
from pmpipe.lifecycle.rebuild import PUT_RIGHT, Rebuild, named
from pmpipe.lifecycle.standing_tree import StandingTree, standing_tree
from pmpipe.npm.locks.lock_graph import EdgeType
from pmpipe.npm.texts.text import plural
from pmpipe.pipeline.pipeline import install_settings
from pmpipe.pipeline.report import failures_error
from pmpipe.plan import Plan
from pmpipe.project.find_project import find_root, working_folder
from pmpipe.project.project_files import HIDDEN_LOCKFILE, read_file
from pmpipe.project.project_lock import project_lock
from pmpipe.project.project_write import recover
from pmpipe.scheduler import Scheduler
from pmpipe.session import Session
from pmpipe.store import Store
from pmpipe.system.whole_file import write_whole
from pmpipe.tree.standing import forget
from pmpipe.tree.wanted import WantedPackage
from stages.entries.store_trouble import store_trouble


def run_rebuild(line: CommandLine, environ: Mapping[str, str]) -> int:
    """Build what is installed once more; the exit status.

    Raises:
        PmpipeError: a script has failed, or something cannot be read or written.
    """
    started = time.monotonic()
    folder, _ = find_root(line.settings)
    with project_lock(folder, tell):
        recover(folder)
        # only now: another run may have changed what is read here
        session = Session.open(line.settings, environ, folder)
        output = Output(session.config.loglevel, json=session.config.json)
        output.warn(require_dev_engines(session))
        store = session.store()
        store.open(tell)
        progress = Progress.for_terminal(
            session.environ, enabled=session.config.progress and output.shows("notice") and not session.config.json
        )
        try:
            job = _Job(session, store, output, progress, line.words)
            job.run()
        finally:
            progress.close()
            store.close()
    job.tell(time.monotonic() - started)
    return 0


class _Job(msgspec.Struct, dict=True):
    """One rebuild.

    Attributes:
        session: the project, locked.
        store: opened.
        output: where words go.
        progress: shows what is running.
        words: which packages are meant; empty for all, and for the project itself.
        linked: how many links were made.
        warnings: one line each.
    """

    session: Session
    store: Store
    output: Output
    progress: Progress
    words: Sequence[str]
    linked: int = 0
    warnings: list[str] = msgspec.field(default_factory=list)

    def run(self) -> None:
        """Do it.

        Raises:
            PmpipeError, CancelledError: see `Rebuild.run`.
        """
        session, config = self.session, self.session.config
        tree = standing_tree(session, self.store)
        self._scripts = scripts = make_scripts(
            session,
            self.store,
            "rebuild",
            self.progress.show_scripts,
            tree.session,
            forgives=False,
            with_own=not self.words,
            hint=PUT_RIGHT,
        )
        self.warnings += [*session.warnings, *scripts.gate.warnings]
        scripts.gate.require_reviewed(tree.wanted.tree, config)
        marked = scripts.gate.with_prepared(tree.wanted.tree, config, session.environ)
        rebuild = Rebuild(msgspec.structs.replace(tree.wanted, tree=marked), scripts, self._make)
        chosen = self._chosen(rebuild, tree)
        self._would_build = [package.label for package in rebuild.to_build(chosen)]
        if config.dry_run:
            return
        was_done = session.is_done()
        if self.store.writable:
            with store_trouble(self.store.folder):
                forget(self.store.folder, session.folder)
        with InstallCrew(session) as self._crew:
            rebuild.run(chosen)
        self.warnings += rebuild.warnings
        if was_done:
            self._note_done()

    def _chosen(self, rebuild: Rebuild, tree: StandingTree) -> list[WantedPackage]:
        """What is meant of that which stands."""
        session, standing = self.session, rebuild.standing()
        if self.words:
            home = session.environ.get("HOME", "")
            found = named(self.words, standing, session.folder, working_folder(), home)
            if found.unknown:
                self.warnings.append(f"nothing that is installed is called {some_of(found.unknown)}")
            standing = found.packages
        elif session.config.workspaces is False:
            kept = tree.session.locked.graph.reached_without(EdgeType.WORKSPACE)
            standing = [package for package in standing if package.location in kept]
        else:
            return standing
        rebuild.scripts.links = {package.link_target for package in standing if package.link_target is not None}
        return standing

    def _make(self, plan: Plan) -> list[str]:
        """Make links; what is odd about them."""
        crew = self._crew
        scheduler = Scheduler(plan, install_settings(crew.sizes, self.store, durable=False, offline=True))
        crew.crew.drive(scheduler, lambda: None, is_last=True)
        if scheduler.failures:
            raise failures_error(scheduler.failures, plan.required_by)
        self.linked += scheduler.counts.linked
        return scheduler.warnings

    def _note_done(self) -> None:
        """Nothing has changed but what scripts have made: all of it is as the lockfile wants it, as before."""
        session = self.session
        hidden = read_file(session.folder, HIDDEN_LOCKFILE)
        with session.optional_write("record what was built"):
            if hidden is not None:
                write_whole(f"{session.folder}/{HIDDEN_LOCKFILE}", hidden)
            session.note_done(self.store)

    def tell(self, seconds: float) -> None:
        """What was done."""
        scripts, output, config = self._scripts, self.output, self.session.config
        self.warnings += about_scripts(scripts)
        output.warn(self.warnings)
        if output.json:
            output.document(
                {
                    "scriptsRun": scripts.ran,
                    "scriptsSkipped": scripts.unrun,
                    "linked": self.linked,
                    "warnings": self.warnings,
                    "seconds": round(seconds, 4),
                }
            )
        elif config.dry_run:
            names = f": {some_of(self._would_build)}" if self._would_build else ""
            output.say(f"would build {plural(len(self._would_build), 'package')}{names}")
        elif scripts.ran or self.linked:
            links = f", {plural(self.linked, 'link')} made" if self.linked else ""
            output.say(f"built {plural(scripts.ran, 'package')}{links} in {seconds:.2f} s")
        else:
            output.say(f"nothing to build ({seconds:.2f} s)")
