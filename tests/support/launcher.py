"""A process that has pmpipe's modules loaded, and forks for each run: ``python -m support.launcher 3``.

Most of what a small run costs is the loading of modules, and the tests start some thousands. The descriptor is one end
of a socket of whole messages; `support.launched` has the other. A run has nothing of this process but its modules: the
streams, the working folder, the environment and the session are its own. At the end of the socket this process ends;
runs go on.
"""

from __future__ import annotations

import contextlib
import importlib
import json
import os
import pkgutil
import runpy
import select
import socket
import struct
import sys
from dataclasses import dataclass
from typing import IO, Any

#: a request is one message
REQUEST_LIMIT = 1 << 20
#: stdin, stdout, stderr, and where to tell the process id and then the status
DESCRIPTORS = 4
NUMBER = struct.Struct("=i")


@dataclass(slots=True, frozen=True)
class Request:
    """One run: a module to run as ``python -m`` does, its arguments, and all of its environment."""

    module: str
    words: list[str]
    cwd: str
    environment: dict[str, str]


def serve(control: socket.socket) -> tuple[Request, list[int]]:
    """Fork for each request and tell how the run ends. Returns in the forked process; ends this one."""
    poll = select.poll()
    poll.register(control, select.POLLIN)
    told: dict[int, tuple[int, int]] = {}
    while True:
        for descriptor, _ in poll.poll():
            if descriptor == control.fileno():
                message, descriptors, _, _ = socket.recv_fds(control, REQUEST_LIMIT, DESCRIPTORS)
                if not message:
                    sys.exit()
                pid = os.fork()
                if pid == 0:
                    return Request(**json.loads(message)), descriptors
                answers = descriptors.pop()
                for stream in descriptors:
                    os.close(stream)
                _tell(answers, pid)
                ended = os.pidfd_open(pid)
                told[ended] = pid, answers
                poll.register(ended, select.POLLIN)
            else:
                poll.unregister(descriptor)
                os.close(descriptor)
                pid, answers = told.pop(descriptor)
                _tell(answers, os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
                os.close(answers)


def _tell(descriptor: int, number: int) -> None:
    # whoever asked may have gone
    with contextlib.suppress(BrokenPipeError):
        os.write(descriptor, NUMBER.pack(number))


def become(request: Request, descriptors: list[int]) -> None:
    """Be the run that is asked for. Ends the process."""
    os.setsid()
    for number, descriptor in enumerate(descriptors[:3]):
        os.dup2(descriptor, number)
    os.closerange(3, os.sysconf("SC_OPEN_MAX"))
    # what the former streams know of their files, for example that one can be sought in, need not hold for these
    sys.stdin, sys.stdout, sys.stderr = map(_reopened, (sys.stdin, sys.stdout, sys.stderr))
    os.chdir(request.cwd)
    os.environ.clear()
    os.environ.update(request.environment)
    sys.argv[1:] = request.words
    runpy.run_module(request.module, run_name="__main__", alter_sys=True)


def _reopened(stream: Any) -> IO[str]:
    number, mode = stream.fileno(), "r" if stream.readable() else "w"
    buffering = 1 if stream.line_buffering else -1
    return open(number, mode, buffering, encoding=stream.encoding, errors=stream.errors, closefd=False)


def load(package: Any) -> None:
    """Import all modules of a package, but those that are programs."""
    for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
        if not module.name.endswith("__main__"):
            importlib.import_module(module.name)


if __name__ == "__main__":
    import pmpipe
    import stages

    load(pmpipe)
    load(stages)
    with socket.socket(fileno=int(sys.argv[1])) as control:
        asked = serve(control)
    become(*asked)
