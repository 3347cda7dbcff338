"""Writes what a program finds itself in, as JSON, and ends with the status in its first argument."""

from __future__ import annotations

import json
import os
import resource
import signal
import sys
from typing import Any


def report() -> dict[str, Any]:
    """What a run may depend on, but for process ids."""
    umask = os.umask(0o022)
    os.umask(umask)
    numbers = signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP}
    return {
        "arguments": sys.argv,
        "folder": os.getcwd(),
        "environment": dict(os.environ),
        "descriptors": [name for name in os.listdir("/proc/self/fd") if os.path.exists(f"/proc/self/fd/{name}")],
        "streams": [
            (stream.encoding, stream.errors, stream.line_buffering, stream.fileno(), stream.isatty())
            for stream in (sys.stdin, sys.stdout, sys.stderr)
        ],
        "signals": [str(signal.getsignal(number)) for number in sorted(numbers)],
        "blocked": sorted(signal.pthread_sigmask(signal.SIG_BLOCK, ())),
        "umask": umask,
        "leads its session": os.getsid(0) == os.getpid() == os.getpgrp(),
        "limits": [resource.getrlimit(kind) for kind in (resource.RLIMIT_FSIZE, resource.RLIMIT_NOFILE)],
        "warnings": sys.warnoptions,
    }


if __name__ == "__main__":
    print(json.dumps(report()))
    sys.exit(int(sys.argv[1]))
