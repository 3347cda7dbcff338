"""The program's beginning; ``python -m pmpipe`` is the same as ``pmpipe``."""

import signal
from types import FrameType

from pmpipe.errors import EXIT_BY_SIGNAL
from pmpipe.system.ending import end
from stages.signals import SIGNALS


def entry() -> None:
    """The console script. Does not return."""
    # Nothing has been begun as long as modules are loaded: a signal ends us at once, without a trace of where we were,
    # and without an exception in the middle of loading extension modules, which some of them do not survive. That a
    # shell has its background jobs begin with SIGINT ignored does not count, here as later, nor does it in Node.js.
    for number in SIGNALS:
        signal.signal(number, _leave)
    from pmpipe.cli.main import entry

    entry()


def _leave(number: int, _frame: FrameType | None) -> None:
    end(EXIT_BY_SIGNAL + number)


if __name__ == "__main__":
    entry()
