"""How loud a command is, and where its words go."""

from __future__ import annotations

import json

import pytest

from pmpipe.cli.output import Output, tell
from pmpipe.cli.wording import megabytes, some_of
from pmpipe.npm.texts.text import plural

LEVELS = ("silent", "error", "warn", "notice", "http", "info", "verbose", "silly")


@pytest.mark.parametrize(
    ("level", "out", "err"),
    [
        ("silent", "", ""),
        ("error", "", ""),
        ("warn", "", "warning: odd\n"),
        ("notice", "done\n", "aside\nwarning: odd\n"),
        ("silly", "done\n", "aside\nwarning: odd\n"),
    ],
)
def test_the_level_says_what_is_shown(level: str, out: str, err: str, capsys: pytest.CaptureFixture[str]) -> None:
    output = Output(level, json=False)
    output.say("done")
    output.note("aside")
    output.warn(["odd"])
    assert capsys.readouterr() == (out, err)


def test_levels_include_those_before_them() -> None:
    for number, level in enumerate(LEVELS):
        shown = [one for one in LEVELS if Output(level, json=False).shows(one)]
        assert shown == list(LEVELS[: number + 1])


def test_with_json_the_summary_is_not_said(capsys: pytest.CaptureFixture[str]) -> None:
    output = Output("notice", json=True)
    output.say("done")
    output.document({"a": 1})
    out, err = capsys.readouterr()
    assert json.loads(out) == {"a": 1}
    assert err == ""


@pytest.mark.parametrize("text", ["a/b\\c", "ü→\u2028", "\x1b[31m", "lone \udcff surrogate", "</script>"])
def test_a_document_holds_any_text(text: str, capfd: pytest.CaptureFixture[str]) -> None:
    Output("silent", json=True).document({"path": text})
    assert json.loads(capfd.readouterr().out) == {"path": text}


def test_a_warning_is_shown_once_and_cannot_move_the_cursor(capsys: pytest.CaptureFixture[str]) -> None:
    Output("warn", json=False).warn(["one\x1b[2J", "two", "one\x1b[2J"])
    assert capsys.readouterr().err == "warning: one\\x1b[2J\nwarning: two\n"


def test_many_warnings_are_counted(capsys: pytest.CaptureFixture[str]) -> None:
    warnings = [f"number {number}" for number in range(30)]
    Output("notice", json=False).warn(warnings)
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 21
    assert lines[-1] == "warning: and 10 more, see --verbose"
    Output("verbose", json=False).warn(warnings)
    assert len(capsys.readouterr().err.splitlines()) == 30


def test_what_cannot_wait_goes_to_standard_error(capsys: pytest.CaptureFixture[str]) -> None:
    tell("another pmpipe is at work")
    told = capsys.readouterr()
    assert (told.out, told.err) == ("", "pmpipe: another pmpipe is at work\n")


@pytest.mark.parametrize(
    ("count", "text"),
    [
        (0, "0 B"),
        (999, "999 B"),
        (1000, "1.0 kB"),
        (4_200, "4.2 kB"),
        (442_800_000, "442.8 MB"),
        (1_230_000_000, "1.23 GB"),
        (5_000_000_000_000, "5000.00 GB"),
    ],
)
def test_bytes_are_shown_in_the_unit_that_suits_them(count: int, text: str) -> None:
    assert megabytes(count) == text


def test_numbers_of_things_are_in_words() -> None:
    assert plural(1, "package") == "1 package"
    assert plural(1234, "package") == "1,234 packages"
    assert plural(2, "entry", "entries") == "2 entries"


def test_a_long_list_is_cut() -> None:
    assert some_of(["a", "b"]) == "a, b"
    assert some_of(["a", "b", "c", "d"], 2) == "a, b and 2 more"
