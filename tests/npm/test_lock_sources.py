"""Which entries of a lock the settings do not let be fetched, and what it lacks although they do."""

from __future__ import annotations

from typing import Any

from lock_making import MadeProject, entry, link

from pmpipe.npm.locks.lock_check import CheckOptions, check_lock, satisfaction_of
from pmpipe.npm.locks.lock_sources import lacks_what_may_come, refused_entries
from pmpipe.npm.packages.registry import Registries
from pmpipe.npm.packages.source_policy import SourcePolicy

COMMIT = "a" * 40
GIT = "git+https://git.example/g.git"
FROM_GIT = {"version": "1.0.0", "resolved": f"{GIT}#{COMMIT}"}
FROM_FOLDER = {"version": "1.0.0", "resolved": "file:x"}


def refused(project: MadeProject, **limits: str) -> dict[str, str]:
    graph = project.graph()
    policy = SourcePolicy(limits, Registries("https://registry.example"))
    found = refused_entries(graph, policy, satisfaction_of(graph, CheckOptions()))
    return {path.removeprefix("node_modules/"): setting for path, setting in found.items()}


def needs(**dependencies: str) -> dict[str, Any]:
    return {"dependencies": dependencies}


def test_what_the_project_asks_for_is_its_own_even_if_others_want_it_too() -> None:
    entries = {"node_modules/g": FROM_GIT, "node_modules/a": entry("1.0.0", "a", **needs(g=GIT))}
    project = MadeProject(needs(a="1", g=GIT), entries)
    assert refused(project, git="root") == {}
    assert refused(project, git="none") == {"g": "allow-git=none"}
    assert refused(project, remote="none", file="none", directory="none") == {}


def test_where_a_package_lies_does_not_make_it_the_projects() -> None:
    entries = {"node_modules/g": FROM_GIT, "node_modules/a": entry("1.0.0", "a", **needs(g=GIT))}
    assert refused(MadeProject(needs(a="1"), entries), git="root") == {"g": "allow-git=root"}


def test_what_a_workspace_asks_for_is_the_projects() -> None:
    entries = {"node_modules/g": FROM_GIT, "node_modules/w": link("w"), "w": {"version": "1.0.0", **needs(g=GIT)}}
    manifest = {"name": "w", "version": "1.0.0", **needs(g=GIT)}
    project = MadeProject({"workspaces": ["w"]}, entries, {"w": manifest}, {"w": "w"})
    assert refused(project, git="root", directory="none") == {}


def test_what_a_linked_folder_asks_for_is_not_the_projects() -> None:
    entries = {"node_modules/g": FROM_GIT, "node_modules/w": link("w"), "w": {"version": "1.0.0", **needs(g=GIT)}}
    project = MadeProject(needs(w="file:w"), entries, {"w": {"name": "w", "version": "1.0.0", **needs(g=GIT)}})
    assert refused(project, git="root") == {"g": "allow-git=root"}


def test_an_optional_peer_that_does_not_fit_is_nothing_that_was_asked_for() -> None:
    entries = {"node_modules/g": FROM_GIT, "node_modules/a": entry("1.0.0", "a", **needs(g=GIT))}
    peer = {"peerDependencies": {"g": "^2.0.0"}, "peerDependenciesMeta": {"g": {"optional": True}}}
    assert refused(MadeProject({**needs(a="1"), **peer}, entries), git="root") == {"g": "allow-git=root"}


def test_a_registrys_tarball_is_remote_where_somebody_asks_for_its_address() -> None:
    leaf = entry("1.0.0", "leaf")
    by_name = {"node_modules/leaf": leaf, "node_modules/a": entry("1.0.0", "a", **needs(leaf="^1.0.0"))}
    by_address = {"node_modules/leaf": leaf, "node_modules/a": entry("1.0.0", "a", **needs(leaf=leaf["resolved"]))}
    assert refused(MadeProject(needs(a="1", leaf="latest"), by_name), remote="none") == {}
    assert refused(MadeProject(needs(a="1", leaf="latest"), by_address), remote="none") == {"leaf": "allow-remote=none"}
    overrides = {"overrides": {"leaf": leaf["resolved"]}}
    assert refused(MadeProject({**needs(a="1"), **overrides}, by_name), remote="none") == {"leaf": "allow-remote=none"}


def test_a_tarball_that_nobody_asks_for_is_remote() -> None:
    assert refused(MadeProject({}, {"node_modules/leaf": entry("1.0.0", "leaf")}), remote="root") == {
        "leaf": "allow-remote=root"
    }


def test_an_alias_asks_a_registry() -> None:
    project = MadeProject(needs(other="npm:leaf@1"), {"node_modules/other": {**entry("1.0.0", "leaf"), "name": "leaf"}})
    assert refused(project, remote="none") == {}


def test_tarballs_and_folders_of_the_file_system_are_told_apart() -> None:
    entries = {
        "node_modules/f": {"version": "1.0.0", "resolved": "file:f.tgz", "integrity": "sha512-" + "a" * 86 + "=="},
        "node_modules/d": FROM_FOLDER,
        "node_modules/l": link("x"),
        "x": {"version": "1.0.0"},
    }
    project = MadeProject(needs(f="file:f.tgz", d="file:x", l="file:x"), entries, {"x": {"name": "x"}})
    assert refused(project, file="none") == {"f": "allow-file=none"}
    assert refused(project, directory="none") == {"d": "allow-directory=none"}


def test_an_entry_without_an_address_comes_from_a_registry() -> None:
    project = MadeProject(needs(leaf="1"), {"node_modules/leaf": {"version": "1.0.0"}})
    assert refused(project, git="none", remote="none", file="none", directory="none") == {}


def may_come(project: MadeProject, **limits: str) -> bool:
    graph = project.graph()
    policy = SourcePolicy(limits, Registries("https://registry.example")) if limits else None
    return lacks_what_may_come(check_lock(graph, CheckOptions()), graph, policy)


def test_what_is_optional_and_missing_may_come_if_it_is_allowed() -> None:
    own = MadeProject({"optionalDependencies": {"g": GIT}}, {})
    assert may_come(own)
    assert may_come(own, git="root", remote="none")
    assert not may_come(own, git="none")
    lacking = {"node_modules/a": entry("1.0.0", "a", optionalDependencies={"g": GIT})}
    packages = MadeProject(needs(a="1"), lacking)
    assert may_come(packages)
    assert not may_come(packages, git="root")


def test_nothing_more_may_come_where_nothing_is_missing_or_a_registry_lacks_it() -> None:
    optional = {"optionalDependencies": {"g": GIT}}
    assert not may_come(MadeProject(optional, {"node_modules/g": FROM_GIT}))
    assert not may_come(MadeProject({"optionalDependencies": {"g": "^1.0.0"}}, {}))


def test_files_of_this_machine_come_for_the_project_only() -> None:
    optional = {"optionalDependencies": {"g": "file:../g.tgz"}}
    assert may_come(MadeProject(optional, {}))
    assert not may_come(MadeProject(needs(a="1"), {"node_modules/a": entry("1.0.0", "a", **optional)}))
