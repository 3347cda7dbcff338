"""One pass: start an install, kill it at an instant, run the same command again, and judge the result."""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass, field

from comparison.difference import compare
from comparison.snapshot import take_snapshot

from killing.evidence import leftovers, stage_of
from killing.ground import Ground
from killing.processes import run_and_kill

#: undisturbed runs that are measured, to know over which time kills are spread
_MEASURED = 2
#: findings told of one pass
_TOLD = 10


@dataclass(frozen=True, slots=True)
class Scenario:
    """A situation in which an install is killed.

    Attributes:
        command: ``ci`` or ``install``.
        cold: the store is empty; otherwise it lacks nothing.
        former: there is a former tree to be changed; otherwise no node_modules.
    """

    command: str
    cold: bool
    former: bool

    @property
    def fills_store(self) -> bool:
        """Whether the store has every package at the end; an install does not fetch what is in place already."""
        return not (self.command == "install" and self.cold and self.former)

    def __str__(self) -> str:
        tree = "on a former tree" if self.former else "from nothing"
        return f"{self.command}, {'cold' if self.cold else 'warm'} store, {tree}"


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


@dataclass(frozen=True, slots=True)
class Trial:
    """What is to be done in one pass.

    Attributes:
        number: of the pass, from 1.
        scenario: the situation.
        instants_s: seconds after each start at which the group is killed; two kills follow each other directly.
    """

    number: int
    scenario: Scenario
    instants_s: tuple[float, ...]

    def __str__(self) -> str:
        at = ", then ".join(f"{instant:.4f} s" for instant in self.instants_s)
        return f"pass {self.number}: {self.scenario}, killed after {at}"


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


def measure(ground: Ground, scenario: Scenario) -> float:
    """Seconds that an undisturbed run takes, the least of some: a kill that comes too late shows nothing."""
    seconds = []
    for number in range(_MEASURED):
        folder, store = _places(ground, scenario, f"measured-{number}")
        seconds.append(ground.must_succeed(scenario.command, folder, store).seconds)
        _clear(ground, folder, store)
    return min(seconds)


def carry_out(ground: Ground, trial: Trial) -> Result:
    """Kill, run again, judge."""
    result = Result(trial)
    folder, store = _places(ground, trial.scenario, f"pass-{trial.number}")
    words = [trial.scenario.command, "--ignore-scripts"]
    for instant_s in trial.instants_s:
        status = run_and_kill(ground.command(words, store), ground.environment(), folder, instant_s)
        result.stages.append(stage_of(folder, store, status, ground.expected))
        result.has_hit = result.has_hit or status < 0
    again = ground.run(words, folder, store)
    if again.status:
        result.faults.append(f"the next run ended with status {again.status}: {again.output.strip()[-2000:]}")
    result.faults += _judge(ground, trial, folder, store)
    if not result.faults:
        _clear(ground, folder, store)
    return result


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
    return folder, f"{ground.work}/{name}-store" if scenario.cold else ground.full_store


def _clear(ground: Ground, folder: str, store: str) -> None:
    shutil.rmtree(folder)
    if store != ground.full_store:
        shutil.rmtree(store)
