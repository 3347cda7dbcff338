"""Dependencies from elsewhere than a registry: git, tarballs, folders, workspaces, and what tarballs bring."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
from support.git import git
from support.packages import integrity, make_package, make_tarball
from support.project import Project
from support.registry import PackageRegistry, faults

LEAF = make_package("leaf", "1.0.0")
LEAF_2 = make_package("leaf", "2.0.0")


class Repository:
    """A bare repository of one package with the versions 1.0.0 (tag), 1.1.0 (annotated tag) and 2.0.0 (branch main)."""

    def __init__(self, base: Path) -> None:
        work = base / "work"
        work.mkdir(parents=True)
        git(work, "init", "--quiet", "--initial-branch=main")
        self.commits: dict[str, str] = {}
        for version in ("1.0.0", "1.1.0", "2.0.0"):
            manifest = {"name": "g", "version": version, "dependencies": {"leaf": "1"}, "files": ["index.js"]}
            (work / "package.json").write_text(json.dumps(manifest))
            (work / "index.js").write_text(version)
            (work / "left-out.js").write_text("not packed")
            git(work, "add", "--all")
            git(work, "commit", "--quiet", "--message", version)
            self.commits[version] = git(work, "rev-parse", "HEAD")
            if version == "1.0.0":
                git(work, "tag", "v1.0.0")
            elif version == "1.1.0":
                git(work, "tag", "--annotate", "--message", "release", "v1.1.0")
        git(base, "clone", "--quiet", "--bare", str(work), "g.git")
        self.url = f"git+file://{base}/g.git"


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    return Repository(tmp_path / "git")


def installed(project: Project, name: str) -> dict[str, Any]:
    return json.loads((project.folder / "node_modules" / name / "package.json").read_text())


# -- git ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("reference", "version"),
    [
        ("", "2.0.0"),
        ("#main", "2.0.0"),
        ("#v1.0.0", "1.0.0"),
        ("#v1.1.0", "1.1.0"),
        ("#semver:^1.0.0", "1.1.0"),
        ("#semver:1.0.x", "1.0.0"),
        ("#commit", "1.0.0"),
        ("#abbreviated", "1.0.0"),
    ],
)
def test_a_git_dependency_is_locked_at_its_commit(
    project: Project, repository: Repository, reference: str, version: str
) -> None:
    first = repository.commits["1.0.0"]
    reference = {"#commit": f"#{first}", "#abbreviated": f"#{first[:9]}"}.get(reference, reference)
    project.declare(LEAF, dependencies={"g": f"{repository.url}{reference}"})
    project.succeeds("install")
    entry = project.lock["packages"]["node_modules/g"]
    assert entry["resolved"] == f"{repository.url}#{repository.commits[version]}"
    assert (entry["version"], installed(project, "g")["version"]) == (version, version)
    assert "integrity" not in entry
    assert (project.folder / "node_modules/leaf").is_dir()
    assert not (project.folder / "node_modules/g/left-out.js").exists()


def test_what_was_installed_from_git_is_what_ci_installs(project: Project, repository: Repository) -> None:
    project.declare(LEAF, dependencies={"g": repository.url})
    project.succeeds("install")
    before, lock = project.tree(), project.lock
    project.succeeds("ci")
    assert project.tree() == before
    assert "nothing to do" in project.succeeds("install").stdout
    assert project.lock == lock


def test_a_branch_that_has_moved_does_not_move_a_lock(project: Project, repository: Repository, tmp_path: Path) -> None:
    project.declare(LEAF, dependencies={"g": f"{repository.url}#main"})
    project.succeeds("install")
    work = tmp_path / "git/work"
    git(work, "commit", "--quiet", "--allow-empty", "--message", "newer")
    git(work, "push", "--quiet", str(tmp_path / "git/g.git"), "main")
    project.declare(make_package("other", "1.0.0"), dependencies={"g": f"{repository.url}#main", "other": "1"})
    project.succeeds("install")
    assert project.lock["packages"]["node_modules/g"]["resolved"].endswith(repository.commits["2.0.0"])


@pytest.mark.parametrize("digits", [7, 40])
def test_a_commit_in_the_lock_of_another_package_manager_is_kept(
    project: Project, repository: Repository, digits: int
) -> None:
    commit = repository.commits["1.1.0"]
    project.declare(LEAF, dependencies={"g": repository.url})
    foreign = {
        "lockfileVersion": 1,
        "workspaces": {"": {"dependencies": {"g": repository.url}}},
        "packages": {"g": [f"g@{repository.url}#{commit[:digits]}", {}, ""]},
    }
    project.write("bun.lock", json.dumps(foreign))
    project.succeeds("install")
    assert project.lock["packages"]["node_modules/g"]["resolved"] == f"{repository.url}#{commit}"
    assert "nothing to do" in project.succeeds("install").stdout


@pytest.mark.parametrize(
    ("reference", "told"),
    [
        ("#nothing", "has no branch, tag or commit nothing"),
        ("#semver:^9", "has no tag for ^9"),
        ("#feedface", "feedface"),
    ],
)
def test_what_a_repository_lacks_is_told(project: Project, repository: Repository, reference: str, told: str) -> None:
    project.declare(dependencies={"g": f"{repository.url}{reference}"})
    run = project.fails("install")
    assert "error[PM_GIT]: g could not be fetched by git" in run.stderr
    assert told in run.stderr
    assert "required by the project" in run.stderr
    assert "hint: correct what stands behind the #" in run.stderr


def test_a_repository_that_is_not_there_is_told(project: Project, tmp_path: Path) -> None:
    project.declare(dependencies={"g": f"git+file://{tmp_path}/nothing.git"})
    run = project.fails("install")
    assert "error[PM_GIT]: g could not be fetched by git" in run.stderr
    assert "required by the project" in run.stderr
    assert "hint:" in run.stderr


@pytest.mark.parametrize("folder", ["", "packages/g"])
def test_what_a_repository_bundles_is_found_in_it(project: Project, tmp_path: Path, folder: str) -> None:
    work = tmp_path / "bundling"
    package = work / folder
    bundled = package / "node_modules/inner"
    bundled.mkdir(parents=True)
    manifest = {"name": "g", "version": "1.0.0", "bundleDependencies": ["inner"], "dependencies": {"inner": "1"}}
    (package / "package.json").write_text(json.dumps(manifest))
    (bundled / "package.json").write_text(json.dumps({"name": "inner", "version": "1.5.0"}))
    git(work, "init", "--quiet", "--initial-branch=main")
    git(work, "add", "--all")
    git(work, "commit", "--quiet", "--message", "x")
    project.declare(dependencies={"g": f"git+file://{work}#{f'path:{folder}' if folder else 'main'}"})
    project.succeeds("install")
    inner = project.lock["packages"]["node_modules/g/node_modules/inner"]
    assert inner == {"version": "1.5.0", "inBundle": True}
    installed = project.tree()
    project.succeeds("ci")
    assert project.tree() == installed
    assert "g/node_modules/inner/package.json" in installed


def test_an_optional_git_dependency_that_is_not_there_is_left_out(project: Project, tmp_path: Path) -> None:
    url = f"git+file://{tmp_path}/nothing.git"
    project.declare(LEAF, dependencies={"leaf": "1"}, optionalDependencies={"g": url})
    run = project.succeeds("install")
    project.assert_installed({"node_modules/leaf": LEAF})
    assert "the optional g is left out" in run.stderr


def test_a_repository_without_a_package_json_is_told(project: Project, tmp_path: Path) -> None:
    folder = tmp_path / "plain"
    folder.mkdir()
    git(folder, "init", "--quiet", "--initial-branch=main")
    (folder / "file").write_text("x")
    git(folder, "add", "--all")
    git(folder, "commit", "--quiet", "--message", "x")
    project.declare(dependencies={"g": f"git+file://{folder}"})
    run = project.fails("install")
    assert "g" in run.stderr
    assert "package.json" in run.stderr


# -- tarballs -------------------------------------------------------------------------------------------------------


@pytest.fixture
def far(registry: PackageRegistry) -> str:
    """The URL of a tarball that no packument names."""
    return registry.serve("/files/far.tgz", make_package("far", "3.0.0", dependencies={"leaf": "1"}).tarball)


def test_a_tarball_by_url_is_locked_with_its_digest(project: Project, far: str) -> None:
    project.declare(LEAF, dependencies={"far": far})
    project.succeeds("install")
    entry = project.lock["packages"]["node_modules/far"]
    assert (entry["version"], entry["resolved"]) == ("3.0.0", far)
    assert entry["integrity"] == integrity(make_package("far", "3.0.0", dependencies={"leaf": "1"}).tarball)
    before = project.tree()
    project.succeeds("ci")
    assert project.tree() == before


def test_one_tarball_by_url_for_two_who_want_it_is_fetched_once(
    project: Project, registry: PackageRegistry, far: str
) -> None:
    project.declare(LEAF, dependencies={"one": far, "two": far})
    project.succeeds("install")
    assert len(registry.requests_for("/files/far.tgz")) == 1
    assert installed(project, "one") == installed(project, "two")


def test_a_tarball_by_url_that_is_not_there_is_told(project: Project, registry: PackageRegistry) -> None:
    project.declare(dependencies={"far": f"{registry.url}/nothing.tgz"})
    run = project.fails("install")
    assert "far could not be fetched" in run.stderr
    assert "required by the project" in run.stderr


@pytest.mark.parametrize("body", [b"", b"no tarball", make_tarball({"index.js": b"1"})])
def test_a_tarball_by_url_that_is_no_package_is_told(project: Project, registry: PackageRegistry, body: bytes) -> None:
    project.declare(dependencies={"far": registry.serve("/far.tgz", body)})
    run = project.fails("install")
    assert "far" in run.stderr
    assert "required by the project" in run.stderr


def test_a_tarball_of_the_project_is_installed(project: Project) -> None:
    package = make_package("near", "1.0.0", dependencies={"leaf": "1"})
    project.write("vendor/near.tgz", package.tarball)
    project.declare(LEAF, dependencies={"near": "file:vendor/near.tgz"})
    project.succeeds("install")
    project.assert_installed({"node_modules/leaf": LEAF, "node_modules/near": package})
    entry = project.lock["packages"]["node_modules/near"]
    assert (entry["resolved"], entry["integrity"]) == ("file:vendor/near.tgz", package.integrity)


def test_one_tarball_on_disk_under_two_names_is_installed_twice(project: Project) -> None:
    package = make_package("near", "1.0.0")
    project.write("near.tgz", package.tarball)
    project.declare(dependencies={"one": "file:near.tgz", "two": "file:./near.tgz"})
    project.succeeds("install")
    assert installed(project, "one") == installed(project, "two")


def test_a_tarball_of_the_project_that_is_not_there_is_told(project: Project) -> None:
    project.declare(dependencies={"near": "file:vendor/near.tgz"})
    run = project.fails("install")
    assert f"{project.folder}/vendor/near.tgz" in run.stderr
    assert "required by the project" in run.stderr


# -- folders and workspaces -----------------------------------------------------------------------------------------


def test_workspaces_are_linked_and_share_what_they_can(project: Project) -> None:
    project.declare(LEAF, LEAF_2, workspaces=["packages/*"])
    for name, wanted in (("a", "1"), ("b", "1"), ("c", "2")):
        manifest = {
            "name": name,
            "version": "1.0.0",
            "dependencies": {"leaf": wanted, **({"a": "^1.0.0"} if name == "b" else {})},
        }
        project.write(f"packages/{name}/package.json", json.dumps(manifest))
    project.succeeds("install")
    assert {name: os.readlink(project.folder / "node_modules" / name) for name in "abc"} == {
        name: f"../packages/{name}" for name in "abc"
    }
    assert installed(project, "leaf")["version"] == "1.0.0"
    nested = json.loads((project.folder / "packages/c/node_modules/leaf/package.json").read_text())
    assert nested["version"] == "2.0.0"
    assert "nothing to do" in project.succeeds("install").stdout


def test_a_workspace_that_was_added_joins_the_lock(project: Project) -> None:
    project.declare(LEAF, dependencies={"leaf": "1"}, workspaces=["packages/*"])
    project.succeeds("install")
    project.write("packages/a/package.json", '{"name": "a", "version": "1.0.0", "dependencies": {"leaf": "*"}}')
    project.succeeds("install")
    assert os.readlink(project.folder / "node_modules/a") == "../packages/a"
    assert "packages/a" in project.lock["packages"]


def test_a_folder_becomes_a_workspace_by_its_package_json(project: Project) -> None:
    project.declare(LEAF, dependencies={"leaf": "1"}, workspaces=["packages/*"])
    project.write("packages/a/index.js", "")
    project.succeeds("install")
    assert "nothing to do" in project.succeeds("install").stdout
    project.write("packages/a/package.json", '{"name": "a", "version": "1.0.0"}')
    project.succeeds("install")
    assert os.readlink(project.folder / "node_modules/a") == "../packages/a"


def test_executables_of_workspaces_are_linked_as_they_come(project: Project) -> None:
    project.declare(LEAF, dependencies={"leaf": "1"}, workspaces=["packages/*"])
    links = project.folder / "node_modules/.bin"
    manifest = {"name": "a", "version": "1.0.0", "bin": "cli.js"}
    project.write("packages/a/package.json", json.dumps(manifest))
    project.write("packages/a/cli.js", "#!/usr/bin/env node\n")
    project.succeeds("install")
    # another workspace, beside a folder of executables that is there already
    project.write("packages/b/package.json", json.dumps({**manifest, "name": "b"}))
    project.write("packages/b/cli.js", "#!/usr/bin/env node\n")
    project.succeeds("install")
    assert os.readlink(links / "b") == "../b/cli.js"
    # and another one of a workspace that is linked already
    project.write("packages/a/package.json", json.dumps({**manifest, "bin": {"a": "cli.js", "more": "cli.js"}}))
    project.succeeds("install")
    assert {link.name for link in links.iterdir()} == {"a", "b", "more"}


# -- what tarballs bring --------------------------------------------------------------------------------------------


def bundler(**fields: Any) -> Any:
    files = {
        "index.js": b"outer",
        "node_modules/inner/package.json": b'{"name": "inner", "version": "3.0.0"}',
        "node_modules/inner/index.js": b"inner",
    }
    return make_package("outer", "1.0.0", files, dependencies={"inner": "3"}, bundleDependencies=["inner"], **fields)


def test_a_required_bundlers_tarball_that_cannot_be_had_is_told(project: Project, registry: PackageRegistry) -> None:
    project.declare(bundler(), dependencies={"outer": "1"})
    registry.misbehave("*/outer-1.0.0.tgz", faults.status(404))
    run = project.fails("install")
    assert "outer@1.0.0 could not be fetched" in run.stderr
    assert "required by the project" in run.stderr


def test_an_optional_bundlers_tarball_that_cannot_be_had_is_left_out(
    project: Project, registry: PackageRegistry
) -> None:
    project.declare(LEAF, bundler(), dependencies={"leaf": "1"}, optionalDependencies={"outer": "1"})
    registry.misbehave("*/outer-1.0.0.tgz", faults.status(404))
    run = project.succeeds("install")
    project.assert_installed({"node_modules/leaf": LEAF})
    assert "outer is left out" in run.stderr


def test_a_bundlers_tarball_with_other_bytes_is_refused(project: Project, registry: PackageRegistry) -> None:
    project.declare(bundler(), dependencies={"outer": "1"})
    registry.misbehave("*/outer-1.0.0.tgz", faults.corrupt(at=40))
    assert "error[PM_INTEGRITY]" in project.fails("install").stderr


def test_a_bundlers_tarball_is_fetched_once(project: Project, registry: PackageRegistry) -> None:
    project.declare(bundler(), dependencies={"outer": "1"})
    project.succeeds("install")
    assert len(registry.requests_for("*/outer-1.0.0.tgz")) == 1


def test_a_packages_own_lock_decides_on_what_it_brings(project: Project, registry: PackageRegistry) -> None:
    registry.publish(LEAF, LEAF_2, make_package("leaf", "1.5.0"))
    lock = {
        "name": "tool",
        "version": "1.0.0",
        "lockfileVersion": 3,
        "packages": {
            "": {"name": "tool", "version": "1.0.0", "dependencies": {"leaf": "^1.0.0"}},
            "node_modules/leaf": LEAF.lock_entry(registry.url),
        },
    }
    files = {"index.js": b"1", "npm-shrinkwrap.json": json.dumps(lock).encode()}
    tool = make_package("tool", "1.0.0", files, dependencies={"leaf": "^1.0.0"}, _hasShrinkwrap=True)
    project.declare(tool, dependencies={"tool": "1"})
    project.succeeds("install")
    assert project.lock["packages"]["node_modules/tool/node_modules/leaf"]["version"] == "1.0.0"
    assert installed(project, "tool/node_modules/leaf")["version"] == "1.0.0"
    assert project.lock["packages"]["node_modules/tool"]["hasShrinkwrap"] is True
