"""The program's beginning; ``python -m pmpipe`` is the same as ``pmpipe``."""

import signal
import sys
from types import FrameType

from pmpipe.errors import EXIT_BY_SIGNAL
from pmpipe.system.ending import end


def entry() -> None:
    """The console script. Does not return."""
    if not sys.platform.startswith("linux"):
        sys.exit(f"error[PM_HOST]: pmpipe runs on Linux, not on {sys.platform}\nhint: a Linux container or WSL will do")
    from stages.signals import SIGNALS

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
