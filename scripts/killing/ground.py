"""What a trial starts from: the project, a full store, the undisturbed tree, and a former tree to be changed.

The former tree is the undisturbed one with other versions of some packages, without some others, and with packages that
nothing asks for. Trials get it, and nothing else, as hard links: whatever a run changed in place would show at once.
"""

from __future__ import annotations

import json
import os
import random
import shutil
import subprocess
import sys
import time
from dataclasses import dataclass, field

from comparison.hidden import HIDDEN_LOCKFILE
from comparison.installers import copy_project
from comparison.snapshot import Snapshot, take_snapshot

from killing.processes import Ran, run

_CHECKOUT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
#: every so many packages of the former tree are another version, and as many are absent
_EVERY = 8
#: between writing the hidden lockfile and what is to be newer; more than the tolerance of those who compare times
_LATER_S = 0.05
TIMEOUT_S = 300.0

_LOCK = "package-lock.json"


class GroundError(Exception):
    """An undisturbed run failed, so there is nothing to compare with; the text is its output."""


@dataclass(slots=True)
class Ground:
    """The folders of a session.

    Attributes:
        work: an empty folder, for everything.
        source: the project; only read.
        registry: URL of the registry.
        locked: the project's lockfile is used; otherwise it is made.
        expected: the undisturbed project, its lockfile included, from `prepare` on.
    """

    work: str
    source: str
    registry: str
    locked: bool = True
    expected: Snapshot = field(default_factory=dict)

    @property
    def full_store(self) -> str:
        """A store that lacks nothing."""
        return f"{self.work}/store"

    @property
    def temporary(self) -> str:
        """The folder for temporary files; nothing may stay in it."""
        return f"{self.work}/tmp"

    def prepare(self, rng: random.Random) -> None:
        """Make all of it.

        Raises:
            GroundError: an undisturbed install failed.
        """
        for folder in (self.temporary, f"{self.work}/home"):
            os.makedirs(folder)
        copy_project(self.source, f"{self.work}/plain")
        undisturbed = f"{self.work}/undisturbed"
        copy_project(self.source, undisturbed)
        if not self.locked:
            remove_lock(undisturbed)
        self.must_succeed("ci" if self.locked else "install", undisturbed, self.full_store)
        self.expected = take_snapshot(undisturbed)
        if self.locked:
            self._make_former(undisturbed, rng)

    def fresh_project(self, name: str, *, former: bool) -> str:
        """A copy of the project to be changed, with the former tree or with none."""
        destination = f"{self.work}/{name}"
        _link_tree(f"{self.work}/{'former' if former else 'plain'}", destination)
        return destination

    def command(self, words: list[str], store: str) -> list[str]:
        """A pmpipe command on the project in the working folder."""
        return [sys.executable, "-m", "pmpipe", *words, "--store-dir", store]

    def environment(self) -> dict[str, str]:
        """A home and temporary folder of the session's own; the registry is the session's."""
        path = os.pathsep.join(filter(None, (_CHECKOUT, os.environ.get("PYTHONPATH"))))
        own = {"HOME": f"{self.work}/home", "TMPDIR": self.temporary, "npm_config_registry": self.registry}
        return {"PATH": os.environ["PATH"], "PYTHONPATH": path, "LANG": "C.UTF-8", **own}

    def run(self, words: list[str], folder: str, store: str) -> Ran:
        """Run a pmpipe command undisturbed in a folder."""
        return run(self.command(words, store), self.environment(), folder, TIMEOUT_S)

    def must_succeed(self, command: str, folder: str, store: str) -> Ran:
        """Run an install undisturbed.

        Raises:
            GroundError: it failed.
        """
        ran = self.run([command, "--ignore-scripts"], folder, store)
        if ran.status:
            raise GroundError(f"pmpipe {command} ended with status {ran.status}:\n{ran.output}")
        return ran

    def _make_former(self, undisturbed: str, rng: random.Random) -> None:
        former = f"{self.work}/former"
        _link_tree(undisturbed, former)
        path = f"{former}/{HIDDEN_LOCKFILE}"
        with open(path, "rb") as file:
            hidden = json.load(file)
        entries = hidden["packages"]
        packages = sorted(path for path in entries if os.path.isfile(f"{former}/{path}/package.json"))
        chosen = rng.sample(packages, max(2, 2 * (len(packages) // _EVERY)))
        changed, absent = chosen[::2], chosen[1::2]
        for location in changed:
            entries[location] = {"version": "0.0.0-former"}
        unasked = ("unasked", "@unasked/for", "no-longer", "@no/longer")
        for name in unasked[2:]:
            entries[f"node_modules/{name}"] = {"version": "1.0.0", "bin": {os.path.basename(name): "package.json"}}
        _replace(path, json.dumps(hidden, indent=2))
        time.sleep(_LATER_S)
        for location in changed:
            # a link may stand in the way of a second one that leads to the same folder
            _replace(f"{former}/{location}/package.json", json.dumps({"name": location, "version": "0.0.0-former"}))
            _replace(f"{former}/{location}/former.js", "")
        for location in absent:
            shutil.rmtree(f"{former}/{location}", ignore_errors=True)
        os.makedirs(f"{former}/node_modules/.bin", exist_ok=True)
        for name in unasked:
            os.makedirs(f"{former}/node_modules/{name}")
            _replace(f"{former}/node_modules/{name}/package.json", json.dumps({"name": name, "version": "1.0.0"}))
            os.symlink(f"../{name}/package.json", f"{former}/node_modules/.bin/{name.replace('/', '-')}")


def remove_lock(folder: str) -> None:
    """Remove a project's package-lock.json, if there is one."""
    if os.path.lexists(f"{folder}/{_LOCK}"):
        os.unlink(f"{folder}/{_LOCK}")


def _link_tree(source: str, destination: str) -> None:
    subprocess.run(["cp", "--archive", "--link", source, destination], check=True)


def _replace(path: str, text: str) -> None:
    """Write a file anew: the former one may be one file with the store's."""
    with open(f"{path}.new", "w", encoding="utf-8") as file:
        file.write(text)
    os.rename(f"{path}.new", path)
