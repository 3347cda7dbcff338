"""The tar reader: formats as node-tar reads them, and one damage at a time."""

import resource
import time

import pytest
from support.tarballs import BLOCK, END, gnu_long_name, header, member, octal, padded, pax, tar

from pmpipe.errors import ArchiveError
from stages.messages import ArchiveLimits
from stages.unpacking.tar import Member, read_members

LIMITS = ArchiveLimits(entries=1000, one_file=1 << 20, all_files=1 << 22, ratio=1000)


def read(archive, limits=LIMITS):
    return [(one.name, bytes(archive[one.content])) for one in read_members(archive, limits)]


def test_reads_files_in_their_order():
    archive = tar(member(b"package/b", b"two"), member(b"package/a", b"one"), member(b"package/empty"))
    assert read(archive) == [(b"package/b", b"two"), (b"package/a", b"one"), (b"package/empty", b"")]


@pytest.mark.parametrize("buffer", [bytes, bytearray, memoryview])
def test_reads_any_buffer(buffer):
    assert read(buffer(tar(member(b"package/a", b"one")))) == [(b"package/a", b"one")]


def test_keeps_no_hold_on_the_buffer():
    archive = bytearray(tar(member(b"package/a", b"one")))
    read_members(archive, LIMITS)
    archive.append(0)


@pytest.mark.parametrize("kind", [b"0", b"\0", b"7"])
def test_takes_old_and_contiguous_files_for_files(kind):
    assert read(tar(member(b"package/a", b"one", kind=kind))) == [(b"package/a", b"one")]


@pytest.mark.parametrize(("name", "kind"), [(b"package/d", b"5"), (b"package/d/", b"0"), (b"package/d/", b"\0")])
def test_gives_folders_without_content_whatever_their_size_says(name, kind):
    archive = tar(header(name, kind=kind, size=4096), member(b"package/a", b"one"))
    folder, file = read_members(archive, LIMITS)
    assert (folder.regular, folder.content) == (False, slice(BLOCK, BLOCK))
    assert file.regular


@pytest.mark.parametrize("kind", [b"1", b"2", b"3", b"4", b"6", b"V", b"S"])
def test_leaves_out_links_devices_fifos_and_unknown_members_with_their_content(kind):
    skipped = header(b"package/l", kind=kind, link=b"/etc/passwd", size=3) + padded(b"abc")
    assert read(tar(skipped, member(b"package/a", b"one"))) == [(b"package/a", b"one")]


def test_joins_prefix_and_name():
    assert read(tar(member(b"a", b"1", prefix=b"package/deep"))) == [(b"package/deep/a", b"1")]


def test_ignores_what_stands_in_the_prefix_of_other_formats():
    assert read(tar(member(b"package/a", b"1", prefix=b"x", magic=b"ustar  \0"))) == [(b"package/a", b"1")]


def test_takes_a_prefix_of_full_length():
    prefix = b"package/" + b"d" * 147
    assert read(tar(member(b"a", prefix=prefix))) == [(prefix + b"/a", b"")]


def test_does_not_take_dates_behind_a_short_prefix_for_a_part_of_it():
    prefix = (b"package/d" + bytes(155))[:131] + octal(499162500, 11)
    assert read(tar(member(b"a", prefix=prefix))) == [(b"package/d/a", b"")]


def test_pax_path_and_size_count_for_the_next_file_only():
    archive = tar(
        pax({"path": "package/long", "size": "3"}),
        header(b"package/short", size=0) + padded(b"abc"),
        member(b"package/next", b"x"),
    )
    assert read(archive) == [(b"package/long", b"abc"), (b"package/next", b"x")]


def test_pax_size_does_not_count_for_another_extension_in_between():
    archive = tar(
        pax({"size": "3"}),
        gnu_long_name(b"package/long"),
        header(b"package/short", size=0) + padded(b"abc"),
    )
    assert read(archive) == [(b"package/long", b"abc")]


def test_a_global_pax_path_is_ignored():
    archive = tar(pax({"path": "package/all", "comment": "x"}, kind=b"g"), member(b"package/a", b"1"))
    assert read(archive) == [(b"package/a", b"1")]


def test_pax_records_of_a_wrong_length_are_ignored():
    broken = member(b"PaxHeader", b"99 path=package/no\n" + b"x" * 5 + b"\n18 path=package/b\n", kind=b"x")
    assert read(tar(broken, member(b"package/a"))) == [(b"package/b", b"")]


@pytest.mark.parametrize(("record", "name"), [(b"20 path=package/\xff\n", "\ufffd"), (b"18 path=package/\xff\n", "a")])
def test_the_length_of_a_pax_record_is_that_of_its_text_as_node_reads_it(record, name):
    found = read(tar(member(b"PaxHeader", record, kind=b"x"), member(b"package/a")))
    assert found == [(f"package/{name}".encode(), b"")]


def test_a_pax_mode_does_not_count():
    (only,) = read_members(tar(pax({"mode": "493"}), member(b"package/a")), LIMITS)
    assert not only.executable


def test_reads_gnu_long_names():
    name = b"package/" + b"n" * 200
    assert read(tar(gnu_long_name(name), member(b"package/n", b"1"))) == [(name, b"1")]


def test_ignores_gnu_long_link_names():
    archive = tar(member(b"././@LongLink", b"x" * 200 + b"\0", kind=b"K"), member(b"package/a", b"1"))
    assert read(archive) == [(b"package/a", b"1")]


@pytest.mark.parametrize("size", [b"3          \0", b"          3 ", b"00000000003 ", b"3\0\0\0\0\0\0\0\0\0\0\0"])
def test_reads_sizes_however_they_are_padded(size):
    assert read(tar(member(b"package/a", b"abc", size=size))) == [(b"package/a", b"abc")]


@pytest.mark.parametrize("before", [(), (member(b"package/0", b"0"),)], ids=["alone", "behind one that is alike"])
def test_reads_sizes_of_twelve_digits(before):
    content = b"x" * 24
    found = read(tar(*before, member(b"package/a", content, size=b"000000000030")))
    assert found[-1] == (b"package/a", content)


def test_reads_base_256_sizes():
    size = b"\x80" + (3).to_bytes(11, "big")
    assert read(tar(member(b"package/a", b"abc", size=size))) == [(b"package/a", b"abc")]


def test_an_empty_size_is_zero():
    assert read(tar(member(b"package/a", size=bytes(12)))) == [(b"package/a", b"")]


@pytest.mark.parametrize(
    ("mode", "executable"),
    [(0o755, True), (0o644, False), (0o4755, True), (0, False), (0o100, True), (0o011, False), (b"\xff" * 8, True)],
)
def test_a_file_is_executable_if_its_owner_may_execute_it(mode, executable):
    (only,) = read_members(tar(member(b"package/a", mode=mode)), LIMITS)
    assert only.executable is executable


def test_replaces_what_is_not_utf8_in_a_name():
    assert read(tar(member(b"package/\xff\xc3\xa4"))) == [(b"package/\xef\xbf\xbd\xc3\xa4", b"")]


def test_passes_over_a_single_block_of_zeros():
    archive = tar(member(b"package/a", b"1"), bytes(BLOCK), member(b"package/b", b"2"))
    assert read(archive) == [(b"package/a", b"1"), (b"package/b", b"2")]


@pytest.mark.parametrize("end", [b"", bytes(BLOCK), bytes(100), bytes(20 * BLOCK)])
def test_takes_an_archive_with_a_shorter_or_longer_end(end):
    assert read(member(b"package/a", b"1") + end) == [(b"package/a", b"1")]


def test_every_byte_of_a_header_is_under_its_checksum():
    archive = tar(member(b"package/a", b"1"))
    for position in range(BLOCK):
        damaged = bytearray(archive)
        damaged[position] ^= 0x15
        with pytest.raises(ArchiveError):
            read_members(damaged, LIMITS)


def test_rejects_a_bad_checksum_in_the_middle():
    archive = tar(member(b"package/a", b"1"), member(b"package/b", b"2", checksum=b"000000\0 "), member(b"package/c"))
    with pytest.raises(ArchiveError, match="header at byte 1,024 is damaged: wrong checksum"):
        read_members(archive, LIMITS)


@pytest.mark.parametrize("content", [b"<html>log in</html>\n", b"<html>log in</html>\n" * 40], ids=["short", "long"])
def test_says_of_what_is_no_archive_how_it_begins(content):
    with pytest.raises(ArchiveError, match=r'it is no tarball: it begins with "<html>log in</html>\\n'):
        read_members(content, LIMITS)


def test_a_first_header_of_an_archive_that_is_damaged_is_told_as_such():
    with pytest.raises(ArchiveError, match="header at byte 0 is damaged: wrong checksum"):
        read_members(tar(member(b"package/a", checksum=b"000000\0 ")), LIMITS)


def test_rejects_something_behind_the_end():
    with pytest.raises(ArchiveError, match="behind the end"):
        read_members(tar(member(b"package/a")) + b"garbage", LIMITS)


@pytest.mark.parametrize("cut", [1, 511, 512, 600])
def test_rejects_a_truncated_archive(cut):
    archive = member(b"package/a", b"x" * 1000)
    with pytest.raises(ArchiveError, match=r"beyond the end|behind the end"):
        read_members(archive[:-cut], LIMITS)


@pytest.mark.parametrize(
    "size",
    [
        b"-0000000001\0",
        b"\xff" * 12,
        b"\x80" + (1 << 62).to_bytes(11, "big"),
        b"77777777777\0",
        b"0x000000010\0",
        b"1_0        \0",
        b"00000000009\0",
        b"\x81" + bytes(11),
        b"\x0000000000001",
    ],
    ids=[
        *("negative", "base-256 negative", "2^62", "8 GiB", "hexadecimal", "underscore", "digit 9", "bad base-256"),
        "behind a NUL",
    ],
)
def test_rejects_impossible_sizes_at_once_and_without_memory(size):
    archive = tar(member(b"package/a", b"1"), header(b"package/b", size=size), member(b"package/c"))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    started = time.process_time()
    with pytest.raises(ArchiveError):
        read_members(archive, LIMITS)
    assert time.process_time() - started < 2
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 50 << 10


@pytest.mark.parametrize("size", ["-1", "1e3", "0x10", "4611686018427387904", "9" * 5000, "1.5"])
def test_rejects_impossible_pax_sizes(size):
    with pytest.raises(ArchiveError):
        read_members(tar(pax({"size": size}), member(b"package/a", b"1")), LIMITS)


def test_rejects_a_size_for_all_files():
    with pytest.raises(ArchiveError, match="global header"):
        read_members(tar(pax({"size": "3"}, kind=b"g"), member(b"package/a")), LIMITS)


@pytest.mark.parametrize("kind", [b"x", b"g", b"L", b"K"])
def test_rejects_extensions_of_over_a_mebibyte(kind):
    archive = tar(member(b"e", b"x" * ((1 << 20) + 1), kind=kind), member(b"package/a"))
    with pytest.raises(ArchiveError, match="too long"):
        read_members(archive, LIMITS)


def test_rejects_a_file_without_a_name():
    with pytest.raises(ArchiveError, match="has no name"):
        read_members(tar(member(b"")), LIMITS)


def test_rejects_a_file_with_a_target():
    with pytest.raises(ArchiveError, match="link's target"):
        read_members(tar(member(b"package/a", link=b"b")), LIMITS)


@pytest.mark.parametrize(
    ("limits", "message"),
    [
        (ArchiveLimits(entries=2, one_file=100, all_files=100, ratio=1), "more than 2 files"),
        (ArchiveLimits(entries=9, one_file=9, all_files=100, ratio=1), "a file has 10 bytes, the limit is 9"),
        (ArchiveLimits(entries=9, one_file=10, all_files=29, ratio=1), "more than 29 bytes together"),
    ],
)
def test_rejects_what_exceeds_a_limit(limits, message):
    archive = tar(*(member(b"package/%d" % number, b"x" * 10) for number in range(3)))
    with pytest.raises(ArchiveError, match=message):
        read_members(archive, limits)


def test_an_empty_archive_has_no_members():
    assert read_members(END, LIMITS) == []


def test_members_are_plain_data():
    (only,) = read_members(tar(member(b"package/a", b"abc", mode=0o755)), LIMITS)
    assert only == Member(b"package/a", slice(BLOCK, BLOCK + 3), executable=True, regular=True)
