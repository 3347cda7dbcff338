"""What a run has made itself is judged by the next run as if somebody else had made it."""

from __future__ import annotations

import shutil

from support.packages import make_package
from support.project import Project


def test_a_lock_whose_peers_conflict_is_refused_whatever_the_store_remembers(project: Project) -> None:
    for version in ("17.0.0", "18.0.0"):
        project.registry.publish(make_package("lib", version))
    project.declare(
        make_package("user", "17.0.0", peerDependencies={"lib": "17.0.0"}),
        dependencies={"user": "^17.0.0", "lib": "^17.0.0"},
    )
    project.succeeds("install")
    project.succeeds("install", "lib@18")
    assert project.lock["packages"]["node_modules/lib"]["version"] == "18.0.0"
    assert "PM_PEER_CONFLICT" in project.fails("install").stderr
    assert "PM_LOCK_OUT_OF_SYNC" in project.fails("ci").stderr


def test_an_override_of_what_was_added_is_refused_by_the_next_run(project: Project) -> None:
    project.declare(make_package("lib", "2.0.0"), overrides={"lib": "2.0.0"})
    project.succeeds("install", "lib@2.0.0")
    for command in ("install", "ci"):
        assert "lib" in project.fails(command).stderr


def test_a_warning_about_a_lock_does_not_depend_on_who_made_it(project: Project) -> None:
    project.declare(make_package("lib", "1.0.0"), optionalDependencies={"lib": "1", "none-such": "1"})
    project.succeeds("install")
    for _ in range(2):
        assert "lacks entries that optional dependencies ask for: none-such" in project.succeeds("ci").stderr
    shutil.rmtree(project.store)
    assert "lacks entries that optional dependencies ask for: none-such" in project.succeeds("ci").stderr


def test_a_lock_in_order_is_not_looked_at_again(project: Project) -> None:
    project.declare(make_package("lib", "1.0.0"), dependencies={"lib": "1"})
    project.succeeds("install")
    assert "nothing to do" in project.succeeds("install").stdout
