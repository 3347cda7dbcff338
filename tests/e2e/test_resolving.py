"""Installing without a lockfile or with a stale one: what is resolved, written, kept, and left alone."""

from __future__ import annotations

import json
import os
import shutil
import threading

import pytest
from support.faulty import Fault
from support.packages import Package, make_package
from support.project import Project
from support.registry import PackageRegistry, faults
from support.snapshot import snapshot

LEAF = make_package("leaf", "1.0.0")
LEAF_11 = make_package("leaf", "1.1.0")
LEAF_2 = make_package("leaf", "2.0.0")
MID = make_package("mid", "1.0.0", dependencies={"leaf": "^1.0.0"}, bin={"mid": "index.js"})
TREE = {"node_modules/leaf": LEAF, "node_modules/mid": MID}


@pytest.fixture
def mid(project: Project) -> Project:
    """A project that wants `MID`, without a lockfile."""
    project.declare(LEAF, MID, dependencies={"mid": "^1.0.0"})
    return project


def lock_text(project: Project) -> str:
    return (project.folder / "package-lock.json").read_text()


def versions(project: Project) -> dict[str, str]:
    return {path: entry["version"] for path, entry in project.lock["packages"].items() if "version" in entry and path}


def asked(registry: PackageRegistry, since: int = 0) -> list[str]:
    """The paths of all requests, or of those that came after the first `since`."""
    return [request.path for request in registry.requests[since:]]


# -- without a lock -------------------------------------------------------------------------------------------------


def test_without_a_lock_everything_is_found_installed_and_locked(mid: Project) -> None:
    run = mid.succeeds("install")
    mid.assert_installed(TREE)
    assert versions(mid) == {"node_modules/leaf": "1.0.0", "node_modules/mid": "1.0.0"}
    assert "2 resolved" in run.stdout


def test_the_lock_that_install_makes_is_good_for_ci_and_needs_no_change(mid: Project) -> None:
    mid.succeeds("install")
    before = lock_text(mid)
    assert "nothing to do" in mid.succeeds("install").stdout
    mid.succeeds("ci")
    mid.assert_installed(TREE)
    assert lock_text(mid) == before


def test_a_second_install_asks_the_registry_nothing(mid: Project, registry: PackageRegistry) -> None:
    mid.succeeds("install")
    since = len(registry.requests)
    mid.succeeds("install")
    assert asked(registry, since) == []


def test_each_packument_is_asked_for_once(project: Project, registry: PackageRegistry) -> None:
    users = [make_package(f"user-{n}", "1.0.0", dependencies={"leaf": "1", "mid": "1"}) for n in range(4)]
    project.declare(LEAF, MID, *users, dependencies={f"user-{n}": "1" for n in range(4)})
    project.succeeds("install")
    paths = asked(registry)
    assert len(paths) == len(set(paths)) == 12


def test_a_project_without_dependencies_gets_a_lock_and_no_node_modules(project: Project) -> None:
    project.declare()
    project.succeeds("install")
    assert list(project.lock["packages"]) == [""]
    assert not (project.folder / "node_modules").exists()


def test_the_lock_has_the_layout_of_package_json(project: Project) -> None:
    project.registry.publish(LEAF)
    project.write("package.json", '{\n\t"name": "app",\n\t"dependencies": {"leaf": "1"}\n}')
    project.succeeds("install")
    assert '\n\t"lockfileVersion": 3' in lock_text(project)


def test_json_tells_what_was_resolved(mid: Project) -> None:
    report = mid.succeeds("install", "--json").report
    assert (report["resolved"], report["packuments"], report["placed"]) == (2, 2, 2)
    assert report["stageSeconds"]["resolve"] > 0


def test_a_deleted_lock_is_made_again_from_what_is_installed(mid: Project, registry: PackageRegistry) -> None:
    mid.succeeds("install")
    before = lock_text(mid)
    registry.publish(LEAF_11)
    (mid.folder / "package-lock.json").unlink()
    mid.succeeds("install")
    assert lock_text(mid) == before
    mid.assert_installed(TREE)


def test_without_lock_and_node_modules_the_newest_versions_count(mid: Project, registry: PackageRegistry) -> None:
    mid.succeeds("install")
    registry.publish(LEAF_11)
    (mid.folder / "package-lock.json").unlink()
    shutil.rmtree(mid.folder / "node_modules")
    mid.succeeds("install", "--prefer-online")
    assert versions(mid)["node_modules/leaf"] == "1.1.0"


@pytest.mark.parametrize("omit", ["dev", "optional"])
def test_what_is_omitted_is_locked_all_the_same(project: Project, omit: str) -> None:
    field = {"dev": "devDependencies", "optional": "optionalDependencies"}[omit]
    project.declare(LEAF, MID, dependencies={"leaf": "1"}, **{field: {"mid": "1"}})
    project.succeeds("install", f"--omit={omit}")
    project.assert_installed({"node_modules/leaf": LEAF})
    assert project.lock["packages"]["node_modules/mid"][omit] is True


# -- with a stale lock ----------------------------------------------------------------------------------------------


def test_a_stale_lock_keeps_what_is_valid(mid: Project, registry: PackageRegistry) -> None:
    mid.succeeds("install")
    registry.publish(LEAF_11)
    other = make_package("other", "1.0.0", dependencies={"leaf": "*"})
    mid.declare(other, dependencies={"mid": "^1.0.0", "other": "1"})
    mid.succeeds("install")
    mid.assert_installed({**TREE, "node_modules/other": other})
    assert versions(mid)["node_modules/leaf"] == "1.0.0"


def test_a_stale_lock_changes_what_must_change(mid: Project) -> None:
    mid.succeeds("install")
    mid.declare(LEAF_2, dependencies={"mid": "^1.0.0", "leaf": "2"})
    mid.succeeds("install")
    mid.assert_installed(
        {"node_modules/leaf": LEAF_2, "node_modules/mid": MID, "node_modules/mid/node_modules/leaf": LEAF}
    )


def test_only_what_has_changed_is_asked_for(mid: Project, registry: PackageRegistry) -> None:
    mid.succeeds("install")
    since = len(registry.requests)
    other = make_package("other", "1.0.0", dependencies={"leaf": "1"})
    mid.declare(other, dependencies={"mid": "^1.0.0", "other": "1"})
    mid.succeeds("install")
    assert asked(registry, since) == ["/other", other.tarball_path]


def test_what_is_wanted_no_more_goes(mid: Project) -> None:
    mid.succeeds("install")
    mid.declare(dependencies={"leaf": "1"})
    mid.succeeds("install")
    mid.assert_installed({"node_modules/leaf": LEAF})
    assert set(versions(mid)) == {"node_modules/leaf"}


def test_a_lock_of_version_2_stays_one(mid: Project) -> None:
    mid.succeeds("install", "--lockfile-version=2")
    assert mid.lock["lockfileVersion"] == 2
    mid.declare(make_package("other", "1.0.0"), dependencies={"mid": "^1.0.0", "other": "1"})
    mid.succeeds("install")
    assert mid.lock["lockfileVersion"] == 2
    assert "other" in mid.lock["dependencies"]


# -- what is written, and what is not -------------------------------------------------------------------------------


@pytest.mark.parametrize("flag", ["--package-lock-only", "--lockfile-only"])
def test_the_lock_alone_can_be_made(mid: Project, registry: PackageRegistry, flag: str) -> None:
    run = mid.succeeds("install", flag)
    assert "resolved 2 packages" in run.stdout
    assert not (mid.folder / "node_modules").exists()
    assert not [path for path in asked(registry) if path.endswith(".tgz")]
    mid.succeeds("ci")
    mid.assert_installed(TREE)


def test_the_lock_alone_leaves_what_is_installed(mid: Project) -> None:
    mid.succeeds("install")
    before = mid.tree()
    mid.declare(LEAF_2, dependencies={"mid": "^1.0.0", "leaf": "2"})
    mid.succeeds("install", "--package-lock-only")
    assert mid.tree() == before
    assert versions(mid)["node_modules/leaf"] == "2.0.0"


def test_without_a_package_lock_none_is_written(mid: Project) -> None:
    mid.succeeds("install", "--no-package-lock")
    mid.assert_installed(TREE)
    assert not (mid.folder / "package-lock.json").exists()


def test_without_a_package_lock_the_one_that_is_there_is_not_read(mid: Project, registry: PackageRegistry) -> None:
    mid.succeeds("install", "--package-lock-only")
    before = lock_text(mid)
    registry.publish(LEAF_11)
    mid.succeeds("install", "--no-package-lock", "--prefer-online")
    mid.assert_installed({"node_modules/leaf": LEAF_11, "node_modules/mid": MID})
    assert lock_text(mid) == before


def test_add_without_a_package_lock_leaves_the_one_that_is_there(mid: Project) -> None:
    mid.succeeds("install")
    before = lock_text(mid)
    other = make_package("other", "1.0.0")
    mid.registry.publish(other)
    mid.succeeds("add", "other", "--no-package-lock")
    mid.assert_installed({**TREE, "node_modules/other": other})
    assert lock_text(mid) == before


@pytest.mark.parametrize("words", [("install",), ("install", "--package-lock-only")])
@pytest.mark.parametrize("is_stale", [True, False])
def test_a_dry_run_changes_nothing(
    mid: Project, registry: PackageRegistry, words: tuple[str, ...], is_stale: bool
) -> None:
    if is_stale:
        mid.succeeds("install")
        mid.declare(LEAF_2, dependencies={"leaf": "2"})
    before = snapshot(mid.folder)
    since = len(registry.requests)
    mid.succeeds(*words, "--dry-run")
    assert snapshot(mid.folder) == before
    assert not [path for path in asked(registry, since) if path.endswith(".tgz")]


def test_a_dry_run_tells_what_would_be_placed(mid: Project) -> None:
    assert "would place 2 packages" in mid.succeeds("install", "--dry-run").stdout


# -- frozen locks ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("ci", ["", "true"])
def test_a_frozen_lock_that_is_stale_is_an_error_that_says_what_is_off(mid: Project, ci: str) -> None:
    mid.succeeds("install")
    mid.declare(LEAF_2, dependencies={"mid": "^1.0.0", "leaf": "2"})
    mid.environment["CI"] = ci
    run = mid.fails("install", *([] if ci else ["--frozen-lockfile"]))
    assert "error[PM_LOCK_OUT_OF_SYNC]" in run.stderr
    assert "leaf@1.0.0 does not satisfy leaf@2" in run.stderr
    assert "--no-frozen-lockfile" in run.stderr


@pytest.mark.parametrize("ci", ["", "1"])
def test_a_frozen_lock_that_is_not_there_is_an_error(mid: Project, registry: PackageRegistry, ci: str) -> None:
    mid.environment["CI"] = ci
    run = mid.fails("install", *([] if ci else ["--frozen-lockfile"]))
    assert "there is no package-lock.json" in run.stderr
    assert "--no-frozen-lockfile" in run.stderr
    assert asked(registry) == []


def test_the_lock_of_another_manager_is_named_where_a_lock_is_missing(mid: Project) -> None:
    mid.write("pnpm-lock.yaml", "lockfileVersion: '9.0'\n")
    frozen = mid.fails("install", "--frozen-lockfile").stderr
    assert "--no-frozen-lockfile lets it be made, with the versions of pnpm-lock.yaml" in frozen
    assert "`pmpipe install` makes one with the versions of pnpm-lock.yaml" in mid.fails("ci").stderr


def test_a_version_of_another_manager_s_lock_that_cannot_be_had_is_told(mid: Project) -> None:
    mid.declare(dependencies={"leaf": "1"})
    mid.write("yarn.lock", '# yarn lockfile v1\n\n\nleaf@1:\n  version "1.0.77"\n')
    run = mid.succeeds("install", "--package-lock-only")
    (told,) = [line for line in run.stderr.splitlines() if "1.0.77" in line]
    assert told.startswith(
        "warning: yarn.lock has leaf@1.0.77, which cannot be had: no version of leaf matches 1.0.77; leaf@"
    )
    assert told.endswith(" is taken in its place")


def test_engines_that_do_not_fit_are_told_also_where_only_a_lock_is_made(project: Project) -> None:
    node = project.base / "bin/node"
    node.parent.mkdir()
    node.write_text("#!/bin/sh\necho v20.1.0\n")
    node.chmod(0o755)
    project.environment["PATH"] = f"{node.parent}:{os.environ['PATH']}"
    new = make_package("new", "1.0.0", engines={"node": ">=99"})
    project.declare(LEAF, new, dependencies={"new": "1", "leaf": "1"})
    for _ in ("made", "current"):
        run = project.succeeds("install", "--package-lock-only")
        assert run.stderr == "warning: new@1.0.0 wants node >=99\n"


def test_a_frozen_lock_that_is_current_is_installed(mid: Project) -> None:
    mid.succeeds("install", "--package-lock-only")
    mid.environment["CI"] = "true"
    mid.succeeds("install")
    mid.assert_installed(TREE)


def test_in_ci_the_lock_may_change_if_that_is_asked_for(mid: Project) -> None:
    mid.environment["CI"] = "true"
    mid.succeeds("install", "--no-frozen-lockfile")
    mid.assert_installed(TREE)


def test_ci_resolves_nothing(mid: Project, registry: PackageRegistry) -> None:
    assert "there is no package-lock.json" in mid.fails("ci").stderr
    mid.succeeds("install")
    mid.declare(dependencies={"leaf": "2"})
    since = len(registry.requests)
    assert "error[PM_LOCK_OUT_OF_SYNC]" in mid.fails("ci").stderr
    assert asked(registry, since) == []


# -- all or nothing -------------------------------------------------------------------------------------------------


def test_a_download_that_fails_leaves_the_former_lock_and_tree(mid: Project, registry: PackageRegistry) -> None:
    mid.succeeds("install")
    other = make_package("other", "1.0.0")
    mid.declare(other, dependencies={"mid": "1", "other": "1"})
    registry.misbehave("*/other-1.0.0.tgz", faults.status(404))
    # fails() compares the whole project, the lockfile included
    assert "other@1.0.0" in mid.fails("install").stderr
    registry.behave()
    mid.succeeds("install")
    mid.assert_installed({**TREE, "node_modules/other": other})


def test_a_tarball_with_other_bytes_than_its_packument_says_leaves_no_lock(
    mid: Project, registry: PackageRegistry
) -> None:
    registry.misbehave("*/leaf-1.0.0.tgz", faults.corrupt(at=30))
    assert "error[PM_INTEGRITY]" in mid.fails("install").stderr
    assert not (mid.folder / "package-lock.json").exists()


@pytest.mark.parametrize("number", range(1, 8))
def test_a_disk_that_is_full_whatever_is_written_leaves_everything_as_it_was(mid: Project, number: int) -> None:
    # judged by the project: after a failure nothing is there, after a success everything
    run = mid.run("install", fault=Fault("main", "create", "ENOSPC", number))
    assert run.status in (0, 1)
    if run.status:
        assert "No space left on device" in run.stderr
    mid.succeeds("install")
    mid.assert_installed(TREE)


def test_a_full_disk_that_the_resolver_meets_is_told_with_what_to_do(mid: Project) -> None:
    # what it writes first, so that the lock need not be read again, it can do without
    run = mid.fails("install", fault=Fault("resolve", "create", "ENOSPC", 2))
    assert "No space left on device" in run.stderr
    assert "hint: free some space" in run.stderr


def test_a_limit_on_the_size_of_files_that_the_resolver_meets_is_told_with_what_to_do(mid: Project) -> None:
    run = mid.fails("install", fault=Fault("resolve", "create", "EFBIG", 2))
    assert "File too large" in run.stderr
    assert "hint: raise the limit on the size of files (ulimit -f)" in run.stderr


# -- optional -------------------------------------------------------------------------------------------------------


def test_an_optional_dependency_that_is_not_there_is_left_out(project: Project) -> None:
    project.declare(LEAF, dependencies={"leaf": "1"}, optionalDependencies={"nowhere": "1"})
    run = project.succeeds("install")
    project.assert_installed({"node_modules/leaf": LEAF})
    assert "the optional nowhere is left out: nowhere could not be fetched" in run.stderr
    assert "(required by the project)" in run.stderr


def test_an_optional_dependency_whose_own_cannot_be_had_is_left_out(project: Project) -> None:
    user = make_package("user", "1.0.0", dependencies={"nowhere": "1"})
    project.declare(LEAF, user, dependencies={"leaf": "1"}, optionalDependencies={"user": "1"})
    run = project.succeeds("install")
    project.assert_installed({"node_modules/leaf": LEAF})
    assert "(required by the project > user@1.0.0)" in run.stderr
    # as npm has it
    assert set(versions(project)) == {"node_modules/leaf", "node_modules/user"}
    before = lock_text(project)
    project.succeeds("install")
    project.assert_installed({"node_modules/leaf": LEAF})
    assert lock_text(project) == before


def test_a_version_that_was_published_since_the_packument_was_kept_is_found(
    project: Project, registry: PackageRegistry
) -> None:
    project.declare(LEAF, MID, dependencies={"leaf": "1", "mid": "1"})
    project.succeeds("install")
    project.declare(LEAF_2, dependencies={"leaf": "2", "mid": "1"})
    project.succeeds("install")
    assert versions(project)["node_modules/leaf"] == "2.0.0"


def test_a_guess_that_stands_still_holds_up_nothing(project: Project, registry: PackageRegistry) -> None:
    guessed, never = threading.Event(), threading.Event()
    user = make_package("user", "1.0.0", dependencies={"nowhere": "1"})
    project.declare(LEAF, user, dependencies={"leaf": "1"}, optionalDependencies={"user": "1"})
    registry.misbehave("/nowhere", faults.hold(guessed))
    registry.misbehave("*/user-1.0.0.tgz", faults.hold(never))
    running = project.start("install")
    # until here it may have been right
    registry.wait_for_requests("*/user-1.0.0.tgz", 1)
    guessed.set()
    try:
        assert running.wait().status == 0
    finally:
        never.set()
    project.assert_installed({"node_modules/leaf": LEAF})


def test_an_optional_tarball_that_cannot_be_had_is_left_out(project: Project, registry: PackageRegistry) -> None:
    project.declare(LEAF, MID, dependencies={"leaf": "1"}, optionalDependencies={"mid": "1"})
    registry.misbehave("*/mid-1.0.0.tgz", faults.status(404))
    run = project.succeeds("install")
    project.assert_installed({"node_modules/leaf": LEAF})
    assert "node_modules/mid is left out" in run.stderr
    assert "node_modules/mid" in versions(project)


# -- aliases and tags -----------------------------------------------------------------------------------------------


def test_an_alias_is_found_under_its_own_name(project: Project) -> None:
    project.declare(LEAF, LEAF_2, dependencies={"leaf": "npm:leaf@1", "newer": "npm:leaf@2"})
    project.succeeds("install")
    project.assert_installed({"node_modules/leaf": LEAF, "node_modules/newer": LEAF_2})
    assert project.lock["packages"]["node_modules/newer"]["name"] == "leaf"


def test_a_tag_is_looked_up(project: Project, registry: PackageRegistry) -> None:
    registry.publish(LEAF)
    registry.publish(LEAF_2, tag="next")
    project.declare(dependencies={"leaf": "next"})
    project.succeeds("install")
    project.assert_installed({"node_modules/leaf": LEAF_2})


def test_another_default_tag_can_be_chosen(project: Project, registry: PackageRegistry) -> None:
    registry.publish(LEAF_2, tag="next")
    registry.publish(LEAF)
    project.declare(dependencies={"leaf": "*"})
    project.succeeds("install", "--tag=next")
    project.assert_installed({"node_modules/leaf": LEAF_2})


@pytest.mark.parametrize("name", ["@scope/name", "lodash.get", "JSONStream", "a~b"])
def test_names_of_all_kinds_are_found(project: Project, name: str) -> None:
    package = make_package(name, "1.0.0")
    project.declare(package, dependencies={name: "1"})
    project.succeeds("install")
    project.assert_installed({f"node_modules/{name}": package})


def test_of_two_names_that_differ_only_in_case_the_last_is_installed_and_the_other_told(project: Project) -> None:
    upper = make_package("Leaf", "1.0.0")
    project.declare(LEAF, upper, dependencies={"Leaf": "1", "leaf": "1"})
    told = "warning: Leaf@1 is not installed: its name differs from leaf only in case, and that is (required by app)"
    for command in ("install", "ci"):
        assert told in project.succeeds(command).stderr
        project.assert_installed({"node_modules/leaf": LEAF})
    assert "nothing to do" in project.succeeds("install").stdout


def test_two_projects_resolve_at_once_with_one_store(project: Project) -> None:
    projects = [project, *(project.sibling(f"other-{n}") for n in range(2))]
    packages: list[Package] = [make_package(f"p{n}", "1.0.0", dependencies={"leaf": "1"}) for n in range(30)]
    for one in projects:
        one.declare(LEAF, *packages, dependencies={package.name: "1" for package in packages})
    running = [one.start("install") for one in projects]
    assert [run.wait().status for run in running] == [0, 0, 0]
    for one in projects:
        one.assert_installed({"node_modules/leaf": LEAF, **{f"node_modules/{one.name}": one for one in packages}})
    assert len({json.dumps(one.lock) for one in projects}) == 1


def test_the_workspaces_that_an_install_is_about_come_first(project: Project) -> None:
    """As with npm, what they need gets the place in the project's node_modules."""
    project.registry.publish(make_package("lib", "1.0.0"), make_package("lib", "1.2.0"))
    project.declare(make_package("user", "1.0.0", dependencies={"lib": "^1.0.0"}), workspaces=["one", "two"])
    project.write("one/package.json", json.dumps({"name": "one", "version": "1.0.0", "dependencies": {"user": "1"}}))
    project.write("two/package.json", json.dumps({"name": "two", "version": "1.0.0", "dependencies": {"lib": "1.0.0"}}))
    project.succeeds("install", "--package-lock-only", "-w", "one")
    found = {path: entry.get("version") for path, entry in project.lock["packages"].items()}
    assert found["node_modules/lib"] == "1.2.0"
    assert found["two/node_modules/lib"] == "1.0.0"


def test_texts_that_were_cut_off_in_the_middle_of_a_character_are_no_obstacle(project: Project) -> None:
    """JavaScript writes half a surrogate pair as an escape, and reads it; registries cut readmes at a length."""
    half = "\ud83d"
    inner = json.dumps({"name": "inner", "version": "1.0.0", "description": half, "license": half}).encode()
    files = {"index.js": b"#!/bin/sh\n", "node_modules/inner/package.json": inner}
    fields = {"bundleDependencies": ["inner"], "dependencies": {"inner": "1"}, "bin": {"cut": "index.js"}}
    cut = make_package("cut", "1.0.0", files, description=half, deprecated=f"use {half}", **fields)
    project.declare(cut, dependencies={"cut": "1"}, description=half)
    manifest = (project.folder / "package.json").read_text()
    project.succeeds("install")
    assert project.lock["packages"]["node_modules/cut"]["deprecated"] == "use \ufffd"
    # npm writes it into a lock as it was
    project.write("package-lock.json", lock_text(project).replace("\ufffd", r"\ud83d"))
    project.succeeds("ci")
    assert "nothing to do" in project.succeeds("install").stdout
    project.succeeds("verify")
    assert (project.folder / "node_modules/.bin/cut").exists()
    assert (project.folder / "package.json").read_text() == manifest
