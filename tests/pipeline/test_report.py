"""A run's failures as one readable report."""

from __future__ import annotations

import pytest

from pmpipe import errors
from pmpipe.errors import (
    EXIT_CRASH,
    HostError,
    IntegrityError,
    PmpipeError,
    ProblemsError,
    RegistryError,
    SignalError,
    UsageError,
    WorkerCrashError,
)
from pmpipe.orders import Failure
from pmpipe.pipeline.report import crash_error, failures_error
from pmpipe.supervisor import CrashReport
from stages.messages import Failed, JobId


def failure(name: str, code: str = "PM_REGISTRY", cause: str = "", location: str = "", **fields: str) -> Failure:
    what = fields.pop("what", f"{name} cannot be had")
    return Failure(location or f"node_modules/{name}", Failed(JobId(0), code, what, ("url: x",), "try", cause=cause))


def required_by(location: str) -> str:
    return f"app > {location}"


def test_one_failure_is_told_in_full() -> None:
    error = failures_error([failure("a", "PM_INTEGRITY")], required_by)
    assert isinstance(error, IntegrityError)
    assert str(error).splitlines() == [
        "error[PM_INTEGRITY]: a cannot be had",
        "  url: x",
        "  required by: app > node_modules/a",
        "hint: try",
    ]


def test_a_package_that_is_wanted_at_several_places_is_told_once() -> None:
    same = [failure("a", location=f"node_modules/{place}/node_modules/a") for place in "xyz"]
    error = failures_error(same, required_by)
    assert str(error).count("a cannot be had") == 1
    assert "wanted at 3 places, the first is node_modules/x/node_modules/a" in str(error)


def test_different_failures_are_told_together() -> None:
    error = failures_error([failure("a"), failure("b", "PM_INTEGRITY")], required_by)
    assert isinstance(error, ProblemsError)
    assert [type(one) for one in error.problems] == [RegistryError, IntegrityError]
    assert str(error).count("error[") == 2
    assert error.status == 1


def test_hundreds_of_failures_of_one_cause_are_one_readable_error() -> None:
    many = [failure(f"p{number}", cause="401 registry.example") for number in range(300)]
    error = failures_error(many, required_by)
    assert isinstance(error, RegistryError)
    lines = str(error).splitlines()
    assert lines[0] == "error[PM_REGISTRY]: 300 packages failed alike: 401 registry.example"
    assert "  … and 290 more" in lines
    assert len(lines) == 14


def test_a_few_failures_of_one_cause_are_told_in_full() -> None:
    few = [failure(f"p{number}", cause="401 registry.example") for number in range(3)]
    error = failures_error(few, required_by)
    assert isinstance(error, ProblemsError)
    assert len(error.problems) == 3


@pytest.mark.parametrize("number", [1, 300])
def test_text_of_a_registry_cannot_move_the_cursor(number: int) -> None:
    evil = [failure(f"\x1b[2J{count}", cause="\x1b]0;x\x07 401" if number > 1 else "") for count in range(number)]
    assert "\x1b" not in str(failures_error(evil, required_by))
    assert "\x07" not in str(failures_error(evil, required_by))


def test_every_code_has_one_class() -> None:
    classes = [one for one in vars(errors).values() if isinstance(one, type) and issubclass(one, PmpipeError)]
    codes = [one.code for one in classes]
    assert len(set(codes)) == len(codes)
    for one in classes:
        # no package fails with these two
        if one not in (ProblemsError, SignalError):
            assert type(failures_error([failure("a", one.code)], required_by)) is one


def test_a_crash_names_stage_job_and_cause() -> None:
    error = crash_error(CrashReport("clone", "a@1.0.0", "was killed by SIGKILL", ""))
    assert error.what == "the clone stage's worker was killed by SIGKILL while working on a@1.0.0"
    assert error.status == EXIT_CRASH


def test_a_kill_may_be_for_want_of_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pmpipe.pipeline.report.memory_limit_bytes", lambda: 268_435_456)
    assert "(268 MB may be used here)" in crash_error(CrashReport("resolve", "", "was killed by SIGKILL", "")).hint
    assert "268 MB" not in crash_error(CrashReport("resolve", "", "was killed by SIGSEGV", "")).hint


def test_a_library_that_cannot_be_loaded_is_no_bug() -> None:
    trouble = "Traceback\nImportError: Error loading shared library libcurl.so.4: No such file or directory\n"
    hint = crash_error(CrashReport("fetch", "", "raised", trouble)).hint
    assert "install the library" in hint
    assert "bug" not in hint


@pytest.mark.parametrize(
    "last",
    ["MemoryError", "OSError: [Errno 12] Cannot allocate memory", "OSError: [Errno 24] Too many open files: 'x'"],
)
def test_a_worker_that_is_refused_what_it_needs_is_no_bug(last: str) -> None:
    error = crash_error(CrashReport("resolve", "a@1.0.0", "raised", f"Traceback\n  file\n{last}\n"))
    assert isinstance(error, HostError)
    assert error.status == 1
    assert error.what == f"the system refuses what the resolve stage needs while working on a@1.0.0: {last}"
    assert "ulimit" in error.hint


def test_a_crash_without_a_job_names_none() -> None:
    error = crash_error(CrashReport("clone", "", "raised", "Traceback\n  \x1b[1mfile\nValueError: x\n"))
    assert error.what == "the clone stage's worker raised"
    assert error.details == ("Traceback", "  \\x1b[1mfile", "ValueError: x")


def test_a_hint_that_several_problems_in_a_row_have_is_told_once() -> None:
    problems = [
        RegistryError("a", hint="x"),
        RegistryError("b", hint="x"),
        RegistryError("c"),
        UsageError("d", hint="x"),
    ]
    lines = str(ProblemsError(problems)).splitlines()
    assert [line[-1] for line in lines] == ["a", "b", "x", "c", "d", "x"]


def test_problems_have_the_worst_status_of_all() -> None:
    assert ProblemsError([RegistryError("a"), WorkerCrashError("b"), UsageError("c")]).status == EXIT_CRASH
    assert ProblemsError([ProblemsError([UsageError("c")]), RegistryError("a")]).status == 2
