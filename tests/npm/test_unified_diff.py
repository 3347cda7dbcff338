"""Diffs applied to texts: each rule by an example, and made-up ones as npm's jsdiff does it."""

from __future__ import annotations

import difflib
import random

import pytest
from npm.asking_npm import ask_npm

from pmpipe.npm.texts.unified_diff import DiffError, apply_diff, read_diff

CHANGE = """\
diff --git a/index.js b/index.js
index 1111111..2222222 100644
--- a/index.js
+++ b/index.js
@@ -1,3 +1,3 @@
 one
-two
+TWO
 three
"""


def applied(text: str, diff: str) -> str:
    (file,) = read_diff(diff)
    return apply_diff(text, file)


def test_a_line_is_exchanged() -> None:
    assert applied("one\ntwo\nthree\n", CHANGE) == "one\nTWO\nthree\n"


def test_the_files_names_are_those_of_the_diff() -> None:
    (file,) = read_diff(CHANGE)
    assert (file.old, file.new) == ("a/index.js", "b/index.js")


def test_a_hunk_fits_some_lines_further_down() -> None:
    assert applied("zero\nand\none\ntwo\nthree\n", CHANGE) == "zero\nand\none\nTWO\nthree\n"


def test_of_two_places_at_the_same_distance_the_one_below_counts() -> None:
    diff = "--- a/f\n+++ b/f\n@@ -2 +2 @@\n-x\n+y\n"
    assert applied("x\no\nx\n", diff) == "x\no\ny\n"


def test_later_hunks_are_shifted_with_the_first() -> None:
    diff = "--- a/f\n+++ b/f\n@@ -1 +1 @@\n-a\n+A\n@@ -3 +3 @@\n-c\n+C\n"
    assert applied("0\n1\na\nb\nc\nb\nc\n", diff) == "0\n1\nA\nb\nC\nb\nc\n"


def test_context_must_match_exactly() -> None:
    with pytest.raises(DiffError, match="the hunk for line 1 fits nowhere"):
        applied("one \ntwo\nthree\n", CHANGE)


def test_a_new_file() -> None:
    diff = "--- /dev/null\n+++ b/new.js\n@@ -0,0 +1,2 @@\n+1\n+2\n"
    (file,) = read_diff(diff)
    assert (file.old, file.new) == (None, "b/new.js")
    assert apply_diff("", file) == "1\n2\n"


def test_a_new_file_without_a_last_newline() -> None:
    diff = "--- /dev/null\n+++ b/new.js\n@@ -0,0 +1 @@\n+1\n\\ No newline at end of file\n"
    assert applied("", diff) == "1"


def test_a_file_that_goes() -> None:
    (file,) = read_diff("--- a/old.js\n+++ /dev/null\n@@ -1 +0,0 @@\n-1\n")
    assert (file.old, file.new) == ("a/old.js", None)
    assert apply_diff("1\n", file) == ""


def test_the_last_newline_is_taken_away() -> None:
    diff = "--- a/f\n+++ b/f\n@@ -1 +1 @@\n-a\n+a\n\\ No newline at end of file\n"
    assert applied("a\n", diff) == "a"


def test_a_last_newline_that_is_not_there_is_not_taken_away() -> None:
    diff = "--- a/f\n+++ b/f\n@@ -1 +1 @@\n-a\n+b\n\\ No newline at end of file\n"
    with pytest.raises(DiffError, match="newline"):
        applied("a", diff)


def test_a_diff_with_other_line_ends_is_converted() -> None:
    assert applied("one\r\ntwo\r\nthree\r\n", CHANGE) == "one\r\nTWO\r\nthree\r\n"
    assert applied("one\ntwo\nthree\n", CHANGE.replace("\n", "\r\n")) == "one\nTWO\nthree\n"


def test_several_files_come_in_order() -> None:
    names = [file.new for file in read_diff(CHANGE + CHANGE.replace("index.js", "other.js"))]
    assert names == ["b/index.js", "b/other.js"]


def test_a_mode_or_a_name_alone_changes_nothing() -> None:
    assert read_diff("diff --git a/f b/f\nold mode 100644\nnew mode 100755\n") == []
    assert read_diff("diff --git a/f b/g\nsimilarity index 100%\nrename from f\nrename to g\n") == []


@pytest.mark.parametrize(
    ("diff", "said"),
    [
        ("diff --git a/f b/f\nGIT binary patch\ndelta 10\n", "line 2: it changes a file that is no text"),
        ("diff --git a/f b/f\nBinary files a/f and b/f differ\n", "line 2: it changes a file that is no text"),
        ("--- a/f\n+++ b/f\n@@ -1,2 +1 @@\n-a\n", "does not belong in the hunk of line 3"),
        ("--- a/f\n+++ b/f\n@@ -1,2 +1 @@\n-a\n@@ -9 +9 @@\n", "does not belong in the hunk of line 3"),
        ("--- a/f\n+++ b/f\n@@ -1 +1,2 @@\n-a\n+b\n-c\n+d\n", "the hunk of line 3 has another number of lines"),
        ("--- a/f\n+++ b/f\n@@ -1 +1 @@\n-a\n+b\nmore\n", "line 6 belongs to nothing: 'more'"),
        ("--- a/f\n+++ b/f\n@@ nothing @@\n", "line 3 is no head of a hunk"),
    ],
)
def test_what_cannot_be_read_is_refused(diff: str, said: str) -> None:
    with pytest.raises(DiffError, match=said):
        read_diff(diff)


# -- as jsdiff does it --------------------------------------------------------------------------------------------

_LINES = ("a", "b", "c", "", "x y", "@@", "--- d", " e")


def _text(rng: random.Random) -> str:
    end = rng.choice(["\n", "\n", "\n", "\r\n"])
    lines = rng.choices(_LINES, k=rng.randrange(14))
    text = end.join(lines) + (end if lines and rng.random() < 0.6 else "")
    return "\n" + text if rng.random() < 0.05 else text


def _changed(text: str, rng: random.Random) -> str:
    lines = text.split("\n")
    for _ in range(rng.randrange(1, 4)):
        at = rng.randrange(len(lines) + 1)
        lines[at : at + rng.randrange(2)] = rng.choices(("new", "a", "b", ""), k=rng.randrange(2))
    return "\n".join(lines)


def _with_ends(text: str) -> list[str]:
    *lines, last = text.split("\n")
    return [f"{line}\n" for line in lines] + ([f"{last}\n\\ No newline at end of file\n"] if last else [])


def _diff(before: str, after: str, rng: random.Random) -> str:
    old, new = _with_ends(before), _with_ends(after)
    diff = "".join(difflib.unified_diff(old, new, "a/f", "b/f", n=rng.choice([0, 1, 3])))
    if rng.random() < 0.1:
        diff = diff.replace("\n", "\r\n")
    if rng.random() < 0.1:
        at = rng.randrange(len(diff) + 1)
        odd = rng.choice(["\n", "+", " ", "x", "@@ -1 +1 @@\n", "diff --git a b\n", "Index: f\n", f"{'=' * 67}\n"])
        diff = diff[:at] + odd + diff[at:]
    return diff


def _outcome(text: str, diff: str) -> list[str | bool]:
    outcome: list[str | bool] = []
    for file in read_diff(diff):
        try:
            outcome.append(apply_diff(text, file))
        except DiffError:
            outcome.append(False)
    return outcome


@pytest.mark.npm
def test_made_up_diffs_end_as_with_jsdiff() -> None:
    rng = random.Random(1)
    questions = []
    for _ in range(6_000):
        before = _text(rng)
        text = before if rng.random() < 0.6 else _changed(before, rng)
        questions.append({"text": text, "diff": _diff(before, _changed(before, rng), rng)})
    differing = []
    for question, by_jsdiff in zip(questions, ask_npm("ask_diff.cjs", questions), strict=True):
        try:
            outcome: list[str | bool] | None = _outcome(**question)
        except DiffError:
            outcome = None
        # that a head is none shows in jsdiff only when the hunk fits nowhere
        if outcome != by_jsdiff and not (outcome is None and False in by_jsdiff):
            differing.append((question, by_jsdiff, outcome))
    assert differing == []
