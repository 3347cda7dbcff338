"""Draws a benchmark: one group of bars per phase, one bar per tool, wall time on a logarithmic scale."""

from __future__ import annotations

from bench.results import Report, cells_of


def plot(report: Report, path: str) -> None:
    """Write a PNG or SVG, by the path's suffix.

    Raises:
        ModuleNotFoundError: matplotlib is not installed (the extra "bench").
    """
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot as plt

    phases = cells_of(report)
    figure, axes = plt.subplots(figsize=(2 + 2.2 * len(phases), 4.5))
    width = 0.8 / len(report.tools)
    for index, tool in enumerate(report.tools):
        valid = [
            (place, cells[tool]) for place, cells in enumerate(phases.values()) if tool in cells and cells[tool].valid
        ]
        positions = [place + (index - (len(report.tools) - 1) / 2) * width for place, _ in valid]
        bars = axes.bar(
            positions,
            [cell.wall() for _, cell in valid],
            width,
            yerr=[cell.deviation() for _, cell in valid],
            label=f"{tool} {report.tools[tool]}",
            capsize=2,
        )
        axes.bar_label(bars, fmt="%.2f", fontsize=7)
    axes.set_yscale("log")
    axes.set_ylabel("wall time, s")
    axes.set_xticks(range(len(phases)), list(phases))
    axes.set_title(f"{report.project} ({report.machine.filesystem}, {report.machine.rounds} rounds)", fontsize=10)
    axes.legend(fontsize=8)
    figure.tight_layout()
    figure.savefig(path, dpi=150)
    plt.close(figure)
