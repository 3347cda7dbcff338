"""The command line: npm's spellings mean what they mean to npm."""

from __future__ import annotations

import json
import subprocess
from typing import Any

import pytest
from npm.asking_npm import npm_modules

from pmpipe.cli.options import _ALIASES, _COMMANDS, _SHORT, CommandLine, _begun, _is_plain, _parse_with_argparse, parse
from pmpipe.cli.unknown import _AND_TEST, _NPM_COMMANDS
from pmpipe.errors import UsageError


def settings(*words: str) -> dict[str, Any]:
    return parse(["ci", *words]).settings


@pytest.mark.parametrize(
    ("word", "command"),
    [
        ("ci", "ci"),
        ("clean-install", "ci"),
        ("ic", "ci"),
        ("install-clean", "ci"),
        ("install", "install"),
        ("i", "install"),
        ("verify", "verify"),
    ],
)
def test_commands_have_npm_s_aliases(word: str, command: str) -> None:
    assert parse([word]).command == command


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["--omit=dev", "--omit", "optional"], {"omit": ["dev", "optional"]}),
        (["--no-audit", "--no-fund"], {"audit": False, "fund": False}),
        (["--unsafe-perm", "--no-optional"], {"unsafe-perm": True, "optional": False}),
        (["--unsafe-perm=true"], {"unsafe-perm": "true"}),
        (["--no-audit=false"], {"audit": "true"}),
        (["--no-audit=true"], {"audit": "false"}),
        (["--no-audit", "false"], {"audit": True}),
        (["--no-audit", "true"], {"audit": False}),
        (["--optional", "null"], {"optional": "null"}),
        (["--os=false", "--cpu", "false"], {"os": False, "cpu": False}),
        (["--save-prefix", "--json"], {"save-prefix": "", "json": True}),
        (["--save-prefix"], {"save-prefix": ""}),
        (["--prefix", "x"], {"prefix": "x"}),
        (["--prefix=x=y"], {"prefix": "x=y"}),
        (["--dir", "x"], {"prefix": "x"}),
        (["--dir=x"], {"prefix": "x"}),
        (["-C", "x"], {"prefix": "x"}),
        (["--cwd", "x"], {"prefix": "x"}),
        (["--no-lockfile"], {"package-lock": False}),
        (["--ignore-scripts"], {"ignore-scripts": True}),
        (["--ignore-scripts=false"], {"ignore-scripts": "false"}),
        (["--ignore-scripts", "false"], {"ignore-scripts": False}),
        (["--ignore-scripts", "true"], {"ignore-scripts": True}),
        (["--registry", "https://registry.example/"], {"registry": "https://registry.example/"}),
        (["--@scope:registry=https://registry.example/x"], {"@scope:registry": "https://registry.example/x"}),
        (["--@scope:registry", "https://registry.example/x"], {"@scope:registry": "https://registry.example/x"}),
        (["--//registry.example/:_authToken=a=b"], {"//registry.example/:_authToken": "a=b"}),
        (["-s"], {"loglevel": "silent"}),
        (["--silent"], {"loglevel": "silent"}),
        (["-q"], {"loglevel": "warn"}),
        (["-d"], {"loglevel": "info"}),
        (["-dd"], {"loglevel": "verbose"}),
        (["-ddd"], {"loglevel": "silly"}),
        (["--verbose"], {"loglevel": "verbose"}),
        (["-f"], {"force": True}),
        (["-save-dev", "-no-audit", "-omit=dev"], {"save-dev": True, "audit": False, "omit": ["dev"]}),
        (["-registry", "https://registry.example/"], {"registry": "https://registry.example/"}),
        (["--g", "--DE"], {"global": True, "save-dev": True, "save-exact": True}),
        (["-quiet"], {"loglevel": "warn"}),
        (["--ws", "--iwr"], {"workspaces": True, "include-workspace-root": True}),
        (["--reg=https://registry.example/"], {"registry": "https://registry.example/"}),
        (["-y", "-n", "-a", "-p"], {"yes": False, "all": True, "parseable": True}),
        (["-local"], {"global": False}),
        (["--json", "--dry-run"], {"json": True, "dry-run": True}),
        (["--loglevel", "error", "--loglevel", "info"], {"loglevel": "info"}),
        (["--timing"], {"timing": True}),
        (["--depth", "3"], {"depth": "3"}),
        (["--depth"], {"depth": True}),
        (["--store-dir=/s p"], {"store-dir": "/s p"}),
        (["--registry="], {"registry": ""}),
        (["--prod"], {"production": True}),
        (["-prod", "--no-prod"], {"production": False}),
        (["--no-opt"], {"optional": False}),
        (["--legacy-peer", "--save-de"], {"legacy-peer-deps": True, "save-dev": True}),
        (["--registr=https://registry.example/"], {"registry": "https://registry.example/"}),
        (["--sil"], {"loglevel": "silent"}),
    ],
    ids=" ".join,
)
def test_flags_are_read_as_npm_reads_them(words: list[str], expected: dict[str, Any]) -> None:
    assert settings(*words) == expected


@pytest.mark.parametrize("words", [["-C", "x"], ["--omit=dev"], ["--json"], ["--timing"], ["--audit"], ["--no-fund"]])
def test_settings_may_stand_before_the_command(words: list[str]) -> None:
    line = parse([*words, "i"])
    assert line == CommandLine("install", [], settings(*words))


@pytest.mark.npm
def test_every_shorthand_of_npm_is_one() -> None:
    definitions = f"{npm_modules()}/@npmcli/config/lib/definitions/index.js"
    asked = f"console.log(JSON.stringify(require({json.dumps(definitions)}).shorthands))"
    found = subprocess.run(["node", "-e", asked], check=True, stdout=subprocess.PIPE, timeout=60)
    # the help is argparse's own
    expected = {short: "=".join(words) for short, words in json.loads(found.stdout).items() if words != ["--usage"]}
    assert {short: _SHORT.get(short) for short in expected} == expected


@pytest.mark.npm
def test_a_flag_that_is_cut_short_is_never_another_one_than_npm_s() -> None:
    definitions = f"{npm_modules()}/@npmcli/config/lib/definitions/index.js"
    abbreviations = f"require({json.dumps(f'{npm_modules()}/abbrev')})(Object.keys(names))"
    asked = (
        f"const names = require({json.dumps(definitions)}).definitions; console.log(JSON.stringify({abbreviations}))"
    )
    found = subprocess.run(["node", "-e", asked], check=True, stdout=subprocess.PIPE, timeout=60)
    expected = {
        start: _SHORT.get(whole, whole).removeprefix("--")
        for start, whole in json.loads(found.stdout).items()
        if start != whole and start not in _SHORT
    }
    assert expected["prod"] == "production"
    # where pmpipe has names of its own, more letters may be wanted
    assert {start: whole for start in expected if (whole := _begun(start))}.items() <= expected.items()


def test_what_follows_two_dashes_is_no_flag() -> None:
    assert parse(["ci", "--json", "--", "--omit=dev"]) == CommandLine("ci", ["--omit=dev"], {"json": True})


def test_words_behind_the_command_are_kept() -> None:
    assert parse(["install", "left", "--json", "right@2"]).words == ["left", "right@2"]


def test_flags_of_its_own_may_stand_between_words() -> None:
    assert parse(["install", "left", "--durable", "right"]) == CommandLine("install", ["left", "right"], durable=True)


@pytest.mark.parametrize("command", sorted(_COMMANDS))
@pytest.mark.parametrize("flags", [[], ["--durable"], ["--repair"], ["--repair", "--durable"]], ids=" ".join)
def test_lines_without_help_or_mistake_are_read_as_argparse_reads_them(command: str, flags: list[str]) -> None:
    words = [command, *flags, "one", "two"]
    if _is_plain(words):
        assert parse(words) == _parse_with_argparse(words, {})
    else:
        with pytest.raises(UsageError):
            parse(words)


def test_flags_of_its_own() -> None:
    line = parse(["install", "--repair", "--durable"])
    assert (line.repair, line.durable) == (True, True)
    assert parse(["ci", "--durable"]).durable


@pytest.mark.parametrize(
    "words",
    [
        ["ci", "--no-such-flag"],
        ["ci", "-x"],
        ["ci", "--repair"],
        ["ci", "--omi", "dev"],
        ["ci", "--pre=x"],
        ["ci", "--sk"],
        ["verify", "--dura"],
        ["no-such-command"],
        ["--registry"],
        ["ci", "--omit"],
        [],
        ["--json"],
    ],
    ids=" ".join,
)
def test_what_is_not_known_is_wrong_usage_and_says_where_help_is(words: list[str]) -> None:
    with pytest.raises(UsageError) as caught:
        parse(words)
    assert caught.value.status == 2
    assert caught.value.hint


@pytest.mark.parametrize(
    ("words", "hint"),
    [
        (["insatll"], "did you mean install?"),
        (["cleaninstall"], "did you mean clean-install?"),
        (["help", "updaet"], "did you mean update?"),
        (["ls"], "`npm ls` works"),
        (["run", "build"], "`npm run` works"),
        (["cit"], "`pmpipe ci && npm test`"),
        (["ci", "--omti=dev"], "did you mean --omit?"),
        (["ci", "--no-packge-lock"], "--no-package-lock"),
        (["ci", "--save_dev"], "did you mean --save-dev?"),
        (["ci", "--omi", "dev"], "did you mean --omit or --omit-lockfile-registry-resolved?"),
        (["install", "--repiar"], "did you mean --repair?"),
        (["ci", "--zzz"], "`pmpipe --help` lists"),
        (["-V"], "did you mean -v?"),
        (["install", "-i"], "`pmpipe --help` lists"),
        (["install", "--filter", "web"], "use -w NAME in place of --filter"),
        (["add", "x", "--exact", "-W"], "use --save-exact in place of --exact; leave -W out"),
        (["install", "--backend=copyfile"], "use --clone-method in place of --backend"),
        (["dlx"], "`npx` works"),
        (["approve-builds"], "`pmpipe install-scripts approve`"),
        (["cache", "clean", "--force"], "`pmpipe store prune`"),
        (["zzz"], "`pmpipe --help` lists"),
    ],
    ids=str,
)
def test_what_may_have_been_meant_is_told(words: list[str], hint: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse(words)
    assert hint in caught.value.hint


@pytest.mark.npm
def test_every_command_of_npm_is_known_or_known_not_to_be_there() -> None:
    asked = f"console.log(JSON.stringify(require({json.dumps(f'{npm_modules()}/../lib/utils/cmd-list.js')})))"
    found = json.loads(subprocess.run(["node", "-e", asked], check=True, stdout=subprocess.PIPE, timeout=60).stdout)
    known = {*_COMMANDS, *_ALIASES, *_AND_TEST, *_NPM_COMMANDS, "help"}
    assert {*found["commands"], *found["aliases"]} <= known


@pytest.mark.parametrize(
    "words",
    [
        *(["--help"], ["-h"], ["ci", "--help"], ["install", "-h"], ["store", "--help"]),
        *(["help"], ["help", "rm"], ["-h", "add"], ["ci", "-?"], ["ci", "-H"], ["install", "--usage"]),
    ],
    ids=" ".join,
)
def test_help_is_printed_to_standard_output(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        parse(words)
    assert caught.value.code == 0
    out, err = capsys.readouterr()
    assert out.startswith("usage: pmpipe")
    assert err == ""


@pytest.mark.parametrize("command", sorted(_COMMANDS))
def test_the_help_of_a_command_says_what_it_does(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    told = []
    for words in (["--help"], [command, "--help"]):
        with pytest.raises(SystemExit):
            parse(words)
        told.append(capsys.readouterr().out)
    _usage, said, *_rest = told[1].split("\n\n")
    assert "".join(said.lower().removesuffix(".").split()) in "".join(told[0].lower().split())


@pytest.mark.parametrize("command", ["ci", "install", "add", "update", "verify"])
def test_the_help_of_what_can_be_about_workspaces_says_so(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        parse(["help", command])
    assert "-w NAME" in capsys.readouterr().out


def test_the_help_of_a_command_names_its_settings(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        parse(["ci", "--help"])
    out = capsys.readouterr().out
    for flag in ("--prefix", "--registry", "--omit", "--offline", "--store-dir", "--clone-method", "--json"):
        assert flag in out


@pytest.mark.parametrize(
    ("command", "heeded", "unheeded"),
    [
        ("store", "--store-dir --dry-run", "--registry --omit --prefix --frozen-lockfile"),
        ("verify", "--store-dir --omit", "--registry --dry-run --clone-method"),
        ("ci", "--registry --omit", "--frozen-lockfile"),
        ("deny-scripts", "--all --dry-run", "--registry --clone-method"),
        ("rebuild", "--ignore-scripts", "--registry --package-lock-only"),
    ],
)
def test_the_help_of_a_command_leaves_out_settings_that_it_does_not_heed(
    command: str, heeded: str, unheeded: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        parse([command, "--help"])
    out = capsys.readouterr().out
    assert [flag for flag in heeded.split() if flag not in out] == []
    assert [flag for flag in unheeded.split() if flag in out] == []


@pytest.mark.parametrize("flag", ["--version", "-v"])
def test_the_version_is_printed(flag: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        parse([flag])
    assert caught.value.code == 0
    assert capsys.readouterr().out.startswith("pmpipe ")


@pytest.mark.parametrize(
    ("words", "command"),
    [
        ("add x", "install"),
        ("i x", "install"),
        ("rm x", "remove"),
        ("uninstall x", "remove"),
        ("un x", "remove"),
        ("up x", "update"),
        ("udpate x", "update"),
        ("ddp", "dedupe"),
        ("find-dupes", "find-dupes"),
        ("prune", "prune"),
    ],
)
def test_commands_that_change_manifests_have_npm_s_other_names(words, command):
    line = parse(words.split())
    assert (line.command, line.words) == (command, words.split()[1:])


def test_flags_of_one_letter_may_stand_together():
    settings = parse(["add", "-DE", "x", "-w", "one"]).settings
    assert settings == {"save-dev": True, "save-exact": True, "workspace": ["one"]}


def test_flags_of_one_letter_may_stand_behind_the_words():
    line = parse(["remove", "x", "-g", "--no-save"])
    assert (line.words, line.settings) == (["x"], {"global": True, "save": False})
