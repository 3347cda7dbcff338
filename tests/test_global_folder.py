"""A global prefix: what is exchanged there can be taken back, whatever the filesystem refuses."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest
from support.snapshot import snapshot

from pmpipe.global_folder import GlobalFolder


@pytest.fixture
def prefix(tmp_path: Path) -> Path:
    """A prefix without any package."""
    (tmp_path / "prefix/lib").mkdir(parents=True)
    return tmp_path / "prefix"


def build(folder: GlobalFolder, name: str, text: str) -> None:
    """What an install makes in the stage."""
    place = Path(folder.stage, "node_modules", name)
    place.mkdir(parents=True)
    (place / "index.js").write_text(text)


def install(prefix: Path, name: str, text: str) -> GlobalFolder:
    """Exchange a package; it is not settled yet."""
    folder = GlobalFolder(str(prefix))
    folder.begin()
    build(folder, name, text)
    folder.exchange([name])
    return folder


def test_what_was_made_for_a_package_goes_with_it(prefix: Path) -> None:
    before = snapshot(prefix)
    folder = install(prefix, "@scope/a", "new")
    assert folder.names() == ["@scope/a"]
    folder.end()
    assert snapshot(prefix) == before


def test_what_was_settled_stays(prefix: Path) -> None:
    folder = install(prefix, "a", "new")
    folder.settle()
    folder.end()
    assert sorted(snapshot(prefix)) == ["lib", "lib/node_modules", "lib/node_modules/a", "lib/node_modules/a/index.js"]


@pytest.mark.parametrize("word", ["", ".", "..", "../../bin", "@scope", "@scope/", "a/", "./a", "a/index.js", ".bin"])
def test_a_word_that_names_no_package_removes_nothing(prefix: Path, word: str) -> None:
    for name in ("a", "@scope/b"):
        former = install(prefix, name, "")
        former.settle()
        former.end()
    (prefix / "bin").mkdir()
    (prefix / "lib/node_modules/.bin").mkdir()
    before = snapshot(prefix)
    folder = GlobalFolder(str(prefix))
    assert not folder.has(word)
    folder.begin()
    folder.exchange([word])
    folder.settle()
    folder.end()
    assert snapshot(prefix) == before


def test_a_file_in_the_place_of_a_scope_is_no_package(prefix: Path) -> None:
    (prefix / "lib/node_modules").mkdir()
    (prefix / "lib/node_modules/@scope").write_text("")
    assert GlobalFolder(str(prefix)).names() == []


def test_what_takes_the_place_of_something_that_could_only_be_deleted_goes_with_the_next_run(
    prefix: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    former = install(prefix, "a", "old")
    former.settle()
    former.end()
    rename = os.rename

    def refuse(source: str, destination: str) -> None:
        # as overlayfs does with folders of a lower layer
        if source == str(prefix / "lib/node_modules/a"):
            raise OSError(errno.EXDEV, "Invalid cross-device link", source)
        rename(source, destination)

    with monkeypatch.context() as patched:
        patched.setattr(os, "rename", refuse)
        install(prefix, "a", "new")
    assert (prefix / "lib/node_modules/a/index.js").read_text() == "new"
    # it was killed before its scripts had ended
    GlobalFolder(str(prefix)).begin()
    assert not GlobalFolder(str(prefix)).has("a")
