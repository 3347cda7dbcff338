"""Which documents are nested too deeply to be gone through level by level."""

from __future__ import annotations

import pytest

from pmpipe.npm.texts.json_depth import DEEPEST, is_too_deep


def nested(levels: int, opening: bytes = b'{"a":', closing: bytes = b"}") -> bytes:
    return opening * levels + b"1" + closing * levels


@pytest.mark.parametrize(
    ("opening", "closing", "levels"),
    [(b'{"a":', b"}", DEEPEST), (b"[", b"]", DEEPEST), (b'[{"a":', b"}]", DEEPEST // 2)],
)
def test_the_deepest_document_that_is_taken(opening: bytes, closing: bytes, levels: int) -> None:
    assert not is_too_deep(nested(levels, opening, closing))
    assert is_too_deep(nested(levels + 1, opening, closing))


def test_members_beside_each_other_are_no_levels() -> None:
    assert not is_too_deep(b"[" + b"{}," * 1_000 + b"[]]")


def test_brackets_in_texts_are_none() -> None:
    assert not is_too_deep(b'["' + b"[" * 1_000 + rb"\"{\\" + b'", "{", {}]')
    assert is_too_deep(rb'["\"", "\\", ' + nested(DEEPEST) + b"]")
