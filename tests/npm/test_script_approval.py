"""Changing ``allowScripts``: what approving, denying and pruning write, and agreement with npm's own edits."""

from __future__ import annotations

import pytest
from asking_npm import ask_npm
from script_texts import FOLDER, HOME, ScriptTexts, asked_about, with_address, without_version

from pmpipe.npm.scripts.script_approval import Candidate, approve, deny, name_key, unused, versioned_key
from pmpipe.npm.scripts.script_policy import is_for_any_version
from pmpipe.npm.scripts.script_source import ScriptSource, identify, read_key
from pmpipe.npm.specs.spec_types import RangeSpec, VersionSpec

COMMIT = "0123456789abcdef0123456789abcdef01234567"
GIT = ScriptSource(resolved=f"git+ssh://git@github.com/user/project.git#{COMMIT}")
NAMELESS = ScriptSource(resolved="https://host.example/x.tgz")
ELSEWHERE = ScriptSource(resolved=f"git+ssh://git@host.example/user/project.git#{COMMIT}")
UNNAMED = ScriptSource(name="x", version="1.0.0", resolved="https://registry.example/tarballs/1234.tgz")


def x(version: str) -> ScriptSource:
    return ScriptSource(name="x", version=version, resolved=f"https://registry.example/x/-/x-{version}.tgz")


def approved(entries, *sources, pin=True):
    return shape(approve(entries, sources, pin=pin, folder=FOLDER, home=HOME))


def denied(entries, *sources):
    return shape(deny(entries, sources, folder=FOLDER, home=HOME))


def shape(changed):
    """The change as ask_scripts.cjs tells it; order counts."""
    return {
        "entries": [list(entry) for entry in changed.entries.items()],
        "changes": [[one.key, one.change] for one in changed.changes],
        "warned": bool(changed.warning),
    }


def outcome(entries, *changes, warned=False):
    return {
        "entries": [list(entry) for entry in entries.items()],
        "changes": [list(change) for change in changes],
        "warned": warned,
    }


@pytest.mark.parametrize(
    ("source", "by_name", "by_version"),
    [
        (x("1.0.0"), "x", "x@1.0.0"),
        (ScriptSource(name="@s/x", version="1.0.0"), "@s/x", "@s/x@1.0.0"),
        (UNNAMED, "x", ""),
        (GIT, "github:user/project", f"github:user/project#{COMMIT}"),
        (ELSEWHERE, "git+ssh://git@host.example/user/project.git", f"{ELSEWHERE.resolved}"),
        (ScriptSource(resolved="file:x.tgz"), "file:/project/app/x.tgz", "file:/project/app/x.tgz"),
        (ScriptSource(links=("file:../lib",), folders=("/project/app/lib",)), "file:../lib", "file:../lib"),
        (ScriptSource(folders=("/project/app/lib",)), "/project/app/lib", "/project/app/lib"),
        (ScriptSource(resolved="https://host.example/x.tgz"), "", ""),
    ],
)
def test_keys_of_a_package(source, by_name, by_version):
    assert name_key(source, FOLDER, HOME) == by_name
    assert versioned_key(source, FOLDER, HOME) == by_version


def test_approval_pins_every_installed_version_and_takes_out_stale_pins():
    before = {"a": True, "x@0.9.0": True, "x@1.0.0": True, "x@0.1.0 || 0.2.0": True}
    assert approved(before, x("1.0.0"), x("2.0.0")) == outcome(
        {"a": True, "x@1.0.0": True, "x@0.1.0 || 0.2.0": True, "x@2.0.0": True},
        ("x@0.9.0", "removed-stale"),
        ("x@2.0.0", "added"),
    )


def test_pin_replaces_the_name():
    assert approved({"x": True}, x("1.0.0")) == outcome(
        {"x@1.0.0": True}, ("x@1.0.0", "added"), ("x", "replaced-by-pin")
    )


def test_name_replaces_the_pins():
    assert approved({"x@1.0.0": True, "y@1.0.0": True}, x("1.0.0"), pin=False) == outcome(
        {"y@1.0.0": True, "x": True}, ("x", "added")
    )


def test_approval_a_second_time_changes_nothing():
    assert approved({"x@1.0.0": True}, x("1.0.0")) == outcome({"x@1.0.0": True})


@pytest.mark.parametrize("key", ["x", "x@1.0.0", "x@3.0.0", "x@^1", "x@latest"])
def test_entry_that_denies_stops_the_approval(key):
    before = {"x@0.9.0": True, key: False}
    assert approved(before, x("1.0.0")) == outcome(before, warned=True)


def test_warning_tells_what_is_denied():
    warning = approve({"x": False}, [x("1.0.0")], pin=True, folder=FOLDER).warning
    assert warning == '"x" is denied: "x" can be approved when that entry of allowScripts is gone'
    warning = approve({"x@1.0.0": False}, [x("2.0.0")], pin=True, folder=FOLDER).warning
    assert '"x@1.0.0" is denied, so "x" is not approved' in warning


def test_version_that_nothing_vouches_for_is_approved_by_name_with_a_warning():
    assert approved({"x@1.0.0": True}, UNNAMED) == outcome(
        {"x": True}, ("x@1.0.0", "removed-pinned-allow"), ("x", "added"), warned=True
    )
    assert approved({"x": True}, UNNAMED) == outcome({"x": True})


def test_version_that_the_registry_is_asked_for_is_pinned():
    assert approved({}, ScriptSource(name="x", version="1.0.0")) == outcome({"x@1.0.0": True}, ("x@1.0.0", "added"))


def test_commit_is_pinned_and_the_repository_replaced():
    pinned = f"github:user/project#{COMMIT}"
    assert approved({"github:user/project": True}, GIT) == outcome(
        {pinned: True}, (pinned, "added"), ("github:user/project", "replaced-by-pin")
    )


def test_repository_is_denied_whatever_the_commit():
    before = {"user/project#0123": True, "x": True, "a b": True, "user/other": True}
    assert denied(before, GIT) == outcome(
        {"x": True, "a b": True, "user/other": True, "github:user/project": False},
        ("user/project#0123", "removed-pinned-allow"),
        ("github:user/project", "added"),
    )


def test_folder_is_denied_by_whatever_means_it():
    source = ScriptSource(links=("file:../lib",), folders=("/project/app/lib",))
    assert denied({"file:lib": True}, source) == outcome(
        {"file:../lib": False}, ("file:lib", "removed-pinned-allow"), ("file:../lib", "added")
    )


def test_package_with_a_name_that_comes_from_nowhere_known_is_approved_by_its_name():
    source = ScriptSource(name="x", version="1.0.0", resolved="svn://host.example/x-1.0.0.tgz")
    assert approved({}, source) == outcome({"x": True}, ("x", "added"), warned=True)


def test_a_repository_on_a_host_of_ones_own_is_approved_by_its_address():
    # npm writes no entry for it, and heeds this one
    assert approved({"a": True}, ELSEWHERE) == outcome(
        {"a": True, ELSEWHERE.resolved: True}, (ELSEWHERE.resolved, "added")
    )
    address = "git+ssh://git@host.example/user/project.git"
    assert denied({ELSEWHERE.resolved: True}, ELSEWHERE)["entries"] == [[address, False]]
    key = read_key(versioned_key(ELSEWHERE, FOLDER, HOME), FOLDER, HOME)
    repository = identify(ELSEWHERE, FOLDER, HOME).repository
    assert (key.fetch_spec, key.committish) == (repository.fetch_spec, repository.committish)


def test_package_without_a_key_is_neither_approved_nor_denied():
    assert approved({"a": True}, NAMELESS) == outcome({"a": True})
    assert approved({"a": True}, NAMELESS, pin=False) == outcome({"a": True})
    assert denied({"a": True}, NAMELESS) == outcome({"a": True})


def test_denial_is_for_all_versions_and_takes_out_the_pins():
    before = {"x@1.0.0": True, "x@2.0.0": False, "y@1.0.0": True, "x@^1": "what"}
    assert denied(before, x("1.0.0")) == outcome(
        {"y@1.0.0": True, "x": False},
        ("x@1.0.0", "removed-pinned-allow"),
        ("x@2.0.0", "removed-pinned-allow"),
        ("x@^1", "removed-pinned-allow"),
        ("x", "added"),
    )
    assert denied({"x": True}, x("1.0.0")) == outcome({"x": False}, ("x", "added"))


def test_no_packages_no_change():
    assert approved({"x@^1": 5}) == outcome({"x@^1": 5})
    assert denied({"x@^1": 5}) == outcome({"x@^1": 5})


def test_input_is_left_alone():
    before = {"x": True}
    approve(before, [x("1.0.0")], pin=True, folder=FOLDER)
    deny(before, [x("1.0.0")], folder=FOLDER)
    assert before == {"x": True}


def test_entries_are_unused_if_nothing_is_meant_or_has_scripts():
    entries = {"x@1.0.0": True, "x@2.0.0": False, "y": True, "a b": True, "z": "what", "github:user/project#0123": True}
    candidates = [
        Candidate(x("1.0.0"), has_scripts=True),
        Candidate(ScriptSource(name="y", version="1.0.0"), has_scripts=False),
        Candidate(GIT, has_scripts=True),
    ]
    pruned = unused(entries, candidates, folder=FOLDER, home=HOME)
    assert pruned.entries == {"x@1.0.0": True, "a b": True, "github:user/project#0123": True}
    assert [(one.key, one.value, one.reason) for one in pruned.removed] == [
        ("x@2.0.0", False, "not-installed"),
        ("y", True, "no-scripts"),
        ("z", "what", "not-installed"),
    ]


def test_entry_for_certain_versions_is_unused_if_nothing_vouches_for_the_version_unless_it_denies():
    unvouched = Candidate(without_version(x("1.0.0")), has_scripts=True)
    pruned = unused({"x": True, "x@1.0.0": False, "x@2.0.0": True}, [unvouched], folder=FOLDER)
    assert pruned.entries == {"x": True, "x@1.0.0": False}
    assert [(one.key, one.reason) for one in pruned.removed] == [("x@2.0.0", "not-installed")]


def one_package(texts):
    """A package in some versions, and others with as much in common as chance has it."""
    first = texts.source()
    return [first, *(texts.source() for _ in range(texts.one([0, 0, 1, 2])))]


def entries_about(texts, sources):
    """Some entries, of which the packages' own keys are likely to be some."""
    entries = dict.fromkeys([texts.key() for _ in range(texts.one([0, 1, 3]))], True)
    for source in sources:
        keys = [name_key(source, FOLDER, HOME), versioned_key(source, FOLDER, HOME), texts.pinned()]
        entries |= {key: True for key in keys if key and texts.rarely(0.4)}
    return {
        key: False if texts.rarely(0.15) else "what" if texts.rarely(0.05) else value for key, value in entries.items()
    }


def answer_of_ours(question, sources):
    entries = dict(question["entries"])
    if question["kind"] == "keys":
        return [name_key(sources[0], FOLDER, HOME) or None, versioned_key(sources[0], FOLDER, HOME) or None]
    if question["kind"] == "approve":
        return approved(entries, *sources, pin=question["pin"])
    if question["kind"] == "deny":
        return denied(entries, *sources)
    candidates = [
        Candidate(source, has_scripts=about["hasScripts"])
        for source, about in zip(sources, question["sources"], strict=True)
    ]
    pruned = unused(entries, candidates, folder=FOLDER, home=HOME)
    return {
        "entries": [list(entry) for entry in pruned.entries.items()],
        "removed": [[one.key, one.value, one.reason] for one in pruned.removed],
    }


def but_for_older_denials(mine, theirs, sources):
    """Both answers without denials of versions where nothing vouches for any: before 11.20 npm takes those out."""
    known = [identify(source, FOLDER, HOME) for source in sources]
    if "removed" not in theirs or all(one.version for one in known if one.from_registry):
        return mine, theirs
    specs = {key: read_key(key, FOLDER, HOME) for key, value, _ in theirs["removed"] if value is False}
    passed_over = {
        key
        for key, spec in specs.items()
        if isinstance(spec, (VersionSpec, RangeSpec)) and not is_for_any_version(spec)
    }
    return tuple(
        {part: [one for one in answer[part] if one[0] not in passed_over] for part in answer}
        for answer in (mine, theirs)
    )


def is_on_a_host_of_ones_own(source):
    """Whether it is from a repository for which npm writes no entry, while it heeds one."""
    repository = identify(source, FOLDER, HOME).repository
    return repository is not None and repository.hosted is None


def differences(texts, packages):
    """Ask npm about packages in its form, and ourselves about them in ours: lists of pairs (ours, npm's)."""
    questions, answers = [], []
    for pairs in packages:
        ours = [mine for mine, _ in pairs]
        question = {
            "kind": texts.one(["approve", "approve", "approve", "deny", "unused", "keys"]),
            "source": asked_about(pairs[0][1]),
            "sources": [{**asked_about(theirs), "hasScripts": texts.rarely(0.6)} for _, theirs in pairs],
            "entries": list(entries_about(texts, ours).items()),
            "pin": texts.rarely(0.7),
        }
        questions.append(question)
        answers.append(answer_of_ours(question, ours))
    found = ask_npm("ask_scripts.cjs", questions)
    compared = [
        but_for_older_denials(mine, theirs, [source for source, _ in pairs])
        if question["kind"] == "unused"
        else (mine, theirs)
        for question, mine, theirs, pairs in zip(questions, answers, found, packages, strict=True)
    ]
    return [
        (question, mine, theirs)
        for question, (mine, theirs), pairs in zip(questions, compared, packages, strict=True)
        if mine != theirs
        and not str(theirs).startswith("error: Invalid URL")
        and (question["kind"] == "unused" or not any(is_on_a_host_of_ones_own(source) for source, _ in pairs))
    ]


@pytest.mark.npm
def test_changes_are_npms():
    texts = ScriptTexts(20260204)
    packages = [
        [(source if source.resolved else without_version(source), source) for source in one_package(texts)]
        for _ in range(12_000)
    ]
    assert differences(texts, packages) == []


@pytest.mark.npm
def test_changes_without_an_address_are_those_that_npm_makes_with_one():
    texts = ScriptTexts(20260205)
    packages = []
    for _ in range(4_000):
        name = texts.name()
        versions = [texts.one(["1.0.0", "1.0.1", "2.0.0", "1.0.0-rc.1"]) for _ in range(texts.one([1, 1, 2]))]
        sources = [ScriptSource(name=name, version=version) for version in versions]
        packages.append([(source, with_address(source)) for source in sources])
    assert differences(texts, packages) == []
