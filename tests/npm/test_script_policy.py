"""Policies about install scripts: who may run them, and agreement with npm's own answers to thousands of questions."""

from __future__ import annotations

import pytest
from asking_npm import ask_npm
from script_texts import FOLDER, HOME, ScriptTexts, asked_about, with_address, without_version
from support.loaded_modules import modules_loaded_by, modules_of_msgspec

from pmpipe.npm.scripts.script_policy import ScriptPolicy, ScriptSource, checked_entries, entries_of_list
from pmpipe.npm.scripts.script_source import read_key

COMMIT = "0123456789abcdef0123456789abcdef01234567"
X = ScriptSource(name="x", version="9.9.9", resolved="https://registry.example/x/-/x-1.0.0.tgz")
UNNAMED = ScriptSource(name="x", version="1.0.0", resolved="https://registry.example/tarballs/1234.tgz")
UNRESOLVED = ScriptSource(name="x", version="1.0.0")
GIT = ScriptSource(resolved=f"git+ssh://git@github.com/user/project.git#{COMMIT}")
LIB = ScriptSource(links=("file:../lib",), folders=("/project/app/lib",))


def verdict(source: ScriptSource, **entries: bool) -> bool | None:
    return ScriptPolicy(entries, FOLDER, HOME).verdict(source)


@pytest.mark.parametrize("key", ["x", "x@*", "x@1.0.0", "x@0.9.0 || 1.0.0", "https://registry.example/x/-/x-1.0.0.tgz"])
def test_package_of_a_registry_is_meant_by_its_name_and_the_version_of_its_address(key):
    assert verdict(X, **{key: True}) is True
    assert verdict(X, **{key: False}) is False


@pytest.mark.parametrize(
    "key",
    ["y", "x@9.9.9", "x@0.9.0 || 1.0.1", "x@^1", "x@latest", "x@npm:x@1.0.0", "x@v1.0.0", "npm:x", "user/x", "./x"],
)
def test_package_of_a_registry_is_not_meant_by_anything_else(key):
    assert verdict(X, **{key: True}) is None
    assert verdict(X, **{key: False}) is None


def test_one_entry_that_denies_outweighs_all_that_allow():
    assert verdict(X, **{"x": True, "x@1.0.0": False, "x@*": True}) is False


def test_name_in_the_address_counts_and_not_the_one_that_was_asked_for():
    renamed = ScriptSource(name="x", version="1.0.0", resolved="https://registry.example/evil/-/evil-1.0.0.tgz")
    assert verdict(renamed, x=True) is None
    assert verdict(renamed, evil=True) is True


@pytest.mark.parametrize(
    ("resolved", "name"),
    [
        ("https:/registry.example/y/-/y-1.0.0.tgz", "y"),
        ("https://registry.example/npm/-/a/@s/y/-/y-1.0.0.tgz", "@s/y"),
        ("https://registry.example/@s%2fy/-/y-1.0.0.tgz", "@s/y"),
        ("https://registry.example/@s/-/-/--1.0.0.tgz", "x"),
        ("https://registry.example/-/y-1.0.0.tgz", "x"),
        ("https://registry.example/y/-/z-1.0.0.tgz", "x"),
    ],
)
def test_odd_address_names_what_npm_takes_it_for(resolved, name):
    source = ScriptSource(name="x", version="1.0.0", resolved=resolved)
    assert [key for key in ("x", "y", "@s/y", "@s/-") if verdict(source, **{key: True})] == [name]


def test_package_that_does_not_come_from_a_registry_is_not_meant_by_a_name():
    assert verdict(ScriptSource(resolved=X.resolved), x=True) is None


def test_version_that_the_address_does_not_tell_is_denied_by_pins_but_not_allowed():
    assert verdict(UNNAMED, x=True) is True
    assert verdict(UNNAMED, **{"x@1.0.0": True}) is None
    assert verdict(UNNAMED, **{"x@1.0.0": False}) is False
    assert verdict(UNNAMED, **{"x@2.0.0 || 3.0.0": False}) is False


def test_version_is_the_one_that_the_registry_is_asked_for_if_there_is_no_address():
    assert verdict(UNRESOLVED, **{"x@1.0.0": True}) is True
    assert verdict(UNRESOLVED, **{"x@1.0.1": True}) is None
    assert verdict(UNRESOLVED, **{"x@1.0.1": False}) is None


def test_nothing_can_be_said_of_a_package_in_another_ones_tarball():
    assert verdict(ScriptSource(name="x", version="1.0.0", in_bundle=True), x=True) is None
    assert verdict(ScriptSource(name="x", version="1.0.0", in_bundle=True), x=False) is None


@pytest.mark.parametrize(
    "key",
    ["github:user/project", "user/project#0123456", f"git+https://github.com/user/project.git#{COMMIT}"],
)
def test_repository_is_meant_in_any_form_and_by_the_beginning_of_its_commit(key):
    assert verdict(GIT, **{key: True}) is True


@pytest.mark.parametrize("key", ["user/other", "gitlab:user/project", f"user/project#{COMMIT}0", "user/project#main"])
def test_repository_is_not_meant_by_another_place_or_commit(key):
    assert verdict(GIT, **{key: True}) is None


def test_repository_on_an_unknown_host_is_meant_by_the_same_address():
    source = ScriptSource(resolved=f"git+ssh://git@host.example/user/project.git#{COMMIT}")
    assert verdict(source, **{"git+ssh://git@host.example/user/project.git#0123": True}) is True
    assert verdict(source, **{"git+https://git@host.example/user/project.git#0123": True}) is None


@pytest.mark.parametrize("key", ["file:lib", "./lib", "/project/app/lib", "file:../lib"])
def test_folder_is_meant_by_its_path_and_by_what_a_link_says(key):
    assert verdict(LIB, **{key: True}) is True


def test_tarball_in_the_file_system_is_meant_by_its_absolute_path_only():
    source = ScriptSource(resolved="file:x.tgz")
    assert verdict(source, **{"file:/project/app/x.tgz": True}) is True
    assert verdict(source, **{"file:x.tgz": True}) is None


def test_list_is_cut_at_commas():
    assert entries_of_list(["a, b@1.0.0 || 2.0.0,", " , c ", "a"]) == {"a": True, "b@1.0.0 || 2.0.0": True, "c": True}


def test_entries_that_npm_leaves_out_are_left_out_with_a_warning():
    entries = {"x": True, "y@^1": True, "y@latest": True, "a b": False, "link:../lib": True, "z@1.0.0 || 2.0.0": False}
    usable, warnings = checked_entries(entries, "package.json", FOLDER, HOME)
    assert usable == {"x": True, "z@1.0.0 || 2.0.0": False}
    assert [line.partition(" is ignored")[0] for line in warnings] == [
        f'package.json: "{key}"' for key in ("y@^1", "y@latest", "a b", "link:../lib")
    ]


def test_entry_that_is_neither_true_nor_false_is_warned_of():
    usable, warnings = checked_entries({"x": "yes", "y": 1}, "package.json", FOLDER)
    assert usable == {}
    assert len(warnings) == 2
    assert "must be true or false" in warnings[0]


@pytest.mark.parametrize(("key", "advice"), [("a@npm:x@1", '"x@1"'), ("=1.0.0", "names no"), ("x@v1.0.0", '"x@1.0.0"')])
def test_entry_that_never_matches_is_kept_and_warned_of(key, advice):
    usable, warnings = checked_entries({key: True}, ".npmrc", FOLDER)
    assert usable == {key: True}
    assert len(warnings) == 1
    assert advice in warnings[0]


def test_place_with_nothing_but_entries_that_npm_leaves_out_says_nothing():
    assert checked_entries({"x@^1": True}, ".npmrc", FOLDER)[0] is None
    assert checked_entries({}, ".npmrc", FOLDER) == (None, [])


def test_warnings_show_no_secret_and_no_control_character():
    _, warnings = checked_entries({"svn://user:secret@host.example/\x1b[2J": True}, ".npmrc", FOLDER)
    assert "secret" not in warnings[0]
    assert warnings[0].isprintable()


@pytest.mark.parametrize("key", ["catalog:", "x@workspace:*", "link:../lib", "svn://host.example/x"])
def test_protocols_that_npm_does_not_have_are_no_keys(key):
    assert checked_entries({key: True}, ".npmrc", FOLDER)[0] is None
    assert verdict(ScriptSource(links=("link:../lib",), folders=("/project/lib",)), **{key: True}) is None


def test_address_that_cannot_be_read_is_taken_as_it_stands():
    assert verdict(ScriptSource(name="x", version="1.0.0", resolved="svn://host.example/x-1.0.0.tgz"), x=True) is True


def test_entries_that_can_do_something_are_not_warned_of():
    entries = {"x": True, "@s/x@1.0.0": True, "user/project#0123": False, "file:../lib": True}
    assert checked_entries(entries, "package.json", FOLDER) == (entries, [])


def test_many_packages_read_each_key_once():
    read_key.cache_clear()
    policy = ScriptPolicy({"x@1.0.0 || 2.0.0": True, "y": True, "@s/x": False}, FOLDER, HOME)
    for patch in range(50):
        policy.verdict(ScriptSource(name="x", version=f"1.0.{patch}"))
    assert read_key.cache_info().misses == 3


def test_modules_load_nothing_that_does_io():
    heavy = {"socket", "subprocess", "asyncio", "multiprocessing", "urllib", "pathlib", "json"} - modules_of_msgspec()
    assert not heavy & modules_loaded_by("import pmpipe.npm.scripts.script_approval, pmpipe.npm.scripts.script_policy")


def different(questions, answers):
    """The questions to which we have another answer than npm."""
    return [
        (question, mine, theirs)
        for (question, mine), theirs in zip(questions, answers, strict=True)
        if mine != theirs and not str(theirs).startswith("error: Invalid URL")
    ]


def ask_about(sources_and_policies):
    """Questions for verdicts: on the one hand what is asked of npm, on the other our answer."""
    return [
        ({"kind": "verdict", "source": asked_about(theirs), "entries": list(policy.items())}, verdict(mine, **policy))
        for mine, theirs, policy in sources_and_policies
    ]


@pytest.mark.npm
def test_verdicts_are_npms():
    texts = ScriptTexts(20260201)
    cases = []
    for _ in range(20_000):
        source = texts.source()
        # npm knows no version if there is no address
        cases.append((source if source.resolved else without_version(source), source, texts.policy()))
    questions = ask_about(cases)
    assert different(questions, ask_npm("ask_scripts.cjs", [question for question, _ in questions])) == []
    for answer in (True, False, None):
        assert sum(mine is answer for _, mine in questions) > 500


@pytest.mark.npm
def test_verdicts_without_an_address_are_those_that_npm_has_with_one():
    texts = ScriptTexts(20260202)
    cases = []
    for _ in range(6_000):
        source = ScriptSource(
            name=texts.name(), version=texts.one(["1.0.0", "1.0.1", "2.0.0", "1.0.0-rc.1", "1.0.0+b"])
        )
        cases.append((source, with_address(source), texts.policy()))
    questions = ask_about(cases)
    assert different(questions, ask_npm("ask_scripts.cjs", [question for question, _ in questions])) == []


@pytest.mark.npm
def test_entries_are_kept_and_lists_cut_as_in_npm():
    texts = ScriptTexts(20260203)
    questions = []
    for _ in range(5_000):
        keys = [texts.key().replace(",", "") for _ in range(texts.one([1, 1, 2, 4]))]
        kept = checked_entries(entries_of_list(keys), ".npmrc", FOLDER, HOME)[0]
        questions.append(({"kind": "kept", "keys": keys}, None if kept is None else list(kept)))
        values = [texts.one([",", ", ", " ,, "]).join([texts.key(), texts.key()]) for _ in range(texts.one([1, 2]))]
        questions.append(({"kind": "list", "values": values}, values))
    answers = ask_npm("ask_scripts.cjs", [question for question, _ in questions])
    kept = [(pair, answer) for pair, answer in zip(questions, answers, strict=True) if pair[0]["kind"] == "kept"]
    assert different([pair for pair, _ in kept], [answer for _, answer in kept]) == []
    for (question, values), answer in zip(questions, answers, strict=True):
        if question["kind"] == "list":
            assert list(entries_of_list(values)) == list(dict.fromkeys(answer))
