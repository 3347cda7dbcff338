"""``allow-git`` and the like: what they refuse is neither fetched nor placed."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from support.git import make_repository
from support.packages import make_package
from support.project import NpmError, Project
from support.registry import PackageRegistry

LEAF = make_package("leaf", "1.0.0")
FAR = make_package("far", "1.0.0")
KINDS = ("git", "remote", "file", "directory")
FETCHED = ("git", "remote", "file")


@pytest.fixture
def specs(tmp_path: Path, registry: PackageRegistry, project: Project) -> dict[str, str]:
    """By kind the spec of a package ``far``; for each there are ``needs-KIND`` and ``may-have-KIND``, which want it."""
    url, _ = make_repository(tmp_path / "far-git", {"package.json": '{"name": "far", "version": "1.0.0"}'})
    (tmp_path / "far.tgz").write_bytes(FAR.tarball)
    folder = tmp_path / "far-folder"
    folder.mkdir()
    (folder / "package.json").write_text('{"name": "far", "version": "1.0.0"}')
    found = {
        "git": url,
        "remote": registry.serve("/files/far.tgz", FAR.tarball),
        "file": f"file:{tmp_path}/far.tgz",
        "directory": f"file:{folder}",
    }
    registry.publish(LEAF)
    for kind, spec in found.items():
        registry.publish(make_package(f"needs-{kind}", "1.0.0", dependencies={"far": spec}))
        registry.publish(make_package(f"may-have-{kind}", "1.0.0", optionalDependencies={"far": spec}))
    return found


def is_refused(stderr: str, kind: str, limit: str) -> bool:
    return "error[PM_REFUSED_SOURCE]" in stderr and f"allow-{kind}={limit} does not let far" in stderr


def says(project: Project, **limits: str) -> None:
    """Write an .npmrc with these limits."""
    project.write(".npmrc", "".join(f"allow-{kind}={limit}\n" for kind, limit in limits.items()))


# -- resolving ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
def test_none_refuses_what_the_project_itself_asks_for(
    project: Project, registry: PackageRegistry, specs: dict[str, str], kind: str
) -> None:
    project.declare(dependencies={"far": specs[kind], "leaf": "1"})
    says(project, **{kind: "none"})
    run = project.fails("install")
    assert is_refused(run.stderr, kind, "none")
    assert "required by the project, as far@" in run.stderr
    assert "hint:" in run.stderr
    assert not registry.requests_for("/files/*")


@pytest.mark.parametrize("kind", KINDS)
def test_root_allows_what_the_project_and_its_workspaces_ask_for(
    project: Project, specs: dict[str, str], kind: str
) -> None:
    project.declare(dependencies={"far": specs[kind]}, workspaces=["w"])
    project.write("w/package.json", json.dumps({"name": "w", "version": "1.0.0", "dependencies": {"far": specs[kind]}}))
    says(project, **{kind: "root"})
    project.succeeds("install")
    project.succeeds("ci")
    assert (project.folder / "node_modules/far/package.json").exists()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("limit", ["root", "none"])
def test_what_packages_ask_for_is_refused_with_the_way_to_it(
    project: Project, registry: PackageRegistry, specs: dict[str, str], kind: str, limit: str
) -> None:
    project.declare(dependencies={f"needs-{kind}": "1"})
    says(project, **{kind: limit})
    run = project.fails("install")
    assert is_refused(run.stderr, kind, limit)
    assert f"required by the project > needs-{kind}@1.0.0, as far@" in run.stderr
    assert not registry.requests_for("/files/*")


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_optional_is_left_out(project: Project, specs: dict[str, str], kind: str) -> None:
    project.declare(dependencies={f"may-have-{kind}": "1"})
    says(project, **{kind: "none"})
    run = project.succeeds("install")
    assert "the optional far is left out" in run.stderr
    assert [*project.lock["packages"]] == ["", f"node_modules/may-have-{kind}"]
    assert not (project.folder / "node_modules/far").exists()


@pytest.mark.parametrize("kind", KINDS)
def test_an_override_is_the_dependents(
    project: Project, registry: PackageRegistry, specs: dict[str, str], kind: str
) -> None:
    registry.publish(make_package("asks", "1.0.0", dependencies={"far": "1"}))
    project.declare(dependencies={"asks": "1"}, overrides={"far": specs[kind]})
    says(project, **{kind: "root"})
    assert is_refused(project.fails("install").stderr, kind, "root")


@pytest.mark.parametrize("kind", KINDS)
def test_what_a_peer_set_is_put_together_for_counts(
    project: Project, registry: PackageRegistry, specs: dict[str, str], kind: str
) -> None:
    registry.publish(make_package("a-peer", "1.0.0", peerDependencies={"far": "*"}))
    registry.publish(make_package("both", "1.0.0", dependencies={"a-peer": "1", "far": specs[kind]}))
    project.declare(dependencies={"both": "1"})
    says(project, **{kind: "root"})
    assert is_refused(project.fails("install", "--package-lock-only").stderr, kind, "root")
    assert not registry.requests_for("/files/*")


def test_workspaces_are_folders_too(project: Project) -> None:
    project.declare(LEAF, workspaces=["w"])
    project.write("w/package.json", '{"name": "w", "version": "1.0.0"}')
    says(project, directory="none")
    run = project.fails("install")
    assert "allow-directory=none does not let w@file:" in run.stderr
    says(project, directory="root")
    project.succeeds("install")
    says(project, directory="none")
    # nothing is fetched for the links of a lock
    project.succeeds("ci")
    assert (project.folder / "node_modules/w").is_symlink()


def test_all_refusals_are_told_at_once(project: Project, specs: dict[str, str]) -> None:
    project.declare(dependencies={"needs-git": "1", "needs-remote": "1", "needs-file": "1"})
    says(project, git="none", remote="root", file="none")
    stderr = project.fails("install").stderr
    assert is_refused(stderr, "git", "none")
    assert is_refused(stderr, "remote", "root")
    assert is_refused(stderr, "file", "none")


def test_passwords_in_addresses_are_not_told(project: Project) -> None:
    project.declare(dependencies={"far": "https://me:secret@files.example/far.tgz"})
    says(project, remote="none")
    run = project.fails("install")
    assert "allow-remote=none does not let far@https://***@files.example/far.tgz be fetched" in run.stderr


def test_a_value_that_is_none_is_refused(project: Project) -> None:
    project.declare(LEAF, dependencies={"leaf": "1"})
    assert "it must be one of all, none, root" in project.fails("install", "--allow-git=never").stderr


# -- adding ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", ["", "far@"])
def test_add_refuses(project: Project, registry: PackageRegistry, specs: dict[str, str], kind: str, name: str) -> None:
    project.declare()
    run = project.fails("add", f"{name}{specs[kind]}", f"--allow-{kind}=none")
    assert "error[PM_REFUSED_SOURCE]" in run.stderr
    assert not registry.requests_for("/files/*")
    project.succeeds("add", f"{name}{specs[kind]}", f"--allow-{kind}=root")


@pytest.mark.parametrize("kind", KINDS)
def test_global_packages_are_refused(project: Project, specs: dict[str, str], kind: str, tmp_path: Path) -> None:
    words = ("install", "-g", specs[kind], f"--prefix={tmp_path}/prefix")
    project.declare()
    assert f"allow-{kind}=none" in project.fails(*words, f"--allow-{kind}=none").stderr
    assert not (tmp_path / "prefix/lib/node_modules").exists()
    project.succeeds(*words, f"--allow-{kind}=root")
    assert (tmp_path / "prefix/lib/node_modules/far").exists()


# -- from a lock ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", FETCHED)
@pytest.mark.parametrize("command", ["ci", "install"])
def test_a_lock_is_refused_before_anything_is_fetched(
    project: Project, registry: PackageRegistry, specs: dict[str, str], kind: str, command: str
) -> None:
    project.declare(dependencies={"far": specs[kind], "leaf": "1"})
    project.succeeds("install", "--package-lock-only")
    shutil.rmtree(project.store)
    asked = len(registry.requests)
    says(project, **{kind: "none"})
    run = project.fails(command)
    assert is_refused(run.stderr, kind, "none")
    assert "required by: app > far@1.0.0" in run.stderr
    assert len(registry.requests) == asked
    assert not (project.folder / "node_modules").exists()
    # no tree that was remembered counts under other settings
    says(project, **{kind: "root"})
    project.succeeds(command)
    says(project, **{kind: "none"})
    assert is_refused(project.fails("ci").stderr, kind, "none")


@pytest.mark.parametrize("kind", ["git", "remote"])
def test_what_stands_stays_and_is_not_fetched_again(project: Project, specs: dict[str, str], kind: str) -> None:
    project.declare(dependencies={f"needs-{kind}": "1"})
    project.succeeds("install")
    says(project, **{kind: "none"})
    project.succeeds("install")
    project.succeeds("install")
    project.succeeds("add", "leaf")
    assert is_refused(project.fails("update").stderr, kind, "none")
    # ci fetches everything; the tree is as it was, which the run's end checks
    assert is_refused(project.fails("ci").stderr, kind, "none")
    shutil.rmtree(project.folder / "node_modules/far")
    assert is_refused(project.fails("install").stderr, kind, "none")


@pytest.mark.parametrize("kind", ["git", "remote"])
@pytest.mark.parametrize("command", ["ci", "install"])
def test_what_is_optional_in_a_lock_is_left_out_and_stays_in_it(
    project: Project, specs: dict[str, str], kind: str, command: str
) -> None:
    project.declare(dependencies={f"may-have-{kind}": "1"})
    project.succeeds("install", "--package-lock-only")
    lock = project.lock
    says(project, **{kind: "none"})
    run = project.succeeds(command)
    assert f"the optional node_modules/far is left out: allow-{kind}=none does not let far@1.0.0" in run.stderr
    assert project.lock == lock
    hidden = json.loads((project.folder / "node_modules/.package-lock.json").read_text())
    assert [*hidden["packages"]] == [f"node_modules/may-have-{kind}"]
    assert not (project.folder / "node_modules/far").exists()
    says(project, **{kind: "all"})
    project.succeeds("install")
    assert (project.folder / "node_modules/far/package.json").exists()


@pytest.mark.parametrize("kind", ["git", "remote"])
@pytest.mark.parametrize("own", [True, False], ids=["the project's", "a package's"])
def test_what_is_optional_comes_when_it_is_allowed(
    project: Project, specs: dict[str, str], kind: str, own: bool
) -> None:
    if own:
        project.declare(optionalDependencies={"far": specs[kind]})
    else:
        project.declare(dependencies={f"may-have-{kind}": "1"})
    says(project, **{kind: "none"})
    project.succeeds("install")
    lock = project.lock
    project.succeeds("install")
    says(project, **{kind: "all"})
    # a lock that only lacks something optional is good enough where it must not change
    project.succeeds("ci")
    project.succeeds("install", "--frozen-lockfile")
    assert project.lock == lock
    project.succeeds("install")
    assert "node_modules/far" in project.lock["packages"]
    assert (project.folder / "node_modules/far/package.json").exists()


def test_all_refused_packages_of_a_lock_are_told_at_once(project: Project, specs: dict[str, str]) -> None:
    project.declare(dependencies={"needs-git": "1", "other": specs["remote"]})
    project.succeeds("install", "--package-lock-only")
    run = project.fails("ci", "--allow-git=root", "--allow-remote=none")
    assert "the settings do not let 2 packages be fetched" in run.stderr
    assert "allow-git=root does not let far@1.0.0 be fetched from git+file:" in run.stderr
    assert "required by: app > needs-git@1.0.0 > far@1.0.0" in run.stderr
    assert "allow-remote=none does not let far@1.0.0 be fetched from http://" in run.stderr


def test_what_is_omitted_is_no_obstacle(project: Project, specs: dict[str, str]) -> None:
    project.declare(dependencies={"leaf": "1"}, devDependencies={"far": specs["git"]})
    project.succeeds("install", "--package-lock-only")
    says(project, git="none")
    project.succeeds("ci", "--omit=dev")
    project.assert_installed({"node_modules/leaf": LEAF})


def test_a_lock_alone_is_made_of_a_lock_without_fetching(project: Project, specs: dict[str, str]) -> None:
    project.declare(dependencies={"far": specs["git"]})
    project.succeeds("install", "--package-lock-only")
    says(project, git="none")
    project.succeeds("install", "--package-lock-only")


def test_folders_that_are_copied_are_refused(project: Project, specs: dict[str, str]) -> None:
    project.declare(dependencies={"far": specs["directory"]})
    project.succeeds("install", "--package-lock-only", "--install-links")
    run = project.fails("ci", "--install-links", "--allow-directory=none")
    assert is_refused(run.stderr, "directory", "none")


def test_an_address_that_a_lock_was_given_is_judged_whatever_package_json_asks_for(
    project: Project, specs: dict[str, str]
) -> None:
    project.want({"node_modules/leaf": LEAF})
    _, commit = make_repository(project.base / "leaf", {"package.json": '{"name": "leaf", "version": "1.0.0"}'})
    project.change_lock("node_modules/leaf", resolved=f"git+file://{project.base}/leaf#{commit}", integrity=None)
    assert "allow-git=none does not let leaf@1.0.0" in project.fails("ci", "--allow-git=none").stderr


def test_a_lock_of_version_1_is_completed_without_fetching_what_is_refused(
    project: Project, specs: dict[str, str]
) -> None:
    project.declare(dependencies={"far": specs["git"]})
    project.succeeds("install", "--package-lock-only", "--lockfile-version=1")
    says(project, git="none")
    (project.base / "bin").mkdir()
    git = project.base / "bin/git"
    git.write_text('#!/bin/sh\ntouch "$0.called"\nexit 1\n')
    git.chmod(0o755)
    run = project.fails("ci", f"--git={git}")
    assert "allow-git=none does not let far be fetched" in run.stderr
    assert not Path(f"{git}.called").exists()


# -- tarballs of registries on other hosts --------------------------------------------------------------------------


@pytest.fixture
def elsewhere(project: Project) -> Iterator[PackageRegistry]:
    """A host that has the tarballs of the project's registry."""
    with PackageRegistry() as files, PackageRegistry(public_url=files.url) as registry:
        project.registry = registry
        bundle = {"index.js": b"", "node_modules/inner/package.json": b'{"name": "inner", "version": "1.0.0"}'}
        bundler = make_package("outer", "1.0.0", bundle, dependencies={"inner": "1"}, bundleDependencies=["inner"])
        for package in (LEAF, bundler, make_package("needs-leaf", "1.0.0", dependencies={"leaf": "1"})):
            files.publish(package)
            registry.publish(package)
        yield files


@pytest.mark.parametrize("name", ["leaf", "outer"])
def test_a_registrys_tarball_on_another_host_is_remote(project: Project, elsewhere: PackageRegistry, name: str) -> None:
    project.declare(dependencies={name: "1"})
    says(project, remote="none")
    run = project.fails("install")
    assert f"allow-remote=none does not let {name}@" in run.stderr
    assert elsewhere.requests == []
    says(project, remote="root")
    project.succeeds("install")


def test_a_registrys_tarball_on_another_host_is_no_packages_to_ask_for(
    project: Project, elsewhere: PackageRegistry
) -> None:
    project.declare(dependencies={"needs-leaf": "1"})
    run = project.fails("install", "--allow-remote=root")
    assert "allow-remote=root does not let leaf@1.0.0 be fetched from http://" in run.stderr
    assert "needs-leaf@1.0.0 be fetched" not in run.stderr
    assert not (project.folder / "package-lock.json").exists()


def test_a_host_that_is_replaced_by_the_registry_is_none_of_its_own(
    project: Project, elsewhere: PackageRegistry
) -> None:
    project.declare(dependencies={"needs-leaf": "1", "outer": "1"})
    says(project, remote="none")
    project.succeeds("install", "--replace-registry-host=always")
    assert elsewhere.requests == []


def test_the_registrys_own_tarballs_are_never_remote(project: Project) -> None:
    bundle = {"index.js": b"", "node_modules/inner/package.json": b'{"name": "inner", "version": "1.0.0"}'}
    bundler = make_package("outer", "1.0.0", bundle, dependencies={"inner": "1"}, bundleDependencies=["inner"])
    project.declare(LEAF, bundler, dependencies={"outer": "1", "alias": "npm:leaf@1", "leaf": "latest"})
    says(project, git="none", remote="none", file="none", directory="none")
    project.succeeds("install")
    project.succeeds("ci")


def test_what_a_foreign_lock_pins_elsewhere_is_remote(project: Project, registry: PackageRegistry) -> None:
    with PackageRegistry() as files:
        files.publish(LEAF)
        project.declare(
            LEAF, make_package("needs-leaf", "1.0.0", dependencies={"leaf": "1"}), dependencies={"needs-leaf": "1"}
        )
        entry = f'leaf@1:\n  version "1.0.0"\n  resolved "{files.tarball_url(LEAF)}"\n'
        project.write("yarn.lock", f"# yarn lockfile v1\n\n\n{entry}")
        assert "allow-remote=root does not let leaf@1" in project.fails("install", "--allow-remote=root").stderr
        assert files.requests == []


# -- as npm ---------------------------------------------------------------------------------------------------------


def npm_code(project: Project, *words: str) -> str:
    """The code with which npm ends; empty after a success."""
    try:
        project.npm(*words)
    except NpmError as error:
        found = re.search(r"npm error code (\w+)", error.stderr)
        return found[1] if found else "?"
    return ""


@pytest.mark.npm
@pytest.mark.parametrize("limit", ["none", "root"])
@pytest.mark.parametrize("kind", KINDS)
def test_refuses_what_npm_refuses(project: Project, specs: dict[str, str], kind: str, limit: str) -> None:
    manifests: list[dict[str, Any]] = [
        {"dependencies": {"far": specs[kind]}},
        {"dependencies": {f"needs-{kind}": "1"}},
        {"dependencies": {f"may-have-{kind}": "1"}},
        {"dependencies": {f"needs-{kind}": "1", "far": specs[kind]}},
    ]
    code = f"EALLOW{kind.upper()}"
    for manifest in manifests:
        project.declare(**manifest)
        theirs = npm_code(project, "install", f"--allow-{kind}={limit}")
        assert theirs in ("", code)
        for path in ("node_modules", "package-lock.json"):
            found = project.folder / path
            shutil.rmtree(found) if found.is_dir() else found.unlink(missing_ok=True)
        run = project.run("install", f"--allow-{kind}={limit}")
        assert (run.status, "PM_REFUSED_SOURCE" in run.stderr) == ((1, True) if theirs else (0, False))
        shutil.rmtree(project.folder / "node_modules", ignore_errors=True)
        (project.folder / "package-lock.json").unlink(missing_ok=True)
