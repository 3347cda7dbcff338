"""What an install tells at its end."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from pmpipe.cli.output import Output
from pmpipe.cli.wording import megabytes
from pmpipe.npm.texts.text import plural, printable, without_credentials

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pmpipe.changing.dependency_changes import DependencyChange
    from pmpipe.installing.install_request import Summary

#: So many dependencies that have changed are listed.
_CHANGED = 20


def show_nothing_to_do(packages: int, output: Output, seconds: float) -> None:
    """The tree, of so many packages, is as the last install left it."""
    if output.json:
        from pmpipe.installing.install_request import Summary

        output.document(_document(Summary(kept=packages), seconds))
    else:
        output.say(_up_to_date(packages, seconds))


def show(summary: Summary, output: Output, seconds: float, *, dry_run: bool) -> None:
    """The numbers that matter and what has changed, or the JSON document."""
    output.warn(summary.warnings)
    if output.json:
        output.document(_document(summary, seconds))
        return
    _show_numbers(summary, output, seconds, dry_run=dry_run)
    for line in _changed(summary.changed):
        output.say(f"  {printable(line)}")


def _changed(changes: list[DependencyChange]) -> Iterator[str]:
    for change in changes[:_CHANGED]:
        sign = "+" if change.before is None else "-" if change.after is None else "~"
        versions = dict.fromkeys(version for version in (change.before, change.after) if version)
        place = f"{change.kind} of {change.workspace}" if change.workspace else change.kind
        yield " ".join((sign, change.name, " -> ".join(versions), f"({place})"))
    if len(changes) > _CHANGED:
        yield f"and {len(changes) - _CHANGED} more"


def _show_numbers(summary: Summary, output: Output, seconds: float, *, dry_run: bool) -> None:
    *others, last = summary.written or ("",)
    written = f"wrote {' and '.join((', '.join(others), last) if others else (last,))}" if last else ""
    origin = f" with the versions of {summary.kept_from}" if summary.kept_from else ""
    if written and not (summary.placed or summary.removed or summary.counts.linked):
        resolved = f", resolved {plural(summary.resolved, 'package')}{origin}" if summary.resolved else ""
        output.say(f"{written}{resolved} in {seconds:.2f} s")
        return
    if not (summary.placed or summary.removed or summary.counts.linked):
        output.say(_up_to_date(summary.kept, seconds))
        return
    counts = summary.counts
    output.say(f"{_what_became(summary, dry_run=dry_run)} in {seconds:.2f} s")
    ways = (("reflinked", counts.reflinked), ("hardlinked", counts.hardlinked), ("copied", counts.copied))
    files = ", ".join(f"{count:,} files {how}" for how, count in ways if count)
    things = [
        plural(count, thing)
        for count, thing in ((counts.fetched, "tarball"), (summary.documents, "packument"))
        if count
    ]
    fetched = f"{' and '.join(things)} fetched ({megabytes(counts.wire_bytes)})" if things else ""
    resolved = f"{summary.resolved:,} resolved{origin}" if summary.resolved else ""
    links = plural(counts.linked, "link") if counts.linked else ""
    built = f"{plural(summary.scripts_run, 'package')} built" if summary.scripts_run else ""
    details = "; ".join(part for part in (resolved, fetched, files, links, built, written) if part)
    if details:
        output.say(f"  {details}")


def _up_to_date(packages: int, seconds: float) -> str:
    # without any package `ci` may have removed what stood there
    left = "nothing to do" if packages else "nothing to place"
    return f"up to date: {plural(packages, 'package')}, {left} ({seconds:.2f} s)"


def _what_became(summary: Summary, *, dry_run: bool) -> str:
    """What was done with how many packages, or would be done: ``placed 2 packages, removed 1, kept 70``."""
    verbs = ("would place", "would remove", "keep") if dry_run else ("placed", "removed", "kept")
    numbers = (summary.placed, len(summary.removed), summary.kept)
    done = [(verb, number) for verb, number in zip(verbs, numbers, strict=True) if number]
    (first, number), *others = done or [(verbs[0], 0)]
    return ", ".join((f"{first} {plural(number, 'package')}", *(f"{verb} {number:,}" for verb, number in others)))


def _document(summary: Summary, seconds: float) -> dict[str, Any]:
    return {
        "placed": summary.placed,
        "kept": summary.kept,
        "removed": summary.removed,
        "resolved": summary.resolved,
        "versionsOf": summary.kept_from,
        "packuments": summary.documents,
        "written": list(summary.written),
        "changed": msgspec.to_builtins(summary.changed),
        "leftOut": summary.left_out,
        "scriptsRun": summary.scripts_run,
        "scriptsSkipped": summary.scripts_skipped,
        "counts": msgspec.structs.asdict(summary.counts),
        "warnings": [*map(without_credentials, summary.warnings)],
        "seconds": round(seconds, 4),
        "stageSeconds": {stage: round(busy, 4) for stage, busy in summary.stage_s.items()},
    }
