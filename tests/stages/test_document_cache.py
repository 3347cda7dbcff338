"""The cache of documents: what is written is what is read, and whatever is damaged is as good as none."""

from __future__ import annotations

import errno
import mmap
import os
import stat
from collections.abc import Callable
from pathlib import Path

import pytest
from support.permissions import let_others_reach

from stages.arena import create_arena
from stages.document_cache import (
    KeptHead,
    document_name,
    encode_head,
    make_handler,
    read_document,
    still_current,
)
from stages.messages import CachedDocument, CacheDocument, JobId, SharedBytes

BODY = b'{"name":"a","versions":{}}' * 3
HEAD = KeptHead("https://registry.example/a", '"abc"', "Wed, 01 Jan 2020 00:00:00 GMT", 300, False, len(BODY))


class Cache:
    """A cache below a folder, written through the stage's handler."""

    def __init__(self, folder: Path, arena: mmap.mmap | None = None) -> None:
        self.path = str(folder / "packuments" / document_name(HEAD.url, "application/json"))
        self.staging = folder / "staging"
        self.staging.mkdir()
        self.arena = arena or create_arena()
        self.handle = make_handler(self.arena)

    def keep(self, body: bytes = BODY, head: KeptHead = HEAD) -> CachedDocument:
        self.arena[4096 : 4096 + len(body)] = body
        source = SharedBytes(4096, len(body))
        job = CacheDocument(JobId(7), "a", source, encode_head(head), str(self.staging), self.path)
        (result,) = self.handle(job)
        assert isinstance(result, CachedDocument)
        assert result.job == 7
        return result


@pytest.fixture(params=[create_arena, lambda: mmap.mmap(-1, 1 << 16)], ids=["a file", "a mapping alone"])
def cache(tmp_path: Path, request: pytest.FixtureRequest) -> Cache:
    return Cache(tmp_path, request.param())


def test_gives_back_what_was_written(cache: Cache) -> None:
    assert cache.keep() == CachedDocument(JobId(7), 4096)
    kept = read_document(cache.path)
    assert kept is not None
    assert kept.head == HEAD
    assert bytes(kept.body) == BODY


def test_gives_back_an_empty_body(cache: Cache) -> None:
    head = KeptHead(HEAD.url, "", "", 0, True, 0)
    cache.keep(b"", head)
    kept = read_document(cache.path)
    assert kept is not None
    assert (kept.head, bytes(kept.body)) == (head, b"")


def test_replaces_what_was_there(cache: Cache) -> None:
    cache.keep()
    cache.keep(b"newer", KeptHead(HEAD.url, '"2"', "", 0, False, 5))
    kept = read_document(cache.path)
    assert kept is not None
    assert (kept.head.etag, bytes(kept.body)) == ('"2"', b"newer")


def test_is_for_the_user_alone_and_leaves_nothing_in_the_staging_area(cache: Cache) -> None:
    cache.keep()
    assert stat.S_IMODE(os.stat(cache.path).st_mode) == 0o600
    assert list(cache.staging.iterdir()) == []


def test_a_reader_keeps_the_document_that_it_has_opened(cache: Cache) -> None:
    cache.keep()
    kept = read_document(cache.path)
    cache.keep(b"newer", KeptHead(HEAD.url, '"2"', "", 0, False, 5))
    assert kept is not None
    assert bytes(kept.body) == BODY


def test_there_is_no_document_where_there_is_no_file(cache: Cache) -> None:
    assert read_document(cache.path) is None


def test_there_is_no_document_below_a_file(cache: Cache) -> None:
    Path(cache.path).parent.write_text("a file")
    assert read_document(cache.path) is None


def test_a_file_that_was_cut_off_anywhere_is_none(cache: Cache) -> None:
    cache.keep()
    content = Path(cache.path).read_bytes()
    for length in range(len(content)):
        Path(cache.path).write_bytes(content[:length])
        assert read_document(cache.path) is None, length


def test_a_file_with_more_in_it_is_none(cache: Cache) -> None:
    cache.keep()
    with open(cache.path, "ab") as file:
        file.write(b"}")
    assert read_document(cache.path) is None


@pytest.mark.parametrize(
    "content", [b"\0" * 5000, b"pmpipe-document-0\n" + b"\xff" * 100, b"pmpipe-document-1\n\xff\xff\xff\xff\xc0"]
)
def test_a_file_of_another_format_is_none(cache: Cache, content: bytes) -> None:
    cache.keep()
    Path(cache.path).write_bytes(content)
    assert read_document(cache.path) is None


@pytest.mark.parametrize("position", range(0, 100, 3))
def test_a_changed_byte_in_front_of_the_body_raises_nothing(cache: Cache, position: int) -> None:
    cache.keep()
    content = bytearray(Path(cache.path).read_bytes())
    content[position] ^= 0xFF
    Path(cache.path).write_bytes(content)
    kept = read_document(cache.path)
    assert kept is None or len(kept.body) == kept.head.length


def test_a_document_is_fresh_for_as_long_as_the_registry_said(cache: Cache) -> None:
    cache.keep()
    os.utime(cache.path, (1_000, 1_000))
    kept = read_document(cache.path)
    assert kept is not None
    assert kept.is_fresh(1_000)
    assert kept.is_fresh(1_299)
    assert not kept.is_fresh(1_300)


def test_a_document_from_the_future_is_not_fresh(cache: Cache) -> None:
    cache.keep()
    os.utime(cache.path, (1_000, 1_000))
    kept = read_document(cache.path)
    assert kept is not None
    assert not kept.is_fresh(999)


def test_the_registrys_word_makes_it_fresh_again(cache: Cache) -> None:
    cache.keep()
    os.utime(cache.path, (1_000, 1_000))
    still_current(cache.path)
    kept = read_document(cache.path)
    assert kept is not None
    assert kept.checked_s > 1_000


def test_the_registrys_word_about_a_file_that_has_gone_is_no_error(cache: Cache) -> None:
    still_current(cache.path)
    assert not os.path.exists(cache.path)


def test_documents_of_different_forms_have_different_names() -> None:
    names = {document_name(url, accept) for url in ("https://a/b", "https://a/c") for accept in ("x", "y")}
    assert len(names) == 4


# -- what keeps it from being written -------------------------------------------------------------------------------


def test_what_cannot_be_written_is_told_and_leaves_nothing(cache: Cache) -> None:
    Path(cache.path).parent.write_text("a file where the folder should be")
    assert "cannot keep the packument of a: " in cache.keep().problem
    assert list(cache.staging.iterdir()) == []


def test_a_staging_area_that_has_gone_is_told(cache: Cache) -> None:
    cache.staging.rmdir()
    assert cache.keep().problem == f"cannot keep the packument of a: {os.strerror(errno.ENOENT)}"


def test_a_full_disk_is_told_and_leaves_the_former_document(tmp_path: Path, mounted: Callable[..., None]) -> None:
    mounted(tmp_path / "small", "size=16k")
    full_disk = Cache(tmp_path / "small")
    full_disk.keep()
    body = os.urandom(40_000)
    problem = full_disk.keep(body, KeptHead(HEAD.url, "", "", 0, False, len(body))).problem
    assert problem.startswith("cannot keep the packument of a: ")
    assert list(full_disk.staging.iterdir()) == []
    kept = read_document(full_disk.path)
    assert kept is not None
    assert bytes(kept.body) == BODY


@pytest.mark.root
def test_what_another_user_keeps_for_itself_is_none(tmp_path: Path) -> None:
    cache = Cache(tmp_path)
    cache.keep()
    let_others_reach(tmp_path)
    os.seteuid(65534)
    try:
        assert read_document(cache.path) is None
    finally:
        os.seteuid(0)
    assert read_document(cache.path) is not None
