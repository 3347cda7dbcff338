"""What the resolver asks for, as URLs with credentials, repositories and files."""

from __future__ import annotations

import pytest

from pmpipe.errors import ConfigError, InvalidSpecError, LockfileError
from pmpipe.npm.packages.registry import Registries, ScopeRegistry
from pmpipe.resolver import AskContents, AskManifest, AskPackument, Resolved
from pmpipe.resolver.request import read_request
from pmpipe.resolving.packument_requests import escaped_name
from pmpipe.resolving.wants import LONGEST_ADDRESS, Wants
from stages.document_cache import KeptHead
from stages.messages import WantCommit, WantDocument, WantTarball

REGISTRY = "https://registry.example/npm/"
DIGEST = f"sha512-{'a' * 86}=="


def wants(**registries: object) -> Wants:
    return Wants.of(Registries(**{"configured": REGISTRY, **registries}), "/cache")


def document(name: str, **registries: object) -> WantDocument:
    want = wants(**registries).want(3, AskPackument(name))
    assert isinstance(want, WantDocument)
    return want


# -- packuments -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "path"),
    [
        ("react", "react"),
        ("lodash.get", "lodash.get"),
        ("@scope/name", "@scope%2fname"),
        ("JSONStream", "JSONStream"),
        ("a~b", "a~b"),
        ("a b", "a%20b"),
        ("a?b#c", "a%3fb%23c"),
        ("caf\u00e9", "caf%c3%a9"),
        ("..a", "..a"),
    ],
)
def test_a_name_is_escaped_in_a_packuments_url(name: str, path: str) -> None:
    assert document(name).url == f"{REGISTRY}{path}"


@pytest.mark.parametrize("name", ["", ".", "..", "@a/..", "../a", "a//b", "/a", "a/"])
def test_a_name_that_would_lead_elsewhere_is_refused(name: str) -> None:
    with pytest.raises(InvalidSpecError, match="is no name of a package"):
        escaped_name(name)


def test_a_scopes_packument_comes_from_its_registry() -> None:
    scopes = {"@corp": ScopeRegistry("https://corp.example/x", "/p/.npmrc, line 1")}
    assert document("@corp/a", by_scope=scopes).url == "https://corp.example/x/@corp%2fa"
    assert document("@other/a", by_scope=scopes).url == f"{REGISTRY}@other%2fa"


def test_a_scopes_registry_that_cannot_be_used_is_told() -> None:
    scopes = {"@corp": ScopeRegistry("${NOTHING}", "/p/.npmrc, line 1")}
    with pytest.raises(ConfigError, match="@corp"):
        document("@corp/a", by_scope=scopes)


def test_a_token_goes_to_its_registry_only() -> None:
    scopes = {"@corp": ScopeRegistry("https://corp.example/", "/p/.npmrc, line 1")}
    auth = {"//corp.example/:_authToken": "secret"}
    assert document("@corp/a", by_scope=scopes, auth=auth).authorization == "Bearer secret"
    assert document("a", by_scope=scopes, auth=auth).authorization == ""


def test_a_user_in_the_registrys_url_becomes_a_credential() -> None:
    want = document("a", configured="https://user:pass@registry.example/")
    assert (want.url, want.authorization) == ("https://registry.example/a", "Basic dXNlcjpwYXNz")


def test_many_names_of_one_registry_have_different_places() -> None:
    one = wants()
    found = [one.packument(AskPackument(name)) for name in ("a", "b", "@s/a", "a")]
    assert len({address.cache_path for address in found}) == 3
    assert found[0] == found[3]
    assert all(address.cache_path.startswith("/cache/") for address in found)


def test_the_validators_of_the_kept_copy_are_sent() -> None:
    head = KeptHead(f"{REGISTRY}a", '"e"', "yesterday", 0, gzipped=True, length=9)
    want = wants().want(0, AskPackument("a"), head)
    assert isinstance(want, WantDocument)
    assert (want.etag, want.last_modified) == ('"e"', "yesterday")


# -- tarballs -------------------------------------------------------------------------------------------------------


def contents(resolved: str, integrity: str = DIGEST, **registries: object) -> WantTarball:
    ask = AskContents("a", "1.0.0", resolved, integrity, wants_bundle=True, wants_shrinkwrap=False)
    want = wants(**registries).want(1, ask)
    assert isinstance(want, WantTarball)
    return want


def test_a_tarball_to_look_into_is_fetched_with_its_registrys_token() -> None:
    want = contents(f"{REGISTRY}a/-/a-1.0.0.tgz", auth={"//registry.example/npm/:_authToken": "secret"})
    assert (want.url, want.authorization) == (f"{REGISTRY}a/-/a-1.0.0.tgz", "Bearer secret")
    assert (want.label, want.integrity, want.path) == ("a@1.0.0", DIGEST, "")


def test_a_tarball_on_disk_is_a_path() -> None:
    want = contents("file:/app/a.tgz", "")
    assert (want.url, want.path) == ("", "/app/a.tgz")


@pytest.mark.parametrize(
    "where",
    [
        "ftp://registry.example/a.tgz",
        "javascript:1",
        "http://",
        "https://[::1/a",
        # only what the project asks for by its path has file: in front here
        "/app/a.tgz",
        "file:a.tgz",
    ],
)
def test_a_tarball_at_no_address_is_told(where: str) -> None:
    with pytest.raises(LockfileError, match=r"tarball of a@1\.0\.0 is at"):
        contents(where)


def test_a_tarball_at_an_endless_address_is_told() -> None:
    with pytest.raises(LockfileError, match="an address of"):
        contents(f"{REGISTRY}{'a' * LONGEST_ADDRESS}")


@pytest.mark.parametrize(
    ("tarball", "integrity"),
    [
        ("", DIGEST),
        (f"{REGISTRY}a.tgz", ""),
        ("ftp://registry.example/a.tgz", DIGEST),
        (f"{REGISTRY}{'a' * LONGEST_ADDRESS}", DIGEST),
        (f"{REGISTRY}a.tgz", "sha512-" + "a" * LONGEST_ADDRESS),
    ],
)
def test_what_nothing_verifies_or_reaches_is_not_announced(tarball: str, integrity: str) -> None:
    assert wants().announced(Resolved("a", "1.0.0", tarball, integrity)) is None


def test_a_verified_tarball_is_announced() -> None:
    one = wants().announced(Resolved("a", "1.0.0", f"{REGISTRY}a.tgz", DIGEST))
    assert one is not None
    assert (one.label, one.url, one.integrity) == ("a@1.0.0", f"{REGISTRY}a.tgz", DIGEST)


# -- git ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("spec", "resolved", "repositories"),
    [
        (
            "github:user/repo#main",
            "git+ssh://git@github.com/user/repo.git#{commit}",
            ("https://github.com/user/repo.git", "ssh://git@github.com/user/repo.git"),
        ),
        (
            "git+https://user:token@github.com/user/repo.git",
            "git+https://user:token@github.com/user/repo.git#{commit}",
            ("https://user:token@github.com/user/repo.git",),
        ),
        (
            "git+https://git.example/a.git#v1",
            "git+https://git.example/a.git#{commit}",
            ("https://git.example/a.git",),
        ),
        (
            "git+ssh://git@git.example:user/repo.git",
            "git+ssh://git@git.example:user/repo.git#{commit}",
            ("ssh://git@git.example:user/repo.git",),
        ),
        ("git://git.example/a.git", "git://git.example/a.git#{commit}", ("git://git.example/a.git",)),
        ("git+file:///srv/a.git", "git+file:///srv/a.git#{commit}", ("file:///srv/a.git",)),
    ],
)
def test_a_repository_is_named_in_the_lock_as_npm_names_it(
    spec: str, resolved: str, repositories: tuple[str, ...]
) -> None:
    request = read_request("a", spec)
    ask = AskManifest(request.kind, request.wanted, request.git_commit, request.git_range, "a")
    want = wants().want(0, ask)
    assert isinstance(want, WantCommit)
    assert (want.resolved, want.repositories) == (resolved, repositories)
