"""``patchedDependencies``: packages that the project patches, as npm 12 does it."""

from __future__ import annotations

import base64
import hashlib
import json
import signal
from collections.abc import Callable

import pytest
from support.faulty import Fault
from support.packages import make_package
from support.project import Project

LIB = make_package("lib", "1.0.0", {"index.js": b"one\ntwo\nthree\n", "lib/other.js": b"other\n"})
NEWER = make_package("lib", "1.1.0", {"index.js": b"one\ntwo\nthree\n"})
USER = make_package("user", "1.0.0", dependencies={"lib": "^1.0.0"})

PATCH = "patches/lib@1.0.0.patch"
DIFF = "--- a/index.js\n+++ b/index.js\n@@ -1,3 +1,3 @@\n one\n-two\n+TWO\n three\n"
PATCHED = b"one\nTWO\nthree\n"
INDEX = "node_modules/lib/index.js"


def sri(text: str) -> str:
    return f"sha512-{base64.b64encode(hashlib.sha512(text.encode()).digest()).decode()}"


def declare(project: Project, diff: str = DIFF, **root: object) -> None:
    """A project that depends on `LIB`, at whatever depth, and patches it."""
    fields = {"dependencies": {"user": "1"}, "patchedDependencies": {"lib@1.0.0": PATCH}, **root}
    project.declare(LIB, USER, **fields)
    project.write(PATCH, diff)


@pytest.fixture
def patched(project: Project) -> Project:
    """A project in which `LIB` is installed, patched."""
    declare(project)
    project.succeeds("install")
    return project


def index_of(project: Project) -> bytes:
    return (project.folder / INDEX).read_bytes()


def record(project: Project, path: str = "node_modules/lib") -> object:
    return project.lock["packages"][path].get("patched")


# -- what is installed --------------------------------------------------------------------------------------------


def test_a_patched_package_is_installed_patched_and_the_lock_says_so(patched: Project) -> None:
    assert index_of(patched) == PATCHED
    assert record(patched) == {"path": PATCH, "integrity": sri(DIFF)}
    assert (patched.folder / "node_modules/lib/lib/other.js").read_bytes() == b"other\n"
    hidden = json.loads((patched.folder / "node_modules/.package-lock.json").read_text())
    assert hidden["packages"]["node_modules/lib"]["patched"] == record(patched)


def test_the_next_install_has_nothing_to_do(patched: Project) -> None:
    lock = patched.lock
    assert "nothing to do" in patched.succeeds("install").stdout
    assert patched.lock == lock
    assert "verified 2 packages" in patched.succeeds("verify").stdout


def test_ci_installs_patched(patched: Project) -> None:
    patched.succeeds("ci")
    assert index_of(patched) == PATCHED


def test_ci_into_an_empty_store_installs_patched(patched: Project) -> None:
    other = patched.sibling("other")
    other.store = other.base / "other-store"
    for name in ("package.json", "package-lock.json", PATCH):
        other.write(name, (patched.folder / name).read_bytes())
    other.succeeds("ci")
    assert index_of(other) == PATCHED


def test_the_published_form_in_the_store_is_enough(project: Project) -> None:
    project.declare(LIB, USER, dependencies={"user": "1"})
    project.succeeds("install")
    declare(project)
    asked_before = len(project.registry.requests)
    project.succeeds("install", "--prefer-offline")
    assert index_of(project) == PATCHED
    asked = [one.path for one in project.registry.requests[asked_before:]]
    assert [path for path in asked if path.endswith(".tgz")] == []


def test_another_project_gets_the_published_form(patched: Project) -> None:
    other = patched.sibling("other")
    other.declare(dependencies={"user": "1"})
    other.succeeds("install")
    assert index_of(other) == b"one\ntwo\nthree\n"
    assert index_of(patched) == PATCHED


def test_every_copy_is_patched_and_other_versions_are_not(project: Project) -> None:
    second = make_package("second", "1.0.0", dependencies={"lib": "1.0.0"})
    third = make_package("third", "1.0.0", dependencies={"lib": "1.0.0"})
    project.registry.publish(NEWER, second, third)
    declare(project, dependencies={"lib": "1.1.0", "second": "1", "third": "1"})
    project.succeeds("install")
    assert index_of(project) == b"one\ntwo\nthree\n"
    assert record(project) is None
    for holder in ("second", "third"):
        copy = f"node_modules/{holder}/node_modules/lib"
        assert (project.folder / copy / "index.js").read_bytes() == PATCHED
        assert record(project, copy) == {"path": PATCH, "integrity": sri(DIFF)}


def test_an_alias_is_patched_under_its_own_name(project: Project) -> None:
    declare(
        project,
        dependencies={"mine": "npm:lib@1.0.0", "lib": "1.0.0"},
        patchedDependencies={"mine@1.0.0": PATCH},
    )
    project.succeeds("install")
    assert (project.folder / "node_modules/mine/index.js").read_bytes() == PATCHED
    assert index_of(project) == b"one\ntwo\nthree\n"


def test_a_package_that_comes_bundled_stays_as_it_is_with_a_warning(project: Project) -> None:
    files = {"node_modules/lib/package.json": b'{"name": "lib", "version": "1.0.0"}'}
    outer = make_package("outer", "1.0.0", files, dependencies={"lib": "1.0.0"}, bundleDependencies=["lib"])
    project.registry.publish(outer)
    declare(project, dependencies={"outer": "1"})
    run = project.succeeds("install")
    assert "node_modules/outer/node_modules/lib comes in the tarball of the package around it" in run.stderr


# -- what changes -------------------------------------------------------------------------------------------------


def test_an_edited_patch_is_applied_by_the_next_install(patched: Project) -> None:
    diff = DIFF.replace("TWO", "2")
    patched.write(PATCH, diff)
    patched.succeeds("install")
    assert index_of(patched) == b"one\n2\nthree\n"
    assert record(patched) == {"path": PATCH, "integrity": sri(diff)}


def test_a_patch_that_is_taken_out_is_undone(patched: Project) -> None:
    patched.declare(dependencies={"user": "1"})
    patched.succeeds("install")
    assert index_of(patched) == b"one\ntwo\nthree\n"
    assert record(patched) is None


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda project: project.write(PATCH, DIFF + "\n"), f"lib@1.0.0 is patched by {PATCH}, which the lockfile"),
        (lambda project: project.declare(dependencies={"user": "1"}), "lib@1.0.0 is not patched any more"),
        (
            lambda project: project.change_lock("node_modules/lib", patched=None),
            f"lib@1.0.0 is patched by {PATCH}, which the lockfile does not say",
        ),
    ],
)
def test_ci_refuses_a_lock_with_other_patches(patched: Project, change: Callable[[Project], object], said: str) -> None:
    change(patched)
    run = patched.fails("ci")
    assert "error[PM_LOCK_OUT_OF_SYNC]" in run.stderr
    assert said in run.stderr
    assert index_of(patched) == PATCHED


def test_a_damaged_file_of_a_patched_package_is_found_and_restored(patched: Project) -> None:
    patched.write(INDEX, "damaged")
    assert "lib/index.js" in patched.fails("verify").stdout
    patched.succeeds("install", "--repair")
    assert index_of(patched) == PATCHED


def test_an_edit_in_the_store_is_not_patched_over(project: Project) -> None:
    project.declare(LIB, USER, dependencies={"user": "1"})
    project.succeeds("install", "--clone-method=copy")
    (entry,) = [path.parent for path in project.store.glob("v1/sha512/*/*/lib")]
    (entry / "index.js").write_bytes(b"edited\n" * 2)
    declare(project)
    run = project.succeeds("install")
    assert "the store's lib@1.0.0 has other contents in index.js: fetching it again" in run.stderr
    assert index_of(project) == PATCHED


def test_removing_the_package_takes_its_patch_out_of_package_json(project: Project) -> None:
    declare(project, dependencies={"lib": "1.0.0", "user": "1"}, patchedDependencies={"user": PATCH})
    project.write(PATCH, "--- /dev/null\n+++ b/new.js\n@@ -0,0 +1 @@\n+new\n")
    project.succeeds("install")
    assert (project.folder / "node_modules/user/new.js").exists()
    run = project.succeeds("remove", "user")
    assert f"removing patchedDependencies.user with its package; {PATCH} stays" in run.stderr
    assert "patchedDependencies" not in json.loads((project.folder / "package.json").read_text())
    assert (project.folder / PATCH).exists()
    project.succeeds("ci")


# -- what is refused ----------------------------------------------------------------------------------------------


def test_a_patch_that_does_not_fit_fails_the_run_and_changes_nothing(patched: Project) -> None:
    patched.write(PATCH, DIFF.replace("two", "zwei"))
    run = patched.fails("install")
    assert "error[PM_PATCH]: lib@1.0.0: its patch does not fit: index.js is not as the patch has it" in run.stderr
    assert "required by: app > user@1.0.0 > lib@1.0.0" in run.stderr
    assert index_of(patched) == PATCHED


def test_a_patch_that_does_not_fit_an_optional_package_fails_the_run_too(project: Project) -> None:
    declare(project, DIFF.replace("two", "zwei"), dependencies={}, optionalDependencies={"lib": "1.0.0"})
    assert "error[PM_PATCH]" in project.fails("install").stderr


@pytest.mark.parametrize("command", ["install", "ci"])
@pytest.mark.parametrize(
    ("patches", "said"),
    [
        ({"lib@1.0.0": PATCH, "lib@2": PATCH}, f"has a patch for what is not installed\n  lib@2 -> {PATCH}"),
        ({"lib@1.0.0": "patches/gone.patch"}, "there is no patch patches/gone.patch"),
        ({"lib@1.0.0": "../gone.patch"}, "../gone.patch leads out of the project"),
        ({"lib@>=1": PATCH, "lib@<2": PATCH}, "lib@1.0.0 has two patches"),
        ({"lib@1.0.0": 1}, "patchedDependencies > lib@1.0.0 must be the path of a patch"),
        ([PATCH], "patchedDependencies must be an object"),
    ],
)
def test_what_cannot_be_a_patch_is_refused(patched: Project, command: str, patches: object, said: str) -> None:
    declare(patched, patchedDependencies=patches)
    assert said in patched.fails(command).stderr
    assert index_of(patched) == PATCHED


def test_a_patch_for_nothing_is_passed_over_on_demand(project: Project) -> None:
    declare(project, patchedDependencies={"lib@1.0.0": PATCH, "gone": PATCH})
    project.write(".npmrc", "allow-unused-patches=true\n")
    assert "gone ->" in project.fails("install").stderr
    project.succeeds("install", "--allow-unused-patches")
    assert index_of(project) == PATCHED
    assert "gone ->" in project.fails("install").stderr


def test_a_folder_is_not_patched(project: Project) -> None:
    declare(project, dependencies={"here": "file:./here"}, patchedDependencies={"here": PATCH})
    project.write("here/package.json", '{"name": "here", "version": "1.0.0"}')
    assert "node_modules/here cannot be patched: it does not come from a registry" in project.fails("install").stderr


def test_a_workspace_has_no_patches(project: Project) -> None:
    declare(project, workspaces=["w"])
    project.write("w/package.json", '{"name": "w", "version": "1.0.0", "patchedDependencies": {"lib": "x"}}')
    assert "w/package.json has patchedDependencies" in project.fails("install").stderr


def test_a_lock_with_a_patch_that_is_none_is_refused(patched: Project) -> None:
    patched.change_lock("node_modules/lib", patched={"path": 1})
    assert "patched must have the path of a patch and its integrity" in patched.fails("ci").stderr


def test_unused_patches_are_not_passed_over_by_ci(patched: Project) -> None:
    run = patched.fails("ci", "--allow-unused-patches", status=2)
    assert "error[PM_USAGE]: ci takes no --allow-unused-patches" in run.stderr


@pytest.mark.parametrize("stage", ["extract", "main"])
def test_a_run_that_is_killed_at_a_rename_is_finished_by_the_next(patched: Project, stage: str) -> None:
    patched.write(PATCH, DIFF.replace("TWO", "2"))
    # extract has the patched entry ready then, and the main process the new folder
    assert patched.run("install", fault=Fault(stage, "os.rename", "kills all", 1)).status == -signal.SIGKILL
    patched.succeeds("install")
    assert index_of(patched) == b"one\n2\nthree\n"
