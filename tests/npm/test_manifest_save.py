"""Which spec is saved for what a dependency has come to."""

from __future__ import annotations

import pytest

from pmpipe.npm.manifests.manifest_save import FoundPackage, SavedSpec, spec_to_save


def saved(spec: str, version: str = "1.2.3", *, name: str = "a", prefix: str = "^", folder: str = "/app") -> str:
    return spec_to_save("a", spec, FoundPackage(name, version), folder, prefix=prefix, home="/home/user").text


@pytest.mark.parametrize(
    ("asked", "kept"),
    [
        ("*", "^1.2.3"),
        ("", "^1.2.3"),
        ("1.2.3", "^1.2.3"),
        ("^1.0.0", "^1.2.3"),
        ("1", "^1.2.3"),
        ("1.2", "1.2"),
        ("~1.2.0", "~1.2.0"),
        (">=1", "^1.2.3"),
        ("1.x <1.5", "1.x <1.5"),
        ("beta", "^1.2.3"),
    ],
)
def test_range_is_saved_from_the_installed_version_on_unless_that_is_wider(asked, kept):
    assert saved(asked) == kept


def test_exact_and_tilde_prefixes():
    assert saved("*", prefix="") == "1.2.3"
    assert saved("^1.0.0", prefix="") == "1.2.3"
    assert saved("1", prefix="~") == "~1.2.3"


@pytest.mark.parametrize(
    ("asked", "kept"),
    [
        ("npm:b", "npm:b@^1.2.3"),
        ("npm:b@next", "npm:b@^1.2.3"),
        ("npm:b@~1.2.0", "npm:b@~1.2.0"),
        ("npm:b@1.2.3", "npm:b@^1.2.3"),
    ],
)
def test_alias_names_the_package_that_it_stands_for(asked, kept):
    assert saved(asked, name="b") == kept


@pytest.mark.parametrize(
    ("asked", "kept"),
    [
        ("user/repo", "github:user/repo"),
        ("github:user/repo#v1", "github:user/repo#v1"),
        ("git+ssh://git@github.com/user/repo.git#semver:^1", "github:user/repo#semver:^1"),
        ("git+https://user:pw@github.com/user/repo.git#v1", "git+https://user:pw@github.com/user/repo.git#v1"),
        ("git+https://git.example/repo.git#main", "git+https://git.example/repo.git#main"),
        ("https://registry.example/a.tgz", "https://registry.example/a.tgz"),
    ],
)
def test_repository_and_address_are_saved_in_their_shortest_form(asked, kept):
    assert saved(asked) == kept


@pytest.mark.parametrize(
    ("asked", "kept"),
    [
        ("file:../lib", "file:../lib"),
        ("file:/app/lib", "file:lib"),
        ("file:lib/a.tgz", "file:lib/a.tgz"),
        ("file:~/a.tgz", "file:../home/user/a.tgz"),
    ],
)
def test_path_is_saved_relative_to_the_package_json(asked, kept):
    assert saved(asked) == kept


def test_workspace_is_saved_by_its_version():
    found = FoundPackage("a", "2.0.0", is_workspace=True)
    assert spec_to_save("a", "file:/app/packages/a", found, "/app", home="/") == SavedSpec("^2.0.0", is_local=True)
    found = FoundPackage("a", "", is_workspace=True)
    assert spec_to_save("a", "file:/app/packages/a", found, "/app", home="/") == SavedSpec("*", is_local=True)
