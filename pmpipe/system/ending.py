"""The end of the main process."""

from __future__ import annotations

import os
import signal

from pmpipe.errors import EXIT_BY_SIGNAL

# the program begins with this module, and is light until signals are seen to
TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import NoReturn


def end(status: int) -> NoReturn:
    """End this process at once: nothing is flushed, no child is waited for.

    After Ctrl-C in a terminal it ends by SIGINT, as npm and bun do, which a shell shows as the same status. A loop or a
    script there goes on with its next command if the one that ran when Ctrl-C was pressed ended in another way.
    """
    if status == EXIT_BY_SIGNAL + signal.SIGINT and _is_in_foreground():
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        # the first process of a container outlives it
        os.kill(os.getpid(), signal.SIGINT)
    os._exit(status)


def _is_in_foreground() -> bool:
    """Whether what is typed in a terminal comes to this process."""
    try:
        terminal = os.open("/dev/tty", os.O_RDONLY | os.O_NOCTTY | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        return os.tcgetpgrp(terminal) == os.getpgrp()
    except OSError:
        return False
    finally:
        os.close(terminal)
