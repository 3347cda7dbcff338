"""One benchmark: prepares each tool's lock and warm cache, then runs the cells, each in fresh folders.

Nothing is deleted before the end where that would bill the next run: on ext4, inodes deleted in the last half minute
are skipped one by one by whoever creates files then. On tmpfs a run's folders go at once, or memory would run out.
"""

from __future__ import annotations

import json
import os
import random
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit, urlunsplit

import msgspec
from loopback.replay import Replay
from loopback.traffic import Traffic

from bench.disk import filesystem_type, tree_size
from bench.locks import Host, LockError, missing_packages, read_lock
from bench.measure import Measurement
from bench.results import Run, RunTraffic, Sizes
from bench.tools import Phase, Places, Tool

LOCKFILES = ("package-lock.json", "npm-shrinkwrap.json", "bun.lock", "bun.lockb", "pnpm-lock.yaml", "yarn.lock")
MEASURE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "measure.py")
#: twice the time for which ext4 passes over deleted inodes, with its writing back
AFTER_DELETING_S = 60.0
ESCAPES = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


class PreparationError(Exception):
    """A tool could not make its lock or fill its cache, so it takes no part."""


class NoRoomError(Exception):
    """The work folder's filesystem is too small for what was asked."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """How a session runs.

    Attributes:
        project: the folder that is installed; only read.
        work: the session's own folder, on the filesystem that is measured; not there yet.
        registry: the replay's address.
        settle_s: rest after each sync.
        pss: sample the proportional set size too.
        clean_rounds: delete each round's folders when it is over, and wait until nobody pays for that.
    """

    project: str
    work: str
    registry: str
    rounds: int
    seed: int
    timeout_s: float
    settle_s: float = 0.5
    pss: bool = False
    clean_rounds: bool = False


@dataclass(slots=True)
class Prepared:
    """A tool that is ready: its own lock's path, and the places where everything is warm."""

    tool: Tool
    lock: str
    warm: Places
    cold_bytes: int


class Session:
    """Runs tools on one project; see `Settings`."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._host = Host.current()
        self._run_count = 0
        #: folders of finished runs that are still there
        self._spent: list[str] = []
        os.makedirs(settings.work)
        self.filesystem = filesystem_type(settings.work)

    def prepare(self, tool: Tool, base_lock: str | None, *, cold_too: bool) -> Prepared:
        """Let a tool make its lock and fill its cache.

        Args:
            tool: whose turn it is.
            base_lock: the project's package-lock.json, or one that npm made of its manifest, or None.
            cold_too: also install without a lock (so that a recorder hears all that p0 and p1 ask for).

        Raises:
            PreparationError: the tool failed, or installed less than its lock says.
        """
        lock = self.make_lock(tool, base_lock)
        warm = self._places(tool, "warm", lock=lock)
        run = self._install(tool, Phase.LOCKED, warm, None)
        if run.rejected:
            raise PreparationError(f"filling its cache: {run.rejected}")
        if cold_too and Phase.COLD in tool.phases():
            for phase in (Phase.RESOLVE, Phase.COLD):
                self._install(tool, phase, self._places(tool, f"recorded-{phase.value}"), None)
        cold_bytes = tree_size(warm.project, warm.cache, warm.home).size_bytes
        return Prepared(tool, lock, warm, cold_bytes)

    def run(
        self, prepared: Sequence[Prepared], phases: Sequence[Phase], replay: Replay, tell: Callable[[Run], None]
    ) -> list[Run]:
        """Run all cells in all rounds, each round in its own order; ``tell`` hears of each run at once."""
        runs: list[Run] = []
        self._require_room(prepared, phases)
        for number in range(1, self._settings.rounds + 1):
            cells = [(one, phase) for one in prepared for phase in phases if phase in one.tool.phases()]
            random.Random(f"{self._settings.seed}-{number}").shuffle(cells)
            for one, phase in cells:
                run = self._run_cell(one, phase, replay)
                run.round = number
                runs.append(run)
                tell(run)
            if self._settings.clean_rounds and number < self._settings.rounds:
                self._clean_round()
        return runs

    def _clean_round(self) -> None:
        while self._spent:
            shutil.rmtree(self._spent.pop())
        os.sync()
        time.sleep(AFTER_DELETING_S)

    def clean(self) -> None:
        """Delete all that the session made."""
        shutil.rmtree(self._settings.work)

    def _run_cell(self, prepared: Prepared, phase: Phase, replay: Replay) -> Run:
        tool, warm = prepared.tool, prepared.warm
        self._run_count += 1
        name = f"run-{self._run_count:03d}-{phase.value}"
        if phase is Phase.NOOP:
            return self._install(tool, phase, warm, replay)
        places = self._places(tool, name, lock=prepared.lock if phase in (Phase.LOCKED, Phase.WARM) else None)
        if phase is Phase.WARM:
            places = Places(places.project, warm.cache, warm.home)
        run = self._install(tool, phase, places, replay)
        folder = os.path.join(self._settings.work, tool.name, name)
        if self.filesystem == "tmpfs":
            shutil.rmtree(folder)
        else:
            self._spent.append(folder)
        return run

    def _install(self, tool: Tool, phase: Phase, places: Places, replay: Replay | None) -> Run:
        command = tool.command(phase, places, self._settings.registry)
        os.sync()
        time.sleep(self._settings.settle_s)
        before = replay.traffic() if replay else Traffic()
        measured, said = self._measure(tool, command, places)
        used = (replay.traffic() if replay else Traffic()).since(before)
        run = Run(
            tool=tool.name,
            phase=phase.value,
            round=0,
            measured=measured,
            traffic=RunTraffic(used.requests, used.sent_bytes, used.received_bytes, sorted(used.misses)),
            sizes=self._sizes(tool, places),
        )
        run.rejected = self._fault(tool, phase, places, run, said)
        return run

    def _fault(self, tool: Tool, phase: Phase, places: Places, run: Run, said: str) -> str:
        """Why a run's figures must not be used, or an empty string."""
        if run.measured.timed_out:
            return f"not done after {self._settings.timeout_s:g} s"
        if run.measured.status != 0:
            return f"ended with status {run.measured.status}: {said}"
        if phase.is_warm and run.traffic.requests:
            return f"asked the registry {run.traffic.requests} times although everything was there"
        try:
            lock = read_lock(os.path.join(places.project, tool.lock_name), self._host)
        except (LockError, FileNotFoundError) as error:
            return f"left no lock: {error}"
        run.packages_promised = len(lock.promised())
        if run.packages_promised == 0:
            return "its lock names no package"
        if phase is Phase.RESOLVE:
            linked = os.path.exists(os.path.join(places.project, "node_modules"))
            return "made a node_modules although only the lock was asked for" if linked else ""
        missing = missing_packages(lock, places.project)
        run.packages_missing = len(missing)
        if missing:
            return f"installed less than its lock says: {len(missing)} of {run.packages_promised}, e.g. {missing[0]}"
        return ""

    def _sizes(self, tool: Tool, places: Places) -> Sizes:
        lock = os.path.join(places.project, tool.lock_name)
        return Sizes(
            cache=tree_size(places.cache),
            node_modules=tree_size(os.path.join(places.project, "node_modules")),
            lock_bytes=os.path.getsize(lock) if os.path.exists(lock) else 0,
        )

    def _measure(self, tool: Tool, command: Sequence[str], places: Places) -> tuple[Measurement, str]:
        """Run a command by `bench.measure`; its figures, and the last thing it said."""
        result, log = places.home + "/measured.json", places.home + "/output.log"
        memory = "pss" if self._settings.pss else "rss"
        limit = str(self._settings.timeout_s)
        subprocess.run(
            [sys.executable, MEASURE, result, log, limit, memory, *command],
            cwd=places.project,
            env=tool.environment(places, self._settings.registry),
            check=True,
        )
        with open(result, "rb") as file:
            measured = msgspec.json.decode(file.read(), type=Measurement)
        with open(log, encoding="utf-8", errors="replace") as file:
            lines = [line.strip() for line in ESCAPES.sub("", file.read()).splitlines() if line.strip()]
        return measured, " / ".join(lines[-3:])[-300:]

    def _places(self, tool: Tool, name: str, *, lock: str | None = None) -> Places:
        """Fresh folders with a copy of the project, without any lock but the given one."""
        folder = os.path.join(self._settings.work, tool.name, name)
        places = Places(*(os.path.join(folder, part) for part in ("project", "cache", "home")))
        ignored = shutil.ignore_patterns("node_modules", ".git", *LOCKFILES)
        shutil.copytree(self._settings.project, places.project, symlinks=True, ignore=ignored)
        for path, _, names in os.walk(places.project):
            for one in [path, *(os.path.join(path, name) for name in names)]:
                if not os.path.islink(one):
                    os.chmod(one, os.stat(one).st_mode | 0o200)  # the project may be read-only
        os.makedirs(os.path.join(places.home, "tmp"))
        os.makedirs(places.cache)
        tool.adapt_project(places.project)
        if lock is not None:
            shutil.copyfile(lock, os.path.join(places.project, os.path.basename(lock)))
        return places

    def make_lock(self, tool: Tool, base_lock: str | None) -> str:
        """The path of a tool's own lock; the base lock itself if that is its kind.

        Raises:
            PreparationError: the tool failed.
        """
        if base_lock is not None and tool.takes_npm_lock and tool.lock_name == "package-lock.json":
            return base_lock
        attempts = [base_lock, None] if base_lock is not None and tool.takes_npm_lock else [None]
        said = "it cannot resolve yet, and the project has no lock"
        for attempt, start in enumerate(attempts):
            if Phase.RESOLVE not in tool.phases():
                break
            places = self._places(tool, f"lock-{attempt}", lock=start)
            measured, said = self._measure(tool, tool.import_command(places, self._settings.registry), places)
            path = os.path.join(places.project, tool.lock_name)
            if measured.status == 0 and os.path.exists(path):
                return path
        raise PreparationError(f"making its lock: {said}")

    def _require_room(self, prepared: Sequence[Prepared], phases: Sequence[Phase]) -> None:
        cold = sum(phase in (Phase.COLD, Phase.LOCKED) for phase in phases)
        per_round = cold * sum(one.cold_bytes for one in prepared)
        at_once = self.filesystem == "tmpfs" or self._settings.clean_rounds
        needed = per_round if at_once else per_round * self._settings.rounds
        free = shutil.disk_usage(self._settings.work).free
        if free < needed * 1.1:
            raise NoRoomError(f"{needed >> 20} MiB are needed in {self._settings.work}, {free >> 20} MiB are free")


def point_lock_at(text: str, registry: str) -> str:
    """A package-lock.json whose ``resolved`` URLs name this registry instead of their hosts."""
    document = json.loads(text)
    address = urlsplit(registry)
    for entry in document.get("packages", {}).values():
        resolved = entry.get("resolved", "")
        if isinstance(resolved, str) and resolved.startswith(("http://", "https://")):
            parts = urlsplit(resolved)
            entry["resolved"] = urlunsplit(parts._replace(scheme=address.scheme, netloc=address.netloc))
    return json.dumps(document, indent=2) + "\n"
