"""Runs npm's command line, in a process that is there for all runs of a worker of the tests.

See ``npm_host.cjs`` for what that means. What needs another user, a terminal, a standard input or signals has to
start npm as a process of its own.
"""

from __future__ import annotations

import atexit
import json
import os
import selectors
import shutil
import socket
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from threading import Lock
from typing import Any, NamedTuple

HOST = Path(__file__).with_name("npm_host.cjs")

#: What Node.js and its libraries read from the environment once, when they start.
READ_AT_START = ("NODE_", "UV_", "OPENSSL_", "SSL_", "ICU_", "LC_", "LANG", "TZ")

Settings = tuple[str, str, dict[str, str]]


class NpmRun(NamedTuple):
    """How npm ended; a status below zero is the signal that killed it."""

    status: int
    stdout: str
    stderr: str


def run_npm(words: Sequence[str], *, cwd: str | Path, env: Mapping[str, str], timeout_s: float = 100.0) -> NpmRun:
    """Run npm to its end, as `subprocess.run` does with an empty standard input.

    Args:
        words: the command line without ``npm``.
        cwd: the working folder.
        env: the whole environment; its ``PATH`` says which npm and which Node.js.
        timeout_s: how long it may take.

    Raises:
        FileNotFoundError: there is no npm, or no such folder.
        subprocess.TimeoutExpired: it took too long, and was killed.
    """
    return _HOST.run(words, str(cwd), env, timeout_s)


class _Host:
    """The process, which is replaced when it is lost, unfit, or has begun with other settings than a run wants."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._settings: Settings | None = None
        self._process: subprocess.Popen[bytes] | None = None
        self._channel: socket.socket

    def run(self, words: Sequence[str], cwd: str, env: Mapping[str, str], timeout_s: float) -> NpmRun:
        npm, node = (_found(name, env) for name in ("npm", "node"))
        os.stat(cwd)
        request = {"argv": [npm, *words], "cwd": cwd, "env": dict(env), "umask": _umask()}
        settings = (npm, node, {name: value for name, value in env.items() if name.startswith(READ_AT_START)})
        with self._lock:
            if settings != self._settings or self._is_lost():
                self.end()
            if self._process is None:
                self._process = self._started(settings)
            fit = False
            try:
                run, fit = self._ask(self._process, request, timeout_s)
            finally:
                if not fit:
                    self.end()
            return run

    def end(self) -> None:
        """End the process; `run` begins another one."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self.forget()

    def forget(self) -> None:
        """Let go of a process that has ended, or is the parent's."""
        if self._process is not None:
            assert self._process.stdout is not None
            assert self._process.stderr is not None
            for one in (self._process.stdout, self._process.stderr, self._channel):
                one.close()
            self._process.returncode = 0
            self._process = None

    def _is_lost(self) -> bool:
        return self._process is not None and self._process.poll() is not None

    def _started(self, settings: Settings) -> subprocess.Popen[bytes]:
        self._settings = settings
        npm, node, environment = settings
        self._channel, theirs = socket.socketpair()
        with theirs:
            return subprocess.Popen(
                [node, str(HOST), os.path.realpath(npm), str(theirs.fileno())],
                bufsize=0,
                cwd="/",
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                pass_fds=[theirs.fileno()],
            )

    def _ask(self, process: subprocess.Popen[bytes], request: dict[str, Any], timeout_s: float) -> tuple[NpmRun, bool]:
        """How the run ended, and whether there can be another one."""
        assert process.stdout is not None
        assert process.stderr is not None
        stdout, stderr, channel = process.stdout.fileno(), process.stderr.fileno(), self._channel.fileno()
        self._channel.sendall(json.dumps(request).encode() + b"\n")
        read = _read_until_answered((stdout, stderr), channel, timeout_s)
        if read is None:
            raise subprocess.TimeoutExpired(request["argv"], timeout_s)
        # without an answer, the process has ended instead
        answer = json.loads(read[channel]) if read[channel] else {"status": process.wait(), "fit": False}
        texts = (read[one].decode("utf-8", "backslashreplace") for one in (stdout, stderr))
        return NpmRun(answer["status"], *texts), answer["fit"]


def _read_until_answered(outputs: tuple[int, int], channel: int, timeout_s: float) -> dict[int, bytearray] | None:
    """What all have sent when the channel has given a line, or nothing can come from it; None if it takes too long."""
    read = {one: bytearray() for one in (*outputs, channel)}
    deadline = time.monotonic() + timeout_s
    with selectors.DefaultSelector() as selector:
        for one in read:
            os.set_blocking(one, False)
            selector.register(one, selectors.EVENT_READ)
        while channel in selector.get_map() and not read[channel].endswith(b"\n"):
            ready = selector.select(deadline - time.monotonic())
            if not ready:
                return None
            for key, _ in ready:
                if not _read(key.fd, read[key.fd]):
                    selector.unregister(key.fd)
    # npm and its children write before they exit, so the rest is there already
    for one in outputs:
        _read(one, read[one])
    return read


def _read(descriptor: int, into: bytearray) -> bool:
    """Read what is there; False if nothing can come any more."""
    try:
        while content := os.read(descriptor, 1 << 16):
            into += content
    except BlockingIOError:
        return True
    except ConnectionError:
        pass
    return False


def _found(name: str, env: Mapping[str, str]) -> str:
    found = shutil.which(name, path=env.get("PATH", os.defpath))
    if found is None:
        raise FileNotFoundError(name)
    return found


def _umask() -> int:
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1], 8) for line in lines if line.startswith("Umask:"))


_HOST = _Host()
atexit.register(_HOST.end)
os.register_at_fork(after_in_child=_HOST.forget)
