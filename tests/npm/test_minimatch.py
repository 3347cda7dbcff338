"""Patterns for paths, against npm's own minimatch."""

import itertools
import os
import random
import time

import pytest
from asking_npm import ask_npm

from pmpipe.npm.texts.minimatch import compile_pattern, expand_braces

PATTERNS = r"""
* ** a /a a/ /a/ a/** **/a **/a/** a/**/b **/*.js *.js *.{js,ts} /readme{,.*[^~$]} /.wafpickle-* .*.swp ._* **/._*/**
/build/config.gypi *.orig src/* src/*.js src/**/*.js !a !!a !!!a !/src/** !/lib/* ?(a|b)c @(a|b).js *(ab) +(a|b) a!(b)
a!(b)c [a-c]x [!a-c]x [^~$] [[:digit:]]* [[:alpha:]_]b \* a\b {1..3} x{03..1} {a..e..2} a{b} a{b,c{d,e}f}g ${a,b}
lib/../a ./a //a a//b **/**/b */* **/* /** a/*/ dist/**/!(x).js A SRC/* []a] [a a] (a) *. *.* .* . .. [z-a] *(a|b @() ?
?? /**/b/**/c **/b/**/c/** a?b + a+b a.b **a a** a**b/c {,a} {a,b}/{c,d} !{a,b} !(a) !(*.js) a/**/** **/ /**/ a/.. ../a
**/.. {a,b}{c,} {a,{b,c}} {} {a a} \{a,b\} a/[!b]c a[+-9]b a/!(b)/c a/!(b)c/a */!(b|c) **/!(a)/b a/b/c/** a/*/c
""".split()  # noqa: SIM905 - as a list it would fill pages
SEGMENTS = """
a b c ab abc x js a.js b.ts readme README.md readme.md~ .git ._x .x.swp src lib A 1 2 03 ac ad acdfg abg ax dx ~ $ * ]
a] + a+b a.b aXb aab aac SRC _b {a {} (a) bc a,b
""".split()  # noqa: SIM905 - as a list it would fill pages


def paths() -> list[str]:
    chosen = random.Random(7)
    plain = ["/".join(chosen.choice(SEGMENTS) for _ in range(chosen.choice([1, 1, 2, 2, 3, 4]))) for _ in range(300)]
    return [variant for path in plain for variant in (path, f"/{path}", f"{path}/", f"/{path}/")]


@pytest.mark.npm
def test_patterns_match_what_they_match_in_npm():
    cases = paths()
    script = os.path.join(os.path.dirname(__file__), "ask_minimatch.cjs")
    answers = ask_npm(script, [{"pattern": pattern, "paths": cases} for pattern in PATTERNS])
    hits = 0
    for text, by_npm in zip(PATTERNS, answers, strict=True):
        pattern = compile_pattern(text)
        ours = {
            "negated": pattern.negated,
            "relative": pattern.is_relative,
            "full": [path for path in cases if pattern.matches(path)],
            "partial": [path for path in cases if pattern.may_match_below(path)],
        }
        assert ours == by_npm, text
        hits += len(by_npm["full"])
    assert hits > len(cases)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a{b,c}d", ["abd", "acd"]),
        ("a{b,{c,d}}", ["ab", "ac", "ad"]),
        ("{1..3}", ["1", "2", "3"]),
        ("{3..1..2}", ["3", "1"]),
        ("{08..10}", ["08", "09", "10"]),
        ("{c..a}", ["c", "b", "a"]),
        ("a{b}c", ["a{b}c"]),
        ("{a", ["{a"]),
        ("${a,b}", ["${a,b}"]),
    ],
)
def test_braces_expand_in_order(text, expected):
    assert expand_braces(text) == expected


@pytest.mark.parametrize("text", ["{a,b}" * 40, "{1..999999999}", "{" * 5000, "{a," * 60, "{{1..999},{1..999}}" * 3])
def test_hostile_braces_end_soon(text):
    started = time.process_time()
    assert len(expand_braces(text)) <= 1000
    compile_pattern(text)
    assert time.process_time() - started < 2


def test_an_empty_or_endless_pattern_matches_nothing():
    for text in ("", "!", "a" * 5000):
        assert not any(compile_pattern(text).matches(part) for part in ("", "a", "a" * 5000))


def test_the_order_of_alternatives_does_not_matter():
    for one, other in itertools.permutations(["a", "b/c"]):
        assert compile_pattern(f"{{{one},{other}}}").matches("b/c")
