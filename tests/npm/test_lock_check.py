"""Does a lockfile satisfy the package.json files: what is refused, what is let pass, and what npm says to it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from lock_making import MadeProject, entry, fatal_lines, link, npm_answers
from support.packages import make_package
from support.registry import PackageRegistry

from pmpipe.errors import LockfileError, ManifestError
from pmpipe.npm.locks.lock_check import CheckOptions, ProblemKind, has_unfit_optional_peers, out_of_sync

SHA = "a" * 40
OTHER_SHA = "b" * 40


def project(dependencies: dict[str, str], entries: dict[str, Any], **package: Any) -> MadeProject:
    return MadeProject({"dependencies": dependencies, **package}, entries)


# -- versions, ranges and other specs -----------------------------------------------------------------------------


def test_lock_that_satisfies_everything_has_no_problems():
    x = entry("1.2.3", dependencies={"y": "^2.0.0"})
    assert project({"x": "^1.0.0"}, {"node_modules/x": x, "node_modules/y": entry("2.1.0", "y")}).problems() == []


def test_dependency_without_entry_is_missing():
    assert fatal_lines(project({"x": "^1.2.0"}, {}).problems()) == ["Missing: x@^1.2.0 from lock file"]


def test_entry_of_the_wrong_version_is_invalid():
    problems = project({"x": "^2.0.0"}, {"node_modules/x": entry("1.0.0")}).problems()
    assert fatal_lines(problems) == ["Invalid: lock file's x@1.0.0 does not satisfy x@^2.0.0"]


def test_nearest_entry_answers_a_dependency():
    entries = {
        "node_modules/x": entry("1.0.0", dependencies={"y": "^1.0.0"}),
        "node_modules/x/node_modules/y": entry("1.0.0", "y"),
        "node_modules/y": entry("2.0.0", "y"),
    }
    assert project({"x": "1", "y": "2"}, entries).problems() == []


def test_entry_in_another_packages_folder_answers_nothing():
    entries = {
        "node_modules/x": entry("1.0.0", dependencies={"y": "1"}),
        "node_modules/z": entry("1.0.0", "z"),
        "node_modules/z/node_modules/y": entry("1.0.0", "y"),
    }
    assert fatal_lines(project({"x": "1", "z": "1"}, entries).problems()) == ["Missing: y@1 from lock file"]


def test_all_problems_are_found_at_once():
    entries = {"node_modules/x": entry("1.0.0", dependencies={"a": "1", "b": "1"})}
    assert len(project({"x": "2", "y": "1"}, entries).problems()) == 4


def test_extra_entry_and_what_it_needs_are_no_problem():
    assert project({}, {"node_modules/x": entry("1.0.0", dependencies={"gone": "1"})}).problems() == []


def test_missing_integrity_address_flags_and_root_entry_are_no_problem():
    made = project({"x": "1"}, {"": {}, "node_modules/x": {"version": "1.0.0"}})
    assert made.problems() == []


REGISTRY_SPECS = [
    ("1.2.3", "1.2.3", True),
    ("1.2.3", "=1.2.3", True),
    ("1.2.3", "v1.2.3", True),
    ("1.2.3", "^1.2.3", True),
    ("1.2.3", "^1.2.4", False),
    ("1.3.0", "^1.2.4", True),
    ("2.0.0", "^1.2.3", False),
    ("0.2.3", "^0.2.2", True),
    ("0.3.0", "^0.2.2", False),
    ("0.0.3", "^0.0.2", False),
    ("0.0.2", "^0.0.2", True),
    ("1.2.9", "~1.2.3", True),
    ("1.3.0", "~1.2.3", False),
    ("0.0.9", "~0.0.3", True),
    ("1.10.0", "^1.9.0", True),
    ("1.2.3", "", True),
    ("1.2.3", "*", True),
    ("1.2.3", "x", True),
    ("1.2.3-rc.1", "*", True),
    ("1.2.3-rc.1", "^1.2.3", False),
    ("1.2.3-rc.2", "^1.2.3-rc.1", True),
    ("1.2.3", ">=1 <2 || 3.x", True),
    ("1.2.3", "1 - 2", True),
    ("1.2.3", "latest", True),
    ("1.2.3", "npm:other@^1.0.0", True),
    ("1.2.3", "npm:other@^2.0.0", False),
    ("1.2.3", "npm:other", True),
    ("1.2.3", "not a spec", False),
    ("1.2.3", "file:folder", False),
    ("1.2.3", "https://registry.example/x/-/x-1.2.3.tgz", True),
    ("1.2.3", "https://registry.example/x/-/x-1.2.4.tgz", False),
    ("1.2.3", "git+https://git.example/a/x.git", False),
]


def registry_package(version: str, requested: str) -> MadeProject:
    return project({"x": requested}, {"node_modules/x": entry(version)})


@pytest.mark.parametrize(("version", "requested", "is_satisfied"), REGISTRY_SPECS)
def test_compares_spec_with_version(version: str, requested: str, is_satisfied: bool):
    assert (registry_package(version, requested).problems() == []) == is_satisfied


@pytest.mark.npm
def test_npm_compares_specs_with_versions_in_the_same_way(tmp_path: Path):
    answers = npm_answers([(registry_package(version, spec), {}) for version, spec, _ in REGISTRY_SPECS], tmp_path)
    judged = [
        (version, spec, answer.get("errors") == [])
        for (version, spec, _), answer in zip(REGISTRY_SPECS, answers, strict=True)
    ]
    assert judged == REGISTRY_SPECS


def test_tag_is_satisfied_by_a_lock_without_addresses():
    assert project({"x": "latest"}, {"node_modules/x": {"version": "1.0.0"}}).problems() == []


GIT_SPECS = [
    (f"git+ssh://git@github.com/a/x.git#{SHA}", "a/x", True),
    (f"git+ssh://git@github.com/a/x.git#{SHA}", "github:a/x#main", True),
    (f"git+ssh://git@github.com/a/x.git#{SHA}", f"a/x#{SHA}", True),
    (f"git+ssh://git@github.com/a/x.git#{SHA}", f"a/x#{OTHER_SHA}", False),
    (f"git+ssh://git@github.com/a/x.git#{SHA}", "a/y", False),
    (f"git+ssh://git@github.com/a/x.git#{SHA}", "gitlab:a/x", False),
    (f"git+ssh://git@github.com/a/x.git#{SHA}", "a/x#semver:^1.0.0", True),
    (f"git+ssh://git@github.com/a/x.git#{SHA}", "a/x#semver:^2.0.0", False),
    (f"git+https://git.example/a/x.git#{SHA}", "git+https://git.example/a/x.git#v1", True),
    (f"git+https://git.example/a/x.git#{SHA}", "git+https://git.example/a/y.git", False),
]


def git_package(resolved: str, requested: str) -> MadeProject:
    return project({"x": requested}, {"node_modules/x": {"version": "1.2.3", "resolved": resolved}})


@pytest.mark.parametrize(("resolved", "requested", "is_satisfied"), GIT_SPECS)
def test_compares_spec_with_git_repository(resolved: str, requested: str, is_satisfied: bool):
    assert (git_package(resolved, requested).problems() == []) == is_satisfied


@pytest.mark.npm
def test_npm_accepts_the_same_git_repositories(tmp_path: Path):
    # the others are left out: npm would start git for them
    accepted = [(resolved, spec) for resolved, spec, is_satisfied in GIT_SPECS if is_satisfied]
    answers = npm_answers([(git_package(*one), {}) for one in accepted], tmp_path)
    assert [answer.get("errors") for answer in answers] == [[]] * len(accepted)


def test_git_branch_that_is_not_the_locked_one_is_invalid():
    x = {"version": "1.0.0", "resolved": f"git+ssh://git@github.com/a/x.git#{SHA}"}
    made = project({"x": "a/x#next"}, {"": {"dependencies": {"x": "a/x#main"}}, "node_modules/x": x})
    assert fatal_lines(made.problems()) == ["Invalid: lock file's x@1.0.0 does not satisfy x@a/x#next"]


@pytest.mark.parametrize(
    ("resolved", "requested", "is_satisfied"),
    [
        ("file:vendor/x-1.2.3.tgz", "file:vendor/x-1.2.3.tgz", True),
        ("file:vendor/x-1.2.3.tgz", "file:./vendor/x-1.2.3.tgz", True),
        ("file:vendor/x-1.2.3.tgz", "./vendor/x-1.2.3.tgz", True),
        ("file:vendor/x-1.2.3.tgz", "file:vendor/x-1.2.4.tgz", False),
        ("file:vendor/x-1.2.3.tgz", "file:vendor", False),
        ("file:vendor/x-1.2.3.tgz", "^1.0.0", True),
    ],
)
def test_tarball_must_be_the_one_that_is_asked_for(resolved: str, requested: str, is_satisfied: bool):
    made = project({"x": requested}, {"node_modules/x": {"version": "1.2.3", "resolved": resolved}})
    assert (made.problems() == []) == is_satisfied


def test_folder_must_be_the_one_that_is_linked_to():
    entries = {"node_modules/x": link("lib"), "lib": {"version": "1.0.0"}}
    assert project({"x": "file:lib"}, entries).problems() == []
    assert fatal_lines(project({"x": "file:./other"}, entries).problems()) == [
        "Invalid: lock file's x@1.0.0 does not satisfy x@file:./other"
    ]


def test_accepted_spec_of_accept_dependencies_will_do():
    entries = {"node_modules/x": entry("2.0.0")}
    assert project({"x": "^1.0.0"}, entries, acceptDependencies={"x": "^2.0.0"}).problems() == []


# -- kinds of dependencies ----------------------------------------------------------------------------------------


def test_development_dependencies_of_the_project_count_and_those_of_packages_do_not():
    x = entry("1.0.0", devDependencies={"gone": "1"})
    made = MadeProject({"devDependencies": {"x": "1", "y": "1"}}, {"node_modules/x": x})
    assert fatal_lines(made.problems()) == ["Missing: y@1 from lock file"]


def test_missing_optional_dependency_is_only_a_warning():
    problems = MadeProject({"optionalDependencies": {"x": "1"}}).problems()
    assert [(problem.kind, problem.is_fatal) for problem in problems] == [(ProblemKind.MISSING, False)]


def test_optional_dependency_of_a_package_may_be_missing_where_another_version_is_further_up():
    entries = {
        "node_modules/w": entry("1.0.0", "w", optionalDependencies={"x": "2"}),
        "node_modules/x": entry("1.0.0"),
    }
    assert fatal_lines(project({"w": "1", "x": "1"}, entries).problems()) == []


def test_optional_dependency_of_the_project_must_have_the_right_version():
    made = MadeProject({"optionalDependencies": {"x": "2"}}, {"node_modules/x": entry("1.0.0")})
    assert fatal_lines(made.problems()) == ["Invalid: lock file's x@1.0.0 does not satisfy x@2"]


def test_optional_dependency_is_no_ordinary_one_as_well():
    made = project({"x": "1"}, {}, optionalDependencies={"x": "1"})
    assert fatal_lines(made.problems()) == []


def test_bundled_dependency_is_taken_as_it_comes():
    x = entry("1.0.0", dependencies={"y": "^2.0.0", "z": "1"}, bundleDependencies=["y", "z"])
    entries = {"node_modules/x": x, "node_modules/x/node_modules/y": {"version": "1.0.0", "inBundle": True}}
    assert project({"x": "1"}, entries).problems() == []


def test_optional_peer_dependency_may_be_missing_or_of_the_wrong_version():
    meta = {"p": {"optional": True}, "q": {"optional": True}}
    x = entry("1.0.0", peerDependencies={"p": "^2.0.0", "q": "1"}, peerDependenciesMeta=meta)
    assert project({"x": "1", "p": "1"}, {"node_modules/x": x, "node_modules/p": entry("1.0.0", "p")}).problems() == []


def test_legacy_peer_deps_leaves_peers_out_of_account():
    made = project({"x": "1"}, {"node_modules/x": entry("1.0.0", peerDependencies={"p": "2"})})
    assert fatal_lines(made.problems()) == ["Missing: p@2 from lock file"]
    assert made.problems(legacy_peer_deps=True) == []


X = entry("1.0.0", peerDependencies={"p": "^2"})
P1 = entry("1.0.0", "p")


def beside(peers: dict[str, str]) -> MadeProject:
    """The project needs k, which has these peers, and by way of k and h the package whose peer is the wrong one."""
    entries = {
        "node_modules/k": entry("1.0.0", "k", peerDependencies=peers, dependencies={"h": "1"}),
        "node_modules/h": entry("1.0.0", "h", dependencies={"x": "1"}),
        "node_modules/q": entry("1.0.0", "q", peerDependencies={"p": "^1"}),
        "node_modules/x": X,
        "node_modules/p": P1,
    }
    if "q" not in peers:
        del entries["node_modules/q"]
    return project({"k": "1"}, entries)


PEER_CASES = {
    "wanted by nobody else": project({"x": "1"}, {"node_modules/x": X, "node_modules/p": P1}),
    "missing": project({"x": "1"}, {"node_modules/x": X}),
    "against the project's own dependency": project({"x": "1", "p": "1"}, {"node_modules/x": X, "node_modules/p": P1}),
    "could be nested": project(
        {"x": "1", "z": "1"},
        {"node_modules/x": X, "node_modules/p": P1, "node_modules/z": entry("1.0.0", "z", dependencies={"p": "^1"})},
    ),
    "in the package's own folder": project(
        {"x": "1"}, {"node_modules/x": X, "node_modules/x/node_modules/p": entry("2.0.0", "p")}
    ),
    "brought along by a peer": project(
        {"m": "1", "p": "1"},
        {"node_modules/m": entry("1.0.0", "m", peerDependencies={"x": "1"}), "node_modules/x": X, "node_modules/p": P1},
    ),
    "of a package's package, against the project's": project(
        {"h": "1", "p": "1"},
        {"node_modules/h": entry("1.0.0", "h", dependencies={"x": "1"}), "node_modules/x": X, "node_modules/p": P1},
    ),
    "of a package's package, against a peer of one of the project's": beside({"p": "^1"}),
    "of a package's package, against a peer of a peer": beside({"q": "1"}),
    "of a package's package, beside a peer that any version does for": beside({"p": "*"}),
    "of a nested package, with room beside it": project(
        {"h": "1", "p": "1", "x": "2"},
        {
            "node_modules/h": entry("1.0.0", "h", dependencies={"x": "1"}),
            "node_modules/h/node_modules/x": X,
            "node_modules/x": entry("2.0.0"),
            "node_modules/p": P1,
        },
    ),
    "of a nested package, against its holder's": project(
        {"k": "1", "x": "2"},
        {
            "node_modules/k": entry("1.0.0", "k", dependencies={"x": "1", "p": "1"}),
            "node_modules/k/node_modules/x": X,
            "node_modules/x": entry("2.0.0"),
            "node_modules/p": P1,
        },
    ),
    "of the project": project(
        {"z": "1"},
        {"node_modules/z": entry("1.0.0", "z", dependencies={"p": "^1"}), "node_modules/p": P1},
        peerDependencies={"p": "2"},
    ),
}


PEER_OPTIONS = {"": {}, "force": {"force": True}, "strict": {"strictPeerDeps": True}}
#: what is refused without options; the others conflict where there is no better place
TOLERATED = {
    "of a package's package, against the project's",
    "of a package's package, against a peer of one of the project's",
    "of a package's package, against a peer of a peer",
    "of a nested package, against its holder's",
}
#: what is no conflict, but missing, is refused under force too
MISSING_PEERS = {"missing", "in the package's own folder"}


@pytest.fixture(scope="module")
def npm_on_peers(tmp_path_factory: pytest.TempPathFactory) -> dict[tuple[str, str], bool]:
    """Whether npm accepts each case of peers under each of the options."""
    with PackageRegistry() as registry:
        registry.publish(make_package("p", "1.0.0"), make_package("p", "2.0.0"))
        registry.publish(make_package("x", "1.0.0", peerDependencies={"p": "^2"}), make_package("x", "2.0.0"))
        registry.publish(make_package("z", "1.0.0", dependencies={"p": "^1"}))
        keys = [(case, name) for case in PEER_CASES for name in PEER_OPTIONS]
        asked = [(PEER_CASES[case], {"registry": registry.url, **PEER_OPTIONS[name]}) for case, name in keys]
        answers = npm_answers(asked, tmp_path_factory.mktemp("peers"))
    return {key: answer.get("errors") == [] for key, answer in zip(keys, answers, strict=True)}


@pytest.mark.parametrize("case", PEER_CASES)
def test_refuses_conflict_of_peers_unless_there_is_no_better_place(case: str):
    assert (fatal_lines(PEER_CASES[case].problems()) == []) == (case in TOLERATED)


@pytest.mark.parametrize("case", PEER_CASES)
def test_strict_peer_deps_refuses_all_conflicts(case: str):
    assert fatal_lines(PEER_CASES[case].problems(strict_peer_deps=True))


@pytest.mark.parametrize("case", PEER_CASES)
def test_force_lets_all_conflicts_pass(case: str):
    # npm replaces what it can under force, and then refuses the lock for it; there is no need for that
    assert (fatal_lines(PEER_CASES[case].problems(force=True)) == []) == (case not in MISSING_PEERS)


@pytest.mark.npm
@pytest.mark.parametrize("case", PEER_CASES)
def test_npm_refuses_the_same_conflicts_of_peers(case: str, npm_on_peers: dict[tuple[str, str], bool]):
    made = PEER_CASES[case]
    assert npm_on_peers[case, ""] == (fatal_lines(made.problems()) == [])
    assert npm_on_peers[case, "strict"] == (fatal_lines(made.problems(strict_peer_deps=True)) == [])
    assert not npm_on_peers[case, "force"] or fatal_lines(made.problems(force=True)) == []


# -- workspaces and folders ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("locked", "fatal"), [("^2", []), ("^1", ["Invalid: lock file's x@1.0.0 does not satisfy x@^2"])]
)
def test_what_is_optional_for_a_workspace_may_be_missing_below_another_version(locked: str, fatal: list[str]):
    """The lock was made where it could not be had; unless the workspace has come to ask for it since."""
    entries = {
        "node_modules/a": link("packages/a"),
        "packages/a": {"version": "1.0.0", "optionalDependencies": {"x": locked}},
        "node_modules/x": entry("1.0.0"),
    }
    root = {"workspaces": ["packages/*"], "dependencies": {"x": "1"}}
    manifests = {"packages/a": {"name": "a", "version": "1.0.0", "optionalDependencies": {"x": "^2"}}}
    problems = MadeProject(root, entries, manifests, {"a": "packages/a"}).problems()
    assert fatal_lines(problems) == fatal
    assert [str(problem) for problem in problems] == ["Invalid: lock file's x@1.0.0 does not satisfy x@^2"]


def workspace_project(manifest: dict[str, Any], entries: dict[str, Any] | None = None) -> MadeProject:
    placed = {"node_modules/a": link("packages/a"), "packages/a": {"version": "1.0.0"}} if entries is None else entries
    return MadeProject({"workspaces": ["packages/*"]}, placed, {"packages/a": manifest}, {"a": "packages/a"})


def test_workspace_is_judged_by_its_package_json_not_by_the_lock():
    made = workspace_project({"name": "a", "version": "1.0.0", "dependencies": {"x": "1"}})
    assert fatal_lines(made.problems()) == ["Missing: x@1 from lock file"]
    assert made.graph().chain(made.problems()[0].source) == "app > a@1.0.0"


def test_workspace_without_entry_is_missing():
    made = workspace_project({"name": "a", "version": "1.0.0"}, {})
    assert fatal_lines(made.problems()) == ["Missing: a@file:packages/a from lock file"]


def test_workspace_that_is_gone_is_no_problem():
    made = workspace_project({"name": "a"})
    entries = {**made.entries, "node_modules/b": link("packages/b"), "packages/b": {"dependencies": {"gone": "1"}}}
    assert MadeProject(made.package, entries, made.folders, made.workspaces).problems() == []


def test_workspace_may_depend_on_another_by_its_version():
    folders = {
        "packages/a": {"name": "a", "version": "1.0.0"},
        "packages/b": {"name": "b", "dependencies": {"a": "^1.0.0"}},
    }
    entries = {f"node_modules/{name}": link(f"packages/{name}") for name in "ab"}
    entries.update({f"packages/{name}": {} for name in "ab"})
    made = MadeProject({"workspaces": ["packages/*"]}, entries, folders, {name: f"packages/{name}" for name in "ab"})
    assert made.problems() == []


def test_workspace_must_be_a_link():
    made = workspace_project({"name": "a"}, {"node_modules/a": entry("1.0.0", "a")})
    assert len(fatal_lines(made.problems())) == 1


def test_dependency_with_the_name_of_a_workspace_is_that_workspace():
    made = workspace_project({"name": "a", "version": "1.0.0"})
    made.package["dependencies"] = {"a": "^9.0.0"}
    assert made.problems() == []


def incomplete(place: str, **root: Any) -> MadeProject:
    """A workspace that needs `x`, and a lock that lacks what `x` at a place needs."""
    return MadeProject(
        {"workspaces": ["packages/*"], **root},
        {
            "node_modules/a": link("packages/a"),
            "packages/a": {"version": "1.0.0", "dependencies": {"x": "1"}},
            place: entry("1.0.0", dependencies={"y": "1"}),
        },
        {"packages/a": {"name": "a", "version": "1.0.0", "dependencies": {"x": "1"}}},
        {"a": "packages/a"},
    )


#: a lock that lacks something, and whether npm sees it
INCOMPLETE = {
    "what a workspace's package needs": (incomplete("node_modules/x"), False),
    "what the project's package needs": (incomplete("node_modules/x", dependencies={"x": "1"}), True),
    "what a package in a workspace needs": (incomplete("packages/a/node_modules/x"), False),
    "what a workspace needs": (incomplete("node_modules/z"), True),
    "what a linked folder's package needs": (
        MadeProject(
            {"dependencies": {"f": "file:f"}},
            {
                "node_modules/f": link("f"),
                "f": {"version": "1.0.0", "dependencies": {"x": "1"}},
                "node_modules/x": entry("1.0.0", dependencies={"y": "1"}),
            },
            {"f": {"name": "f", "version": "1.0.0", "dependencies": {"x": "1"}}},
        ),
        False,
    ),
}


@pytest.mark.parametrize("case", INCOMPLETE)
def test_what_npm_does_not_look_at_is_a_warning(case: str):
    made, is_seen = INCOMPLETE[case]
    problems = made.problems()
    assert len(problems) == 1
    assert (problems[0].is_fatal, problems[0].is_unseen) == (is_seen, not is_seen)


@pytest.mark.npm
def test_npm_looks_no_further(tmp_path: Path, registry: PackageRegistry):
    registry.publish(make_package("x", "1.0.0", dependencies={"y": "1"}), make_package("y", "1.0.0"))
    asked = [(made, {"registry": registry.url}) for made, _ in INCOMPLETE.values()]
    seen = {case: bool(answer["errors"]) for case, answer in zip(INCOMPLETE, npm_answers(asked, tmp_path), strict=True)}
    assert seen == {case: is_seen for case, (_, is_seen) in INCOMPLETE.items()}


@pytest.mark.parametrize(
    ("strict", "root", "fatal"),
    [
        (False, {}, []),
        (True, {}, ["Invalid: lock file's p@1.0.0 does not satisfy p@2"]),
        # npm looks at what the project itself needs
        (False, {"dependencies": {"x": "1"}}, ["Invalid: lock file's p@1.0.0 does not satisfy p@2"]),
    ],
)
def test_peer_that_a_workspace_has_in_another_version_is_let_pass(strict: bool, root: dict[str, Any], fatal: list[str]):
    made = MadeProject(
        {"workspaces": ["packages/*"], **root},
        {
            **{f"node_modules/{name}": link(f"packages/{name}") for name in "ab"},
            "packages/a": {},
            "packages/b": {},
            "node_modules/p": entry("1.0.0", peer=True),
            "node_modules/x": entry("1.0.0", peerDependencies={"p": "2"}),
        },
        {
            "packages/a": {"name": "a", "dependencies": {"x": "1"}},
            "packages/b": {"name": "b", "peerDependencies": {"p": "1"}},
        },
        {name: f"packages/{name}" for name in "ab"},
    )
    problems = made.problems(strict_peer_deps=strict)
    assert fatal_lines(problems) == fatal
    assert [str(problem) for problem in problems] == ["Invalid: lock file's p@1.0.0 does not satisfy p@2"]


def test_dependencies_of_a_folder_beside_the_project_are_its_own_business():
    entries = {"node_modules/sib": link("../sib"), "../sib": {"dependencies": {"gone": "1"}}}
    assert project({"sib": "file:../sib"}, entries).problems() == []


# -- what leads out of the project --------------------------------------------------------------------------------


def test_refuses_link_out_of_the_project_that_no_package_json_asks_for():
    made = project(
        {"x": "1"},
        {"node_modules/x": entry("1.0.0", dependencies={"y": "file:../y"}), "node_modules/y": link("../y"), "../y": {}},
    )
    with pytest.raises(LockfileError, match="leads out of the project"):
        made.problems()


def test_refuses_link_out_of_the_project_although_the_version_would_do():
    made = project({"x": "^1.0.0"}, {"node_modules/x": link("../x"), "../x": {"version": "1.0.0"}})
    with pytest.raises(LockfileError, match=r"node_modules/x is taken from \.\./x"):
        made.problems()


@pytest.mark.parametrize("resolved", ["file:../secret.tgz", "file:/etc/secret.tgz", "file:a/../../secret.tgz"])
def test_refuses_tarball_outside_of_the_project_that_no_package_json_asks_for(resolved: str):
    made = project({"x": "^1.0.0"}, {"node_modules/x": {"version": "1.0.0", "resolved": resolved}})
    with pytest.raises(LockfileError, match="leads out of the project"):
        made.problems()


def test_accepts_tarball_outside_of_the_project_that_its_package_json_asks_for():
    x = {"version": "1.0.0", "resolved": "file:../x-1.0.0.tgz"}
    assert project({"x": "file:../x-1.0.0.tgz"}, {"node_modules/x": x}).problems() == []


# -- overrides ----------------------------------------------------------------------------------------------------


def overridden(overrides: dict[str, Any], y_version: str = "2.0.0", **package: Any) -> MadeProject:
    entries = {
        "node_modules/w": entry("1.0.0", "w", dependencies={"y": "^1.0.0"}),
        "node_modules/y": entry(y_version, "y"),
    }
    return MadeProject({"dependencies": {"w": "1"}, "overrides": overrides, **package}, entries)


OVERRIDE_CASES = {
    "flat": (overridden({"y": "2"}), True),
    "flat, lock is older": (overridden({"y": "2"}, "1.0.0"), False),
    "nested": (overridden({"w": {"y": "2"}}), True),
    "nested, lock is older": (overridden({"w": {"y": "2"}}, "1.0.0"), False),
    "nested in another package": (overridden({"v": {"y": "2"}}), False),
    "nested in another version": (overridden({"w@2": {"y": "2"}}), False),
    "nested in this version": (overridden({"w@1": {"y": "2"}}), True),
    "for this range": (overridden({"y@^1": "2"}), True),
    "for another range": (overridden({"y@^3": "2"}), False),
    "for any version": (overridden({"y": "*"}, "1.0.0"), True),
    "for any version, but the range stays": (overridden({"y": "*"}), False),
    "below the package itself": (overridden({"w": {".": "1", "y": "2"}}), True),
    "version that was not to be replaced": (overridden({"y@1.0.0": "2.0.0"}, "1.5.0"), True),
    "version that was to be replaced": (overridden({"y@1.0.0": "2.0.0"}, "1.0.0"), False),
    "reference": (overridden({"y": "$y"}, devDependencies={"y": "^2.0.0"}), True),
    "reference to what only the package itself has": (overridden({"y": "$y"}, "1.0.0"), True),
    "reference to what only the package itself has, in another version": (overridden({"y": "$y"}), False),
    "reference to what nobody has, for a package that nobody needs": (overridden({"z": "$z"}, "1.0.0"), True),
}


@pytest.mark.parametrize(("there", "is_fatal"), [("1.0.0", True), ("3.0.0", False)])
def test_a_new_override_of_an_optional_dependency_is_heeded(there: str, is_fatal: bool):
    # what a package lacks of optional ones is let pass, and then it may find another package's higher up
    entries = {
        "node_modules/w": entry("1.0.0", "w", optionalDependencies={"y": "^1.0.0"}),
        "node_modules/y": entry(there, "y", optional=True),
    }
    made = MadeProject({"dependencies": {"w": "1"}, "overrides": {"y": "2"}}, entries)
    (problem,) = made.problems()
    assert problem.is_fatal == is_fatal


@pytest.mark.parametrize("case", OVERRIDE_CASES)
def test_override_holds_where_it_applies(case: str):
    made, is_satisfied = OVERRIDE_CASES[case]
    assert (made.problems() == []) == is_satisfied


@pytest.mark.npm
def test_npm_applies_overrides_in_the_same_way(tmp_path: Path, registry: PackageRegistry):
    registry.publish(*(make_package("y", version) for version in ("1.0.0", "1.5.0", "2.0.0", "3.0.0")))
    answers = npm_answers([(made, {"registry": registry.url}) for made, _ in OVERRIDE_CASES.values()], tmp_path)
    judged = {case: answer.get("errors") == [] for case, answer in zip(OVERRIDE_CASES, answers, strict=True)}
    assert judged == {case: is_satisfied for case, (_, is_satisfied) in OVERRIDE_CASES.items()}


def test_override_that_conflicts_with_a_direct_dependency_is_an_error():
    with pytest.raises(ManifestError, match="overrides contradict the project's own dependency"):
        overridden({"w": "2"}).problems()


def test_override_that_refers_to_no_dependency_is_an_error():
    with pytest.raises(ManifestError, match=r"\$z refers to no dependency"):
        overridden({"y": "$z"}).problems()


@pytest.mark.parametrize("key", ["w>y", "w/y", "**/y", "@scope", "y ", ".y"])
def test_override_for_what_is_no_package_name_is_an_error(key: str):
    with pytest.raises(ManifestError, match="names no package"):
        overridden({key: "2"}).problems()


def test_override_does_not_concern_bundled_packages():
    entries = {
        "node_modules/w": entry("1.0.0", "w", dependencies={"v": "1"}, bundleDependencies=["v", "y"]),
        "node_modules/w/node_modules/v": {"version": "1.0.0", "inBundle": True, "dependencies": {"y": "1"}},
        "node_modules/w/node_modules/y": {"version": "1.0.0", "inBundle": True},
    }
    assert MadeProject({"dependencies": {"w": "1"}, "overrides": {"y": "2"}}, entries).problems() == []


def test_overrides_in_a_cycle_of_packages_come_to_an_end():
    entries = {
        "node_modules/a": entry("1.0.0", "a", dependencies={"b": "1", "c": "1"}),
        "node_modules/b": entry("1.0.0", "b", dependencies={"a": "1", "c": "1"}),
        "node_modules/c": entry("1.0.0", "c", dependencies={"a": "1", "b": "1"}),
    }
    rules = {"a": {"c": {"b": "1.0.0"}}, "b": {"c": {"a": "1.0.0"}}, "c": {"b": {"a": "1.0.0"}}}
    assert MadeProject({"dependencies": {"a": "1", "b": "1"}, "overrides": rules}, entries).problems() == []


# -- names that differ only in case -------------------------------------------------------------------------------

LOWER, UPPER = {"node_modules/x": entry("1.0.0")}, {"node_modules/X": entry("1.0.0", "X")}

#: a project -> the dependency that is not installed and the one that is; None: the lock is refused, for the last counts
CASE_CASES = {
    "the first": (MadeProject({"dependencies": {"X": "1", "x": "1"}}, LOWER), ("X", "x")),
    "the last": (MadeProject({"dependencies": {"x": "1", "X": "1"}}, LOWER), None),
    "the last is upper": (MadeProject({"dependencies": {"x": "1", "X": "1"}}, UPPER), ("x", "X")),
    "development's counts": (
        MadeProject({"dependencies": {"X": "1"}, "devDependencies": {"x": "1"}}, LOWER), ("X", "x"),
    ),
    "a peer's does not": (MadeProject({"dependencies": {"X": "1"}, "peerDependencies": {"x": "1"}}, LOWER), None),
    "an optional one's": (
        MadeProject({"optionalDependencies": {"x": "1"}, "dependencies": {"X": "1"}}, LOWER), ("X", "x"),
    ),
    "both missing": (MadeProject({"dependencies": {"X": "1", "x": "1"}}), None),
    "a workspace's counts": (
        MadeProject(
            {"workspaces": ["p"], "dependencies": {"X": "1"}},
            {"node_modules/x": link("p"), "p": {"name": "x", "version": "1.0.0"}},
            {"p": {"name": "x", "version": "1.0.0"}},
            {"x": "p"},
        ),
        ("X", "x"),
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", CASE_CASES)
def test_of_two_names_that_differ_only_in_case_one_is_installed(case: str):
    made, expected = CASE_CASES[case]
    problems = made.problems()
    hidden = [(one.name, one.found) for one in problems if one.kind is ProblemKind.HIDDEN]
    assert hidden == ([expected] if expected else [])
    assert bool(fatal_lines(problems)) == (expected is None)


@pytest.mark.npm
def test_npm_takes_the_same_of_two_names(tmp_path: Path, registry: PackageRegistry):
    registry.publish(make_package("x", "1.0.0"), make_package("X", "1.0.0"))
    asked = [(made, {"registry": registry.url}) for made, _ in CASE_CASES.values()]
    refused = {
        case: bool(answer["errors"]) for case, answer in zip(CASE_CASES, npm_answers(asked, tmp_path), strict=True)
    }
    assert refused == {case: expected is None for case, (_, expected) in CASE_CASES.items()}


# -- the report ---------------------------------------------------------------------------------------------------


def test_report_has_npms_lines_and_who_requires_it():
    entries = {
        "node_modules/x": entry("1.0.0", dependencies={"y": "^2", "z": "1"}),
        "node_modules/y": entry("1.0.0", "y"),
        "node_modules/w": entry("1.0.0", "w", dependencies={"z": "1"}),
    }
    made = project({"x": "1", "w": "1"}, entries)
    graph = made.graph()
    error = out_of_sync([problem for problem in made.problems() if problem.is_fatal], graph)
    assert error.code == "PM_LOCK_OUT_OF_SYNC"
    assert error.details == (
        "Invalid: lock file's y@1.0.0 does not satisfy y@^2",
        "  required by: app > x@1.0.0",
        "Missing: z@1 from lock file",
        "  required by: app > x@1.0.0 and 1 more",
    )


@pytest.mark.npm
def test_npm_refuses_what_is_refused_here(tmp_path: Path, registry: PackageRegistry):
    registry.publish(make_package("x", "1.2.0"), make_package("x", "2.0.0"))
    cases = [
        project({"x": "^1"}, {}),
        project({"x": "^2"}, {"node_modules/x": entry("1.0.0")}),
        workspace_project({"name": "a"}, {}),
    ]
    for made, answer in zip(
        cases, npm_answers([(one, {"registry": registry.url}) for one in cases], tmp_path), strict=True
    ):
        assert fatal_lines(made.problems())
        assert answer["errors"]


@pytest.mark.parametrize("for_npm_12", [False, True])
def test_overrides_hold_in_the_project_s_bundle_for_npm_12_alone(for_npm_12):
    made = MadeProject(
        {"dependencies": {"b": "1"}, "overrides": {"d@^1": "2"}, "bundleDependencies": ["b"]},
        {
            "node_modules/b": entry("1.0.0", "b", inBundle=True, dependencies={"d": "^1.0.0"}),
            "node_modules/d": entry("2.0.0", "d", inBundle=True),
        },
    )
    found = fatal_lines(made.problems(overrides_own_bundle=for_npm_12))
    assert [line.partition(" does not")[0] for line in found] == (
        [] if for_npm_12 else ["Invalid: lock file's d@2.0.0"]
    )


def test_an_optional_peer_that_does_not_fit_counts_where_npm_looks() -> None:
    peer = {"peerDependencies": {"p": "2"}, "peerDependenciesMeta": {"p": {"optional": True}}}
    entries = {
        "node_modules/p": entry("1.0.0", "p"),
        "node_modules/u": entry("1.0.0", "u", **peer),
        "node_modules/w": link("w"),
        "w": {"version": "1.0.0", "dependencies": {"u": "1"}},
    }
    folders = {"w": {"name": "w", "version": "1.0.0", "dependencies": {"u": "1"}}}
    below = MadeProject({"dependencies": {"p": "1"}, "workspaces": ["w"]}, entries, folders, {"w": "w"})
    assert not has_unfit_optional_peers(below.graph(), CheckOptions())
    both = MadeProject({"dependencies": {"p": "1", "u": "1"}, "workspaces": ["w"]}, entries, folders, {"w": "w"})
    assert has_unfit_optional_peers(both.graph(), CheckOptions())
    folders = {"w": {"name": "w", "version": "1.0.0", **peer}}
    entries = {**entries, "w": {"version": "1.0.0", **peer}}
    own = MadeProject({"dependencies": {"p": "1"}, "workspaces": ["w"]}, entries, folders, {"w": "w"})
    assert has_unfit_optional_peers(own.graph(), CheckOptions())
