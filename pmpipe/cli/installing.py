"""An install from the command line: the request, progress, and what is recorded afterwards."""

from __future__ import annotations

import time

from pmpipe.cli.options import CommandLine
from pmpipe.cli.output import Output
from pmpipe.cli.progress import Progress
from pmpipe.cli.summary import show
from pmpipe.cli.wording import plural
from pmpipe.errors import LockfileError
from pmpipe.install import Install, Request, Summary
from pmpipe.lock_record import record_digests
from pmpipe.planner import Wanted
from pmpipe.repair import diagnose
from pmpipe.session import Session
from pmpipe.sources import lacks_digest
from pmpipe.store import Store


def install(line: CommandLine, session: Session, output: Output, started: float) -> None:
    """Install a project that is not known to be as it should be.

    Args:
        line: what was asked for.
        session: the project, locked.
        output: where words go.
        started: when the command began, by the monotonic clock in seconds.

    Raises:
        PmpipeError: it could not be done, and the project is as it was.
    """
    store = session.store()
    store.open()
    try:
        summary = _install(line, session, store, output)
        if not session.config.dry_run and not summary.left_out and not summary.recorded:
            session.note_done(store)
    finally:
        store.close()
    summary.warnings[:0] = session.warnings
    show(summary, output, time.monotonic() - started, dry_run=session.config.dry_run)


def _install(line: CommandLine, session: Session, store: Store, output: Output) -> Summary:
    config = session.config
    wanted = session.wanted(store)
    warnings = session.warnings
    warnings += [*wanted.tree.warnings, *_check_digests(wanted, session, is_ci=line.command == "ci")]
    sizes = session.sizes()
    progress = Progress.for_terminal(enabled=config.progress and output.shows("notice") and not config.json)
    request = Request(
        fresh=line.command == "ci",
        durable=line.durable,
        offline=config.offline,
        dry_run=config.dry_run,
        sizes=sizes,
        fetch=session.fetch_settings(sizes),
        hidden_lockfile=session.hidden_lockfile,
        watch=progress.show,
    )
    install = Install(wanted, session.means(store), request)
    try:
        summary = _repaired(install, session, output) if line.repair else install.run()
    finally:
        progress.close()
    if summary.recorded and config.package_lock:
        record_digests(f"{session.folder}/{session.lock_file}", summary.recorded)
    summary.scripts_skipped = sum(package.has_install_script for package in wanted.tree.packages)
    if summary.scripts_skipped and summary.placed and not config.ignore_scripts:
        skipped = plural(summary.scripts_skipped, "package has", "packages have")
        warnings.append(f"{skipped} install scripts; pmpipe does not run them yet (`npm rebuild` does)")
    return summary


def _check_digests(wanted: Wanted, session: Session, *, is_ci: bool) -> list[str]:
    """Warnings about packages from the network that nothing verifies: `ci` refuses them, `install` records digests."""
    lacking = [package.location for package in wanted.tree.packages if lacks_digest(package)]
    if lacking and is_ci:
        raise LockfileError(
            f"{session.lock_file} has no usable integrity for {plural(len(lacking), 'package')} from the network",
            details=lacking[:20],
            hint="`pmpipe install` computes and records it",
        )
    return [f"{path} has no usable integrity in {session.lock_file}; it will be recorded" for path in lacking]


def _repaired(install: Install, session: Session, output: Output) -> Summary:
    """Examine the whole tree, then install with the files that must be restored."""
    diagnosis = diagnose(install.wanted, install.means.store, install.request.sizes)
    install.diagnosis = diagnosis
    install.means = session.means(install.means.store, diagnosis.damaged_entries)
    for path in (*diagnosis.missing, *diagnosis.changed):
        output.note(f"restoring {path}")
    return install.run()
