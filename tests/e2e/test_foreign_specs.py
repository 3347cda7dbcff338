"""Specs that npm lacks, through the whole program: workspaces, catalogs, resolutions, folders of repositories."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest
from support.packages import make_package
from support.project import Project

ONE, TWO, THREE = (make_package("lib", f"{number}.0.0", {"index.js": b"%d" % number}) for number in (1, 2, 3))
USER = make_package("user", "1.0.0", dependencies={"lib": "^1.0.0 || ^2.0.0"})


def workspace(project: Project, path: str, **manifest: Any) -> None:
    project.write(f"{path}/package.json", json.dumps({"version": "1.0.0", **manifest}))


def version_of(project: Project, path: str) -> str:
    return json.loads((project.folder / path / "package.json").read_text())["version"]


# -- workspaces ---------------------------------------------------------------------------------------------------


@pytest.fixture
def monorepo(project: Project) -> Project:
    """Three workspaces that need each other, and a package of the registry that is called like one of them."""
    project.declare(ONE, make_package("b", "9.0.0"), workspaces=["packages/*"], devDependencies={"a": "workspace:*"})
    workspace(project, "packages/a", name="a", dependencies={"b": "workspace:^", "c": "workspace:../c", "lib": "1"})
    workspace(project, "packages/b", name="b", version="1.2.3", peerDependencies={"c": "workspace:~1.0.0"})
    workspace(project, "packages/c", name="c", devDependencies={"aliased": "workspace:b@*"})
    return project


def test_workspace_specs_are_links_to_the_workspaces(monorepo: Project) -> None:
    monorepo.succeeds("install")
    links = {name: os.readlink(monorepo.folder / "node_modules" / name) for name in ("a", "b", "c")}
    assert links == {"a": "../packages/a", "b": "../packages/b", "c": "../packages/c"}
    assert version_of(monorepo, "node_modules/lib") == "1.0.0"
    found = [
        path
        for path in (monorepo.folder / "node_modules/aliased", monorepo.folder / "packages/c/node_modules/aliased")
        if path.exists()
    ]
    assert [os.path.realpath(path) for path in found] == [str((monorepo.folder / "packages/b").resolve())]
    assert not monorepo.registry.requests_for("/b*")


def test_a_lock_with_workspace_specs_is_in_step_at_once(monorepo: Project) -> None:
    monorepo.succeeds("install")
    lock = (monorepo.folder / "package-lock.json").read_bytes()
    assert "nothing to do" in monorepo.succeeds("install").stdout
    monorepo.succeeds("ci")
    monorepo.succeeds("install")
    assert (monorepo.folder / "package-lock.json").read_bytes() == lock


def test_a_workspace_of_another_version_than_its_sibling_asks_for_is_refused(monorepo: Project) -> None:
    workspace(monorepo, "packages/a", name="a", dependencies={"b": "workspace:^2.0.0"})
    run = monorepo.fails("install")
    assert "packages/a/package.json: dependencies > b:" in run.stderr
    assert "its version is 1.2.3" in run.stderr


def test_a_workspace_that_has_moved_is_linked_where_it_is(project: Project) -> None:
    # its folder was called like the package, as usual, so that the lock did not name it
    project.declare(ONE, TWO, workspaces=["packages/*"], dependencies={"lib": "2.0.0"})
    workspace(project, "packages/b", name="b", dependencies={"lib": "1.0.0"})
    project.succeeds("install")
    (project.folder / "packages/b").rename(project.folder / "packages/c")
    project.succeeds("install")
    assert os.readlink(project.folder / "node_modules/b") == "../packages/c"
    assert os.listdir(project.folder / "packages") == ["c"]
    assert version_of(project, "packages/c/node_modules/lib") == "1.0.0"
    assert "packages/b" not in project.lock["packages"]
    project.succeeds("ci")


# -- catalogs -----------------------------------------------------------------------------------------------------

PNPM = """\
packages:
  - packages/*
# what all share
catalog:
  lib: ^1.0.0
catalogs:
  newer:
    lib: 2.0.0
"""


YARN = """\
nodeLinker: node-modules
npmAuthToken: "${TOKEN}"
catalog:
  lib: ^1.0.0
catalogs:
  newer:
    lib: 2.0.0
"""
CATALOG_FILES = {"package.json": None, "pnpm-workspace.yaml": PNPM, ".yarnrc.yml": YARN}


@pytest.fixture(params=list(CATALOG_FILES))
def shared(request: pytest.FixtureRequest, project: Project) -> Project:
    """Two workspaces that take the same package from two catalogs, which stand where bun, pnpm or yarn has them."""
    workspaces: dict[str, Any] = {"packages": ["packages/*"]}
    file = CATALOG_FILES[request.param]
    if file is None:
        workspaces |= {"catalog": {"lib": "^1.0.0"}, "catalogs": {"newer": {"lib": "2.0.0"}}}
    else:
        project.write(request.param, file)
    project.declare(ONE, TWO, THREE, workspaces=workspaces, dependencies={"lib": "catalog:"})
    workspace(project, "packages/a", name="a", dependencies={"lib": "catalog:"})
    workspace(project, "packages/b", name="b", dependencies={"lib": "catalog:newer"})
    return project


def test_catalog_specs_are_what_the_catalog_says(shared: Project) -> None:
    shared.succeeds("install")
    assert version_of(shared, "node_modules/lib") == "1.0.0"
    assert version_of(shared, "packages/b/node_modules/lib") == "2.0.0"
    assert shared.lock["packages"]["packages/b"]["dependencies"] == {"lib": "2.0.0"}
    assert "nothing to do" in shared.succeeds("install").stdout
    shared.succeeds("ci")


def test_a_change_of_a_catalog_is_seen(shared: Project) -> None:
    shared.succeeds("install")
    for name in CATALOG_FILES:
        path = shared.folder / name
        if path.exists():
            shared.write(name, path.read_text().replace("2.0.0", "3.0.0"))
    assert "lib@3.0.0" in shared.fails("ci").stderr
    shared.succeeds("install")
    assert version_of(shared, "packages/b/node_modules/lib") == "3.0.0"


def test_a_catalog_that_is_missing_is_told_and_nothing_changes(shared: Project) -> None:
    workspace(shared, "packages/a", name="a", dependencies={"lib": "catalog:", "nobody": "catalog:", "x": "catalog:no"})
    run = shared.fails("install")
    assert 'the catalog "default" has no nobody' in run.stderr
    assert 'there is no catalog called "no" (there are: default, newer)' in run.stderr


@pytest.mark.parametrize("file", ["pnpm-workspace.yaml", ".yarnrc.yml"])
def test_settings_that_are_no_yaml_are_named_only_where_they_are_needed(project: Project, file: str) -> None:
    project.write(file, "catalog: {lib: [")
    project.declare(ONE, dependencies={"lib": "1"})
    project.succeeds("install")
    project.declare(ONE, dependencies={"lib": "catalog:"})
    assert f"cannot read {file}:2:1" in project.fails("install").stderr


# -- what else pnpm-workspace.yaml says ---------------------------------------------------------------------------


def test_workspaces_that_only_pnpm_knows_are_told(project: Project) -> None:
    project.write("pnpm-workspace.yaml", "packages: [., packages/*, 'tools/**', '!**/fixtures']")
    project.declare(ONE, dependencies={"lib": "1"}, workspaces=["packages/*"])
    for path in ("packages/a", "tools/one", "tools/two/deep", "tools/fixtures"):
        workspace(project, path, name=path.replace("/", "-"))
    (project.folder / "tools/no-package").mkdir()
    run = project.succeeds("install")
    assert "nothing is installed for them: tools/one, tools/two/deep; put into package.json" in run.stderr
    assert '"workspaces": ["packages/*", "tools/**", "!**/fixtures"]' in run.stderr
    manifest = json.loads((project.folder / "package.json").read_text())
    manifest["workspaces"] = ["packages/*", "tools/**", "!**/fixtures"]
    project.write("package.json", json.dumps(manifest))
    assert "pnpm" not in project.succeeds("install").stderr
    assert (project.folder / "node_modules/tools-two-deep").is_symlink()


@pytest.mark.parametrize(
    "packages", ["packages/*", "[packages/*, none/*]", "[.]", "{a: b}", "[[]]", "['packages/*', '/abs/*', '../out/*']"]
)
def test_nothing_is_told_where_pnpm_knows_no_other_workspaces(project: Project, packages: str) -> None:
    project.write("pnpm-workspace.yaml", f"packages: {packages}\n")
    project.declare(ONE, dependencies={"lib": "1"}, workspaces=["packages/*"])
    workspace(project, "packages/a", name="a")
    assert "pnpm" not in project.succeeds("install").stderr


def test_settings_of_pnpm_that_would_change_the_tree_are_told(project: Project) -> None:
    project.write(
        "pnpm-workspace.yaml", "overrides: {lib: 2}\npatchedDependencies: {lib: x.patch}\nnodeLinker: hoisted\n"
    )
    pnpm = {"overrides": {"lib": "2"}, "packageExtensions": {}}
    project.declare(ONE, TWO, dependencies={"lib": "*"}, pnpm=pnpm)
    said = project.succeeds("install").stderr
    assert "pnpm-workspace.yaml: npm does not know overrides, patchedDependencies, and they are left out" in said
    assert "pnpm in package.json: npm does not know overrides, and they are left out" in said
    assert "pnpm" not in project.succeeds("install").stderr
    project.declare(dependencies={"lib": "1"}, pnpm=pnpm, overrides={"other": "2"})
    said = project.succeeds("install").stderr
    assert "pnpm-workspace.yaml: npm does not know patchedDependencies" in said
    assert "pnpm in package.json" not in said


def test_overrides_of_pnpm_are_told_in_npms_words_which_do_the_same(project: Project) -> None:
    overrides = {
        "user>lib": "2.0.0",
        "user": "1.0.0",
        "lib@>=3": "2.0.0",
        "other@>1 || 2>lib": "$lib",
        "gone": "-",
        "listed": "catalog:",
    }
    project.write("pnpm-workspace.yaml", json.dumps({"overrides": overrides}))
    project.declare(ONE, TWO, USER, dependencies={"user": "^1.0.0", "lib": "1.0.0"})
    (line,) = [line for line in project.succeeds("install").stderr.splitlines() if "overrides" in line]
    npms = json.loads(line.partition('"overrides": ')[2])
    assert npms == {
        "user": {"lib": "2.0.0", ".": "1.0.0"},
        "lib@>=3": "2.0.0",
        "other@>1 || 2": {"lib": "$lib"},
    }
    assert version_of(project, "node_modules/lib") == "1.0.0"
    project.declare(dependencies={"user": "1.0.0", "lib": "1.0.0"}, overrides=npms)
    assert "overrides" not in project.succeeds("install").stderr
    assert version_of(project, "node_modules/user/node_modules/lib") == "2.0.0"


def test_what_pnpm_yarn_and_npm_call_alike_is_not_told_where_npm_has_it(project: Project) -> None:
    project.write("pnpm-workspace.yaml", "packageExtensions: {user: {dependencies: {other: 2}}}\n")
    project.write(".yarnrc.yml", "packageExtensions: {user@*: {dependencies: {other: 2}}}\n")
    project.declare(ONE, make_package("other", "2.0.0"), USER, dependencies={"user": "1"})
    said = project.succeeds("install").stderr
    for file in ("pnpm-workspace.yaml", ".yarnrc.yml"):
        told = f"{file}: npm does not know packageExtensions, and they are left out of account; npm heeds "
        assert f"{told}packageExtensions in package.json itself" in said
    project.declare(dependencies={"user": "1"}, packageExtensions={"user": {"dependencies": {"other": "2"}}})
    assert "left out of account" not in project.succeeds("install").stderr


def test_what_npm_has_no_word_for_is_told_without_a_hint_to_one(project: Project) -> None:
    project.write("pnpm-workspace.yaml", "ignoredOptionalDependencies: [user]\n")
    project.declare(ONE, TWO, USER, optionalDependencies={"user": "1"})
    told = "pnpm-workspace.yaml: npm does not know ignoredOptionalDependencies, and they are left out of account\n"
    assert told in project.succeeds("install").stderr


@pytest.mark.parametrize(
    ("file", "setting"), [(".pnpmfile.cjs", ""), (".pnpmfile.mjs", ""), ("hooks/p.cjs", "pnpmfile: hooks/p.cjs\n")]
)
def test_a_hook_of_pnpm_that_changes_manifests_is_told(project: Project, file: str, setting: str) -> None:
    project.write("pnpm-workspace.yaml", setting)
    project.write(file, "module.exports = { hooks: { readPackage (pkg) { return pkg } } }\n")
    project.declare(ONE, dependencies={"lib": "1"})
    told = f"{file}: npm does not know it, and what readPackage changes there is left out of account"
    assert told in project.succeeds("install", "--package-lock-only").stderr
    project.write(file, "module.exports = { hooks: { afterAllResolved (lock) { return lock } } }\n")
    (project.folder / "package-lock.json").unlink()
    assert "npm does not know it" not in project.succeeds("install", "--package-lock-only").stderr


def test_an_age_of_versions_that_only_pnpm_knows_is_told_when_a_project_is_resolved(project: Project) -> None:
    project.write("pnpm-workspace.yaml", "minimumReleaseAge: 4320\n")
    project.declare(ONE, dependencies={"lib": "1"})
    assert "put into .npmrc: min-release-age=3" in project.succeeds("install").stderr
    assert "min-release-age" not in project.succeeds("install").stderr


# -- resolutions --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("key", ["lib", "**/lib", "user/lib", "user/**/lib"])
def test_a_resolution_holds_like_an_override(project: Project, key: str) -> None:
    project.declare(ONE, TWO, THREE, USER, dependencies={"user": "1"}, resolutions={key: "3.0.0"})
    project.succeeds("install")
    assert version_of(project, "node_modules/lib") == "3.0.0"
    assert "nothing to do" in project.succeeds("install").stdout
    project.succeeds("ci")


def test_a_resolution_may_contradict_the_project_itself(project: Project) -> None:
    project.declare(ONE, TWO, USER, dependencies={"user": "1", "lib": "^2.0.0"}, resolutions={"lib": "1.0.0"})
    project.succeeds("install")
    assert version_of(project, "node_modules/lib") == "1.0.0"
    project.succeeds("ci")


def test_an_override_counts_more_than_a_resolution(project: Project) -> None:
    project.declare(
        ONE, TWO, THREE, USER, dependencies={"user": "1"}, overrides={"lib": "1.0.0"}, resolutions={"lib": "3.0.0"}
    )
    project.succeeds("install")
    assert version_of(project, "node_modules/lib") == "1.0.0"


def test_a_resolution_that_cannot_be_heeded_is_a_warning(project: Project) -> None:
    project.declare(ONE, dependencies={"lib": "1"}, resolutions={"lib": "patch:lib@1#x.patch"})
    assert "resolutions > lib" in project.succeeds("install").stderr


def test_a_resolution_may_give_others_the_project_itself(project: Project) -> None:
    project.declare(make_package("app", "0.5.0"), dependencies={"user": "1"}, resolutions={"app": "workspace:*"})
    project.registry.publish(make_package("user", "1.0.0", dependencies={"app": "^0.5.0"}))
    project.succeeds("install")
    assert os.readlink(project.folder / "node_modules/app") == ".."
    assert project.lock["packages"]["node_modules/app"] == {"resolved": "", "link": True}
    assert "nothing to do" in project.succeeds("install").stdout
    project.succeeds("ci")
    assert os.readlink(project.folder / "node_modules/app") == ".."
    assert not project.registry.requests_for("/app*")


def test_ci_takes_a_lock_that_npm_made_without_resolutions_and_install_makes_it_anew(project: Project) -> None:
    project.declare(ONE, TWO, THREE, USER, dependencies={"user": "1"})
    project.succeeds("install")
    project.declare(dependencies={"user": "1"}, resolutions={"lib": "3.0.0"})
    project.succeeds("ci")
    assert version_of(project, "node_modules/lib") == "2.0.0"
    project.succeeds("install")
    assert version_of(project, "node_modules/lib") == "3.0.0"


# -- repositories -------------------------------------------------------------------------------------------------


@pytest.fixture
def repository(tmp_path: Path) -> str:
    """The URL of a repository with a package in a folder and another one around it."""
    folder = tmp_path / "repository"
    for path, manifest in (
        ("", {"name": "outer", "version": "0.0.1"}),
        ("packages/x", {"name": "x", "version": "3.0.0"}),
    ):
        (folder / path).mkdir(parents=True, exist_ok=True)
        (folder / path / "package.json").write_text(json.dumps({**manifest, "dependencies": {"lib": "1"}}))
    git = ("git", "-c", "user.name=a", "-c", "user.email=a@registry.example", "-C", str(folder))
    subprocess.run((*git, "init", "-q"), check=True)
    subprocess.run((*git, "add", "."), check=True)
    subprocess.run((*git, "commit", "-qm", "all"), check=True)
    return f"git+file://{folder}"


@pytest.mark.parametrize("fragment", ["path:packages/x", "HEAD::path:packages/x", "path:/packages/x/"])
def test_a_package_in_a_folder_of_a_repository_is_installed_alone(
    project: Project, repository: str, fragment: str
) -> None:
    project.declare(ONE, dependencies={"x": f"{repository}#{fragment}"})
    project.succeeds("install")
    assert version_of(project, "node_modules/x") == "3.0.0"
    assert not (project.folder / "node_modules/x/packages").exists()
    entry = project.lock["packages"]["node_modules/x"]
    assert entry["version"] == "3.0.0"
    assert entry["resolved"].endswith("::path:packages/x")
    assert "nothing to do" in project.succeeds("install").stdout
    project.succeeds("ci")
    assert version_of(project, "node_modules/x") == "3.0.0"


def test_two_folders_of_one_repository_are_two_packages(project: Project, repository: str) -> None:
    project.declare(ONE, dependencies={"x": f"{repository}#path:packages/x", "outer": repository})
    project.succeeds("install")
    assert version_of(project, "node_modules/x") == "3.0.0"
    assert version_of(project, "node_modules/outer") == "0.0.1"


@pytest.mark.npm
def test_npm_takes_our_lock_of_a_folder_of_a_repository(project: Project, repository: str) -> None:
    project.declare(ONE, dependencies={"x": f"{repository}#path:packages/x"})
    project.succeeds("install")
    lock = (project.folder / "package-lock.json").read_bytes()
    for words in (("ci", "--dry-run"), ("install", "--package-lock-only")):
        project.npm(*words)
    assert (project.folder / "package-lock.json").read_bytes() == lock


# -- commands that change package.json ----------------------------------------------------------------------------


@pytest.mark.parametrize("words", [("add", "other"), ("remove", "other"), ("update",), ("dedupe",)])
def test_commands_that_change_the_project_leave_such_specs_as_they_are(shared: Project, words: tuple[str, ...]) -> None:
    shared.registry.publish(make_package("other", "1.0.0"))
    shared.succeeds("add", "other")
    shared.succeeds(*words)
    specs = json.loads((shared.folder / "package.json").read_text())["dependencies"]
    assert specs["lib"] == "catalog:"
    assert json.loads((shared.folder / "packages/b/package.json").read_text())["dependencies"] == {
        "lib": "catalog:newer"
    }
    assert version_of(shared, "packages/b/node_modules/lib") == "2.0.0"
    assert "nothing to do" in shared.succeeds("install").stdout


def test_a_lock_that_cannot_be_read_is_told_while_there_is_no_other(project: Project) -> None:
    project.declare(make_package("lib", "1.0.0"), dependencies={"lib": "1"})
    project.write("bun.lockb", "binary")
    assert "bun.lockb is not read" in project.succeeds("install").stderr
    (project.folder / "node_modules").rename(project.base / "gone")
    assert project.succeeds("install").stderr == ""


def test_registries_that_only_others_know_are_told(project: Project) -> None:
    project.write(".yarnrc.yml", "npmScopes: {acme: {npmRegistryServer: https://acme.example}}\n")
    project.declare(ONE, dependencies={"lib": "1"})
    said = project.succeeds("install").stderr
    assert "warning: .yarnrc.yml names registries that npm does not look for there" in said
    assert "@acme:registry=https://acme.example" in said
    project.declare(dependencies={"lib": "1", "@acme/none": "1"})
    refused = project.fails("install").stderr
    assert refused.index("@acme:registry=https://acme.example") < refused.index("error[")


def test_a_lock_that_what_is_installed_overrules_is_told(project: Project) -> None:
    project.write("pnpm-lock.yaml", "lockfileVersion: '9.0'\n")
    project.declare(ONE, dependencies={"lib": "1"})
    overruled = "versions are kept from node_modules, and not from pnpm-lock.yaml"
    assert overruled not in project.succeeds("install").stderr
    assert overruled not in project.succeeds("install").stderr
    (project.folder / "package-lock.json").unlink()
    assert overruled in project.succeeds("install").stderr


def test_says_which_lock_the_versions_are_of(project: Project) -> None:
    lock = "lockfileVersion: '9.0'\nimporters: {.: {dependencies: {lib: {specifier: '*', version: 1.0.0}}}}\n"
    project.write("pnpm-lock.yaml", lock)
    project.declare(ONE, TWO, dependencies={"lib": "*"})
    only = project.succeeds("install", "--package-lock-only").stdout
    assert "resolved 1 package with the versions of pnpm-lock.yaml in" in only
    (project.folder / "package-lock.json").unlink()
    assert "1 resolved with the versions of pnpm-lock.yaml; " in project.succeeds("install").stdout
    assert version_of(project, "node_modules/lib") == "1.0.0"
    project.declare(dependencies={"lib": "2"})
    assert "with the versions of" not in project.succeeds("install").stdout


@pytest.mark.parametrize(
    ("file", "text"),
    [
        ("yarn.lock", "# yarn lockfile v1\n\n\n"),
        ("pnpm-lock.yaml", "lockfileVersion: '9.0'\nimporters: {.: {}}\n"),
        ("bun.lock", '{"lockfileVersion": 1, "workspaces": {}, "packages": {}}'),
    ],
)
def test_no_versions_are_said_to_be_those_of_a_lock_that_has_none(project: Project, file: str, text: str) -> None:
    project.write(file, text)
    project.declare(ONE, dependencies={"lib": "*"})
    assert "with the versions of" not in project.succeeds("install", "--package-lock-only").stdout
