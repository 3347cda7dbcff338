"""What a store can do without: what killed runs have left, what no project is linked to, and notes of long ago.

A package that was hardlinked into a project shares its files with it: they have more than one link. One whose files
have no other link is used by no project on this filesystem, or by some that have copies of their own (reflinks,
another filesystem, packages whose scripts may write); taking it away costs no more than fetching it again.
"""

from __future__ import annotations

import os
import time

import msgspec

from pmpipe.errors import StoreError
from pmpipe.store import Store, Tell
from pmpipe.tree.memory import RESOLUTIONS
from pmpipe.tree.standing import PROJECTS
from stages.document_cache import FOLDER_NAME
from stages.entries.entry import INDEX_NAME
from stages.remove import remove_tree

#: For so long (seconds) no registry has confirmed a packument, although a use asks one long before; a resolution has
#: not been worked out, which is once more if it is wanted; or no install has changed a project, which gets its record
#: again if it lives.
_UNUSED_S = 30 * 86_400


class Pruned(msgspec.Struct):
    """What was taken out of a store; bytes are those of the files' contents."""

    packages: int = 0
    packuments: int = 0
    resolutions: int = 0
    notes: int = 0
    bytes: int = 0


def prune(store: Store, tell: Tell, *, dry_run: bool = False) -> Pruned:
    """Wait until nobody else on this host uses the store, and take out what it can do without.

    Args:
        store: opened.
        tell: called with a line before a long wait for other runs.
        dry_run: only count.

    Raises:
        StoreError: the store cannot be read or written, or nobody can tell whether it is in use.
        HostError: a run that uses the store waits for this one.
    """
    if not store.writable and os.path.isdir(store.folder):
        raise StoreError(f"the store at {store.root} cannot be written", hint="prune it as the user that it belongs to")
    pruned = Pruned()
    with store.alone(tell):
        for entry in store.entries():
            unused = _bytes_of_unused(store, entry)
            if unused is not None:
                pruned.packages += 1
                pruned.bytes += unused
                if not dry_run:
                    store.set_aside(entry)
        pruned.packuments = _prune_old(store, FOLDER_NAME, pruned, dry_run=dry_run)
        pruned.resolutions = _prune_old(store, RESOLUTIONS, pruned, dry_run=dry_run)
        pruned.notes = _prune_old(store, PROJECTS, pruned, dry_run=dry_run)
    return pruned


def _bytes_of_unused(store: Store, entry: str) -> int | None:
    """How long an entry's files are; None if one of them is a project's, too.

    Somebody who knows no locks may be removing it.
    """
    size = 0
    try:
        for folder, _, names in os.walk(entry, onerror=_raise_unless_missing):
            for name in names:
                found = _status(f"{folder}/{name}")
                if found is None:
                    continue
                if found.st_nlink > 1 and not (name == INDEX_NAME and folder == entry):
                    return None
                size += found.st_size
    except OSError as error:
        raise store.unusable(error) from error
    return size


def _status(path: str) -> os.stat_result | None:
    try:
        return os.lstat(path)
    except FileNotFoundError:
        return None


def _prune_old(store: Store, kept_in: str, pruned: Pruned, *, dry_run: bool) -> int:
    """Take what is old out of one of the store's folders; how many files that are."""
    long_ago_s = time.time() - _UNUSED_S
    count = 0
    try:
        for folder, _, names in os.walk(f"{store.folder}/{kept_in}", onerror=_raise_unless_missing):
            for name in names:
                path = f"{folder}/{name}"
                found = _status(path)
                if found is not None and found.st_mtime < long_ago_s:
                    count += 1
                    pruned.bytes += found.st_size
                    if not dry_run:
                        remove_tree(path)
    except OSError as error:
        raise store.unusable(error) from error
    return count


def _raise_unless_missing(error: OSError) -> None:
    if not isinstance(error, FileNotFoundError):
        raise error
