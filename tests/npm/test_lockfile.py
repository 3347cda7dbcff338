"""Reading lockfiles: what is accepted, what is refused and where the fault is said to be."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest
from lock_making import MadeProject, entry, link

from pmpipe.errors import LockfileError
from pmpipe.npm.locks.lockfile import Lockfile, link_target, package_name, read_lockfile
from pmpipe.npm.locks.package_path import fault_in_path, is_installed, name_from_path, split_installed


def read(document: Any, *, prefix: bytes = b"") -> Lockfile:
    return read_lockfile(prefix + json.dumps(document).encode(), "package-lock.json")


def lock_of(**entries: Any) -> dict[str, Any]:
    return {"name": "app", "lockfileVersion": 3, "requires": True, "packages": entries}


def refusal(data: bytes) -> str:
    with pytest.raises(LockfileError) as caught:
        read_lockfile(data, "package-lock.json")
    return str(caught.value)


def test_reads_what_an_install_asks_of_an_entry():
    fields = {
        "dependencies": {"a": "1"},
        "optionalDependencies": {"b": "2"},
        "peerDependencies": {"c": "3"},
        "peerDependenciesMeta": {"c": {"optional": True}},
        "bundleDependencies": ["a"],
        "bin": {"x": "cli.js"},
        "engines": {"node": ">=18"},
        "os": ["linux"],
        "cpu": ["!arm"],
        "libc": ["glibc"],
        "hasInstallScript": True,
        "devOptional": True,
        "inBundle": True,
    }
    found = read(lock_of(**{"node_modules/x": entry("1.2.3", **fields)})).entries["node_modules/x"]
    assert (found.version, found.resolved) == ("1.2.3", "https://registry.example/x/-/x-1.2.3.tgz")
    assert found.integrity == "sha512-" + "a" * 86 + "=="
    assert (found.dependencies, found.optional_dependencies, found.peer_dependencies) == (
        {"a": "1"},
        {"b": "2"},
        {"c": "3"},
    )
    assert found.peer_dependencies_meta is not None
    assert found.peer_dependencies_meta["c"].optional
    assert list(found.bundled_names()) == ["a"]
    assert (found.bin, found.engines) == ({"x": "cli.js"}, {"node": ">=18"})
    assert (found.os, found.cpu, found.libc) == (["linux"], ["!arm"], ["glibc"])
    assert found.has_install_script
    assert found.dev_optional
    assert found.in_bundle
    assert not any((found.dev, found.optional, found.peer, found.link))


def test_name_is_that_of_the_folder_unless_the_entry_has_one():
    lock = read(
        lock_of(**{"node_modules/@s/alias": {"name": "real", **entry("1.0.0")}, "node_modules/@s/b": entry("1.0.0")})
    )
    assert [package_name(path, found) for path, found in lock.entries.items()] == ["real", "@s/b"]


def test_byte_order_mark_does_not_matter():
    assert read(lock_of(), prefix=b"\xef\xbb\xbf").lockfile_version == 3


def test_reads_version_2_by_its_packages():
    document = {**lock_of(**{"node_modules/x": entry("1.0.0")}), "lockfileVersion": 2, "dependencies": {"x": {}}}
    assert list(read(document).entries) == ["node_modules/x"]


def test_version_2_is_read_as_fast_as_version_3():
    packages = {f"node_modules/p{number}": entry("1.0.0", dependencies={"p1": "1"}) for number in range(3000)}
    legacy = {f"p{number}": {"version": "1.0.0"} for number in range(3000)}
    plain = json.dumps({"lockfileVersion": 3, "packages": packages}).encode()
    both = json.dumps({"lockfileVersion": 2, "packages": packages, "dependencies": legacy}).encode()
    assert _fastest_s(both) < 3 * _fastest_s(plain)


def _fastest_s(data: bytes) -> float:
    """The processor time that reading takes, less what else happens to go on."""
    found = []
    for _ in range(7):
        started = time.process_time()
        read_lockfile(data, "package-lock.json")
        found.append(time.process_time() - started)
    return min(found)


def test_lock_without_version_is_read_by_its_packages():
    assert list(read({"packages": {"node_modules/x": entry("1.0.0")}}).entries) == ["node_modules/x"]


def test_empty_lock_has_no_entries():
    assert read({}).entries == {}


@pytest.mark.parametrize(
    "field",
    [
        {"engines": ["node >= 0.6"]},
        {"engines": "node"},
        {"engines": None},
        {"engines": {"node": 18}},
        {"os": "linux"},
        {"bin": "cli.js"},
        {"bin": ["a.js"]},
        {"bin": False},
        {"funding": ["https://funding.example"]},
        {"license": {"type": "MIT"}},
        {"dependencies": None},
        {"dependencies": False},
        {"peerDependenciesMeta": {"a": True}},
        {"peerDependenciesMeta": []},
        {"bundleDependencies": True},
        {"bundleDependencies": {"a": "1"}},
        {"dev": 1},
        {"optional": None},
        {"deprecated": True},
        {"resolved": False},
        {"integrity": None},
    ],
    ids=json.dumps,
)
def test_accepts_shape_that_npm_accepts(field: dict[str, Any]):
    lock = read(lock_of(**{"node_modules/x": {**entry("1.0.0"), **field}, "node_modules/y": entry("2.0.0")}))
    assert [one.version for one in lock.entries.values()] == ["1.0.0", "2.0.0"]


def test_odd_shape_elsewhere_leaves_flags_and_bins_as_npm_reads_them():
    odd = {"dev": 1, "optional": 0, "bin": ["bin/a.js", 5], "os": "linux", "engines": ["x"]}
    found = read(lock_of(**{"node_modules/x": entry("1.0.0", **odd)})).entries["node_modules/x"]
    assert found.dev
    assert not found.optional
    assert (found.bin, found.os, found.engines) == ({"a.js": "bin/a.js"}, ["linux"], None)


@pytest.mark.parametrize("name", ["constructor", "toString", "__proto__", "hasOwnProperty", "@scope/__proto__"])
def test_package_may_be_called_like_a_property_of_objects(name: str):
    assert read(lock_of(**{f"node_modules/{name}": entry("1.0.0")})).entries[f"node_modules/{name}"].version == "1.0.0"


# -- what is no lockfile ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("data", "where", "what"),
    [
        (b"", ":1:1:", "is empty"),
        (b" \n", ":1:1:", "is empty"),
        (b"null", ":1:1:", "must be an object"),
        (b"[]", ":1:1:", "must be an object"),
        (b'{"a":\n 1,\n  b}', ":3:3:", "not valid JSON"),
        (b'{"packages": {', ":1:15:", "not valid JSON"),
        ('{"ä": "ö", x}'.encode(), ":1:12:", "not valid JSON"),
        (b'{\n<<<<<<< HEAD\n"a": 1\n=======\n"a": 2\n>>>>>>> b\n}', ":2:1:", "unresolved merge conflicts"),
        ('{"packages": {}}'.encode("utf-16"), ":1:1:", "UTF-16"),
        ('{"packages": {}}'.encode("utf-16-le"), ":1:1:", "UTF-16"),
        (b'{"packages": [1]}', ":1:14:", "must be an object"),
        (b'{"packages": {"node_modules/x": null}}', ":1:33:", "must be an object"),
        (b'{"packages": {\n "node_modules/x": {"version": 1}}}', ":2:32:", "version must be a string"),
        (
            b'{"packages": {"node_modules/x": {"dependencies": {"a": 1}}}}',
            ":1:56:",
            "dependencies > a must be a string",
        ),
        (b'{"lockfileVersion": "three", "packages": {}}', ":1:21:", "must be a number"),
    ],
)
def test_names_line_and_column_of_what_cannot_be_read(data: bytes, where: str, what: str):
    message = refusal(data)
    assert f"package-lock.json{where}" in message
    assert what in message


def test_a_merge_conflict_is_said_to_be_what_install_can_resolve():
    assert "`pmpipe install` brings both sides together" in refusal(b'{\n<<<<<<< HEAD\n"a": 1\n=======\n>>>>>>> b\n}')


def test_version_1_is_not_read_here():
    assert "lockfileVersion 1, which only `ci` and commands that resolve can read" in refusal(
        b'{"lockfileVersion": 1, "dependencies": {"a": {}}}'
    )


def test_version_of_the_future_is_refused():
    assert "lockfileVersion 5 is not known" in refusal(b'{"lockfileVersion": 5, "packages": {}}')


# -- what is unsafe -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "path",
    [
        "../../etc/../x",
        "node_modules/../x",
        "node_modules/../../x",
        "node_modules/@x/../../y",
        "node_modules/a/../../b",
        "packages/../../x",
        "/etc",
        "/node_modules/x",
        "C:/x",
        "C:\\x",
        "node_modules\\x",
        "node_modules/a\\..\\..\\b",
        "node_modules",
        "node_modules/",
        "node_modules/x/",
        "node_modules//x",
        "./node_modules/x",
        "node_modules/x/.",
        "node_modules/.bin",
        "node_modules/.bin/x",
        "node_modules/.package-lock.json",
        "node_modules/a/node_modules/.bin",
        "node_modules/@scope",
        "node_modules/@scope/.hidden",
        "node_modules/node_modules",
        "node_modules/@node_modules/node_modules",
        "node_modules/a b",
        "node_modules/a\x00b",
        "node_modules/a\nb",
        "node_modules/" + "a" * 256,
        "node_modules/ü",
    ],
    ids=ascii,
)
def test_refuses_path_that_is_unsafe(path: str):
    assert repr(path) in refusal(json.dumps(lock_of(**{path: entry("1.0.0")})).encode())


@pytest.mark.parametrize(
    "path",
    [
        "packages/a",
        "packages/a b/ü",
        "../sibling",
        "../../x",
        "..",
        "node_modules/a/lib",
        "packages/a/node_modules/@s/b",
        "a..b",
    ],
)
def test_accepts_folder_of_the_project_or_beside_it(path: str):
    assert fault_in_path(path) is None


@pytest.mark.parametrize(
    ("path", "split"),
    [
        ("node_modules/a", ("", "a")),
        ("node_modules/@s/a", ("", "@s/a")),
        ("node_modules/a/node_modules/@s/b", ("node_modules/a", "@s/b")),
        ("packages/x/node_modules/b", ("packages/x", "b")),
        ("node_modules/a/lib", None),
        ("node_modules/@s/a/lib", None),
        ("packages/my_node_modules/b", None),
        ("", None),
    ],
)
def test_splits_path_into_holder_and_name(path: str, split: tuple[str, str] | None):
    assert split_installed(path) == split
    assert is_installed(path) == (split is not None)


def test_name_of_folder_has_the_scope_of_the_folder_above():
    assert [name_from_path(path) for path in ("packages/a", "packages/@s/a", "a")] == ["a", "@s/a", "a"]


@pytest.mark.parametrize(
    "resolved",
    [
        "garbage",
        "javascript:alert(1)",
        "ftp://registry.example/x.tgz",
        "http://",
        "https:///x.tgz",
        "file:",
        "//x/y",
        "http://a b/c",
        "http://a\tb/c",
        "http://a b\\c",
        " http://registry.example/c",
        "http://registry.example/c\n.tgz",
        "http://registry.example/c.tgz\n",
        "http://registry.example/a b\r\nX: y",
        "http://registry.example/a\u2028b",
        "http://registry.example/a b?c\\d",
    ],
)
def test_refuses_address_that_nothing_can_be_fetched_from(resolved: str):
    message = refusal(json.dumps(lock_of(**{"node_modules/x": entry("1.0.0", resolved=resolved)})).encode())
    assert f"node_modules/x is resolved to {resolved!r}" in message


@pytest.mark.parametrize("commit", ["", "#", "#main", "#-x", "#abc123", "#" + "g" * 40, "#" + "a" * 41])
def test_refuses_git_address_without_full_commit(commit: str):
    resolved = f"git+ssh://git@git.example/a/b.git{commit}"
    refusal(json.dumps(lock_of(**{"node_modules/x": {"version": "1.0.0", "resolved": resolved}})).encode())


@pytest.mark.parametrize(
    "resolved",
    [
        "http://registry.example/x.tgz",
        "HTTPS://registry.example/x.tgz?y#z",
        "http://registry.example/x 1.tgz",
        "http://registry.example/x\\-\\x.tgz",
        "http://registry.example/x\t1.tgz?y z ",
        "file:x-1.0.0.tgz",
        "git+https://git.example/a/b.git#" + "a" * 40,
        "git+ssh://git@git.example/a/b.git#" + "0" * 64,
        "git://git.example/a/b.git#" + "a" * 40,
    ],
)
def test_accepts_address_that_npm_writes(resolved: str):
    assert read(lock_of(**{"node_modules/x": {"version": "1.0.0", "resolved": resolved}})).entries


@pytest.mark.parametrize(
    ("target", "what"),
    [
        ("packages/a", "has no entry of its own"),
        ("node_modules/y", "has no entry of its own"),
        ("/etc", "absolute"),
        ("a\\b", "characters"),
    ],
)
def test_refuses_link_without_usable_target(target: str, what: str):
    entries = {"node_modules/x": link(target), "node_modules/y": link("packages/b"), "packages/b": {}}
    assert what in refusal(json.dumps(lock_of(**entries)).encode())


def test_refuses_link_that_lies_in_no_node_modules_folder():
    assert "no node_modules folder" in refusal(json.dumps(lock_of(a=link("b"), b={})).encode())


def test_link_target_is_normal_and_empty_for_the_project_itself():
    lock = read(lock_of(**{"node_modules/x": link("./packages/a/"), "node_modules/app": link(""), "packages/a": {}}))
    assert [link_target(lock.entries[path]) for path in ("node_modules/x", "node_modules/app")] == ["packages/a", ""]


@pytest.mark.parametrize("behind", ["", "nonsense}", '"\\u12"}'])
def test_refuses_what_is_no_json_behind_a_value_of_an_odd_type(behind: str):
    assert "cannot read package-lock.json:1:" in refusal(f'{{"name": 1, "version": {behind}'.encode())


@pytest.mark.parametrize("number", ["1" * 5_000, "1" * 30, "-1.5e-5000"])
def test_a_fault_beside_a_number_of_very_many_digits_has_a_place(number: str):
    text = json.dumps(lock_of(**{"node_modules/x": entry("1.0.0", x="@"), "/abs": {}})).replace('"@"', number)
    assert "package-lock.json:1:" in refusal(text.encode())


def test_refuses_packages_in_more_packages_than_any_system_has_folders():
    assert "lies in more than 200 packages" in refusal(
        json.dumps(lock_of(**{"node_modules/x/" * 1_200 + "node_modules/x": {}})).encode()
    )


def test_of_very_many_faulty_entries_some_are_reported_with_their_places():
    entries = {f"node_modules/x{number}": entry("1.0.0", resolved="garbage") for number in range(20_000)}
    message = refusal(json.dumps(lock_of(**entries), indent=1).encode())
    assert "20000 entries that cannot be used" in message
    assert "and 19,960 more" in message
    assert len(message.splitlines()) < 50


def test_reports_all_faulty_entries_at_once():
    entries = {"node_modules/x": entry("1.0.0", resolved="garbage"), "node_modules/.bin": {}, "/abs": {}}
    message = refusal(json.dumps(lock_of(**entries), indent=1).encode())
    assert "3 entries that cannot be used" in message
    assert all(line in message for line in ("package-lock.json:6:", "package-lock.json:11:", "package-lock.json:12:"))


def test_made_project_reads_back_as_it_was_made():
    project = MadeProject({"dependencies": {"x": "1"}}, {"node_modules/x": entry("1.0.0")})
    assert list(project.graph().lock.entries) == ["", "node_modules/x"]
