"""Comparing a folder with the index: what is missing, what is changed, and what linking may change."""

from __future__ import annotations

import contextlib
import errno
import os
import resource
import subprocess
from pathlib import Path

import pytest
from support.entries import make_entry
from support.packages import PackedFile

from stages.channel import MAXIMUM_DATAGRAM_BYTES
from stages.clone import make_handler
from stages.entries.entry import INDEX_NAME
from stages.link import link_bins
from stages.messages import Check, Checked, Clone, Cloned, Damaged, Failed, JobId, LinkBins, encode

CRLF_SCRIPT = b"#!/usr/bin/env node\r\nconsole.log(1)\r\n"
FILES = {
    "package.json": b"{}",
    "bin/cli.js": PackedFile(b"#!/usr/bin/env node\n", 0o755),
    "bin/dos.js": CRLF_SCRIPT,
    "bin/odd.js": b"#!/usr/bin/env \xff\r\nx",
    "lib/deep/index.js": b"x" * 1000,
    "lib/empty": b"",
    "large": bytes(range(256)) * 12_000,
}

pytestmark = pytest.mark.usefixtures("same_descriptors")


@pytest.fixture
def handle(users_umask):
    return make_handler()


@pytest.fixture
def entry(tmp_path):
    return make_entry(tmp_path / "store" / "entry", FILES)


@pytest.fixture
def package(handle, entry, tmp_path):
    folder = tmp_path / "package"
    (result,) = handle(Clone(JobId(1), "package@1.0.0", entry, str(folder), "copy", ()))
    assert isinstance(result, Cloned)
    return folder


def check(handle, entry, folder):
    return list(handle(Check(JobId(7), "package@1.0.0", entry, str(folder))))


def found(handle, entry, folder):
    (result,) = check(handle, entry, folder)
    assert isinstance(result, Checked)
    assert not result.more
    return result.missing, result.changed


def test_finds_nothing_in_a_package_as_it_was_placed(handle, entry, package):
    assert found(handle, entry, package) == ((), ())


def test_finds_nothing_in_the_entry_itself(handle, entry):
    assert found(handle, entry, entry) == ((), ())


def test_extra_files_are_not_reported(handle, entry, package):
    (package / "node_modules" / "nested").mkdir(parents=True)
    (package / "extra").write_text("x")
    assert found(handle, entry, package) == ((), ())


def test_missing_files_and_folders(handle, entry, package):
    (package / "package.json").unlink()
    subprocess.run(["rm", "-r", package / "lib"], check=True)
    assert found(handle, entry, package) == (("package.json", "lib/deep/index.js", "lib/empty"), ())


def test_a_missing_package_folder_lacks_every_file(handle, entry, tmp_path):
    (tmp_path / "link").symlink_to(entry)
    (tmp_path / "file").write_text("x")
    for folder in ("absent", "link", "file"):
        assert found(handle, entry, tmp_path / folder) == (tuple(FILES), ())


def longer(path):
    path.write_bytes(path.read_bytes() + b"x")


def cut(path):
    path.write_bytes(path.read_bytes()[:-1])


def one_bit_flipped(path):
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def last_byte_flipped(path):
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)


def link_to_the_same_content(path):
    path.rename(path.with_name("elsewhere"))
    path.symlink_to("elsewhere")


def folder(path):
    path.unlink()
    path.mkdir()


def fifo(path):
    path.unlink()
    os.mkfifo(path)


@pytest.mark.parametrize("name", ["large", "lib/deep/index.js", "bin/cli.js", "bin/dos.js"])
@pytest.mark.parametrize(
    "change", [longer, cut, one_bit_flipped, last_byte_flipped, link_to_the_same_content, folder, fifo]
)
def test_changed_files(handle, entry, package, change, name):
    change(package / name)
    assert found(handle, entry, package) == ((), (name,))


def test_an_edit_through_a_hardlink_is_found_in_both_places(handle, entry, tmp_path):
    project = tmp_path / "project"
    list(handle(Clone(JobId(1), "package@1.0.0", entry, str(project), "hardlink", ())))
    (project / "package.json").write_bytes(b"[]")
    assert found(handle, entry, project) == ((), ("package.json",))
    assert found(handle, entry, entry) == ((), ("package.json",))


def test_files_below_a_link_to_a_folder_are_missing(handle, entry, package):
    (package / "lib").rename(package / "elsewhere")
    (package / "lib").symlink_to("elsewhere")
    assert found(handle, entry, package) == (("lib/deep/index.js", "lib/empty"), ())


def test_a_lost_executable_bit_is_a_change(handle, entry, package):
    (package / "bin/cli.js").chmod(0o644)
    assert found(handle, entry, package) == ((), ("bin/cli.js",))


def test_what_linking_changed_is_right_in_a_package(handle, entry, package):
    bins = (("dos", "bin/dos.js"), ("odd", "bin/odd.js"))
    link_bins(LinkBins(JobId(1), "package@1.0.0", str(package), str(package.parent / ".bin"), bins), 0o755)
    assert (package / "bin/dos.js").read_bytes() != CRLF_SCRIPT
    assert found(handle, entry, package) == ((), ())


def test_what_linking_changes_is_not_right_in_the_store(handle, entry):
    Path(entry, "lib/empty").chmod(0o755)
    Path(entry, "bin/dos.js").write_bytes(CRLF_SCRIPT.replace(b"\r\n", b"\n", 1))
    assert found(handle, entry, entry) == ((), ("bin/dos.js", "lib/empty"))


def test_a_linked_executable_is_not_believed_when_the_store_has_lost_its_original(handle, entry, package):
    bins = (("dos", "bin/dos.js"),)
    link_bins(LinkBins(JobId(1), "package@1.0.0", str(package), str(package.parent / ".bin"), bins), 0o755)
    Path(entry, "bin/dos.js").unlink()
    assert found(handle, entry, package) == ((), ("bin/dos.js",))


def test_a_linked_executable_is_not_believed_when_its_original_was_edited_likewise(handle, entry, package):
    Path(entry, "bin/dos.js").write_bytes(b"#!/bin/sh\r\nedited")
    (package / "bin/dos.js").write_bytes(b"#!/bin/sh\nedited")
    assert found(handle, entry, package) == ((), ("bin/dos.js",))


def test_an_entry_without_a_whole_index_is_damaged(handle, entry, package):
    index = Path(entry, INDEX_NAME)
    content = index.read_bytes()
    for damage in (lambda: index.write_bytes(content[:-1]), index.unlink):
        damage()
        (result,) = check(handle, entry, package)
        assert isinstance(result, Damaged)


def test_long_lists_come_in_several_results_that_each_fit_in_a_datagram(handle, tmp_path):
    names = [f"{number:05}-{'ü' * 100}" for number in range(2000)]
    entry = make_entry(tmp_path / "entry", dict.fromkeys(names, b"x"))
    changed = tmp_path / "package"
    list(handle(Clone(JobId(1), "package@1.0.0", entry, str(changed), "copy", ())))
    for name in names[::2]:
        (changed / name).unlink()
    for name in names[1::2]:
        (changed / name).write_text("y")
    results = check(handle, entry, changed)
    assert [result.more for result in results] == [True] * (len(results) - 1) + [False]
    assert all(len(encode([result])) < MAXIMUM_DATAGRAM_BYTES for result in results)
    assert [path for result in results for path in result.missing] == names[::2]
    assert [path for result in results for path in result.changed] == names[1::2]


def test_bytes_that_are_not_utf8_can_be_reported_and_restored(handle, tmp_path):
    entry = make_entry(tmp_path / "entry", {os.fsdecode(b"\xff"): b"x"})
    folder = tmp_path / "package"
    (result,) = check(handle, entry, folder)
    assert result.missing == ("\\xff",)
    list(handle(Clone(JobId(1), "package@1.0.0", entry, str(folder), "copy", result.missing)))
    assert os.listdir(os.fsencode(folder)) == [b"\xff"]


def test_no_descriptors_left_fails_the_job(handle, entry, package):
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    taken = []
    highest = max(map(int, os.listdir("/proc/self/fd")))
    resource.setrlimit(resource.RLIMIT_NOFILE, (highest + 3, hard))
    try:
        # a test process has gaps among its descriptors: all are filled, and two given back
        with contextlib.suppress(OSError):
            while True:
                taken.append(os.open("/", os.O_RDONLY))
        os.close(taken.pop())
        os.close(taken.pop())
        (result,) = check(handle, entry, package)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        for descriptor in taken:
            os.close(descriptor)
    assert isinstance(result, Failed)
    assert result.what == f"package@1.0.0: cannot read {package}/package.json: {os.strerror(errno.EMFILE)}"
