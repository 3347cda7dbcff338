"""Removing: whatever it is, however deep, and never beyond a link."""

from __future__ import annotations

import errno
import os
import resource
from collections.abc import Iterator

import pytest
from support.permissions import let_others_reach

from stages.messages import Failed, JobId, Remove, Removed
from stages.remove import remove, remove_at, remove_tree


@pytest.fixture
def few_descriptors() -> Iterator[None]:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (64, hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def deep_folder(top, depth):
    """A chain of folders, deeper than a path may be long, with a file at its end."""
    top.mkdir()
    folder = os.open(top, os.O_DIRECTORY)
    for _ in range(depth):
        os.mkdir("folder", dir_fd=folder)
        child = os.open("folder", os.O_DIRECTORY, dir_fd=folder)
        os.close(folder)
        folder = child
    os.close(os.open("file", os.O_CREAT | os.O_WRONLY, dir_fd=folder))
    os.close(folder)


def test_removes_a_folder_with_all_that_is_in_it(tmp_path):
    top = tmp_path / "top"
    (top / "a" / "b").mkdir(parents=True)
    (top / "a" / "b" / "file").write_text("x")
    (top / ".hidden").write_text("x")
    os.mkfifo(top / "a" / "fifo")
    assert remove(Remove(JobId(1), str(top))) == Removed(JobId(1))
    assert os.listdir(tmp_path) == []


def test_does_not_follow_links(tmp_path):
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "kept").write_text("x")
    top = tmp_path / "top"
    top.mkdir()
    (top / "folder").symlink_to(outside)
    (top / "file").symlink_to(outside / "kept")
    remove_tree(str(top))
    assert os.listdir(outside) == ["kept"]
    assert not top.exists()


def test_removes_a_link_and_not_its_target(tmp_path):
    (tmp_path / "target").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "target")
    remove_tree(str(tmp_path / "link"))
    assert os.listdir(tmp_path) == ["target"]


def test_removes_a_file(tmp_path):
    (tmp_path / "file").write_text("x")
    remove_tree(str(tmp_path / "file"))
    assert os.listdir(tmp_path) == []


def test_what_does_not_exist_is_no_failure(tmp_path):
    (tmp_path / "file").write_text("x")
    assert remove(Remove(JobId(1), str(tmp_path / "absent"))) == Removed(JobId(1))
    assert remove(Remove(JobId(2), str(tmp_path / "absent" / "below"))) == Removed(JobId(2))
    assert remove(Remove(JobId(3), str(tmp_path / "file" / "below"))) == Removed(JobId(3))


@pytest.mark.usefixtures("few_descriptors")
def test_removes_a_tree_deeper_than_there_are_descriptors_frames_and_bytes_in_a_path(tmp_path):
    deep_folder(tmp_path / "top", 1500)
    remove_tree(str(tmp_path / "top"))
    assert os.listdir(tmp_path) == []


def test_folders_that_cannot_be_renamed_are_emptied_where_they_are(tmp_path, monkeypatch):
    def refuse(source, destination, **folders):
        raise OSError(errno.EXDEV, "Invalid cross-device link", source)

    deep_folder(tmp_path / "top", 100)
    monkeypatch.setattr(os, "rename", refuse)
    remove_tree(str(tmp_path / "top"))
    assert os.listdir(tmp_path) == []


def test_a_deep_tree_may_hold_the_names_that_are_used_while_it_is_removed(tmp_path):
    deep_folder(tmp_path / "top", 40)
    (tmp_path / "top" / ".pmpipe-remove-1" / "full").mkdir(parents=True)
    (tmp_path / "top" / ".pmpipe-remove-2").write_text("x")
    remove_tree(str(tmp_path / "top"))
    assert os.listdir(tmp_path) == []


def test_removes_relative_to_a_descriptor(tmp_path):
    (tmp_path / "folder" / "below").mkdir(parents=True)
    (tmp_path / "file").write_text("x")
    folder = os.open(tmp_path, os.O_DIRECTORY)
    for name in (b"folder", b"file", b"absent"):
        remove_at(name, folder)
    os.close(folder)
    assert os.listdir(tmp_path) == []


def test_leaves_no_descriptor_open(tmp_path):
    before = os.listdir("/proc/self/fd")
    deep_folder(tmp_path / "top", 40)
    remove_tree(str(tmp_path / "top"))
    assert os.listdir("/proc/self/fd") == before


@pytest.mark.root
def test_says_which_path_cannot_be_removed(tmp_path, mounted):
    (tmp_path / "top" / "busy").mkdir(parents=True)
    mounted(tmp_path / "top" / "busy")
    result = remove(Remove(JobId(1), str(tmp_path / "top")))
    assert isinstance(result, Failed)
    assert result.code == "PM_FILESYSTEM"
    assert result.what == f"cannot remove {tmp_path}/top/busy: {os.strerror(errno.EBUSY)}"


@pytest.mark.parametrize("mode", [0, 0o300, 0o500])
@pytest.mark.parametrize("depth", [1, 20])
def test_removes_folders_that_are_closed_to_their_owner(tmp_path, mode, depth):
    let_others_reach(tmp_path, 0o777)
    user = os.geteuid()
    # root may do everything
    os.seteuid(user or 65534)
    try:
        deep_folder(tmp_path / "top", depth)
        for folder, _, _ in os.walk(tmp_path / "top", topdown=False):
            os.chmod(folder, mode)
        remove_tree(str(tmp_path / "top"))
    finally:
        os.seteuid(user)
    assert os.listdir(tmp_path) == []
