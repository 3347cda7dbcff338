"""Reading a project's folder: which files count, which folders are workspaces, and what is said of faulty files."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from npm.asking_npm import ask_npm
from support.permissions import let_others_reach

from pmpipe.errors import FilesystemError, LockfileError, ManifestError
from pmpipe.npm.manifests.manifest import read_manifest
from pmpipe.npm.texts.glob import expand_braces, matches, segments
from pmpipe.project.project import read_hidden_lockfile, read_project
from pmpipe.project.project_files import read_file
from pmpipe.project.workspace_folders import find_folders


def write(folder: Path, documents: dict[str, Any]) -> str:
    for name, document in documents.items():
        file = folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(document if isinstance(document, str) else json.dumps(document, indent=2))
    return str(folder)


def lock(name: str = "app", **entries: Any) -> dict[str, Any]:
    return {"name": name, "lockfileVersion": 3, "packages": entries}


# -- the root -----------------------------------------------------------------------------------------------------


def test_reads_package_json_and_lock(tmp_path: Path):
    project = read_project(write(tmp_path, {"package.json": {"name": "app"}, "package-lock.json": lock()}))
    assert project.manifests.root.name == "app"
    assert project.lock is not None
    assert project.lock.file == "package-lock.json"


def test_project_without_lock_has_none(tmp_path: Path):
    assert read_project(write(tmp_path, {"package.json": {}})).lock is None


def test_shrinkwrap_counts_before_package_lock(tmp_path: Path):
    documents = {"package.json": {}, "package-lock.json": lock("one"), "npm-shrinkwrap.json": lock("other")}
    found = read_project(write(tmp_path, documents)).lock
    assert found is not None
    assert (found.file, found.name) == ("npm-shrinkwrap.json", "other")


def test_folder_without_package_json_is_an_error(tmp_path: Path):
    with pytest.raises(ManifestError, match=r"there is no package\.json"):
        read_project(str(tmp_path))


def test_file_that_cannot_be_read_is_named(tmp_path: Path):
    (tmp_path / "package.json").mkdir()
    with pytest.raises(FilesystemError, match=r"cannot read .*package\.json: Is a directory"):
        read_project(str(tmp_path))


def test_damaged_lock_is_an_error_and_stays_as_it_is(tmp_path: Path):
    folder = write(tmp_path, {"package.json": {}, "package-lock.json": '{"packages":'})
    with pytest.raises(LockfileError, match=r"package-lock\.json:1:13"):
        read_project(folder)
    assert (tmp_path / "package-lock.json").read_text() == '{"packages":'


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", r"package\.json:1:1: the file is empty"),
        ("{\n  'name': 1\n}", r"package\.json:2:3: the file is not valid JSON"),
        ('{"a": 1}}', r"package\.json:1:10: the file is not valid JSON"),
        ("[]", r"package\.json:1:1: the document must be an object"),
        ('{\n "name": 1}', r"package\.json:2:10: name must be a string"),
        ('{"dependencies": []}', None),
        ('{"dependencies": ["x"]}', r"package\.json:1:18: dependencies must be an object"),
        ('{"dependencies": {"x": null}}', r"package\.json:1:24: dependencies > x must be a string"),
        ('{"dependencies": {"x": "1"}, "dependencies": {"x": 2}}', r"package\.json:1:52: dependencies > x must be"),
        ('{"devDependencies": {"": "1"}}', r"package\.json:1:21: devDependencies names a package without a name"),
        ('{"os": {"a": 1}}', r"package\.json:1:8: os must be a string or a list"),
        ('{"workspaces": "packages/*"}', r"package\.json:1:16: workspaces must be a list"),
        ('{"workspaces": {"packages": {}}}', r"package\.json:1:29: workspaces > packages must be a list"),
        ('{"workspaces": {"nohoist": []}}', r"package\.json:1:16: workspaces must be a list"),
        ('{"workspaces": [1]}', r"package\.json:1:16: workspaces must be a list"),
        ('{"overrides": {"a": {"b": 1}}}', r"package\.json:1:27: overrides > a > b must be an object"),
        ('{"overrides": []}', None),
        ("\ufeff{}", None),
        ('{"engines": ["node"], "bin": 5, "scripts": "x", "directories": []}', None),
    ],
)
def test_names_line_and_column_of_what_is_wrong_in_package_json(text: str, message: str | None):
    if message is None:
        assert read_manifest(text.encode(), "package.json").dependencies is None
    else:
        with pytest.raises(ManifestError, match=message):
            read_manifest(text.encode(), "package.json")


def test_reads_what_an_install_asks_of_a_package_json():
    document = {
        "name": "app",
        "overrides": {"a": {".": "1", "b": "2"}},
        "devEngines": {"runtime": {"name": "node"}},
        "directories": {"bin": "scripts"},
        "scripts": {"install": "make", "odd": 5},
        "bundledDependencies": ["x"],
        "workspaces": {"packages": ["a", "!b"]},
    }
    manifest = read_manifest(json.dumps(document).encode(), "package.json")
    assert manifest.overrides == {"a": {".": "1", "b": "2"}}
    assert manifest.dev_engines
    assert manifest.bin_folder == "scripts"
    assert manifest.scripts == {"install": "make"}
    assert list(manifest.bundled_names()) == ["x"]
    assert manifest.workspace_patterns() == ["a", "!b"]


# -- workspaces and folders ---------------------------------------------------------------------------------------


def test_reads_workspaces_by_name(tmp_path: Path):
    documents = {
        "package.json": {"workspaces": ["packages/*"]},
        "packages/a/package.json": {"name": "@s/a"},
        "packages/b/package.json": {"version": "1.0.0"},
        "packages/empty/readme.md": "no workspace",
        "packages/file.txt": "no folder",
    }
    manifests = read_project(write(tmp_path, documents)).manifests
    assert manifests.workspaces == {"@s/a": "packages/a", "b": "packages/b"}
    assert set(manifests.folders) == {"packages/a", "packages/b"}


def test_workspaces_of_the_same_name_are_an_error(tmp_path: Path):
    documents = {"package.json": {"workspaces": ["*"]}, **{f"{one}/package.json": {"name": "x"} for one in "abc"}}
    with pytest.raises(ManifestError) as caught:
        read_project(write(tmp_path, documents))
    assert caught.value.details == ("x: a, b, c",)


def test_damaged_package_json_of_a_workspace_is_an_error(tmp_path: Path):
    documents = {"package.json": {"workspaces": ["a"]}, "a/package.json": "{"}
    with pytest.raises(ManifestError, match=r"a/package\.json:1:2"):
        read_project(write(tmp_path, documents))


@pytest.mark.parametrize(
    "fields",
    [
        {"workspaces": {"nohoist": ["react-native"]}},
        {"workspaces": "packages/*"},
        {"workspaces": {"packages": {}}},
        {"overrides": {"b": None}},
        {"overrides": "b"},
    ],
)
def test_what_only_the_projects_own_package_json_may_say_can_be_anything_in_a_workspace(
    tmp_path: Path, fields: dict[str, Any]
):
    documents = {"package.json": {"workspaces": ["a"]}, "a/package.json": {"name": "a", **fields}}
    assert read_project(write(tmp_path, documents)).manifests.workspaces == {"a": "a"}


def test_reads_package_json_of_folders_that_the_lock_links_to(tmp_path: Path):
    entries = {
        "node_modules/lib": {"link": True, "resolved": "lib"},
        "lib": {},
        "node_modules/sib": {"link": True, "resolved": "../sib"},
        "../sib": {},
        "node_modules/gone": {"link": True, "resolved": "gone"},
        "gone": {"version": "1.0.0"},
        "stale": {},
    }
    documents = {
        "package.json": {},
        "package-lock.json": lock(**entries),
        "lib/package.json": {"name": "lib"},
        "../sib/package.json": {"name": "sib"},
        "stale/package.json": "{ not read",
    }
    project = tmp_path / "project"
    project.mkdir()
    assert set(read_project(write(project, documents)).manifests.folders) == {"lib", "../sib"}


TREE = [
    "a",
    "b",
    "packages/a1",
    "packages/a2",
    "packages/b/c1",
    "packages/b/c2",
    "packages/b/test/t1",
    "packages/.hidden",
    "packages/node_modules/dep",
    "packages/a1/node_modules/dep2",
    "apps/web",
    "apps/x.y",
    "deep/1/2/3/leaf",
    "node_modules/top",
]
PATTERNS = [
    ["packages/*"],
    ["./packages/*"],
    ["/packages/*"],
    ["packages/*/"],
    ["packages/**"],
    ["**"],
    ["*"],
    ["a", "b", "missing"],
    ["packages/a?"],
    ["packages/a[12]"],
    ["packages/a[!2]"],
    ["packages/{a1,b/c2}"],
    ["{apps,packages}/*"],
    ["packages/a{1..3}"],
    ["packages/a{1..3..2}"],
    ["packages/a{01..3}"],
    ["packages/{a..b}1"],
    ["packages/{b..a}/**"],
    ["packages/{a..c..2}1"],
    ["apps/*.*"],
    ["apps/@(web|other)"],
    ["packages/!(a1)"],
    ["packages/+(a|1)"],
    ["packages/.*"],
    ["packages/.hidden"],
    ["deep/**/leaf"],
    ["**/c1"],
    ["packages/*", "!packages/a2"],
    ["packages/**", "!packages/b/**"],
    ["packages/**", "!**/test/**"],
    ["packages/**", "!packages/b/**", "packages/b/c1"],
    ["!packages/a1", "packages/*"],
    ["packages/*", "!!packages/b/c1"],
    ["packages/a1", "!packages/*"],
    ["packages/*", "packages/a1"],
    ["!a"],
    ["packages/*", "!./packages/a1"],
    ["node_modules/top"],
    ["packages//a1"],
    ["."],
    ["./"],
    ["./*"],
    ["packages/.."],
    ["../other"],
    ["packages/../a"],
    [],
]


@pytest.mark.npm
def test_finds_the_workspaces_that_npm_finds(tmp_path: Path):
    folders = []
    for number, patterns in enumerate(PATTERNS):
        documents: dict[str, Any] = {"package.json": {"workspaces": patterns}}
        documents.update({f"{path}/package.json": {} for path in [*TREE, "../other"]})
        folder = tmp_path / str(number) / "project"
        folder.mkdir(parents=True)
        folders.append(write(folder, documents))
    assert_as_npm(PATTERNS, folders)


def assert_as_npm(patterns: Sequence[object], folders: Sequence[str]) -> None:
    """In each project, which has one of these for `workspaces`, the same are found as by npm."""
    answers = ask_npm(os.path.join(os.pardir, "npm", "ask_workspaces.cjs"), [{"path": folder} for folder in folders])
    theirs = {json.dumps(one): answer["found"] for one, answer in zip(patterns, answers, strict=True)}
    ours = {
        json.dumps(one): sorted([name, path] for name, path in read_project(folder).manifests.workspaces.items())
        for one, folder in zip(patterns, folders, strict=True)
    }
    assert ours == theirs


LINKED = [
    ["packages/**"],
    ["./packages/**"],
    ["**"],
    ["**/shared"],
    ["**/linked"],
    ["packages/**/shared"],
    ["packages/**/linked"],
    ["packages/**/inner"],
    ["packages/*/**"],
    ["packages/**/*"],
    ["packages/a/**"],
    ["packages/linked/**"],
    ["*/**/linked/**"],
    ["packages/**", "!packages/linked"],
]


@pytest.mark.npm
def test_follows_the_links_that_npm_follows(tmp_path: Path):
    folders = []
    for number, patterns in enumerate(LINKED):
        documents: dict[str, Any] = {"package.json": {"workspaces": patterns}}
        paths = ["packages/a", "packages/a/b", "elsewhere/shared", "elsewhere/shared/inner", "elsewhere/shared/inner/x"]
        documents.update({f"{path}/package.json": {} for path in paths})
        folder = tmp_path / str(number)
        folders.append(write(folder, documents))
        (folder / "packages/linked").symlink_to("../elsewhere/shared")
        (folder / "packages/a/deeper").symlink_to("../../elsewhere/shared/inner")
        (folder / "packages/.hidden").symlink_to("../elsewhere/shared")
    assert_as_npm(LINKED, folders)


def test_a_workspace_whose_name_is_not_utf8_is_refused(tmp_path: Path):
    write(tmp_path, {"packages/a\udcff/package.json": {}})
    with pytest.raises(FilesystemError, match=r"packages/a\\udcff is not UTF-8"):
        find_folders(str(tmp_path), ["packages/*"])


def test_finds_a_folder_that_is_a_link_and_none_behind_it_at_any_depth(tmp_path: Path):
    write(tmp_path, {"real/x/package.json": {}})
    (tmp_path / "packages").mkdir()
    (tmp_path / "packages" / "linked").symlink_to(tmp_path / "real")
    assert find_folders(str(tmp_path), ["packages/*"]) == ["packages/linked"]
    assert find_folders(str(tmp_path), ["packages/**"]) == ["packages", "packages/linked"]
    assert "packages/linked" not in find_folders(str(tmp_path), ["**"])


def test_loop_of_links_ends(tmp_path: Path):
    (tmp_path / "packages").mkdir()
    (tmp_path / "packages" / "loop").symlink_to(tmp_path / "packages")
    assert find_folders(str(tmp_path), ["**"]) == ["packages"]
    assert find_folders(str(tmp_path), ["packages/**"]) == ["packages", "packages/loop"]


def test_folders_of_any_depth_are_looked_through_and_none_twice(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    deep = "a/" * 600
    os.makedirs(tmp_path / "packages" / deep / "b")
    real, listed = os.scandir, []

    def scandir(path: str) -> Any:
        listed.append(path)
        return real(path)

    monkeypatch.setattr(os, "scandir", scandir)
    assert find_folders(str(tmp_path), ["packages/**/b"]) == [f"packages/{deep}b"]
    assert len(find_folders(str(tmp_path), ["packages/**", "!packages/**/b"])) == 601
    assert len(listed) == 2 * len(set(listed))


def test_a_link_that_leads_to_itself_is_no_folder_of_a_workspace(tmp_path: Path):
    write(tmp_path, {"packages/a/package.json": {}})
    (tmp_path / "packages" / "self").symlink_to("self")
    assert find_folders(str(tmp_path), ["packages/*"]) == ["packages/a"]
    assert find_folders(str(tmp_path), ["packages/**"]) == ["packages", "packages/a"]


@pytest.mark.parametrize(
    ("pattern", "expanded"),
    [
        ("{a,b}/{c,d}", ["a/c", "a/d", "b/c", "b/d"]),
        ("{a,{b,c}}", ["a", "b", "c"]),
        ("x{1..3}", ["x1", "x2", "x3"]),
        ("x{3..1}", ["x3", "x2", "x1"]),
        ("x{1..6..2}", ["x1", "x3", "x5"]),
        ("x{9..11..0}", ["x9", "x10", "x11"]),
        ("x{08..10}", ["x08", "x09", "x10"]),
        ("x{-1..01}", ["x-1", "x00", "x01"]),
        ("x{a..c}", ["xa", "xb", "xc"]),
        ("x{e..a..-2}", ["xe", "xc", "xa"]),
        ("x{Z..a}", ["xZ", "x[", "x", "x]", "x^", "x_", "x`", "xa"]),
        ("{a..1}", ["{a..1}"]),
        ("{aa..c}", ["{aa..c}"]),
        ("{a}", ["{a}"]),
        ("{a,b", ["{a,b"]),
        ("a", ["a"]),
        ("{,a}b", ["b", "ab"]),
        ("${a,b}", ["${a,b}"]),
        ("$${1..2}", ["$${1..2}"]),
        ("x${a,{b,c}}/{d,e}", ["x${a,{b,c}}/d", "x${a,{b,c}}/e"]),
    ],
)
def test_expands_braces(pattern: str, expanded: list[str]):
    assert expand_braces(pattern) == expanded


def test_a_pattern_that_is_too_long_is_not_expanded():
    pattern = "{1..%s}" % ("1" * 5_000)
    assert expand_braces(pattern) == [pattern]


@pytest.mark.parametrize("pattern", ["a/" * 1_500 + "b", "**/" * 1_500 + "b", "**/" * 100 + "b/*"])
def test_a_pattern_of_very_many_parts_takes_no_time(tmp_path: Path, pattern: str):
    write(tmp_path, {f"{'a/' * 12}b/c/package.json": {}})
    assert find_folders(str(tmp_path), [pattern]) in ([], [f"{'a/' * 12}b/c"])
    assert len(segments("a/**/**/**/b/**")) == 4


def test_too_many_alternatives_are_not_expanded():
    pattern = "{a,b}" * 40
    assert expand_braces(pattern) == [pattern]


@pytest.mark.parametrize(
    ("path", "pattern", "is_match"),
    [
        ("a/b", "a/*", True),
        ("a/b/c", "a/*", False),
        ("a/b/c", "a/**", True),
        ("a", "a/**", True),
        ("a/.b", "a/*", False),
        ("a/.b", "a/.*", True),
        ("a.b", "a?b", True),
        ("a+b", "a+b", True),
        ("a", "[a-c]", True),
        ("a", "[!a]", False),
        ("a", "[z-a]", False),
        ("[^]", "[^]", True),
        ("a", "[^]", False),
        ("a", "[!]", False),
    ],
)
def test_matches_whole_path(path: str, pattern: str, is_match: bool):
    assert matches(path, pattern) == is_match


# -- the hidden lockfile ------------------------------------------------------------------------------------------


def test_reads_back_the_hidden_lockfile(tmp_path: Path):
    write(tmp_path, {"node_modules/.package-lock.json": lock(**{"node_modules/x": {"version": "1.0.0"}})})
    found = read_hidden_lockfile(str(tmp_path))
    assert found is not None
    assert list(found.entries) == ["node_modules/x"]


@pytest.mark.parametrize("text", [None, "", "{", "[]", '{"packages": {"../../../x/../y": {}}}'])
def test_hidden_lockfile_that_cannot_be_used_is_none(tmp_path: Path, text: str | None):
    if text is not None:
        write(tmp_path, {"node_modules/.package-lock.json": text})
    assert read_hidden_lockfile(str(tmp_path)) is None


# -- files ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("is_open", [False, True])
def test_nobody_waits_for_a_pipe_that_has_the_name_of_a_file(tmp_path: Path, is_open: bool) -> None:
    os.mkfifo(tmp_path / "yarn.lock")
    writer = os.open(tmp_path / "yarn.lock", os.O_RDWR) if is_open else -1
    assert read_file(str(tmp_path), "yarn.lock") == b""
    if is_open:
        os.close(writer)


@pytest.mark.root
def test_a_file_of_another_user_that_cannot_be_read_is_told_with_whose_it_is(tmp_path: Path) -> None:
    (tmp_path / "package.json").write_text("{}")
    (tmp_path / "package.json").chmod(0o600)
    let_others_reach(tmp_path)
    os.seteuid(65534)
    try:
        with pytest.raises(FilesystemError, match="cannot read") as caught:
            read_file(str(tmp_path), "package.json")
    finally:
        os.seteuid(0)
    assert "belongs to root" in caught.value.hint
