"""The extract stage against tarballs that are damaged or hostile in one way each."""

import errno
import gzip
import os
import resource
import shutil
import stat
import time
from pathlib import Path

import pytest
from extracting import LIMITS, Extractor, contents_of, files_of
from support.packages import integrity
from support.permissions import let_others_reach
from support.tarballs import (
    END,
    gnu_long_name,
    header,
    member,
    package_json,
    padded,
    pax,
    tar,
    tgz,
)

from stages.entries.entry import INDEX_NAME, read_index
from stages.messages import ArchiveLimits, Extracted, Failed
from stages.remove import remove_tree

pytestmark = pytest.mark.usefixtures("same_descriptors")

GOOD = tgz(package_json(), member(b"package/index.js", b"1"))


@pytest.fixture
def extractor(tmp_path):
    return Extractor(tmp_path)


def assert_rejected(extractor, tarball, cause, code="PM_ARCHIVE", **fields):
    result = extractor.run(tarball, **fields)
    assert isinstance(result, Failed)
    assert result.code == code
    assert "p@1.0.0" in result.what
    assert cause in result.what
    assert "\n" not in result.what
    assert extractor.entries() == []
    return result


def assert_as_npm(extractor, tarball, bins=()):
    result = extractor.run(tarball)
    assert isinstance(result, Extracted), result
    (by_npm,) = extractor.unpacked_by_npm([tarball], bins)
    assert files_of(result.entry) == by_npm
    return result


# -- what is unpacked ---------------------------------------------------------------------------------------------


def test_unpacks_a_package_into_an_entry_named_by_its_digest(extractor):
    result = extractor.run(GOOD)
    assert contents_of(result)[b"index.js"] == b"1"
    assert result.integrity == integrity(GOOD)
    assert read_index(result.entry).integrity == integrity(GOOD)
    name = result.entry.rpartition("/")[2]
    assert result.entry == f"{extractor.store}/sha512/{name[:2]}/{name}"


def test_reads_a_tarball_on_disk(extractor, tmp_path):
    (tmp_path / "p.tgz").write_bytes(GOOD)
    assert extractor.run_file(tmp_path / "p.tgz").entry == extractor.run(GOOD).entry


@pytest.mark.parametrize("kind", ["missing", "folder", "fifo"])
def test_names_a_tarball_on_disk_that_cannot_be_read(extractor, tmp_path, kind):
    path = tmp_path / "p.tgz"
    if kind == "folder":
        path.mkdir()
    elif kind == "fifo":
        os.mkfifo(path)
    result = extractor.run_file(path)
    assert isinstance(result, Failed)
    assert result.code == "PM_FILESYSTEM"
    assert str(path) in result.what


def test_a_key_names_the_entry_instead_of_the_digest(extractor):
    key = "0123456789abcdef" * 4
    assert extractor.run(GOOD, key=key).entry == f"{extractor.store}/git/01/{key}"


@pytest.mark.npm
def test_variety_is_unpacked_byte_for_byte_as_npm_does_it(extractor):
    tarballs = []
    for number in range(30):
        parts = [package_json(name=f"p{number}", bin={"x": "./bin/x.js"} if number % 2 else "bin/y.js")]
        for index in range(number):
            path = b"root/" + b"d%d/" % (index % 4) * (index % 5) + b"file-%d" % index + b"n" * (number * index % 90)
            mode = (0o644, 0o755, 0o600, 0o744, 0o4755, 0o664)[index % 6]
            content = bytes(range(256)) * index
            if len(path) > 100:
                parts.append(pax({"path": path}) if index % 2 else gnu_long_name(path))
                path = path[:100]
            parts.append(member(path, content, mode=mode))
        parts += [member(b"package/bin/x.js", b"#!/x\n"), member(b"package/bin/y.js", b"#!/y\n", mode=0o644)]
        tarballs.append(tgz(*parts) if number % 3 else tar(*parts))
    for tarball, by_npm in zip(tarballs, extractor.unpacked_by_npm(tarballs), strict=True):
        assert files_of(extractor.run(tarball).entry) == by_npm


# -- members that are no files ------------------------------------------------------------------------------------

NO_FILES = tgz(
    package_json(),
    member(b"package/soft", kind=b"2", link=b"/etc/passwd"),
    member(b"package/hard", kind=b"1", link=b"package/package.json"),
    member(b"package/char", kind=b"3"),
    member(b"package/block", kind=b"4"),
    member(b"package/fifo", kind=b"6"),
    member(b"package/folder/", kind=b"5"),
    member(b"package/index.js", b"1"),
)


def test_skips_links_devices_and_fifos_and_installs_their_siblings(extractor):
    assert set(contents_of(extractor.run(NO_FILES))) == {b"package.json", b"index.js"}


@pytest.mark.npm
def test_skips_the_same_members_as_npm(extractor):
    assert_as_npm(extractor, NO_FILES)


THROUGH_A_LINK = tgz(
    package_json(),
    member(b"package/ln", kind=b"2", link=b"../../../outside"),
    member(b"package/ln/x", b"1"),
)


def test_a_file_through_a_dropped_link_lands_in_a_real_folder(extractor, tmp_path):
    (tmp_path / "outside").mkdir()
    result = extractor.run(THROUGH_A_LINK)
    assert contents_of(result)[b"ln/x"] == b"1"
    assert not os.path.islink(f"{result.entry}/ln")
    assert os.listdir(tmp_path / "outside") == []


@pytest.mark.npm
def test_a_file_through_a_dropped_link_lands_where_npm_puts_it(extractor):
    assert_as_npm(extractor, THROUGH_A_LINK)


# -- paths --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "parts",
    [
        [member(b"package/../x")],
        [member(b"package/a/../../x")],
        [member(b"../x")],
        [member(b"package/..")],
        [member(b"package\\..\\x")],
        [member(b"package/a\\..\\..\\x")],
        [member(b"package/C:../x")],
        [pax({"path": "package/../x"}), member(b"package/x")],
        [gnu_long_name(b"package/" + b"d/" * 60 + b"../x"), member(b"package/x")],
        [member(b"x", prefix=b"package/..")],
        [member(b"package/../d/", kind=b"5")],
    ],
    ids=["slash", "deep", "first", "last", "backslash", "mixed", "drive", "pax", "gnu", "prefix", "folder"],
)
def test_rejects_a_package_with_a_parent_segment_in_a_path(extractor, parts):
    assert_rejected(extractor, tgz(package_json(), *parts), "..")


def test_dots_that_are_no_parent_segment_are_kept(extractor):
    names = [b"a..", b"..a", b"a..b", b"...", b"d../x"]
    tarball = tgz(*(member(b"package/" + name) for name in names))
    assert set(contents_of(extractor.run(tarball))) == set(names)


ABSOLUTE = tgz(
    package_json(),
    member(b"package//etc/one", b"1"),
    member(b"/etc/two", b"2"),
    member(b"package/C:\\three", b"3"),
    member(b"package/c:/four", b"4"),
    member(b"package/\\\\server\\share\\five", b"5"),
    member(b"package/\\six", b"6"),
    member(b"package///?/C:/seven", b"7"),
    member(b"package/d:eight", b"8"),
)


def test_an_absolute_path_loses_its_root_and_is_warned_of_once(extractor):
    tarball = tgz(package_json(), member(b"package//etc/passwd", b"1"))
    result = extractor.run(tarball)
    assert contents_of(result)[b"etc/passwd"] == b"1"
    assert result.warnings == ("p@1.0.0: package//etc/passwd is absolute, it was unpacked inside the package",)


def test_warnings_of_one_package_are_few(extractor):
    result = extractor.run(tgz(*(member(b"package//%d" % number) for number in range(100))))
    assert len(result.warnings) == 21
    assert result.warnings[-1] == "p@1.0.0: 80 more of the kind"


@pytest.mark.npm
def test_absolute_paths_end_where_npm_puts_them(extractor):
    assert_as_npm(extractor, ABSOLUTE)


@pytest.mark.parametrize(
    "parts",
    [
        [member(b"package/a\0b")],
        [pax({"path": b"package/a\0b"}), member(b"package/x")],
        [gnu_long_name(b"package/a\0b"), member(b"package/x")],
    ],
    ids=["header", "pax", "gnu"],
)
def test_rejects_a_package_with_a_nul_in_a_name(extractor, parts):
    assert_rejected(extractor, tgz(package_json(), *parts), "a\\x00b has a NUL")


ODD_NAMES = tgz(
    package_json(),
    member(b"package/new\nline", b"1"),
    member(b"package/esc\x1b[31m", b"2"),
    member(b"package/\xff\xfe", b"3"),
    member(b"package/\xed\xa0\x80\xf0\x9f\x98\x80\xe2\x82", b"4"),
    pax({"path": "package/pax\nnewline"}),
    member(b"package/short", b"5"),
    pax({"path": "package/\u202eevil"}),
    member(b"package/short", b"6"),
    member(b"package/ back\\slash: *?|", b"7"),
)


@pytest.mark.npm
def test_odd_names_are_on_disk_as_npm_writes_them(extractor):
    assert_as_npm(extractor, ODD_NAMES)


def test_odd_names_are_escaped_in_messages(extractor):
    failed = assert_rejected(extractor, tgz(member(b"package/\x1b]0;x\x07\n\xff/../a")), "..")
    assert "package/\\x1b]0;x\\x07\\n\ufffd/../a leaves the package" in failed.what
    assert failed.what.isprintable()


def test_rejects_a_name_of_over_255_bytes(extractor):
    long = b"package/" + b"n" * 256
    assert_rejected(extractor, tgz(package_json(), pax({"path": long}), member(b"package/x")), "more than 255 bytes")


def test_takes_a_name_of_255_bytes(extractor):
    name = b"n" * 255
    assert name in contents_of(extractor.run(tgz(pax({"path": b"package/" + name}), member(b"package/x"))))


def test_rejects_a_depth_of_over_1024(extractor):
    deep = b"package/" + b"d/" * 1024 + b"x"
    assert_rejected(extractor, tgz(package_json(), pax({"path": deep}), member(b"package/x")), "1,024 folders deep")


def test_takes_a_depth_of_1024(extractor):
    path = b"d/" * 1023 + b"x"
    extractor.checks = False
    result = extractor.run(tgz(pax({"path": b"package/" + path}), member(b"package/x", b"1")))
    assert isinstance(result, Extracted)
    assert not extractor.leftovers()
    assert read_index(result.entry).paths == (path,)
    assert Path(result.entry, os.fsdecode(path)).read_bytes() == b"1"
    # pytest cannot delete it
    remove_tree(result.entry)


def test_rejects_a_path_that_no_filesystem_takes(extractor):
    deep = b"package/" + (b"d" * 200 + b"/") * 30 + b"x"
    assert_rejected(extractor, tgz(package_json(), pax({"path": deep}), member(b"package/x")), "too long")


@pytest.mark.parametrize(
    "parts",
    [
        [member(b"package/a"), member(b"package/a/b")],
        [member(b"package/a/b"), member(b"package/a")],
        [member(b"package/a/b/c"), member(b"package/a/")],
    ],
)
def test_a_file_where_a_folder_is_rejects_the_package(extractor, parts):
    if parts[1] == member(b"package/a/"):
        assert isinstance(extractor.run(tgz(*parts)), Extracted)
    else:
        assert_rejected(extractor, tgz(package_json(), *parts), "a is both a file and a folder")


TWICE = tgz(
    package_json(),
    member(b"package/a", b"first, and longer", mode=0o755),
    member(b"package/./b", b"1"),
    member(b"package/a", b"last"),
    member(b"other/b", b"2", mode=0o755),
)


def test_of_two_members_of_one_name_the_last_wins(extractor):
    contents = contents_of(extractor.run(TWICE))
    assert (contents[b"a"], contents[b"b"]) == (b"last", b"2")


@pytest.mark.npm
def test_of_two_members_of_one_name_the_result_is_npms(extractor):
    assert_as_npm(extractor, TWICE)


def test_rejects_a_package_that_brings_an_index(extractor):
    assert_rejected(extractor, tgz(member(b"package/" + INDEX_NAME.encode(), b"x")), "reserved")


@pytest.mark.parametrize("first", [b"package", b"x", b".", b"@scope", b"very-other", b" "])
def test_strips_any_first_segment(extractor, first):
    assert contents_of(extractor.run(tgz(member(first + b"/d/x", b"1")))) == {b"d/x": b"1"}


@pytest.mark.npm
def test_strips_first_segments_as_npm_does(extractor):
    assert_as_npm(extractor, tgz(member(b"./package.json", b"{}"), member(b"./package/x", b"1"), member(b"top", b"2")))


IGNORE_FILES = {
    "alone": [member(b"package/.gitignore", b"git")],
    "npmignore first": [member(b"package/.npmignore", b"npm"), member(b"package/.gitignore", b"git")],
    "gitignore first": [member(b"package/.gitignore", b"git"), member(b"package/.npmignore", b"npm")],
    "nested": [
        member(b"package/a/.gitignore", b"git"),
        member(b"package/b/.npmignore", b"npm"),
        member(b"package/b/.gitignore", b"git"),
        member(b"package/x.gitignore", b"x"),
        member(b"package/c/.gitignore/.", b"no base name"),
        member(b"package/d/.npmignore/.", b"no base name"),
        member(b"package/d/.gitignore", b"git"),
        member(b"package/e/./.npmignore", b"npm by another path"),
        member(b"package/e/.gitignore", b"git"),
        member(b"other/f/.npmignore", b"npm in another folder"),
        member(b"package/f/.gitignore", b"git"),
        member(b"/h/.npmignore", b"npm"),
        member(b"/h/.gitignore", b"git"),
    ],
}


def test_gitignore_becomes_npmignore_unless_there_is_one(extractor):
    assert contents_of(extractor.run(tgz(*IGNORE_FILES["alone"]))) == {b".npmignore": b"git"}
    assert contents_of(extractor.run(tgz(*IGNORE_FILES["npmignore first"]))) == {b".npmignore": b"npm"}
    assert contents_of(extractor.run(tgz(*IGNORE_FILES["gitignore first"]))) == {b".npmignore": b"npm"}


@pytest.mark.npm
@pytest.mark.parametrize("case", IGNORE_FILES)
def test_ignore_files_are_renamed_as_npm_does_it(extractor, case):
    assert_as_npm(extractor, tgz(package_json(), *IGNORE_FILES[case]))


# -- modes --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("umask", [0, 0o022, 0o077, 0o777])
def test_modes_are_644_or_755_whatever_the_tarball_or_the_umask_says(extractor, users_umask, umask):
    modes = (0o4755, 0o2755, 0o1777, 0, 0o777, 0o600, 0o711, 0o666, 0o070)
    tarball = tgz(*(member(b"package/d/%04o" % mode, mode=mode) for mode in modes))
    users_umask(umask)
    result = extractor.run(tarball)
    assert os.umask(umask) == umask
    found = {
        name: stat.S_IMODE(os.stat(f"{result.entry}/d/{name}").st_mode) for name in os.listdir(f"{result.entry}/d")
    }
    assert found == {f"{mode:04o}": 0o755 if mode & 0o100 else 0o644 for mode in modes}
    for folder in (result.entry, f"{result.entry}/d", os.path.dirname(result.entry)):
        assert stat.S_IMODE(os.stat(folder).st_mode) == 0o755


@pytest.mark.root
def test_modes_are_the_same_for_another_user(extractor, tmp_path):
    if os.geteuid() != 0:
        pytest.skip("needs root to become someone else")
    let_others_reach(tmp_path, 0o777)
    tarball = tgz(member(b"package/set", mode=0o6755), member(b"package/none", mode=0))
    os.seteuid(65534)
    try:
        result = extractor.run(tarball)
    finally:
        os.seteuid(0)
    assert stat.S_IMODE(os.stat(f"{result.entry}/set").st_mode) == 0o755
    assert stat.S_IMODE(os.stat(f"{result.entry}/none").st_mode) == 0o644


BINS = {
    "string": {"bin": "cli.js"},
    "map": {"bin": {"a": "./cli.js", "b": "/bin/b"}},
    "list": {"bin": ["cli.js", "bin/b"]},
    "outside": {"bin": {"a": "../../cli.js"}},
    "backslash": {"bin": {"a": "bin\\b"}},
    "folder": {"directories": {"bin": "./bin"}},
    "folder beside map": {"bin": {"a": "cli.js"}, "directories": {"bin": "bin"}},
    "no strings": {"bin": {"a": 1, "b": None, "c": ["cli.js"]}},
}


@pytest.mark.npm
@pytest.mark.parametrize("case", BINS)
def test_executables_are_executable_as_npm_makes_them(extractor, case):
    files = [member(b"package/" + name, b"x") for name in (b"cli.js", b"bin/b", b"bin/sub/c", b"bin/.d", b"lib.js")]
    assert_as_npm(extractor, tgz(package_json(**BINS[case]), *files))


@pytest.mark.npm
@pytest.mark.parametrize(
    "content",
    [
        b"#!/usr/bin/env node\r\nx\r\n",
        b"#!/usr/bin/env node\nx\r\n",
        b"#!/usr/bin/env node\r\r\nx",
        b"#!\r\nx",
        b" #!/x\r\n",
        b"#!/x\r\n\xff\xfe",
        b"#!/" + b"x" * 3000 + b"\r\n",
        b"#!/x\r",
        b"",
    ],
)
def test_a_windows_hashbang_of_an_executable_is_mended_as_npm_does_it(extractor, content):
    tarball = tgz(package_json(bin="cli.js"), member(b"package/cli.js", content), member(b"package/other", content))
    assert_as_npm(extractor, tarball, bins=["cli.js"])


def test_executables_of_bundled_packages_are_executable(extractor):
    result = extractor.run(
        tgz(
            package_json(),
            member(b"package/node_modules/@s/x/package.json", b'{"name":"@s/x","bin":"cli.js"}'),
            member(b"package/node_modules/@s/x/cli.js"),
            member(b"package/test/node_modules/y/package.json", b'{"name":"y","bin":"cli.js"}'),
            member(b"package/test/node_modules/y/cli.js"),
        )
    )
    found = files_of(result.entry)
    assert found[b"node_modules/@s/x/cli.js"][1]
    assert not found[b"test/node_modules/y/cli.js"][1]


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        ({b"package.json": b'{"scripts":{"test":"x"}}'}, False),
        ({b"package.json": b'{"scripts":{"preinstall":"x"}}'}, True),
        ({b"package.json": b'{"scripts":{"install":"x"}}'}, True),
        ({b"package.json": b'\xef\xbb\xbf{"scripts":{"postinstall":"x"}}'}, True),
        ({b"package.json": rb'{"description":"\ud83d","scripts":{"install":"x"}}'}, True),
        ({b"package.json": b'{"scripts":{"install":"\xe9"}}'}, True),
        ({b"package.json": b'{"scripts":{"install":""}}'}, False),
        ({b"package.json": b"{}", b"binding.gyp": b""}, True),
        ({b"package.json": b'{"gypfile":false}', b"binding.gyp": b""}, False),
        ({b"package.json": b"{}", b"sub/binding.gyp": b""}, False),
        ({b"package.json": b"no json"}, False),
        ({b"package.json": b"[" * 100_000}, False),
        ({b"package.json": b'{"scripts":["install"]}'}, False),
        ({b"index.js": b""}, False),
        ({b"package.json": b"{}", b"node_modules/x/package.json": b'{"scripts":{"install":"x"}}'}, True),
    ],
)
def test_install_scripts_are_noted_in_the_index(extractor, files, expected):
    result = extractor.run(tgz(*(member(b"package/" + path, content) for path, content in files.items())))
    assert read_index(result.entry).has_install_script is expected


# -- sizes and limits ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "size",
    [b"-0000000001\0", b"\x80" + (1 << 62).to_bytes(11, "big"), b"77777777777\0"],
    ids=["negative", "2^62", "beyond the end"],
)
def test_rejects_impossible_sizes_in_time_and_memory(extractor, size):
    tarball = tgz(package_json(), header(b"package/x", size=size), member(b"package/y"))
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    started = time.process_time()
    assert_rejected(extractor, tarball, "")
    assert time.process_time() - started < 2
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - memory < 50 << 10


def test_rejects_a_bad_checksum_in_the_middle_and_keeps_nothing(extractor):
    tarball = tgz(package_json(), header(b"package/x", checksum=b"0000000\0"), member(b"package/y"))
    assert_rejected(extractor, tarball, "wrong checksum")


@pytest.mark.parametrize("claimed", [None, 1 << 20, (1 << 32) - 1, 0])
def test_rejects_300_mb_of_zeros_with_bounded_memory(extractor, claimed):
    bomb = gzip.compress(header(b"package/zeros", size=300 << 20) + bytes(300 << 20) + END, mtime=0)
    assert len(bomb) * 1000 < 300 << 20
    if claimed is not None:
        bomb = bomb[:-4] + claimed.to_bytes(4, "little")
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    started = time.process_time()
    assert_rejected(extractor, bomb, "1,000 times as long as the tarball")
    assert time.process_time() - started < 5
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - memory < 50 << 10


@pytest.mark.parametrize(
    ("limits", "cause"),
    [
        (ArchiveLimits(entries=3, one_file=1 << 20, all_files=1 << 20, ratio=1000), "more than 3 files"),
        (ArchiveLimits(entries=99, one_file=999, all_files=1 << 20, ratio=1000), "a file has 1,000 bytes"),
        (ArchiveLimits(entries=99, one_file=1 << 20, all_files=3_999, ratio=1000), "more than 3,999 bytes"),
        (ArchiveLimits(entries=99, one_file=1 << 20, all_files=1 << 20, ratio=2), "2 times as long"),
        (ArchiveLimits(entries=1, one_file=1, all_files=1, ratio=1000), "longer than 4,097 bytes"),
    ],
)
def test_rejects_what_exceeds_a_limit(extractor, limits, cause):
    tarball = tgz(*(member(b"package/%d" % number, bytes([number]) * 1000) for number in range(4)))
    assert_rejected(extractor, tarball, cause, limits=limits)


def test_folders_count_against_the_limit_of_entries(extractor):
    limits = ArchiveLimits(entries=1000, one_file=1, all_files=1 << 20, ratio=1000)
    parts = [
        part
        for number in range(10)
        for part in (pax({"path": b"package/%d/" % number + b"d/" * 200 + b"x"}), member(b"package/x"))
    ]
    assert_rejected(extractor, tgz(*parts), "more than 1,000 files and folders", limits=limits)


def test_a_tarball_on_disk_that_is_longer_than_its_content_may_be_is_not_read(extractor, tmp_path):
    with open(tmp_path / "p.tgz", "wb") as file:
        file.truncate(1 << 40)
    result = extractor.run_file(tmp_path / "p.tgz")
    assert isinstance(result, Failed)
    assert "longer than" in result.what


# -- gzip ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("cut", [1, 4, 8, 9, 50, len(GOOD) - 3, len(GOOD) - 18])
def test_rejects_a_truncated_gzip(extractor, cut):
    assert_rejected(extractor, GOOD[:-cut], "cut off")


def test_rejects_a_wrong_crc(extractor):
    assert_rejected(extractor, GOOD[:-8] + bytes([GOOD[-8] ^ 1]) + GOOD[-7:], "damaged")


def test_rejects_a_wrong_length_in_the_trailer(extractor):
    assert_rejected(extractor, GOOD[:-4] + bytes([GOOD[-4] ^ 1]) + GOOD[-3:], "damaged")


def test_rejects_damaged_deflate_data(extractor):
    damaged = bytearray(GOOD)
    damaged[30:40] = b"\xff" * 10
    assert_rejected(extractor, bytes(damaged), "")


@pytest.mark.parametrize("body", [b"<!DOCTYPE html><html>" + b" " * 2000, b"", b"x", b"{}", b"\x1f\x8b<html>"])
def test_rejects_what_is_no_archive(extractor, body):
    assert_rejected(extractor, body, "")
    assert_rejected(extractor, gzip.compress(body), "")


@pytest.mark.parametrize("archive", [END, END * 20, b"", member(b"package/", kind=b"5") + END, tar(member(b"top"))])
def test_rejects_an_archive_without_files(extractor, archive):
    assert_rejected(extractor, gzip.compress(archive), "there are no files in it")


SEVERAL = {
    "two": lambda content: gzip.compress(content[:700]) + gzip.compress(content[700:]),
    "two of one length": lambda content: gzip.compress(content[:1024]) + gzip.compress(content[1024:2048]),
    "many": lambda content: b"".join(gzip.compress(content[at : at + 10]) for at in range(0, len(content), 10)),
    "with an empty one": lambda content: gzip.compress(b"") + gzip.compress(content) + gzip.compress(b""),
    "padded with zeros": lambda content: gzip.compress(content) + bytes(1000),
    "plain": lambda content: content,
}


@pytest.mark.npm
@pytest.mark.parametrize("case", SEVERAL)
def test_several_gzip_members_and_plain_tar_give_all_files_as_in_npm(extractor, case):
    content = package_json() + member(b"package/x", os.urandom(10)) + member(b"package/y", b"y" * 300)
    if case != "two of one length":
        content += END
    result = assert_as_npm(extractor, SEVERAL[case](content))
    if case != "two of one length":
        assert result.files == 3


@pytest.mark.parametrize(
    "tarball",
    [
        GOOD + b"garbage",
        GOOD + bytes(10) + b"x",
        GOOD + GOOD[:20],
        gzip.compress(tar(package_json()) + b"garbage"),
        tar(package_json()) + b"garbage",
        GOOD + tgz(package_json()),
    ],
    ids=["text", "zeros and text", "half a member", "in the tar", "plain", "another archive"],
)
def test_rejects_garbage_after_the_end(extractor, tarball):
    assert_rejected(extractor, tarball, "")


def test_rejects_a_tarball_of_endlessly_many_members(extractor):
    started = time.process_time()
    assert_rejected(extractor, gzip.compress(b"", mtime=0) * 70_000, "65,536 gzip members")
    assert time.process_time() - started < 10


PAX = tgz(
    pax({"path": "package/everywhere"}, kind=b"g"),
    package_json(),
    pax({"path": "package/a", "size": "3"}),
    header(b"package/no", size=0) + padded(b"abc"),
    member(b"package/b", b"b"),
    pax({"path": "package/" + "l" * 150}),
    gnu_long_name(b"package/" + b"g" * 150),
    member(b"package/no", b"c"),
    pax({"linkpath": "x", "mtime": "1.5", "comment": "x=y"}),
    member(b"package/d", b"d"),
    pax({"mode": "493"}),
    member(b"package/mode", b"m"),
    member(b"PaxHeader", b"18 path=package/\xff\n", kind=b"x"),
    member(b"package/odd", b"o"),
    member(b"package/twelve", b"t" * 24, size=b"000000000030"),
)


def test_pax_headers_count_for_their_file_only(extractor):
    contents = contents_of(extractor.run(PAX))
    assert (contents[b"a"], contents[b"b"], contents[b"d"]) == (b"abc", b"b", b"d")
    assert b"everywhere" not in contents


@pytest.mark.npm
def test_pax_headers_give_what_they_give_in_npm(extractor):
    assert_as_npm(extractor, PAX)


BASE_256 = tgz(
    package_json(),
    *(
        member(b"package/%d" % number, b"x", mode=first + (mode % (1 << 56)).to_bytes(7, "big"))
        for number, (first, mode) in enumerate(
            [(b"\x80", 0o755), (b"\x80", 0o644), (b"\x80", 0o100755), (b"\xff", -1), (b"\xff", -0o101)]
        )
    ),
    member(b"package/sized", b"abc", size=b"\x80" + (3).to_bytes(11, "big")),
    header(b"package/behind", size=b"\x80" + bytes(11)),
)


def test_numbers_in_base_256_are_read(extractor):
    result = extractor.run(BASE_256)
    assert contents_of(result)[b"sized"] == b"abc"
    executable = [name for name, (_, is_executable) in files_of(result.entry).items() if is_executable]
    assert sorted(executable) == [b"0", b"2", b"3"]


@pytest.mark.npm
def test_numbers_in_base_256_give_what_they_give_in_npm(extractor):
    assert_as_npm(extractor, BASE_256)


# -- digests ------------------------------------------------------------------------------------------------------

OTHER = integrity(b"something else")


def test_a_wrong_digest_fails_with_expected_and_got_and_keeps_nothing(extractor):
    failed = assert_rejected(extractor, GOOD, "integrity mismatch for p@1.0.0", "PM_INTEGRITY", integrity=OTHER)
    assert failed.details == (f"tarball:  {len(GOOD):,} bytes", f"expected: {OTHER}   got: {integrity(GOOD)}")


def test_the_strongest_algorithm_decides(extractor):
    weak = integrity(GOOD, "sha1")
    assert_rejected(extractor, GOOD, "integrity mismatch", "PM_INTEGRITY", integrity=f"{weak} {OTHER}")
    wrong_weak = integrity(b"something else", "sha1")
    assert isinstance(extractor.run(GOOD, integrity=f"{wrong_weak} {integrity(GOOD)}"), Extracted)


@pytest.mark.parametrize("algorithm", ["sha1", "sha256", "sha384", "sha512"])
def test_every_algorithm_is_verified(extractor, algorithm):
    wrong = integrity(b"something else", algorithm)
    assert_rejected(extractor, GOOD, "integrity mismatch", "PM_INTEGRITY", integrity=wrong)
    result = extractor.run(GOOD, integrity=integrity(GOOD, algorithm))
    assert f"/{algorithm}/" in result.entry
    assert result.integrity == integrity(GOOD, algorithm)


def test_any_of_several_digests_may_match_and_names_the_entry(extractor):
    both = extractor.run(GOOD, integrity=f"{OTHER} {integrity(GOOD)}")
    assert both.integrity == f"{OTHER} {integrity(GOOD)}"
    assert both.entry == extractor.run(GOOD, integrity=integrity(GOOD)).entry


@pytest.mark.parametrize("text", ["md5-abc=", "sha512-short", "garbage"])
def test_an_integrity_without_any_usable_digest_fails(extractor, text):
    result = extractor.run(GOOD, integrity=text)
    assert isinstance(result, Failed)
    assert result.code == "PM_INTEGRITY"
    assert extractor.entries() == []


def test_the_digest_is_checked_before_anything_is_unpacked(extractor):
    assert_rejected(extractor, b"no archive", "integrity mismatch", "PM_INTEGRITY", integrity=OTHER)


# -- the store ----------------------------------------------------------------------------------------------------


def test_an_entry_that_is_there_is_kept_but_the_digest_still_verified(extractor):
    first = extractor.run(GOOD)
    inode = os.stat(first.entry).st_ino
    second = extractor.run(GOOD, integrity=integrity(GOOD))
    assert (second.entry, second.files) == (first.entry, first.files)
    assert os.stat(first.entry).st_ino == inode
    assert isinstance(extractor.run(GOOD, integrity=OTHER), Failed)


@pytest.mark.parametrize(("mode", "made"), [(0o700, 0o755), (0o755, 0o755), (0o775, 0o775), (0o1777, 0o1777)])
def test_folders_of_a_store_that_several_users_write_to_are_for_all_of_them(extractor, mode, made):
    extractor.store.mkdir(parents=True)
    extractor.store.chmod(mode)
    entry = Path(extractor.run(GOOD).entry)
    around = [entry.parent, entry.parent.parent]
    assert [folder.stat().st_mode & 0o1777 for folder in around] == [made, made]
    assert entry.stat().st_mode & 0o1777 == 0o755


@pytest.mark.parametrize("damage", ["cut", "altered", "absent", "folder", "link"])
def test_an_entry_with_a_torn_index_is_replaced(extractor, damage):
    entry = extractor.run(GOOD).entry
    index = Path(entry, INDEX_NAME)
    content = index.read_bytes()
    index.unlink()
    if damage == "cut":
        index.write_bytes(content[:-1])
    elif damage == "altered":
        index.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    elif damage == "folder":
        index.mkdir()
    elif damage == "link":
        index.symlink_to("package.json")
    Path(entry, "index.js").write_bytes(b"wrong")
    assert contents_of(extractor.run(GOOD))[b"index.js"] == b"1"


def test_a_file_in_the_place_of_an_entry_is_replaced(extractor):
    entry = Path(extractor.run(GOOD).entry)
    entry.rename(f"{entry}-away")
    entry.write_bytes(b"x")
    assert contents_of(extractor.run(GOOD))[b"index.js"] == b"1"


def test_a_damaged_entry_is_replaced_when_the_job_says_so(extractor):
    entry = extractor.run(GOOD).entry
    Path(entry, "index.js").write_bytes(b"2")
    assert contents_of(extractor.run(GOOD))[b"index.js"] == b"2"
    assert contents_of(extractor.run(GOOD, replace=True))[b"index.js"] == b"1"


def test_an_entry_is_replaced_even_before_it_exists(extractor):
    assert contents_of(extractor.run(GOOD, replace=True))[b"index.js"] == b"1"


def test_of_two_writers_of_one_entry_the_second_takes_the_firsts(extractor, monkeypatch):
    """The other one publishes between our look at the place and our rename."""
    monkeypatch.setattr("stages.extract._present", lambda *_: None)
    first = extractor.run(GOOD)
    inode = os.stat(first.entry).st_ino
    second = extractor.run(GOOD)
    assert isinstance(second, Extracted)
    assert os.stat(second.entry).st_ino == inode


def test_a_durable_entry_is_flushed_before_and_after_it_appears(extractor, monkeypatch):
    flushed = []
    flush = os.fsync

    def note(fd):
        flushed.append(os.readlink(f"/proc/self/fd/{fd}"))
        flush(fd)

    monkeypatch.setattr(os, "fsync", note)
    extractor.run(GOOD)
    assert flushed == []
    tarball = tgz(package_json(), member(b"package/d/x", b"1"))
    result = extractor.run(tarball, durable=True)
    relative = [path.partition("/staging/")[2].partition("/")[2] for path in flushed if "/staging/" in path]
    assert relative == ["package.json", "d/x", INDEX_NAME, "d", ""]
    # what names the folder that was made for it, and what names the entry itself
    shard = os.path.dirname(result.entry)
    assert flushed[-2:] == [os.path.dirname(shard), shard]


@pytest.mark.root
def test_a_full_disk_is_named_and_leaves_nothing_behind(extractor, mounted):
    extractor.store.parent.mkdir(parents=True)
    mounted(extractor.store.parent, "size=256k")
    big = tgz(package_json(), member(b"package/d/big", os.urandom(1 << 20)))
    result = extractor.run(big)
    assert isinstance(result, Failed)
    assert result.code == "PM_STORE"
    assert "d/big: No space left on device" in result.what
    assert result.cause == "No space left on device"
    assert result.hint
    assert extractor.entries() == []
    assert isinstance(extractor.run(GOOD), Extracted)


@pytest.mark.root
def test_a_store_without_inodes_is_named_and_leaves_nothing_behind(extractor, mounted):
    extractor.store.parent.mkdir(parents=True)
    mounted(extractor.store.parent, "nr_inodes=20")
    result = extractor.run(tgz(*(member(b"package/%d/x" % number) for number in range(20))))
    assert isinstance(result, Failed)
    assert result.code == "PM_STORE"
    assert extractor.entries() == []


@pytest.mark.root
def test_a_read_only_store_is_named(extractor, mounted):
    extractor.store.parent.mkdir(parents=True)
    mounted(extractor.store.parent, "ro")
    result = extractor.run(GOOD)
    assert isinstance(result, Failed)
    assert result.code == "PM_STORE"
    assert f"{extractor.store}" in result.what
    assert "Read-only file system" in result.what


def test_a_store_that_is_emptied_while_an_entry_is_written_is_told(extractor, monkeypatch):
    rename = os.rename

    def empty_before(source: str, target: str) -> None:
        shutil.rmtree(extractor.store)
        monkeypatch.undo()
        rename(source, target)

    monkeypatch.setattr(os, "rename", empty_before)
    failed = extractor.run(GOOD)
    assert failed.what.endswith(": No such file or directory")
    assert "somebody has emptied the store" in failed.hint


def test_a_file_in_the_place_of_the_store_is_named(extractor):
    extractor.store.parent.mkdir(parents=True)
    extractor.store.write_bytes(b"")
    result = extractor.run(GOOD)
    assert isinstance(result, Failed)
    assert result.code == "PM_STORE"
    assert str(extractor.store) in result.what


def test_too_few_descriptors_are_a_failure_that_names_them(extractor):
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    free = os.dup(0)
    os.close(free)
    extractor.checks = False
    resource.setrlimit(resource.RLIMIT_NOFILE, (free, hard))
    try:
        result = extractor.run(tgz(package_json(), member(b"package/other")))
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert isinstance(result, Failed)
    assert result.code == "PM_STORE"
    assert os.strerror(errno.EMFILE) in result.what
    assert not extractor.leftovers()


def test_limits_of_real_packages_fit(extractor):
    assert extractor.run(tgz(member(b"package/x", b"x" * (1 << 20))), limits=LIMITS).unpacked_bytes == 1 << 20
