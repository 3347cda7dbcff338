"""Which packuments are asked for before the resolver is loaded."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import msgspec
import pytest
from support.loaded_modules import modules_loaded_by

from pmpipe.changing.change_resolver import Action, ChangeOrder
from pmpipe.changing.requested import read_arguments
from pmpipe.npm.packages.registry import Registries, ScopeRegistry
from pmpipe.resolver import AskPackument, Project
from pmpipe.resolver.project import LockedEntry
from pmpipe.resolving.beginning import first_wants, new_wants
from pmpipe.resolving.foreseen import FORESEEN
from pmpipe.resolving.wants import Wants
from pmpipe.store import Store
from stages.document_cache import FOLDER_NAME

REGISTRIES = Registries(
    configured="https://registry.example/", by_scope={"@corp": ScopeRegistry("https://corp.example/", "")}
)
STORE = Store("/s")


def asked_for(manifest: dict[str, Any]) -> list[str]:
    return [want.label for want in first_wants(json.dumps(manifest).encode(), REGISTRIES, STORE)]


def test_the_projects_own_dependencies_are_asked_for_once_each() -> None:
    manifest = {
        "dependencies": {"a": "^1.0.0", "@corp/b": "latest"},
        "devDependencies": {"c": "*", "a": "^1.0.0"},
        "optionalDependencies": {"d": "1.2.3"},
        "peerDependencies": {"e": "1"},
    }
    assert asked_for(manifest) == ["a", "@corp/b", "c", "d"]


def test_the_requests_are_those_of_the_resolver() -> None:
    (want,) = first_wants(b'{"dependencies":{"@corp/b":"1"}}', REGISTRIES, STORE)
    assert want == Wants.of(REGISTRIES, f"{STORE.folder}/{FOLDER_NAME}").want(FORESEEN, AskPackument("@corp/b"))
    assert want.url == "https://corp.example/@corp%2fb"


@pytest.mark.parametrize(
    "spec", ["npm:b@1", "file:../a", "./a", "a.tgz", "user/repo", "git+ssh://git.example/a", "https://x.example/a.tgz"]
)
def test_what_comes_from_elsewhere_is_not_asked_for(spec: str) -> None:
    assert asked_for({"dependencies": {"a": spec, "b": "1"}}) == ["b"]


@pytest.mark.parametrize("field", ["workspaces", "overrides", "resolutions", "packageExtensions"])
def test_nothing_is_asked_for_where_something_may_come_from_elsewhere_after_all(field: str) -> None:
    assert asked_for({"dependencies": {"a": "1"}, field: {}}) == []


@pytest.mark.parametrize(
    "text",
    [b"", b"{", b"[]", b"\xff", b'{"dependencies":{"a":1}}', b'{"dependencies":[]}', b'{"dependencies":{"..":"1"}}'],
)
def test_what_is_wrong_with_a_package_json_is_left_to_others(text: bytes) -> None:
    assert first_wants(text, REGISTRIES, STORE) == []


def test_a_registry_that_cannot_be_used_is_left_to_others() -> None:
    registries = Registries(configured="https://registry.example/", by_scope={"@b": ScopeRegistry("ftp://b", "")})
    assert first_wants(b'{"dependencies":{"a":"1","@b/b":"1"}}', registries, STORE) == []


def added(*words: str, workspaces: dict[str, Any] | None = None, store: Store = STORE) -> list[str]:
    specs = read_arguments(words, "/project", "/home", realpath=str)
    project = Project("/project", {"name": "app"}, workspaces or {})
    order = ChangeOrder(Action.ADD, project, specs=specs)
    return [want.label for want in new_wants(order, REGISTRIES, store)]


def test_what_is_added_is_asked_for_by_the_name_that_the_registry_knows() -> None:
    assert added("a", "@corp/b@^1", "c@next", "d@npm:e@2", "a@1") == ["a", "@corp/b", "c", "e"]


def test_what_is_added_from_elsewhere_is_not_asked_for() -> None:
    words = ["./a", "b@file:../b", "user/c", "https://x.example/d.tgz", "e@git+ssh://git.example/e"]
    assert added(*words, "f") == ["f"]


def test_the_name_of_a_workspace_is_told_nobody() -> None:
    assert added("app", "w", "a", workspaces={"packages/w": {"name": "w"}, "packages/x": {}}) == ["a"]


def test_what_is_new_in_package_json_is_asked_for() -> None:
    locked = {"": LockedEntry(name="app"), "node_modules/a": LockedEntry(version="1.0.0")}
    manifest = {"name": "app", "dependencies": {"a": "^2", "b": "1", "c": "npm:d@1", "app": "1"}}
    project = Project("/project", manifest, locked=locked)
    assert new_for(project) == ["b"]
    assert new_for(msgspec.structs.replace(project, locked=None)) == []
    assert new_for(msgspec.structs.replace(project, manifest={**manifest, "overrides": {}})) == []
    assert new_for(msgspec.structs.replace(project, manifest={"dependencies": {"b": "1", "..": "1"}})) == []


def new_for(project: Project) -> list[str]:
    return [want.label for want in new_wants(ChangeOrder(Action.KEEP, project), REGISTRIES, STORE)]


def test_what_is_kept_may_be_current(tmp_path: Path) -> None:
    store = Store(str(tmp_path))
    kept = Wants.of(REGISTRIES, f"{store.folder}/{FOLDER_NAME}").packument(AskPackument("a")).cache_path
    os.makedirs(os.path.dirname(kept))
    Path(kept).touch()
    assert added("a", "b", store=store) == ["b"]


def test_the_resolver_is_not_loaded_for_it() -> None:
    loaded = modules_loaded_by("import pmpipe.resolving.beginning")
    assert "pmpipe.resolving.machine" in loaded
    assert not loaded & {"pmpipe.resolver", "pmpipe.resolver.resolver", "stages.unpacking.inflate"}
