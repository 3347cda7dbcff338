"""Errors across the border between the resolve process and the main one."""

from __future__ import annotations

from pmpipe.errors import ProblemsError, RegistryError
from pmpipe.resolving.failures import bounded, error_of, errors_of
from stages.messages import Failed, JobId


def test_lines_are_cut_to_what_a_message_can_hold() -> None:
    assert bounded(["a", "b"]) == ["a", "b"]
    cut = bounded(["x" * 10_000, *map(str, range(2_000))])
    assert len(cut) == 41
    assert cut[0] == "x" * 500 + "…"
    assert cut[-1] == "and 1,961 more"


def test_an_error_has_its_class_again() -> None:
    error = error_of("PM_REGISTRY", "what", ["detail"], "hint")
    assert type(error) is RegistryError
    assert (error.what, error.details, error.hint) == ("what", ("detail",), "hint")


def test_what_an_error_sums_up_comes_along() -> None:
    one = Failed(JobId(-1), "PM_REGISTRY", "a\x1b[2J", ("required by the project",))
    error = errors_of([Failed(JobId(-1), "PM_REGISTRY", "2 packages failed alike", problems=(one,))])
    assert type(error) is RegistryError
    assert [(problem.what, problem.details) for problem in error.problems] == [
        ("a\\x1b[2J", ("required by the project",))
    ]


def test_several_problems_are_one_error_and_none_moves_a_cursor() -> None:
    one, two = (Failed(JobId(-1), "PM_REGISTRY", f"{name}\x1b[2J", (f"{name}\r",)) for name in "ab")
    single = errors_of([one])
    assert (single.what, single.details) == ("a\\x1b[2J", ("a\\r",))
    both = errors_of([one, two])
    assert isinstance(both, ProblemsError)
    assert [error.what[0] for error in both.problems] == ["a", "b"]
