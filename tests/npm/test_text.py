"""Text of strangers on a terminal."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pmpipe.npm.texts.text import for_reader, is_utf8, printable


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("plain text, ünïcödé 漢字 🙂", "plain text, ünïcödé 漢字 🙂"),
        ("a\nb\tc\r", "a\\nb\\tc\\r"),
        ("\x1b[31mred\x1b[0m", "\\x1b[31mred\\x1b[0m"),
        ("\x1b]0;title\x07", "\\x1b]0;title\\x07"),
        ("\x9b31m\x7f\x00", "\\x9b31m\\x7f\\x00"),
        ("\u202eevil\u2066x\u200f", "\\u202eevil\\u2066x\\u200f"),
        ("one\u2028two\u2029three\x85", "one\\u2028two\\u2029three\\x85"),
        ("a\u00a0b\u3000c", "a b c"),
        ("\udc80\ud800", "\\udc80\\ud800"),
        (b"\xff\xc3\xa4", "\\xffä"),
        (b"", ""),
    ],
)
def test_what_is_not_printable_is_written_out(text, expected):
    assert printable(text) == expected


def test_long_text_is_cut():
    assert printable("x" * 11, 10) == "x" * 10 + "…"
    assert printable("x" * 10, 10) == "x" * 10
    assert printable(b"\x1b" * 3, 2) == "\\x1b\\x1b…"


@given(st.one_of(st.text(), st.binary()))
def test_only_printable_characters_come_out_and_they_can_be_encoded(text):
    assert printable(text).isprintable()
    printable(text).encode()


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("as x@git+https://t0ken@a.example/r.git", "as x@git+https://***@a.example/r.git"),
        ("https://u:p@w@a.example:1/@s/x@1.0.0", "https://***@a.example:1/@s/x@1.0.0"),
        ("'http://u:p@a.example/x', and http://t@b.example", "'http://***@a.example/x', and http://***@b.example"),
        ("git+ssh://git@a.example/r.git", "git+ssh://git@a.example/r.git"),
        ("ssh://u:p@a.example/r.git", "ssh://u:***@a.example/r.git"),
        ("https://a.example/@s/x@1.0.0?a=b@c#d@e", "https://a.example/@s/x@1.0.0?a=b@c#d@e"),
        ("file:///a/b@c, //d@e and f@g", "file:///a/b@c, //d@e and f@g"),
        ("\x1b", "\\x1b"),
    ],
)
def test_of_urls_no_credentials_come_out(text, shown):
    assert for_reader(text) == shown


@pytest.mark.parametrize(("text", "is_so"), [("", True), ("\u20ac\x00", True), ("a\udcff", False)])
def test_tells_what_can_be_written(text, is_so):
    assert is_utf8(text) is is_so
