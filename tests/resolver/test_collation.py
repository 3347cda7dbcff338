"""English order, by which npm sorts."""

from __future__ import annotations

import random
import string

import pytest
from asking import ask

from pmpipe.npm.texts.collation import english_key, english_sorted


def test_punctuation_comes_before_digits_and_letters() -> None:
    assert english_sorted(["a", "0", "@x/y", "_a", "-a", "a/b", "a-b", "a.b", "ab"]) == [
        "_a", "-a", "@x/y", "0", "a", "a-b", "a.b", "a/b", "ab",
    ]  # fmt: skip


def test_case_only_decides_between_texts_that_are_level() -> None:
    assert english_sorted(["B", "a", "b", "A", "Ab", "aB"]) == ["a", "A", "aB", "Ab", "b", "B"]


def test_accents_decide_before_case() -> None:
    assert english_sorted(["é", "E", "e", "f"]) == ["e", "E", "é", "f"]


def test_control_characters_weigh_nothing() -> None:
    assert english_key("a\x01b")[0] == english_key("ab")[0]


@pytest.mark.npm
def test_sorts_what_packages_are_called_as_npm_does() -> None:
    chance = random.Random(11)
    alphabet = string.ascii_letters + string.digits + "-._@/~!'()* "
    lists = [["".join(chance.choices(alphabet, k=chance.randint(0, 9))) for _ in range(60)] for _ in range(200)]
    lists.append(list(string.printable.replace("\x0b", "").replace("\x0c", "")))
    expected = ask("ask_order.cjs", [{"texts": texts} for texts in lists])
    for texts, answer in zip(lists, expected, strict=True):
        assert english_sorted(texts) == answer
