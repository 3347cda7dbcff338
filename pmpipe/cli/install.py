"""`pmpipe ci` and `pmpipe install`."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from pmpipe.cli.options import CommandLine
from pmpipe.cli.output import Output, waiting
from pmpipe.cli.progress import Progress
from pmpipe.cli.wording import megabytes, plural, some_of
from pmpipe.errors import LockfileError, UsageError
from pmpipe.install import Install, Request, Summary
from pmpipe.lock_record import record_digests
from pmpipe.planner import Wanted
from pmpipe.project_lock import project_lock
from pmpipe.repair import diagnose
from pmpipe.session import Session, find_project
from pmpipe.sources import lacks_digest
from pmpipe.store import Store


def run_install(line: CommandLine, environ: Mapping[str, str]) -> int:
    """Install the project; the exit status.

    Raises:
        PmpipeError: it could not be done, and the project is as it was.
    """
    started = time.monotonic()
    if line.words:
        raise UsageError(
            f"pmpipe {line.command} takes no package names yet, got {some_of(line.words)}",
            hint="resolving is not there yet: add packages with npm, then install from the lockfile",
        )
    folder = find_project(line.settings)
    with project_lock(folder, waiting):
        # only now: another run may have changed what is read here
        session = Session.open(line.settings, environ, folder)
        output = Output(session.config.loglevel, json=session.config.json)
        store = session.store()
        store.open()
        try:
            summary = _install(line, session, store, output)
        finally:
            store.close()
    _show(summary, session, output, time.monotonic() - started)
    return 0


def _install(line: CommandLine, session: Session, store: Store, output: Output) -> Summary:
    config = session.config
    wanted = session.wanted(store)
    warnings = [*config.warnings, *wanted.tree.warnings, *_check_digests(wanted, session, is_ci=line.command == "ci")]
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
    summary.warnings[:0] = warnings
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


def _show(summary: Summary, session: Session, output: Output, seconds: float) -> None:
    output.warn(summary.warnings)
    if output.json:
        output.document(_document(summary, seconds))
        return
    if not (summary.placed or summary.removed or summary.counts.linked):
        output.say(f"up to date: {plural(summary.kept, 'package')}, nothing to do ({seconds:.2f} s)")
        return
    counts = summary.counts
    parts = [f"{'would place' if session.config.dry_run else 'placed'} {plural(summary.placed, 'package')}"]
    parts += [f"removed {len(summary.removed):,}"] if summary.removed else []
    parts += [f"kept {summary.kept:,}"] if summary.kept else []
    output.say(f"{', '.join(parts)} in {seconds:.2f} s")
    ways = (("reflinked", counts.reflinked), ("hardlinked", counts.hardlinked), ("copied", counts.copied))
    files = ", ".join(f"{count:,} files {how}" for how, count in ways if count)
    fetched = f"{plural(counts.fetched, 'tarball')} fetched ({megabytes(counts.wire_bytes)})" if counts.fetched else ""
    details = "; ".join(
        part for part in (fetched, files, f"{plural(counts.linked, 'link')}" if counts.linked else "") if part
    )
    if details:
        output.say(f"  {details}")


def _document(summary: Summary, seconds: float) -> dict[str, Any]:
    return {
        "placed": summary.placed,
        "kept": summary.kept,
        "removed": summary.removed,
        "leftOut": summary.left_out,
        "scriptsSkipped": summary.scripts_skipped,
        "counts": asdict(summary.counts),
        "warnings": summary.warnings,
        "seconds": round(seconds, 4),
        "stageSeconds": {stage: round(busy, 4) for stage, busy in summary.stage_s.items()},
    }
