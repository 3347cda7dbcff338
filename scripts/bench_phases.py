#!/usr/bin/env python3
"""Measures installers side by side, phase by phase, on one project and a replayed registry.

    registry.py record REC --lock DIR/package-lock.json       once: tarballs
    bench_phases.py --project DIR --recording REC --record    once: whatever else the tools ask for
    bench_phases.py --project DIR --recording REC --rounds 5 --work-dir /dev/shm --out results

See docs/benchmark.md for what is measured, and for the traps.
"""

from __future__ import annotations

import argparse
import contextlib
import datetime as dt
import json
import os
import platform
import shutil
import signal
import sys
import tempfile
import urllib.request
from collections.abc import Callable, Iterable, Iterator, Sequence
from urllib.parse import quote

import msgspec
import psutil
from bench.plot import plot
from bench.report import markdown
from bench.results import Machine, Report, Run
from bench.session import NoRoomError, PreparationError, Prepared, Session, Settings, point_lock_at
from bench.tools import KINDS, Npm, Phase, Tool, fetch_tools, find_tools
from loopback.listener import HOST
from loopback.nginx import NginxReplay
from loopback.recorder import Recorder
from loopback.recording import Recording
from loopback.replay import DEFAULT_PORT, open_replay
from loopback.server import LoopbackServer
from loopback.upstream import Upstream, default_upstream

MANIFEST_FIELDS = (
    "name",
    "version",
    "dependencies",
    "devDependencies",
    "optionalDependencies",
    "peerDependencies",
    "peerDependenciesMeta",
)
DAY_S = 24 * 3600.0


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the benchmark; 1 if any cell was rejected or any tool left out, else 0."""
    options = _parser().parse_args(arguments)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))  # so that everything is cleaned up
    if options.fetch_tools and not os.path.isdir(os.path.join(options.fetch_tools, "node_modules")):
        fetch_tools(options.fetch_tools)
    given = dict(one.partition("=")[::2] for one in options.tool)
    tools = find_tools(options.tools, given, options.fetch_tools)
    if options.work_dir:
        os.makedirs(options.work_dir, exist_ok=True)
    folder = tempfile.mkdtemp(prefix="bench-", dir=options.work_dir)
    try:
        report = _bench(options, tools, folder)
        for name in set(options.tools) - {tool.name for tool in tools}:
            report.left_out[name] = "not found"
        # before the folder is deleted: that takes minutes on a slow disk, and somebody may lose patience
        _write(report, options.out)
        print(markdown(report), flush=True)
    except NoRoomError as error:
        print(f"no room: {error}", file=sys.stderr)
        return 1
    finally:
        if not options.keep:
            shutil.rmtree(folder)
    return 1 if report.left_out or any(run.rejected for run in report.runs) else 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--project", help="a project folder; it is only read")
    what.add_argument("--package", metavar="NAME@VERSION", help="the manifest of a published package, as a project")
    parser.add_argument("--recording", required=True, help="the recorded registry (see registry.py)")
    parser.add_argument("--record", action="store_true", help="only run each tool once, recording what it asks for")
    parser.add_argument("--upstream", help="with --record: the registry's address (default: npm's public registry)")
    parser.add_argument("--server", choices=("auto", "nginx", "python"), default="auto", help="of the replay")
    parser.add_argument("--port", type=int, default=DEFAULT_PORT, help="of the replay (default %(default)s)")
    parser.add_argument("--tools", type=_names(KINDS), default=list(KINDS), help="comma-separated; default: all found")
    parser.add_argument("--tool", action="append", default=[], metavar="NAME=PATH", help="where a tool's program is")
    parser.add_argument("--fetch-tools", metavar="DIR", help="install bun, utoo and pnpm there by npm, unless done")
    phases = [phase.value for phase in Phase]
    parser.add_argument("--phases", type=_names(phases), default=phases, help="comma-separated; default: all")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seed", type=int, default=1, help="of the order of runs")
    parser.add_argument(
        "--work-dir", help="a folder on the filesystem to be measured (default: the system's for temps)"
    )
    parser.add_argument("--timeout", type=float, default=600.0, help="for one run, in seconds")
    parser.add_argument("--pss", action="store_true", help="sample the proportional set size too (costs a little time)")
    cleaning = "delete each round's folders when it is over and rest a minute, where the disk has no room for all"
    parser.add_argument("--clean-rounds", action="store_true", help=cleaning)
    parser.add_argument("--keep", action="store_true", help="do not delete the work folder at the end")
    parser.add_argument("--out", help="folder for report.md, report.json and report.png")
    return parser


def _names(known: Iterable[str]) -> Callable[[str], list[str]]:
    allowed = list(known)

    def parse(text: str) -> list[str]:
        names = text.split(",")
        unknown = [name for name in names if name not in allowed]
        if unknown:
            raise argparse.ArgumentTypeError(f"unknown: {', '.join(unknown)} (known: {', '.join(allowed)})")
        return names

    return parse


def _bench(options: argparse.Namespace, tools: list[Tool], folder: str) -> Report:
    registry = f"http://{HOST}:{options.port}"
    recording = Recording(options.recording)
    load_before = os.getloadavg()[0]
    with _recorder(options, recording) if options.record else contextlib.nullcontext():
        replay = None if options.record else open_replay(recording, kind=options.server, port=options.port)
        with replay or contextlib.nullcontext():
            project = options.project or _published_project(options.package, registry, os.path.join(folder, "project"))
            settings = Settings(
                project=project,
                work=os.path.join(folder, "work"),
                registry=registry,
                rounds=options.rounds,
                seed=options.seed,
                timeout_s=options.timeout,
                pss=options.pss,
                clean_rounds=options.clean_rounds,
            )
            session = Session(settings)
            base_lock = _base_lock(session, project, registry, os.path.join(folder, "package-lock.json"))
            prepared, left_out = _prepare(session, tools, base_lock, recording=options.record)
            runs: list[Run] = []
            if replay is not None:
                runs = session.run(prepared, [Phase(one) for one in options.phases], replay, _tell)
    machine = Machine(
        cpus=len(os.sched_getaffinity(0)),
        memory_bytes=psutil.virtual_memory().total,
        kernel=platform.release(),
        python=platform.python_version(),
        filesystem=session.filesystem,
        load_before=load_before,
        server="nginx" if isinstance(replay, NginxReplay) else "python",
        seed=options.seed,
        rounds=options.rounds,
        taken_at=dt.datetime.now(dt.timezone.utc).isoformat(timespec="minutes"),
    )
    name = options.package or os.path.basename(os.path.abspath(options.project))
    versions = {one.tool.name: one.tool.version() for one in prepared}
    return Report(project=name, machine=machine, tools=versions, left_out=left_out, runs=runs)


@contextlib.contextmanager
def _recorder(options: argparse.Namespace, recording: Recording) -> Iterator[None]:
    with Upstream(options.upstream or default_upstream()) as upstream:
        recorder = Recorder(recording, upstream)
        server = LoopbackServer(
            recorder.answer, port=options.port, lifetime_s=DAY_S, keep_requests=False, loop="uvloop"
        )
        recorder.address = server.url
        with server:
            yield
        print(f"{server.request_count} requests, {recorder.fetched} answers recorded")


def _prepare(
    session: Session, tools: list[Tool], base_lock: str | None, *, recording: bool
) -> tuple[list[Prepared], dict[str, str]]:
    prepared: list[Prepared] = []
    left_out: dict[str, str] = {}
    for tool in tools:
        try:
            prepared.append(session.prepare(tool, base_lock, cold_too=recording))
            print(f"prepared {tool.name}", flush=True)
        except PreparationError as error:  # noqa: PERF203 - a few tools, minutes each
            left_out[tool.name] = str(error)
            print(f"left out {tool.name}: {error}", flush=True)
    return prepared, left_out


def _base_lock(session: Session, project: str, registry: str, target: str) -> str | None:
    """The project's package-lock.json, or one that npm makes of its manifest, naming the replayed registry."""
    source = os.path.join(project, "package-lock.json")
    if not os.path.exists(source):
        npm = shutil.which("npm")
        if npm is None:
            return None
        source = session.make_lock(Npm(npm), None)
    with open(source, encoding="utf-8") as file, open(target, "w", encoding="utf-8") as pointed:
        pointed.write(point_lock_at(file.read(), registry))
    return target


def _published_project(spec: str, registry: str, folder: str) -> str:
    """A project folder with the manifest of ``name@version``, from the registry."""
    name, _, version = spec.rpartition("@")
    with urllib.request.urlopen(f"{registry}/{quote(name, safe='@')}", timeout=60) as response:
        packument = json.load(response)
    manifest = packument["versions"][packument["dist-tags"].get(version, version)]
    os.makedirs(folder)
    with open(os.path.join(folder, "package.json"), "w", encoding="utf-8") as file:
        json.dump({field: manifest[field] for field in MANIFEST_FIELDS if field in manifest}, file, indent=2)
    return folder


def _tell(run: Run) -> None:
    said = f"rejected: {run.rejected}" if run.rejected else f"{run.measured.wall_s:.2f} s"
    print(f"round {run.round} {run.phase:>4} {run.tool:<6} {said}", flush=True)


def _write(report: Report, folder: str | None) -> None:
    if folder is None:
        return
    os.makedirs(folder, exist_ok=True)
    with open(os.path.join(folder, "report.json"), "wb") as file:
        file.write(msgspec.json.format(msgspec.json.encode(report), indent=1))
    with open(os.path.join(folder, "report.md"), "w", encoding="utf-8") as text:
        text.write(markdown(report))
    try:
        plot(report, os.path.join(folder, "report.png"))
    except ModuleNotFoundError as error:
        print(f"no plot: {error}", file=sys.stderr)


if __name__ == "__main__":
    raise SystemExit(main())
