"""A project on which pmpipe runs as a process of its own, with a home, a cache and a store of its own.

Every run is watched: no process of it may be left; a failure must leave the project's folder as it was, byte for byte;
a success must leave nothing behind but what was asked for. At its end a project checks that its store holds nothing
half-written, and that what killed runs left in the staging area is cleaned up.

Example::

    left = make_package("left-pad", "1.0.0")
    project.want({"node_modules/left-pad": left})
    project.succeeds("ci")
    project.assert_installed()
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from support.faulty import Fault
from support.launched import Launched, can_launch, launch
from support.npm import run_npm
from support.packages import Package, make_lock
from support.registry import PackageRegistry
from support.snapshot import Snapshot, differences, faults_of_store, snapshot, tree_of

_TESTS = Path(__file__).resolve().parent.parent
_IMPORTED = (_TESTS.parent, _TESTS, _TESTS.parent / "scripts")

#: Longer than anything takes on a busy machine; a hang ends here.
PATIENCE_S = 60.0

Entries = Mapping[str, "Package | Mapping[str, Any]"]


class NpmError(subprocess.CalledProcessError):
    """npm failed."""

    def __str__(self) -> str:
        return f"{super().__str__()}\n{self.stdout}{self.stderr}"


@dataclass(slots=True, frozen=True)
class Run:
    """How a run ended; a status below zero is the signal that killed it."""

    status: int
    stdout: str
    stderr: str

    @property
    def report(self) -> dict[str, Any]:
        """The document of ``--json``."""
        return json.loads(self.stdout)


@dataclass(slots=True)
class Running:
    """A run under way, in a session of its own; the session's number is its process id."""

    project: Project
    process: subprocess.Popen[str] | Launched
    before: Snapshot
    #: the run is alone in its project, so what it leaves there can be judged
    alone: bool

    @property
    def pid(self) -> int:
        return self.process.pid

    def signal(self, number: int) -> None:
        """Send a signal to the main process."""
        self.process.send_signal(number)

    def kill_all(self) -> None:
        """SIGKILL to the main process and every worker."""
        os.killpg(self.pid, signal.SIGKILL)

    def wait(self) -> Run:
        """Wait for the end, and check what every run must keep to."""
        stdout, stderr = self.process.communicate(timeout=PATIENCE_S)
        run = Run(self.process.returncode, stdout, stderr)
        killed = run.status == -signal.SIGKILL
        wait_until(lambda: not (killed and processes_of(self.pid)), "the workers of a killed run end")
        assert not processes_of(self.pid), f"processes are left; {run}"
        if self.alone and not killed:
            self.project.judge(run, self.before)
        return run


@dataclass(slots=True)
class Project:
    """One project's folder and what belongs to it.

    Attributes:
        base: everything lies in here.
        registry: where its packages are published.
        folder: the project's own folder.
        store: given to every run as ``--store-dir``.
        environment: added to the environment of every run.
        prefix: words in front of every command, for example another user's.
        python_path: folders that are imported from before all others.
        names_registry: every run is given ``--registry``.
        names_store: every run is given ``--store-dir``.
        store_is_damaged: a test has damaged the store on purpose, or its filesystem is no more.
    """

    base: Path
    registry: PackageRegistry
    folder: Path = field(init=False)
    store: Path = field(init=False)
    environment: dict[str, str] = field(default_factory=dict)
    prefix: tuple[str, ...] = ()
    python_path: tuple[Path, ...] = ()
    names_registry: bool = True
    names_store: bool = True
    store_is_damaged: bool = False
    packages: dict[str, Package | Mapping[str, Any]] = field(default_factory=dict)
    _running: list[Running] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.folder = self.base / "app"
        self.store = self.base / "store"
        for path in (self.folder, self.base / "home", self.base / "tmp"):
            path.mkdir(parents=True, exist_ok=True)

    # -- arranging ------------------------------------------------------------------------------------------------

    def sibling(self, name: str) -> Project:
        """Another project with the same registry and store."""
        other = Project(self.base / name, self.registry)
        other.store = self.store
        return other

    def want(self, packages: Entries, **root: Any) -> None:
        """Write package.json and a lockfile of these entries, and publish the packages.

        Args:
            packages: lockfile entries by path.
            root: further fields of the package.json; ``dependencies`` are all top-level packages unless given.
        """
        self.packages = dict(packages)
        self.registry.publish(*(one for one in packages.values() if isinstance(one, Package)))
        manifest = {"name": "app", "version": "1.0.0", "dependencies": _dependencies(packages, root), **root}
        lock = make_lock(manifest, packages, self.registry.url)
        self.write("package.json", json.dumps(manifest, indent=2) + "\n")
        self.write("package-lock.json", json.dumps(lock, indent=2) + "\n")

    def declare(self, *packages: Package, **root: Any) -> None:
        """Write a package.json of these fields and no lockfile, and publish the packages."""
        self.registry.publish(*packages)
        self.write("package.json", json.dumps({"name": "app", "version": "1.0.0", **root}, indent=2) + "\n")

    @property
    def lock(self) -> dict[str, Any]:
        """The lockfile's document."""
        return json.loads((self.folder / "package-lock.json").read_text())

    def change_lock(self, path: str, **fields: Any) -> None:
        """Change fields of one lockfile entry; None removes one."""
        document = self.lock
        entry = {**document["packages"][path], **fields}
        document["packages"][path] = {name: value for name, value in entry.items() if value is not None}
        self.write("package-lock.json", json.dumps(document, indent=2) + "\n")

    def write(self, path: str, content: str | bytes) -> Path:
        """Write a file of the project, never through a hardlink."""
        file = self.folder / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.unlink(missing_ok=True)
        file.write_bytes(content.encode() if isinstance(content, str) else content)
        return file

    # -- running --------------------------------------------------------------------------------------------------

    def start(
        self,
        *words: str,
        fault: Fault | None = None,
        alone: bool = True,
        cwd: Path | None = None,
        **settings: Any,
    ) -> Running:
        """Begin a run; the caller waits for it.

        Args:
            words: the command line, without the registry, the store and the folder.
            fault: misbehave as `support.faulty` says.
            alone: check what it leaves in the project; not possible while another run changes it.
            cwd: the working folder, the project's unless given.
            settings: passed to Popen.
        """
        module = "support.faulty" if fault else "pmpipe"
        flags = [f"--store-dir={self.store}"] if self.names_store else []
        if self.names_registry:
            flags.append(f"--registry={self.registry.url}/")
        environment = {**self._environment(), **(fault.environment() if fault else {})}
        # what another run changes may be gone before it is looked at
        before = snapshot(self.folder) if alone else {}
        process = self._begin(module, (*words, *flags), str(cwd or self.folder), environment, settings)
        running = Running(self, process, before, alone)
        self._running.append(running)
        return running

    def _begin(
        self, module: str, words: Sequence[str], cwd: str, environment: dict[str, str], settings: dict[str, Any]
    ) -> subprocess.Popen[str] | Launched:
        if not (self.prefix or self.python_path or settings) and can_launch(self.environment, os.environ):
            return launch(module, words, cwd, environment)
        return subprocess.Popen(
            [*self.prefix, sys.executable, "-m", module, *words],
            cwd=cwd,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            encoding="utf-8",
            errors="backslashreplace",
            start_new_session=True,
            **settings,
        )

    def run(self, *words: str, **options: Any) -> Run:
        """Run pmpipe to its end; `options` as for `start`."""
        return self.start(*words, **options).wait()

    def succeeds(self, *words: str, **options: Any) -> Run:
        """Run pmpipe, which must end with 0."""
        return self._ends_with(0, words, options)

    def fails(self, *words: str, status: int = 1, **options: Any) -> Run:
        """Run pmpipe, which must end with this status."""
        return self._ends_with(status, words, options)

    def _ends_with(self, status: int, words: tuple[str, ...], options: dict[str, Any]) -> Run:
        run = self.run(*words, **options)
        assert run.status == status, run.stdout + run.stderr
        return run

    def npm(self, *words: str, cwd: Path | None = None, scripts: bool = False) -> None:
        """Run npm against the same registry; it must end with 0. For tests marked ``npm``.

        Args:
            words: the command line, without the registry.
            cwd: the working folder, the project's unless given.
            scripts: lifecycle scripts are run.

        Raises:
            NpmError: it ended with another status.
        """
        flags = ("--no-audit", "--no-fund", f"--registry={self.registry.url}/")
        if not scripts:
            flags += ("--ignore-scripts",)
        environment = {**self._environment(), "npm_config_cache": str(self.base / "npm-cache")}
        run = run_npm((*words, *flags), cwd=cwd or self.folder, env=environment, timeout_s=PATIENCE_S)
        if run.status != 0:
            raise NpmError(run.status, ("npm", *words), *run[1:])

    def _environment(self) -> dict[str, str]:
        kept = {name: value for name, value in os.environ.items() if name == "PATH" or name.startswith("COV")}
        return {
            **kept,
            "HOME": str(self.base / "home"),
            "TMPDIR": str(self.base / "tmp"),
            "LANG": "C.UTF-8",
            "PYTHONPATH": os.pathsep.join(map(str, (*self.python_path, *_IMPORTED))),
            "PYTHONFAULTHANDLER": "",
            "PYTHONWARNINGS": "error",
            # no test waits for the ten seconds that are right on a real network
            "npm_config_fetch_retry_mintimeout": "10",
            "npm_config_fetch_retry_maxtimeout": "50",
            **self.environment,
        }

    # -- judging --------------------------------------------------------------------------------------------------

    def judge(self, run: Run, before: Snapshot) -> None:
        """What every run on its own must keep to."""
        after = snapshot(self.folder)
        if run.status != 0:
            changes = differences(_without_leftovers(before), _without_leftovers(after))
            assert not changes, f"a failed run changed the project: {changes}\n{run.stdout}{run.stderr}"
            return
        self._let_a_moment_pass()
        ours = [path for path in after if ".pmpipe" in path]
        assert not ours, f"a run that succeeded left {ours}"
        new = {path.partition("/")[0] for path in after.keys() - before.keys() if "node_modules" not in path.split("/")}
        # what resolving is for
        new.discard("package-lock.json")
        assert not new, f"new files in the project: {new}"

    def _let_a_moment_pass(self) -> None:
        """What a test changes must be newer than the hidden lockfile by more than the tolerance of npm, 10 ms."""
        hidden = self.folder / "node_modules/.package-lock.json"
        if hidden.is_file():
            written_ns = hidden.stat().st_mtime_ns
            wait_until(lambda: time.time_ns() > written_ns + 20_000_000, "the hidden lockfile has aged")

    def tree(self) -> Snapshot:
        """What node_modules holds, but for the hidden lockfile."""
        found = snapshot(self.folder / "node_modules")
        found.pop(".package-lock.json", None)
        return found

    def assert_installed(self, packages: Entries | None = None, extra: Snapshot | None = None) -> None:
        """node_modules holds these packages, and nothing else but `extra`; the ones of `want` unless given."""
        expected = tree_of(self.packages if packages is None else packages) | (extra or {})
        changes = differences(expected, self.tree())
        assert not changes, f"the tree is not as it should be: {changes}"
        assert (self.folder / "node_modules/.package-lock.json").is_file() or not self.packages

    def staging(self) -> list[str]:
        """What lies in the store's staging area."""
        folder = self.store / "v1/staging"
        return sorted(os.listdir(folder)) if folder.is_dir() else []

    def close(self) -> None:
        """End what a failed test has left running, and check the store."""
        for running in self._running:
            if running.process.poll() is None:
                running.kill_all()
                running.process.communicate(timeout=PATIENCE_S)
        if self.store_is_damaged or not self.store.is_dir():
            return
        assert faults_of_store(self.store) == []
        if self.staging():
            self.succeeds("store", "prune", alone=False)
            assert self.staging() == []


def _dependencies(packages: Entries, root: Mapping[str, Any]) -> dict[str, str]:
    elsewhere = {
        name
        for field_name in ("devDependencies", "optionalDependencies", "peerDependencies")
        for name in root.get(field_name, ())
    }
    wanted = {}
    for path, package in packages.items():
        name = path.removeprefix("node_modules/")
        if not path.startswith("node_modules/") or "/node_modules/" in name or name in elsewhere:
            continue
        if isinstance(package, Package):
            wanted[name] = package.version if package.name == name else f"npm:{package.name}@{package.version}"
        elif package.get("link"):
            wanted[name] = f"file:{package['resolved']}"
        else:
            wanted[name] = str(package.get("version", "*"))
    return wanted


def _without_leftovers(found: Snapshot) -> Snapshot:
    """Without what a killed run left and the next one may remove, whatever becomes of that one."""
    return {path: what for path, what in found.items() if ".pmpipe-" not in path}


def processes_of(session: int) -> list[int]:
    """The processes of a session that have not ended."""
    found = []
    for name in os.listdir("/proc"):
        if not name.isdigit():
            continue
        try:
            state = Path(f"/proc/{name}/stat").read_text().rpartition(")")[2].split()
        except (FileNotFoundError, ProcessLookupError):
            continue
        # state, parent, group, session
        if int(state[3]) == session and state[0] != "Z":
            found.append(int(name))
    return found


def pid_of_script(project: Project) -> int:
    """The process id that a script writes into a file called ``begun`` of the project, waited for."""
    file = project.folder / "begun"
    wait_until(lambda: file.exists() and bool(file.read_text().strip()), "the script has begun")
    return int(file.read_text())


def wait_until(condition: Callable[[], bool], what: str) -> None:
    """Wait for something that must come about.

    Raises:
        AssertionError: it did not.
    """
    deadline = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < deadline, f"waited in vain until {what}"
        time.sleep(0.005)
