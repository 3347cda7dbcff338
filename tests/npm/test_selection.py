"""Which entries are installed on which platform under which options; npm is asked about every case."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from lock_making import LINUX, MadeProject, entry, link, npm_answers, our_hidden_lockfile

from pmpipe.errors import EngineError, PlatformError
from pmpipe.npm.locks.dependency_kinds import DependencyKinds
from pmpipe.npm.locks.lockfile import read_lockfile
from pmpipe.npm.locks.package_path import PackagePath
from pmpipe.npm.locks.selection import SelectionOptions, is_bundled, optional_set, select
from pmpipe.npm.packages.platform import Engines, Platform


def nm(*names: str) -> list[str]:
    return [f"node_modules/{name}" for name in names]


#: prod -> shared, dev -> shared, dev -> deep; o is optional and needs od and shared; both lies in dev's and o's trees
KINDS = MadeProject(
    {
        "version": "1.0.0",
        "dependencies": {"prod": "1"},
        "devDependencies": {"dev": "1"},
        "optionalDependencies": {"o": "1"},
    },
    {
        "node_modules/both": entry("1.0.0", "both", devOptional=True),
        "node_modules/deep": entry("1.0.0", "deep", dev=True),
        "node_modules/dev": entry("1.0.0", "dev", dev=True, dependencies={"both": "1", "deep": "1", "shared": "1"}),
        "node_modules/o": entry("1.0.0", "o", optional=True, dependencies={"both": "1", "od": "1", "shared": "1"}),
        "node_modules/od": entry("1.0.0", "od", optional=True),
        "node_modules/peer": entry("1.0.0", "peer", peer=True, dependencies={"peer-dep": "1"}),
        "node_modules/peer-dep": entry("1.0.0", "peer-dep", peer=True),
        "node_modules/prod": entry("1.0.0", "prod", dependencies={"shared": "1"}, peerDependencies={"peer": "1"}),
        "node_modules/shared": entry("1.0.0", "shared"),
    },
)

#: an optional package for another platform, with what it needs; wants is needed by nobody else, shared is
FOREIGN = MadeProject(
    {"version": "1.0.0", "dependencies": {"host": "1"}},
    {
        "node_modules/bridge": entry("1.0.0", "bridge", optional=True, dependencies={"foreign": "1"}),
        "node_modules/foreign": entry(
            "1.0.0", "foreign", optional=True, dependencies={"wants": "1", "shared": "1"}, os=["darwin"]
        ),
        "node_modules/host": entry("1.0.0", "host", dependencies={"shared": "1"}, optionalDependencies={"bridge": "1"}),
        "node_modules/shared": entry("1.0.0", "shared"),
        "node_modules/wants": entry("1.0.0", "wants", optional=True, dependencies={"wants-more": "1"}),
        "node_modules/wants-more": entry("1.0.0", "wants-more", optional=True),
    },
)

#: wants is needed by two optional packages, one of which is for another platform
TWO_OPTIONALS = MadeProject(
    {"version": "1.0.0", "optionalDependencies": {"foreign": "1", "native": "1"}},
    {
        "node_modules/foreign": entry("1.0.0", "foreign", optional=True, dependencies={"wants": "1"}, cpu=["s390x"]),
        "node_modules/native": entry("1.0.0", "native", optional=True, dependencies={"wants": "1"}),
        "node_modules/wants": entry("1.0.0", "wants", optional=True),
    },
)

#: two optional packages for another platform need each other's needs
TWO_FOREIGN = MadeProject(
    {"version": "1.0.0", "optionalDependencies": {"f1": "1", "f2": "1"}},
    {
        "node_modules/f1": entry("1.0.0", "f1", optional=True, dependencies={"wants": "1"}, os=["darwin"]),
        "node_modules/f2": entry("1.0.0", "f2", optional=True, dependencies={"wants": "1"}, os=["darwin"]),
        "node_modules/wants": entry("1.0.0", "wants", optional=True),
    },
)

#: what a package has that has b for an optional peer
OPTIONAL_PEER: dict[str, Any] = {"peerDependencies": {"b": "1"}, "peerDependenciesMeta": {"b": {"optional": True}}}

NESTED = MadeProject(
    {"version": "1.0.0", "dependencies": {"x": "1"}, "devDependencies": {"dev": "1"}},
    {
        "node_modules/dev": entry("1.0.0", "dev", dev=True, dependencies={"x": "2"}),
        "node_modules/dev/node_modules/x": entry("2.0.0", dev=True),
        "node_modules/x": entry("1.0.0"),
    },
)

EXTRANEOUS = MadeProject(
    {"version": "1.0.0", "dependencies": {"x": "1"}},
    {
        "node_modules/lost": entry("1.0.0", "lost"),
        "node_modules/lost/node_modules/kid": entry("1.0.0", "kid"),
        "node_modules/p": entry("1.0.0", "p"),
        "node_modules/x": entry("1.0.0", peerDependencies={"p": "1"}, peerDependenciesMeta={"p": {"optional": True}}),
    },
)

WORKSPACES = MadeProject(
    {"version": "1.0.0", "workspaces": ["packages/*"], "devDependencies": {"x": "2"}},
    {
        "node_modules/a": link("packages/a"),
        "node_modules/b": link("packages/b"),
        "node_modules/tool": entry("1.0.0", "tool", dev=True),
        "node_modules/x": entry("2.0.0", dev=True),
        "packages/a": {"version": "1.0.0", "dependencies": {"x": "1"}, "devDependencies": {"tool": "1"}},
        "packages/a/node_modules/x": entry("1.0.0"),
        "packages/b": {"version": "2.0.0", "devDependencies": {"x": "1"}},
        "packages/b/node_modules/x": entry("1.0.0", dev=True),
        "packages/gone": {"version": "1.0.0", "dependencies": {"x": "2"}},
    },
    {
        "packages/a": {"name": "a", "version": "1.0.0", "dependencies": {"x": "1"}, "devDependencies": {"tool": "1"}},
        "packages/b": {"name": "b", "version": "2.0.0", "devDependencies": {"x": "1"}},
    },
    {"a": "packages/a", "b": "packages/b"},
)

FOLDER = MadeProject(
    {"version": "1.0.0", "dependencies": {"sib": "file:../sib", "x": "2"}, "devDependencies": {"lib": "file:lib"}},
    {
        "../sib": {"version": "1.0.0"},
        "lib": {"version": "1.0.0", "dev": True, "dependencies": {"x": "1"}},
        "lib/node_modules/x": entry("1.0.0", dev=True),
        "node_modules/lib": link("lib"),
        "node_modules/sib": link("../sib"),
        "node_modules/x": entry("2.0.0"),
    },
    {
        "../sib": {"name": "sib", "version": "1.0.0"},
        "lib": {"name": "lib", "version": "1.0.0", "dependencies": {"x": "1"}},
    },
)

ENGINES = MadeProject(
    {"version": "1.0.0", "optionalDependencies": {"old": "1"}},
    {"node_modules/old": entry("1.0.0", "old", optional=True, engines={"node": "^4"})},
)

PROJECTS = {
    "kinds": KINDS,
    "foreign": FOREIGN,
    "two optionals": TWO_OPTIONALS,
    "two foreign": TWO_FOREIGN,
    "nested": NESTED,
    "extraneous": EXTRANEOUS,
    "workspaces": WORKSPACES,
    "folder": FOLDER,
    "engines": ENGINES,
}
OMITS: list[tuple[str, ...]] = [
    (),
    ("dev",),
    ("optional",),
    ("peer",),
    ("dev", "optional"),
    ("dev", "optional", "peer"),
]
CASES = [(name, omit) for name in PROJECTS for omit in OMITS]


@pytest.fixture(scope="module")
def npm_on_projects(tmp_path_factory: pytest.TempPathFactory) -> dict[tuple[str, tuple[str, ...]], str]:
    """The hidden lockfile that npm writes for each project and each omit."""
    options = {"os": "linux", "cpu": "x64", "libc": "glibc", "nodeVersion": "v20.0.0"}
    asked = [(PROJECTS[name], {"omit": list(omit), **options}) for name, omit in CASES]
    answers = npm_answers(asked, tmp_path_factory.mktemp("selection"))
    return {case: answer["hidden"] for case, answer in zip(CASES, answers, strict=True)}


@pytest.mark.npm
@pytest.mark.parametrize(("name", "omit"), CASES)
def test_hidden_lockfile_is_byte_equal_to_npms(
    tmp_path: Path, npm_on_projects: dict[tuple[str, tuple[str, ...]], str], name: str, omit: tuple[str, ...]
):
    folder = PROJECTS[name].write(tmp_path)
    ours = our_hidden_lockfile(folder, omit=frozenset(omit), engines=Engines("20.0.0", "11.0.0"))
    assert ours == npm_on_projects[name, omit]


# -- omit and include ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("omit", "left"),
    [
        ((), ["both", "deep", "dev", "o", "od", "peer", "peer-dep", "prod", "shared"]),
        (("dev",), ["both", "o", "od", "peer", "peer-dep", "prod", "shared"]),
        (("optional",), ["both", "deep", "dev", "peer", "peer-dep", "prod", "shared"]),
        (("peer",), ["both", "deep", "dev", "o", "od", "prod", "shared"]),
        (("dev", "optional"), ["peer", "peer-dep", "prod", "shared"]),
    ],
)
def test_omits_what_is_needed_by_those_kinds_alone(omit: tuple[str, ...], left: list[str]):
    assert list(KINDS.select(omit=frozenset(omit)).packages) == nm(*left)


def test_flags_in_the_lock_decide_nothing():
    entries = {path: {**one, "dev": True, "optional": True} for path, one in KINDS.entries.items()}
    misleading = MadeProject(KINDS.package, entries)
    assert misleading.select(omit=frozenset({"dev"})).packages == KINDS.select(omit=frozenset({"dev"})).packages


def test_include_outweighs_omit():
    both = frozenset({"dev", "optional"})
    assert (
        KINDS.select(omit=both, include=frozenset({"dev"})).packages
        == KINDS.select(omit=frozenset({"optional"})).packages
    )


def test_says_why_something_is_left_out():
    assert KINDS.select(omit=frozenset({"dev"})).left_out == dict.fromkeys(
        nm("deep", "dev"), "dev dependencies are omitted"
    )
    assert FOREIGN.select().left_out == {
        path: "it wants os darwin" if path == "node_modules/foreign" else "foreign@1.0.0 wants os darwin"
        for path in nm("bridge", "foreign", "wants", "wants-more")
    }


def test_of_a_tree_that_is_settled_nothing_is_left_out():
    assert list(KINDS.select(omit=frozenset({"dev"}), is_settled=True).packages) == nm(
        "both", "deep", "dev", "o", "od", "peer", "peer-dep", "prod", "shared"
    )
    assert list(EXTRANEOUS.select(is_settled=True).packages) == nm("lost", "lost/node_modules/kid", "p", "x")
    settled = WORKSPACES.select(is_settled=True)
    assert (settled.packages, settled.folders) == (WORKSPACES.select().packages, WORKSPACES.select().folders)


def test_what_lies_in_an_omitted_package_goes_with_it():
    assert list(NESTED.select(omit=frozenset({"dev"})).packages) == nm("x")


def test_extraneous_entries_are_not_installed_but_named():
    selection = EXTRANEOUS.select()
    assert list(selection.packages) == nm("x")
    assert selection.extraneous == set(nm("lost", "lost/node_modules/kid", "p"))


def test_entry_under_a_package_that_the_lock_lacks_is_not_installed():
    made = MadeProject({"dependencies": {"kid": "1"}}, {"node_modules/nobody/node_modules/kid": entry("1.0.0", "kid")})
    assert made.select().packages == ()


def test_workspaces_are_linked_and_their_own_folders_filled():
    selection = WORKSPACES.select()
    assert list(selection.packages) == [
        *nm("a", "b", "tool", "x"),
        "packages/a/node_modules/x",
        "packages/b/node_modules/x",
    ]
    assert selection.folders == {"packages/a", "packages/b"}


def test_folder_beside_the_project_is_linked_and_nothing_installed_in_it():
    entries = {**FOLDER.entries, "../sib/node_modules/x": entry("1.0.0")}
    made = MadeProject(
        FOLDER.package, entries, {**FOLDER.folders, "../sib": {"name": "sib", "dependencies": {"x": "1"}}}
    )
    assert "../sib/node_modules/x" not in made.select().packages
    assert "node_modules/sib" in made.select().packages


# -- platforms ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fields", "fits"),
    [
        ({"os": ["linux"]}, True),
        ({"os": "linux"}, True),
        ({"os": ["darwin", "linux"]}, True),
        ({"os": ["darwin"]}, False),
        ({"os": ["!win32"]}, True),
        ({"os": ["!linux"]}, False),
        ({"os": ["!win32", "darwin"]}, False),
        ({"os": ["!win32", "linux"]}, True),
        ({"os": ["any"]}, True),
        ({"os": []}, True),
        ({"cpu": ["x64"]}, True),
        ({"cpu": ["arm64"]}, False),
        ({"cpu": ["!arm", "!arm64"]}, True),
        ({"libc": ["glibc"]}, True),
        ({"libc": ["musl"]}, False),
        ({"libc": ["!musl"]}, True),
        ({"os": ["linux"], "cpu": ["x64"], "libc": ["musl"]}, False),
    ],
    ids=json.dumps,
)
def test_optional_package_is_left_out_unless_it_is_for_the_platform(fields: dict[str, Any], fits: bool):
    made = MadeProject({"optionalDependencies": {"o": "1"}}, {"node_modules/o": entry("1.0.0", "o", **fields)})
    assert (made.select().packages == ("node_modules/o",)) == fits


def test_package_that_cares_for_the_libc_is_not_for_platforms_without_one():
    made = MadeProject({"optionalDependencies": {"o": "1"}}, {"node_modules/o": entry("1.0.0", "o", libc=["!musl"])})
    assert made.select(Platform("darwin", "arm64")).packages == ()


def test_requested_platform_counts_for_optional_packages_only():
    entries = {
        "node_modules/mac": entry("1.0.0", "mac", os=["darwin"]),
        "node_modules/tux": entry("1.0.0", "tux", os=["linux"]),
    }
    made = MadeProject({"dependencies": {"tux": "1"}, "optionalDependencies": {"mac": "1"}}, entries)
    assert list(made.select(platform=Platform("darwin", "arm64")).packages) == nm("mac", "tux")


@pytest.mark.npm
def test_required_packages_for_another_platform_are_refused_all_at_once(tmp_path: Path):
    entries = {
        "node_modules/a": entry("1.0.0", "a", os=["darwin"]),
        "node_modules/b": entry("1.0.0", "b", dependencies={"c": "1"}),
        "node_modules/c": entry("1.0.0", "c", cpu=["s390x"]),
    }
    made = MadeProject({"dependencies": {"a": "1", "b": "1"}}, entries)
    with pytest.raises(PlatformError) as caught:
        made.select()
    assert caught.value.what == "2 required packages are not for this platform, linux-x64-glibc"
    assert caught.value.details == ("app > a@1.0.0 wants os darwin", "app > b@1.0.0 > c@1.0.0 wants cpu s390x")
    assert npm_answers([(made, {})], tmp_path)[0]["code"] == "EBADPLATFORM"


def test_required_package_for_another_platform_is_only_warned_of_under_force():
    made = MadeProject({"dependencies": {"a": "1"}}, {"node_modules/a": entry("1.0.0", "a", os=["darwin"])})
    selection = made.select(force=True)
    assert (selection.packages, selection.warnings) == (("node_modules/a",), ("a@1.0.0 wants os darwin",))


def test_omitted_package_may_be_for_another_platform():
    made = MadeProject({"devDependencies": {"a": "1"}}, {"node_modules/a": entry("1.0.0", "a", os=["darwin"])})
    assert made.select(omit=frozenset({"dev"})).packages == ()


def test_project_itself_must_be_for_the_platform():
    with pytest.raises(PlatformError, match="a required package is not for this platform"):
        MadeProject({"os": ["darwin"]}).select()


# -- engines ------------------------------------------------------------------------------------------------------


def test_engine_that_does_not_fit_is_a_warning():
    made = MadeProject({"dependencies": {"a": "1"}}, {"node_modules/a": entry("1.0.0", "a", engines={"node": ">=30"})})
    assert made.select(engines=Engines("20.0.0")).warnings == ("a@1.0.0 wants node >=30",)


def test_engine_that_does_not_fit_is_an_error_under_engine_strict():
    made = MadeProject({"dependencies": {"a": "1"}}, {"node_modules/a": entry("1.0.0", "a", engines={"node": ">=30"})})
    with pytest.raises(EngineError) as caught:
        made.select(engines=Engines("20.0.0"), engine_strict=True)
    assert caught.value.details == ("app > a@1.0.0 wants node >=30",)


def test_workspace_and_the_link_to_it_are_one_package():
    made = MadeProject(
        {"version": "1.0.0", "workspaces": ["packages/*"]},
        {"node_modules/a": link("packages/a"), "packages/a": {"version": "1.0.0", "engines": {"node": ">=30"}}},
        {"packages/a": {"name": "a", "version": "1.0.0", "engines": {"node": ">=30"}}},
        {"a": "packages/a"},
    )
    with pytest.raises(EngineError, match="a required package is not for node"):
        made.select(engines=Engines("20.0.0"), engine_strict=True)


def test_engine_that_is_not_installed_is_not_asked_for():
    made = MadeProject({"dependencies": {"a": "1"}}, {"node_modules/a": entry("1.0.0", "a", engines={"node": ">=30"})})
    assert made.select(engine_strict=True).warnings == ()


def test_prerelease_of_an_engine_is_within_a_range():
    made = MadeProject({"dependencies": {"a": "1"}}, {"node_modules/a": entry("1.0.0", "a", engines={"node": ">=20"})})
    assert made.select(engines=Engines("21.0.0-nightly")).warnings == ()


def test_optional_package_for_another_engine_is_left_out():
    assert ENGINES.select(engines=Engines("20.0.0")).packages == ()
    assert ENGINES.select(engines=Engines("4.1.0")).packages == ("node_modules/old",)


def test_dev_engines_take_the_projects_own_engines_out_of_account():
    package = {"engines": {"node": ">=30"}}
    assert MadeProject(package).select(engines=Engines("20.0.0")).warnings == ("app wants node >=30",)
    assert MadeProject({**package, "devEngines": {"runtime": {}}}).select(engines=Engines("20.0.0")).warnings == ()


# -- what goes with what ------------------------------------------------------------------------------------------


def test_package_that_is_not_available_goes_with_what_needs_it_and_what_only_it_needs():
    graph = FOREIGN.graph()
    assert optional_set(graph, [PackagePath("node_modules/foreign")]) == set(
        nm("bridge", "foreign", "wants", "wants-more")
    )
    assert optional_set(graph, [PackagePath("node_modules/wants-more")]) == set(
        nm("bridge", "foreign", "wants", "wants-more")
    )


def test_what_another_package_needs_stays():
    graph = TWO_OPTIONALS.graph()
    assert optional_set(graph, [PackagePath("node_modules/foreign")]) == set(nm("foreign"))


def test_what_an_extraneous_package_needs_stays_where_it_is_installed_too():
    made = MadeProject(
        {"dependencies": {"a": "1"}, "optionalDependencies": {"foreign": "1"}},
        {
            "node_modules/a": entry("1.0.0", "a", **OPTIONAL_PEER),
            "node_modules/b": entry("1.0.0", "b", extraneous=True, dependencies={"wants": "1"}),
            "node_modules/foreign": entry("1.0.0", "foreign", optional=True, dependencies={"wants": "1"}, os=["aix"]),
            "node_modules/wants": entry("1.0.0", "wants", optional=True),
        },
    )
    assert made.select(with_extraneous=True).packages == tuple(nm("a", "b", "wants"))
    assert made.select().packages == tuple(nm("a"))


def test_extraneous_package_goes_with_what_it_needs_and_does_not_fit():
    made = MadeProject(
        {"dependencies": {"a": "1"}},
        {
            "node_modules/a": entry("1.0.0", "a", **OPTIONAL_PEER),
            "node_modules/b": entry("1.0.0", "b", extraneous=True, dependencies={"foreign": "1"}),
            "node_modules/foreign": entry("1.0.0", "foreign", extraneous=True, os=["aix"]),
        },
    )
    assert made.select(with_extraneous=True).packages == tuple(nm("a"))


def test_what_only_packages_need_that_are_gone_goes():
    graph = TWO_OPTIONALS.graph()
    already = [PackagePath("node_modules/native")]
    assert optional_set(graph, [PackagePath("node_modules/foreign")], already) == set(nm("foreign", "wants"))


def test_unavailable_package_is_not_selected():
    missing = [PackagePath("node_modules/native"), PackagePath("node_modules/foreign")]
    assert select(TWO_OPTIONALS.graph(), SelectionOptions(host=LINUX), missing).packages == ()


def test_knows_what_the_install_can_do_without():
    kinds = DependencyKinds(FOREIGN.graph())
    assert [kinds.is_optional(PackagePath(path)) for path in nm("foreign", "wants", "shared", "host")] == [
        True,
        True,
        False,
        False,
    ]


def test_package_in_its_holders_tarball_is_bundled():
    entries = {
        "node_modules/x": entry("1.0.0", dependencies={"y": "1"}, bundleDependencies=["y"]),
        "node_modules/x/node_modules/y": {"version": "1.0.0", "inBundle": True, "dependencies": {"z": "1"}},
        "node_modules/x/node_modules/z": {"version": "1.0.0", "inBundle": True},
        "node_modules/x/node_modules/w": entry("1.0.0", "w"),
    }
    graph = MadeProject({"dependencies": {"x": "1"}}, entries).graph()
    bundled = [path for path in graph.lock.entries if is_bundled(graph, path)]
    assert bundled == ["node_modules/x/node_modules/y", "node_modules/x/node_modules/z"]


def test_what_the_project_itself_bundles_is_fetched():
    entries = {
        "node_modules/x": entry("1.0.0", inBundle=True, dependencies={"y": "1"}),
        "node_modules/x/node_modules/y": entry("1.0.0", "y", inBundle=True),
    }
    graph = MadeProject({"dependencies": {"x": "1"}, "bundleDependencies": ["x"]}, entries).graph()
    assert not any(is_bundled(graph, path) for path in graph.lock.entries)


def test_what_comes_in_the_tarball_of_something_that_the_project_bundles_is_not_fetched():
    entries = {
        "node_modules/x": entry("1.0.0", inBundle=True, dependencies={"y": "1", "w": "1"}, bundleDependencies=["y"]),
        "node_modules/x/node_modules/y": {"version": "1.0.0", "inBundle": True, "dependencies": {"z": "1"}},
        "node_modules/x/node_modules/z": {"version": "1.0.0", "inBundle": True},
        "node_modules/x/node_modules/w": entry("1.0.0", "w", inBundle=True),
    }
    graph = MadeProject({"dependencies": {"x": "1"}, "bundleDependencies": ["x"]}, entries).graph()
    bundled = [path for path in graph.lock.entries if is_bundled(graph, path)]
    assert bundled == ["node_modules/x/node_modules/y", "node_modules/x/node_modules/z"]


# -- the hidden lockfile ------------------------------------------------------------------------------------------


def test_hidden_lockfile_keeps_what_we_do_not_know(tmp_path: Path):
    odd = entry("1.0.0", license="MIT", funding={"url": "https://funding.example"}, novelty=[1, {"a": "ü"}])
    folder = MadeProject({"dependencies": {"x": "1"}}, {"node_modules/x": odd}).write(tmp_path)
    written = our_hidden_lockfile(folder)
    assert json.loads(written)["packages"] == {"node_modules/x": odd}
    assert list(read_lockfile(written.encode(), "hidden").entries) == ["node_modules/x"]


@pytest.mark.parametrize("indent", [2, 4, "\t", None])
def test_hidden_lockfile_has_the_formatting_of_the_lock(tmp_path: Path, indent: int | str | None):
    made = MadeProject({"dependencies": {"x": "1"}}, {"node_modules/x": entry("1.0.0")})
    folder = made.write(tmp_path)
    Path(folder, "package-lock.json").write_text(json.dumps(made.lock, indent=indent))
    written = our_hidden_lockfile(folder)
    expected = {**made.lock, "packages": dict(made.entries)}
    assert json.loads(written) == expected
    assert written.startswith("{" if indent is None else json.dumps(expected, indent=indent)[:20])


def test_hidden_lockfile_keeps_windows_line_breaks(tmp_path: Path):
    made = MadeProject({"dependencies": {"x": "1"}}, {"node_modules/x": entry("1.0.0")})
    folder = made.write(tmp_path)
    text = json.dumps(made.lock, indent=2).replace("\n", "\r\n")
    Path(folder, "package-lock.json").write_bytes(text.encode())
    assert "\n" not in our_hidden_lockfile(folder).replace("\r\n", "")


def test_hidden_lockfile_of_nothing_is_complete(tmp_path: Path):
    folder = MadeProject({}).write(tmp_path)
    assert json.loads(our_hidden_lockfile(folder))["packages"] == {}
