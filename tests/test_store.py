"""The store's folders, its lock, and what is cleaned up when."""

from __future__ import annotations

import errno
import fcntl
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from support.entries import make_entry
from support.permissions import let_others_reach

from pmpipe.errors import StoreError
from pmpipe.store import Store
from stages.entries import entry_removal
from stages.entries.entry import INDEX_NAME
from stages.remove import remove_tree


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    one = Store(f"{tmp_path}/store")
    yield one
    one.close()


@pytest.fixture
def as_user() -> Callable[[str], subprocess.CompletedProcess[str]]:
    """Runs Python code about a store without root's privileges."""

    def run(code: str) -> subprocess.CompletedProcess[str]:
        drop = "import os; os.geteuid() or (os.setgroups([]), os.setgid(65534), os.setuid(65534));"
        script = f"import sys; sys.path[:] = {sys.path!r}; from pmpipe.store import Store; {drop}\n{code}"
        return subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=30, check=False)

    return run


def test_opening_makes_the_folders(store: Store) -> None:
    store.open()
    assert store.writable
    assert os.path.isdir(store.staging)
    assert store.folder == f"{store.root}/v1"


def test_what_killed_runs_left_goes_when_a_run_is_alone(store: Store) -> None:
    left = Path(store.staging, "extract-1/deep")
    left.mkdir(parents=True)
    (left / "file").write_text("half")
    store.open()
    assert os.listdir(store.staging) == []


def test_what_another_run_is_writing_stays(store: Store) -> None:
    store.open()
    Path(store.staging, "extract-1").mkdir()
    second = Store(store.root)
    second.open()
    assert os.listdir(store.staging) == ["extract-1"]
    second.close()


def test_the_last_one_to_leave_lets_the_next_clean_up(store: Store) -> None:
    store.open()
    Path(store.staging, "extract-1").mkdir()
    store.close()
    store.open()
    assert os.listdir(store.staging) == []


def test_who_wants_to_be_alone_waits_until_nobody_else_uses_the_store(store: Store) -> None:
    other = Store(store.root)
    other.open()
    store.open()
    Path(store.staging, "extract-1").mkdir()

    def clean() -> None:
        with store.alone():
            pass

    waiting = threading.Thread(target=clean)
    waiting.start()
    try:
        # it cannot have ended while the other one is there
        waiting.join(0.1)
        assert waiting.is_alive()
        assert os.listdir(store.staging) == ["extract-1"]
    finally:
        other.close()
        waiting.join(30)
    assert os.listdir(store.staging) == []


class WaitsError(Exception):
    """Somebody would wait for another run."""


def waits(line: str) -> None:
    """What a store is to tell that must not have to wait; where it has to, the test ends instead of hanging."""
    raise WaitsError(line)


def test_who_has_to_wait_for_others_to_leave_says_so(store: Store) -> None:
    other = Store(store.root)
    other.open()
    store.open()
    with pytest.raises(WaitsError, match="other runs of pmpipe are using the store at"), store.alone(waits):
        pass
    other.close()


def test_who_has_to_wait_for_a_prune_says_so(store: Store) -> None:
    other = Store(store.root)
    other.open()
    with other.alone(), pytest.raises(WaitsError, match="another pmpipe is pruning the store at"):
        store.open(waits)
    other.close()


@pytest.fixture
def removed(store: Store, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What the store has deleted, each while somebody else came and left."""
    paths: list[str] = []

    def remove_while_others_come(path: str) -> None:
        other = Store(store.root)
        other.open(waits)
        other.close()
        paths.append(os.path.basename(path))
        remove_tree(path)

    monkeypatch.setattr("pmpipe.store.remove_tree", remove_while_others_come)
    return paths


def test_what_a_prune_takes_out_is_deleted_while_others_use_the_store(store: Store, removed: list[str]) -> None:
    store.open()
    entry = make_entry(Path(store.folder, "sha512/ab/abcd"), {"index.js": b"1"})
    with store.alone():
        store.set_aside(entry)
        assert not os.path.lexists(entry)
    assert len(removed) == 1
    assert os.listdir(store.staging) == []


def test_what_a_killed_run_left_is_deleted_while_others_use_the_store(store: Store, removed: list[str]) -> None:
    Path(store.staging, "extract-1/deep").mkdir(parents=True)
    store.open(waits)
    assert removed == ["extract-1"]
    assert os.listdir(store.staging) == []


def test_a_run_cleans_up_for_a_limited_time_and_a_prune_to_the_end(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(4):
        Path(store.staging, f"discarded-{number}").mkdir(parents=True)
    monkeypatch.setattr("pmpipe.store._CLEANING_S", 0)
    store.open()
    assert len(os.listdir(store.staging)) == 3
    with store.alone():
        pass
    assert os.listdir(store.staging) == []


def test_a_store_that_is_removed_while_somebody_waits_for_it_is_opened_anew(store: Store, tmp_path: Path) -> None:
    pruning, late, told = Store(store.root), Store(store.root), threading.Event()
    pruning.open()
    opening = threading.Thread(target=store.open, args=(lambda _: told.set(),))
    with pruning.alone():
        opening.start()
        assert told.wait(30)
        os.rename(store.root, tmp_path / "removed")
    opening.join(30)
    assert not opening.is_alive()
    late.open()
    # it knows of the one who has waited
    with pytest.raises(WaitsError), late.alone(waits):
        pass
    late.close()
    pruning.close()


def test_who_waited_for_a_store_that_is_removed_is_alone_in_its_successor(store: Store, tmp_path: Path) -> None:
    other, late, told, done = Store(store.root), Store(store.root), threading.Event(), threading.Event()
    other.open()
    store.open()
    inside = threading.Event()

    def prune() -> None:
        with store.alone(lambda _: told.set()):
            inside.set()
            done.wait(30)

    pruning = threading.Thread(target=prune)
    pruning.start()
    try:
        assert told.wait(30)
        os.rename(store.root, tmp_path / "removed")
        other.close()
        assert inside.wait(30)
        with pytest.raises(WaitsError):
            late.open(waits)
    finally:
        done.set()
        pruning.join(30)
        late.close()


def test_a_store_can_be_shared_again_afterwards(store: Store) -> None:
    store.open()
    with store.alone():
        pass
    other = Store(store.root)
    other.open()
    other.close()


def test_what_another_host_may_be_writing_stays_for_a_day(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pmpipe.store.is_on_network", lambda path: path == store.staging)
    for name in ("old", "new"):
        Path(store.staging, name).mkdir(parents=True)
    two_days_ago_s = time.time() - 2 * 86_400
    os.utime(f"{store.staging}/old", (two_days_ago_s, two_days_ago_s))
    store.open()
    assert os.listdir(store.staging) == ["new"]


def test_without_locks_nobody_is_alone(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    def flock(fd: int, operation: int) -> None:
        raise OSError(errno.ENOSYS, "Function not implemented")

    monkeypatch.setattr(fcntl, "flock", flock)
    Path(store.staging, "extract-1").mkdir(parents=True)
    store.open()
    assert os.listdir(store.staging) == ["extract-1"]
    with pytest.raises(StoreError, match="knows no locks"), store.alone():
        pass


@pytest.mark.parametrize("alone", [False, True])
def test_a_store_that_runs_out_of_locks_keeps_nobody_out(
    store: Store, monkeypatch: pytest.MonkeyPatch, alone: bool
) -> None:
    flock = fcntl.flock

    def without_shared_locks(fd: int, operation: int) -> None:
        if operation & fcntl.LOCK_SH:
            raise OSError(errno.ENOLCK, "No locks available")
        flock(fd, operation)

    with monkeypatch.context() as patched:
        patched.setattr(fcntl, "flock", without_shared_locks)
        store.open()
        if alone:
            with store.alone():
                pass
    other = os.open(store.folder, os.O_RDONLY | os.O_DIRECTORY)
    fcntl.flock(other, fcntl.LOCK_EX | fcntl.LOCK_NB)
    os.close(other)


def test_a_lock_that_the_system_refuses_is_told(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    def flock(fd: int, operation: int) -> None:
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(fcntl, "flock", flock)
    with pytest.raises(StoreError, match="cannot be used: Input/output error"):
        store.open()


def test_closing_twice_is_harmless(store: Store) -> None:
    store.open()
    store.close()
    store.close()


def test_opening_and_closing_leaves_no_descriptor(store: Store) -> None:
    before = os.listdir("/proc/self/fd")
    store.open()
    store.close()
    assert os.listdir("/proc/self/fd") == before


@pytest.mark.parametrize("path", ["store", "store/v1", "store/v1/staging"])
def test_a_file_in_the_place_of_a_folder_is_named(store: Store, tmp_path: Path, path: str) -> None:
    (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / path).write_text("")
    with pytest.raises(StoreError, match="cannot be used") as caught:
        store.open()
    assert path in str(caught.value)


def test_an_entry_is_there_once_its_index_is(store: Store) -> None:
    store.open()
    entry = make_entry(Path(store.folder, "sha512/ab/abcd"), {"index.js": b"1"})
    (Path(store.folder) / "sha512/cd/cdef").mkdir(parents=True)
    assert store.has(entry)
    assert not store.has(f"{store.folder}/sha512/cd/cdef")
    assert not store.has(f"{store.folder}/sha512/ef/none")


def test_entries_are_all_that_look_like_one(store: Store) -> None:
    store.open()
    for path in ("sha512/ab/ab1", "sha512/ab/ab2", "git/cd/cd1", "staging/extract-1/x"):
        Path(store.folder, path).mkdir(parents=True)
    for path in ("trees", "projects"):
        Path(store.folder, path).mkdir()
        Path(store.folder, path, "abcd").write_text("no entry")
    assert [os.path.relpath(entry, store.folder) for entry in store.entries()] == [
        "git/cd/cd1",
        "sha512/ab/ab1",
        "sha512/ab/ab2",
    ]


def test_a_store_that_is_not_there_has_no_entries(store: Store) -> None:
    assert list(store.entries()) == []


def test_a_damaged_entry_that_is_discarded_is_gone(store: Store) -> None:
    store.open()
    entry = make_entry(Path(store.folder, "sha512/ab/abcd"), {"index.js": b"1"})
    Path(entry, "index.js").write_bytes(b"2")
    store.discard(entry)
    assert not os.path.exists(entry)
    assert os.listdir(store.staging) == []


def test_discarding_what_is_not_there_is_harmless(store: Store) -> None:
    store.open()
    store.discard(f"{store.folder}/sha512/ab/none")


def test_a_damaged_entry_that_cannot_be_moved_is_none_from_the_first_removal_on(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.open()
    entry = make_entry(Path(store.folder, "sha512/ab/abcd"), {"index.js": b"1"})
    Path(entry, "index.js").write_bytes(b"2")
    removed: list[str] = []

    def refuse(*_: object) -> None:
        raise OSError(errno.EXDEV, "Invalid cross-device link")

    def note(path: str) -> None:
        removed.append(os.path.relpath(path, entry))
        remove_tree(path)

    monkeypatch.setattr(os, "rename", refuse)
    monkeypatch.setattr(entry_removal, "remove_tree", note)
    store.discard(entry)
    assert removed == [INDEX_NAME, "."]
    assert not os.path.lexists(entry)


def test_a_damaged_entry_that_cannot_be_discarded_is_named(store: Store) -> None:
    entry = make_entry(Path(store.folder, "sha512/ab/abcd"), {"index.js": b"1"})
    Path(entry, "index.js").write_bytes(b"2")
    # no staging folder to move it to
    Path(store.staging).write_text("")
    with pytest.raises(StoreError, match="cannot be used"):
        store.discard(entry)


def test_a_read_only_store_is_opened_for_reading(
    tmp_path: Path, store: Store, as_user: Callable[[str], subprocess.CompletedProcess[str]]
) -> None:
    store.open()
    store.close()
    for folder in (tmp_path, *tmp_path.parents):
        if folder != Path("/tmp") and str(folder).startswith("/tmp/"):
            folder.chmod(0o755)
    os.chmod(store.staging, 0o555)
    ran = as_user(f"s = Store({store.root!r}); s.open(); print(s.writable); s.close()")
    assert (ran.stdout, ran.stderr) == ("False\n", "")


def test_what_another_user_has_left_does_not_close_a_shared_store(
    store: Store, as_user: Callable[[str], subprocess.CompletedProcess[str]]
) -> None:
    store.open()
    store.close()
    left = Path(store.staging, "half-built-1")
    (left / "a").mkdir(parents=True)
    (left / "a/file").write_text("half")
    let_others_reach(Path(store.staging), 0o777)
    ran = as_user(f"s = Store({store.root!r}); s.open(); print(s.writable); s.close()")
    assert (ran.stdout, ran.stderr) == ("True\n", "")
    store.open()
    assert os.listdir(store.staging) == []


def test_no_store_where_none_can_be_made_lacks_everything(
    tmp_path: Path, as_user: Callable[[str], subprocess.CompletedProcess[str]]
) -> None:
    for folder in (tmp_path, *tmp_path.parents):
        if folder != Path("/tmp") and str(folder).startswith("/tmp/"):
            folder.chmod(0o755)
    tmp_path.chmod(0o555)
    code = f"s = Store('{tmp_path}/store'); s.open(); print(s.writable, list(s.entries())); s.close()"
    ran = as_user(code)
    assert (ran.stdout, ran.stderr) == ("False []\n", "")
