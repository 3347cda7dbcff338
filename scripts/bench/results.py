"""The figures: one `Run` per process, gathered to a `Cell` per tool and phase; all of it JSON."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Sequence

import msgspec

from bench.disk import TreeSize
from bench.measure import Measurement
from bench.tools import Phase


class RunTraffic(msgspec.Struct, frozen=True):
    """What one run exchanged with the registry, as the registry counts it."""

    requests: int = 0
    rx_bytes: int = 0
    tx_bytes: int = 0
    misses: list[str] = []


class Sizes(msgspec.Struct, frozen=True):
    """What one run left behind."""

    cache: TreeSize = TreeSize()
    node_modules: TreeSize = TreeSize()
    lock_bytes: int = 0


class Run(msgspec.Struct, kw_only=True):
    """One run of one tool in one phase. ``rejected`` says why its figures must not be used, or is empty."""

    tool: str
    phase: str
    round: int
    measured: Measurement
    traffic: RunTraffic
    sizes: Sizes
    packages_promised: int = 0
    packages_missing: int = 0
    rejected: str = ""


class Machine(msgspec.Struct, kw_only=True):
    """Where and how the figures were taken."""

    cpus: int
    memory_bytes: int
    kernel: str
    python: str
    filesystem: str
    load_before: float
    server: str
    seed: int
    rounds: int
    taken_at: str


class Report(msgspec.Struct, kw_only=True):
    """A whole benchmark."""

    project: str
    machine: Machine
    tools: dict[str, str]
    #: why a tool takes part in no phase, or not in some
    left_out: dict[str, str]
    runs: list[Run]


class Cell:
    """All runs of one tool in one phase."""

    def __init__(self, tool: str, phase: str, runs: Sequence[Run]) -> None:
        self.tool = tool
        self.phase = phase
        self.runs = [run for run in runs if not run.rejected]
        self.rejections = sorted({run.rejected for run in runs if run.rejected})

    @property
    def valid(self) -> bool:
        """Whether there are figures, and none of the runs was rejected: a tool that fails sometimes is not compared."""
        return bool(self.runs) and not self.rejections

    def median(self, figure: Callable[[Run], float]) -> float:
        """The median of a figure."""
        return statistics.median(figure(run) for run in self.runs)

    def wall(self) -> float:
        """The median of the wall time in seconds."""
        return self.median(lambda run: run.measured.wall_s)

    def deviation(self) -> float:
        """The sample's standard deviation of the wall time, in seconds; 0 for a single run."""
        walls = [run.measured.wall_s for run in self.runs]
        return statistics.stdev(walls) if len(walls) > 1 else 0.0


def cells_of(report: Report) -> dict[str, dict[str, Cell]]:
    """Phase -> tool -> cell, in the order of `Phase` and of the report's tools."""
    taken = {run.phase for run in report.runs}
    phases = [phase.value for phase in Phase if phase.value in taken]
    return {
        phase: {
            tool: Cell(tool, phase, runs)
            for tool in report.tools
            if (runs := [run for run in report.runs if (run.phase, run.tool) == (phase, tool)])
        }
        for phase in phases
    }
