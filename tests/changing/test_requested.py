"""Arguments of `add`: what has to be asked for, which name and spec come of it, and what is refused."""

from __future__ import annotations

import json

import pytest
from support.packages import make_package, make_packument

from pmpipe.changing.requested import NamedSpec, additions_for, asks, named, read_arguments
from pmpipe.errors import InvalidSpecError, ManifestError, RegistryError
from pmpipe.npm.manifests.manifest_edit import Addition
from pmpipe.npm.packages.packument import Packument, decode_packument
from pmpipe.npm.packages.pick_manifest import PickOptions
from pmpipe.resolver import AskManifest, AskPackument, FedManifest, NoMatchingVersionError
from pmpipe.resolver.request import RequestKind


def read(*arguments: str, realpath=lambda path: path):
    return read_arguments(arguments, "/app", "/home/user", excluded="/app", realpath=realpath)


def packument(**tags: str) -> Packument:
    packages = [make_package("a", version) for version in ("1.0.0", "1.5.0", "2.0.0")]
    document = make_packument(packages, "https://registry.example", dist_tags=tags, abbreviated=False)
    return decode_packument(json.dumps(document).encode(), "a")


def test_names_ranges_and_aliases_need_no_answer():
    specs = read("a", "@s/b@^1", "c@npm:a@1", "d@./lib")
    assert asks(specs) == []
    found = named(specs, {}, PickOptions())
    assert found[:3] == [NamedSpec("a", "*"), NamedSpec("@s/b", "^1"), NamedSpec("c", "npm:a@1")]
    assert named(read("npm:a@1"), {}, PickOptions()) == [NamedSpec("a", "npm:a@1")]
    assert additions_for(found[3:], "/app/packages/x") == [Addition("d", "file:../../lib")]


def test_project_s_own_folder_is_no_dependency():
    assert read(".", "/app", "../app", "") == []


def test_tag_becomes_the_version_that_it_points_to():
    specs = read("a@next")
    assert asks(specs) == [AskPackument("a")]
    found = named(specs, {AskPackument("a"): packument(latest="2.0.0", next="1.5.0")}, PickOptions())
    assert found == [NamedSpec("a", "1.5.0")]


def test_unknown_tag_is_an_error_that_names_the_tags_and_versions():
    with pytest.raises(NoMatchingVersionError, match="no version of a matches nxt") as refusal:
        named(read("a@nxt"), {AskPackument("a"): packument(latest="2.0.0")}, PickOptions())
    assert "tags: latest: 2.0.0" in refusal.value.details


def test_folder_s_name_comes_from_its_manifest_and_its_path_is_followed():
    specs = read("./lib", realpath=lambda path: f"/real{path}")
    ask = AskManifest(RequestKind.FOLDER, "/real/app/lib", "", "", "")
    assert asks(specs) == [ask]
    found = named(specs, {ask: FedManifest({"name": "inner"})}, PickOptions())
    assert found == [NamedSpec("inner", "./lib", "/real/app/lib")]


@pytest.mark.parametrize(
    ("argument", "kind"),
    [
        ("./a.tgz", RequestKind.TARBALL_FILE),
        ("https://registry.example/a.tgz", RequestKind.TARBALL_URL),
        ("user/repo#v1", RequestKind.GIT),
        ("git+https://git.example/repo.git", RequestKind.GIT),
    ],
)
def test_name_of_what_no_registry_lists_is_asked_for(argument, kind):
    (ask,) = asks(read(argument))
    assert isinstance(ask, AskManifest)
    assert ask.kind is kind
    (found,) = named(read(argument), {ask: FedManifest({"name": "a"})}, PickOptions())
    assert found.name == "a"


@pytest.mark.parametrize("name", [None, "", "../x", ".bin", 7])
def test_manifest_without_a_usable_name_is_refused(name):
    specs = read("./lib")
    with pytest.raises(ManifestError, match="name"):
        named(specs, {asks(specs)[0]: FedManifest({"name": name})}, PickOptions())


def test_answer_that_is_an_error_is_raised():
    with pytest.raises(RegistryError, match="no package"):
        named(read("a@next"), {AskPackument("a"): RegistryError("no package a")}, PickOptions())


@pytest.mark.parametrize("argument", ["^1.0.0", "@s", "a@b@c", "a@foo:bar"])
def test_argument_that_names_nothing_is_refused(argument):
    with pytest.raises(InvalidSpecError):
        read(argument)
