"""A project that is changed twice, by npm and by the pure parts of our commands, from the same beginning.

Both see the same files and the same registry; unless asked to, npm installs nothing (``--package-lock-only``).
"""

from __future__ import annotations

import json
import os
import shlex
import tarfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from resolver.playing import Provider, options_of, publish, write_project
from support.npm import run_npm
from support.packages import integrity
from support.registry import PackageRegistry

from pmpipe.changing.change_resolver import Action, ChangeOrder, ChangeResolver
from pmpipe.changing.manifest_change import Saving
from pmpipe.changing.requested import read_arguments
from pmpipe.npm.locks.lock_writer import write_lockfile
from pmpipe.npm.manifests.manifest_edit import SaveType
from pmpipe.npm.manifests.manifest_text import ManifestText, read_manifest_text
from pmpipe.npm.texts.json_layout import lock_layout_of
from pmpipe.resolver import (
    Ask,
    AskManifest,
    Fed,
    FedManifest,
    Project,
    Resolved,
    locked_entries,
)
from pmpipe.resolver.request import RequestKind

LOCK = "package-lock.json"
ACTIONS = {
    "install": Action.KEEP,
    "prune": Action.KEEP,
    "uninstall": Action.REMOVE,
    "update": Action.UPDATE,
    "dedupe": Action.DEDUPE,
}


@dataclass
class Changing:
    """A project's folder, and who may change it.

    Args:
        case: see `playing`; ``config`` may hold what the settings say.
        registry: gets the case's packages.
        folder: to be made.
        installs: npm is to make node_modules too.
    """

    case: Mapping[str, Any]
    registry: PackageRegistry
    folder: Path
    installs: bool = False

    def __post_init__(self) -> None:
        publish(self.case, self.registry)
        self.folder.mkdir(parents=True)

    def write(self) -> None:
        """The project as it is at first, its lock made by npm."""
        if self.case.get("locked", True):
            write_project(self.case, self.folder, self.registry.url, before="before" in self.case)
            assert not self.npm("install")
        write_project(self.case, self.folder, self.registry.url, before=False)

    def npm(self, *words: str) -> str:
        """Run npm; what it says if it fails."""
        only_lock = () if self.installs else ("--package-lock-only",)
        flags = (*only_lock, "--ignore-scripts", f"--cache={self.folder}-cache", "--loglevel=error")
        environment = {**os.environ, "HOME": str(self.folder.parent / "home")}
        run = run_npm((*words, *flags), cwd=self.folder, env=environment)
        return run.stderr if run.status else ""

    def state(self) -> dict[str, bytes]:
        """All package.json files of the project, and the lockfile."""
        found = [*self.folder.rglob("package.json"), *self.folder.glob(LOCK)]
        paths = [path for path in found if "node_modules" not in path.parts]
        return {str(path.relative_to(self.folder)): path.read_bytes() for path in paths}

    def ours(self, line: str) -> dict[str, bytes]:
        """What the files are after our command, which writes nothing."""
        return Ours(self).run(line)


class Ours:
    """Our commands on the files as they are."""

    def __init__(self, changing: Changing) -> None:
        self.folder = str(changing.folder)
        self.state = changing.state()
        self.case = changing.case
        self.provider = Provider(changing.case, changing.registry.url, self.folder)
        self.locations = ["", *changing.case.get("workspaces", {})]
        self.manifests = {location: self._manifest(location) for location in self.locations}

    def _name(self, location: str) -> str:
        return f"{location}/package.json".lstrip("/")

    def _manifest(self, location: str) -> ManifestText:
        name = self._name(location)
        return read_manifest_text(self.state[name], name)

    def run(self, line: str) -> dict[str, bytes]:
        resolver = ChangeResolver(self._order(shlex.split(line)), options_of(self.case))
        pending = resolver.start()
        while not resolver.done:
            event = pending.pop(0)
            if not isinstance(event, Resolved):
                pending.extend(resolver.feed(event, self._answer(event)))
        tree = resolver.finish()
        after = dict(self.state)
        if resolver.saves_manifests:
            after.update((self._name(location), data) for location, data in resolver.manifests.items())
        if resolver.saves_lock:
            layout = lock_layout_of(self.state["package.json"].decode())
            after[LOCK] = write_lockfile(tree.lock_document(), layout)
        return after

    def _order(self, words: list[str]) -> ChangeOrder:
        command, *rest = words
        flags = [word for word in rest if word.startswith("-")]
        names = [word for word in rest if not word.startswith("-")]
        return ChangeOrder(
            Action.ADD if command == "install" and names else ACTIONS[command],
            self._project(),
            self.manifests,
            [flag.partition("=")[2] for flag in flags if flag.startswith("-w=")] or [""],
            read_arguments(names, self.folder, "/home/user", excluded=self.folder, realpath=os.path.realpath)
            if command == "install"
            else (),
            names,
            self._saving(command, flags),
        )

    def _saving(self, command: str, flags: list[str]) -> Saving:
        kinds = {"-D": SaveType.DEV, "-O": SaveType.OPTIONAL, "-P": SaveType.PROD, "--save-peer": SaveType.PEER}
        kind = next((kinds[flag] for flag in flags if flag in kinds), None)
        save = "--save" in flags if command == "update" else "--no-save" not in flags
        return Saving(save, kind, "-B" in flags, "" if "-E" in flags else "^", "/home/user")

    def _project(self) -> Project:
        manifests = {location: text.document for location, text in self.manifests.items()}
        lock = self.state.get(LOCK)
        return Project(
            self.folder,
            manifests.pop(""),
            manifests,
            locked_entries(lock) if lock is not None else None,
        )

    def _answer(self, ask: Ask) -> Fed:
        if isinstance(ask, AskManifest) and ask.kind is RequestKind.TARBALL_FILE:
            content = Path(ask.wanted).read_bytes()
            with tarfile.open(ask.wanted) as archive:
                packed = archive.extractfile("package/package.json")
                assert packed is not None
                return FedManifest(json.load(packed), f"file:{ask.wanted}", integrity(content))
        return self.provider.answer(ask)
