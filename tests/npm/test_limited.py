"""What a limited install leaves in node_modules, and how its hidden lockfile speaks of it."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

import msgspec
from lock_making import MadeProject, entry, link

from pmpipe.npm.locks.lock_graph import LockGraph
from pmpipe.tree.limited import LimitedLock, chosen_entries, limited_lock

_ONE = {"name": "one", "version": "1.0.0", "dependencies": {"x": "1"}, "devDependencies": {"tool": "1"}}
_TWO = {"name": "two", "version": "1.0.0", "dependencies": {"tool": "1", "y": "1"}}


def of_folder(manifest: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in manifest.items() if key != "name"}


#: tool is needed for development by one, and by two in any case; x, y and z by one of the three alone
ENTRIES: dict[str, dict[str, Any]] = {
    "node_modules/one": link("one"),
    "node_modules/tool": entry("1.0.0", dependencies={"of-tool": "1"}),
    "node_modules/of-tool": entry("1.0.0"),
    "node_modules/two": link("two"),
    "node_modules/x": entry("1.0.0"),
    "node_modules/y": entry("1.0.0"),
    "node_modules/z": entry("1.0.0"),
    "one": of_folder(_ONE),
    "two": of_folder(_TWO),
}


def made(
    entries: Mapping[str, Any] = ENTRIES, two: Mapping[str, Any] = _TWO, dependencies: Mapping[str, str] | None = None
) -> LockGraph:
    needs = {"z": "1"} if dependencies is None else dependencies
    root = {"version": "1.0.0", "workspaces": ["one", "two"], "dependencies": needs}
    folders = {"one": _ONE, "two": dict(two)}
    return MadeProject(root, dict(entries), folders, {"one": "one", "two": "two"}).graph()


def limited(
    graph: LockGraph,
    installed: LockGraph | None = None,
    *workspaces: str,
    with_root: bool = False,
    left_out: Iterable[str] = (),
) -> LimitedLock:
    graphs = [graph, *([installed] if installed else [])]
    listed = graph.lock.entries.keys() - set(left_out)
    return limited_lock(graph, listed, installed, chosen_entries(graphs, workspaces, with_root=with_root))


def flags(lock: LimitedLock) -> dict[str, list[str]]:
    """The flags of each entry but links and folders."""
    known = ("dev", "optional", "devOptional", "peer", "extraneous")
    packages = json.loads(lock.lock)["packages"]
    return {
        path.removeprefix("node_modules/"): [flag for flag in known if one.get(flag)]
        for path, one in packages.items()
        if "node_modules/" in path and not one.get("link")
    }


def test_a_chosen_workspace_comes_with_all_that_it_needs() -> None:
    found = limited(made(), None, "one")
    # without flags: in the whole tree nothing of it is for development only
    assert flags(found) == {"of-tool": [], "tool": [], "x": []}
    assert {"node_modules/one", "one"} < json.loads(found.lock)["packages"].keys()
    assert not found.untouched


def test_of_the_project_alone_no_workspace_is_left() -> None:
    assert flags(limited(made(), None, with_root=True)) == {"z": []}
    assert flags(limited(made(dependencies={}), None, with_root=True)) == {}


def test_what_the_whole_tree_is_without_is_not_installed() -> None:
    assert flags(limited(made(), None, "one", left_out=["node_modules/tool", "node_modules/of-tool"])) == {"x": []}


def test_what_was_there_stays_with_the_flags_that_it_has_there() -> None:
    # two is gone from node_modules, so that tool is there for development only
    installed = made({path: one for path, one in ENTRIES.items() if path not in ("node_modules/two", "two")})
    found = limited(made(), installed, with_root=True)
    assert flags(found) == {"of-tool": ["dev"], "tool": ["dev"], "x": [], "y": ["extraneous"], "z": []}
    assert "node_modules/tool" in found.untouched
    assert "node_modules/z" not in found.untouched


def test_what_stays_has_the_flags_that_npm_finds_it_with() -> None:
    """npm follows the project's own dependencies once before it knows of workspaces, and forgets ``devOptional`` then.

    So y, which an optional peer of z and one's development tool need, has it in the whole tree only.
    """
    entries = {
        **ENTRIES,
        "node_modules/of-tool": entry("1.0.0", dependencies={"y": "1"}),
        "node_modules/z": entry("1.0.0", peerDependencies={"y": "1"}, peerDependenciesMeta={"y": {"optional": True}}),
    }
    graph = made(entries, {"name": "two", "version": "1.0.0"})
    assert flags(limited(graph, None, "one", with_root=True))["y"] == ["devOptional"]
    assert flags(limited(graph, graph, "two"))["y"] == []
    assert flags(limited(graph, graph, "two"))["tool"] == ["dev"]


def test_what_nothing_needs_stays_if_it_lies_elsewhere() -> None:
    lost = {**ENTRIES, "node_modules/lost": entry("1.0.0"), "one/node_modules/lost": entry("1.0.0")}
    # where two was chosen, what lies about in the project's own folder is none of its business
    assert "node_modules/lost" in limited(made(), made(lost), "two").untouched
    assert flags(limited(made(), made(lost), "two"))["lost"] == ["extraneous"]
    kept = flags(limited(made(), made(lost), "two"))
    assert "one/node_modules/lost" in kept
    # but a chosen workspace's own folder is cleared
    assert "one/node_modules/lost" not in flags(limited(made(), made(lost), "one"))


def test_what_a_chosen_workspace_needed_until_now_goes() -> None:
    after = made({path: one for path, one in ENTRIES.items() if path != "node_modules/y"}, {**_TWO, "dependencies": {}})
    assert "y" not in flags(limited(after, made(), "two"))
    assert "y" in flags(limited(after, made(), "one"))


def test_what_a_chosen_workspace_needed_until_now_keeps_its_flags_where_another_needs_it() -> None:
    without = {**_TWO, "dependencies": {"y": "1"}}
    assert flags(limited(made(two=without), made(), "two"))["tool"] == []
    # another version of it takes its place
    newer = {**ENTRIES, "node_modules/tool": entry("1.1.0", dependencies={"of-tool": "1"})}
    assert flags(limited(made(newer, without), made(), "two"))["tool"] == ["dev"]


def test_a_link_to_something_needed_makes_nobody_needed() -> None:
    held = {
        **ENTRIES,
        "node_modules/holder": entry("1.0.0"),
        "node_modules/holder/node_modules/kid": link("two"),
    }
    # nothing asks for the link that it holds
    assert flags(limited(made(held), made(held), "one"))["holder"] == ["extraneous"]


def test_entries_are_copied_byte_by_byte_where_they_say_what_they_should() -> None:
    graph = made()
    raw = graph.lock.raw_entries()
    after = msgspec.json.decode(limited(graph, graph, "one").lock, type=dict[str, msgspec.Raw])
    packages = msgspec.json.decode(after["packages"], type=dict[str, msgspec.Raw])
    assert {path: bytes(one) for path, one in packages.items()} == {
        path: bytes(one) for path, one in raw.items() if path in packages
    }
