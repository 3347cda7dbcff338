"""From documents and store entries to what the resolver is fed."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import pytest
from support.entries import make_entry

from pmpipe.errors import ArchiveError, ManifestError, RegistryError
from pmpipe.resolver import FedContents, FedManifest
from pmpipe.resolving.answers import contents_from, folder_manifest, manifest_from
from pmpipe.resolving.documents import PackumentReader
from pmpipe.resolving.packument_requests import LONGEST_DOCUMENT
from stages.entries.opened_entry import DamagedEntryError

PACKUMENT = json.dumps({"name": "a", "versions": {"1.0.0": {"version": "1.0.0"}}}).encode()
INTEGRITY = "sha512-x"


def entry(tmp_path: Path, **files: Any) -> str:
    """A store entry; ``__`` in a name is a slash, ``_json`` at its end the suffix."""
    texts = {
        name.replace("__", "/").replace("_json", ".json"): one if isinstance(one, bytes) else json.dumps(one).encode()
        for name, one in files.items()
    }
    return make_entry(tmp_path / "entry", texts)


# -- documents ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("stays", [True, False])
@pytest.mark.parametrize("gzipped", [True, False])
def test_a_packument_is_read_as_it_was_received_and_read_again(gzipped: bool, stays: bool) -> None:
    body = bytearray(gzip.compress(PACKUMENT) if gzipped else PACKUMENT)
    packument = PackumentReader().read(body, "a", gzipped=gzipped, stays=stays)
    packument.compact()
    if not stays:
        body[:] = bytes(len(body))
    manifest = packument.manifest("1.0.0")
    assert manifest is not None
    assert manifest.version == "1.0.0"


def test_one_that_was_read_before_another_is_read_again_for_what_was_not_asked_for() -> None:
    reader = PackumentReader()
    read = [
        reader.read(gzip.compress(PACKUMENT.replace(b"1.0.0", version)), "a", gzipped=True)
        for version in (b"1.0.0", b"2.0.0")
    ]
    assert [list(packument.versions) for packument in read] == [["1.0.0"], ["2.0.0"]]
    for packument, version in zip(read, ("1.0.0", "2.0.0"), strict=True):
        manifest = packument.manifest(version)
        assert manifest is not None
        assert manifest.version == version


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"no gzip",
        gzip.compress(PACKUMENT, mtime=0)[:-9],
        gzip.compress(PACKUMENT, mtime=0)[:20],
        gzip.compress(b"<html>", mtime=0),
    ],
)
def test_a_compressed_body_that_is_no_packument_is_told(body: bytes) -> None:
    with pytest.raises(RegistryError, match="the registry's answer for a "):
        PackumentReader().read(body, "a", gzipped=True)


def test_a_document_made_to_fill_memory_is_refused() -> None:
    bomb = gzip.compress(b'{"name":"a","x":"' + b" " * (LONGEST_DOCUMENT + 1) + b'"}', 1)
    with pytest.raises(RegistryError, match="the registry's answer for a cannot be read"):
        PackumentReader().read(bomb, "a", gzipped=True)


# -- manifests ------------------------------------------------------------------------------------------------------


def test_the_manifest_of_an_entry_comes_with_its_origin(tmp_path: Path) -> None:
    fed = manifest_from(entry(tmp_path, package_json={"name": "a"}), "https://x/a.tgz", INTEGRITY, "a")
    assert fed == FedManifest({"name": "a"}, "https://x/a.tgz", INTEGRITY)


@pytest.mark.parametrize("text", [b"", b"{", b"[]", b'"a"', b"\xff\xfe{\0}\0", b'{"x":' + b"[" * 100_000])
def test_a_manifest_that_cannot_be_used_is_an_answer(tmp_path: Path, text: bytes) -> None:
    fed = manifest_from(entry(tmp_path, package_json=text), "", "", "a")
    assert isinstance(fed, ManifestError)
    assert "package.json of a" in fed.what


def test_an_entry_without_a_manifest_is_an_answer(tmp_path: Path) -> None:
    fed = manifest_from(entry(tmp_path, index_js=b"1"), "", "", "a")
    assert isinstance(fed, ManifestError)
    assert "has no package.json" in fed.what


def test_a_manifest_with_a_byte_order_mark_and_odd_bytes_is_read(tmp_path: Path) -> None:
    fed = manifest_from(entry(tmp_path, package_json=b'\xef\xbb\xbf{"name":"a\xff"}'), "", "", "a")
    assert isinstance(fed, FedManifest)
    assert fed.manifest == {"name": "a\ufffd"}


def test_the_manifest_of_a_folder_is_read(tmp_path: Path) -> None:
    (tmp_path / "package.json").write_text('{"name": "b"}')
    assert folder_manifest(str(tmp_path), "b") == FedManifest({"name": "b"})


def test_a_folder_that_is_not_there_is_an_answer(tmp_path: Path) -> None:
    fed = folder_manifest(str(tmp_path / "nothing"), "b")
    assert isinstance(fed, ManifestError)
    assert "b is to be the folder" in fed.what
    assert "No such file" in fed.what


@pytest.mark.parametrize("text", ["", "{", "[]"])
def test_the_manifest_of_a_folder_that_cannot_be_used_is_an_answer(tmp_path: Path, text: str) -> None:
    (tmp_path / "package.json").write_text(text)
    fed = folder_manifest(str(tmp_path), "b")
    assert isinstance(fed, ManifestError)
    assert f"cannot use {tmp_path}/package.json" in fed.what


# -- contents -------------------------------------------------------------------------------------------------------


def contents(path: str) -> FedContents:
    fed = contents_from(path, wants_bundle=True, wants_shrinkwrap=True)
    assert isinstance(fed, FedContents), fed
    return fed


def test_bundled_packages_are_found_at_any_depth_and_nothing_else(tmp_path: Path) -> None:
    manifests = {
        "node_modules__b": {"name": "b"},
        "node_modules__@s__c": {"name": "@s/c"},
        "node_modules__b__node_modules__d": {"name": "d"},
    }
    others = {
        "package_json": {"name": "a"},
        "test__package_json": {},
        "node_modules__b__test__package_json": {},
        "node_modules__package_json": {},
        "node_modules__@s__package_json": {},
        "x__node_modules__e__package_json": {},
    }
    path = entry(tmp_path, **{f"{name}__package_json": one for name, one in manifests.items()}, **others)
    assert contents(path).manifests == {name.replace("__", "/"): one for name, one in manifests.items()}


def test_an_entrys_own_lock_is_found(tmp_path: Path) -> None:
    lock = {"packages": {"": {}, "node_modules/b": {"version": "1.0.0"}, "node_modules/c": None}}
    assert contents(entry(tmp_path, package_json={}, **{"npm-shrinkwrap_json": lock})).shrinkwrap == {
        "": {},
        "node_modules/b": {"version": "1.0.0"},
    }


@pytest.mark.parametrize("lock", [{}, [], {"packages": []}, {"dependencies": {}}])
def test_a_lock_that_says_nothing_is_none(tmp_path: Path, lock: Any) -> None:
    assert contents(entry(tmp_path, package_json={}, **{"npm-shrinkwrap_json": lock})).shrinkwrap is None


@pytest.mark.parametrize("name", ["npm-shrinkwrap_json", "node_modules__b__package_json"])
@pytest.mark.parametrize("text", [b"{", b'{"x":' + b"[" * 100_000])
def test_contents_that_cannot_be_read_are_an_answer(tmp_path: Path, name: str, text: bytes) -> None:
    fed = contents_from(entry(tmp_path, package_json={}, **{name: text}), wants_bundle=True, wants_shrinkwrap=True)
    assert isinstance(fed, ArchiveError)


@pytest.mark.parametrize("gone", ["", "package.json", "node_modules/b/package.json", "npm-shrinkwrap.json"])
@pytest.mark.parametrize("bytes_instead", [b'{"name": "other"}', None])
def test_a_damaged_entry_is_told_from_what_its_author_has_written(
    tmp_path: Path, gone: str, bytes_instead: bytes | None
) -> None:
    shrinkwrap = {"npm-shrinkwrap_json": {"dependencies": {"c": {"version": "1.0.0"}}}}
    path = entry(tmp_path, package_json={}, node_modules__b__package_json={}, **shrinkwrap)
    damaged = tmp_path / "entry" / (gone or ".pmpipe-index")
    damaged.unlink()
    if bytes_instead is not None:
        damaged.write_bytes(bytes_instead)
    with pytest.raises(DamagedEntryError):
        contents_from(path, wants_bundle=True, wants_shrinkwrap=True)
    if gone in ("", "package.json"):
        with pytest.raises(DamagedEntryError):
            manifest_from(path, "", "", "a")


def test_an_entry_that_is_gone_is_damaged(tmp_path: Path) -> None:
    with pytest.raises(DamagedEntryError):
        contents_from(f"{tmp_path}/gone", wants_bundle=True, wants_shrinkwrap=True)
