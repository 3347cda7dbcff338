"""Asks npm: for the lock of a project, and for its opinion of a lock that is there."""

from __future__ import annotations

import hashlib
import os
import subprocess
import time
from collections.abc import Mapping
from dataclasses import dataclass

import msgspec

from lockcheck.projects import ProjectFiles

LOCKFILE = "package-lock.json"
#: tokens and settings of the host must not decide anything
_KEPT = ("PATH", "HOME", "LANG", "LC_ALL", "TMPDIR", "TZ")
_UNKNOWN = "EUNKNOWN"
_QUIET = ("--no-audit", "--no-fund", "--no-update-notifier", "--logs-max=0", "--loglevel=error")


class Answer(msgspec.Struct, frozen=True):
    """What came of resolving one project.

    Attributes:
        code: npm's name of the error, or empty.
        lock: the lockfile's bytes; empty if there is none.
        seconds: how long it took.
        said: the end of what was printed, if it failed.
    """

    code: str
    lock: bytes
    seconds: float
    said: str = ""


@dataclass(frozen=True, slots=True)
class Opinion:
    """What npm says of a lock.

    Attributes:
        ci_status: exit status of ``npm ci --dry-run``.
        ls_status: exit status of ``npm ls --all --package-lock-only``.
        ls_output: its output, without the folder's path.
        keeps: ``npm install --package-lock-only`` leaves the lock as it is, byte for byte.
    """

    ci_status: int
    ls_status: int
    ls_output: str
    keeps: bool


class Npm:
    """npm, on one registry.

    Args:
        registry: the registry's URL.
        cache: npm's cache folder; sharing it among projects saves most of the time.
        memory: a folder in which its locks are kept for the next run, or None. They hold for one npm and one address.
        timeout_s: for one command.
    """

    def __init__(self, registry: str, cache: str, *, memory: str | None = None, timeout_s: float = 1800.0) -> None:
        self.registry = registry
        self.cache = cache
        self.memory = memory
        self.timeout_s = timeout_s
        self.version = self._run(os.getcwd(), "--version").stdout.strip()

    def lock(self, project: ProjectFiles, folder: str, old_lock: bytes = b"") -> Answer:
        """Have npm write the lock of a project.

        Args:
            project: what to write into the folder.
            folder: an empty one.
            old_lock: the lock that is there already, or empty.
        """
        remembered = self._place(project, old_lock)
        if remembered and os.path.exists(remembered):
            with open(remembered, "rb") as file:
                return msgspec.msgpack.decode(file.read(), type=Answer)
        project.write(folder)
        if old_lock:
            write_lock(folder, old_lock)
        started = time.monotonic()
        done = self._run(folder, "install", "--package-lock-only", "--ignore-scripts", *_QUIET)
        seconds = time.monotonic() - started
        code = _error_code(done)
        answer = Answer(code, b"" if code else read_lock(folder), seconds, done.stderr[-4000:] if code else "")
        if remembered and code != _UNKNOWN:
            os.makedirs(os.path.dirname(remembered), exist_ok=True)
            with open(remembered, "wb") as file:
                file.write(msgspec.msgpack.encode(answer))
        return answer

    def opinion(self, folder: str) -> Opinion:
        """What npm says of the lock in a project's folder; the lock may be changed by that."""
        ci = self._run(folder, "ci", "--dry-run", "--ignore-scripts", "--prefer-offline", *_QUIET)
        ls = self._run(folder, "ls", "--all", "--package-lock-only", *_QUIET)
        before = read_lock(folder)
        again = self._run(folder, "install", "--package-lock-only", "--ignore-scripts", "--prefer-offline", *_QUIET)
        output = (ls.stdout + ls.stderr).replace(os.path.realpath(folder), "PROJECT")
        return Opinion(
            ci.returncode, ls.returncode, output, keeps=again.returncode == 0 and read_lock(folder) == before
        )

    def _place(self, project: ProjectFiles, old_lock: bytes) -> str:
        if self.memory is None:
            return ""
        what = f"{self.version} {self.registry} {project.digest()} {hashlib.sha256(old_lock).hexdigest()}"
        return os.path.join(self.memory, f"{project.name}-{hashlib.sha256(what.encode()).hexdigest()[:16]}.msgpack")

    def _run(self, folder: str, *words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["npm", *words],
            cwd=folder,
            env={**clean_environment(self.registry), "npm_config_cache": self.cache},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            encoding="utf-8",
            errors="replace",
            timeout=self.timeout_s,
            check=False,
        )


def clean_environment(registry: str) -> Mapping[str, str]:
    """The environment without the user's own settings, for npm and for pmpipe."""
    return {
        **{name: os.environ[name] for name in _KEPT if name in os.environ},
        "npm_config_registry": registry,
        "npm_config_userconfig": os.devnull,
        # npm refuses one file for both
        "npm_config_globalconfig": f"{os.devnull}/none",
    }


def read_lock(folder: str) -> bytes:
    """The bytes of a folder's lockfile; empty if there is none."""
    try:
        with open(os.path.join(folder, LOCKFILE), "rb") as file:
            return file.read()
    except FileNotFoundError:
        return b""


def write_lock(folder: str, lock: bytes) -> None:
    """Put a lockfile into a folder."""
    with open(os.path.join(folder, LOCKFILE), "wb") as file:
        file.write(lock)


def _error_code(done: subprocess.CompletedProcess[str]) -> str:
    if done.returncode == 0:
        return ""
    for line in done.stderr.splitlines():
        if line.startswith("npm error code "):
            return line.removeprefix("npm error code ").strip()
    return _UNKNOWN
