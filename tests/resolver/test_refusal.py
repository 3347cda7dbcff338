"""What the settings do not let be fetched is neither asked for nor announced."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from playing import Provider, options_of

from pmpipe.errors import RefusedSourceError
from pmpipe.npm.foreign.pins import Pin, PinKey, Pins
from pmpipe.npm.packages.registry import Registries
from pmpipe.npm.packages.source_policy import SourcePolicy
from pmpipe.resolver import AskManifest, Project, Resolved, Resolver

URL = "https://registry.example"
FAR = "https://files.example/b.tgz"
CASE: dict[str, Any] = {
    "registry": {"a": {"1.0.0": {"dependencies": {"b": "1"}}}, "b": {"1.0.0": {}}},
    "project": {"name": "app", "version": "1.0.0", "dependencies": {"a": "1"}},
}


def play(registry: str = URL, **project: Any) -> tuple[list[Any], Resolver]:
    """All events of a run in which only what registries serve is allowed, and what has come to its end."""
    policy = SourcePolicy({"git": "none", "remote": "none", "file": "none", "directory": "none"}, Registries(registry))
    provider = Provider(CASE, URL, "/project")
    options = msgspec.structs.replace(options_of(CASE), sources=policy)
    resolver = Resolver(Project("/project", **{"manifest": CASE["project"], **project}), options)
    events: list[Any] = []
    pending = resolver.start()
    while pending:
        event = pending.pop(0)
        events.append(event)
        if not isinstance(event, Resolved):
            pending.extend(resolver.feed(event, provider.answer(event)))
    assert resolver.done
    return events, resolver


def test_what_registries_serve_is_announced() -> None:
    events, resolver = play()
    assert {event.name for event in events if isinstance(event, Resolved)} == {"a", "b"}
    assert set(resolver.finish().nodes()) == {"", "node_modules/a", "node_modules/b"}


def test_a_tarball_that_the_registry_does_not_serve_is_not_announced() -> None:
    events, _ = play("https://other.example")
    assert not [event for event in events if isinstance(event, Resolved)]


def test_what_a_foreign_lock_has_from_elsewhere_is_not_asked_for() -> None:
    pins = Pins("yarn.lock", {PinKey(("b", "1")): Pin("1.0.0", resolved=FAR, fetch_resolved=True)})
    events, resolver = play(pins=pins)
    assert not [event for event in events if isinstance(event, AskManifest)]
    with pytest.raises(RefusedSourceError, match="allow-remote=none does not let b@1 be fetched"):
        resolver.finish()


@pytest.mark.parametrize("spec", ["git+https://git.example/b.git", FAR, "file:b.tgz", "file:b", "user/project"])
def test_what_is_refused_is_not_asked_for(spec: str) -> None:
    events, resolver = play(manifest={**CASE["project"], "dependencies": {"b": spec}})
    assert events == []
    with pytest.raises(RefusedSourceError):
        resolver.finish()
