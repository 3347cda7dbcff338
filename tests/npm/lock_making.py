"""Projects made on the spot: a package.json, a lockfile and package.json files of folders, in memory or in a folder."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from asking_npm import ask_npm

from pmpipe.npm.locks.hidden_lockfile import hidden_lockfile
from pmpipe.npm.locks.lock_check import CheckOptions, LockProblem, check_lock
from pmpipe.npm.locks.lock_graph import LockGraph, ProjectManifests
from pmpipe.npm.locks.lockfile import read_lockfile
from pmpipe.npm.locks.package_path import PackagePath
from pmpipe.npm.locks.selection import Selection, SelectionOptions, select
from pmpipe.npm.manifests.manifest import read_manifest
from pmpipe.npm.packages.platform import Engines, Platform
from pmpipe.project.project import read_project

LINUX = Platform("linux", "x64", "glibc")


def entry(version: str, name: str = "x", **fields: Any) -> dict[str, Any]:
    """A registry package's entry, with the fields in npm's order."""
    resolved = f"https://registry.example/{name}/-/{name}-{version}.tgz"
    first = {"version": version, "resolved": resolved, "integrity": "sha512-" + "a" * 86 + "=="}
    return {**first, **fields}


def link(target: str) -> dict[str, Any]:
    """A link's entry."""
    return {"resolved": target, "link": True}


@dataclass
class MadeProject:
    """A project: `package`, lock `entries` without the root's, and `folders` with a package.json of their own."""

    package: dict[str, Any]
    entries: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    folders: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    workspaces: Mapping[str, str] = field(default_factory=dict)

    @property
    def lock(self) -> dict[str, Any]:
        """The lockfile's document."""
        named = {"name": "app", **self.package}
        head = {"name": named["name"], "lockfileVersion": 3, "requires": True}
        return {**head, "packages": {"": named, **self.entries}}

    def graph(self, *, legacy_peer_deps: bool = False) -> LockGraph:
        """The graph, without touching a file system."""
        lock = read_lockfile(json.dumps(self.lock).encode(), "package-lock.json")
        manifests = ProjectManifests(
            "/project",
            read_manifest(json.dumps({"name": "app", **self.package}).encode(), "package.json"),
            {name: PackagePath(path) for name, path in self.workspaces.items()},
            {
                PackagePath(path): read_manifest(json.dumps(one).encode(), f"{path}/package.json")
                for path, one in self.folders.items()
            },
        )
        return LockGraph(lock, manifests, legacy_peer_deps=legacy_peer_deps)

    def problems(self, *, legacy_peer_deps: bool = False, **options: Any) -> list[LockProblem]:
        """What `check_lock` finds."""
        return check_lock(self.graph(legacy_peer_deps=legacy_peer_deps), CheckOptions(**options))

    def select(self, host: Platform = LINUX, **options: Any) -> Selection:
        """What `select` chooses."""
        return select(self.graph(), SelectionOptions(host=host, **options))

    def write(self, folder: Path) -> str:
        """The project as a folder, as npm would write its files; returns its path."""
        documents = {"package.json": {"name": "app", **self.package}, "package-lock.json": self.lock}
        documents.update({f"{path}/package.json": dict(one) for path, one in self.folders.items()})
        for name, document in documents.items():
            file = os.path.normpath(folder / "project" / name)
            os.makedirs(os.path.dirname(file), exist_ok=True)
            Path(file).write_text(json.dumps(document, indent=2) + "\n")
        return str(folder / "project")


def fatal_lines(problems: list[LockProblem]) -> list[str]:
    """The lines of the problems that `ci` refuses."""
    return [str(problem) for problem in problems if problem.is_fatal]


def npm_answers(projects: list[tuple[MadeProject, dict[str, Any]]], tmp_path: Path) -> list[dict[str, Any]]:
    """What npm's `ci` makes of each project under arborist's options, as ``ask_lock.cjs`` says it."""
    questions = []
    for number, (project, options) in enumerate(projects):
        path = project.write(tmp_path / str(number))
        # port 9 is for discarding: npm must find all it needs in the lock
        questions.append({"path": path, "options": {"registry": "http://127.0.0.1:9/", **options}})
    return ask_npm("ask_lock.cjs", questions)


def our_hidden_lockfile(folder: str, **options: Any) -> str:
    """What we would write into node_modules/.package-lock.json of that project."""
    project = read_project(folder)
    assert project.lock is not None
    graph = LockGraph(project.lock, project.manifests)
    selection = select(graph, SelectionOptions(**{"host": LINUX, "engines": Engines(), **options}))
    return hidden_lockfile(project.lock.data, selection.listed()).decode()
