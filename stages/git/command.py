"""Runs the ``git`` command, kept apart from the user's repository, hooks and terminal, and makes sure that it ends.

git is started in a session of its own: it cannot ask at a terminal, and it is ended together with its helpers. Should
this process be killed, the kernel ends git. A command that neither finishes nor reports progress for the time-out is
ended, however long a busy one may take.
"""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Mapping, Sequence
from functools import partial

import msgspec

from stages.parent_death import die_with_parent

#: What describes another repository: set when pmpipe runs in a git hook.
_FOREIGN_VARIABLES = (
    "GIT_ALTERNATE_OBJECT_DIRECTORIES",
    "GIT_COMMON_DIR",
    "GIT_DIR",
    "GIT_GRAFT_FILE",
    "GIT_IMPLICIT_WORK_TREE",
    "GIT_INDEX_FILE",
    "GIT_NAMESPACE",
    "GIT_OBJECT_DIRECTORY",
    "GIT_PREFIX",
    "GIT_REPLACE_REF_BASE",
    "GIT_SHALLOW_FILE",
    "GIT_TEMPLATE_DIR",
    "GIT_WORK_TREE",
    "SSH_ASKPASS",
)

#: Settings of every command: no hooks, no helpers that outlive it, no advice in the output, and packs stay packs.
_CONFIG = (
    "core.hooksPath=/dev/null",
    "core.fsmonitor=false",
    "advice.detachedHead=false",
    "gc.auto=0",
    "maintenance.auto=false",
    "fetch.recurseSubmodules=false",
    "fetch.unpackLimit=1",
)

#: Of a command's messages the end is kept.
_KEPT_BYTES = 16 << 10

#: Output of more bytes is refused: a million references have not as many.
_MAXIMUM_OUTPUT_BYTES = 64 << 20

#: After a command's end so long (seconds) for the rest of its output.
_DRAIN_S = 0.5


class GitMissingError(Exception):
    """There is no ``git`` command that can be started."""


class GitFailedError(Exception):
    """A git command ended with an error, or was ended because it stood still.

    Attributes:
        messages: what it said, progress left out, as one text; `stalled` says that it was ended by the time-out.
    """

    def __init__(self, messages: str, *, stalled: bool = False) -> None:
        super().__init__(messages)
        self.messages = messages
        self.stalled = stalled


class GitCommand(msgspec.Struct, frozen=True):
    """How git is run.

    Attributes:
        environment: the whole environment of the commands, see `git_environment`.
        stall_timeout_s: a command that says nothing for so long is ended.
        program: git's name or path.
    """

    environment: Mapping[str, str]
    stall_timeout_s: float
    program: str = "git"

    async def run(self, arguments: Sequence[str], *, protocols: Sequence[str] = ()) -> str:
        """Run one git command to its end.

        Args:
            arguments: without ``git`` itself; what comes from outside has to stand behind ``--``.
            protocols: transports that it, and what it starts, may use.

        Returns:
            What it wrote to its standard output.

        Raises:
            GitMissingError: it cannot be started.
            GitFailedError: it failed, or wrote more than `_MAXIMUM_OUTPUT_BYTES`.
        """
        config = [part for setting in _CONFIG for part in ("-c", setting)]
        environment = {**self.environment, "GIT_ALLOW_PROTOCOL": ":".join(protocols) or "none"}
        try:
            process = await asyncio.create_subprocess_exec(
                self.program,
                "--no-replace-objects",
                *config,
                *arguments,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.PIPE,
                env=environment,
                start_new_session=True,
                preexec_fn=partial(die_with_parent, signal.SIGKILL),
            )
        except OSError as error:
            raise GitMissingError(error.strerror) from error
        return await self._finish(process)

    async def _finish(self, process: asyncio.subprocess.Process) -> str:
        if process.stdout is None or process.stderr is None:
            raise RuntimeError("git was started without pipes")
        output, messages = Collector(process.stdout, _MAXIMUM_OUTPUT_BYTES), Collector(process.stderr)
        ended = asyncio.ensure_future(process.wait())
        try:
            while not ended.done():
                quiet_s = asyncio.get_running_loop().time() - max(output.last_s, messages.last_s)
                if quiet_s >= self.stall_timeout_s:
                    raise GitFailedError(f"no sign of life for {self.stall_timeout_s:g} s", stalled=True)
                await asyncio.wait({ended}, timeout=self.stall_timeout_s - quiet_s)
            # an ssh that stays to be shared keeps the pipes open: their end is not to be waited for
            await asyncio.wait({output.task, messages.task}, timeout=_DRAIN_S)
        finally:
            output.task.cancel()
            messages.task.cancel()
            await _end(process)
            await ended
        if process.returncode:
            raise GitFailedError(_lines(messages.text) or f"git ended with status {process.returncode}")
        if output.is_cut:
            raise GitFailedError(f"it has written more than {_MAXIMUM_OUTPUT_BYTES:,} bytes, which is the limit")
        return output.text


class Collector:
    """Reads a pipe as long as it is open, keeps the end of what came, and the time (of the loop) when it came.

    Args:
        stream: the pipe.
        kept_bytes: so much is kept; `is_cut` says that there was more.
    """

    def __init__(self, stream: asyncio.StreamReader, kept_bytes: int = _KEPT_BYTES) -> None:
        self.last_s = asyncio.get_running_loop().time()
        self.is_cut = False
        self._kept = bytearray()
        self._kept_bytes = kept_bytes
        self.task = asyncio.ensure_future(self._read(stream))

    @property
    def text(self) -> str:
        """The end of what came."""
        return self._kept.decode("utf-8", "replace")

    async def _read(self, stream: asyncio.StreamReader) -> None:
        while part := await stream.read(1 << 16):
            self._kept += part
            if len(self._kept) > self._kept_bytes:
                self.is_cut = True
                del self._kept[: -self._kept_bytes]
            self.last_s = asyncio.get_running_loop().time()


def git_environment(environment: Mapping[str, str]) -> dict[str, str]:
    """The environment for git commands, from the process's own.

    What the user has set for git stays (proxies, credentials, ssh command), as with npm; nothing may ask questions.
    """
    kept = {name: value for name, value in environment.items() if name not in _FOREIGN_VARIABLES}
    kept["LC_ALL"] = "C"
    kept["GIT_TERMINAL_PROMPT"] = "0"
    kept["SSH_ASKPASS_REQUIRE"] = "never"
    kept.setdefault("GIT_ASKPASS", "echo")
    return kept


def _lines(text: str) -> str:
    # progress ends in a carriage return, messages in a newline; ssh's in both
    lines = (line.rstrip("\r").rsplit("\r", 1)[-1].strip() for line in text.split("\n"))
    return "\n".join(line for line in lines if line)


async def _end(process: asyncio.subprocess.Process) -> None:
    """End a command that is still running, with its helpers; what a finished one left running is meant to stay."""
    if process.returncode is None:
        os.killpg(process.pid, signal.SIGKILL)
        await process.wait()
