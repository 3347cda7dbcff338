"""What ``allow-git`` and the like are about, and for whom."""

from __future__ import annotations

import pytest

from pmpipe.npm.packages.registry import Registries, ScopeRegistry
from pmpipe.npm.packages.source_policy import SourcePolicy, source_policy

ALL = {f"allow-{kind}": "all" for kind in ("git", "remote", "file", "directory")}
REGISTRIES = Registries(
    configured="https://registry.example/npm",
    by_scope={"@corp": ScopeRegistry("https://corp.example:8443", "/p/.npmrc, line 1")},
)
NONE_REMOTE = SourcePolicy({"remote": "none"}, REGISTRIES)


def test_by_default_nothing_is_forbidden():
    assert source_policy(ALL, REGISTRIES) is None


@pytest.mark.parametrize(
    ("limit", "for_project", "is_refused"),
    [("none", True, True), ("none", False, True), ("root", True, False), ("root", False, True)],
)
def test_root_means_what_the_project_asks_for_itself(limit, for_project, is_refused):
    policy = source_policy({**ALL, "allow-git": limit}, REGISTRIES)
    assert policy is not None
    assert policy.refuses("git", for_project=for_project) is is_refused
    assert not policy.refuses("remote", for_project=for_project)
    assert not policy.refuses("range", for_project=for_project)


@pytest.mark.parametrize(
    ("resolved", "kind"),
    [
        ("https://registry.example/npm/a/-/a-1.0.0.tgz", "remote"),
        ("https://files.example/a.tar.gz", "remote"),
        ("https://files.example/a", "remote"),
        ("git+ssh://git@git.example/a.git#0123456789012345678901234567890123456789", "git"),
        ("git+file:///repository#0123456789012345678901234567890123456789", "git"),
        ("git://git.example/a.git", "git"),
        ("user/project", "git"),
        ("file:a.tgz", "file"),
        ("file:../a", "directory"),
        ("1.0.0", "version"),
        ("npm:@", ""),
    ],
)
def test_the_kind_of_an_address(resolved, kind):
    assert NONE_REMOTE.kind_of("a", resolved) == kind


@pytest.mark.parametrize(
    ("name", "resolved", "is_of_registry"),
    [
        ("a", "https://registry.example/npm/a/-/a-1.0.0.tgz", True),
        ("a", "https://registry.example:443/npm/a/-/a-1.0.0.tgz", True),
        ("a", "https://REGISTRY.example/npm/a/-/a-1.0.0.tgz?x#y", True),
        ("a", "http://registry.example/npm/a/-/a-1.0.0.tgz", False),
        ("a", "https://registry.example:444/npm/a/-/a-1.0.0.tgz", False),
        ("a", "https://registry.example/elsewhere/a-1.0.0.tgz", False),
        ("a", "https://registry.example/npm/../elsewhere/a-1.0.0.tgz", False),
        ("a", "https://registry.example/npm/%2e%2e/elsewhere/a-1.0.0.tgz", False),
        ("a", "https://registry.example/npm\\..\\..\\elsewhere\\a-1.0.0.tgz", False),
        ("a", "https://registry.example/npmx/a-1.0.0.tgz", False),
        ("a", "https://registry.example@files.example/npm/a-1.0.0.tgz", False),
        ("a", "https://corp.example:8443/a/-/a-1.0.0.tgz", False),
        ("@corp/a", "https://corp.example:8443/@corp/a/-/a-1.0.0.tgz", True),
        ("@corp/a", "https://registry.example/npm/@corp/a/-/a-1.0.0.tgz", False),
        ("a", "https://registry.example/npm/\x00", False),
        ("a", "no address", False),
    ],
)
def test_a_tarball_is_the_registrys_if_that_serves_its_address(name, resolved, is_of_registry):
    assert NONE_REMOTE.is_from_registry(name, resolved) is is_of_registry


def test_a_host_that_is_replaced_is_the_registrys():
    resolved = "https://mirror.example/a/-/a-1.0.0.tgz"
    replacing = Registries(configured="https://registry.example/npm", replace_host="mirror.example")
    assert SourcePolicy({"remote": "none"}, replacing).is_from_registry("a", resolved)
    assert not NONE_REMOTE.is_from_registry("a", resolved)


def test_a_scope_without_a_usable_registry_is_no_registry():
    broken = Registries(by_scope={"@corp": ScopeRegistry("${UNSET}", "/p/.npmrc, line 1")})
    assert not SourcePolicy({"remote": "none"}, broken).is_from_registry("@corp/a", "https://corp.example/a.tgz")


def test_policies_that_decide_alike_have_one_key():
    one, other = (Registries(configured=f"https://{host}.example") for host in ("a", "b"))
    assert SourcePolicy({"git": "none"}, one).key == SourcePolicy({"git": "none"}, other).key
    assert SourcePolicy({"remote": "none"}, one).key != SourcePolicy({"remote": "none"}, other).key
    assert SourcePolicy({"git": "none"}, one).key != SourcePolicy({"git": "root"}, one).key
