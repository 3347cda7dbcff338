"""``workspace:`` and ``catalog:`` specs, replaced by what they mean in the project."""

from __future__ import annotations

from typing import Any

import pytest

from pmpipe.errors import ManifestError
from pmpipe.npm.manifests.catalogs import catalogs_of
from pmpipe.npm.manifests.local_specs import spelled_out_documents

WORKSPACES = {
    "packages/a": {"name": "a", "version": "1.0.0"},
    "packages/b": {"name": "@s/b", "version": "1.2.3"},
    "tools/c": {"version": "0.1.0"},
}


def in_a(name: str, spec: str, **root: Any) -> str:
    """What a dependency of the workspace ``a`` becomes."""
    workspaces = {**WORKSPACES, "packages/a": {**WORKSPACES["packages/a"], "dependencies": {name: spec, "plain": "^1"}}}
    _, spelled_out = spelled_out_documents({"name": "root", **root}, workspaces, {})
    found = spelled_out["packages/a"]["dependencies"]
    assert found["plain"] == "^1"
    return found[name]


@pytest.mark.parametrize(
    ("name", "spec", "meaning"),
    [
        ("@s/b", "workspace:*", "file:../b"),
        ("@s/b", "workspace:", "file:../b"),
        ("@s/b", "workspace:^", "file:../b"),
        ("@s/b", "workspace:~", "file:../b"),
        ("@s/b", "workspace:^1.2", "file:../b"),
        ("@s/b", "workspace:1.2.3", "file:../b"),
        ("@s/b", "workspace:../b", "file:../b"),
        ("@s/b", "workspace:packages/b", "file:../b"),
        ("alias", "workspace:@s/b@^", "file:../b"),
        ("c", "workspace:*", "file:../../tools/c"),
        ("root", "workspace:*", "file:../.."),
        ("alias", "workspace:root@*", "file:../.."),
        ("root", "workspace:../..", "file:../.."),
    ],
)
def test_workspace_specs_become_the_folder_of_the_workspace(name: str, spec: str, meaning: str) -> None:
    assert in_a(name, spec) == meaning


@pytest.mark.parametrize(
    ("name", "spec", "why"),
    [
        ("root", "workspace:^2", "is not satisfied by the project itself: its version is missing"),
        ("nobody", "workspace:*", "asks for a workspace called nobody, and there is none"),
        ("@s/b", "workspace:^2", "its version is 1.2.3"),
        ("@s/b", "workspace:../nowhere", "asks for the workspace in packages/nowhere"),
        ("@s/b", "workspace:../../..", "asks for the workspace in .."),
        ("@s/b", "workspace:what is this", "names no range and no folder"),
    ],
)
def test_a_workspace_that_is_not_there_is_told(name: str, spec: str, why: str) -> None:
    with pytest.raises(ManifestError) as caught:
        in_a(name, spec)
    (line,) = caught.value.details
    assert line.startswith(f"packages/a/package.json: dependencies > {name}: ")
    assert why in line


def test_the_project_itself_may_ask_for_its_workspaces() -> None:
    root, _ = spelled_out_documents({"devDependencies": {"a": "workspace:*"}}, WORKSPACES, {})
    assert root["devDependencies"] == {"a": "file:packages/a"}


def test_what_needs_the_project_itself_may_be_given_it() -> None:
    document = {"name": "root", "devDependencies": {"root": "workspace:."}, "resolutions": {"root": "workspace:*"}}
    root, _ = spelled_out_documents(document, {}, {})
    assert root["devDependencies"] == root["resolutions"] == {"root": "file:."}


def test_a_workspace_counts_more_than_the_project_of_the_same_name() -> None:
    document = {"name": "a", "dependencies": {"a": "workspace:*"}, "devDependencies": {"a": "workspace:."}}
    root, _ = spelled_out_documents(document, WORKSPACES, {})
    assert (root["dependencies"], root["devDependencies"]) == ({"a": "file:packages/a"}, {"a": "file:."})


BUN = {"workspaces": {"packages": [], "catalog": {"x": "^5"}, "catalogs": {"old": {"x": "^4"}}}}


@pytest.mark.parametrize(
    ("spec", "meaning"), [("catalog:", "^5"), ("catalog:default", "^5"), ("catalog: old ", "^4"), ("catalog:old", "^4")]
)
def test_catalog_specs_become_what_the_catalog_has(spec: str, meaning: str) -> None:
    workspaces = {"packages/a": {"name": "a", "peerDependencies": {"x": spec}}}
    _, spelled_out = spelled_out_documents(BUN, workspaces, {})
    assert spelled_out["packages/a"]["peerDependencies"] == {"x": meaning}


@pytest.mark.parametrize(
    ("name", "spec", "why"),
    [
        ("x", "catalog:new", 'there is no catalog called "new" (there are: default, old)'),
        ("y", "catalog:", 'the catalog "default" has no y'),
    ],
)
def test_a_catalog_that_lacks_something_is_told(name: str, spec: str, why: str) -> None:
    with pytest.raises(ManifestError) as caught:
        in_a(name, spec, **BUN)
    assert why in caught.value.details[0]


def test_everything_that_is_missing_is_told_at_once() -> None:
    root = {"dependencies": {"x": "catalog:", "y": "workspace:*"}}
    with pytest.raises(ManifestError) as caught:
        spelled_out_documents(root, {"w": {"name": "w", "dependencies": {"z": "catalog:z"}}}, {})
    assert len(caught.value.details) == 3


def test_catalogs_may_stand_in_overrides_and_resolutions_and_lead_to_workspaces() -> None:
    root = {
        "catalog": {"x": "^5", "a": "workspace:*"},
        "dependencies": {"a": "catalog:"},
        "overrides": {"x": "catalog:", "p@1": {".": "1", "x": "catalog:"}},
        "resolutions": {"**/x": "catalog:"},
    }
    spelled_out, _ = spelled_out_documents(root, WORKSPACES, {})
    assert spelled_out["dependencies"] == {"a": "file:packages/a"}
    assert spelled_out["overrides"] == {"x": "^5", "p@1": {".": "1", "x": "^5"}}
    assert spelled_out["resolutions"] == {"**/x": "^5"}


def test_a_catalog_in_package_json_counts_more_than_one_elsewhere() -> None:
    root = {"catalog": {"x": "^5"}, "dependencies": {"x": "catalog:", "y": "catalog:"}}
    spelled_out, _ = spelled_out_documents(root, {}, {"default": {"x": "^6", "y": "^7"}})
    assert spelled_out["dependencies"] == {"x": "^5", "y": "^7"}


def test_junk_in_catalogs_is_left_out() -> None:
    assert catalogs_of({"catalog": {"x": 1, "y": "2"}, "catalogs": {"a": 3}, "workspaces": ["p"]}) == {
        "default": {"y": "2"},
        "a": {},
    }


def test_documents_without_such_specs_stay_as_they_are() -> None:
    root = {"dependencies": {"x": "^1"}}
    spelled_out, workspaces = spelled_out_documents(root, WORKSPACES, {})
    assert spelled_out is root
    assert all(workspaces[path] is one for path, one in WORKSPACES.items())
