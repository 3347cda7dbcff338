"""`pmpipe store path|verify|prune`."""

from __future__ import annotations

import os
from collections.abc import Mapping

import msgspec

from pmpipe.cli.options import CommandLine
from pmpipe.cli.output import Output, tell
from pmpipe.cli.wording import megabytes
from pmpipe.errors import EXIT_FAILURE, UsageError
from pmpipe.npm.texts.text import plural, printable
from pmpipe.pipeline.checking import CheckTask
from pmpipe.pipeline.driving import check
from pmpipe.pipeline.pipeline import sizes_for
from pmpipe.project.find_project import find_project
from pmpipe.settings.config import Config
from pmpipe.store import Store
from pmpipe.store_prune import prune
from pmpipe.system import host
from pmpipe.system.interrupts import CancelledError
from stages.entries.check import is_sound


def run_store(line: CommandLine, environ: Mapping[str, str]) -> int:
    """Look after the store; the exit status, 1 if `verify` found damaged entries.

    Raises:
        PmpipeError: the store cannot be read.
    """
    action = line.words[0] if len(line.words) == 1 else ""
    config = Config.load({**line.settings, "prefix": None}, environ, find_project(line.settings))
    store = Store(config.store_dir)
    output = Output(config.loglevel, json=config.json)
    if action == "path":
        if output.json:
            output.document({"path": store.root})
        else:
            print(store.root)
        return 0
    if action not in ("verify", "prune"):
        raise UsageError("pmpipe store wants one of path, verify, prune")
    store.open(tell)
    try:
        if action == "prune":
            _prune(store, output, dry_run=config.dry_run)
            return 0
        return _verify(store, output)
    except CancelledError as cancelled:
        cancelled.state = "the store is good as it is now"
        raise
    finally:
        store.close()


def _prune(store: Store, output: Output, *, dry_run: bool) -> None:
    """Take out what no project is linked to."""
    pruned = prune(store, tell, dry_run=dry_run)
    if output.json:
        output.document(msgspec.structs.asdict(pruned))
        return
    things = []
    if pruned.packages:
        things.append(f"{plural(pruned.packages, 'package')} that no project is linked to")
    if pruned.packuments:
        things.append(f"{plural(pruned.packuments, 'packument')} of more than a month ago")
    if pruned.resolutions:
        things.append(f"{plural(pruned.resolutions, 'resolution')} of more than a month ago")
    if pruned.notes:
        things.append(f"what was known of {plural(pruned.notes, 'project')} that no install has changed since then")
    done = "would remove" if dry_run else "removed"
    output.say(f"{done} {', '.join(things)} ({megabytes(pruned.bytes)})" if things else "nothing to remove")


def _verify(store: Store, output: Output) -> int:
    """Compare every entry with its index, and take damaged ones out, so that the next install mends them."""
    tasks = [CheckTask(entry, entry, entry) for entry in store.entries()]
    counts = host.worker_counts()
    findings = [
        finding
        for finding in check(tasks, sizes_for(counts.extract, counts.clone, 1))
        if not _is_mended(finding.task.entry)
    ]
    for finding in findings:
        wrong = [*(f"missing {path}" for path in finding.missing), *(f"changed {path}" for path in finding.changed)]
        reason = finding.no_entry or (finding.failed.what if finding.failed else "; ".join(wrong))
        output.say(f"damaged: {finding.task.entry}: {printable(reason)}")
        if store.writable:
            store.discard(finding.task.entry)
    if output.json:
        output.document({"checked": len(tasks), "damaged": [finding.task.entry for finding in findings]})
    elif findings:
        done = (
            "removed; the next install fetches them again" if store.writable else "still there: the store is read-only"
        )
        output.say(f"{plural(len(findings), 'damaged entry', 'damaged entries')} of {len(tasks):,} {done}")
    else:
        output.say(f"verified {plural(len(tasks), 'entry', 'entries')}: every file is as it was unpacked")
    return EXIT_FAILURE if findings else 0


def _is_mended(entry: str) -> bool:
    """Whether another run has taken a damaged entry out since it was looked at, or put a whole one in its place.

    That one may be about to be linked.
    """
    try:
        return not os.path.lexists(entry) or is_sound(entry)
    except OSError:
        return False
