"""What is shown while a run goes on, and that the run does not depend on it."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from pmpipe.cli.progress import Progress
from pmpipe.plan import Plan
from pmpipe.scheduler import Scheduler
from pmpipe.tasks import Settings
from stages.messages import ArchiveLimits


@contextmanager
def full_standard_error(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A standard error that cannot be written, as wide as a terminal."""
    with open("/dev/full", "w", encoding="utf-8", buffering=1) as stream, monkeypatch.context() as patched:
        patched.setattr(os, "get_terminal_size", lambda *_: os.terminal_size((120, 24)))
        patched.setattr(sys, "stderr", stream)
        yield
        # what is left in its buffer goes nowhere
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, stream.fileno())
        os.close(nowhere)


def long_ago(*, live: bool) -> Progress:
    """Of a run that has gone on for a while."""
    progress = Progress(enabled=True, live=live)
    progress._started -= 10
    progress._next = progress._started
    return progress


@pytest.mark.parametrize("live", [True, False])
def test_a_run_goes_on_where_its_progress_cannot_be_shown(monkeypatch: pytest.MonkeyPatch, live: bool) -> None:
    limits = ArchiveLimits(entries=1, one_file=1, all_files=1, ratio=1)
    scheduler = Scheduler(Plan(), Settings({}, "/store/v1", "/store/v1/staging", limits))
    for_packages, for_scripts = long_ago(live=live), long_ago(live=live)
    with full_standard_error(monkeypatch):
        for_packages.show(scheduler)
        for_scripts.show_scripts(["a postinstall"])
        assert [one.enabled for one in (for_packages, for_scripts)] == [False, False]
        for_packages.show(scheduler)
        for_packages.close()


def test_what_is_going_on_is_told_in_plain_lines_now_and_then(capsys: pytest.CaptureFixture[str]) -> None:
    progress = long_ago(live=False)
    for _ in range(3):
        progress.show_scripts(["a postinstall"])
    assert re.fullmatch(r"pmpipe: \d+ s: running a postinstall\n", capsys.readouterr().err)


def test_plain_lines_become_rarer_the_longer_it_takes(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    progress = Progress(enabled=True, live=False)
    for second in range(1, 301):
        monkeypatch.setattr("time.monotonic", lambda second=second: progress._started + second)
        progress.show_scripts(["a postinstall"])
    told = [int(one) for one in re.findall(r"pmpipe: (\d+) s: running a postinstall", capsys.readouterr().err)]
    assert told == [6, 16, 36, 76, 136, 196, 256]
