"""npm's ini dialect and its expansion of environment variables."""

from __future__ import annotations

import json
from random import Random

import pytest
from asking_npm import ask_npm

from pmpipe.npm.config.npmrc import expand_environment, js_text, parse, unset_variables


def values_of(text):
    return parse(text).values


def test_reads_key_and_value_around_blanks():
    assert values_of("  registry =  https://registry.example/  \n") == {"registry": "https://registry.example/"}


def test_key_alone_means_true():
    assert values_of("force\n") == {"force": True}


@pytest.mark.parametrize(("written", "value"), [("true", True), ("false", False), ("null", None), ("", "")])
def test_reads_constants(written, value):
    assert values_of(f"key={written}") == {"key": value}


@pytest.mark.parametrize("line", ["; comment", "# comment", "   # comment", "", "   ", "=value", "\ufeff"])
def test_passes_over_lines_that_say_nothing(line):
    assert values_of(f"a=1\n{line}\nb=2") == {"a": "1", "b": "2"}


def test_comment_ends_a_value():
    assert values_of("a=1 ; one\nb=2#two") == {"a": "1", "b": "2"}


def test_backslash_keeps_comment_characters_and_itself():
    assert values_of(r"a=x\;y\#z\\w\q" + "\n") == {"a": r"x;y#z\w\q"}


def test_quotes_keep_blanks_comments_and_line_breaks():
    assert values_of(r'ca="-----BEGIN\n;#\n-----END"') == {"ca": "-----BEGIN\n;#\n-----END"}


def test_single_quotes_hold_json_where_it_is_json():
    assert values_of("a='123'\nb='text'\nc='1.0'\nd='[1]'") == {"a": 123, "b": "text", "c": 1, "d": [1]}


def test_broken_quotes_are_kept():
    assert values_of('a="x\\q"\nb="') == {"a": '"x\\q"', "b": '"'}


def test_brackets_make_a_list():
    assert values_of("omit[]=dev\nomit[] = peer\n") == {"omit": ["dev", "peer"]}


def test_list_swallows_a_value_without_brackets():
    assert values_of("omit=dev\nomit[]=peer\nomit=optional\n") == {"omit": ["dev", "peer", "optional"]}


def test_last_of_several_values_counts():
    assert values_of("a=1\na=2\n") == {"a": "2"}


def test_lines_of_a_section_are_no_settings():
    assert values_of("a=1\n[registry]\nb=2\n") == {"a": "1", "registry": {"b": "2"}}


def test_section_names_nest_at_dots():
    assert values_of("[a.b]\nc=1\n[d\\.e]\nf=2") == {"a": {"b": {"c": "1"}}, "d.e": {"f": "2"}}


def test_prototype_key_is_passed_over():
    assert values_of("__proto__=1\n__proto__[]=2\nconstructor=3\n[__proto__]\na=4") == {"constructor": "3"}


def test_deep_nesting_in_quotes_is_text():
    text = "[" * 100_000
    assert values_of(f"a='{text}'") == {"a": text}


def test_tells_the_line_that_set_a_key_last():
    parsed = parse("\r\n; c\r\na=1\rb=2\n\na=3\n")
    assert (parsed.line_of("a"), parsed.line_of("b"), parsed.line_of("c")) == (6, 4, 0)


def test_expands_set_variables_only():
    environ = {"A": "x", "EMPTY": ""}
    assert expand_environment("${A}-${B}-${B?}-${A?}-${EMPTY}-$A-${}", environ) == "x-${B}--x--$A-${}"


def test_backslash_keeps_an_expression_literal():
    assert expand_environment(r"\${A} \\${A} \\\${A}", {"A": "x"}) == r"${A} \x \${A}"


def test_names_the_variables_that_stay_unset():
    assert unset_variables(r"${A}${B}${C?}\${D}${E-x}", {"A": ""}) == ["B", "E… (npm knows no default values)"]


def random_texts(seed, pieces, count, longest):
    random = Random(seed)
    return ["".join(random.choices(pieces, k=random.randint(1, longest))) for _ in range(count)]


@pytest.mark.npm
def test_reads_random_texts_as_npm_does():
    pieces = [*"ab=[]'\"\\;#. \t\n\r{}1", "\n", "\n", "=", "true", "null", "[]=", "\ufeff", "\u2028", "\u00a0"]
    pieces += ["[a]\n", "[a.b]\n"]
    texts = random_texts(1, pieces, 3000, 40)
    texts += ["a=null\n[b]\nc=null", 'a="\\u00e9"', "a='null'", 'a=\'{"b": [1.5, "x"]}\'']
    answers = ask_npm("ask_config.cjs", [{"ask": "ini", "text": text} for text in texts])
    assert answers.count("TypeError") < 100
    for text, expected in zip(texts, answers, strict=True):
        if expected != "TypeError":
            assert json.loads(json.dumps(values_of(text))) == expected, repr(text)


@pytest.mark.npm
def test_expands_random_texts_as_npm_does():
    environ = {"A": "1", "B": "", "A-b": "dash"}
    texts = random_texts(2, ["$", "{", "}", "${A}", "${B}", "${C}", "${C?}", "${A-b}", "\\", "?", "A", " "], 2000, 12)
    questions = [{"ask": "environment", "text": text, "env": environ} for text in texts]
    answers = ask_npm("ask_config.cjs", questions)
    for text, expected in zip(texts, answers, strict=True):
        assert expand_environment(text, environ) == expected, text


@pytest.mark.parametrize(
    ("value", "text"),
    [(True, "true"), (None, "null"), (1, "1"), (["a", None, 2], "a,,2"), ({}, "[object Object]"), ("x", "x")],
)
def test_writes_values_as_javascript_does(value, text):
    assert js_text(value) == text
