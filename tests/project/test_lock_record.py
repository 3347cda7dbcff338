"""Digests are added to a lockfile, and nothing else in it changes."""

from __future__ import annotations

import errno
import json
import os
from pathlib import Path
from typing import Any

import pytest

from pmpipe.errors import FilesystemError
from pmpipe.npm.locks.package_path import PackagePath
from pmpipe.project.lock_record import complete_lockfile

DIGESTS = {PackagePath("node_modules/a"): "sha512-new"}
DOCUMENT = {
    "name": "äpp",
    "lockfileVersion": 3,
    "packages": {
        "": {"name": "äpp", "dependencies": {"a": "1"}},
        "node_modules/a": {
            "name": "x",
            "version": "1.0.0",
            "resolved": "https://registry.example/a.tgz",
            "license": "MIT",
        },
        "node_modules/b": {"version": "1.0.0", "engines": {"node": ">=1 <2"}},
    },
}


def expected() -> dict[str, Any]:
    document: dict[str, Any] = json.loads(json.dumps(DOCUMENT))
    document["packages"]["node_modules/a"]["integrity"] = "sha512-new"
    return document


@pytest.mark.parametrize("indent", [2, 4, "\t", None])
def test_indentation_stays(tmp_path: Path, indent: int | str | None) -> None:
    separators = (",", ":") if indent is None else None
    end = "" if indent is None else "\n"
    path = tmp_path / "package-lock.json"
    path.write_text(json.dumps(DOCUMENT, indent=indent, separators=separators, ensure_ascii=False) + end)
    before = path.read_text().splitlines()
    complete_lockfile(str(path), DIGESTS)
    after = path.read_text()
    assert json.loads(after) == expected()
    if indent is not None:
        added = [line for line in after.splitlines() if line not in before]
        assert [line.strip() for line in added] == ['"integrity": "sha512-new",']
        assert after.endswith("}\n")


def test_line_ends_stay(tmp_path: Path) -> None:
    path = tmp_path / "package-lock.json"
    path.write_bytes((json.dumps(DOCUMENT, indent=2) + "\n").replace("\n", "\r\n").encode())
    complete_lockfile(str(path), DIGESTS)
    assert path.read_bytes().count(b"\n") == path.read_bytes().count(b"\r\n") > 10


def test_a_digest_stands_where_npm_writes_it(tmp_path: Path) -> None:
    path = tmp_path / "package-lock.json"
    path.write_text(json.dumps(DOCUMENT, indent=2))
    complete_lockfile(str(path), DIGESTS)
    entry = json.loads(path.read_text())["packages"]["node_modules/a"]
    assert list(entry) == ["name", "version", "resolved", "integrity", "license"]


def test_what_is_built_stands_where_npm_writes_it(tmp_path: Path) -> None:
    path = tmp_path / "package-lock.json"
    path.write_text(json.dumps(DOCUMENT, indent=2))
    complete_lockfile(str(path), {}, [PackagePath(f"node_modules/{name}") for name in ("a", "b", "not-there")])
    packages = json.loads(path.read_text())["packages"]
    assert list(packages["node_modules/a"]) == ["name", "version", "resolved", "hasInstallScript", "license"]
    assert list(packages["node_modules/b"]) == ["version", "hasInstallScript", "engines"]
    assert packages["node_modules/b"]["hasInstallScript"] is True
    assert packages.keys() == DOCUMENT["packages"].keys()


def test_a_digest_that_cannot_be_used_is_replaced(tmp_path: Path) -> None:
    document = expected()
    document["packages"]["node_modules/a"]["integrity"] = "garbage"
    path = tmp_path / "package-lock.json"
    path.write_text(json.dumps(document, indent=2))
    complete_lockfile(str(path), DIGESTS)
    assert json.loads(path.read_text()) == expected()


def test_a_byte_order_mark_is_no_obstacle(tmp_path: Path) -> None:
    path = tmp_path / "package-lock.json"
    path.write_bytes(b"\xef\xbb\xbf" + json.dumps(DOCUMENT).encode())
    complete_lockfile(str(path), DIGESTS)
    assert json.loads(path.read_text()) == expected()


def test_no_other_file_is_left(tmp_path: Path) -> None:
    path = tmp_path / "package-lock.json"
    path.write_text(json.dumps(DOCUMENT))
    complete_lockfile(str(path), DIGESTS)
    assert os.listdir(tmp_path) == ["package-lock.json"]


def test_mode_of_a_lockfile_and_a_link_to_it_stay(tmp_path: Path) -> None:
    real = tmp_path / "real.json"
    real.write_text(json.dumps(DOCUMENT))
    real.chmod(0o640)
    path = tmp_path / "package-lock.json"
    path.symlink_to("real.json")
    complete_lockfile(str(path), DIGESTS)
    assert path.is_symlink()
    assert json.loads(real.read_text()) == expected()
    assert real.stat().st_mode & 0o777 == 0o640


def test_a_lockfile_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(FilesystemError, match=r"cannot read .*none/package-lock"):
        complete_lockfile(f"{tmp_path}/none/package-lock.json", DIGESTS)


def test_a_lockfile_that_cannot_be_replaced_is_named_and_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "package-lock.json"
    path.write_text(json.dumps(DOCUMENT))

    def refuse(source: str, target: str) -> None:
        raise OSError(errno.ENOSPC, "No space left on device", source, None, target)

    monkeypatch.setattr(os, "rename", refuse)
    with pytest.raises(FilesystemError, match=r"cannot write .*No space"):
        complete_lockfile(str(path), DIGESTS)
    assert json.loads(path.read_text()) == DOCUMENT
    assert os.listdir(tmp_path) == ["package-lock.json"]


def test_entries_of_version_1_are_found_where_they_nest(tmp_path: Path) -> None:
    inner = {"version": "1.0.0", "dev": True}
    dependencies = {"a": {"version": "1.0.0", "dependencies": {"@s/b": inner}}, "w": {"version": "file:w"}}
    path = tmp_path / "package-lock.json"
    path.write_text(json.dumps({"lockfileVersion": 1, "requires": True, "dependencies": dependencies}, indent=2))
    locations = ("node_modules/a/node_modules/@s/b", "w/node_modules/c")
    complete_lockfile(str(path), {PackagePath(location): "sha512-new" for location in locations})
    expected = {**inner, "integrity": "sha512-new"}
    dependencies["a"] = {"version": "1.0.0", "dependencies": {"@s/b": expected}}
    assert json.loads(path.read_text())["dependencies"] == dependencies
