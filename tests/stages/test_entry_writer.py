"""Several writers of one entry's place: one entry comes to stand there, and nobody takes it out again."""

from __future__ import annotations

import os
import shutil
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from support.entries import make_entry

from pmpipe.store import Store
from stages.entries.entry import INDEX_NAME, EntryPath
from stages.entries.entry_writer import StagedEntry
from stages.unpacking.layout import Layout
from stages.unpacking.package_json import PackageFacts

FILES = {"index.js": b"1", "lib/a.js": b"2"}
WRITERS = 4


def standing(place: EntryPath) -> tuple[int, int]:
    """Which entry stands there."""
    index = os.stat(f"{place}/{INDEX_NAME}")
    return index.st_ino, index.st_mtime_ns


def write(store: Path, place: EntryPath, ready: threading.Barrier, *, replace: bool) -> tuple[int, int]:
    """Put an entry in its place; which one stands there then."""
    layout: Layout[bytes] = Layout(100)
    for path, content in FILES.items():
        layout.add(b"package/" + path.encode(), content, executable=False)
    layout.finish()
    with StagedEntry(str(store), durable=False) as staged:
        index = staged.write(layout, lambda content: content, PackageFacts(frozenset(), False), "sha512-test")
        ready.wait()
        staged.publish(place, index, replace=replace)
        return standing(place)


@pytest.mark.parametrize("damage", ["changed file", "missing file", "torn index", "no index", "nothing", "no folder"])
def test_the_first_that_mends_an_entry_is_the_only_one(tmp_path: Path, damage: str) -> None:
    store = tmp_path / "v1"
    with ThreadPoolExecutor(WRITERS) as writers:
        for number in range(20):
            place = EntryPath(make_entry(store / "sha512" / f"{number:02}" / "cd", FILES))
            if damage == "changed file":
                Path(place, "index.js").write_bytes(b"3")
            elif damage == "missing file":
                Path(place, "lib/a.js").unlink()
            elif damage == "torn index":
                Path(place, INDEX_NAME).write_bytes(b"torn")
            elif damage == "no index":
                Path(place, INDEX_NAME).unlink()
            else:
                shutil.rmtree(place if damage == "nothing" else os.path.dirname(place))
            ready = threading.Barrier(WRITERS)
            # whether a run has seen the damage in the index or in a file it may have been told to replace it or not
            tells = [damage in ("changed file", "missing file") or writer % 2 == 0 for writer in range(WRITERS)]
            written = [writers.submit(write, store, place, ready, replace=replace) for replace in tells]
            assert {one.result() for one in written} == {standing(place)}
            assert Path(place, "index.js").read_bytes() == b"1"
    assert os.listdir(store / "staging") == []


def test_an_entry_that_was_mended_meanwhile_is_not_discarded(store: Store, tmp_path: Path) -> None:
    place = make_entry(Path(store.folder) / "sha512/ab/cd", FILES)
    store.discard(place)
    assert Path(place, "index.js").read_bytes() == b"1"
    Path(place, "index.js").write_bytes(b"3")
    store.discard(place)
    assert not os.path.lexists(place)
    store.discard(place)
    assert os.listdir(store.staging) == []
