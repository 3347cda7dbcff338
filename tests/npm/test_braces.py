"""Braces in patterns, against npm's own minimatch."""

import random
import time

import pytest
from asking_npm import ask_npm

from pmpipe.npm.texts.braces import expand

PARTS = [
    "{",
    "}",
    ",",
    "a",
    "b",
    "$",
    "..",
    "1",
    "3",
    "01",
    "\\",
    "-",
    "{a,b}",
    "{1..3}",
    "{}",
    ".",
    "/",
    "{,",
    "{a..c}",
]


@pytest.mark.npm
@pytest.mark.parametrize("most", [3, 1000])
def test_braces_expand_as_in_npm(most):
    chosen = random.Random(11)
    texts = ["".join(chosen.choices(PARTS, k=chosen.randrange(1, 12))) for _ in range(4000)]
    answers = ask_npm("ask_braces.cjs", [{"text": text, "most": most} for text in texts])
    assert {text: expand(text, most) for text in texts} == dict(zip(texts, answers, strict=True))


@pytest.mark.parametrize(
    ("text", "expanded"),
    [
        ("${a,b}", ["${a,b}"]),
        ("{$,y}{a,b}", ["$a", "$b", "ya", "yb"]),
        ("{a},b}", ["a}", "b"]),
        ("a{b{c,d}", ["a{bc", "a{bd"]),
        ("{a,}", ["a"]),
        ("x{a,}", ["xa", "x"]),
    ],
)
def test_odd_braces_expand_as_in_a_shell(text, expanded):
    assert expand(text, 100) == expanded


@pytest.mark.parametrize(
    "text", ["{a,b}" * 64, "{" * 64 + "a,b" + "}" * 64, "{a," * 64, "{1..999999999}" * 3, "{},{a," * 64, "{a,b},}" * 64]
)
def test_braces_by_the_dozen_take_no_time(text):
    started = time.process_time()
    assert len(expand(text, 10_000)) <= 10_000
    assert time.process_time() - started < 2


@pytest.mark.parametrize("text", ["{a,b}" * 65, "{" * 5_000 + "}" * 5_000])
def test_more_braces_than_anybody_writes_are_not_expanded(text):
    assert expand(text, 1000) == [text]
