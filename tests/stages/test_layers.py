"""Store entries in lower layers of an overlay."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest
from support.entries import make_entry

from stages.entries.layers import LayerProbe


@pytest.fixture
def entry(tmp_path: Path) -> str:
    (tmp_path / "v1/staging").mkdir(parents=True)
    return make_entry(tmp_path / "v1/sha512/ab/abcd", {"index.js": b"1"})


def probe(folder: Path, kind: str, device: int) -> LayerProbe:
    """One that sees a filesystem of this kind mounted for a device, among others."""
    mounts = folder / "mountinfo"
    number = f"{os.major(device)}:{os.minor(device)}"
    mounts.write_text(
        "22 28 0:21 / /proc rw,nosuid shared:12 - proc proc rw\n"
        f"28 1 {number} / / rw,relatime shared:1 master:3 - {kind} pmpipe-test rw\n"
        "30 28 0:999 / /elsewhere rw - overlay overlay rw\n"
    )
    return LayerProbe(str(mounts))


def ask(one: LayerProbe, entry: str) -> bool:
    folder = os.open(entry, os.O_RDONLY)
    try:
        return one.is_lower(entry, folder)
    finally:
        os.close(folder)


@pytest.mark.parametrize("kind", ["ext4", "xfs", "tmpfs"])
def test_a_filesystem_without_layers_is_not_asked(
    tmp_path: Path, entry: str, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "rename", None)
    assert not ask(probe(tmp_path, kind, os.stat(entry).st_dev), entry)


@pytest.mark.parametrize("kind", ["overlay", "fuse.fuse-overlayfs"])
def test_an_entry_that_could_be_moved_is_in_the_upper_layer(tmp_path: Path, entry: str, kind: str) -> None:
    one = probe(tmp_path, kind, os.stat(entry).st_dev)
    assert not ask(one, entry)
    assert not ask(one, entry)
    assert os.listdir(tmp_path / "v1/staging") == []
    assert os.path.exists(f"{entry}/index.js")


def test_an_entry_that_cannot_be_moved_is_in_a_lower_layer(
    tmp_path: Path, entry: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(source: str, destination: str) -> None:
        assert source == entry
        raise OSError(errno.EXDEV, "Invalid cross-device link", source)

    monkeypatch.setattr(os, "rename", refuse)
    assert ask(probe(tmp_path, "overlay", os.stat(entry).st_dev), entry)
    assert os.listdir(tmp_path / "v1/staging") == []


def test_a_store_that_is_only_read_is_taken_for_a_lower_layer(tmp_path: Path, entry: str) -> None:
    (tmp_path / "v1/staging").rmdir()
    (tmp_path / "v1/staging").write_text("")
    assert ask(probe(tmp_path, "overlay", os.stat(entry).st_dev), entry)


def test_without_a_list_of_mounts_nothing_is_taken_for_a_layer(tmp_path: Path, entry: str) -> None:
    assert not ask(LayerProbe(f"{tmp_path}/none"), entry)
