"""What pmpipe does in the situations in which installers differ: a test for each row of ``docs/peers.md``."""

from __future__ import annotations

import base64
import os
import shutil
from collections.abc import Iterator

import pytest
from support.faulty import Fault
from support.packages import make_package
from support.project import Project
from support.registry import PackageRegistry, faults

LIB = make_package("lib", "1.0.0", {"index.js": b"root", "lib/deep.js": b"deep" * 1_000})
DEEP = "node_modules/lib/lib/deep.js"

#: user and password as ``_auth`` has them
_CREDENTIALS = base64.b64encode(b"someone:secret").decode()


@pytest.fixture
def lib(project: Project) -> Project:
    """A project that has installed `LIB`, and a lock that was made by resolving."""
    project.declare(LIB, dependencies={"lib": "^1.0.0"})
    project.succeeds("install")
    return project


# -- resolving ----------------------------------------------------------------------------------------------------


def test_a_file_folder_is_linked(project: Project) -> None:
    project.declare(LIB, dependencies={"here": "file:./here"})
    project.write("here/package.json", '{"name": "here", "version": "1.0.0", "dependencies": {"lib": "1"}}')
    project.succeeds("install")
    assert os.readlink(project.folder / "node_modules/here") == "../here"
    assert (project.folder / "node_modules/lib/index.js").read_bytes() == b"root"
    assert project.lock["packages"]["node_modules/here"] == {"resolved": "here", "link": True}


@pytest.mark.parametrize("command", ["install", "ci"])
def test_a_file_folder_that_is_not_there_is_linked_with_a_warning(project: Project, command: str) -> None:
    project.declare(dependencies={"gone": "file:./gone"})
    project.succeeds("install")
    run = project.succeeds("ci") if command == "ci" else project.succeeds("install", "--repair")
    assert "node_modules/gone is a link to gone, and there is no such folder" in run.stderr
    assert os.readlink(project.folder / "node_modules/gone") == "../gone"


def test_a_folder_inside_a_package_is_linked_and_the_lock_goes_on(project: Project) -> None:
    shim = {"inner/package.json": b'{"name": "shim"}'}
    kit = make_package("kit", "1.0.0", shim, dependencies={"inner": "file:./inner"})
    project.declare(LIB, kit, dependencies={"kit": "1"})
    run = project.succeeds("install")
    assert "no such folder" not in run.stderr
    assert os.readlink(project.folder / "node_modules/inner") == "kit/inner"
    project.succeeds("add", "lib")
    assert project.lock["packages"]["node_modules/kit/inner"] == {"name": "shim"}
    assert (project.folder / "node_modules/lib/index.js").read_bytes() == b"root"


def test_ci_without_any_package_leaves_nothing_of_what_stood_there(project: Project) -> None:
    project.declare(LIB)
    project.succeeds("install")
    project.succeeds("add", "lib", "--no-save")
    project.succeeds("ci")
    assert os.listdir(project.folder / "node_modules") == [".package-lock.json"]


def test_peers_are_installed_by_default(project: Project) -> None:
    project.declare(LIB, make_package("user", "1.0.0", peerDependencies={"lib": "1"}), dependencies={"user": "1"})
    project.succeeds("install")
    assert (project.folder / "node_modules/lib/index.js").read_bytes() == b"root"
    assert project.lock["packages"]["node_modules/lib"]["peer"] is True


def test_peers_of_the_root_that_contradict_each_other_are_refused(project: Project) -> None:
    project.declare(
        LIB,
        make_package("lib", "2.0.0"),
        make_package("user", "1.0.0", peerDependencies={"lib": "2"}),
        dependencies={"lib": "1", "user": "1"},
    )
    run = project.fails("install")
    assert "error[PM_PEER_CONFLICT]" in run.stderr
    assert "user@1.0.0" in run.stderr
    assert "lib@2" in run.stderr
    assert not (project.folder / "node_modules").exists()


def test_a_bundled_dependency_that_the_registry_lacks_comes_from_its_tarball(project: Project) -> None:
    bundled = {
        "index.js": b"outer",
        "node_modules/unpublished/package.json": b'{"name": "unpublished", "version": "3.0.0"}',
        "node_modules/unpublished/index.js": b"inner",
    }
    outer = make_package(
        "outer", "1.0.0", bundled, dependencies={"unpublished": "3"}, bundleDependencies=["unpublished"]
    )
    project.declare(outer, dependencies={"outer": "1"})
    project.succeeds("install")
    assert (project.folder / "node_modules/outer/node_modules/unpublished/index.js").read_bytes() == b"inner"
    entry = project.lock["packages"]["node_modules/outer/node_modules/unpublished"]
    assert (entry["version"], entry["inBundle"]) == ("3.0.0", True)


def test_what_the_project_bundles_brings_its_own_bundle(project: Project) -> None:
    brought = {
        "node_modules/inner/package.json": b'{"name": "inner", "version": "1.0.0", "dependencies": {"shared": "1"}}',
        "node_modules/shared/package.json": b'{"name": "shared", "version": "1.0.0"}',
        "node_modules/shared/index.js": b"brought",
    }
    outer = make_package("outer", "1.0.0", brought, dependencies={"inner": "1"}, bundleDependencies=["inner"])
    project.declare(outer, make_package("shared", "1.1.0"), dependencies={"outer": "1"}, bundleDependencies=True)
    project.succeeds("install")
    assert (project.folder / "node_modules/outer/node_modules/shared/index.js").read_bytes() == b"brought"
    tree = project.tree()
    for command in ("install", "ci"):
        project.succeeds(command)
        assert project.tree() == tree


def test_what_is_taken_out_again_does_not_count_as_placed(project: Project, registry: PackageRegistry) -> None:
    # what needs the other one may be in its place before that turns out to be damaged
    lacking = make_package("lacking", "1.0.0", dependencies={"damaged": "1"})
    damaged, kept = make_package("damaged", "1.0.0"), make_package("kept", "1.0.0")
    project.declare(lacking, damaged, kept, dependencies={"kept": "1"}, optionalDependencies={"lacking": "1"})
    registry.serve(damaged.tarball_path, b"something else")
    report = project.succeeds("install", "--json").report
    assert (report["placed"], report["leftOut"]) == (1, ["node_modules/damaged", "node_modules/lacking"])


def test_an_optional_package_for_another_libc_is_locked_and_not_installed(project: Project) -> None:
    natives = [make_package(f"native-{libc}", "1.0.0", os=["linux"], libc=[libc]) for libc in ("glibc", "musl")]
    user = make_package("user", "1.0.0", optionalDependencies={one.name: "1" for one in natives})
    project.declare(user, *natives, dependencies={"user": "1"})
    project.succeeds("install", "--libc=musl", "--os=linux")
    found = {path.name for path in (project.folder / "node_modules").iterdir()}
    assert {"native-musl", "native-glibc"} & found == {"native-musl"}
    assert "node_modules/native-glibc" in project.lock["packages"]


def test_what_is_required_runs_here_whatever_platform_is_installed_for(project: Project) -> None:
    here, there = make_package("here", "1.0.0", os=["linux"]), make_package("there", "1.0.0", os=["darwin"])
    project.declare(here, there, dependencies={"here": "1"}, optionalDependencies={"there": "1"})
    project.succeeds("install", "--os=darwin")
    assert sorted(path.name for path in (project.folder / "node_modules").glob("[a-z]*")) == ["here", "there"]
    project.declare(dependencies={"there": "1"})
    (project.folder / "package-lock.json").unlink()
    run = project.fails("install", "--package-lock-only", "--os=darwin")
    assert "there@1.0.0 does not support this platform" in run.stderr


def test_an_optional_package_for_another_npm_is_left_out(project: Project) -> None:
    old = make_package("old", "1.0.0", engines={"npm": "<7"})
    project.declare(old, make_package("kept", "1.0.0"), optionalDependencies={"old": "1", "kept": "1"})
    project.succeeds("install")
    assert [path.name for path in (project.folder / "node_modules").glob("[a-z]*")] == ["kept"]
    project.succeeds("ci")
    assert [path.name for path in (project.folder / "node_modules").glob("[a-z]*")] == ["kept"]


def test_a_project_for_another_npm_is_refused_under_engine_strict(project: Project) -> None:
    project.declare(make_package("left", "1.0.0"), dependencies={"left": "1"}, engines={"npm": "<7"})
    # the lock of an older package.json does not say so
    project.succeeds("install", "--package-lock-only")
    project.change_lock("", engines=None)
    run = project.fails("ci", "--engine-strict")
    assert "error[PM_ENGINE]" in run.stderr
    assert "wants npm <7" in run.stderr


def test_a_required_package_for_another_os_is_refused(project: Project) -> None:
    project.declare(make_package("mac-only", "1.0.0", os=["darwin"]), dependencies={"mac-only": "1"})
    run = project.fails("install")
    assert "error[PM_PLATFORM]" in run.stderr
    assert "mac-only@1.0.0" in run.stderr
    assert not (project.folder / "node_modules").exists()


# -- locks and digests --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("command", ["ci", "install"])
def test_a_lock_without_resolved_installs_everything(project: Project, command: str) -> None:
    packages = {"node_modules/lib": LIB, "node_modules/@scope/beta": make_package("@scope/beta", "1.0.0")}
    project.want(packages)
    for path in packages:
        project.change_lock(path, resolved=None)
    project.succeeds(command)
    project.assert_installed()


def test_a_tarball_of_the_wrong_digest_is_refused_after_one_more_request(
    project: Project, registry: PackageRegistry
) -> None:
    project.want({"node_modules/lib": LIB})
    registry.misbehave("*.tgz", faults.corrupt(at=20))
    run = project.fails("install")
    assert "error[PM_INTEGRITY]" in run.stderr
    # some networks bring the right bytes at the second time; there is no third, and no wait
    assert len(registry.requests_for("*.tgz")) == 2
    assert not (project.folder / "node_modules").exists()


def test_without_a_lock_a_wrong_digest_is_no_reason_for_more_requests(
    project: Project, registry: PackageRegistry
) -> None:
    project.declare(LIB, make_package("late", "1.0.0"), dependencies={"lib": "1", "late": "1"})
    registry.misbehave("*lib*.tgz", faults.corrupt(at=20))
    # meanwhile lib has been fetched ahead
    registry.misbehave("*/late", faults.delay(0.7))
    assert "error[PM_INTEGRITY]" in project.fails("install").stderr
    assert len(registry.requests_for("*lib*.tgz")) == 2


@pytest.mark.parametrize("fault", [faults.corrupt(at=20), faults.truncate(40), faults.html()])
@pytest.mark.parametrize("has_lock", [True, False])
def test_a_tarball_that_is_damaged_on_its_way_is_asked_for_again(
    project: Project, registry: PackageRegistry, fault: faults.Fault, has_lock: bool
) -> None:
    files = {"node_modules/inner/package.json": b'{"name": "inner", "version": "1.0.0"}'}
    bundler = make_package("bundler", "1.0.0", files, dependencies={"inner": "1"}, bundleDependencies=["inner"])
    project.declare(bundler, dependencies={"bundler": "1"})
    if has_lock:
        project.succeeds("install", "--package-lock-only")
        shutil.rmtree(project.store)
    before = len(registry.requests_for("*.tgz"))
    registry.misbehave("*.tgz", fault, first=1)
    project.succeeds("install")
    assert (project.folder / "node_modules/bundler/node_modules/inner/package.json").is_file()
    assert len(registry.requests_for("*.tgz")) == before + 2


# -- what happened to the tree ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "fault",
    [
        Fault("fetch", "body", "kills all", 1),
        Fault("extract", "os.rename", "kills all", 2),
        Fault("clone", "os.link", "kills all", 3),
        Fault("main", "os.utime", "kills all", 1),
    ],
    ids=lambda fault: f"{fault.stage} {fault.point}",
)
def test_after_sigkill_the_next_install_completes_the_tree(project: Project, fault: Fault) -> None:
    packages = [make_package(name, "1.0.0", {f"{n}.js": b"%d" % n for n in range(20)}) for name in "abcdef"]
    project.declare(*packages, dependencies={one.name: "1" for one in packages})
    assert project.run("install", fault=fault).status < 0
    project.succeeds("install")
    project.assert_installed({f"node_modules/{one.name}": one for one in packages})


def test_a_file_deleted_from_a_package_is_found_and_restored(lib: Project) -> None:
    (lib.folder / DEEP).unlink()
    assert f"missing: {DEEP}" in lib.fails("verify").stdout
    assert f"restoring {DEEP}" in lib.succeeds("install", "--repair").stderr
    lib.assert_installed({"node_modules/lib": LIB})


def test_a_file_deleted_from_the_folder_of_a_package_is_restored_by_a_plain_install(lib: Project) -> None:
    (lib.folder / "node_modules/lib/index.js").unlink()
    lib.succeeds("install")
    lib.assert_installed({"node_modules/lib": LIB})


def test_a_package_deleted_from_the_tree_is_restored_by_a_plain_install(lib: Project) -> None:
    for path in ("lib/deep.js", "index.js", "package.json"):
        (lib.folder / "node_modules/lib" / path).unlink()
    (lib.folder / "node_modules/lib/lib").rmdir()
    (lib.folder / "node_modules/lib").rmdir()
    lib.succeeds("install")
    lib.assert_installed({"node_modules/lib": LIB})


def _edit(project: Project) -> None:
    """As an editor does it that writes into the file, through a hardlink if it is one."""
    with open(project.folder / DEEP, "r+b") as file:
        file.write(b"EDIT")


def test_a_file_edited_in_place_does_not_show_up_in_the_next_project_where_files_are_copied(lib: Project) -> None:
    lib.succeeds("ci", "--clone-method=copy")
    _edit(lib)
    other = lib.sibling("other")
    other.declare(LIB, dependencies={"lib": "1"})
    other.succeeds("install")
    other.assert_installed({"node_modules/lib": LIB})


def test_a_file_edited_in_place_through_a_hardlink_is_found_and_restored_in_all_projects(lib: Project) -> None:
    lib.succeeds("ci", "--clone-method=hardlink")
    _edit(lib)
    other = lib.sibling("other")
    other.declare(LIB, dependencies={"lib": "1"})
    other.succeeds("install", "--clone-method=hardlink")
    for project in (lib, other):
        assert f"changed: {DEEP}" in project.fails("verify").stdout
        project.succeeds("install", "--repair")
        project.assert_installed({"node_modules/lib": LIB})
        project.succeeds("verify")
    other.succeeds("store", "verify")


# -- settings -----------------------------------------------------------------------------------------------------


@pytest.fixture
def private() -> Iterator[PackageRegistry]:
    """A registry that wants user and password."""
    with PackageRegistry(basic=_CREDENTIALS) as server:
        yield server


def test_a_scoped_registry_with_auth_in_the_npmrc_is_asked_for_its_scope(
    project: Project, registry: PackageRegistry, private: PackageRegistry
) -> None:
    scoped = make_package("@corp/inner", "1.0.0", dependencies={"lib": "1"})
    private.publish(scoped)
    project.declare(LIB, dependencies={"@corp/inner": "1"})
    where = private.url.partition(":")[2]
    project.write(".npmrc", f"@corp:registry={private.url}/\n{where}/:_auth={_CREDENTIALS}\n")
    project.succeeds("install")
    project.assert_installed({"node_modules/lib": LIB, "node_modules/@corp/inner": scoped})
    assert not registry.requests_for("*corp*")
    assert not private.requests_for("/lib*")


def test_an_unset_variable_in_the_registry_setting_is_an_error(project: Project) -> None:
    project.declare(LIB, dependencies={"lib": "1"})
    project.write(".npmrc", "registry=${NO_SUCH_VARIABLE}\n")
    project.names_registry = False
    run = project.fails("install")
    assert "NO_SUCH_VARIABLE" in run.stderr
    assert "error[PM_CONFIG]" in run.stderr


def test_scripts_of_dependencies_are_not_run_and_the_run_says_so(project: Project) -> None:
    project.declare(
        make_package("scripted", "1.0.0", scripts={"postinstall": "echo > ran"}), dependencies={"scripted": "1"}
    )
    run = project.succeeds("install")
    assert "1 package has install scripts" in run.stderr
    assert not (project.folder / "node_modules/scripted/ran").exists()
