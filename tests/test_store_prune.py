"""What `store prune` takes out of a store, and what it leaves."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
from support.entries import make_entry

from pmpipe.errors import StoreError
from pmpipe.store import Store
from pmpipe.store_prune import Pruned, prune
from pmpipe.tree.memory import RESOLUTIONS
from pmpipe.tree.standing import PROJECTS
from stages.document_cache import FOLDER_NAME

MONTH_S = 30 * 86_400


@pytest.fixture
def unused(store: Store) -> str:
    return make_entry(Path(store.folder, "sha512/ab/abcd"), {"index.js": b"1", "lib/a.js": b"23"})


def used(store: Store, project: Path) -> str:
    entry = make_entry(Path(store.folder, "git/cd/cdef"), {"index.js": b"1", "lib/b.js": b"23"})
    os.link(f"{entry}/lib/b.js", project / "b.js")
    return entry


def packument(store: Store, name: str, age_s: float, folder: str = FOLDER_NAME) -> Path:
    path = Path(store.folder, folder, name)
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(b"12345")
    os.utime(path, (time.time() - age_s,) * 2)
    return path


def bytes_in(entry: str) -> int:
    return sum(path.stat().st_size for path in Path(entry).rglob("*") if path.is_file())


def test_a_package_that_no_project_is_linked_to_goes(store: Store, unused: str, tmp_path: Path) -> None:
    kept = used(store, tmp_path)
    size = bytes_in(unused)
    assert prune(store, print) == Pruned(packages=1, bytes=size)
    assert list(store.entries()) == [kept]
    assert store.has(kept)
    assert os.listdir(store.staging) == []


def test_a_package_goes_with_the_last_project(store: Store, tmp_path: Path) -> None:
    entry = used(store, tmp_path)
    assert prune(store, print).packages == 0
    (tmp_path / "b.js").unlink()
    assert prune(store, print).packages == 1
    assert not store.has(entry)


def test_what_somebody_removes_meanwhile_is_no_error(
    store: Store, unused: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    look = os.lstat

    def remove_before(path: str) -> os.stat_result:
        if os.path.basename(path) in ("a.js", "old"):
            os.unlink(path)
        return look(path)

    packument(store, "old", 2 * MONTH_S)
    monkeypatch.setattr(os, "lstat", remove_before)
    pruned = prune(store, print)
    assert (pruned.packages, pruned.packuments) == (1, 0)
    assert not store.has(unused)


def test_what_is_no_entry_goes_as_well(store: Store) -> None:
    Path(store.folder, "sha512/ef/efgh").mkdir(parents=True)
    assert prune(store, print) == Pruned(packages=1)
    assert list(store.entries()) == []


def test_packuments_go_that_nobody_has_asked_about_for_a_month(store: Store) -> None:
    old, new = packument(store, "old", MONTH_S + 60), packument(store, "new", MONTH_S - 3_600)
    assert prune(store, print) == Pruned(packuments=1, bytes=5)
    assert (old.exists(), new.exists()) == (False, True)


def test_resolutions_go_that_were_worked_out_more_than_a_month_ago(store: Store) -> None:
    old, new = (packument(store, name, age_s, RESOLUTIONS) for name, age_s in (("old", MONTH_S + 60), ("new", 60)))
    assert prune(store, print) == Pruned(resolutions=1, bytes=5)
    assert (old.exists(), new.exists()) == (False, True)


def test_notes_about_projects_go_that_nothing_has_changed_for_a_month(store: Store) -> None:
    old, new = (packument(store, name, age_s, PROJECTS) for name, age_s in (("old", MONTH_S + 60), ("new", 60)))
    assert prune(store, print) == Pruned(notes=1, bytes=5)
    assert (old.exists(), new.exists()) == (False, True)


def test_a_dry_run_only_counts(store: Store, unused: str) -> None:
    old = packument(store, "old", 2 * MONTH_S)
    assert prune(store, print, dry_run=True) == Pruned(packages=1, packuments=1, bytes=bytes_in(unused) + 5)
    assert store.has(unused)
    assert old.exists()


def test_nothing_goes_from_a_store_that_is_not_there(tmp_path: Path) -> None:
    assert prune(Store(f"{tmp_path}/none"), print) == Pruned()


def test_a_store_that_cannot_be_written_is_an_error(store: Store, unused: str, monkeypatch: pytest.MonkeyPatch) -> None:
    store.writable = False
    with pytest.raises(StoreError, match="cannot be written"):
        prune(store, print)
    assert store.has(unused)


def test_a_package_that_cannot_be_read_is_an_error(store: Store, unused: str, tmp_path: Path) -> None:
    for folder in (tmp_path, *tmp_path.parents):
        if folder != Path("/tmp") and str(folder).startswith("/tmp/"):
            folder.chmod(0o755)
    os.chmod(f"{unused}/lib", 0)
    drop = "import os; os.geteuid() or (os.setgroups([]), os.setgid(65534), os.setuid(65534))"
    code = f"""
import sys; sys.path[:] = {sys.path!r}
from pmpipe.store import Store
from pmpipe.store_prune import prune
from pmpipe.errors import StoreError
from pmpipe.tree.standing import PROJECTS
{drop}
store = Store({store.root!r})
store.open()
store.writable = True
try:
    prune(store, print)
except StoreError as error:
    print(error.what, *error.details)
"""
    store.close()
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=30, check=False)
    assert ran.stderr == ""
    assert f"the store at {store.root} cannot be used: Permission denied" in ran.stdout
    os.chmod(f"{unused}/lib", 0o755)
