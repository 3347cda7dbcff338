"""The state machine of scripts: slots, order, and the end at a failure."""

from __future__ import annotations

from pmpipe.lifecycle.script_run import ScriptRun, ScriptTask
from pmpipe.npm.locks.package_path import PackagePath
from pmpipe.orders import Finish, Interrupted, Order, StageName, Start, Stop, WorkerDied
from stages.messages import Failed, JobId, RunScript, ScriptRan


def task(name: str, *, optional: bool = False) -> ScriptTask:
    return ScriptTask(PackagePath(f"node_modules/{name}"), f"{name}@1.0.0", f"/p/node_modules/{name}", optional, {})


def machine(*tasks: ScriptTask, slots: int = 2) -> ScriptRun:
    return ScriptRun("install", tasks, "sh", slots, shown_on="")


def labels(orders: list[Order]) -> list[str]:
    found = []
    for order in orders:
        if isinstance(order, Start):
            assert order.stage is StageName.SCRIPT
            assert isinstance(order.job, RunScript)
            found.append(order.job.label)
        else:
            found.append(type(order).__name__)
    return found


def test_no_more_run_at_a_time_than_there_are_slots() -> None:
    run = machine(task("a"), task("b"), task("c"))
    assert labels(run.start()) == ["a@1.0.0", "b@1.0.0"]
    assert run.in_flight(StageName.SCRIPT) == 2
    assert run.in_flight(StageName.CLONE) == 0
    assert run.under_way() == ["a@1.0.0 install", "b@1.0.0 install"]
    assert labels(run.handle(ScriptRan(JobId(1), "x"))) == ["c@1.0.0"]
    assert run.describe(JobId(2)) == "c@1.0.0 (install)"
    assert run.describe(JobId(1)) == ""
    assert labels(run.handle(ScriptRan(JobId(0)), ScriptRan(JobId(2), "x"))) == ["Finish"]
    assert run.ran == {"node_modules/b", "node_modules/c"}
    assert run.handle(ScriptRan(JobId(9))) == []


def test_nothing_to_run_is_the_end() -> None:
    assert machine().start() == [Finish()]


def test_the_first_failure_that_counts_is_the_end() -> None:
    run = machine(task("a"), task("b"), task("c"))
    run.start()
    assert labels(run.handle(ScriptRan(JobId(0), "x", 1))) == ["Finish"]
    assert [failure.task.label for failure in run.failures] == ["a@1.0.0"]


def test_a_failure_of_what_is_optional_is_not() -> None:
    run = machine(task("a", optional=True), task("b"), slots=1)
    run.start()
    assert labels(run.handle(Failed(JobId(0), "PM_SCRIPT", "no shell"))) == ["b@1.0.0"]
    assert labels(run.handle(ScriptRan(JobId(1), "x"))) == ["Finish"]
    assert run.ran == {"node_modules/b"}


def test_deaths_and_signals_stop_it() -> None:
    for event in (WorkerDied(StageName.SCRIPT, 1, -9, JobId(0)), Interrupted(2)):
        run = machine(task("a"))
        run.start()
        assert run.handle(event) == [Stop(event)]
        assert run.handle(event) == []
