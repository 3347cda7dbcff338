"""Entries of patched packages: what the extract stage makes of an entry, or a tarball, and a diff."""

from __future__ import annotations

import base64
import hashlib
import os
from pathlib import Path

import pytest
from extracting import Extractor
from support.tarballs import member, package_json, tgz

from stages.entries.check import is_sound
from stages.entries.entry import read_index
from stages.messages import Damaged, Extracted, Failed, Patch, StoreEntry

pytestmark = pytest.mark.usefixtures("same_descriptors")

TARBALL = tgz(
    package_json(bin={"p": "cli.js"}),
    member(b"package/index.js", b"one\ntwo\nthree\n"),
    member(b"package/cli.js", b"#!/usr/bin/env node\n"),
    member(b"package/lib/old.js", b"old\n"),
    member(b"package/latin-1.txt", b"caf\xe9\n"),
)

CHANGE = "--- a/index.js\n+++ b/index.js\n@@ -1,3 +1,3 @@\n one\n-two\n+TWO\n three\n"
ADD = "--- /dev/null\n+++ b/deep/er/new.js\n@@ -0,0 +1 @@\n+new\n"
REMOVE = "--- a/lib/old.js\n+++ /dev/null\n@@ -1 +0,0 @@\n-old\n"


class Patching:
    """An extractor, and patches in a folder beside its store."""

    def __init__(self, folder: Path) -> None:
        self.extractor = Extractor(folder)
        self._folder = folder

    def patch(self, text: str) -> Patch:
        path = self._folder / "the.patch"
        path.write_text(text, newline="")
        digest = base64.b64encode(hashlib.sha512(text.encode()).digest()).decode()
        return Patch(str(path), f"sha512-{digest}")

    def published(self) -> str:
        found = self.extractor.run(TARBALL)
        assert isinstance(found, Extracted)
        return found.entry

    def apply(self, text: str, **fields) -> Extracted | Failed | Damaged:
        entry = self.published()
        return self.extractor.run_source(StoreEntry(entry), patch=self.patch(text), **fields)


@pytest.fixture
def patching(tmp_path: Path) -> Patching:
    return Patching(tmp_path)


def contents(entry: str) -> dict[str, bytes]:
    paths = [os.fsdecode(path) for path in read_index(entry).paths]
    return {path: (Path(entry) / path).read_bytes() for path in paths}


def test_an_entry_of_its_own_is_made(patching: Patching) -> None:
    published = patching.published()
    before = contents(published)
    found = patching.apply(CHANGE + ADD + REMOVE)
    assert isinstance(found, Extracted), found
    assert found.entry != published
    assert "/v1/patched/" in found.entry
    after = contents(found.entry)
    assert after["index.js"] == b"one\nTWO\nthree\n"
    assert after["deep/er/new.js"] == b"new\n"
    assert "lib/old.js" not in after
    assert {path: after[path] for path in ("cli.js", "latin-1.txt", "package.json")} == {
        path: before[path] for path in ("cli.js", "latin-1.txt", "package.json")
    }
    assert contents(published) == before
    assert is_sound(found.entry)


@pytest.mark.parametrize("end", ["\r\n", "\n"], ids=["windows", "unix"])
def test_a_patch_fits_an_executable_as_it_was_published(tmp_path: Path, end: str) -> None:
    extractor = Extractor(tmp_path)
    content = b"#!/usr/bin/env node\r\none\r\ntwo\r\n"
    published = extractor.run(tgz(package_json(bin={"p": "cli.js"}), member(b"package/cli.js", content)))
    assert isinstance(published, Extracted)
    assert contents(published.entry)["cli.js"] == b"#!/usr/bin/env node\none\r\ntwo\r\n"
    diff = ["@@ -1,3 +1,3 @@\n", f" #!/usr/bin/env node{end}", f"-one{end}", f"+ONE{end}", f" two{end}"]
    patch = Patching(tmp_path).patch("".join(["--- a/cli.js\n+++ b/cli.js\n", *diff]))
    found = extractor.run_source(StoreEntry(published.entry), patch=patch)
    assert isinstance(found, Extracted), found
    assert contents(found.entry)["cli.js"] == b"#!/usr/bin/env node\nONE\r\ntwo\r\n"


def test_modes_stay_and_folders_of_removed_files_too(patching: Patching) -> None:
    found = patching.apply(REMOVE + ADD)
    assert isinstance(found, Extracted)
    index = read_index(found.entry)
    executable = {path for path, is_set in zip(index.paths, index.executable, strict=True) if is_set}
    assert executable == {b"cli.js"}
    assert set(index.folders) == {b"lib", b"deep", b"deep/er"}


def test_a_tarball_makes_both_entries(patching: Patching) -> None:
    found = patching.extractor.run(TARBALL, patch=patching.patch(CHANGE))
    assert isinstance(found, Extracted)
    assert contents(found.entry)["index.js"] == b"one\nTWO\nthree\n"
    assert len(patching.extractor.entries()) == 2
    # and the same when the tarball's is there already
    assert patching.apply(CHANGE) == Extracted(
        found.job, found.entry, found.integrity, found.files, found.unpacked_bytes, ()
    )


def test_another_patch_makes_another_entry(patching: Patching) -> None:
    first, second = patching.apply(CHANGE), patching.apply(CHANGE.replace("TWO", "2"))
    assert isinstance(first, Extracted)
    assert isinstance(second, Extracted)
    assert first.entry != second.entry


def test_a_file_may_be_changed_twice_by_one_patch(patching: Patching) -> None:
    found = patching.apply(CHANGE + CHANGE.replace("-two\n+TWO", "-TWO\n+two"))
    assert isinstance(found, Extracted), found
    assert contents(found.entry)["index.js"] == b"one\ntwo\nthree\n"


def test_what_is_no_utf_8_in_a_patched_file_is_replaced_as_by_npm(patching: Patching) -> None:
    found = patching.apply("--- a/latin-1.txt\n+++ b/latin-1.txt\n@@ -1 +1,2 @@\n caf\ufffd\n+more\n")
    assert isinstance(found, Extracted), found
    assert contents(found.entry)["latin-1.txt"] == "caf\ufffd\nmore\n".encode()


@pytest.mark.parametrize(
    ("diff", "said"),
    [
        (CHANGE.replace("two", "zwei"), "does not fit: index.js is not as the patch has it"),
        (CHANGE.replace("index.js", "cli.js"), "does not fit: cli.js is not as the patch has it"),
        (CHANGE.replace("index.js", "gone.js"), "does not fit: gone.js is not there"),
        (REMOVE.replace("old.js", "gone.js"), "does not fit: lib/gone.js is not there"),
        (ADD.replace("deep/er/new.js", "index.js"), "does not fit: index.js is to be new, and is there already"),
        (ADD.replace("deep/er/new.js", "lib"), "does not fit: lib is to be new, and is there already"),
        (ADD.replace("deep", ".."), "leads out of the package"),
        (ADD.replace("b/deep", "/etc"), "leads out of the package"),
        (ADD.replace("deep/er/new.js", ".."), "leads out of the package"),
        ("--- a/f\n+++ b/f\n@@ x @@\n", "cannot be read: line 3 is no head of a hunk"),
    ],
)
def test_a_patch_that_cannot_be_applied_is_refused_and_writes_nothing(patching: Patching, diff: str, said: str) -> None:
    published = patching.published()
    found = patching.apply(diff)
    assert isinstance(found, Failed), found
    assert found.code == "PM_PATCH"
    assert "p@1.0.0" in found.what
    assert said in found.what
    assert patching.extractor.entries() == [os.path.relpath(published, patching.extractor.store)]
    assert patching.extractor.leftovers() == []


def test_a_file_below_a_file_is_refused(patching: Patching) -> None:
    found = patching.apply(ADD.replace("deep/er", "index.js"))
    assert isinstance(found, Failed)
    assert "index.js is both a file and a folder" in found.what


def test_the_indexs_name_is_reserved(patching: Patching) -> None:
    found = patching.apply(ADD.replace("deep/er/new.js", ".pmpipe-index"))
    assert isinstance(found, Failed)
    assert "reserved" in found.what


def test_a_patch_that_has_changed_since_is_refused(patching: Patching) -> None:
    published = patching.published()
    patch = patching.patch(CHANGE)
    Path(patch.path).write_text(ADD)
    found = patching.extractor.run_source(StoreEntry(published), patch=patch)
    assert isinstance(found, Failed)
    assert found.code == "PM_PATCH"
    assert found.what == "p@1.0.0: its patch has changed"


def test_a_patch_that_is_gone_is_a_failure(patching: Patching) -> None:
    published = patching.published()
    patch = patching.patch(CHANGE)
    Path(patch.path).unlink()
    found = patching.extractor.run_source(StoreEntry(published), patch=patch)
    assert isinstance(found, Failed)
    assert "the.patch" in found.what


@pytest.mark.parametrize("path", ["index.js", "cli.js"])
def test_a_damaged_file_is_never_given_a_good_digest(patching: Patching, path: str) -> None:
    published = patching.published()
    (Path(published) / path).write_bytes(b"one\ntwo\nthree\nfour\n")
    found = patching.extractor.run_source(StoreEntry(published), patch=patching.patch(CHANGE))
    assert isinstance(found, Damaged), found
    assert found.what == f"the store's p@1.0.0 has other contents in {path}"


def test_a_missing_file_or_entry_is_damage(patching: Patching) -> None:
    published = patching.published()
    patch = patching.patch(CHANGE)
    (Path(published) / "index.js").unlink()
    assert isinstance(patching.extractor.run_source(StoreEntry(published), patch=patch), Damaged)
    gone = StoreEntry(f"{published}-gone")
    assert isinstance(patching.extractor.run_source(gone, patch=patch), Damaged)


def test_a_damaged_entry_of_a_patched_package_is_replaced(patching: Patching) -> None:
    found = patching.apply(CHANGE)
    assert isinstance(found, Extracted)
    (Path(found.entry) / "index.js").write_bytes(b"wrong")
    again = patching.extractor.run(TARBALL, patch=patching.patch(CHANGE), replace=True)
    assert isinstance(again, Extracted)
    assert again.entry == found.entry
    assert contents(again.entry)["index.js"] == b"one\nTWO\nthree\n"
