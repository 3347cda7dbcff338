"""Asks pmpipe for the lock of a project: its resolver in this process, or its command."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from collections.abc import Mapping
from typing import Any, Protocol

from lockcheck.codes import npms_code
from lockcheck.oracle import Answer, clean_environment, read_lock, write_lock
from lockcheck.projects import ProjectFiles
from lockcheck.provider import Provider, drive
from pmpipe.errors import PmpipeError, ProblemsError
from pmpipe.npm.locks.lock_writer import write_lockfile
from pmpipe.npm.packages.pick_manifest import PickOptions
from pmpipe.npm.texts.json_layout import lock_layout_of
from pmpipe.project.project import read_project
from pmpipe.resolver import InstallStrategy, Project, ResolveOptions, Resolver, locked_entries
from pmpipe.system.host import node_version, platform

_CHECKOUT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
_ERROR_LINE = re.compile(r"^error\[(PM_\w+)\]", re.MULTILINE)


class Pmpipe(Protocol):
    """pmpipe, in some way."""

    def lock(self, project: ProjectFiles, folder: str, old_lock: bytes = b"") -> Answer:
        """Write a project into an empty folder, perhaps with a lock, and resolve it."""


class ByCommand:
    """``pmpipe install --package-lock-only``, as a user would.

    Args:
        registry: the registry's URL.
        cache: folder for pmpipe's caches.
        timeout_s: for one project.
    """

    def __init__(self, registry: str, cache: str, *, timeout_s: float = 600.0) -> None:
        self._registry = registry
        self._cache = cache
        self._timeout_s = timeout_s

    def lock(self, project: ProjectFiles, folder: str, old_lock: bytes = b"") -> Answer:
        """Write a project into an empty folder, perhaps with a lock, and resolve it."""
        project.write(folder)
        if old_lock:
            write_lock(folder, old_lock)
        words = ["install", "--package-lock-only", "--ignore-scripts", "--dir", folder]
        path = os.pathsep.join(filter(None, (_CHECKOUT, os.environ.get("PYTHONPATH"))))
        started = time.monotonic()
        done = subprocess.run(
            [sys.executable, "-m", "pmpipe", *words, "--store-dir", self._cache],
            env={**clean_environment(self._registry), "PYTHONPATH": path, "XDG_CACHE_HOME": self._cache},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            encoding="utf-8",
            errors="replace",
            timeout=self._timeout_s,
            check=False,
        )
        seconds = time.monotonic() - started
        if done.returncode == 0:
            return Answer("", read_lock(folder), seconds)
        said = done.stderr + done.stdout
        found = _ERROR_LINE.search(said)
        return Answer(npms_code(found.group(1) if found else "EUNKNOWN"), b"", seconds, said[-4000:])


class InProcess:
    """pmpipe's resolver alone, answered from a recording: no command, no network, no cache.

    Args:
        provider: answers what it asks for.
        npm_version: the npm that packages may ask for under ``engines``.
    """

    def __init__(self, provider: Provider, npm_version: str) -> None:
        self._provider = provider
        self._npm_version = npm_version
        self._node_version = node_version(os.environ)

    def lock(self, project: ProjectFiles, folder: str, old_lock: bytes = b"") -> Answer:
        """Write a project into an empty folder, perhaps with a lock, and resolve it."""
        project.write(folder)
        started = time.monotonic()
        try:
            lock = self._resolve(project, os.path.realpath(folder), old_lock)
        except PmpipeError as error:
            first = error.problems[0] if isinstance(error, ProblemsError) else error
            return Answer(npms_code(first.code), b"", time.monotonic() - started, str(error)[:4000])
        return Answer("", lock, time.monotonic() - started)

    def _resolve(self, project: ProjectFiles, folder: str, old_lock: bytes) -> bytes:
        read = read_project(folder)
        workspaces = {location: project.manifests[location] for location in read.manifests.workspaces.values()}
        before = locked_entries(old_lock) if old_lock else None
        resolver = Resolver(Project(folder, project.manifest, workspaces, before), self._options(project.config))
        document = drive(resolver, self._provider).lock_document()
        with open(os.path.join(folder, "package.json"), encoding="utf-8", newline="") as file:
            layout = lock_layout_of(file.read())
        return write_lockfile(document, layout)

    def _options(self, config: Mapping[str, Any]) -> ResolveOptions:
        host = platform()
        return ResolveOptions(
            pick=PickOptions(config.get("tag", "latest"), None, self._node_version, self._npm_version),
            install_strategy=InstallStrategy(config.get("install-strategy", "hoisted")),
            legacy_peer_deps=config.get("legacy-peer-deps", False),
            strict_peer_deps=config.get("strict-peer-deps", False),
            force=config.get("force", False),
            prefer_dedupe=config.get("prefer-dedupe", False),
            install_links=config.get("install-links", False),
            engine_strict=config.get("engine-strict", False),
            os=host.os,
            cpu=host.cpu,
            libc=host.libc,
        )
