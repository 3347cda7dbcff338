"""JSON texts as Node.js reads them, where msgspec alone would stop."""

from __future__ import annotations

import msgspec
import pytest

from pmpipe.npm.texts.json_text import without_bom


@pytest.mark.parametrize(
    ("text", "read"),
    [
        (rb"\ud83d", "\ufffd"),
        (rb"\uDE00", "\ufffd"),
        (rb"\uD83D\uD83D\uDE00", "\ufffd\U0001f600"),
        (rb"\uDE00\uD83D", "\ufffd\ufffd"),
        (rb"\ud83d\ude00", "\U0001f600"),
        (rb"\ud83d\n\ude00", "\ufffd\n\ufffd"),
        (rb"\\ud83d", "\\ud83d"),
        (rb"\\\ud83d", "\\\ufffd"),
        (rb"\"\ud83d\"", '"\ufffd"'),
        (rb"\ud7ff\ue000", "\ud7ff\ue000"),
    ],
)
def test_half_a_surrogate_pair_becomes_a_replacement_character(text: bytes, read: str) -> None:
    assert msgspec.json.decode(without_bom(b'"' + text + b'"')) == read
    # places in the text stay
    assert len(without_bom(text)) == len(text)
