"""The cache of packuments: when the registry is asked, with what, and what happens if the cache is no good."""

from __future__ import annotations

import os
import re
import shutil
from pathlib import Path

import pytest
from support.faulty import Fault
from support.packages import make_package
from support.project import Project
from support.registry import PackageRegistry, faults

LEAF = make_package("leaf", "1.0.0")
MID = make_package("mid", "1.0.0", dependencies={"leaf": "^1.0.0"})
TREE = {"node_modules/leaf": LEAF, "node_modules/mid": MID}


@pytest.fixture
def warm(project: Project) -> Project:
    """A project whose packuments and tarballs have been kept; what was installed and locked is gone."""
    project.declare(LEAF, MID, dependencies={"mid": "^1.0.0"})
    project.succeeds("install")
    assert len(kept(project)) == 2
    forget(project)
    return project


def forget(project: Project) -> None:
    shutil.rmtree(project.folder / "node_modules")
    (project.folder / "package-lock.json").unlink()


def kept(project: Project) -> list[Path]:
    return sorted((project.store / "v1/packuments").glob("*"))


def age(project: Project, seconds: float = 1_000) -> None:
    """Let all kept packuments be so much older."""
    for file in kept(project):
        then = file.stat().st_mtime - seconds
        os.utime(file, (then, then))


class Watched:
    """What a registry is asked from now on."""

    def __init__(self, registry: PackageRegistry) -> None:
        self.registry = registry
        self.since = len(registry.requests)

    def packuments(self) -> list[tuple[str, bool]]:
        """The packuments that were asked for, and whether with a validator."""
        requests = self.registry.requests[self.since :]
        found = [(one.path, one.header("if-none-match") is not None) for one in requests if ".tgz" not in one.path]
        return sorted(found)


@pytest.fixture
def watched(warm: Project, registry: PackageRegistry) -> Watched:
    return Watched(registry)


# -- when the registry is asked -------------------------------------------------------------------------------------


def test_within_their_time_kept_packuments_are_not_asked_for(warm: Project, watched: Watched) -> None:
    warm.succeeds("install")
    warm.assert_installed(TREE)
    assert watched.registry.requests[watched.since :] == []


def test_after_their_time_they_are_asked_for_with_their_validators(warm: Project, watched: Watched) -> None:
    age(warm)
    warm.succeeds("install")
    warm.assert_installed(TREE)
    assert watched.packuments() == [("/leaf", True), ("/mid", True)]


def test_what_the_registry_calls_current_is_fresh_again(warm: Project, registry: PackageRegistry) -> None:
    age(warm)
    warm.succeeds("install")
    forget(warm)
    watched = Watched(registry)
    warm.succeeds("install")
    assert watched.packuments() == []


@pytest.mark.parametrize("is_fresh", [True, False])
def test_where_no_packument_has_changed_nothing_is_resolved_again(
    warm: Project, watched: Watched, is_fresh: bool
) -> None:
    if not is_fresh:
        age(warm)
    # no answer reaches the resolver
    warm.succeeds("install", fault=Fault("resolve", "answer", "raises"))
    warm.assert_installed(TREE)
    assert watched.packuments() == ([] if is_fresh else [("/leaf", True), ("/mid", True)])


def test_what_has_changed_at_the_registry_is_used_and_kept(warm: Project, registry: PackageRegistry) -> None:
    newer = make_package("leaf", "1.1.0")
    registry.publish(newer)
    age(warm)
    warm.succeeds("install")
    warm.assert_installed({"node_modules/leaf": newer, "node_modules/mid": MID})
    forget(warm)
    watched = Watched(registry)
    warm.succeeds("install")
    warm.assert_installed({"node_modules/leaf": newer, "node_modules/mid": MID})
    assert watched.packuments() == []


@pytest.mark.parametrize("command", ["install", "add leaf"])
def test_a_registry_that_is_down_is_told_with_the_way_to_do_without_it(
    warm: Project, registry: PackageRegistry, command: str
) -> None:
    age(warm)
    registry.misbehave("*", faults.status(503))
    run = warm.fails(*command.split())
    assert "--prefer-offline resolves with what former runs have kept" in run.stderr
    warm.succeeds(*command.split(), "--prefer-offline")
    warm.assert_installed(TREE)


@pytest.mark.parametrize("status", [401, 404])
def test_what_a_registry_refuses_is_not_to_be_had_from_what_is_kept(
    warm: Project, registry: PackageRegistry, status: int
) -> None:
    age(warm)
    registry.misbehave("*", faults.status(status))
    assert "--prefer-offline" not in warm.fails("install").stderr


def test_without_a_time_of_theirs_they_are_asked_for_each_time(project: Project, registry: PackageRegistry) -> None:
    registry.misbehave("*", faults.header("Cache-Control", "no-cache"))
    project.declare(LEAF, dependencies={"leaf": "1"})
    project.succeeds("install")
    forget(project)
    watched = Watched(registry)
    project.succeeds("install")
    assert watched.packuments() == [("/leaf", True)]


def test_what_must_not_be_kept_is_not(project: Project, registry: PackageRegistry) -> None:
    registry.misbehave("*", faults.header("Cache-Control", "private, no-cache, no-store"))
    project.declare(LEAF, dependencies={"leaf": "1"})
    project.succeeds("install")
    assert kept(project) == []


def test_prefer_online_asks_for_all(warm: Project, watched: Watched) -> None:
    warm.succeeds("install", "--prefer-online")
    assert watched.packuments() == [("/leaf", True), ("/mid", True)]


def test_prefer_offline_asks_for_none_that_is_there(warm: Project, watched: Watched) -> None:
    age(warm, 10_000_000)
    warm.succeeds("install", "--prefer-offline")
    warm.assert_installed(TREE)
    assert watched.packuments() == []


def test_prefer_offline_asks_for_what_is_not_there(warm: Project, watched: Watched) -> None:
    age(warm, 10_000_000)
    other = make_package("other", "1.0.0", dependencies={"leaf": "1"})
    warm.declare(other, dependencies={"mid": "1", "other": "1"})
    warm.succeeds("install", "--prefer-offline")
    warm.assert_installed({**TREE, "node_modules/other": other})
    assert watched.packuments() == [("/other", False)]


def test_a_registry_with_another_address_has_packuments_of_its_own(warm: Project) -> None:
    with PackageRegistry() as other:
        other.publish(make_package("leaf", "1.5.0"), MID)
        warm.registry = other
        warm.succeeds("install")
        assert warm.lock["packages"]["node_modules/leaf"]["version"] == "1.5.0"


# -- offline --------------------------------------------------------------------------------------------------------


def test_offline_a_complete_cache_is_enough(warm: Project, watched: Watched) -> None:
    age(warm, 10_000_000)
    warm.succeeds("install", "--offline")
    warm.assert_installed(TREE)
    assert watched.registry.requests[watched.since :] == []


def test_offline_a_packument_that_is_not_there_fails_without_a_request(warm: Project, watched: Watched) -> None:
    warm.declare(make_package("other", "1.0.0"), dependencies={"mid": "1", "other": "1"})
    run = warm.fails("install", "--offline")
    assert "error[PM_OFFLINE]: the packument of other is not in the cache" in run.stderr
    assert "required by the project" in run.stderr
    assert watched.registry.requests[watched.since :] == []


def test_offline_a_tarball_that_is_not_there_fails_without_a_request(warm: Project, watched: Watched) -> None:
    shutil.rmtree(warm.store / "v1/sha512")
    run = warm.fails("install", "--offline")
    assert "error[PM_OFFLINE]" in run.stderr
    assert watched.registry.requests[watched.since :] == []


def test_offline_without_any_cache_fails(project: Project, registry: PackageRegistry) -> None:
    project.declare(LEAF, dependencies={"leaf": "1"})
    assert "error[PM_OFFLINE]" in project.fails("install", "--offline").stderr
    assert registry.requests == []


def test_offline_a_version_that_the_kept_packument_lacks_is_not_asked_for(warm: Project, watched: Watched) -> None:
    warm.declare(make_package("leaf", "2.0.0"), dependencies={"leaf": "2"})
    assert "error[PM_NO_MATCHING_VERSION]" in warm.fails("install", "--offline").stderr
    assert watched.registry.requests[watched.since :] == []


def test_offline_git_is_not_asked(warm: Project) -> None:
    warm.declare(dependencies={"g": "git+https://git.example/g.git#main"})
    run = warm.fails("install", "--offline")
    assert "error[PM_OFFLINE]" in run.stderr


def test_offline_a_tarball_by_url_that_is_not_there_fails(warm: Project, registry: PackageRegistry) -> None:
    warm.declare(dependencies={"far": f"{registry.url}/far.tgz"})
    assert "error[PM_OFFLINE]" in warm.fails("install", "--offline").stderr


# -- a cache that is no good ----------------------------------------------------------------------------------------


def test_torn_files_of_the_cache_are_fetched_again(warm: Project, watched: Watched) -> None:
    leaf, mid = kept(warm)
    leaf.write_bytes(leaf.read_bytes()[:100])
    mid.write_bytes(b"")
    warm.succeeds("install")
    warm.assert_installed(TREE)
    assert watched.packuments() == [("/leaf", False), ("/mid", False)]


@pytest.mark.parametrize("is_fresh", [True, False])
def test_files_of_the_right_length_with_other_bytes_are_fetched_again(
    warm: Project, watched: Watched, is_fresh: bool
) -> None:
    # as a power cut leaves them on some filesystems
    for file in kept(warm):
        content = file.read_bytes()
        file.write_bytes(content[:-100] + b"\0" * 100)
    if not is_fresh:
        age(warm)
    warm.succeeds("install")
    warm.assert_installed(TREE)
    assert [path for path, with_validator in watched.packuments() if not with_validator] == ["/leaf", "/mid"]
    # what was seen to be torn is asked for once; else only what has not changed is looked at
    assert len(watched.packuments()) == (2 if is_fresh else 4)


def test_a_wrong_304_is_told(project: Project, registry: PackageRegistry) -> None:
    registry.misbehave("/leaf", faults.status(304))
    project.declare(LEAF, dependencies={"leaf": "1"})
    run = project.fails("install")
    assert "leaf could not be fetched" in run.stderr
    assert "304" in run.stderr


def test_an_etag_that_never_changes_is_believed(warm: Project, registry: PackageRegistry) -> None:
    registry.publish(make_package("leaf", "1.1.0"))
    age(warm)
    registry.misbehave("/leaf", faults.status(304))
    warm.succeeds("install")
    warm.assert_installed(TREE)


@pytest.mark.parametrize("etag", ['"caf\xe9"', '"' + "x" * 5_000 + '"', "no quotes at all", ""])
def test_odd_etags_do_no_harm(project: Project, registry: PackageRegistry, etag: str) -> None:
    registry.misbehave("/leaf", faults.header("ETag", etag))
    project.declare(LEAF, dependencies={"leaf": "1"})
    for _ in range(2):
        project.succeeds("install", "--prefer-online")
        project.assert_installed({"node_modules/leaf": LEAF})
        forget(project)


def test_a_cache_that_cannot_be_written_does_no_harm(project: Project) -> None:
    project.declare(LEAF, MID, dependencies={"mid": "1"})
    (project.store / "v1").mkdir(parents=True)
    (project.store / "v1/packuments").write_text("a file")
    run = project.succeeds("install", "--loglevel=verbose")
    project.assert_installed(TREE)
    assert "cannot keep the packument of leaf: " in run.stderr
    assert "cannot keep" not in project.succeeds("install").stderr


def test_a_full_queue_of_the_cache_is_told_to_who_wants_to_know(project: Project) -> None:
    # the cache's process is held up until the others are done
    packages = [make_package(f"p{number}", "1.0.0") for number in range(1500)]
    project.declare(*packages, dependencies={package.name: "1" for package in packages})
    project.python_path = (make_slow_cache(project.base),)
    run = project.succeeds("install", "--package-lock-only", "--loglevel=verbose")
    told = re.search(r"(\d+) packuments? (?:was|were) not kept: the cache's queue was full", run.stderr)
    assert told is not None, run.stderr
    assert len(project.lock["packages"]) == 1501


def test_a_cache_that_stands_still_costs_no_more_than_copies(project: Project) -> None:
    project.declare(LEAF, MID, dependencies={"mid": "1"})
    project.succeeds("install", fault=Fault("cache", "start", "SIGSTOP"))
    project.assert_installed(TREE)
    assert kept(project) == []


def test_a_cache_that_dies_when_the_tree_is_complete_is_told_and_fails_nothing(project: Project) -> None:
    project.declare(LEAF, MID, dependencies={"mid": "1"})
    # it waits until it is known that nothing else goes on, and dies with its first document in hand
    (project.base / "dying").mkdir()
    (project.base / "dying/sitecustomize.py").write_text(
        "import os\n"
        "import signal\n"
        "import time\n"
        "import stages.document_cache as cache\n"
        "def write(job, shared):\n"
        f"    while not os.path.exists({str(project.folder / 'node_modules/.package-lock.json')!r}):\n"
        "        time.sleep(0.01)\n"
        "    os.kill(os.getpid(), signal.SIGKILL)\n"
        "cache._write = write\n"
    )
    project.python_path = (project.base / "dying",)
    run = project.succeeds("install")
    told = "warning: the cache stage's worker was killed by SIGKILL when all else was done: packuments that it was"
    assert told in run.stderr
    project.assert_installed(TREE)
    assert kept(project) == []


def test_what_is_not_written_when_the_tree_is_settled_is_written_meanwhile(project: Project) -> None:
    packages = [make_package(f"p{number}", "1.0.0") for number in range(5)]
    project.declare(*packages, dependencies={package.name: "1" for package in packages})
    # the five take longer than resolving, and less than is waited for at the end
    project.python_path = (make_slow_cache(project.base),)
    project.succeeds("install")
    assert len(kept(project)) == 5


def make_slow_cache(base: Path) -> Path:
    """A folder to be imported from, in which writing to the cache takes its time."""
    folder = base / "slow"
    folder.mkdir()
    (folder / "sitecustomize.py").write_text(
        "import time\n"
        "import stages.document_cache as cache\n"
        "write = cache._write\n"
        "cache._write = lambda job, shared: (time.sleep(0.05), write(job, shared))\n"
    )
    return folder


# -- authorization --------------------------------------------------------------------------------------------------


def test_packuments_of_a_scope_come_from_its_registry(project: Project, registry: PackageRegistry) -> None:
    package = make_package("@corp/tool", "1.0.0", dependencies={"leaf": "1"})
    with PackageRegistry(token="secret") as corp:
        corp.publish(package)
        project.declare(LEAF, dependencies={"@corp/tool": "1"})
        host = corp.url.partition("//")[2]
        project.write(".npmrc", f"@corp:registry={corp.url}/\n//{host}/:_authToken=secret\n")
        project.succeeds("install")
        project.assert_installed({"node_modules/@corp/tool": package, "node_modules/leaf": LEAF})
        assert {one.path for one in corp.requests} == {"/@corp/tool", package.tarball_path}
        assert all(one.header("authorization") is None for one in registry.requests)


def test_a_missing_token_is_told_with_what_to_do(project: Project) -> None:
    with PackageRegistry(token="secret") as corp:
        corp.publish(make_package("@corp/tool", "1.0.0"))
        project.declare(dependencies={"@corp/tool": "1"})
        project.write(".npmrc", f"@corp:registry={corp.url}/\n")
        run = project.fails("install")
    assert "@corp/tool could not be fetched" in run.stderr
    assert "401" in run.stderr
    assert "required by the project" in run.stderr
    assert "hint:" in run.stderr


def test_a_token_does_not_follow_a_redirect_to_another_host(project: Project, registry: PackageRegistry) -> None:
    with PackageRegistry() as other:
        other.publish(LEAF)
        registry.misbehave("/leaf", faults.redirect(f"{other.url}/leaf"))
        project.declare(LEAF, dependencies={"leaf": "1"})
        host = registry.url.partition("//")[2]
        project.write(".npmrc", f"//{host}/:_authToken=secret\n")
        project.succeeds("install")
        assert registry.requests[0].header("authorization") == "Bearer secret"
        assert [one.header("authorization") for one in other.requests_for("/leaf")] == [None]
