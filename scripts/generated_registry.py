#!/usr/bin/env python3
"""A generated registry: measures how time and memory of resolving grow with the size of the tree, or is served.

    generated_registry.py measure --sizes 300,1000,3000,10000 --out DIR     scaling.json, scaling.md, scaling.png
    generated_registry.py serve --packages 3000 --project DIR               a registry on loopback, and a package.json

Measuring drives the resolver in a process of its own for each size and round, from packuments in memory, so that there
is nothing but resolving in the figures. `exponent` is the slope of time or memory over size in logarithms between the
smallest and the largest: 1 is linear, 2 quadratic.
"""

from __future__ import annotations

import argparse
import gc
import json
import math
import os
import signal
import statistics
import subprocess
import sys
import time
import tracemalloc
from collections.abc import Sequence
from dataclasses import asdict, dataclass

from lockcheck.provider import Provider, drive
from loopback.generated import GeneratedRegistry
from loopback.server import LoopbackServer

from pmpipe.npm.locks.lock_writer import write_lockfile
from pmpipe.npm.packages.packument import Packument
from pmpipe.resolver import AskPackument, Fed, IdealTree, Project, ResolveOptions, Resolver

SIZES = (300, 1000, 3000, 10000)
ROUNDS = 3
LIFETIME_S = 6 * 3600


@dataclass(frozen=True, slots=True)
class Measured:
    """One size.

    Attributes:
        packages: in the registry.
        placements: in the tree.
        answers: packuments that were asked for.
        resolve_s: processor time from the package.json to the tree; lock_s: from there to the lockfile's bytes.
        resolve_mb: the highest sum of what was allocated meanwhile; the packuments were there before.
    """

    packages: int
    placements: int
    answers: int
    resolve_s: float
    lock_s: float
    resolve_mb: float


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure or serve; 0 unless something failed."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    options = _parser().parse_args(arguments)
    if options.action == "serve":
        return _serve(options)
    if options.one:
        print(json.dumps(asdict(measure(GeneratedRegistry(options.one, options.seed)))))
        return 0
    measured = [_median(options, size) for size in options.sizes]
    text = markdown(measured, options.seed)
    print(text)
    if options.out:
        os.makedirs(options.out, exist_ok=True)
        with open(os.path.join(options.out, "scaling.json"), "w", encoding="utf-8") as file:
            json.dump([asdict(one) for one in measured], file, indent=2)
        with open(os.path.join(options.out, "scaling.md"), "w", encoding="utf-8") as file:
            file.write(text)
        try:
            plot(measured, os.path.join(options.out, "scaling.png"))
        except ModuleNotFoundError:
            print("no plot: matplotlib is not installed", file=sys.stderr)
    return 0


def measure(registry: GeneratedRegistry) -> Measured:
    """Resolve the registry's project once, in this process."""
    provider = _Prepared(registry)
    manifest = registry.project()

    def resolve() -> IdealTree:
        return drive(Resolver(Project("/project", manifest), ResolveOptions()), provider)

    resolve()  # finds out which packuments are wanted, so that those that follow do not generate any
    gc.collect()
    gc.disable()
    started = time.process_time()
    tree = resolve()
    resolved = time.process_time()
    write_lockfile(tree.lock_document())
    ended = time.process_time()
    tracemalloc.start()
    again = resolve()
    peak_bytes = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert len(again.nodes()) == len(tree.nodes())
    return Measured(
        packages=registry.count,
        placements=len(tree.nodes()) - 1,
        answers=len(provider.known),
        resolve_s=resolved - started,
        lock_s=ended - resolved,
        resolve_mb=peak_bytes / 1e6,
    )


class _Prepared(Provider):
    """A provider that keeps its decoded answers."""

    def __init__(self, registry: GeneratedRegistry) -> None:
        super().__init__(registry.packument, lambda _: None)
        self.known: dict[str, Fed] = {}

    def answer(self, ask: object) -> Fed:
        """The answer to one ask, made once."""
        assert isinstance(ask, AskPackument)
        found = self.known.get(ask.name)
        if found is None:
            found = self.known[ask.name] = super().answer(ask)
        assert isinstance(found, Packument)
        return found


def exponent(measured: Sequence[Measured], *, memory: bool = False) -> float:
    """The slope between the smallest and the largest size, in logarithms."""
    first, last = measured[0], measured[-1]
    values = [one.resolve_mb if memory else one.resolve_s for one in (first, last)]
    if first.placements == last.placements or not all(values):
        return math.nan
    return math.log(values[1] / values[0]) / math.log(last.placements / first.placements)


def markdown(measured: Sequence[Measured], seed: int) -> str:
    """A table for a person."""
    lines = [
        f"Resolving on generated registries, seed {seed}, Python {sys.version.split()[0]}, medians",
        "",
        "| placements | packuments | resolve s | µs per placement | lock s | MB | KB per placement |",
        "|---:|---:|---:|---:|---:|---:|---:|",
    ]
    lines += [
        f"| {one.placements:,} | {one.answers:,} | {one.resolve_s:.3f} | {1e6 * one.resolve_s / one.placements:.0f} | "
        f"{one.lock_s:.3f} | {one.resolve_mb:.1f} | {1000 * one.resolve_mb / one.placements:.1f} |"
        for one in measured
    ]
    lines += ["", f"exponent: time {exponent(measured):.2f}, memory {exponent(measured, memory=True):.2f}", ""]
    return "\n".join(lines)


def plot(measured: Sequence[Measured], path: str) -> None:
    """Draw time and memory over the number of placements, both on logarithmic scales.

    Raises:
        ModuleNotFoundError: matplotlib is not installed (the extra "bench").
    """
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot as plt

    sizes = [one.placements for one in measured]
    figure, (times, memory) = plt.subplots(1, 2, figsize=(10, 4.2))
    for axes, values, label in (
        (times, [one.resolve_s for one in measured], "resolving, s"),
        (memory, [one.resolve_mb for one in measured], "memory, MB"),
    ):
        axes.plot(sizes, values, marker="o", label="measured")
        axes.plot(sizes, [values[-1] * size / sizes[-1] for size in sizes], linestyle=":", label="linear")
        axes.set_xscale("log")
        axes.set_yscale("log")
        axes.set_xlabel("placements")
        axes.set_ylabel(label)
        axes.legend(fontsize=8)
    figure.tight_layout()
    figure.savefig(path, dpi=150)
    plt.close(figure)


def _median(options: argparse.Namespace, size: int) -> Measured:
    """The round with the median time."""
    rounds: list[Measured] = []
    for _ in range(options.rounds):
        words = [sys.executable, os.path.abspath(__file__), "measure", "--one", str(size), "--seed", str(options.seed)]
        done = subprocess.run(words, stdout=subprocess.PIPE, check=True, text=True)
        rounds.append(Measured(**json.loads(done.stdout)))
    middle = statistics.median_low(one.resolve_s for one in rounds)
    return next(one for one in rounds if one.resolve_s == middle)


def _serve(options: argparse.Namespace) -> int:
    registry = GeneratedRegistry(options.packages, options.seed)
    server = LoopbackServer(
        registry.answer, port=options.port, lifetime_s=LIFETIME_S, keep_requests=False, loop="uvloop"
    )
    registry.address = server.url
    if options.project:
        os.makedirs(options.project, exist_ok=True)
        with open(os.path.join(options.project, "package.json"), "w", encoding="utf-8") as file:
            json.dump(registry.project(), file, indent=2)
    with server:
        print(f"{server.url}/  (stop with Ctrl-C)", flush=True)
        try:
            server.join()
        except KeyboardInterrupt:
            print(f"{server.request_count} requests")
    return 0


def _sizes(text: str) -> list[int]:
    return sorted(int(size) for size in text.split(","))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    actions = parser.add_subparsers(dest="action", required=True)
    measuring = actions.add_parser("measure", help="measure resolving")
    measuring.add_argument("--sizes", type=_sizes, default=list(SIZES), help="numbers of packages, comma-separated")
    measuring.add_argument("--rounds", type=int, default=ROUNDS, help="for each size (default %(default)s)")
    measuring.add_argument("--out", help="folder for scaling.md, scaling.json and scaling.png")
    measuring.add_argument("--one", type=int, help=argparse.SUPPRESS)
    serving = actions.add_parser("serve", help="serve the packuments (there are no tarballs)")
    serving.add_argument("--packages", type=int, default=3000)
    serving.add_argument("--port", type=int, default=0, help="on 127.0.0.1 (default: a free one)")
    serving.add_argument("--project", help="a folder that gets the project's package.json")
    for action in (measuring, serving):
        action.add_argument("--seed", type=int, default=1)
    return parser


if __name__ == "__main__":
    raise SystemExit(main())
