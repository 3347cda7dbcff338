"""Changing a package.json: which maps change, how the file is laid out, and agreement with npm byte for byte."""

from __future__ import annotations

import json
from random import Random
from typing import Any

import pytest
from asking_npm import ask_npm

from pmpipe.errors import ManifestError
from pmpipe.npm.manifests.manifest_edit import Addition, ManifestEdit, SaveType
from pmpipe.npm.manifests.manifest_text import NO_MANIFEST, read_manifest_text
from pmpipe.npm.texts.json_layout import JsonLayout, layout_of


def edit(document: dict[str, Any] | str) -> ManifestEdit:
    text = document if isinstance(document, str) else json.dumps(document, indent=2) + "\n"
    return ManifestEdit(read_manifest_text(text.encode(), "package.json"))


def written(change: ManifestEdit) -> dict[str, Any]:
    data = change.written()
    assert data is not None
    return json.loads(data)


def test_new_dependency_is_one_for_production():
    change = edit({"name": "app"})
    change.add([Addition("b", "^1.0.0")], None)
    assert written(change) == {"name": "app", "dependencies": {"b": "^1.0.0"}}


@pytest.mark.parametrize("field", ["devDependencies", "optionalDependencies", "peerDependencies"])
def test_dependency_stays_in_its_map_if_no_kind_is_asked_for(field):
    change = edit({field: {"b": "^1.0.0"}})
    change.add([Addition("b", "^2.0.0")], None)
    assert written(change) == {field: {"b": "^2.0.0"}}


def test_dependency_without_a_spec_keeps_the_one_that_it_has():
    change = edit({"dependencies": {"b": "^1.0.0"}})
    change.add([Addition("b", "*")], None)
    assert change.document["dependencies"] == {"b": "^1.0.0"}
    assert change.written() is None


def test_development_dependency_becomes_one_for_production_and_that_is_said():
    change = edit({"devDependencies": {"b": "^1.0.0"}})
    change.add([Addition("b", "^1.0.0")], SaveType.PROD)
    assert written(change) == {"dependencies": {"b": "^1.0.0"}}
    assert change.warnings == ["removing devDependencies.b in favour of dependencies.b"]


def test_optional_dependency_is_written_once_although_the_lockfile_may_see_it_twice():
    change = edit({})
    change.add([Addition("b", "^1.0.0")], SaveType.OPTIONAL)
    assert change.document["dependencies"] == change.document["optionalDependencies"] == {"b": "^1.0.0"}
    assert written(change) == {"optionalDependencies": {"b": "^1.0.0"}}


def test_peer_that_is_a_development_dependency_too_has_one_spec():
    change = edit({"devDependencies": {"b": "^1.0.0"}})
    change.add([Addition("b", "^2.0.0")], SaveType.PEER)
    assert written(change) == {"devDependencies": {"b": "^2.0.0"}, "peerDependencies": {"b": "^2.0.0"}}


def test_optional_peer_stays_optional():
    change = edit({"peerDependencies": {"b": "1"}, "peerDependenciesMeta": {"b": {"optional": True}}})
    assert change.kind_of("b") is SaveType.PEER_OPTIONAL
    change.add([Addition("b", "2")], None)
    assert change.document["peerDependenciesMeta"] == {"b": {"optional": True}}


def test_bundled_dependencies_are_listed_in_order_and_once():
    change = edit({"bundledDependencies": ["c", "b"]})
    change.add([Addition("a", "1"), Addition("b", "1")], None, bundled=True)
    assert change.document["bundleDependencies"] == ["a", "b", "c"]


def test_peer_is_never_bundled():
    change = edit({})
    change.add([Addition("a", "1")], SaveType.PEER, bundled=True)
    assert "bundleDependencies" not in change.document


def test_removed_dependency_leaves_every_map_and_no_empty_ones():
    change = edit(
        {
            "dependencies": {"a": "1"},
            "devDependencies": {"b": "1"},
            "peerDependencies": {"a": "1"},
            "peerDependenciesMeta": {"a": {"optional": True}},
            "bundleDependencies": ["a"],
        }
    )
    change.remove(["a", "unknown"])
    assert "peerDependenciesMeta" not in change.document
    assert written(change) == {
        "devDependencies": {"b": "1"},
        "peerDependenciesMeta": {"a": {"optional": True}},
    }


def test_saved_spec_replaces_a_peer_s_range_only_if_it_lies_outside():
    change = edit({"devDependencies": {"b": "1"}, "peerDependencies": {"b": ">=1"}})
    change.save_spec("b", "^1.2.0", None)
    assert written(change) == {"devDependencies": {"b": "^1.2.0"}, "peerDependencies": {"b": ">=1"}}
    change.save_spec("b", "^0.2.0", None)
    assert written(change) == {"devDependencies": {"b": "^0.2.0"}, "peerDependencies": {"b": "^0.2.0"}}


def test_saved_path_replaces_a_peer_s_range():
    change = edit({"devDependencies": {"b": "1"}, "peerDependencies": {"b": ">=1"}})
    change.save_spec("b", "file:../b", None, is_local=True)
    assert written(change)["peerDependencies"] == {"b": "file:../b"}


def test_saved_production_spec_ends_an_optional_dependency():
    change = edit({"optionalDependencies": {"b": "1"}})
    change.add([Addition("b", "1")], SaveType.PROD)
    change.save_spec("b", "^1.2.0", SaveType.PROD)
    assert written(change) == {"dependencies": {"b": "^1.2.0"}}


def test_package_called_proto_is_a_dependency_like_any_other():
    change = edit({})
    change.add([Addition("__proto__", "1")], None)
    assert written(change)["dependencies"] == {"__proto__": "1"}


def test_file_is_made_where_there_was_none():
    change = ManifestEdit(NO_MANIFEST)
    change.add([Addition("b", "^1.0.0")], None)
    assert change.written() == b'{\n  "dependencies": {\n    "b": "^1.0.0"\n  }\n}\n'


def test_unusable_text_is_refused():
    with pytest.raises(ManifestError, match="must be an object"):
        read_manifest_text(b"[]", "package.json")
    with pytest.raises(ManifestError, match=r"cannot read package\.json"):
        read_manifest_text(b"{", "package.json")


@pytest.mark.parametrize(
    ("text", "layout"),
    [
        ('{\n\t"a": 1\n}', JsonLayout("\t", "\n")),
        ('{\r\n    "a": 1\r\n}', JsonLayout("    ", "\r\n")),
        ('{"a": 1}\n', JsonLayout("", "")),
        ('{\n"a": 1}', JsonLayout("", "\n")),
        ("{}", JsonLayout()),
        ("{}\r\n", JsonLayout(newline="\r\n")),
    ],
)
def test_layout_follows_the_first_lines(text, layout):
    assert layout_of(text) == layout


TEXTS = [
    '{"name": "app", "dependencies": {"z": "1", "b": "^1.0.0"}}',
    '{\n  "name": "app"\n}',
    '{\n\t"name": "app",\n\t"scripts": {"x": "y"},\n\t"files": [ "a", "b" ], "empty": [], "none": {}\n}\n',
    '{\r\n    "dependencies": {"b": "1"},\r\n    "name": "app"\r\n}\r\n',
    '\ufeff{\n  "name": "app"\n}\n',
    "{}",
    "{}\n",
    '{\n"name":"app"}\n\n\n',
    '{\n\n   "name": "app"\n}',
    '{\n            "name": "app"\n}',
    '{\n  "name": "ünï \\u0001\\u007f\\u2028 \\ud83d\\ude00 \\/ \\" \\\\ \\t",\n  "2": 1, "10": 2, "1": 3\n}\n',
    '{\n  "n": [1.0, 1e21, 1e-7, 123456789012345678901, 0.000001, 1.5e-10, -0, 2.50, 1e300, 1E5, -1.25e25]\n}',
    '{\n  "dependencies": {"10": "1", "B": "1", "a": "2", "9": "1", "_a": "1", "@s/a": "1", "a-b": "1"}\n}\n',
    '{\n  "dependencies": {"b": "1"}, "peerDependencies": {"b": "1", "c": "1"}, "devDependencies": {"c": "1"}\n}\n',
    '{\n  "dependencies": {"b": "1", "a": "1"}, "optionalDependencies": {"b": "2"}\n}\n',
    '{\n  "bundleDependencies": true, "dependencies": {"b": "1", "a": "1"}\n}\n',
    '{\n  "bundledDependencies": ["b"], "dependencies": {"b": "1", "a": "1"}\n}\n',
    '{\n  "bundleDependencies": false, "dependencies": {"b": "1"}\n}\n',
    '{\n  "bundleDependencies": {"b": 1}, "dependencies": {"b": "1"}, "dependencies": {"c": "1"}\n}\n',
    '{\n  "peerDependencies": {"b": "1", "c": "1"}, "peerDependenciesMeta": {"b": {"optional": true}}\n}\n',
    '{\n  "devDependencies": {}, "dependencies": {}, "x": null, "y": true\n}\n',
]
NAMES = ["a", "b", "c", "B", "@s/a", "a-b", "9", "zz"]


def questions() -> list[dict[str, Any]]:
    random = Random(3)
    asked = []
    for text in TEXTS:
        asked.append({"text": text})
        for _ in range(25):
            question: dict[str, Any] = {"text": text, "saveBundle": random.random() < 0.2}
            names = random.sample(NAMES, random.randint(1, 3))
            if random.random() < 0.7:
                specs = [random.choice(["*", "^1.2.0", "file:../x"]) for _ in names]
                question["add"] = [{"name": n, "rawSpec": s} for n, s in zip(names, specs, strict=True)]
                question["saveType"] = random.choice([None, *(kind.value for kind in SaveType)])
            if random.random() < 0.4:
                question["rm"] = random.sample(NAMES, 2)
            asked.append(question)
    return asked


@pytest.mark.npm
def test_every_change_is_written_as_npm_writes_it():
    asked = questions()
    for question, npms in zip(asked, ask_npm("ask_manifest.cjs", asked), strict=True):
        change = edit(question["text"])
        if "add" in question:
            kind = question["saveType"] and SaveType(question["saveType"])
            additions = [Addition(one["name"], one["rawSpec"]) for one in question["add"]]
            change.add(additions, kind, bundled=question["saveBundle"])
        if "rm" in question:
            change.remove(question["rm"])
        ours = change.written() or question["text"].encode()
        assert ours.decode() == npms["text"], question
        # JSON has no order, and the resolver's edges follow that of the maps
        for field in ("dependencies", "devDependencies", "optionalDependencies", "peerDependencies"):
            assert list(change.document.get(field, {}).items()) == sorted_as(npms["pkg"].get(field, {}), change, field)
        assert change.document.get("bundleDependencies") == npms["pkg"].get("bundleDependencies")
        assert change.document.get("peerDependenciesMeta") == npms["pkg"].get("peerDependenciesMeta")


def sorted_as(theirs: dict[str, str], change: ManifestEdit, field: str) -> list[tuple[str, str]]:
    """JavaScript puts names that are numbers first; elsewhere the order must be the same."""
    ours = change.document.get(field, {})
    order = [name for name in ours if not name.isdigit()]
    assert [name for name in theirs if not name.isdigit()] == order
    return [(name, theirs[name]) for name in ours]
