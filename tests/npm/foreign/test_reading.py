"""Reading locks of pnpm, bun and yarn: what is pinned, and what is refused."""

from __future__ import annotations

import json
import subprocess
import sys
import time

import pytest
from support.foreign_locks import INTEGRITIES, LOCKS, PROJECT, WORKSPACE, read

from pmpipe.errors import LockfileError
from pmpipe.npm.foreign.files import FOREIGN_LOCKS, is_kept_up_to_date, read_foreign_lock
from pmpipe.npm.foreign.pins import PinKey, Pins, pin_key

COMMIT = "0123456789" * 4
LOCKED = {"a": "1.0.1", "b": "2.0.2", "c": "3.0.3"}


def by_spec(text: str, file: str) -> dict[tuple[str, str], str]:
    return {key: pin.version or pin.commit for key, pin in read_foreign_lock(text.encode(), file).by_spec.items()}


def refusal(data: bytes, file: str) -> str:
    started = time.process_time()
    with pytest.raises(LockfileError) as refused:
        read_foreign_lock(data, file)
    assert time.process_time() - started < 20
    return str(refused.value)


@pytest.mark.parametrize("lock", LOCKS)
def test_pins_every_direct_dependency(lock: str) -> None:
    pins = read(lock)
    groups = (
        PROJECT["dependencies"],
        PROJECT["devDependencies"],
        PROJECT["optionalDependencies"],
        WORKSPACE["dependencies"],
    )
    wanted = {pin_key(name, spec) for group in groups for name, spec in dict(group).items() if "://" not in spec}
    assert wanted <= set(pins.by_spec)
    assert {pins.by_spec[key].version for key in wanted} == {"1.0.0", "2.0.0"}


@pytest.mark.parametrize("lock", [lock for lock in LOCKS if "berry" not in lock])
def test_knows_integrities(lock: str) -> None:
    pins = read(lock)
    assert pins.by_spec[PinKey(("a", "^1.0.0"))].integrity == INTEGRITIES["a@1.0.0"]


def test_the_projects_own_answer_counts_first() -> None:
    lock = {
        "lockfileVersion": 1,
        "workspaces": {"": {"dependencies": {"b": "*"}}, "w": {"name": "w", "dependencies": {"b": "*", "c": "*"}}},
        "packages": {"b": ["b@1.0.0", "", {}], "w/b": ["b@2.0.0", "", {}], "w/c": ["c@3.0.0", "", {}]},
    }
    assert by_spec(json.dumps(lock), "bun.lock") == {("b", "*"): "1.0.0", ("c", "*"): "3.0.0"}


def test_a_spec_in_a_catalog_is_that_of_the_catalog() -> None:
    wants = {"a": "catalog:", "b": "catalog:old", "c": "catalog:gone"}
    bun = {
        "lockfileVersion": 1,
        "workspaces": {"": {"dependencies": wants}},
        "catalog": {"a": "^1.0.0"},
        "catalogs": {"old": {"b": "~2.0.0"}},
        "packages": {name: [f"{name}@{version}", "", {}] for name, version in LOCKED.items()},
    }
    catalogs = {"default": {"a": "^1.0.0"}, "old": {"b": "~2.0.0"}}
    pnpm = {
        "lockfileVersion": "9.0",
        "catalogs": {
            catalog: {name: {"specifier": spec, "version": LOCKED[name]} for name, spec in listed.items()}
            for catalog, listed in catalogs.items()
        },
        "importers": {
            ".": {"dependencies": {name: {"specifier": spec, "version": LOCKED[name]} for name, spec in wants.items()}}
        },
    }
    expected = {("a", "^1.0.0"): "1.0.1", ("b", "~2.0.0"): "2.0.2", ("c", "catalog:gone"): "3.0.3"}
    assert by_spec(json.dumps(bun), "bun.lock") == expected
    assert by_spec(json.dumps(pnpm), "pnpm-lock.yaml") == expected


def test_pnpm_7_may_write_specifiers_beside_the_versions() -> None:
    text = """lockfileVersion: 5.4-inlineSpecifiers
dependencies:
  a: {specifier: ^1.0.0, version: 1.0.1_p@2.0.0}
  b: {specifier: npm:c@^3.0.0, version: /c/3.0.3}
packages:
  /a/1.0.1_p@2.0.0: {resolution: {integrity: sha512-a}}
"""
    assert by_spec(text, "pnpm-lock.yaml") == {("a", "^1.0.0"): "1.0.1", ("c", "npm:c@^3.0.0"): "3.0.3"}


@pytest.mark.parametrize("host", ["https://codeload.example/o/r/tar.gz/", "git+https://git.example/o/r.git#"])
@pytest.mark.parametrize("rest", ["", "(p@2.0.0)", "#path:packages/a", "&path:/packages/a(p@2.0.0(q@1.0.0))"])
@pytest.mark.parametrize("before", ["", "real@"])
def test_pnpm_keeps_commits_with_peers_and_folders(host: str, rest: str, before: str) -> None:
    importer = {"dependencies": {"a": {"specifier": "o/r", "version": f"{before}{host}{COMMIT}{rest}"}}}
    lock = {"lockfileVersion": "9.0", "importers": {".": importer}}
    assert by_spec(json.dumps(lock), "pnpm-lock.yaml") == {("a", "o/r"): COMMIT}


@pytest.mark.parametrize(("reference", "key"), [("{}", "a@{}"), ("real@{}", "real@{}"), ("{}(p@1.0.0)", "a@{}")])
def test_pnpm_9_has_the_integrity_of_a_tarball_under_the_packages_name(reference: str, key: str) -> None:
    url = "https://files.example/a.tgz"
    lock = {
        "lockfileVersion": "9.0",
        "importers": {".": {"dependencies": {"a": {"specifier": url, "version": reference.format(url)}}}},
        "packages": {key.format(url): {"resolution": {"integrity": INTEGRITIES["a@1.0.0"], "tarball": url}}},
    }
    pins = read_foreign_lock(json.dumps(lock).encode(), "pnpm-lock.yaml")
    assert pins.by_spec[PinKey(("a", url))].integrity == INTEGRITIES["a@1.0.0"]


@pytest.mark.parametrize(
    "address",
    [
        "https://github.example/u/r#{}",
        "https://github.example/u/r.git#{}",
        "git+ssh://git@host.example/u/r#{}",
        "git://host.example/u/r.git#{}",
        "https://codeload.example/u/r/tar.gz/{}",
        "https://codeload.example/u/r/tar.gz/{}#0000000000000000000000000000000000000000",
        "https://bitbucket.example/u/r/get/{}.tar.gz",
        "https://bitbucket.example/u/r/get/{}.tar.gz#0000000000000000000000000000000000000000",
        "https://gitlab.example/u/r/repository/archive.tar.gz?ref={}",
        "https://gitlab.example/u/r/repository/archive.tar.gz?ref={}#0000000000000000000000000000000000000000",
    ],
)
def test_yarn_1_keeps_the_commit_wherever_its_address_has_it(address: str) -> None:
    text = f'"r@u/r#main":\n  version "1.0.0"\n  resolved "{address.format(COMMIT)}"\n'
    assert read_foreign_lock(text.encode(), "yarn.lock").by_spec[PinKey(("r", "u/r#main"))].commit == COMMIT


@pytest.mark.parametrize("file", ["r-1.0.0.tgz", "r-1.0.0.tar.gz"])
def test_the_sha1_of_a_tarball_is_no_commit(file: str) -> None:
    text = f'r@^1.0.0:\n  version "1.0.0"\n  resolved "https://registry.example/r/-/{file}#{COMMIT}"\n'
    assert not read_foreign_lock(text.encode(), "yarn.lock").by_spec[PinKey(("r", "^1.0.0"))].commit


@pytest.mark.parametrize("rest", [[], ["sha512-a=="]])
def test_bun_has_only_the_beginning_of_a_commit_on_github(rest: list[str]) -> None:
    lock = {
        "lockfileVersion": 1,
        "workspaces": {"": {"dependencies": {"r": "u/r"}}},
        "packages": {"r": [f"r@github:u/r#{COMMIT[:7]}", {}, f"u-r-{COMMIT[:7]}", *rest]},
    }
    assert by_spec(json.dumps(lock), "bun.lock") == {("r", "u/r"): COMMIT[:7]}


def test_bun_is_read_like_node_modules() -> None:
    needs_b = {"dependencies": {"@s/b": "1"}}
    lock = {
        "lockfileVersion": 1,
        "workspaces": {"": {}},
        "packages": {
            "@s/a/@s/c": ["@s/c@1.0.0", "", needs_b],
            "@s/a/@s/b": ["@s/b@1.0.1", "", {}],
            "@s/b": ["@s/b@9.0.0", "", {}],
        },
    }
    assert by_spec(json.dumps(lock), "bun.lock") == {("@s/b", "1"): "1.0.1"}


def test_bun_may_have_comments_and_commas() -> None:
    text = '{ // one\n "lockfileVersion": 0, /* two\n */ "workspaces": {"": {"dependencies": {"a": "//,]"},},},\n'
    assert by_spec(text + ' "packages": {"a": ["a@1.0.0", "", {},], // three\n }, }', "bun.lock") == {
        ("a", "//,]"): "1.0.0"
    }


def test_a_fault_in_bun_lock_is_found_where_it_stands() -> None:
    assert "bun.lock:3:4" in refusal(b'{ // x\n "a": [1,],\n   nonsense }', "bun.lock")


@pytest.mark.parametrize(
    ("reference", "name", "version"),
    [
        ("1.0.0", "a", "1.0.0"),
        ("1.0.0-rc.1+x_p@2.0.0", "a", "1.0.0-rc.1+x"),
        ("1.0.0_@s+p@2.0.0+q@1.0.0", "a", "1.0.0"),
        ("/a_b/1.0.0_p@2.0.0", "a_b", "1.0.0"),
        ("/@s/a_b/1.0.0", "@s/a_b", "1.0.0"),
        ("registry.example/@s/b/1.0.0", "@s/b", "1.0.0"),
    ],
)
def test_pnpm_5_writes_versions_behind_slashes(reference: str, name: str, version: str) -> None:
    text = f"lockfileVersion: 5.3\nspecifiers:\n  a: ^1\ndependencies:\n  a: {reference!r}\n"
    pins = read_foreign_lock(text.encode(), "pnpm-lock.yaml")
    assert {key: [pin.version for pin in found] for key, found in pins.by_name.items()} == {name: [version]}


@pytest.mark.parametrize(
    ("reference", "name", "version"),
    [
        ("1.0.0(@s/p@2.0.0(q@1.0.0))(r@3.0.0)", "a", "1.0.0"),
        ("/b@1.0.0(p@1.0.0)", "b", "1.0.0"),
        ("'@s/b@1.0.0'", "@s/b", "1.0.0"),
        ("registry.example/b@1.0.0", "b", "1.0.0"),
    ],
)
def test_pnpm_9_writes_versions_behind_an_at_sign(reference: str, name: str, version: str) -> None:
    text = (
        "---\nlockfileVersion: '9.0'\npackages: {pnpm@9.9.9: {}}\n---\nlockfileVersion: '9.0'\nimporters:\n"
        f"  .:\n    dependencies:\n      a:\n        specifier: ^1\n        version: {reference}\n"
    )
    pins = read_foreign_lock(text.encode(), "pnpm-lock.yaml")
    assert {key: [pin.version for pin in found] for key, found in pins.by_name.items()} == {name: [version]}


@pytest.mark.parametrize(
    ("file", "text"),
    [
        (
            "pnpm-lock.yaml",
            (
                "lockfileVersion: '9.0'\nimporters:\n  .:\n    dependencies:\n      r:\n        specifier: u/r#main\n"
                f"        version: https://host.example/u/r/tar.gz/{COMMIT}\n"
            ),
        ),
        (
            "bun.lock",
            (
                '{"lockfileVersion": 1, "workspaces": {"": {"dependencies": {"r": "u/r#main"}}}, "packages": '
                f'{{"r": ["r@github:u/r#{COMMIT}", {{}}, "u-r-0123"]}}}}'
            ),
        ),
        (
            "yarn.lock",
            (
                "__metadata:\n  version: 8\n\n"
                f'"r@u/r#main":\n  version: 1.0.0\n  resolution: "r@https://host.example/u/r.git#commit={COMMIT}"\n'
            ),
        ),
    ],
)
def test_the_commits_of_git_dependencies_are_kept(file: str, text: str) -> None:
    assert by_spec(text, file) == {("r", "u/r#main"): COMMIT}


def test_what_links_to_a_folder_is_not_pinned() -> None:
    text = "lockfileVersion: '6.0'\ndependencies:\n  w:\n    specifier: workspace:*\n    version: link:packages/w\n"
    assert not read_foreign_lock(text.encode(), "pnpm-lock.yaml")
    berry = '__metadata: {}\n"w@workspace:w":\n  version: 0.0.0-use.local\n  resolution: "w@workspace:w"\n'
    assert not read_foreign_lock(berry.encode(), "yarn.lock")


@pytest.mark.parametrize(
    ("file", "text", "words"),
    [
        ("pnpm-lock.yaml", "", "must be a mapping"),
        ("pnpm-lock.yaml", "- a\n", "must be a mapping"),
        ("pnpm-lock.yaml", "importers: {}\n", "it has no lockfileVersion"),
        ("pnpm-lock.yaml", "lockfileVersion: 10.0\n", "lockfileVersion 10.0 is not known"),
        ("pnpm-lock.yaml", "lockfileVersion: 9\na: [\n", "pnpm-lock.yaml:3:1"),
        ("pnpm-lock.yaml", "lockfileVersion: 9\na: &x 1\n", "pnpm-lock.yaml:2:4: there is an anchor"),
        ("pnpm-lock.yaml", "lockfileVersion: 9\na: *x\n", "pnpm-lock.yaml:2:4: there is an alias"),
        ("pnpm-lock.yaml", "a: !!python/object:os.system x\n", "pnpm-lock.yaml:1:4: there is an anchor or a tag"),
        ("pnpm-lock.yaml", "a: !!map {}\n", "there is an anchor or a tag"),
        ("pnpm-lock.yaml", "a: 1\na: 2\n", "pnpm-lock.yaml:2:1: there is a second 'a'"),
        ("pnpm-lock.yaml", "? [a]\n: 1\n", "a key that is no text"),
        ("pnpm-lock.yaml", "<<<<<<< ours\na: 1\n=======\na: 2\n>>>>>>> theirs\n", ":1:1: the file holds unresolved"),
        (
            "pnpm-lock.yaml",
            "a:\n<<<<<<< ours\n  b: 1\n=======\n",
            "pnpm-lock.yaml:2:1: the file holds unresolved merge",
        ),
        ("yarn.lock", "__metadata:\n  version: 8\n\n<<<<<<< ours\n", "yarn.lock:4:1: the file holds unresolved merge"),
        (
            "yarn.lock",
            'a@1:\n  version "1"\n<<<<<<< ours\n',
            "yarn.lock:3:1: the file holds unresolved merge conflicts",
        ),
        ("yarn.lock", "__metadata:\n  version: 8\n  <<: *x\n", "an alias"),
        ("yarn.lock", "__metadata: {version: 99}\na: {}\nb: {found: 1}\n", "none of its 2 entries has a resolution"),
        ("bun.lock", "", "bun.lock:1:1"),
        ("bun.lock", "[]", "must be an object"),
        ("bun.lock", '{"lockfileVersion": 99}', "lockfileVersion 99 is not known"),
        ("bun.lock", "{}", "it has no lockfileVersion"),
    ],
)
def test_says_why_and_where_a_lock_cannot_be_read(file: str, text: str, words: str) -> None:
    message = refusal(text.encode(), file)
    assert words in message
    assert "hint:" in message


@pytest.mark.parametrize(
    "text",
    [
        "a: " + "[" * 1_000_000,
        "a:\n" + "".join(f"{' ' * depth}a:\n" for depth in range(1, 3000)),
        "a: &a [" + "x, " * 100_000 + "]\nb: [" + "*a, " * 100_000 + "]\n",
        "'" + "x" * 5_000_000,
        "\0" * 1000,
        "{" * 500_000,
        "? " * 300_000,
        "a: |\n" + " " * 3_000_000,
    ],
)
def test_hostile_yaml_ends_quickly(text: str) -> None:
    refusal(text.encode(), "pnpm-lock.yaml")


@pytest.mark.parametrize(
    "text",
    [
        "/*" * 2_000_000,
        '"\\' * 2_000_000,
        ',"' * 2_000_000,
        "," * 4_000_000,
        "[" * 1_000_000,
        ", " * 2_000_000,
        "," + " " * 4_000_000,
    ],
)
def test_hostile_json_ends_quickly(text: str) -> None:
    refusal(text.encode(), "bun.lock")


ODD = {
    "bun.lock": """{"lockfileVersion": 1, "workspaces": {"": {"dependencies": {"a": 1, "b": "*"}}, "w": 1,
        "v": {"name": []}}, "packages": {"a": 1, "b": [], "c": [1], "d": ["d"], "e": ["e@1", 2, 3, 4]}}""",
    "pnpm-lock.yaml": """
lockfileVersion: 9
importers: {.: {dependencies: {a: [], b: {}, c: {version: []}, d: x}}, w: 1}
packages: {a: 1, b@1.0.0: {resolution: 1}}
snapshots: {a: 1, b: {dependencies: [], optionalDependencies: {c: {}}}}
""",
    "yarn.lock": '__metadata: 1\n"": {}\n"a": 1\n"a@npm:1": 1\n"b@npm:1": {version: [], resolution: {}}\n'
    '"c@npm:1": {resolution: "c@npm:1.0.0"}\n',
}


@pytest.mark.parametrize("file", FOREIGN_LOCKS)
def test_what_has_odd_types_inside_is_passed_over(file: str) -> None:
    assert read_foreign_lock(ODD[file].encode(), file) == Pins(file)


def test_only_a_yarn_lock_of_yarn_1_is_kept_up_to_date() -> None:
    assert is_kept_up_to_date(b"# yarn lockfile v1\n", "yarn.lock")
    assert not is_kept_up_to_date(b"__metadata:\n  version: 8\n", "yarn.lock")
    assert not is_kept_up_to_date(b"\n", "yarn.lock")
    assert not is_kept_up_to_date(b"lockfileVersion: 9\n", "pnpm-lock.yaml")


def test_yaml_is_only_loaded_where_it_is_needed() -> None:
    code = """
import sys
import pmpipe.resolver
from pmpipe.npm.foreign.files import read_foreign_lock
read_foreign_lock(b'{"lockfileVersion": 1}', "bun.lock")
read_foreign_lock(b'a@1:\\n  version "1.0.0"\\n', "yarn.lock")
assert "yaml" not in sys.modules
"""
    subprocess.run([sys.executable, "-c", code], check=True)


def test_knows_the_versions_of_indirect_dependencies() -> None:
    assert read("bun-2.lock").by_spec[PinKey(("leaf", "^1.0.0"))].version == "1.0.0"
    assert [pin.version for pin in read("pnpm-9.0.yaml").by_name["leaf"]] == ["1.0.0"]


def test_yarn_2_leaves_the_protocol_out_where_it_patches_a_package_itself() -> None:
    text = """__metadata:
  version: 4

"fsevents@patch:fsevents@~2.3.1#builtin<compat/fsevents>":
  version: 2.3.2
  resolution: "fsevents@patch:fsevents@npm%3A2.3.2#builtin<compat/fsevents>::version=2.3.2&hash=11e9ea"

fsevents@~2.3.1:
  version: 2.3.2
  resolution: "fsevents@npm:2.3.2"

"resolve@^1.10.0, resolve@^1.12.0":
  version: 1.20.0
  resolution: "resolve@npm:1.20.0"
"""
    assert by_spec(text, "yarn.lock") == {
        ("fsevents", "~2.3.1"): "2.3.2",
        ("resolve", "^1.10.0"): "1.20.0",
        ("resolve", "^1.12.0"): "1.20.0",
    }


def test_yarn_knows_the_version_that_somebody_has_patched() -> None:
    text = """__metadata:
  version: 8

"a@npm:1.0.0":
  version: 1.0.0
  resolution: "a@npm:1.0.0"

"a@patch:a@npm%3A1.0.0#~/.yarn/patches/a.patch":
  version: 1.0.0
  resolution: "a@patch:a@npm%3A1.0.0#~/.yarn/patches/a.patch::version=1.0.0&hash=785d00"

"a@npm:^1.1.0":
  version: 1.2.0
  resolution: "a@npm:1.2.0"

"app@workspace:.":
  version: 0.0.0-use.local
  resolution: "app@workspace:."
  dependencies:
    a: "npm:^1.0.0"
    b: "npm:^1.0.0"

"b@npm:^1.0.0":
  version: 1.0.0
  resolution: "b@npm:1.0.0"
  dependencies:
    a: "npm:^1.1.0"
"""
    pins = read_foreign_lock(text.encode(), "yarn.lock")
    assert PinKey(("a", "^1.0.0")) not in pins.by_spec
    assert [pin.version for pin in pins.by_name["a"]] == ["1.2.0", "1.0.0"]
