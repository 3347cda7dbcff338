"""libcurl on an event loop: what its callbacks raise must not get lost in C code."""

import asyncio

import pytest

from stages.curl_loop import guarded


class CrashedError(Exception):
    """Stands for the end of the process."""


def test_an_exception_of_a_callback_reaches_the_crash_handler():
    reports = []

    def report() -> None:
        import sys

        reports.append(sys.exc_info()[1])
        raise CrashedError

    def callback(number: int) -> int:
        return 1 // number

    safe = guarded(callback, report)
    assert safe(1) == 1
    with pytest.raises(CrashedError):
        safe(0)
    assert isinstance(reports[0], ZeroDivisionError)


def test_a_cancelled_task_within_a_callback_reaches_it_too():
    def report() -> None:
        raise CrashedError

    def callback() -> None:
        raise asyncio.CancelledError

    with pytest.raises(CrashedError):
        guarded(callback, report)()
