"""Whose processes start before there is a plan."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest
from support.trees import wanted_package

from pmpipe.installing.early_stages import stages_needed
from pmpipe.orders import StageName
from pmpipe.store import Store
from pmpipe.tree.sources import entry_candidates
from pmpipe.tree.wanted import WantedPackage, WantedTree
from stages.entries.entry import INDEX_NAME

PACKAGE = wanted_package(
    "node_modules/left",
    integrity="sha512-" + "A" * 86 + "==",
    resolved="https://registry.example/left/-/left-1.0.0.tgz",
)


def tree(*packages: WantedPackage) -> WantedTree:
    return WantedTree(packages, (), (), (), ())


def test_what_the_store_lacks_is_fetched_and_extracted(store: Store) -> None:
    assert stages_needed(tree(PACKAGE), store, offline=False) == (StageName.FETCH, StageName.EXTRACT)


def test_what_the_store_has_is_only_placed(store: Store) -> None:
    (entry,) = entry_candidates(store.folder, PACKAGE)
    Path(entry).mkdir(parents=True)
    Path(entry, INDEX_NAME).touch()
    assert stages_needed(tree(PACKAGE), store, offline=False) == (StageName.CLONE,)


@pytest.mark.parametrize(
    ("change", "offline"),
    [({"optional": True}, False), ({"resolved": "file:left.tgz"}, False), ({"link_target": "left"}, False), ({}, True)],
)
def test_nothing_is_certain_of_what_may_be_left_out_or_need_not_be_fetched(
    store: Store, change: dict[str, object], offline: bool
) -> None:
    assert stages_needed(tree(msgspec.structs.replace(PACKAGE, **change)), store, offline=offline) == ()


def test_an_empty_tree_needs_nothing(store: Store) -> None:
    assert stages_needed(tree(), store, offline=False) == ()
