"""The comparison of lockfiles finds what differs, and its corpus and its changes are what they claim to be."""

import json
import socket

import compare_locks
import pytest
from lockcheck.difference import compare_answers
from lockcheck.mutations import Mutator
from lockcheck.oracle import Answer
from lockcheck.projects import CORPUS, ProjectFiles, read_corpus, read_folder
from lockcheck.published import Registry
from support.packages import make_package
from support.registry import PackageRegistry


def lock(packages):
    return json.dumps({"lockfileVersion": 3, "packages": {"": {"name": "app"}, **packages}}).encode()


def answer(packages):
    return Answer("", lock(packages), 1.0)


def kinds(comparison):
    return [(one.location, one.kind) for one in comparison.differences]


LEFT = {"version": "1.0.0", "license": "MIT"}
RIGHT = {"version": "2.0.0"}


def test_equal_locks_have_no_difference():
    comparison = compare_answers("app", answer({"node_modules/left": LEFT}), answer({"node_modules/left": LEFT}))
    assert comparison.is_equal
    assert (comparison.entries, comparison.alike, kinds(comparison)) == (1, 1, [])


def test_finds_missing_and_extra_entries():
    comparison = compare_answers("app", answer({"node_modules/left": LEFT}), answer({"node_modules/right": RIGHT}))
    assert kinds(comparison) == [("node_modules/left", "missing"), ("node_modules/right", "extra")]
    assert comparison.alike == 0


def test_names_the_fields_that_differ():
    found = {**LEFT, "dev": True}
    comparison = compare_answers("app", answer({"node_modules/left": LEFT}), answer({"node_modules/left": found}))
    assert [one.detail for one in comparison.differences] == ["dev: npm (absent), pmpipe true"]


def test_the_same_entries_in_other_bytes_are_not_equal():
    other = Answer("", lock({"node_modules/left": LEFT}) + b"\n", 1.0)
    comparison = compare_answers("app", answer({"node_modules/left": LEFT}), other)
    assert not comparison.is_equal
    assert comparison.differences == ()


def test_the_same_refusal_is_equal_and_another_is_not():
    refused = Answer("ERESOLVE", b"", 1.0)
    assert compare_answers("app", refused, Answer("ERESOLVE", b"", 2.0)).is_equal
    assert not compare_answers("app", refused, Answer("ETARGET", b"", 2.0)).is_equal
    assert not compare_answers("app", refused, answer({})).is_equal


def test_counts_what_changed_in_npms_lock():
    old = lock({"node_modules/left": LEFT, "node_modules/gone": RIGHT})
    new = answer({"node_modules/left": {**LEFT, "dev": True}, "node_modules/right": RIGHT})
    assert compare_answers("app", new, new, old).changed == 3


def test_the_corpus_has_forty_projects_and_names_no_address():
    entries = read_corpus(CORPUS)
    assert len(entries) >= 40
    with open(CORPUS, encoding="utf-8") as file:
        text = file.read()
    assert "resolved" not in text
    assert "://" not in text


def test_the_corpus_covers_workspaces_overrides_aliases_and_settings():
    entries = list(read_corpus(CORPUS).values())
    manifests = [entry.get("manifest", {}) for entry in entries]
    assert sum("workspaces" in entry for entry in entries) >= 4
    assert sum("overrides" in manifest for manifest in manifests) >= 3
    assert any("npm:" in json.dumps(manifest) for manifest in manifests)
    assert any("config" in entry for entry in entries)


def test_reads_a_folder_with_workspaces_and_settings(tmp_path):
    written = ProjectFiles(
        "app", {"": {"name": "app", "workspaces": ["p/*"]}, "p/a": {"name": "a"}}, {"legacy-peer-deps": True}
    )
    written.write(str(tmp_path / "app"))
    assert read_folder(str(tmp_path / "app")) == written


def publish(registry):
    for version in ("1.0.0", "1.1.0", "2.0.0"):
        registry.publish(make_package("left", version, dependencies={"right": "^1.0.0"}))
        registry.publish(make_package("right", version), make_package("middle", version))


@pytest.fixture
def projects(registry):
    publish(registry)
    manifest = {"name": "app", "dependencies": {"left": "^1.0.0"}, "devDependencies": {"middle": "^1.0.0"}}
    packages = {
        "node_modules/left": {"version": "1.1.0", "resolved": "x"},
        "node_modules/right": {"version": "1.1.0", "resolved": "x"},
        "node_modules/middle": {"version": "1.1.0", "resolved": "x"},
    }
    other = {"name": "other", "dependencies": {"right": "^1.0.0"}}
    return [
        (ProjectFiles("app", {"": manifest}), lock(packages)),
        (ProjectFiles("other", {"": other}), lock({"node_modules/right": packages["node_modules/right"]})),
    ]


def test_every_kind_of_change_is_made_in_turn(registry, projects):
    made = Mutator(projects, Registry(registry.url), 1).make(12)
    words = [one.project.name.split("-")[2] for one in made]
    assert words == ["bump", "downgrade", "add", "remove", "move", "override"] * 2


def test_every_change_changes_the_manifest_and_keeps_the_old_lock(registry, projects):
    before = {json.dumps(project.manifest): old for project, old in projects}
    for stale in Mutator(projects, Registry(registry.url), 2).make(18):
        assert json.dumps(stale.project.manifest) not in before
        assert stale.old_lock in before.values()


def test_changes_follow_from_the_seed(registry, projects):
    first, same, other = (Mutator(projects, Registry(registry.url), seed).make(12) for seed in (7, 7, 8))
    assert first == same
    assert first != other


@pytest.mark.npm
# npm itself runs a dozen times: on a loaded machine that takes longer than any other test
@pytest.mark.timeout(400)
@pytest.mark.parametrize("stale", [[], ["--mutations", "6"]])
def test_compares_projects_with_npm_while_recording_and_replayed(projects, tmp_path, capsys, stale):
    for project, _ in projects:
        project.write(str(tmp_path / project.name))
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    words = [str(tmp_path / "app"), str(tmp_path / "other"), "--recording", str(tmp_path / "rec"), "--port", str(port)]
    words += ["--server", "python", "--in-process", "--opinions", "--json", *stale]
    with PackageRegistry() as upstream:
        publish(upstream)
        assert compare_locks.main([*words, "--record", "--upstream", upstream.url]) == 0
    recorded = json.loads(capsys.readouterr().out)
    assert compare_locks.main(words) == 0
    (report,) = json.loads(capsys.readouterr().out)
    assert report["totals"] == recorded[0]["totals"]
    assert report["totals"]["projects"] == (6 if stale else 2)
    assert report["totals"]["agreed"] == report["totals"]["asked"] > 0
