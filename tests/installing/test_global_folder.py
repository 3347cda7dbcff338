"""A global prefix: what is exchanged there can be taken back, whatever the filesystem refuses."""

from __future__ import annotations

import errno
import os
import re
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from support.snapshot import snapshot

from pmpipe.errors import FilesystemError, RegistryError
from pmpipe.installing.global_folder import GlobalFolder
from pmpipe.system.interrupts import CancelledError


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


@contextmanager
def installing(prefix: Path, name: str, text: str) -> Iterator[GlobalFolder]:
    """Exchange a package; it is not settled yet."""
    folder = GlobalFolder(str(prefix))
    with folder.changing():
        build(folder, name, text)
        folder.exchange([name])
        yield folder


def install(prefix: Path, name: str, text: str) -> None:
    """Exchange a package for good."""
    with installing(prefix, name, text) as folder:
        folder.settle()


def test_what_was_made_for_a_package_goes_with_it(prefix: Path) -> None:
    before = snapshot(prefix)
    with installing(prefix, "@scope/a", "new") as folder:
        assert folder.names() == ["@scope/a"]
    assert snapshot(prefix) == before


def test_what_was_settled_stays(prefix: Path) -> None:
    install(prefix, "a", "new")
    assert sorted(snapshot(prefix)) == ["lib", "lib/node_modules", "lib/node_modules/a", "lib/node_modules/a/index.js"]


def test_what_cannot_be_removed_when_all_is_done_is_told_as_that(prefix: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    install(prefix, "a", "old")
    with monkeypatch.context() as patched:
        patched.setattr(os, "unlink", refusing(os.unlink, "index.js"))
        with pytest.raises(
            FilesystemError, match="the change is complete, but what was there before cannot be"
        ) as told:
            install(prefix, "a", "new")
    assert told.value.details == (f"path: {prefix}/lib/.pmpipe-global/old/0/index.js",)
    assert (prefix / "lib/node_modules/a/index.js").read_text() == "new"
    with GlobalFolder(str(prefix)).changing():
        pass
    assert not (prefix / "lib/.pmpipe-global").exists()


def test_what_cannot_be_put_back_is_told_with_its_cause_and_put_back_by_the_next_run(
    prefix: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    install(prefix, "a", "old")
    before = snapshot(prefix)
    with (
        monkeypatch.context() as patched,
        pytest.raises(FilesystemError, match=r"cannot put back .*: Input/output error") as told,
        installing(prefix, "a", "new"),
    ):
        fail_and_put_nothing_back(patched)
    assert told.value.details == ("after: what came first",)
    with GlobalFolder(str(prefix)).changing():
        assert snapshot(prefix / "lib/node_modules") == {
            path.removeprefix("lib/node_modules/"): one
            for path, one in before.items()
            if path.startswith("lib/node_modules/")
        }


def fail_and_put_nothing_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "rename", refusing(os.rename, "0"))
    raise RegistryError("what came first", hint="nothing was changed")


def refusing(call: Callable[..., None], name: str) -> Callable[..., None]:
    """A system call that fails for whatever has this name."""

    def refuse(path: str | bytes, *arguments: object, **options: object) -> None:
        if os.path.basename(os.fsdecode(path)) == name:
            raise OSError(errno.EIO, "Input/output error", path)
        call(path, *arguments, **options)

    return refuse


@pytest.mark.parametrize("number", [1, 2])
def test_a_signal_in_the_first_moment_leaves_nothing(
    prefix: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    before = snapshot(prefix)
    mkdir, made = os.mkdir, []

    def make_and_be_told(path: str, mode: int) -> None:
        mkdir(path, mode)
        made.append(path)
        if len(made) == number:
            raise CancelledError(signal.SIGINT)

    monkeypatch.setattr(os, "mkdir", make_and_be_told)
    with pytest.raises(CancelledError), GlobalFolder(str(prefix)).changing():
        raise AssertionError
    assert snapshot(prefix) == before


@pytest.mark.parametrize("content", [b"", b"\0" * 64, b'{"paths": 1}'])
def test_a_damaged_journal_is_named_and_nothing_is_removed(prefix: Path, content: bytes) -> None:
    install(prefix, "a", "old")
    killed = installing(prefix, "a", "new")
    killed.__enter__()
    journal = prefix / "lib/.pmpipe-global/journal"
    whole = journal.read_bytes()
    journal.write_bytes(content)
    before = snapshot(prefix)
    with (
        pytest.raises(FilesystemError, match=re.escape(f"{journal} cannot be read")),
        GlobalFolder(str(prefix)).changing(),
    ):
        raise AssertionError
    assert snapshot(prefix) == before
    journal.write_bytes(whole)
    with GlobalFolder(str(prefix)).changing():
        assert (prefix / "lib/node_modules/a/index.js").read_text() == "old"


def test_a_journal_that_cannot_be_read_is_told_and_nothing_is_changed(prefix: Path) -> None:
    install(prefix, "a", "old")
    (prefix / "lib/.pmpipe-global/journal").mkdir(parents=True)
    before = snapshot(prefix)
    with pytest.raises(FilesystemError, match="journal: Is a directory"), installing(prefix, "a", "new"):
        pass
    assert snapshot(prefix) == before


def test_a_power_cut_does_not_damage_the_journal(prefix: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    done: list[str] = []
    fsync, rename = os.fsync, os.rename

    def note_fsync(fd: int) -> None:
        done.append("flush " + os.path.basename(os.readlink(f"/proc/self/fd/{fd}")))
        fsync(fd)

    def note_rename(source: str, destination: str) -> None:
        done.append("rename " + os.path.basename(source))
        rename(source, destination)

    install(prefix, "a", "old")
    monkeypatch.setattr(os, "fsync", note_fsync)
    monkeypatch.setattr(os, "rename", note_rename)
    install(prefix, "a", "new")
    # before anything is moved
    flushed = ["flush journal.partial", "rename journal.partial", "flush .pmpipe-global"]
    assert done == [*flushed, "rename a", "rename a"]


@pytest.mark.parametrize("word", ["", ".", "..", "../../bin", "@scope", "@scope/", "a/", "./a", "a/index.js", ".bin"])
def test_a_word_that_names_no_package_removes_nothing(prefix: Path, word: str) -> None:
    for name in ("a", "@scope/b"):
        install(prefix, name, "")
    (prefix / "bin").mkdir()
    (prefix / "lib/node_modules/.bin").mkdir()
    before = snapshot(prefix)
    folder = GlobalFolder(str(prefix))
    assert not folder.has(word)
    with folder.changing():
        folder.exchange([word])
        folder.settle()
    assert snapshot(prefix) == before


def test_a_file_in_the_place_of_a_scope_is_no_package(prefix: Path) -> None:
    (prefix / "lib/node_modules").mkdir()
    (prefix / "lib/node_modules/@scope").write_text("")
    assert GlobalFolder(str(prefix)).names() == []


def test_what_takes_the_place_of_something_that_could_only_be_deleted_goes_with_the_next_run(
    prefix: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    install(prefix, "a", "old")
    rename = os.rename

    def refuse(source: str, destination: str) -> None:
        # as overlayfs does with folders of a lower layer
        if source == str(prefix / "lib/node_modules/a"):
            raise OSError(errno.EXDEV, "Invalid cross-device link", source)
        rename(source, destination)

    killed = installing(prefix, "a", "new")
    with monkeypatch.context() as patched:
        patched.setattr(os, "rename", refuse)
        killed.__enter__()
    assert (prefix / "lib/node_modules/a/index.js").read_text() == "new"
    # it was killed before its scripts had ended
    with GlobalFolder(str(prefix)).changing():
        pass
    assert not GlobalFolder(str(prefix)).has("a")
