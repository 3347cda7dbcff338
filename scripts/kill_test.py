#!/usr/bin/env python3
"""Kills pmpipe at random instants, and checks that the next run brings everything in order.

    registry.py record REC --lock DIR/package-lock.json          once: the project's tarballs
    kill_test.py --project DIR --recording REC --passes 200      DIR is only read

    kill_test.py --project DIR --recording REC --without-lock    the lockfile is made; the recording has packuments
    kill_test.py --project DIR --recording REC --one             kills one process at a time, not all of them

Each pass starts `pmpipe ci` or `pmpipe install` (by turns; with an empty or a full store, from nothing or on a former
tree), kills its whole process group by SIGKILL at a random instant of its duration, sometimes a second time, and runs
the same command again undisturbed. Then the tree must equal the undisturbed one in every path, type, permission bit,
link target and byte, hidden lockfile included; `pmpipe verify` and `pmpipe store verify` must find nothing; nothing
may be left behind.

With --one, one process is killed, the main one or any of the others. Then the rest have to end by themselves, and a run
whose main process lives on has to end with 0 and the whole tree, or with 70 and everything as it was before.

Durations are measured first, and instants are drawn over them by a generator seeded for each pass, most of them in the
time in which the project is changed: the same seed kills at the same fractions. A pass whose kill came too late is
begun again. The exit status is 1 if any pass failed; a failed pass keeps its folders with --keep. To repeat one pass at
the very instants that were reported, give --only N and --at INSTANT…
"""

from __future__ import annotations

import argparse
import os
import random
import shutil
import signal
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from killing.ground import Ground, GroundError
from killing.processes import Instant, adopt_orphans
from killing.trial import SCENARIOS, UNLOCKED_SCENARIOS, Result, Scenario, Span, Trial, carry_out, measure
from loopback.recording import Recording
from loopback.replay import open_replay

#: how often a pass is begun again because the run had ended before the kill
_ATTEMPTS = 8
#: share of passes in which the second run is killed too
_TWICE = 0.2
_DAY_S = 24 * 3600.0


def main(arguments: Sequence[str] | None = None) -> int:
    """Run all passes; 1 if any failed, 2 if an undisturbed run failed, else 0."""
    options = _parser().parse_args(arguments)
    # so that a registry and folders do not stay behind
    signal.signal(signal.SIGTERM, lambda number, _: sys.exit(128 + number))
    adopt_orphans()
    if options.work_dir:
        os.makedirs(options.work_dir, exist_ok=True)
    work = os.path.abspath(tempfile.mkdtemp(prefix="kill-", dir=options.work_dir))
    try:
        with _registry(options) as url:
            results = _run_session(
                options, Ground(work, os.path.abspath(options.project), url, not options.without_lock)
            )
    except GroundError as error:
        print(error, file=sys.stderr)
        return 2
    finally:
        if options.keep:
            print(f"kept: {work}")
        else:
            shutil.rmtree(work)
    return _report(results)


def _run_session(options: argparse.Namespace, ground: Ground) -> list[Result]:
    rng = random.Random(options.seed)
    ground.prepare(rng)
    print(f"undisturbed tree: {len(ground.expected):,} paths; seed {options.seed}")
    scenarios = _scenarios(options)
    used = scenarios if options.only else scenarios[: options.passes]
    spans = [measure(ground, scenario) for scenario in used]
    for scenario, span in zip(used, spans, strict=True):
        print(f"undisturbed, {scenario}: {span.ends_s:.2f} s, changes the project from {span.begins_s:.2f} s on")
    results = []
    for number in range(1, options.passes + 1):
        if options.only in (None, number):
            results += _pass(options, ground, number, spans)
        if number % 10 == 0:
            print(f"{number} of {options.passes}", flush=True)
    return results


def _scenarios(options: argparse.Namespace) -> Sequence[Scenario]:
    return UNLOCKED_SCENARIOS if options.without_lock else SCENARIOS


def _pass(options: argparse.Namespace, ground: Ground, number: int, spans: Sequence[Span]) -> list[Result]:
    """One pass, begun again while the kill comes too late; whatever was done is judged."""
    rng = random.Random(f"{options.seed}/{number}")
    scenarios = _scenarios(options)
    which = (number - 1) % len(scenarios)
    results = []
    for _ in range(_ATTEMPTS):
        kills = 2 if rng.random() < _TWICE else 1
        instants = tuple(spans[which].draw(rng) for _ in range(kills))
        trial = Trial(number, scenarios[which], tuple(options.at) or instants, options.one)
        results.append(carry_out(ground, trial))
        for fault in results[-1].faults:
            print(f"FAILED {trial}\n  {fault}", flush=True)
        if results[-1].has_hit or results[-1].faults:
            break
    return results


def _report(results: Sequence[Result]) -> int:
    print("what the kills left:")
    stages = Counter(stage for result in results for stage in result.stages)
    for stage, times in stages.most_common():
        print(f"  {times:4} x {stage}")
    failed = [result for result in results if result.faults]
    for result in failed:
        print(f"  failed: {result.trial}")
    passes = {result.trial.number for result in results}
    bad = {result.trial.number for result in failed}
    hit = {result.trial.number for result in results if result.has_hit}
    print(f"passes in which a run was killed before it had ended: {len(hit)} of {len(passes)}")
    print(f"{len(passes) - len(bad)} of {len(passes)} equal the undisturbed result, and their stores verify")
    return 1 if failed else 0


@contextmanager
def _registry(options: argparse.Namespace) -> Iterator[str]:
    if options.registry:
        yield options.registry
        return
    with open_replay(Recording(options.recording), port=options.port, lifetime_s=_DAY_S) as replay:
        yield replay.url


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--project", required=True, help="a folder with package.json and package-lock.json")
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument("--recording", help="the recorded registry (see registry.py)")
    source.add_argument("--registry", help="URL of a registry that is being served")
    parser.add_argument("--port", type=int, default=4875, help="of the replay (default %(default)s)")
    parser.add_argument("--without-lock", action="store_true", help="let the installs make the lockfile")
    parser.add_argument("--one", action="store_true", help="kill one process, not the whole group")
    parser.add_argument("--passes", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only", type=int, metavar="N", help="carry out this pass alone")
    parser.add_argument(
        "--at", type=Instant.parse, nargs="+", default=[], metavar="INSTANT", help="with --only: the instants"
    )
    parser.add_argument("--work-dir", help="where everything is done (default: the system's folder for temps)")
    parser.add_argument("--keep", action="store_true", help="do not delete the folders of failed passes")
    return parser


if __name__ == "__main__":
    raise SystemExit(main())
