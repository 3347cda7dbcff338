"""The installers: where each is found, and how it is asked for each phase.

Every tool gets its own HOME, cache and store, hears of no registry but the one it is given, and runs no scripts. What
is said in a project's ``.npmrc`` and ``overrides`` but not read by a tool is said again in the tool's own way, so that
all of them install the same tree as far as they can.
"""

from __future__ import annotations

import abc
import json
import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any, ClassVar

PROBE_TIMEOUT_S = 60


class Phase(Enum):
    """A situation that an installer finds itself in; the value is its name in reports."""

    COLD = "p0"
    RESOLVE = "p1"
    LOCKED = "p3"
    WARM = "p4"
    NOOP = "noop"

    @property
    def meaning(self) -> str:
        """One line for reports."""
        return _MEANING[self]

    @property
    def is_warm(self) -> bool:
        """Whether nothing may be asked of the registry."""
        return self in (Phase.WARM, Phase.NOOP)


_MEANING = {
    Phase.COLD: "full cold: no cache, no lock, no node_modules",
    Phase.RESOLVE: "resolve only: no cache, no lock; writes the lock and no node_modules",
    Phase.LOCKED: "cold install from the tool's own lock: no cache, no node_modules",
    Phase.WARM: "warm link: lock and cache there, no node_modules",
    Phase.NOOP: "nothing to do: lock, cache and node_modules there",
}


@dataclass(frozen=True, slots=True)
class Places:
    """The folders of one run; all are on one filesystem."""

    project: str
    cache: str
    home: str


class Tool(abc.ABC):
    """One installer.

    Args:
        path: its executable.
    """

    name: ClassVar[str]
    lock_name: ClassVar[str]
    #: whether it reads, or makes its own lock of, the project's package-lock.json
    takes_npm_lock: ClassVar[bool] = False

    def __init__(self, path: str) -> None:
        self.path = path

    @abc.abstractmethod
    def command(self, phase: Phase, places: Places, registry: str) -> list[str]:
        """The command for a phase, to be run in ``places.project``."""

    def import_command(self, places: Places, registry: str) -> list[str]:
        """The command that makes the tool's own lock, beside the project's package-lock.json if it takes one."""
        return self.command(Phase.RESOLVE, places, registry)

    def phases(self) -> frozenset[Phase]:
        """The phases it can be asked for."""
        return frozenset(Phase)

    def environment(self, places: Places, registry: str) -> dict[str, str]:
        """All of its environment.

        Whatever tries to leave loopback by TLS meets a closed port. (Not for plain HTTP: utoo does not know NO_PROXY.)
        """
        nowhere = "http://127.0.0.1:9"
        return {
            "PATH": os.environ["PATH"],
            "HOME": places.home,
            "XDG_CACHE_HOME": os.path.join(places.home, ".cache"),
            "TMPDIR": os.path.join(places.home, "tmp"),
            "LANG": "C.UTF-8",
            "NO_COLOR": "1",
            "DO_NOT_TRACK": "1",
            "HTTPS_PROXY": nowhere,
            "https_proxy": nowhere,
            "NO_PROXY": "127.0.0.1",
            "no_proxy": "127.0.0.1",
            "npm_config_registry": registry,
        }

    def adapt_project(self, project: str) -> None:  # noqa: B027 - most tools need nothing
        """Say in the tool's own way what the project's npm files say."""

    def version(self) -> str:
        """What it says of itself, or "unknown" if it does not say."""
        asked = subprocess.run(
            [self.path, "--version"], capture_output=True, text=True, timeout=PROBE_TIMEOUT_S, check=False
        )
        words = asked.stdout.split()
        return words[-1].lstrip("v") if asked.returncode == 0 and words else "unknown"


class Pmpipe(Tool):
    """The project itself."""

    name = "pmpipe"
    lock_name = "package-lock.json"
    takes_npm_lock = True

    def command(self, phase: Phase, places: Places, registry: str) -> list[str]:
        """See `Tool.command`."""
        verb = "ci" if phase in (Phase.LOCKED, Phase.WARM) else "install"
        base = [self.path, verb, "--dir", places.project, "--store-dir", places.cache, "--registry", registry]
        only_lock = ["--lockfile-only"] if phase is Phase.RESOLVE else []
        return [*base, "--ignore-scripts", *only_lock]


class Bun(Tool):
    """bun, with the hoisted layout that is npm's."""

    name = "bun"
    lock_name = "bun.lock"
    takes_npm_lock = True

    def command(self, phase: Phase, places: Places, registry: str) -> list[str]:
        """See `Tool.command`."""
        base = [self.path, "install", "--ignore-scripts", "--no-progress", "--linker", "hoisted"]
        places_and_registry = ["--cache-dir", places.cache, "--registry", registry]
        extra = {Phase.RESOLVE: ["--lockfile-only"], Phase.COLD: [], Phase.NOOP: []}
        return [*base, *places_and_registry, *extra.get(phase, ["--frozen-lockfile"])]


class Utoo(Tool):
    """utoo. Its lock is of its own making: from one without ``resolved`` it installs nothing, and ends with 0."""

    name = "utoo"
    lock_name = "package-lock.json"

    def command(self, phase: Phase, places: Places, registry: str) -> list[str]:
        """See `Tool.command`."""
        verb = ["deps"] if phase is Phase.RESOLVE else ["install", "--ignore-scripts"]
        return [self.path, *verb, "--registry", registry, "--cache-dir", places.cache]


class Pnpm(Tool):
    """pnpm with ``node-linker=hoisted``, the layout that is npm's."""

    name = "pnpm"
    lock_name = "pnpm-lock.yaml"
    takes_npm_lock = True

    def command(self, phase: Phase, places: Places, registry: str) -> list[str]:
        """See `Tool.command`."""
        extra = {
            Phase.COLD: ["--no-frozen-lockfile"],
            Phase.RESOLVE: ["--no-frozen-lockfile", "--lockfile-only"],
            Phase.NOOP: [],
        }
        install = [self.path, "install", "--ignore-scripts", *self._settings(places, registry)]
        return [*install, *extra.get(phase, ["--frozen-lockfile"])]

    def import_command(self, places: Places, registry: str) -> list[str]:
        """See `Tool.import_command`."""
        if os.path.exists(os.path.join(places.project, "package-lock.json")):
            return [self.path, "import", *self._settings(places, registry)]
        return super().import_command(places, registry)

    def _settings(self, places: Places, registry: str) -> list[str]:
        return [
            f"--config.registry={registry}/",
            f"--config.store-dir={places.cache}/store",
            f"--config.cache-dir={places.cache}/metadata",
            "--config.node-linker=hoisted",
        ]

    def adapt_project(self, project: str) -> None:
        """Say overrides and legacy-peer-deps in pnpm-workspace.yaml (JSON is YAML), unless the project has one."""
        path = os.path.join(project, "pnpm-workspace.yaml")
        if os.path.exists(path):
            return
        with open(os.path.join(project, "package.json"), encoding="utf-8") as file:
            manifest = json.load(file)
        settings: dict[str, Any] = {"overrides": pnpm_overrides(manifest.get("overrides", {}))}
        if _npmrc_says(project, "legacy-peer-deps", "true"):
            settings["autoInstallPeers"] = False
        with open(path, "w", encoding="utf-8") as file:
            json.dump(settings, file)


class Npm(Tool):
    """npm, the oracle."""

    name = "npm"
    lock_name = "package-lock.json"
    takes_npm_lock = True

    def command(self, phase: Phase, places: Places, registry: str) -> list[str]:
        """See `Tool.command`."""
        verb = "ci" if phase in (Phase.LOCKED, Phase.WARM) else "install"
        quiet = ["--ignore-scripts", "--no-audit", "--no-fund", "--no-update-notifier", "--loglevel=error"]
        only_lock = ["--package-lock-only"] if phase is Phase.RESOLVE else []
        return [self.path, verb, *quiet, "--registry", f"{registry}/", "--cache", places.cache, *only_lock]


KINDS: Mapping[str, type[Tool]] = {kind.name: kind for kind in (Pmpipe, Bun, Utoo, Pnpm, Npm)}


def pnpm_overrides(overrides: Mapping[str, Any], parent: str = "") -> dict[str, str]:
    """Overrides as npm spells them, in pnpm's spelling: ``{a: {b: "1"}}`` is ``{"a>b": "1"}``, ``.`` is a."""
    flat: dict[str, str] = {}
    for name, value in overrides.items():
        selector = parent if name == "." else f"{parent}>{name}" if parent else name
        if isinstance(value, str):
            flat[selector] = value
        else:
            flat.update(pnpm_overrides(value, selector))
    return flat


def _npmrc_says(project: str, key: str, value: str) -> bool:
    path = os.path.join(project, ".npmrc")
    if not os.path.exists(path):
        return False
    with open(path, encoding="utf-8") as file:
        pairs = [line.partition("=") for line in file]
    return any(name.strip() == key and said.strip() == value for name, _, said in pairs)


def find_tools(names: list[str], given: Mapping[str, str], fetched: str | None) -> list[Tool]:
    """The tools of these names that exist: given by path, fetched, beside this Python, or on PATH."""
    tools = []
    for name in names:
        candidates = [given.get(name), _fetched_path(fetched, name) if fetched else None]
        beside_python = os.path.join(os.path.dirname(sys.executable), name)
        candidates += [beside_python if name == "pmpipe" else None, shutil.which(name)]
        path = next((one for one in candidates if one and os.access(one, os.X_OK)), None)
        if path is not None:
            tools.append(KINDS[name](os.path.abspath(path)))
    return tools


def _fetched_path(folder: str, name: str) -> str | None:
    cpu = {"x86_64": "x64", "aarch64": "arm64"}.get(platform.machine(), platform.machine())
    paths = {
        "bun": (f"@oven/bun-linux-{cpu if cpu != 'arm64' else 'aarch64'}", "bin/bun"),
        "utoo": (f"@utoo/utoo-linux-{cpu}", "bin/utoo"),
        "pnpm": (f"@pnpm/exe.linux-{cpu}", "pnpm"),
    }
    if name not in paths:
        return None
    package, path = paths[name]
    return os.path.join(folder, "node_modules", package, path)


def fetch_tools(folder: str) -> None:
    """Install bun, utoo and pnpm by npm; their platform packages hold the native programs.

    Raises:
        subprocess.CalledProcessError: npm failed.
    """
    os.makedirs(folder, exist_ok=True)
    quiet = ["--ignore-scripts", "--no-audit", "--no-fund"]
    subprocess.run(["npm", "install", "--prefix", folder, *quiet, "bun", "utoo", "pnpm"], check=True, timeout=600)
