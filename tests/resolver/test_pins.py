"""What pins change in a resolution, and what they do not."""

from __future__ import annotations

import random
from typing import Any

import pytest
from foreign import resolve_pinned, tree_pinned, versions
from playing import packages_of
from support.foreign_locks import INTEGRITIES, LOCKS, PROJECT, WORKSPACE, read
from support.packages import make_package

from pmpipe.errors import IntegrityError
from pmpipe.npm.foreign.files import read_foreign_lock
from pmpipe.npm.foreign.pins import Pin, PinCollector, PinKey, Pins

URL = "https://registry.example"
CASE: dict[str, Any] = {
    "registry": {
        "a": {"1.0.0": {"dependencies": {"b": "^1.0.0"}}, "1.1.0": {"dependencies": {"b": "^1.0.0"}}},
        "b": {"1.0.0": {"dependencies": {"c": "*"}}, "1.1.0": {}, "1.2.0": {}, "2.0.0": {}},
        "c": {"1.0.0": {}, "1.5.0": {}},
    },
    "project": {"name": "app", "version": "1.0.0", "dependencies": {"a": "^1.0.0"}},
}


def pins(**by_spec: str) -> Pins:
    """Pins for ``name="spec=version"``."""
    found = {}
    for name, text in by_spec.items():
        spec, _, version = text.partition("=")
        found[PinKey((name, spec))] = Pin(version)
    return Pins("foreign.lock", found)


def resolved(given: Pins) -> dict[str, str]:
    return {
        path.removeprefix("node_modules/"): version
        for path, version in versions(resolve_pinned(CASE, URL, pins=given)).items()
    }


def test_takes_the_pinned_version() -> None:
    assert resolved(pins(a="^1.0.0=1.0.0", b="^1.0.0=1.1.0")) == {"a": "1.0.0", "b": "1.1.0"}


@pytest.mark.parametrize("pinned", ["^1.0.0=2.0.0", "^1.0.0=1.9.9", "^1.0.0=no version", "^1.0.1=1.0.0", "^1.0.0="])
def test_takes_the_usual_version_where_the_pin_is_of_no_use(pinned: str) -> None:
    assert resolved(pins(b=pinned)) == {"a": "1.1.0", "b": "1.2.0"}


def test_a_pinned_version_that_cannot_be_had_is_told_if_another_one_is_placed_instead() -> None:
    locked = pins(b="^1.0.0=1.1.5", c="*=1.4.0")
    (told,) = tree_pinned(CASE, URL, pins=locked).given_up_pins
    # nothing of what is placed needs c
    assert (told.label, told.instead.label) == ("b@1.1.5", "b@1.2.0")
    assert "no version of b matches 1.1.5" in told.reason


def test_a_pin_leads_to_what_the_pinned_version_needs() -> None:
    assert resolved(pins(b="^1.0.0=1.0.0", c="*=1.0.0")) == {"a": "1.1.0", "b": "1.0.0", "c": "1.0.0"}


def test_takes_the_preferred_of_the_versions_that_satisfy_where_only_names_are_pinned() -> None:
    by_name = {"b": (Pin("2.0.0"), Pin("1.0.0"), Pin("1.1.0")), "c": (Pin("1.0.0"),)}
    assert resolved(Pins("foreign.lock", {}, by_name)) == {"a": "1.1.0", "b": "1.0.0", "c": "1.0.0"}


def test_what_most_dependents_use_is_preferred() -> None:
    collector = PinCollector("foreign.lock")
    for version in ("1.0.0", "1.1.0", "1.1.0", "1.2.0"):
        collector.use("b", Pin(version))
    assert [pin.version for pin in collector.pins().by_name["b"]] == ["1.1.0", "1.0.0", "1.2.0"]


PEERS: dict[str, Any] = {
    "registry": {
        "host": {"1.0.0": {}, "1.1.0": {}, "1.2.0": {}, "2.0.0": {}},
        "plugin": {"1.0.0": {"peerDependencies": {"host": "1"}}},
        "user": {"1.0.0": {"dependencies": {"host": "~1.1.0"}}},
        "other": {"1.0.0": {"dependencies": {"host": "~1.1.0"}}},
    },
    "project": {"name": "app", "version": "1.0.0", "dependencies": {"plugin": "1", "user": "1", "other": "1"}},
}
BERRY = """__metadata: {version: 8}
"host@npm:~1.0.0": {version: 1.0.0, resolution: "host@npm:1.0.0"}
"host@npm:~1.1.0": {version: 1.1.0, resolution: "host@npm:1.1.0"}
"plugin@npm:1": {version: 1.0.0, resolution: "plugin@npm:1.0.0", peerDependencies: {host: 1}}
"user@npm:1": {version: 1.0.0, resolution: "user@npm:1.0.0", dependencies: {host: "npm:~1.1.0"}}
"w@workspace:w": {version: 0.0.0-use.local, resolution: "w@workspace:w", dependencies: {host: "npm:~1.0.0"}}
"x@workspace:x": {version: 0.0.0-use.local, resolution: "x@workspace:x", dependencies: {host: "npm:~1.1.0", y: "z"}}
"""
BUN = """{"lockfileVersion": 1, "workspaces": {}, "packages": {
  "host": ["host@1.1.0", "", {}, ""], "old/host": ["host@1.0.0", "", {}, ""],
  "old": ["old@1.0.0", "", {"dependencies": {"host": "~1.0.0"}}, ""],
  "other": ["other@1.0.0", "", {"dependencies": {"host": "~1.1.0"}}, ""],
  "user": ["user@1.0.0", "", {"dependencies": {"host": "~1.1.0"}}, ""] } }"""


@pytest.mark.parametrize(("lock", "file"), [(BERRY, "yarn.lock"), (BUN, "bun.lock")])
def test_peers_that_a_lock_does_not_answer_get_the_version_that_most_depend_on(lock: str, file: str) -> None:
    found = versions(resolve_pinned(PEERS, URL, pins=read_foreign_lock(lock.encode(), file)))
    assert {version for path, version in found.items() if "host" in path} == {"1.1.0"}


#: as Angular's packages are: one release needs its other packages in exactly that version
RELEASES: dict[str, Any] = {
    "registry": {
        "core": {"1.0.0": {}, "1.1.0": {}},
        "cli": {v: {"peerDependencies": {"core": v}} for v in ("1.0.0", "1.1.0")},
        "extra": {v: {"peerDependencies": {"core": v, "cli": v}} for v in ("1.0.0", "1.1.0")},
        "zone": {v: {"peerDependencies": {"core": v}} for v in ("1.0.0", "1.1.0")},
        "build": {
            "1.0.0": {
                "peerDependencies": {"cli": "^1.0.0 || ^1.0.0-next", "extra": "^1.0.0"},
                "peerDependenciesMeta": {"extra": {"optional": True}},
            }
        },
    },
    "project": {
        "name": "app",
        "version": "1.0.0",
        "dependencies": dict.fromkeys(("build", "cli", "core", "zone"), "^1.0.0"),
    },
}
RELEASES_BERRY = "__metadata: {version: 8}\n" + "".join(
    f'"{name}@npm:^1.0.0": {{version: 1.0.0, resolution: "{name}@npm:1.0.0"}}\n'
    for name in ("build", "cli", "core", "zone")
)
RELEASES_PNPM = "lockfileVersion: '9.0'\nimporters:\n  .:\n    dependencies:\n" + "".join(
    f"      {name}: {{specifier: ^1.0.0, version: 1.0.0}}\n" for name in ("build", "cli", "core", "zone")
)
RELEASES_BUN = """{"lockfileVersion": 1, "packages": {
  "build": ["build@1.0.0", "", {"peerDependencies": {"cli": "^1.0.0 || ^1.0.0-next", "extra": "^1.0.0"}}, ""],
  "cli": ["cli@1.0.0", "", {"peerDependencies": {"core": "1.0.0"}}, ""], "core": ["core@1.0.0", "", {}, ""],
  "zone": ["zone@1.0.0", "", {"peerDependencies": {"core": "1.0.0"}}, ""] },
  "workspaces": {"": {"dependencies": {"build": "^1.0.0", "cli": "^1.0.0", "core": "^1.0.0", "zone": "^1.0.0"}}} }"""


@pytest.mark.parametrize(
    ("lock", "file"), [(RELEASES_BERRY, "yarn.lock"), (RELEASES_PNPM, "pnpm-lock.yaml"), (RELEASES_BUN, "bun.lock")]
)
def test_an_optional_peer_that_a_lock_does_not_have_contradicts_nothing(lock: str, file: str) -> None:
    found = versions(resolve_pinned(RELEASES, URL, pins=read_foreign_lock(lock.encode(), file)))
    assert found == {f"node_modules/{name}": "1.0.0" for name in ("build", "cli", "core", "zone")}


def test_an_optional_peer_that_a_lock_has_keeps_its_version() -> None:
    project = {**RELEASES["project"], "devDependencies": {"extra": "^1.0.0"}}
    berry = RELEASES_BERRY + '"extra@npm:^1.0.0": {version: 1.0.0, resolution: "extra@npm:1.0.0"}\n'
    pinned = read_foreign_lock(berry.encode(), "yarn.lock")
    found = versions(resolve_pinned({**RELEASES, "project": project}, URL, pins=pinned))
    assert found == {f"node_modules/{name}": "1.0.0" for name in ("build", "cli", "core", "extra", "zone")}


#: as Vite wants `yaml` if it is there, and something else needs an older one
RIVAL: dict[str, Any] = {
    "registry": {
        "builder": {
            "1.0.0": {"peerDependencies": {"format": "^2.0.0"}, "peerDependenciesMeta": {"format": {"optional": True}}}
        },
        "config": {"1.0.0": {"dependencies": {"format": "^1.0.0"}}},
        "format": {"1.0.0": {}, "1.1.0": {}, "2.0.0": {"dependencies": {"deep": "1"}}},
        "deep": {"1.0.0": {}},
    },
    "project": {"name": "app", "version": "1.0.0", "dependencies": {"builder": "1", "config": "1"}},
}
RIVAL_BERRY = """__metadata: {version: 8}
"builder@npm:1": {version: 1.0.0, resolution: "builder@npm:1.0.0"}
"config@npm:1": {version: 1.0.0, resolution: "config@npm:1.0.0", dependencies: {format: "npm:^1.0.0"}}
"format@npm:^1.0.0": {version: 1.0.0, resolution: "format@npm:1.0.0"}
"""
RIVAL_PNPM = """lockfileVersion: '9.0'
importers:
  .: {dependencies: {builder: {specifier: '1', version: 1.0.0}, config: {specifier: '1', version: 1.0.0}}}
snapshots: {builder@1.0.0: {}, config@1.0.0: {dependencies: {format: 1.0.0}}, format@1.0.0: {}}
"""
RIVAL_BUN = """{"lockfileVersion": 1,
"workspaces": {"": {"dependencies": {"builder": "1", "config": "1"}}},
"packages": {
  "builder": ["builder@1.0.0", "", {"peerDependencies": {"format": "^2"}, "optionalPeers": ["format"]}, ""],
  "config": ["config@1.0.0", "", {"dependencies": {"format": "^1.0.0"}}, ""],
  "format": ["format@1.0.0", "", {}, ""] } }"""


@pytest.mark.parametrize(
    ("lock", "file"), [(RIVAL_BERRY, "yarn.lock"), (RIVAL_PNPM, "pnpm-lock.yaml"), (RIVAL_BUN, "bun.lock")]
)
def test_an_optional_peer_that_a_lock_does_not_have_stays_out_beside_another_version(lock: str, file: str) -> None:
    found = versions(resolve_pinned(RIVAL, URL, pins=read_foreign_lock(lock.encode(), file)))
    assert sorted((path.rpartition("/")[2], version) for path, version in found.items()) == [
        ("builder", "1.0.0"),
        ("config", "1.0.0"),
        ("format", "1.0.0"),
    ]


def test_an_optional_peer_stays_where_a_version_that_does_not_satisfy_would_be_found_instead() -> None:
    project = {**RIVAL["project"], "dependencies": {"format": "^1.0.0", "user": "1"}}
    user = {"1.0.0": {"dependencies": {"builder": "1"}}}
    case = {"registry": {**RIVAL["registry"], "user": user}, "project": project}
    found = versions(resolve_pinned(case, URL, pins=read_foreign_lock(RIVAL_BERRY.encode(), "yarn.lock")))
    assert found == {
        "node_modules/deep": "1.0.0",
        "node_modules/format": "1.0.0",
        "node_modules/user": "1.0.0",
        "node_modules/user/node_modules/builder": "1.0.0",
        "node_modules/user/node_modules/format": "2.0.0",
    }


@pytest.mark.parametrize("seed", range(20))
def test_the_order_of_answers_changes_nothing(seed: int) -> None:
    given = pins(b="^1.0.0=1.0.0", c="*=1.0.0")
    shuffled = random.Random(seed)
    assert resolve_pinned(CASE, URL, pins=given, pick=shuffled.randrange) == resolve_pinned(CASE, URL, pins=given)


def test_another_tarball_under_the_pinned_version_is_refused() -> None:
    given = Pins(
        "foreign.lock", {PinKey(("b", "^1.0.0")): Pin("1.0.0", integrity=make_package("b", "9.0.0").integrity)}
    )
    with pytest.raises(IntegrityError, match=r"the registry's b@1\.0\.0 is not the one that foreign\.lock has locked"):
        resolve_pinned(CASE, URL, pins=given)


def test_a_digest_of_another_algorithm_is_added() -> None:
    sha1 = "sha1-2jmj7l5rSw0yVb/vlWAYkK/YBwk="
    given = Pins("foreign.lock", {PinKey(("b", "^1.0.0")): Pin("1.1.0", integrity=sha1)})
    assert f'"integrity": "{sha1} sha512-'.encode() in resolve_pinned(CASE, URL, pins=given)


def test_no_pins_cost_nothing() -> None:
    assert resolve_pinned(CASE, URL, pins=Pins("foreign.lock")) == resolve_pinned(CASE, URL)


FOREIGN: dict[str, Any] = {
    "registry": {
        "a": {
            "1.0.0": {"dependencies": {"b": "^1.0.0", "@s/c": "~2.0.0"}, "bin": "cli.js", "license": "MIT"},
            "1.1.0": {},
        },
        "b": {"1.0.0": {}, "1.5.0": {}, "2.0.0": {"dependencies": {"leaf": "*"}}, "2.5.0": {}},
        "leaf": {"1.0.0": {}, "1.9.0": {}},
        "@s/c": {
            "2.0.0": {"peerDependencies": {"p": "^1 || ^2"}, "dependencies": {"b": ">=1.0.0 <3"}},
            "2.0.9": {},
        },
        "p": {"1.0.0": {}, "1.9.0": {}, "2.0.0": {}, "2.9.0": {}},
        "opt": {"1.0.0": {"os": ["win32"]}, "1.9.0": {}},
        "x": {"1.0.0": {"dependencies": {"b": "^1.0.0", "p": "^2.0.0"}}, "1.9.0": {}},
        "far": {"3.0.0": {"dependencies": {"leaf": "^1.0.0"}}},
    },
    "project": PROJECT,
    "workspaces": {"packages/w": WORKSPACE},
}


@pytest.mark.parametrize("lock", LOCKS)
def test_moving_from_another_package_manager_changes_no_version(lock: str) -> None:
    packages = [package for versions_of in packages_of(FOREIGN).values() for package in versions_of]
    digests = {f"{package.name}@{package.version}": package.integrity for package in packages}
    locked = {label: digest for label, digest in digests.items() if label in INTEGRITIES}
    assert locked.keys() == INTEGRITIES.keys()
    found = versions(resolve_pinned(FOREIGN, URL, pins=read(lock, locked)))
    assert found["node_modules/opt"] == "1.0.0"
    assert {version for version in found.values() if version} == {"1.0.0", "2.0.0", "3.0.0"}
