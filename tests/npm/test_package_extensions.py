"""The rules of ``packageExtensions``: what may stand there, what they are for, what they make of a manifest."""

from __future__ import annotations

import json
from typing import Any

import pytest

from pmpipe.errors import ManifestError, RepairError
from pmpipe.npm.manifests.package_extensions import PackageExtensions, workspace_warnings
from pmpipe.npm.packages.packument import RawManifest


def read(rules: Any) -> PackageExtensions:
    return PackageExtensions(json.dumps({"name": "app", "packageExtensions": rules}, indent=2).encode(), "package.json")


@pytest.mark.parametrize(
    ("rules", "fault"),
    [
        (None, "3:24: packageExtensions must be an object of rules"),
        ([], "3:24: packageExtensions must be an object of rules"),
        ({"a@latest": {}}, "4:17: packageExtensions > a@latest is for latest, which is no range"),
        ({"a@npm:b@1": {}}, "is for npm:b@1, which is no range"),
        ({"a@file:x": {}}, "is for file:x, which is no range"),
        ({"@s/a@": {}}, "@s/a@ lacks its range"),
        ({"a@ ": {}}, "lacks its range"),
        ({"": {}}, "does not begin with the name of a package"),
        ({".a": {}}, "does not begin with the name of a package"),
        ({"a": []}, "a must be an object of dependencies"),
        ({"a": {"scripts": {}}}, "a > scripts cannot be repaired"),
        ({"a": {"dependencies": []}}, "a > dependencies must be an object"),
        (
            {"a": {"dependencies": {"b": None}}},
            "6:14: packageExtensions > a > dependencies > b would take something away",
        ),
        ({"a": {"optionalDependencies": {"b": False}}}, "would take something away"),
        ({"a": {"peerDependencies": {"b": "-"}}}, "would take something away"),
        ({"a": {"peerDependencies": {"b": 1}}}, "a > peerDependencies > b must be a string"),
        ({"a": {"peerDependenciesMeta": {"b": True}}}, "a > peerDependenciesMeta > b must be an object"),
    ],
)
def test_a_fault_is_said_with_its_place(rules: Any, fault: str) -> None:
    with pytest.raises(ManifestError) as caught:
        read(rules)
    assert fault in str(caught.value)


def test_all_faults_are_said_together() -> None:
    with pytest.raises(ManifestError) as caught:
        read({"a@latest": {"bin": {}}, "b": {"dependencies": {"c": None, "d": None}}})
    assert len(caught.value.details) == 4


@pytest.mark.parametrize(
    ("selector", "matching", "others"),
    [
        ("a", ["1.0.0", "2.0.0-rc.1", "no version", ""], []),
        ("a@1", ["1.0.0", "v1.2.0"], ["2.0.0", "1.0.0-rc.1", "", "no version"]),
        ("a@^1.2.0-rc || 3.x", ["1.2.0-rc.5", "1.3.0", "3.0.0"], ["1.3.0-rc.1", "2.0.0"]),
        ("a@*", ["1.0.0"], ["1.0.0-rc.1"]),
    ],
)
def test_a_rule_is_for_a_name_and_the_versions_of_a_range(
    selector: str, matching: list[str], others: list[str]
) -> None:
    rules = read({selector: {}})
    assert [version for version in (*matching, *others) if rules.would_match("a", version)] == matching
    assert not rules.would_match("b", "1.0.0")


def test_a_scoped_name_is_read_up_to_the_second_at() -> None:
    rule = read({"@s/a@^2": {}}).rules[0]
    assert (rule.name, rule.range) == ("@s/a", "^2")


def test_several_rules_for_one_package_are_refused() -> None:
    rules = read({"a": {}, "a@1": {}})
    assert rules.rule_for("a", "2.0.0") is rules.rules[0]
    with pytest.raises(RepairError, match=r'several packageExtensions are for a@1\.0\.0: "a", "a@1"'):
        rules.rule_for("a", "1.0.0")


def test_a_manifest_is_completed_and_stays_itself_as_it_was() -> None:
    manifest = RawManifest(
        name="a",
        version="1.0.0",
        dependencies={"b": "1"},
        peer_dependencies={"p": "1", "q": "1"},
        peer_dependencies_meta={"p": {"x": 1}},
    )
    fields: dict[str, Any] = {
        "dependencies": {"d": "1"},
        "optionalDependencies": {"o": "2"},
        "peerDependencies": {"p": "^2", "r": "*"},
        "peerDependenciesMeta": {"p": {"optional": True}},
    }
    repaired = read({"a@1": fields}).repaired(manifest)
    assert repaired is not None
    assert repaired.manifest.dependencies == {"b": "1", "d": "1"}
    assert repaired.manifest.optional_dependencies == {"o": "2"}
    assert repaired.manifest.peer_dependencies == {"p": "^2", "q": "1", "r": "*"}
    assert repaired.manifest.peer_dependencies_meta == {"p": {"x": 1, "optional": True}}
    assert repaired.applied == {
        "selector": "a@1",
        "dependencies": ["d"],
        "optionalDependencies": ["o"],
        "peerDependencies": ["p", "r"],
        "peerDependenciesMeta": ["p"],
    }
    assert manifest.dependencies == {"b": "1"}
    assert manifest.peer_dependencies_meta == {"p": {"x": 1}}


def test_what_a_package_bundles_does_not_grow() -> None:
    manifest = RawManifest(name="a", version="1.0.0", dependencies={"b": "1"}, bundle_dependencies=True)
    repaired = read({"a": {"dependencies": {"c": "1"}}}).repaired(manifest)
    assert repaired is not None
    assert repaired.manifest.bundle_dependencies == ["b"]


@pytest.mark.parametrize("name", [None, 1, "b"])
def test_another_package_is_left_alone(name: Any) -> None:
    assert read({"a": {"dependencies": {"c": "1"}}}).repaired(RawManifest(name=name, version="1.0.0")) is None


def test_fields_of_odd_types_do_not_count() -> None:
    manifest = RawManifest(name="a", version=1, dependencies="x", peer_dependencies_meta={"p": 1}, peer_dependencies=[])
    rules = read({"a": {"peerDependencies": {"p": "1"}, "peerDependenciesMeta": {"p": {"optional": True}}}})
    repaired = rules.repaired(manifest)
    assert repaired is not None
    assert repaired.manifest.dependencies == "x"
    assert repaired.manifest.peer_dependencies_meta == {"p": {"optional": True}}


def test_workspaces_are_told_that_nothing_is_done_to_them() -> None:
    workspaces: dict[str, Any] = {"a": {"version": "1.0.0"}, "b": {"packageExtensions": {}}, "c": {"version": 1}}
    lines = list(workspace_warnings(read({"a@1": {}}), workspaces))
    assert lines == [
        "packageExtensions do not change workspaces: a is one, and has its own package.json",
        "packageExtensions of the workspace b are ignored: only those of the project itself count",
    ]
