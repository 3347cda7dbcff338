"""The state machine: what it asks for, what it says, and that it touches nothing."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from playing import Provider, options_of, resolve
from support.loaded_modules import modules_loaded_by

from pmpipe.errors import PmpipeError
from pmpipe.npm.locks.lock_writer import write_lockfile
from pmpipe.npm.packages.npm_version import npm_version_for
from pmpipe.npm.packages.pick_manifest import PickOptions
from pmpipe.resolver import AskPackument, Project, Resolved, ResolveOptions, Resolver, locked_entries
from pmpipe.resolving.wording import warnings_of

URL = "https://registry.example"
OPTIONAL_PAGE = {"page": {"optional": True}}


def case(registry: dict[str, Any], project: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"registry": registry, "project": {"name": "app", "version": "1.0.0", **project}, **more}


def needs(**specs: str) -> dict[str, Any]:
    return {"dependencies": specs}


def play(given: dict[str, Any]) -> list[Any]:
    """All events of a run."""
    provider = Provider(given, URL, "/project")
    resolver = Resolver(Project("/project", given["project"], given.get("workspaces", {})), options_of(given))
    seen: list[Any] = []
    pending = resolver.start()
    while not resolver.done:
        event = pending.pop(0)
        seen.append(event)
        if not isinstance(event, Resolved):
            pending.extend(resolver.feed(event, provider.answer(event)))
    return seen + pending


def test_asks_for_all_direct_dependencies_at_once() -> None:
    given = case({name: {"1.0.0": {}} for name in "abc"}, needs(a="1", b="1", c="1"))
    resolver = Resolver(Project("/project", given["project"]))
    assert set(resolver.start()) == {AskPackument("a"), AskPackument("b"), AskPackument("c")}


def test_asks_for_the_next_level_before_it_can_be_placed() -> None:
    given = case({"a": {"1.0.0": needs(x="1")}, "b": {"1.0.0": needs(y="1")}}, needs(a="1", b="1"))
    provider = Provider(given, URL, "/project")
    resolver = Resolver(Project("/project", given["project"]))
    resolver.start()
    assert AskPackument("y") in resolver.feed(AskPackument("b"), provider.answer(AskPackument("b")))


def test_asks_for_everything_once() -> None:
    given = case(
        {"a": {"1.0.0": needs(x="1", b="1")}, "b": {"1.0.0": needs(x="2")}, "x": {"1.0.0": {}, "2.0.0": {}}},
        needs(a="1", b="1", x="*"),
    )
    asks = [event for event in play(given) if not isinstance(event, Resolved)]
    assert len(asks) == len(set(asks)) == 3


def test_announces_what_will_be_downloaded() -> None:
    given = case({"a": {"1.0.0": needs(b="1")}, "b": {"1.2.0": {}}}, needs(a="1"))
    announced = {(event.name, event.version, event.tarball) for event in play(given) if isinstance(event, Resolved)}
    assert announced == {("a", "1.0.0", f"{URL}/a/-/a-1.0.0.tgz"), ("b", "1.2.0", f"{URL}/b/-/b-1.2.0.tgz")}


def test_does_not_look_at_what_workspaces_or_bundles_bring() -> None:
    given = case(
        {
            "a": {
                "1.0.0": {
                    **needs(b="1"),
                    "bundleDependencies": ["b"],
                    "files": {"node_modules/b/package.json": {"name": "b"}},
                }
            }
        },
        {**needs(a="1"), "workspaces": ["w"]},
        workspaces={"w": {"name": "w", "version": "1.0.0"}, "v": {"name": "v", **needs(w="1")}},
    )
    asked = {event.name for event in play(given) if isinstance(event, AskPackument)}
    assert asked == {"a"}


def test_a_fresh_lock_asks_for_nothing() -> None:
    given = case({"a": {"1.0.0": needs(b="1")}, "b": {"1.0.0": {}}}, needs(a="1"))
    lock = write_lockfile(resolve(given, "/project", URL).lock_document())
    resolver = Resolver(Project("/project", given["project"], {}, locked_entries(lock)))
    assert resolver.start() == []
    assert resolver.done
    assert write_lockfile(resolver.finish().lock_document()) == lock


def beside_an_old_lock(registry: dict[str, Any], **wanted: str) -> Resolver:
    """A resolver of a project that had only `old@1`, and now needs more."""
    before = case({"old": registry["old"]}, needs(old="1"))
    lock = write_lockfile(resolve(before, "/project", URL).lock_document())
    given = case(registry, needs(old="1", **wanted))
    return Resolver(Project("/project", given["project"], {}, locked_entries(lock)), options_of(given))


def test_all_that_is_new_beside_an_old_lock_is_asked_for_at_once() -> None:
    registry = {"old": {"1.0.0": {}}, **{name: {"1.0.0": {}} for name in "abc"}}
    resolver = beside_an_old_lock(registry, a="1", b="1", c="1")
    assert set(resolver.start()) == {AskPackument("a"), AskPackument("b"), AskPackument("c")}


def test_what_a_new_package_beside_an_old_lock_needs_is_asked_for_at_once_but_for_what_is_there() -> None:
    registry = {
        "old": {"1.0.0": {}},
        "a": {"1.0.0": needs(x="1", y="1", old="^1.0.0")},
        "x": {"1.0.0": {}},
        "y": {"1.0.0": {}},
    }
    resolver = beside_an_old_lock(registry, a="1")
    provider = Provider(case(registry, {}), URL, "/project")
    (ask,) = resolver.start()
    events = resolver.feed(ask, provider.answer(ask))
    assert {event for event in events if isinstance(event, AskPackument)} == {AskPackument("x"), AskPackument("y")}


def test_what_is_placed_against_the_guess_is_walked_through_at_once() -> None:
    # x@1, which a brings, would do for c as well, so the walk does not look at x@2; but x@1 is out of c's reach
    registry = {
        "a": {"1.0.0": needs(x="1")},
        "c": {"1.0.0": needs(x="1 || 2")},
        "x": {"1.0.0": {}, "2.0.0": needs(y="1", z="1"), "3.0.0": {}},
        "y": {"1.0.0": needs(deep="1")},
        "z": {"1.0.0": needs(deeper="1")},
        "deep": {"1.0.0": {}},
        "deeper": {"1.0.0": {}},
    }
    given = case(registry, needs(a="1", c="1", x="3"))
    provider = Provider(given, URL, "/project")
    resolver = Resolver(Project("/project", given["project"]))
    asked: list[set[str]] = []
    events = resolver.start()
    while not resolver.done:
        asks = [event for event in events if isinstance(event, AskPackument)]
        asked.append({ask.name for ask in asks})
        events = [event for ask in asks for event in resolver.feed(ask, provider.answer(ask))]
    assert asked[-2:] == [{"y", "z"}, {"deep", "deeper"}]


OPTIONAL_PEERS = {
    "a": {
        "1.0.0": {
            **needs(d="1"),
            "peerDependencies": {"p": "1", "q": "1"},
            "peerDependenciesMeta": {"p": {"optional": True}, "q": {"optional": True}},
        }
    },
    "d": {"1.0.0": {}},
    "p": {"1.0.0": {**needs(unasked="1"), "peerDependencies": {"s": "1"}}},
    "q": {"1.0.0": {}},
    "s": {"1.0.0": {}},
}


def test_optional_peers_are_asked_for_at_once_behind_all_else_and_then_their_peers() -> None:
    own = {"peerDependencies": {"own": "1"}, "peerDependenciesMeta": {"own": {"optional": True}}}
    given = case(OPTIONAL_PEERS, {**needs(a="1"), **own})
    provider = Provider(given, URL, "/project")
    resolver = Resolver(Project("/project", given["project"]))
    asked: list[list[str]] = []
    announced: set[str] = set()
    events = resolver.start()
    while not resolver.done:
        asks = [event for event in events if isinstance(event, AskPackument)]
        asked.append([ask.name for ask in asks])
        announced.update(event.name for event in events if isinstance(event, Resolved))
        events = [event for ask in asks for event in resolver.feed(ask, provider.answer(ask))]
    assert asked == [["a"], ["d", "p", "q"], ["s"]]
    assert announced == {"a", "d"}


@pytest.mark.parametrize("npm", ["npm@11.20.0", "npm@12.0.0"])
def test_later_npms_are_not_interested_in_optional_peers_that_nobody_has(npm: str) -> None:
    given = case(OPTIONAL_PEERS, needs(a="1"))
    provider = Provider(given, URL, "/project")
    later = ResolveOptions(PickOptions(npm_version=npm_version_for({"packageManager": npm})))
    resolver = Resolver(Project("/project", given["project"]), later)
    (ask,) = resolver.start()
    events = resolver.feed(ask, provider.answer(ask))
    assert [event.name for event in events if isinstance(event, AskPackument)] == ["d"]


def test_an_answer_that_comes_twice_is_passed_over() -> None:
    given = case({"a": {"1.0.0": {}}}, needs(a="1"))
    provider = Provider(given, URL, "/project")
    resolver = Resolver(Project("/project", given["project"]))
    (ask,) = resolver.start()
    resolver.feed(ask, provider.answer(ask))
    assert resolver.feed(ask, provider.answer(ask)) == []


def test_a_named_update_is_taken_although_the_lock_would_do() -> None:
    registry = {"a": {"1.0.0": needs(x="^1.0.0")}, "x": {"1.0.0": {}, "1.5.0": {}}}
    before = case({**registry, "x": {"1.0.0": {}}}, needs(a="1"))
    lock = write_lockfile(resolve(before, "/project", URL).lock_document())
    given = case(registry, needs(a="1"))
    provider = Provider(given, URL, "/project")
    options = msgspec.structs.replace(options_of(given), updates=frozenset({"x"}))
    resolver = Resolver(Project("/project", given["project"], {}, locked_entries(lock)), options)
    pending = resolver.start()
    while not resolver.done:
        event = pending.pop(0)
        if not isinstance(event, Resolved):
            pending.extend(resolver.feed(event, provider.answer(event)))
    assert resolver.finish().nodes()["node_modules/x"].version == "1.5.0"


def test_explains_a_conflict_of_peers() -> None:
    given = case(
        {"plugin": {"1.0.0": {"peerDependencies": {"host": "^1.0.0"}}}, "host": {"1.0.0": {}, "2.0.0": {}}},
        needs(plugin="1", host="2"),
    )
    with pytest.raises(PmpipeError) as refusal:
        resolve(given, "/project", URL)
    text = str(refusal.value)
    assert "plugin@1.0.0 needs peer host@^1.0.0" in text
    assert "the project needs host@2" in text
    assert "host@2.0.0 is there already" in text


def test_a_conflict_that_a_dependency_of_the_project_settles_hints_at_that() -> None:
    registry = {
        "tool": {"1.0.0": {"peerDependencies": {"env": "1", "page": "^1.0.0"}, "peerDependenciesMeta": OPTIONAL_PAGE}},
        "env": {"1.0.0": {"peerDependencies": {"abstract": "1"}, **needs(page="0")}},
        "abstract": {"1.0.0": {"peerDependencies": {"page": "*"}}},
        "page": {"0.1.0": {}, "1.0.0": {}, "2.0.0": {}},
    }
    with pytest.raises(PmpipeError) as refusal:
        resolve(case(registry, needs(tool="1")), "/project", URL)
    assert refusal.value.hint.startswith("depend on page@^1.0.0 in package.json")
    settled = resolve(case(registry, needs(tool="1", page="^1.0.0")), "/project", URL)
    assert settled.nodes()["node_modules/page"].version == "1.0.0"


def test_a_conflict_of_the_project_s_own_dependency_hints_at_its_range() -> None:
    registry = {"plugin": {"1.0.0": {"peerDependencies": {"host": "^1.0.0"}}}, "host": {"1.0.0": {}, "2.0.0": {}}}
    with pytest.raises(PmpipeError) as refusal:
        resolve(case(registry, needs(plugin="1", host="2")), "/project", URL)
    assert refusal.value.hint.startswith("change one of these ranges")


def told(given: dict[str, Any]) -> list[str]:
    """What the resolution has to say."""
    project = Project("/project", given["project"])
    return list(warnings_of(resolve(given, "/project", URL), project))


def test_a_peer_conflict_is_not_told_where_the_package_was_placed_anew_and_finds_its_peers() -> None:
    registry = {
        "a": {"1.0.0": {"peerDependencies": {"b": "3", "c": "1"}}},
        "b": {"3.0.0": needs(c="3")},
        "c": {"1.0.0": {"peerDependencies": {"b": "3"}}, "3.0.0": {}},
        "d": {"1.0.0": needs(c="*")},
        "e": {"1.0.0": needs(a="1")},
    }
    assert told(case(registry, needs(d="1", e="1"))) == []


def test_where_a_package_has_gone_for_its_peers_those_who_lack_it_are_told_of() -> None:
    registry = {
        "c": {"3.0.0": needs(d="1", e="2")},
        "d": {"1.0.0": {"peerDependencies": {"e": "*"}}, "2.0.0": {"peerDependencies": {"c": "3"}}},
        "e": {"2.0.0": {"peerDependencies": {"d": "2"}}},
    }
    first, second = told(case(registry, needs(c="3")))
    assert first.startswith("a dependency is not satisfied: c@3.0.0 needs d@1, and gets none")
    assert second.startswith("a peer dependency is not satisfied: e@2.0.0 needs peer d@2, and gets none")


def test_a_missing_version_names_the_nearest_and_the_tags() -> None:
    given = case({"a": {"1.0.0": {}, "1.9.0": {}, "3.0.0": {}}}, needs(a="^2.0.0"))
    with pytest.raises(PmpipeError, match=r"no version of a matches \^2\.0\.0") as refusal:
        resolve(given, "/project", URL)
    assert refusal.value.details == (
        "tags: latest: 3.0.0",
        "nearest: 3.0.0, 1.9.0, 1.0.0",
        "required by the project, as a@^2.0.0",
    )


def test_versions_that_would_replace_each_other_for_ever_are_an_error() -> None:
    """npm itself never ends here."""
    registry = {
        "host": {"1.0.0": {}, "2.0.0": {}},
        "plugin": {"1.0.0": {"peerDependencies": {"host": "^2.0.0"}}},
    }
    before = case(registry, needs(plugin="1", host="2"))
    given = {**case(registry, needs(plugin="1", host="9")), "before": before["project"]}
    with pytest.raises(PmpipeError, match="no version of host matches 9"):
        resolve(given, "/project", URL)


def test_the_lock_can_leave_out_where_registry_packages_came_from() -> None:
    tree = resolve(case({"a": {"1.0.0": {}}}, needs(a="1")), "/project", URL)
    document = tree.lock_document(omit_registry_resolved=True)
    assert "resolved" not in document["packages"]["node_modules/a"]


def test_loads_nothing_that_could_do_io() -> None:
    loaded = modules_loaded_by("import pmpipe.resolver")
    assert "pmpipe.resolver" in loaded
    assert not {"socket", "subprocess", "multiprocessing", "asyncio", "urllib.request", "requests"} & loaded


def test_an_explanation_names_a_workspace_once() -> None:
    registry = {"plugin": {"1.0.0": {"peerDependencies": {"host": "2"}}}, "host": {"1.0.0": {}, "2.0.0": {}}}
    workspace = {"name": "w", "version": "1.0.0", **needs(plugin="1", host="1")}
    given = case(registry, {"workspaces": ["packages/*"]}, workspaces={"packages/w": workspace})
    with pytest.raises(PmpipeError) as refusal:
        resolve(given, "/project", URL)
    assert "the project > workspace w@1.0.0 > plugin@1.0.0" in str(refusal.value)
