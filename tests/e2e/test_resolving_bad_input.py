"""What cannot be resolved: each ends with status 1, changes nothing, and says what, who wants it, and what to do."""

from __future__ import annotations

import gzip
import json
import shutil
import time
from pathlib import Path
from typing import Any

import pytest
from support.packages import make_package, make_packument
from support.project import Project, Run
from support.registry import PackageRegistry, faults

LEAF = make_package("leaf", "1.0.0")
PRIVATE = make_package("leaf", "1.0.0", {"secret.txt": b"secret"})
MID = make_package("mid", "1.0.0", dependencies={"leaf": "^1.0.0"})


def refused(project: Project, *parts: str) -> Run:
    """The install fails, changes nothing (see `Project.judge`), and says all of this."""
    run = project.fails("install")
    for part in parts:
        assert part in run.stderr, run.stderr
    assert "Traceback" not in run.stderr
    assert not (project.folder / "package-lock.json").exists()
    assert not (project.folder / "node_modules").exists()
    return run


def serve(registry: PackageRegistry, name: str, body: bytes | dict[str, Any]) -> None:
    """Answer for a name with this document."""
    text = body if isinstance(body, bytes) else json.dumps(body).encode()
    registry.misbehave(f"/{name}", faults.body(text, content_type="application/json"))


def packument(registry: PackageRegistry, **fields: Any) -> dict[str, Any]:
    """The packument of `LEAF`, with these fields changed."""
    whole = make_packument([LEAF], registry.url, dist_tags={"latest": "1.0.0"}, abbreviated=False)
    return {**whole, **fields}


# -- what is not there ----------------------------------------------------------------------------------------------


def test_no_such_package(project: Project) -> None:
    project.declare(dependencies={"nowhere": "^1.0.0"})
    refused(
        project,
        "error[PM_REGISTRY]: nowhere could not be fetched",
        "404",
        "required by the project, as nowhere@^1.0.0",
        "hint:",
    )


def test_no_such_package_further_down_is_told_with_the_way_to_it(project: Project) -> None:
    project.declare(
        make_package("top", "1.0.0", dependencies={"middle": "1"}),
        make_package("middle", "1.0.0", dependencies={"nowhere": "2"}),
        dependencies={"top": "1"},
    )
    refused(project, "nowhere could not be fetched", "the project > top@1.0.0 > middle@1.0.0, as nowhere@2", "hint:")


def test_all_packages_that_are_not_there_are_told_at_once(project: Project) -> None:
    project.declare(dependencies={f"nowhere-{number}": "1" for number in range(5)})
    run = refused(project)
    assert all(f"nowhere-{number} could not be fetched" in run.stderr for number in range(5))


def test_no_matching_version_is_told_with_what_there_is(project: Project, registry: PackageRegistry) -> None:
    registry.publish(make_package("leaf", "3.0.0-rc.1"), tag="next")
    project.declare(
        *(make_package("leaf", version) for version in ("0.9.0", "1.0.0", "2.1.0")), dependencies={"leaf": "^1.5.0"}
    )
    refused(
        project,
        "error[PM_NO_MATCHING_VERSION]: no version of leaf matches ^1.5.0",
        "tags: next: 3.0.0-rc.1, latest: 2.1.0",
        "nearest: 2.1.0, 1.0.0, 0.9.0",
        "required by the project, as leaf@^1.5.0",
        "hint: correct what package.json or the command line asks for",
    )


def test_no_matching_version_further_down_hints_at_overrides(project: Project) -> None:
    project.declare(LEAF, make_package("user", "1.0.0", dependencies={"leaf": "9"}), dependencies={"user": "1"})
    refused(project, "no version of leaf matches 9", "the project > user@1.0.0, as leaf@9", "overrides in package.json")


def test_only_who_asks_for_a_version_that_there_is_not_is_blamed(project: Project) -> None:
    project.declare(
        LEAF,
        make_package("user", "1.0.0", dependencies={"leaf": "1"}),
        make_package("sharing", "1.0.0", peerDependencies={"leaf": "1"}),
        dependencies={"user": "1", "sharing": "1", "leaf": "1"},
    )
    project.succeeds("install")
    run = project.fails("install", "leaf@9")
    assert (
        "required by the project, as leaf@9\nhint: correct what package.json or the command line asks for" in run.stderr
    )


@pytest.mark.parametrize("wanted", ["^1.0.0", "1.0.0", "latest", "*"])
def test_a_version_that_is_too_new_is_told_with_what_leaves_it_out(
    project: Project, registry: PackageRegistry, wanted: str
) -> None:
    serve(registry, "leaf", packument(registry, time={"1.0.0": "2026-05-04T03:02:01.000Z"}))
    project.declare(dependencies={"leaf": wanted})
    project.write(".npmrc", "before=2026-01-31\n")
    run = refused(
        project,
        f"error[PM_NO_MATCHING_VERSION]: no version of leaf matches {wanted} and was published until 2026-01-31T00:00",
        "published later: 1.0.0",
        "required by the project",
        "hint: before or min-release-age leaves out newer versions",
    )
    assert "correct what package.json or the command line asks for" not in run.stderr


def test_a_version_that_there_never_was_is_told_as_such_whatever_its_date(
    project: Project, registry: PackageRegistry
) -> None:
    serve(registry, "leaf", packument(registry, time={"1.0.0": "2026-05-04T03:02:01.000Z"}))
    project.declare(dependencies={"leaf": "9"})
    project.write(".npmrc", "before=2026-01-31\n")
    refused(
        project,
        "no version of leaf matches 9\n",
        "nearest: 1.0.0",
        "hint: correct what package.json or the command line asks for",
    )


def test_no_such_tag(project: Project) -> None:
    project.declare(LEAF, dependencies={"leaf": "nightly"})
    refused(project, "no version of leaf matches nightly", "tags: latest: 1.0.0", "required by the project")


@pytest.mark.parametrize("document", [{}, {"name": "leaf", "versions": {}}, {"versions": {}, "dist-tags": {}}])
def test_a_package_without_versions_is_the_registrys_matter(
    project: Project, registry: PackageRegistry, document: dict[str, Any]
) -> None:
    serve(registry, "leaf", document)
    project.declare(dependencies={"leaf": "1"})
    refused(
        project,
        "no version of leaf matches 1",
        "required by the project",
        "hint: the registry's data has no version of it at all",
    )


# -- specs and manifests --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "spec",
    ["http://", "git+https://", "npm:", "npm:@", "ftp://registry.example/a.tgz", "npm:..@1", "catalog:", "a b c@@"],
)
def test_a_spec_that_parses_as_nothing(project: Project, spec: str) -> None:
    project.declare(LEAF, dependencies={"leaf": spec})
    refused(project, "leaf", "hint:")


@pytest.mark.parametrize("name", ["../x", ".hidden", "node_modules", "a/b", "@x", "x" * 300, "a\\b"])
def test_a_name_that_no_package_can_have(project: Project, name: str) -> None:
    project.declare(dependencies={name: "1"})
    refused(project, "error[PM_SPEC]", "required by the project", "hint:")


def test_a_name_that_no_package_can_have_further_down(project: Project) -> None:
    project.declare(make_package("user", "1.0.0", dependencies={"../../x": "1"}), dependencies={"user": "1"})
    refused(project, "'../../x' is no name that a package can have", "the project > user@1.0.0")


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("", ["package.json:1:1", "empty"]),
        ('{\n  "name": "app",\n  "dependencies": {"leaf": }\n}', ["package.json:3:28"]),
        ('{\n  "dependencies": ["leaf"]\n}', ["package.json:2:19", "dependencies"]),
        ('{\n  "dependencies": {"leaf": 1}\n}', ["package.json", "dependencies"]),
        ('{"workspaces": "packages"}', ["package.json:1:16", "workspaces"]),
        ("[]", ["package.json:1:1"]),
        ('{"name": "app"\n<<<<<<< HEAD\n}', ["package.json:2:1", "merge conflicts"]),
        ('{"overrides": ' + '{"a": ' * 700 + '"1"' + "}" * 701, ["package.json", "nested too deeply"]),
        ('{"overrides": ' + '{"a": ' * 7_000 + '"1"' + "}" * 7_001, ["package.json", "nested too deeply"]),
    ],
)
def test_a_package_json_that_cannot_be_used(project: Project, text: str, parts: list[str]) -> None:
    project.write("package.json", text)
    refused(project, *parts)


def test_no_package_json(project: Project) -> None:
    refused(project, "there is no package.json")


def test_an_override_of_a_direct_dependency(project: Project) -> None:
    project.declare(LEAF, dependencies={"leaf": "^1.0.0"}, overrides={"leaf": "2.0.0"})
    refused(project, "override", "leaf", "hint:")


@pytest.mark.parametrize(
    "overrides", [{"mid>leaf": "1"}, {"mid/leaf": "1"}, {"**/leaf": "1"}, {"mid": {"a leaf": "1"}}, {"@scope": "1"}]
)
def test_an_override_for_what_is_no_package_name(project: Project, overrides: dict[str, Any]) -> None:
    project.declare(LEAF, MID, dependencies={"mid": "1"}, overrides=overrides)
    refused(project, "error[PM_MANIFEST]", "overrides > ", "names no package", "hint: a rule that holds only below")


@pytest.mark.parametrize("key", ["mid@1>leaf", "mid@1>leaf@1", "leaf@a b", "leaf@^1.x.y", "leaf@workspace:*"])
def test_an_override_for_what_is_no_range(project: Project, key: str) -> None:
    project.declare(LEAF, MID, dependencies={"mid": "1"}, overrides={key: "1"})
    refused(project, f"error[PM_MANIFEST]: package.json: overrides > {key} names no range", "hint: a rule that holds")


def test_an_override_for_a_tag_or_an_alias_is_passed_over(project: Project) -> None:
    overrides = {"leaf@latest": "2", "leaf@npm:mid@1": "2", "leaf@file:x": "2"}
    project.declare(LEAF, MID, dependencies={"mid": "1"}, overrides=overrides)
    project.succeeds("install")
    assert project.lock["packages"]["node_modules/leaf"]["version"] == "1.0.0"


def test_a_wrong_install_strategy(project: Project) -> None:
    project.declare(LEAF, dependencies={"leaf": "1"})
    project.write(".npmrc", "install-strategy=linked\n")
    refused(project, "install-strategy=linked")


# -- peers ----------------------------------------------------------------------------------------------------------


def test_a_circle_of_peers_is_installed(project: Project) -> None:
    one = make_package("one", "1.0.0", peerDependencies={"two": "1"})
    two = make_package("two", "1.0.0", peerDependencies={"three": "1"})
    three = make_package("three", "1.0.0", peerDependencies={"one": "1"})
    project.declare(one, two, three, dependencies={"one": "1"})
    project.succeeds("install")
    project.assert_installed({f"node_modules/{package.name}": package for package in (one, two, three)})


def test_a_peer_that_cannot_be_had_is_told_with_the_reason(project: Project, registry: PackageRegistry) -> None:
    user = make_package("user", "1.0.0", peerDependencies={"gone": ">=1"})
    project.declare(user, dependencies={"user": "1", "gone": "^1.0.0"})
    run = refused(
        project,
        "error[PM_PEER_CONFLICT]: the peer dependencies of the project > user@1.0.0 cannot be had",
        "user@1.0.0 needs peer gone@>=1",
        "the project needs gone@^1.0.0",
        "but gone cannot be had: gone could not be fetched: 404 Not Found",
        f"url: {registry.url}/gone",
        "hint: check the name and version",
    )
    assert "there already" not in run.stderr


def test_a_circle_of_peers_that_displace_each_other_is_refused(project: Project) -> None:
    project.declare(
        *(make_package("one", f"{n}.0.0", peerDependencies={"two": f"{3 - n}"}) for n in (1, 2)),
        *(make_package("two", f"{n}.0.0", peerDependencies={"one": f"{n}"}) for n in (1, 2)),
        dependencies={"one": "1", "two": "2"},
    )
    run = project.run("install", alone=False)
    assert run.status in (0, 1)
    assert "Traceback" not in run.stderr
    if run.status:
        assert "error[PM_PEER_CONFLICT]" in run.stderr


# -- workspaces -----------------------------------------------------------------------------------------------------


def workspace(project: Project, path: str, name: str, version: str = "1.0.0", **fields: Any) -> None:
    project.write(f"{path}/package.json", json.dumps({"name": name, "version": version, **fields}))


def test_a_workspace_pattern_that_matches_nothing_is_no_obstacle(project: Project) -> None:
    project.declare(LEAF, dependencies={"leaf": "1"}, workspaces=["nothing/*"])
    project.succeeds("install")
    project.assert_installed({"node_modules/leaf": LEAF})


def test_one_name_for_two_workspaces_is_refused(project: Project) -> None:
    project.declare(workspaces=["packages/*"])
    workspace(project, "packages/a", "same")
    workspace(project, "packages/b", "same")
    refused(project, "same", "packages/a", "packages/b")


def test_a_folder_that_two_patterns_match_is_one_workspace(project: Project) -> None:
    project.declare(workspaces=["packages/*", "packages/a"])
    workspace(project, "packages/a", "a")
    project.succeeds("install")
    assert set(project.lock["packages"]) == {"", "node_modules/a", "packages/a"}


def test_a_workspace_that_its_sibling_wants_in_another_version_is_looked_up(project: Project) -> None:
    project.declare(workspaces=["packages/*"])
    workspace(project, "packages/a", "a")
    workspace(project, "packages/b", "b", dependencies={"a": "^2.0.0"})
    refused(project, "a could not be fetched", "workspace b@1.0.0", "a@^2.0.0")


def test_a_workspace_with_a_faulty_package_json_is_named(project: Project) -> None:
    project.declare(workspaces=["packages/*"])
    project.write("packages/a/package.json", '{\n  "name": }')
    refused(project, "packages/a/package.json:2:11")


def test_a_workspaces_dependency_that_is_not_there_is_told_with_the_workspace(project: Project) -> None:
    project.declare(workspaces=["packages/*"])
    workspace(project, "packages/a", "a", dependencies={"nowhere": "1"})
    refused(project, "nowhere could not be fetched", "workspace a@1.0.0", "as nowhere@1")


@pytest.mark.parametrize("top", [{"workspaces": ["packages/*"]}, {"dependencies": {"@scope/one": "file:packages/a"}}])
def test_a_folder_is_told_by_its_packages_name(project: Project, top: dict[str, Any]) -> None:
    project.declare(**top)
    workspace(project, "packages/a", "@scope/one", dependencies={"nowhere": "1"})
    run = refused(project, "nowhere could not be fetched", "@scope/one@1.0.0, as nowhere@1")
    assert "npm:" not in run.stderr


# -- packuments -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"null",
        b"[]",
        b"not json",
        b'{"name": "leaf", "versions": {"1.0.0": {"version": "1.0.0"',
        b'{"versions": []}',
        b"<!doctype html><title>Sign in</title>",
        b'{"x":' + b"[" * 50_000,
    ],
)
def test_a_packument_that_is_none(project: Project, registry: PackageRegistry, body: bytes) -> None:
    serve(registry, "leaf", body)
    project.declare(MID, dependencies={"mid": "1"})
    refused(project, "the registry's answer for leaf", "the project > mid@1.0.0, as leaf@^1.0.0", "hint:")


@pytest.mark.parametrize("fault", [faults.truncate(60), faults.corrupt(at=30), faults.header("Content-Encoding", "br")])
def test_a_compressed_packument_that_is_damaged(
    project: Project, registry: PackageRegistry, fault: faults.Fault
) -> None:
    registry.misbehave("/leaf", fault)
    project.declare(LEAF, dependencies={"leaf": "1"})
    refused(project, "leaf", "required by the project", "hint:")


def test_a_packument_that_ends_too_early_is_tried_again(project: Project, registry: PackageRegistry) -> None:
    registry.misbehave("/leaf", faults.short_body(missing=10), first=2)
    project.declare(LEAF, dependencies={"leaf": "1"})
    project.succeeds("install")
    assert len(registry.requests_for("/leaf")) == 3


def test_a_registry_that_is_overloaded_is_tried_again(project: Project, registry: PackageRegistry) -> None:
    registry.misbehave("/*", faults.status(503), first=2)
    project.declare(LEAF, MID, dependencies={"mid": "1"})
    project.succeeds("install")
    project.assert_installed({"node_modules/leaf": LEAF, "node_modules/mid": MID})


def test_a_packument_of_200_megabytes_is_refused_in_bounded_memory_and_time(
    project: Project, registry: PackageRegistry
) -> None:
    serve(registry, "leaf", b'{"name":"leaf","x":"' + b" " * (200 << 20) + b'"}')
    project.declare(dependencies={"leaf": "1"})
    # no process may have more than this for itself
    project.prefix = ("prlimit", f"--data={600 << 20}")
    began = time.monotonic()
    refused(project, "leaf could not be fetched", "bytes", "required by the project")
    assert time.monotonic() - began < 20


def test_a_small_packument_that_unpacks_to_200_megabytes_is_refused(
    project: Project, registry: PackageRegistry
) -> None:
    bomb = gzip.compress(b'{"name":"leaf","x":"' + b" " * (200 << 20) + b'"}')
    serve(registry, "leaf", bomb)
    registry.misbehave("/leaf", faults.header("Content-Encoding", "gzip"))
    project.declare(dependencies={"leaf": "1"})
    refused(project, "the registry's answer for leaf cannot be read", "required by the project")


def test_a_version_without_dist_is_refused(project: Project, registry: PackageRegistry) -> None:
    serve(registry, "leaf", packument(registry, versions={"1.0.0": {"name": "leaf", "version": "1.0.0"}}))
    project.declare(dependencies={"leaf": "1"})
    run = project.run("install")
    assert run.status == 1
    assert "leaf" in run.stderr
    assert "hint:" in run.stderr


def _nested(levels: int) -> dict[str, Any]:
    document: dict[str, Any] = {}
    for _ in range(levels):
        document = {"a": document}
    return document


@pytest.mark.parametrize("field", ["dependencies", "engines", "license"])
def test_a_version_whose_data_are_nested_too_deeply_is_refused(
    project: Project, registry: PackageRegistry, field: str
) -> None:
    version = {**LEAF.published(registry.url), field: _nested(700)}
    serve(registry, "leaf", packument(registry, versions={"1.0.0": version}))
    project.declare(MID, dependencies={"mid": "1"})
    refused(project, "data for leaf@1.0.0 is nested too deeply", "the project > mid@1.0.0, as leaf@^1.0.0")


def test_a_bundled_package_whose_data_are_nested_too_deeply_is_refused(
    project: Project, registry: PackageRegistry
) -> None:
    inner = json.dumps({"name": "inner", "version": "1.0.0", "dependencies": _nested(700)}).encode()
    files = {"index.js": b"", "node_modules/inner/package.json": inner}
    outer = make_package("outer", "1.0.0", files, dependencies={"inner": "1"}, bundleDependencies=["inner"])
    project.declare(outer, dependencies={"outer": "1"})
    refused(project, "outer", "nested too deeply")


@pytest.mark.parametrize(
    "dist",
    [
        {"tarball": 7},
        {"tarball": "ftp://registry.example/a.tgz", "integrity": LEAF.integrity},
        {"tarball": "javascript:1", "integrity": LEAF.integrity},
        {"tarball": "", "integrity": ""},
        {"tarball": "http://" + "a" * 200_000, "integrity": LEAF.integrity},
    ],
)
def test_a_version_with_a_dist_that_leads_nowhere_is_refused(
    project: Project, registry: PackageRegistry, dist: dict[str, Any]
) -> None:
    serve(registry, "leaf", packument(registry, versions={"1.0.0": {"name": "leaf", "version": "1.0.0", "dist": dist}}))
    project.declare(dependencies={"leaf": "1"})
    refused(project, "leaf")


@pytest.fixture
def private(project: Project) -> Path:
    """A tarball beside the project, and a folder of the same content."""
    folder = project.base / "private"
    folder.mkdir()
    (folder / "package.json").write_text('{"name": "leaf", "version": "1.0.0"}')
    (folder / "secret.txt").write_text("secret")
    (project.base / "private.tgz").write_bytes(PRIVATE.tarball)
    return folder


def assert_not_packed(project: Project) -> None:
    assert not list(project.store.rglob("secret.txt"))


@pytest.mark.parametrize("brings", [{}, {"bundleDependencies": ["x"]}, {"_hasShrinkwrap": True}])
@pytest.mark.parametrize("has_digest", [True, False])
@pytest.mark.parametrize(
    "address",
    ["{0}", "{0}.tgz", "file:{0}", "file:{0}.tgz", "file://{0}.tgz", "FILE:{0}.tgz", "private.tgz", "http:{0}"],
)
def test_a_registry_cannot_have_files_of_this_machine_opened(
    project: Project,
    registry: PackageRegistry,
    private: Path,
    address: str,
    brings: dict[str, Any],
    has_digest: bool,
) -> None:
    digest = {"integrity": PRIVATE.integrity} if has_digest else {}
    dist = {"tarball": address.format(private), **digest}
    manifest = {"name": "leaf", "version": "1.0.0", "dist": dist, **brings}
    serve(registry, "leaf", packument(registry, versions={"1.0.0": manifest}))
    project.declare(MID, dependencies={"mid": "1"})
    refused(
        project,
        "error[PM_TARBALL_ADDRESS]: the registry's data for leaf@1.0.0 has an address for its tarball that is not http",
        f"dist.tarball: {dist['tarball']}",
        "required by the project > mid@1.0.0, as leaf@^1.0.0",
    )
    assert_not_packed(project)


@pytest.mark.parametrize(
    "address", ["git+ssh://git@registry.example/x.git#" + "a" * 40, "git+file:///x#" + "a" * 40, "data:,x", "ftp://x/y"]
)
def test_a_registry_names_tarballs_by_http_and_https_only(
    project: Project, registry: PackageRegistry, address: str
) -> None:
    dist = {"tarball": address, "integrity": LEAF.integrity}
    manifest = {"name": "leaf", "version": "1.0.0", "dist": dist, "bundleDependencies": ["x"]}
    serve(registry, "leaf", packument(registry, versions={"1.0.0": manifest}))
    project.declare(dependencies={"leaf": "1"})
    refused(
        project,
        "error[PM_TARBALL_ADDRESS]",
        "required by the project, as leaf@1",
        "hint: the registry is at fault: whoever runs it has to correct dist.tarball",
    )


@pytest.mark.parametrize(
    ("path", "target"),
    [
        ("/leaf/-/leaf 1.0.0.tgz", "/leaf/-/leaf%201.0.0.tgz"),
        ("/leaf\\-\\leaf.tgz", "/leaf/-/leaf.tgz"),
        ("/leaf/-/le\taf.tgz?a b", "/leaf/-/leaf.tgz?a%20b"),
    ],
)
def test_a_tarball_is_asked_for_as_npm_repairs_its_address_and_locked_as_it_is(
    project: Project, registry: PackageRegistry, path: str, target: str
) -> None:
    dist = {"tarball": registry.url + path, "integrity": LEAF.integrity}
    serve(registry, "leaf", packument(registry, versions={"1.0.0": {"name": "leaf", "version": "1.0.0", "dist": dist}}))
    registry.misbehave("/leaf/-/*", faults.body(LEAF.tarball, content_type="application/octet-stream"))
    project.declare(dependencies={"leaf": "1"})
    project.succeeds("install")
    project.assert_installed({"node_modules/leaf": LEAF})
    assert project.lock["packages"]["node_modules/leaf"]["resolved"] == registry.url + path
    shutil.rmtree(project.store)
    project.succeeds("ci")
    project.assert_installed({"node_modules/leaf": LEAF})
    assert [one.target for one in registry.requests if one.path != "/leaf"] == [target] * 2


@pytest.mark.parametrize("address", ["{0}\\leaf.tgz", "{0}/leaf\n.tgz", "{0}/leaf.tgz?a\\b", "http://a b/leaf.tgz"])
def test_an_address_that_could_be_misread_is_the_registrys_fault(
    project: Project, registry: PackageRegistry, address: str
) -> None:
    dist = {"tarball": address.format(registry.url), "integrity": LEAF.integrity}
    serve(registry, "leaf", packument(registry, versions={"1.0.0": {"name": "leaf", "version": "1.0.0", "dist": dist}}))
    project.declare(dependencies={"leaf": "1"})
    run = refused(
        project,
        "error[PM_TARBALL_ADDRESS]: the registry's data for leaf@1.0.0 has an address for its tarball that cannot be",
        "dist.tarball: http://",
        "required by the project, as leaf@1",
        "hint: the registry is at fault",
    )
    assert "package-lock.json" not in run.stderr


def test_an_optional_package_whose_tarball_is_said_to_be_on_this_machine_is_left_out(
    project: Project, registry: PackageRegistry, private: Path
) -> None:
    manifest = {"name": "leaf", "version": "1.0.0", "dist": {"tarball": str(private)}, "bundleDependencies": ["x"]}
    serve(registry, "leaf", packument(registry, versions={"1.0.0": manifest}))
    other = make_package("other", "1.0.0")
    project.declare(other, dependencies={"other": "1"}, optionalDependencies={"leaf": "1"})
    run = project.succeeds("install")
    project.assert_installed({"node_modules/other": other})
    assert "leaf is left out" in run.stderr
    assert_not_packed(project)


@pytest.mark.parametrize("address", ["{0}.tgz", "file:{0}.tgz", "file:{0}", "ftp://registry.example/leaf.tgz"])
def test_a_lock_in_a_tarball_cannot_have_files_of_this_machine_installed(
    project: Project, private: Path, address: str
) -> None:
    entry = {"version": "1.0.0", "resolved": address.format(private), "integrity": PRIVATE.integrity}
    lock = {"name": "tool", "lockfileVersion": 3, "packages": {"": {}, "node_modules/leaf": entry}}
    files = {"npm-shrinkwrap.json": json.dumps(lock).encode()}
    tool = make_package("tool", "1.0.0", files, dependencies={"leaf": "1"}, _hasShrinkwrap=True)
    project.declare(LEAF, tool, dependencies={"tool": "1"})
    refused(
        project,
        "error[PM_ARCHIVE]: the lock in the tarball of tool@1.0.0",
        f"node_modules/leaf is resolved to {entry['resolved']}",
        "required by the project, as tool@1",
    )
    assert_not_packed(project)


def test_what_a_package_json_in_a_tarball_says_of_its_source_does_not_count(project: Project, private: Path) -> None:
    inner = {"name": "inner", "version": "1.0.0", "resolved": f"file:{private}.tgz", "bundleDependencies": ["x"]}
    files = {"node_modules/inner/package.json": json.dumps(inner).encode()}
    outer = make_package("outer", "1.0.0", files, dependencies={"inner": "1"}, bundleDependencies=["inner"])
    project.declare(outer, dependencies={"outer": "1"})
    project.succeeds("install")
    assert "resolved" not in project.lock["packages"]["node_modules/outer/node_modules/inner"]
    assert_not_packed(project)


@pytest.mark.parametrize("spec", ["file:{0}", "{0}.tgz", "file:../../../private", "file:../../../private.tgz"])
def test_a_package_cannot_ask_for_files_outside_of_the_project(project: Project, private: Path, spec: str) -> None:
    named = spec.format(private)
    project.declare(make_package("user", "1.0.0", dependencies={"leaf": named}), dependencies={"user": "1"})
    refused(
        project,
        f"error[PM_REFUSED_SOURCE]: leaf@{named} leads out of the project",
        f"the project > user@1.0.0, as leaf@{named}",
    )
    assert_not_packed(project)


def test_a_linked_folder_may_ask_for_what_lies_beside_it(project: Project, private: Path) -> None:
    linked = project.base / "linked"
    linked.mkdir()
    (linked / "package.json").write_text(
        '{"name": "linked", "version": "1.0.0", "dependencies": {"leaf": "file:../private"}}'
    )
    project.declare(dependencies={"linked": "file:../linked"})
    project.succeeds("install", "--package-lock-only")
    assert private.name in json.dumps(project.lock["packages"])


@pytest.mark.parametrize(
    "manifest", [None, [], "x", {"version": None}, {"version": 7}, {"version": "1.0.0", "dist": 7}]
)
def test_a_version_whose_data_cannot_be_used_is_refused(
    project: Project, registry: PackageRegistry, manifest: object
) -> None:
    serve(registry, "leaf", packument(registry, versions={"1.0.0": manifest}))
    project.declare(dependencies={"leaf": "1"})
    refused(project, "leaf", "required by the project", "hint:")


def test_odd_values_in_a_packument_are_no_obstacle(project: Project, registry: PackageRegistry) -> None:
    entry = {**LEAF.published(registry.url), "engines": ["node"], "bin": 7, "os": "linux", "dependencies": ["x"]}
    registry.publish(LEAF)
    serve(registry, "leaf", packument(registry, versions={"1.0.0": entry}, time=None))
    project.declare(dependencies={"leaf": "1"})
    project.succeeds("install")
    assert (project.folder / "node_modules/leaf/index.js").is_file()


def test_endless_texts_of_a_registry_are_cut(project: Project, registry: PackageRegistry) -> None:
    tags = {f"{'t' * 2_000}-{number}": "1.0.0" for number in range(200)}
    serve(registry, "leaf", packument(registry, **{"dist-tags": tags}))
    project.declare(dependencies={"leaf": "9"})
    run = refused(project, "no version of leaf matches 9")
    assert len(run.stderr) < 20_000


def test_what_would_move_a_cursor_is_written_out(project: Project, registry: PackageRegistry) -> None:
    serve(registry, "leaf", packument(registry, **{"dist-tags": {"\x1b[2J\u202e": "1.0.0"}}))
    project.declare(dependencies={"leaf": "9"})
    run = refused(project, "no version of leaf matches 9")
    assert "\x1b" not in run.stderr
    assert "\u202e" not in run.stderr


def test_hundreds_of_failures_at_once_make_a_readable_report(project: Project) -> None:
    project.declare(dependencies={f"nowhere-{number}": "1" for number in range(300)})
    run = refused(project, "could not be fetched")
    assert len(run.stderr) < 100_000


def test_a_limit_on_address_space_is_told(project: Project) -> None:
    project.declare(LEAF, dependencies={"leaf": "1"})
    project.prefix = ("prlimit", f"--as={384 << 20}")
    refused(project, "error[PM_HOST]", "hint: check the limit on address space")
