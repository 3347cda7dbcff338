"""Runs npm and pmpipe on copies of one project, and asks npm what it thinks of a tree."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

#: what npm says when its ci refuses a lock in which entries of optional dependencies are missing
_REFUSED = "npm ci` can only install packages when"
_CHECKOUT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))


class InstallError(Exception):
    """An installer ended with another status than 0; the text is what it said."""


@dataclass(frozen=True, slots=True)
class Ran:
    """What one command did."""

    status: int
    stdout: str
    stderr: str
    seconds: float


@dataclass(frozen=True, slots=True)
class Verdict:
    """What npm says of one tree.

    Attributes:
        ls_status: exit status of ``npm ls --all``.
        ls_output: its output with the tree's own path replaced.
        to_do: how many packages ``npm install --dry-run`` would add, change and remove; None if it failed.
    """

    ls_status: int
    ls_output: str
    to_do: int | None


class RunNpm(Protocol):
    """How npm is run."""

    def __call__(
        self, words: Sequence[str], *, cwd: str, env: Mapping[str, str], timeout_s: float
    ) -> tuple[int, str, str]:
        """Run the command line of these words; give its status, its output and its error output."""


def run_npm_process(
    words: Sequence[str], *, cwd: str, env: Mapping[str, str], timeout_s: float
) -> tuple[int, str, str]:
    """Run npm as a process of its own."""
    return _run_process(["npm", *words], cwd, env, timeout_s)


@dataclass(slots=True)
class Installers:
    """Both installers with the settings of one comparison.

    Attributes:
        npm_cache: npm's cache folder.
        store: pmpipe's store.
        registry: the registry's URL; empty: as configured.
        flags: given to both installers as they are (``--omit=dev``).
        timeout_s: for one command.
        run_npm: how npm is run.
    """

    npm_cache: str
    store: str
    registry: str = ""
    flags: Sequence[str] = ()
    timeout_s: float = 1800.0
    run_npm: RunNpm = run_npm_process
    npm_command: str = field(default="ci", init=False)

    def lock(self, folder: str) -> Ran:
        """Have npm write the project's package-lock.json.

        Raises:
            InstallError: it failed.
        """
        return _successful("npm install --package-lock-only", self._npm(folder, "install", "--package-lock-only"))

    def npm(self, folder: str) -> Ran:
        """Install by npm's ci, or by its install where ci refuses the lock; `npm_command` tells which it was.

        Raises:
            InstallError: it failed.
        """
        ran = self._npm(folder, "ci", "--ignore-scripts", *self.flags)
        if ran.status and _REFUSED in ran.stderr:
            self.npm_command = "install"
            return self.npm_install(folder)
        return _successful(f"npm {self.npm_command}", ran)

    def npm_install(self, folder: str) -> Ran:
        """Install by npm's install.

        Raises:
            InstallError: it failed.
        """
        return _successful("npm install", self._npm(folder, "install", "--ignore-scripts", *self.flags))

    def pmpipe(self, folder: str, command: str = "ci") -> Ran:
        """Install by ``pmpipe ci``, or another command.

        Raises:
            InstallError: it failed.
        """
        words = [sys.executable, "-m", "pmpipe", command, "--ignore-scripts", "--dir", folder]
        words += ["--store-dir", self.store, *self.flags]
        path = os.pathsep.join(filter(None, (_CHECKOUT, os.environ.get("PYTHONPATH"))))
        environment = self._environment(PYTHONPATH=path)
        started = time.monotonic()
        ended = _run_process(words, folder, environment, self.timeout_s)
        return _successful(f"pmpipe {command}", Ran(*ended, time.monotonic() - started))

    def ask_npm(self, folder: str) -> Verdict:
        """What npm says of the tree in a folder; the tree stays as it is."""
        ls = self._npm(folder, "ls", "--all", *self.flags)
        output = (ls.stdout + ls.stderr).replace(os.path.realpath(folder), "PROJECT").replace(folder, "PROJECT")
        dry = self._npm(folder, "install", "--ignore-scripts", "--dry-run", "--json", "--prefer-offline", *self.flags)
        return Verdict(ls.status, output, _to_do(dry))

    def _npm(self, folder: str, *words: str) -> Ran:
        quiet = ("--no-audit", "--no-fund", "--no-update-notifier", "--logs-max=0", "--loglevel=error")
        environment = self._environment(npm_config_cache=self.npm_cache)
        started = time.monotonic()
        ended = self.run_npm((*words, *quiet), cwd=folder, env=environment, timeout_s=self.timeout_s)
        return Ran(*ended, time.monotonic() - started)

    def _environment(self, **more: str) -> dict[str, str]:
        registry = {"npm_config_registry": self.registry} if self.registry else {}
        return {**os.environ, **registry, **more}


def _run_process(
    command: Sequence[str], folder: str, environment: Mapping[str, str], timeout_s: float
) -> tuple[int, str, str]:
    done = subprocess.run(
        command,
        cwd=folder,
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        encoding="utf-8",
        errors="replace",
        timeout=timeout_s,
        check=False,
    )
    return done.returncode, done.stdout, done.stderr


def copy_project(project: str, destination: str) -> None:
    """Copy a project without what is installed in it, all of it writable."""
    shutil.copytree(
        project,
        destination,
        symlinks=True,
        copy_function=shutil.copyfile,
        ignore=lambda _, names: [name for name in names if name == "node_modules"],
    )
    for folder, _, names in os.walk(destination):
        os.chmod(folder, 0o755)
        for name in names:
            _copy_executable_bit(project, destination, os.path.relpath(f"{folder}/{name}", destination))


def _copy_executable_bit(project: str, destination: str, path: str) -> None:
    if not os.path.islink(f"{destination}/{path}") and os.access(f"{project}/{path}", os.X_OK):
        os.chmod(f"{destination}/{path}", 0o755)


def _successful(what: str, ran: Ran) -> Ran:
    if ran.status:
        raise InstallError(f"{what} ended with status {ran.status}:\n{ran.stderr[-4000:]}{ran.stdout[-1000:]}")
    return ran


def _to_do(dry: Ran) -> int | None:
    if dry.status:
        return None
    # a line for each change stands before the document
    counts: dict[str, Any] = json.loads(dry.stdout[dry.stdout.index("{") :])
    return int(counts["added"]) + int(counts["changed"]) + int(counts["removed"])
