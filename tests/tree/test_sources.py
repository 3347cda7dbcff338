"""Where a package's bytes come from, and where the store keeps them."""

from __future__ import annotations

import pytest
from support.packages import integrity
from support.trees import wanted_link, wanted_package

from pmpipe.errors import LockfileError
from pmpipe.npm.packages.registry import Registries
from pmpipe.plan import GitCommit, LocalFolder, LocalTarball, RemoteTarball
from pmpipe.settings.config import Config
from pmpipe.tree.sources import entry_candidates, git_key, lacks_digest, origin_of
from pmpipe.tree.wanted import WantedPackage

COMMIT = "0123456789abcdef0123456789abcdef01234567"
FLAGS = {
    "registry": "https://registry.example/npm/",
    "@scope:registry": "https://scoped.example/",
    "//registry.example/:_authToken": "secret",
}


@pytest.fixture
def registries() -> Registries:
    return Config.load(FLAGS, {"HOME": "/nonexistent"}, "/nonexistent").registries


def package(resolved: str = "", name: str = "a", **fields: str) -> WantedPackage:
    return wanted_package(f"node_modules/{name}", resolved=resolved, **fields)


def test_a_package_without_resolved_comes_from_the_registry_of_its_scope(registries: Registries) -> None:
    assert origin_of(package(), registries, "/app") == RemoteTarball(
        "https://registry.example/npm/a/-/a-1.0.0.tgz", "Bearer secret"
    )
    scoped = origin_of(package(name="@scope/b"), registries, "/app")
    assert scoped == RemoteTarball("https://scoped.example/@scope/b/-/b-1.0.0.tgz", "")


def test_an_alias_comes_under_its_own_name(registries: Registries) -> None:
    alias = wanted_package("node_modules/a", name="real")
    origin = origin_of(alias, registries, "/app")
    assert isinstance(origin, RemoteTarball)
    assert origin.url.endswith("/real/-/real-1.0.0.tgz")


def test_a_token_goes_to_no_other_host(registries: Registries) -> None:
    origin = origin_of(package("https://other.example/a.tgz"), registries, "/app")
    assert origin == RemoteTarball("https://other.example/a.tgz", "")


@pytest.mark.parametrize(
    "endless",
    [
        package(f"https://other.example/{'x' * 8192}"),
        package(f"https://other.example/{'ü' * 4096}"),
        package(f"git+https://git.example/{'x' * 8192}.git#{COMMIT}"),
        package(f"file:{'x/' * 4096}a.tgz"),
        package("https://other.example/a.tgz", integrity=" ".join(integrity(bytes([n])) for n in range(90))),
        wanted_package("node_modules/a", name="y" * 8192),
    ],
)
def test_what_fits_in_no_message_between_processes_is_refused(registries: Registries, endless: WantedPackage) -> None:
    with pytest.raises(LockfileError, match=r"node_modules/a is resolved to .* characters"):
        origin_of(endless, registries, "/app")


def test_a_file_is_read_where_it_lies(registries: Registries) -> None:
    origin = origin_of(package("file:vendor/../a.tgz"), registries, "/app")
    assert origin == LocalTarball("/app/a.tgz")


def test_a_file_address_that_names_no_tarball_is_a_folder_to_be_copied(
    registries: Registries,
) -> None:
    assert origin_of(package("file:../lib"), registries, "/app") == LocalFolder("/lib")


@pytest.mark.parametrize(
    ("resolved", "expected"),
    [
        (f"git+https://git.example/x.git#{COMMIT}", GitCommit(("https://git.example/x.git",), COMMIT, "")),
        (f"git+https://git.example/x.git#{COMMIT.upper()}", GitCommit(("https://git.example/x.git",), COMMIT, "")),
        (f"git://git.example/x.git#{COMMIT}", GitCommit(("git://git.example/x.git",), COMMIT, "")),
        (
            f"git+ssh://git@github.com/o/r.git#{COMMIT}",
            GitCommit(("https://github.com/o/r.git", "ssh://git@github.com/o/r.git"), COMMIT, ""),
        ),
        (
            f"git+ssh://git@git.example/o/r.git#{COMMIT}::path:packages/a",
            GitCommit(("ssh://git@git.example/o/r.git",), COMMIT, "packages/a"),
        ),
    ],
)
def test_a_commit_comes_from_its_repository(registries: Registries, resolved: str, expected: GitCommit) -> None:
    assert origin_of(package(resolved), registries, "/app") == expected


@pytest.mark.parametrize(
    "resolved",
    [
        "garbage",
        "https://",
        "ftp://registry.example/a.tgz",
        "git+https://git.example/x.git#main",
        "git+https://git.example/x.git",
        "https://registry.example/" + "a" * 9000,
    ],
)
def test_what_is_no_address_is_refused(registries: Registries, resolved: str) -> None:
    with pytest.raises(LockfileError, match="node_modules/a is resolved to"):
        origin_of(package(resolved), registries, "/app")


def test_an_address_in_a_lock_that_could_be_misread_is_refused_with_what_to_do(registries: Registries) -> None:
    with pytest.raises(LockfileError, match="which is no address") as refusal:
        origin_of(package("https://registry.example\\@other.example/a.tgz"), registries, "/app")
    assert "package-lock.json" in refusal.value.hint


def test_neither_address_nor_version_is_refused(registries: Registries) -> None:
    with pytest.raises(LockfileError, match="neither resolved nor version"):
        origin_of(wanted_package("node_modules/a", ""), registries, "/app")


def test_each_digest_of_the_strongest_algorithm_is_a_candidate() -> None:
    both = f"{integrity(b'x', 'sha1')} {integrity(b'x')} {integrity(b'y')}"
    paths = entry_candidates("/s/v1", package(integrity=both))
    assert len(paths) == 2
    assert all(path.startswith("/s/v1/sha512/") for path in paths)


def test_without_a_digest_there_is_no_candidate() -> None:
    assert entry_candidates("/s/v1", package()) == ()
    assert entry_candidates("/s/v1", package(integrity="garbage")) == ()


def test_each_commit_has_a_candidate_of_its_own() -> None:
    one = package(f"git+https://git.example/x.git#{COMMIT}")
    other = package(f"git+https://git.example/x.git#{COMMIT[::-1]}")
    assert entry_candidates("/s/v1", one)[0].startswith("/s/v1/git/")
    assert entry_candidates("/s/v1", one) != entry_candidates("/s/v1", other)
    assert git_key(package("git-url-that-is-none").resolved) == ""


@pytest.mark.parametrize(
    ("one", "lacks"),
    [
        (package(), True),
        (package(integrity="garbage"), True),
        (package("https://registry.example/a.tgz"), True),
        (package(integrity=integrity(b"x")), False),
        (package("file:a.tgz"), False),
        (package(f"git+https://git.example/x.git#{COMMIT}"), False),
        (wanted_link("node_modules/x", "packages/x"), False),
        (wanted_package("node_modules/a", in_bundle=True), False),
    ],
)
def test_only_what_comes_over_the_network_needs_a_digest(one: WantedPackage, lacks: bool) -> None:
    assert lacks_digest(one) == lacks
