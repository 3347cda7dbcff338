"""Manifests that the project repairs: the locks of small registries, made by npm 12, one rule each.

A case in ``repairs`` is one of `playing`, except for `lock`: what npm 12.2.1 writes with ``--package-lock-only``,
without addresses and digests.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from playing import extensions_of, lock_text, resolve

from pmpipe.errors import RepairError
from pmpipe.npm.locks.lock_writer import write_lockfile
from pmpipe.resolver import locked_entries

CASES = Path(__file__).parent / "repairs"
URL = "https://registry.example"


def bare(lock: bytes) -> dict[str, Any]:
    """A lock without addresses and digests."""
    document: dict[str, Any] = json.loads(lock)
    for entry in document["packages"].values():
        entry.pop("integrity", None)
        if "link" not in entry:
            entry.pop("resolved", None)
    return document


@pytest.mark.parametrize("name", sorted(path.stem for path in CASES.glob("*.json")))
def test_makes_npms_lock(name: str) -> None:
    case = json.loads((CASES / f"{name}.json").read_text())
    before = None
    if "before" in case:
        earlier = {key: value for key, value in case.items() if key != "before"}
        before = lock_text(resolve({**earlier, "project": case["before"]}, "/app", URL))
    tree = resolve(case, "/app", URL, npms_old=before)
    version = json.loads(before)["lockfileVersion"] if before is not None else 3
    made = write_lockfile(tree.lock_document(lockfile_version=version, old_lock=before or b""))
    assert write_lockfile(bare(made)).decode() == json.dumps(case["lock"], indent=2, ensure_ascii=False) + "\n"


REGISTRY: dict[str, Any] = {
    "a": {"1.0.0": {"dependencies": {"b": "1"}, "optionalDependencies": {"c": "1"}}, "2.0.0": {}},
    "b": {"1.0.0": {}},
    "c": {"1.0.0": {}},
}


def project(rules: Any, **fields: Any) -> dict[str, Any]:
    return {"registry": REGISTRY, "project": {"name": "app", "packageExtensions": rules, **fields}}


@pytest.mark.parametrize("kind", ["dependencies", "optionalDependencies"])
@pytest.mark.parametrize(
    ("rules", "what"),
    [
        ({"a": {"dependencies": {"b": "2"}}}, "b is among its dependencies already"),
        ({"a@^1": {"dependencies": {"c": "2"}}}, "c is among its optionalDependencies already"),
        ({"a": {"optionalDependencies": {"b": "2"}}}, "b is among its dependencies already"),
        (
            {"a": {"dependencies": {"x": "2"}, "optionalDependencies": {"x": "2"}}},
            "x is among its dependencies already",
        ),
        ({"a": {"peerDependenciesMeta": {"b": {}}}}, "b is not among its peerDependencies"),
        ({"a": {}, "a@1": {}}, 'several packageExtensions are for a@1.0.0: "a", "a@1"'),
    ],
)
def test_a_rule_that_cannot_be_applied_ends_the_resolution(rules: Any, what: str, kind: str) -> None:
    with pytest.raises(RepairError) as caught:
        resolve(project(rules, **{kind: {"a": "1"}}), "/app", URL)
    assert what in str(caught.value)
    assert "package.json:" in str(caught.value)


def test_a_rule_for_a_version_that_is_not_taken_does_no_harm() -> None:
    tree = resolve(project({"a@1": {"dependencies": {"b": "1"}}}, dependencies={"a": "2"}), "/app", URL)
    assert "packageExtensionsApplied" not in json.loads(lock_text(tree))["packages"]["node_modules/a"]


def test_a_repair_that_a_guess_ahead_cannot_make_does_no_harm() -> None:
    # what is asked for ahead is a@1 of x, which the builder never takes
    registry = {**REGISTRY, "x": {"1.0.0": {"dependencies": {"a": "1"}}, "2.0.0": {}}}
    rules = {"a@1": {"dependencies": {"b": "1"}}}
    case = {**project(rules, dependencies={"x": "*"}, overrides={"a": "2"}), "registry": registry}
    assert "node_modules/x" in resolve(case, "/app", URL).nodes()


# -- without a lock, what is installed is begun with --------------------------------------------------------------


def installed(rules: Any, **fields: Any) -> bytes:
    """The hidden lockfile of a project."""
    document = json.loads(lock_text(resolve(project(rules, **fields), "/app", URL)))
    del document["packages"][""]
    return json.dumps(document).encode()


def resolved_anew(rules: Any, hidden: bytes, **fields: Any) -> dict[str, Any]:
    tree = resolve(project(rules, **fields), "/app", URL, npms_old=hidden)
    packages: dict[str, Any] = json.loads(lock_text(tree))["packages"]
    return packages


NEEDS_A = {"dependencies": {"a": "2"}}
RULES = {"a": {"dependencies": {"b": "1"}}}


@pytest.mark.parametrize(
    ("before", "after", "added"),
    [
        (RULES, RULES, {"b": "1"}),
        ({}, RULES, {"b": "1"}),
        (RULES, {}, None),
        (RULES, {"a": {"dependencies": {"c": "1"}}}, {"c": "1"}),
        (RULES, {"a": {"dependencies": {"b": "^1"}}}, {"b": "^1"}),
        (RULES, {"a@2": {"dependencies": {"b": "1"}}}, {"b": "1"}),
    ],
)
def test_an_installed_package_follows_the_rules_as_they_are_now(before: Any, after: Any, added: Any) -> None:
    packages = resolved_anew(after, installed(before, **NEEDS_A), **NEEDS_A)
    assert packages["node_modules/a"].get("dependencies") == added
    assert ("node_modules/b" in packages) is ("b" in (added or {}))


def test_an_installed_package_loses_what_rules_that_are_gone_have_added() -> None:
    case = {"registry": REGISTRY, "project": {"name": "app", **NEEDS_A}}
    packages = json.loads(lock_text(resolve(case, "/app", URL, npms_old=installed(RULES, **NEEDS_A))))["packages"]
    assert packages == {
        "": {"name": "app", "dependencies": {"a": "2"}},
        "node_modules/a": {key: packages["node_modules/a"][key] for key in ("version", "resolved", "integrity")},
    }


def test_the_rules_of_an_old_lock_are_known_by_its_own_entry() -> None:
    before = lock_text(resolve(project(RULES, **NEEDS_A), "/app", URL))
    hash_before = locked_entries(before)[""].package_extensions_hash
    rules = extensions_of(project(RULES)["project"])
    assert rules is not None
    assert hash_before == rules.hash
