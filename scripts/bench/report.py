"""Shows a benchmark as Markdown: a table per phase, the ratios of wall times pair by pair, and what was rejected."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from bench.results import Cell, Report, Run, cells_of
from bench.tools import Phase


@dataclass(frozen=True, slots=True)
class Column:
    """One column: its heading, and how a valid cell shows in it."""

    heading: str
    show: Callable[[Cell], str]


def _median(figure: Callable[[Run], float], form: Callable[[float], str]) -> Callable[[Cell], str]:
    return lambda cell: form(cell.median(figure))


def _seconds(value: float) -> str:
    return f"{value:.2f}" if value >= 1 else f"{value:.3f}"


def _megabytes(value: float) -> str:
    return f"{value / 1e6:,.1f}"


def _count(value: float) -> str:
    return f"{value:,.0f}"


def _wall(cell: Cell) -> str:
    deviation = f" ±{cell.deviation():.2f}" if len(cell.runs) > 1 else ""
    return f"{_seconds(cell.wall())}{deviation}"


PSS_HEADING = "peak PSS MB"
COLUMNS = (
    Column("wall s", _wall),
    Column("user s", _median(lambda run: run.measured.user_s, _seconds)),
    Column("sys s", _median(lambda run: run.measured.system_s, _seconds)),
    Column("peak RSS MB", _median(lambda run: run.measured.peak_rss_bytes, _megabytes)),
    Column(PSS_HEADING, _median(lambda run: run.measured.peak_pss_bytes, _megabytes)),
    Column("processes", _median(lambda run: run.measured.peak_processes, _count)),
    Column("minor faults", _median(lambda run: run.measured.minor_faults, _count)),
    Column("vol. switches", _median(lambda run: run.measured.voluntary_switches, _count)),
    Column("invol. switches", _median(lambda run: run.measured.involuntary_switches, _count)),
    Column("requests", _median(lambda run: run.traffic.requests, _count)),
    Column("rx MB", _median(lambda run: run.traffic.rx_bytes, _megabytes)),
    Column("tx MB", _median(lambda run: run.traffic.tx_bytes, _megabytes)),
    Column("cache MB", _median(lambda run: run.sizes.cache.size_bytes, _megabytes)),
    Column("cache files", _median(lambda run: run.sizes.cache.files, _count)),
    Column("node_modules MB", _median(lambda run: run.sizes.node_modules.size_bytes, _megabytes)),
    Column("node_modules files", _median(lambda run: run.sizes.node_modules.files, _count)),
    Column("lock MB", _median(lambda run: run.sizes.lock_bytes, _megabytes)),
    Column("packages", _median(lambda run: run.packages_promised, _count)),
)


def markdown(report: Report) -> str:
    """The whole report."""
    machine = report.machine
    tools = ", ".join(f"{name} {version}" for name, version in report.tools.items())
    setting = (
        f"{machine.taken_at}; {tools}; {machine.rounds} rounds, seed {machine.seed}; {machine.cpus} cores, "
        f"{machine.memory_bytes / 1e9:.0f} GB, Linux {machine.kernel}, {machine.filesystem}, load before "
        f"{machine.load_before:.1f}; replayed by {machine.server}. Medians; ± is the sample's standard deviation."
    )
    lines = [f"# {report.project}: {', '.join(cells_of(report))}", "", setting]
    for phase, cells in cells_of(report).items():
        lines += ["", f"## {phase}: {Phase(phase).meaning}", "", *_phase_table(cells), *_ratio_table(cells)]
    lines += _rejections(report)
    return "\n".join(lines) + "\n"


def _row(cells: list[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _phase_table(cells: dict[str, Cell]) -> list[str]:
    columns = _columns(cells)
    rows = [_row(["", *(column.heading for column in columns)]), _row(["---"] + ["---:"] * len(columns))]
    for tool, cell in cells.items():
        shown = [column.show(cell) for column in columns] if cell.valid else ["rejected"] + [""] * (len(columns) - 1)
        rows.append(_row([tool, *shown]))
    return rows


def _columns(cells: dict[str, Cell]) -> list[Column]:
    with_pss = any(run.measured.peak_pss_bytes for cell in cells.values() for run in cell.runs)
    return [column for column in COLUMNS if with_pss or column.heading != PSS_HEADING]


def _ratio_table(cells: dict[str, Cell]) -> list[str]:
    valid = {tool: cell for tool, cell in cells.items() if cell.valid}
    if len(valid) < 2:
        return []
    rows = ["", _row(["wall ÷", *valid]), _row(["---"] + ["---:"] * len(valid))]
    rows += [
        _row([tool, *(f"{cell.wall() / other.wall():.2f}" if other is not cell else "1" for other in valid.values())])
        for tool, cell in valid.items()
    ]
    return rows


def _rejections(report: Report) -> list[str]:
    reasons = [f"- {tool}: {reason}" for tool, reason in report.left_out.items()]
    reasons += [
        f"- {tool} {phase}: {reason}"
        for phase, cells in cells_of(report).items()
        for tool, cell in cells.items()
        for reason in cell.rejections
    ]
    return ["", "## Rejected", "", *reasons] if reasons else []
