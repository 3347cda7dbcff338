"""Has Node.js call the project's ``transformManifest``, in one process for all of a resolution.

The process is started when the first manifest needs it, and is told and tells one line of JSON for each
(`extension_host.cjs`). Whoever waits for it waits for nothing else: what a package depends on is not known before. It
ends with the resolution, and with the process that resolves, however that ends.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
from collections.abc import Mapping
from functools import partial
from typing import Any

import msgspec

from pmpipe.errors import RepairError
from pmpipe.npm.texts.text import printable
from pmpipe.project.extension_file import ExtensionFile
from pmpipe.resolver.repairs import Transformed
from pmpipe.system.programs import find_program
from stages.parent_death import die_with_parent

_PROGRAM = os.path.join(os.path.dirname(__file__), "extension_host.cjs")
#: Longer than any manifest deserves.
_PATIENCE_S = 60.0
_ANSWER_BYTES = 16 * 1024 * 1024
_READ_BYTES = 1 << 16
_SHOWN_CHARACTERS = 400


class _Answer(msgspec.Struct):
    refused: str | None = None
    fields: dict[str, dict[str, Any]] | None = None
    applied: dict[str, Any] | None = None


_decoder = msgspec.json.Decoder(_Answer)


class ExtensionHost:
    """The process, which need not be there yet.

    Args:
        file: the code.
        root: absolute path of the project.
        environ: of the process.
        logs: what the code logs is shown.
        patience_s: how long loading the file, or one manifest, may take.
    """

    def __init__(
        self,
        file: ExtensionFile,
        root: str,
        environ: Mapping[str, str],
        *,
        logs: bool = False,
        patience_s: float = _PATIENCE_S,
    ) -> None:
        self._file = file
        self._root = root
        self._environ = environ
        self._logs = logs
        self._patience_s = patience_s
        self._process: subprocess.Popen[bytes] | None = None
        self._socket: socket.socket | None = None
        self._pending = b""
        #: why nothing more is to be had of it
        self._fault: RepairError | None = None

    def transform(self, manifest: Mapping[str, Any]) -> Transformed | None:
        """What the code makes of a manifest; None if it changes nothing.

        Raises:
            RepairError: there is no Node.js, the file cannot be loaded, the code fails, does what it may not, or does
                not answer.
        """
        if self._fault is not None:
            raise self._fault
        label = printable(f"{manifest.get('name')}@{manifest.get('version') or ''}", _SHOWN_CHARACTERS)
        try:
            if self._process is None:
                self._start()
            answer = self._ask(msgspec.json.encode(manifest) + b"\n", f"transformManifest for {label}")
        except RepairError as fault:
            self._fault = fault
            self.stop()
            raise
        if answer.refused is not None:
            raise self._error(f"transformManifest, called for {label}, {answer.refused}")
        if answer.fields is None or answer.applied is None:
            return None
        return Transformed(answer.fields, answer.applied)

    def stop(self) -> None:
        """End the process, if there is one."""
        process, self._process = self._process, None
        if self._socket is not None:
            self._socket.close()
        self._socket, self._pending = None, b""
        if process is not None:
            process.kill()
            process.wait()

    def _start(self) -> None:
        node = find_program("node", self._environ)
        if node is None:
            raise self._error("needs Node.js, which is not on the PATH")
        ours, theirs = socket.socketpair()
        ours.settimeout(self._patience_s)
        self._socket = ours
        arguments = [self._file.path, self._root, str(theirs.fileno()), "1" if self._logs else ""]
        with theirs:
            try:
                self._process = subprocess.Popen(
                    [node, _PROGRAM, *arguments],
                    cwd=self._root,
                    env=dict(self._environ),
                    stdin=subprocess.DEVNULL,
                    # what it prints is for people; stdout may be for programs
                    stdout=2,
                    pass_fds=(theirs.fileno(),),
                    start_new_session=True,
                    preexec_fn=partial(die_with_parent, signal.SIGKILL),  # noqa: PLW1509
                )
            except OSError as error:
                raise self._error(f"cannot be run with {node}: {error.strerror}") from error
        loaded = self._ask(b"", "loading it")
        if loaded.refused is not None:
            raise self._error(loaded.refused)

    def _ask(self, line: bytes, doing: str) -> _Answer:
        try:
            return self._exchange(line, doing)
        except TimeoutError as error:
            raise self._error(f"{doing} has not ended after {self._patience_s:g} s") from error
        except (OSError, msgspec.MsgspecError) as error:
            raise self._error(f"{doing} has failed: {error}") from error

    def _exchange(self, line: bytes, doing: str) -> _Answer:
        assert self._socket is not None
        self._socket.sendall(line)
        parts = [self._pending]
        size = len(self._pending)
        while b"\n" not in parts[-1]:
            part = self._socket.recv(_READ_BYTES)
            size += len(part)
            if not part:
                raise self._error(f"{doing}: Node.js has ended{self._status()}")
            if size > _ANSWER_BYTES:
                raise self._error(f"{doing}: the answer has more than {_ANSWER_BYTES // 1024 // 1024} MiB")
            parts.append(part)
        answer, _, self._pending = b"".join(parts).partition(b"\n")
        return _decoder.decode(answer)

    def _status(self) -> str:
        assert self._process is not None
        try:
            status = self._process.wait(1)
        except subprocess.TimeoutExpired:
            return ""
        return f" with status {status}" if status >= 0 else f" by signal {-status}"

    def _error(self, what: str) -> RepairError:
        return RepairError(
            f"{self._file.name}: {printable(what, _SHOWN_CHARACTERS)}",
            hint="--ignore-extension keeps what the lockfile has of it, and does not run it",
        )
