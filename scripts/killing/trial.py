"""One pass: start an install, kill it at an instant, run the same command again, and judge the result."""

from __future__ import annotations

import json
import random
import shutil
from dataclasses import dataclass, field

from comparison.difference import compare
from comparison.snapshot import Snapshot, take_snapshot

from killing.evidence import JOURNAL, leftovers, stage_of
from killing.ground import Ground, remove_lock
from killing.processes import Instant, OneKilled, first_sight, run_and_kill, run_and_kill_one

#: undisturbed runs that are measured, to know over which time kills are spread
_MEASURED = 2
#: share of kills before the first change to the project; before that the lock is worked out, if there is none
_EARLY = 0.15
_EARLY_UNLOCKED = 0.5
#: findings told of one pass
_TOLD = 10
#: of a run that has lost a worker (EX_SOFTWARE)
_CRASHED = 70


@dataclass(frozen=True, slots=True)
class Scenario:
    """A situation in which an install is killed.

    Attributes:
        command: ``ci`` or ``install``.
        cold: the store is empty; otherwise it lacks nothing.
        former: there is a former tree to be changed; otherwise no node_modules.
        locked: there is a lockfile; otherwise the run makes it.
    """

    command: str
    cold: bool
    former: bool
    locked: bool = True

    @property
    def fills_store(self) -> bool:
        """Whether the store has every package at the end; an install does not fetch what is in place already."""
        return not (self.command == "install" and self.cold and self.former)

    def __str__(self) -> str:
        tree = "on a former tree" if self.former else "from nothing"
        lock = "" if self.locked else ", without a lock"
        return f"{self.command}, {'cold' if self.cold else 'warm'} store, {tree}{lock}"


#: every combination, in an order in which a few passes have seen something of everything
SCENARIOS = (
    Scenario("ci", cold=True, former=False),
    Scenario("install", cold=True, former=True),
    Scenario("ci", cold=False, former=True),
    Scenario("install", cold=False, former=True),
    Scenario("ci", cold=True, former=True),
    Scenario("install", cold=True, former=False),
    Scenario("ci", cold=False, former=False),
    Scenario("install", cold=False, former=False),
)

#: installs that resolve; the warm store has the packuments, too
UNLOCKED_SCENARIOS = (
    Scenario("install", cold=True, former=False, locked=False),
    Scenario("install", cold=False, former=False, locked=False),
)


@dataclass(frozen=True, slots=True)
class Trial:
    """What is to be done in one pass.

    Attributes:
        number: of the pass, from 1.
        scenario: the situation.
        instants: when the group is killed; two kills follow each other directly.
        one: kill one process of the group, not all of it.
    """

    number: int
    scenario: Scenario
    instants: tuple[Instant, ...]
    one: bool = False

    def __str__(self) -> str:
        at = " ".join(map(str, self.instants))
        return f"pass {self.number}: {self.scenario}, killed at {at}"


@dataclass(slots=True)
class Result:
    """How one pass went.

    Attributes:
        trial: what was done.
        stages: what each kill left, in words.
        has_hit: the first kill came before the run had ended.
        faults: what is wrong after the undisturbed run; empty: the pass succeeded.
    """

    trial: Trial
    stages: list[str] = field(default_factory=list)
    has_hit: bool = False
    faults: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Span:
    """How long an undisturbed run takes.

    Attributes:
        begins_s: seconds after its start, the run begins to change the project.
        ends_s: seconds after its start, it is over.
        early: share of kills before the run begins to change the project.
    """

    begins_s: float
    ends_s: float
    early: float = _EARLY

    def draw(self, rng: random.Random) -> Instant:
        """A random instant: mostly one while the project is changed, for before that there is little to go wrong."""
        if rng.random() < self.early:
            return Instant(rng.uniform(0.0, self.begins_s))
        return Instant(self.begins_s, rng.uniform(0.0, self.ends_s - self.begins_s))


def measure(ground: Ground, scenario: Scenario) -> Span:
    """The span of undisturbed runs, the least of some: a kill that comes too late shows nothing."""
    spans = []
    for number in range(_MEASURED):
        folder, store = _places(ground, scenario, f"measured-{number}")
        command = ground.command([scenario.command, "--ignore-scripts"], store)
        spans.append(first_sight(command, ground.environment(), folder, f"{folder}/{JOURNAL}"))
        _clear(ground, folder, store)
    early = _EARLY if scenario.locked else _EARLY_UNLOCKED
    return Span(min(begins for begins, _ in spans), min(ends for _, ends in spans), early)


def carry_out(ground: Ground, trial: Trial) -> Result:
    """Kill, run again, judge."""
    result = Result(trial)
    folder, store = _places(ground, trial.scenario, f"pass-{trial.number}")
    words = [trial.scenario.command, "--ignore-scripts"]
    for instant in trial.instants:
        kill = _kill_one if trial.one else _kill_all
        kill(ground, result, instant, (folder, store), words)
    again = ground.run(words, folder, store)
    if again.status:
        result.faults.append(f"the next run ended with status {again.status}: {again.output.strip()[-2000:]}")
    result.faults += _judge(ground, trial, folder, store)
    if not result.faults:
        _clear(ground, folder, store)
    return result


def _kill_all(ground: Ground, result: Result, instant: Instant, places: tuple[str, str], words: list[str]) -> None:
    folder, store = places
    command = ground.command(words, store)
    status = run_and_kill(command, ground.environment(), folder, instant, f"{folder}/{JOURNAL}")
    result.stages.append(stage_of(folder, store, status, ground.expected))
    result.has_hit = result.has_hit or status < 0


def _kill_one(ground: Ground, result: Result, instant: Instant, places: tuple[str, str], words: list[str]) -> None:
    folder, store = places
    before = take_snapshot(folder)
    rng = random.Random(str(instant))
    command = ground.command(words, store)
    killed = run_and_kill_one(command, ground.environment(), folder, instant, f"{folder}/{JOURNAL}", rng)
    name = "the main process" if killed.is_leader else killed.name
    result.stages.append(f"{name or 'nobody'} killed, status {killed.ran.status}")
    result.has_hit = result.has_hit or bool(killed.name)
    if killed.hung:
        result.faults.append(f"{name} was killed, and not all the others have ended")
    elif not killed.is_leader:
        result.faults += _judge_survivor(ground, killed, before, folder)


def _judge_survivor(ground: Ground, killed: OneKilled, before: Snapshot, folder: str) -> list[str]:
    """A run that has lost one of its workers either needed it no more, or says so and has changed nothing."""
    status = killed.ran.status
    if status not in (0, _CRASHED):
        return [f"{killed.name} was killed, and the run ended with {status}: {killed.ran.output.strip()[-2000:]}"]
    right = before if status else ground.expected
    findings = compare(right, take_snapshot(folder), all_modes=True)
    word = "changed" if status else "incomplete"
    return [f"{word} by a run that ended with {status}: {one.path}: {one.detail}" for one in findings[:_TOLD]]


def _judge(ground: Ground, trial: Trial, folder: str, store: str) -> list[str]:
    findings = compare(ground.expected, take_snapshot(folder), all_modes=True)
    faults = [f"{one.difference}: {one.path}: {one.detail}" for one in findings[:_TOLD]]
    if len(findings) > _TOLD:
        faults.append(f"and {len(findings) - _TOLD:,} more paths")
    faults += [f"left behind: {path}" for path in leftovers(folder, store, ground.temporary)]
    verified = ground.run(["verify"], folder, store if trial.scenario.fills_store else ground.full_store)
    if verified.status:
        faults.append(f"pmpipe verify ended with status {verified.status}: {verified.output.strip()[-1000:]}")
    checked = ground.run(["store", "verify", "--json"], folder, store)
    if checked.status or json.loads(checked.output)["damaged"]:
        faults.append(f"pmpipe store verify ended with status {checked.status}: {checked.output.strip()[-1000:]}")
    return faults


def _places(ground: Ground, scenario: Scenario, name: str) -> tuple[str, str]:
    folder = ground.fresh_project(name, former=scenario.former)
    if not scenario.locked:
        remove_lock(folder)
    return folder, f"{ground.work}/{name}-store" if scenario.cold else ground.full_store


def _clear(ground: Ground, folder: str, store: str) -> None:
    shutil.rmtree(folder)
    if store != ground.full_store:
        shutil.rmtree(store)
