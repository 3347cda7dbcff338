"""A store entry's place, and the index that says it is complete."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.entries import make_entry
from support.packages import integrity

from pmpipe.errors import IntegrityError
from stages.entries.entry import (
    INDEX_NAME,
    EntryIndex,
    TornIndexError,
    decode_index,
    encode_index,
    entry_path,
    git_entry_path,
    read_index,
)

INDEX = EntryIndex(
    folders=(b"lib",),
    paths=(b"index.js", b"lib/\xff.js"),
    sizes=(3, 1 << 40),
    executable=(False, True),
    digests=bytes(32),
    has_install_script=True,
    integrity="sha512-x",
)


def test_an_index_comes_back_as_it_was_written() -> None:
    assert decode_index(encode_index(INDEX)) == INDEX


@given(st.integers(0, len(encode_index(INDEX)) - 1))
def test_an_index_that_was_cut_off_is_torn(length: int) -> None:
    with pytest.raises(TornIndexError):
        decode_index(encode_index(INDEX)[:length])


@given(st.integers(0, len(encode_index(INDEX)) - 1), st.integers(1, 255))
def test_an_index_with_a_flipped_byte_is_torn(at: int, flip: int) -> None:
    content = bytearray(encode_index(INDEX))
    content[at] ^= flip
    with pytest.raises(TornIndexError):
        decode_index(bytes(content))


def test_an_entry_is_read_by_path_and_by_descriptor(tmp_path: Path) -> None:
    entry = make_entry(tmp_path / "e", {"index.js": b"1", "lib/a.js": b"2"})
    by_path = read_index(entry)
    fd = os.open(entry, os.O_RDONLY)
    assert read_index("", dir_fd=fd) == by_path
    os.close(fd)
    assert by_path.paths == (b"index.js", b"lib/a.js")


def test_a_large_index_is_read_to_its_end(tmp_path: Path) -> None:
    paths = tuple(f"{number:06}-{'x' * 200}".encode() for number in range(20_000))
    large = EntryIndex((), paths, (0,) * len(paths), (False,) * len(paths), bytes(16 * len(paths)), False, "")
    (tmp_path / INDEX_NAME).write_bytes(encode_index(large))
    assert read_index(str(tmp_path)) == large


def test_no_index_is_no_entry(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        read_index(str(tmp_path))


def test_an_index_that_is_a_link_is_not_followed(tmp_path: Path) -> None:
    entry = make_entry(tmp_path / "e", {"index.js": b"1"})
    other = tmp_path / "other"
    other.mkdir()
    (other / INDEX_NAME).symlink_to(f"{entry}/{INDEX_NAME}")
    with pytest.raises(OSError, match=os.strerror(errno.ELOOP)):
        read_index(str(other))


def test_the_strongest_digest_names_the_entry() -> None:
    both = f"{integrity(b'x', 'sha1')} {integrity(b'x', 'sha512')}"
    path = entry_path("/s/v1", both)
    assert path == entry_path("/s/v1", integrity(b"x", "sha512"))
    algorithm, shard, name = path.removeprefix("/s/v1/").split("/")
    assert (algorithm, len(shard), len(name)) == ("sha512", 2, 128)
    assert name.startswith(shard)


@pytest.mark.parametrize("text", ["", "garbage", "md5-", "sha512-???"])
def test_no_digest_names_no_entry(text: str) -> None:
    with pytest.raises(IntegrityError):
        entry_path("/s/v1", text)


def test_a_commit_has_a_place_of_its_own() -> None:
    key = "ab" + "0" * 62
    assert git_entry_path("/s/v1", key) == f"/s/v1/git/ab/{key}"


@pytest.mark.parametrize("key", ["", "abc", "../" * 20, "AB" * 20, "g" * 40])
def test_what_is_no_digest_is_no_key(key: str) -> None:
    with pytest.raises(ValueError, match="not a digest"):
        git_entry_path("/s/v1", key)
