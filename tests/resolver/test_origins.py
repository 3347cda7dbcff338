"""Packages that no registry lists: tarballs at URLs and in files."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from playing import lock_text, options_of, resolve, run_npm, write_project
from support.packages import integrity, make_package
from support.registry import PackageRegistry

from pmpipe.resolver import AskManifest, FedManifest, Project, RegistryError, Resolved, Resolver
from pmpipe.resolver.request import RequestKind, read_request

FOLDER = "/project"


def test_reads_every_kind_of_spec() -> None:
    kinds = {
        "^1.0.0": RequestKind.RANGE,
        "1.0.0": RequestKind.VERSION,
        "": RequestKind.RANGE,
        "next": RequestKind.TAG,
        "npm:other@1": RequestKind.RANGE,
        "npm:@s/other@1.0.0": RequestKind.VERSION,
        "workspace:*": RequestKind.RANGE,
        "file:../x": RequestKind.FOLDER,
        "./x.tgz": RequestKind.TARBALL_FILE,
        "https://registry.example/x.tgz": RequestKind.TARBALL_URL,
        "user/repository#v1": RequestKind.GIT,
    }
    assert {spec: read_request("a", spec, FOLDER).kind for spec in kinds} == kinds


def test_a_git_dependency_is_kept_while_the_lock_has_its_commit() -> None:
    commit = "a" * 40
    spec = "git+https://git.example/x.git#" + commit
    project = {"name": "app", "version": "1.0.0", "dependencies": {"x": spec}}
    resolver = Resolver(Project(FOLDER, project))
    (ask,) = resolver.start()
    assert isinstance(ask, AskManifest)
    assert (ask.kind, ask.git_commit) == (RequestKind.GIT, commit)
    resolver.feed(ask, FedManifest({"name": "x", "version": "1.0.0"}, f"git+https://git.example/x.git#{commit}"))
    lock = resolver.finish().lock_document()
    assert lock["packages"]["node_modules/x"]["resolved"] == f"git+https://git.example/x.git#{commit}"


@pytest.mark.parametrize(
    ("resolved", "written"),
    [
        ("git+ssh://git@github.com/u/r.git#", "git+ssh://git@github.com/u/r.git#"),
        ("git+https://github.com/u/r.git#", "git+ssh://git@github.com/u/r.git#"),
        ("git+https://user:word@github.com/u/r.git#", "git+https://user:word@github.com/u/r.git#"),
    ],
)
def test_a_repository_on_a_known_host_is_locked_by_ssh_unless_there_are_credentials(
    resolved: str, written: str
) -> None:
    commit = "a" * 40
    project = {"name": "app", "version": "1.0.0", "dependencies": {"x": f"{resolved}{commit}"}}
    resolver = Resolver(Project(FOLDER, project))
    (ask,) = resolver.start()
    resolver.feed(ask, FedManifest({"name": "x", "version": "1.0.0"}, f"{resolved}{commit}"))
    lock = resolver.finish().lock_document()
    assert lock["packages"]["node_modules/x"]["resolved"] == f"{written}{commit}"


def test_an_optional_tarball_that_is_not_to_be_had_is_left_out() -> None:
    project = {"name": "app", "version": "1.0.0", "optionalDependencies": {"x": "https://registry.example/x.tgz"}}
    resolver = Resolver(Project(FOLDER, project))
    (ask,) = resolver.start()
    resolver.feed(ask, RegistryError("gone"))
    assert list(resolver.finish().lock_document()["packages"]) == [""]


def play(project: dict[str, Any], folder: str, answers: dict[str, FedManifest], case: dict[str, Any]) -> bytes:
    from playing import Provider

    provider = Provider(case, case["url"], folder)
    resolver = Resolver(Project(folder, project), options_of(case))
    pending = resolver.start()
    while not resolver.done:
        event = pending.pop(0)
        if isinstance(event, Resolved):
            continue
        answer = answers[event.wanted] if isinstance(event, AskManifest) else provider.answer(event)
        pending.extend(resolver.feed(event, answer))
    return lock_text(resolver.finish())


@pytest.mark.npm
def test_tarballs_at_urls_and_in_files_are_locked_as_npm_locks_them(tmp_path: Path, registry: PackageRegistry) -> None:
    far = make_package("far", "1.2.0", dependencies={"x": "1"}, bin="cli.js")
    near = make_package("near", "2.0.0", dependencies={"x": "^1.0.0"})
    url = registry.serve("/elsewhere/far.tgz", far.tarball)
    project_folder = tmp_path / "project"
    (project_folder / "lib").mkdir(parents=True)
    (project_folder / "lib" / "near.tgz").write_bytes(near.tarball)
    project = {"name": "app", "version": "1.0.0", "dependencies": {"far": url, "near": "file:lib/near.tgz"}}
    case = {"registry": {"x": {"1.0.0": {}}}, "project": project, "url": registry.url}
    registry.publish(make_package("x", "1.0.0"))
    write_project(case, project_folder, registry.url, before=False)
    assert run_npm(project_folder, tmp_path / "cache") == ""
    path = str(project_folder / "lib" / "near.tgz")
    lock = play(
        project,
        str(project_folder),
        {
            url: FedManifest(dict(far.manifest), url, integrity(far.tarball)),
            path: FedManifest(dict(near.manifest), f"file:{path}", integrity(near.tarball)),
        },
        case,
    )
    assert lock.decode() == (project_folder / "package-lock.json").read_text()


def test_a_folder_that_is_not_there_is_linked_all_the_same() -> None:
    case = {"registry": {}, "project": {"name": "app", "version": "1.0.0", "dependencies": {"x": "file:./lib/x"}}}
    lock = json.loads(lock_text(resolve(case, FOLDER, "https://registry.example")))
    assert lock["packages"]["node_modules/x"] == {"resolved": "lib/x", "link": True}
