"""The signals that ask a run to end."""

from __future__ import annotations

import signal

#: A closed terminal and Ctrl-\\ ask for the end, too, unless whoever has started us wants them ignored (nohup).
SIGNALS = (
    *(signal.SIGINT, signal.SIGTERM),
    *(number for number in (signal.SIGHUP, signal.SIGQUIT) if signal.getsignal(number) is not signal.SIG_IGN),
)
