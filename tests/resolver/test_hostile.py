"""Registries and tarballs that hold what no resolver expects."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from playing import lock_text, resolve

from pmpipe.errors import PmpipeError
from pmpipe.npm.locks.package_path import fault_in_path
from pmpipe.npm.packages.packument import decode_packument
from pmpipe.resolver import AskPackument, Project, ResolveOptions, Resolver
from pmpipe.resolver.peer_conflict import PeerConflictError

URL = "https://registry.example"
JUNK: st.SearchStrategy[Any] = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-1, 3)
    | st.sampled_from(["", "x", "*", "b", "^1", "\x1b[31m", "../x", "\ud800a"[1:]]),
    lambda inner: (
        st.lists(inner, max_size=2)
        | st.dictionaries(
            st.sampled_from(["b", "c", "node", "type", "../../x", ".bin", "", "optional"]), inner, max_size=2
        )
    ),
    max_leaves=5,
)
FIELDS = (
    "dependencies", "optionalDependencies", "peerDependencies", "peerDependenciesMeta", "bundleDependencies",
    "acceptDependencies", "bin", "engines", "os", "cpu", "libc", "license", "funding", "deprecated",
    "hasInstallScript", "directories",
)  # fmt: skip


@settings(max_examples=300)
@given(manifest=st.dictionaries(st.sampled_from(FIELDS), JUNK, max_size=4))
def test_junk_in_a_manifest_is_passed_over_or_refused(manifest: dict[str, Any]) -> None:
    case = {
        "registry": {"a": {"1.0.0": {"dependencies": {"b": "1"}}}, "b": {"1.0.0": manifest}, "c": {"1.0.0": {}}},
        "project": {"name": "app", "version": "1.0.0", "dependencies": {"a": "1"}},
    }
    try:
        lock = lock_text(resolve(case, "/project", URL))
    except PmpipeError:
        return
    for location in json.loads(lock)["packages"]:
        assert fault_in_path(location) is None


@pytest.mark.parametrize(
    "name", ["../x", "@x/../../y", ".bin", "node_modules", "a/b", "a\\b", " a", "@x", "..", "x" * 300]
)
@pytest.mark.parametrize("kind", ["dependencies", "devDependencies", "peerDependencies"])
def test_names_that_would_escape_are_refused(name: str, kind: str) -> None:
    case = {"registry": {}, "project": {"name": "app", "version": "1.0.0", kind: {name: "npm:c@1"}}}
    with pytest.raises(PmpipeError, match="name"):
        resolve(case, "/project", URL)


def test_a_tarball_cannot_bring_along_a_path_that_escapes() -> None:
    files = {"node_modules/../../evil/package.json": {"name": "evil", "version": "1.0.0"}}
    case = {
        "registry": {"a": {"1.0.0": {"dependencies": {"b": "1"}, "bundleDependencies": ["b"], "files": files}}},
        "project": {"name": "app", "version": "1.0.0", "dependencies": {"a": "1"}},
    }
    with pytest.raises(PmpipeError, match=r"the tarball of a@1\.0\.0 brings along a package that cannot be placed"):
        resolve(case, "/project", URL)


def test_peers_that_displace_each_other_for_ever_are_an_error() -> None:
    """npm itself never ends here."""
    registry = {
        "a": {"1.0.0": {"peerDependencies": {"b": "1.0.0"}}, "2.0.0": {"peerDependencies": {"b": "2.0.0"}}},
        "b": {"1.0.0": {"peerDependencies": {"a": "2.0.0"}}, "2.0.0": {"peerDependencies": {"a": "1.0.0"}}},
        "top": {"1.0.0": {"peerDependencies": {"a": "*", "b": "*"}}},
    }
    case = {"registry": registry, "project": {"name": "app", "version": "1.0.0", "dependencies": {"top": "1"}}}
    with pytest.raises(PmpipeError, match="contradict each other"):
        resolve(case, "/project", URL)


def test_two_versions_that_claim_to_be_the_same_one_have_their_own_tarballs() -> None:
    listed = {
        number: {"name": "a", "version": "1.0.0", "dist": {"tarball": f"{URL}/a/-/a-{number}.tgz"}}
        for number in ("1.0.0", "2.0.0")
    }
    document = {"name": "a", "dist-tags": {"latest": "1.0.0"}, "versions": listed}
    resolver = Resolver(Project("/project", {"name": "app", "dependencies": {"a": "1.0.0", "b": "npm:a@2.0.0"}}))
    (ask,) = [event for event in resolver.start() if isinstance(event, AskPackument)]
    resolver.feed(ask, decode_packument(json.dumps(document).encode(), "a"))
    nodes = resolver.finish().nodes()
    assert {path: node.resolved for path, node in nodes.items() if path} == {
        "node_modules/a": f"{URL}/a/-/a-1.0.0.tgz",
        "node_modules/b": f"{URL}/a/-/a-2.0.0.tgz",
    }


def test_peers_that_all_need_each_other_take_no_time() -> None:
    """npm looks at each on every way that leads to it, of which nine of them have 100,000."""
    names = [f"p{number:02}" for number in range(11)]
    registry = {name: {"1.0.0": {"peerDependencies": {peer: "1" for peer in names if peer != name}}} for name in names}
    case = {"registry": registry, "project": {"name": "app", "version": "1.0.0", "dependencies": {"p00": "1"}}}
    begin = time.process_time()
    lock = lock_text(resolve(case, "/project", URL))
    assert time.process_time() - begin < 10
    assert set(json.loads(lock)["packages"]) == {"", *(f"node_modules/{name}" for name in names)}


def chain_of_peers(length: int) -> dict[str, Any]:
    registry: dict[str, Any] = {f"p{number}": {"1.0.0": {}} for number in range(length)}
    for number in range(length - 1):
        registry[f"p{number}"]["1.0.0"]["peerDependencies"] = {f"p{number + 1}": "1"}
    return {"registry": registry, "project": {"name": "app", "version": "1.0.0", "dependencies": {"p0": "1"}}}


def test_a_long_chain_of_peers_is_no_circle() -> None:
    lock = lock_text(resolve(chain_of_peers(150), "/project", URL))
    assert len(json.loads(lock)["packages"]) == 151


def test_a_chain_of_peers_that_is_too_long_is_an_error() -> None:
    with pytest.raises(PeerConflictError, match="go too deep"):
        resolve(chain_of_peers(600), "/project", URL)


def test_deduping_packages_that_all_need_one_with_two_versions_takes_no_time() -> None:
    """npm looks at the whole tree with each edge that stays as it is."""
    names = [f"p{number:04}" for number in range(1_500)]
    registry = {
        **{name: {"1.0.0": {"dependencies": {"x": "*", "y": "*"}}} for name in names},
        "other": {"1.0.0": {"dependencies": {"x": "2", "y": "2"}}},
        **{name: {"1.0.0": {}, "2.0.0": {}} for name in ("x", "y")},
    }
    wanted = dict.fromkeys([*names, "other", "x", "y"], "1")
    case = {"registry": registry, "project": {"name": "app", "version": "1.0.0", "dependencies": wanted}}
    lock = lock_text(resolve(case, "/project", URL))
    begin = time.process_time()
    options = ResolveOptions(prefer_dedupe=True, updates=frozenset({"x", "y"}))
    assert lock_text(resolve(case, "/project", URL, npms_old=lock, options=options)) == lock
    assert time.process_time() - begin < 8
