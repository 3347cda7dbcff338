"""Tarballs and documents count in budgets of their own, and what is still read keeps its space."""

from __future__ import annotations

import mmap

import pytest

from stages.fetching.held_space import HeldSpace
from stages.messages import JobId, Release


@pytest.fixture
def space() -> HeldSpace:
    return HeldSpace(mmap.mmap(-1, 1 << 20), tarball_bytes=10, document_bytes=20)


def keep(space: HeldSpace, body: bytes, *, is_document: bool) -> int:
    """Bring a body into the arena; gives its offset."""
    sink = space.sink(100, is_document=is_document)
    sink.begin(len(body))
    assert sink.write(body)
    return space.keep(sink, is_document=is_document).offset


@pytest.mark.parametrize("is_document", [False, True])
def test_a_body_counts_in_the_budget_of_its_kind_until_it_is_released(space, is_document):
    offset = keep(space, b"0123456789", is_document=is_document)
    assert space.budget(is_document=is_document).held == 10
    assert space.budget(is_document=not is_document).held == 0
    assert space.complete_tarballs == (not is_document)
    space.release(Release(JobId(1), offset))
    assert space.budget(is_document=is_document).held == 0
    assert space.complete_tarballs == 0


def test_what_is_still_read_leaves_the_budget_and_keeps_its_space(space):
    offset = keep(space, b"document", is_document=True)
    space.release(Release(JobId(1), offset, is_still_read=True))
    assert space.document_budget.held == 0
    other = keep(space, b"other", is_document=True)
    assert other != offset
    space.release(Release(JobId(2), offset))
    assert space.document_budget.held == 5
    assert keep(space, b"third", is_document=False) == offset
