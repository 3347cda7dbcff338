"""What a person sees while a run goes on: one live line on a terminal, a plain line now and then elsewhere."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import msgspec

from pmpipe.cli.wording import megabytes, some_of
from pmpipe.npm.texts.text import plural, printable

if TYPE_CHECKING:
    from tqdm import tqdm

    from pmpipe.orders import Counts
    from pmpipe.resolving.machine import ResolveRun
    from pmpipe.scheduler import Scheduler

#: A run shorter than this (seconds) shows nothing, and does not pay for importing tqdm.
_PATIENCE_S = 0.25

#: Seconds between two changes of the live line.
_REFRESH_S = 0.1

#: Seconds before the first plain line; each time twice as many pass until the next one, up to the most.
_PLAIN_S = 5.0
_PLAIN_MOST_S = 60.0

_BAR = "{desc} |{bar:20}| {n_fmt}/{total_fmt} packages [{elapsed}{postfix}]"

#: The same where the terminal has less than so many columns, so that the counts are not cut off.
_NARROW_BAR = "{desc} |{bar:6}| {n_fmt}/{total_fmt} [{elapsed}{postfix}]"
_WIDE_COLUMNS = 110

_LINE = "{desc} [{elapsed}]"


class Progress(msgspec.Struct):
    """Shows how far a run is. Where it cannot be shown any more, the run goes on without.

    Attributes:
        enabled: the user wants to see progress at all, and can.
        live: standard error is a terminal.
    """

    enabled: bool
    live: bool
    _started: float = msgspec.field(default_factory=time.monotonic)
    _next: float = 0.0
    _pause_s: float = _PLAIN_S
    _bar: tqdm[Any] | None = None

    @classmethod
    def for_terminal(cls, environ: Mapping[str, str], *, enabled: bool) -> Progress:
        """Live on a terminal that somebody looks at, plain lines elsewhere."""
        # a standard error that was closed does not exist
        return cls(enabled and sys.stderr is not None, _is_terminal() and _is_looked_at(environ))

    def show(self, scheduler: Scheduler) -> None:
        """Called at every wake-up of the supervisor; cheap until it is time to show something."""
        now = time.monotonic()
        if not self.enabled or now < self._next:
            return
        if now < self._started + _PATIENCE_S:
            return
        with self._as_long_as_it_can_be_seen():
            if self.live:
                self._show_live(scheduler)
                self._next = now + _REFRESH_S
            else:
                self._tell_plainly(describe(scheduler.counts, len(scheduler.plan.placements)), now)

    def show_resolving(self, run: ResolveRun) -> None:
        """The same while dependencies are resolved."""
        if self._is_time():
            self._tell(
                f"resolving: {plural(run.packages, 'package')}, {plural(run.documents, 'packument')}, "
                f"{megabytes(run.counts.wire_bytes)}"
            )

    def show_scripts(self, under_way: Sequence[str]) -> None:
        """The same while scripts run, given in words which."""
        if under_way and self._is_time():
            if self._bar is not None and self._bar.total is not None:
                self.close()  # packages had a line of their own
            self._tell(f"running {some_of([printable(one) for one in under_way], 3)}")

    def _is_time(self) -> bool:
        return self.enabled and time.monotonic() >= max(self._next, self._started + _PATIENCE_S)

    def _tell(self, text: str) -> None:
        now = time.monotonic()
        with self._as_long_as_it_can_be_seen():
            if self.live:
                if self._bar is None:
                    self._bar = self._make_bar(None)
                self._bar.set_description_str(text, refresh=True)
                self._next = now + _REFRESH_S
            else:
                self._tell_plainly(text, now)

    def _tell_plainly(self, text: str, now: float) -> None:
        """A line, unless it is the first time: a log must not fill up while something is compiled."""
        pause = _PLAIN_S
        if self._next:
            print(f"pmpipe: {now - self._started:.0f} s: {text}", file=sys.stderr)
            self._pause_s = pause = min(2 * self._pause_s, _PLAIN_MOST_S)
        self._next = now + pause

    def close(self) -> None:
        """Leave the terminal as it was."""
        with self._as_long_as_it_can_be_seen():
            if self._bar is not None:
                self._bar.close()
                self._bar = None

    @contextmanager
    def _as_long_as_it_can_be_seen(self) -> Iterator[None]:
        """A full disk, or a reader that has gone, is told when what counts cannot be written: at the end."""
        try:
            yield
        except OSError:
            self.enabled = False
            if self._bar is not None:
                # so that it leaves without another word
                self._bar.disable = True
                self._bar = None

    def _show_live(self, scheduler: Scheduler) -> None:
        counts, total = scheduler.counts, len(scheduler.plan.placements)
        if self._bar is not None and self._bar.total != total:
            self.close()  # resolving had a line of its own
        if self._bar is None:
            self._bar = self._make_bar(total)
        rate = counts.wire_bytes / max(time.monotonic() - self._started, 0.001)
        stages = f"fetched {counts.fetched}, unpacked {counts.extracted}"
        self._bar.set_postfix_str(f"{stages}, {megabytes(counts.wire_bytes)}, {megabytes(rate)}/s", refresh=False)
        self._bar.n = counts.placed
        self._bar.refresh()

    def _make_bar(self, total: int | None) -> tqdm[Any]:
        from tqdm import tqdm

        # the monitor is a thread, and a process with threads must not be forked
        tqdm.monitor_interval = 0
        is_wide = os.get_terminal_size(sys.stderr.fileno()).columns >= _WIDE_COLUMNS
        form = (_BAR if is_wide else _NARROW_BAR) if total is not None else _LINE
        bar = tqdm(total=total, desc="pmpipe", bar_format=form, leave=False, file=sys.stderr, dynamic_ncols=True)
        # resolving has a line of its own, but the user waits for the whole
        bar.start_t -= time.monotonic() - self._started
        return bar


def _is_terminal() -> bool:
    """Whether a live line can be shown: the terminals of some containers have no width, and nothing fits in there."""
    if sys.stderr is None or not sys.stderr.isatty():
        return False
    return os.get_terminal_size(sys.stderr.fileno()).columns > 0


def _is_looked_at(environ: Mapping[str, str]) -> bool:
    """Whether the terminal is no log: build servers give one to what they run, and keep all that is written over."""
    from pmpipe.installing.frozen import runs_in_ci

    return environ.get("TERM") != "dumb" and not runs_in_ci(environ)


def describe(counts: Counts, placements: int) -> str:
    """The state of a run in one line."""
    return (
        f"fetched {counts.fetched} ({megabytes(counts.wire_bytes)}), unpacked {counts.extracted}, "
        f"placed {counts.placed} of {placements}"
    )
