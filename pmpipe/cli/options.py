"""The command line: which commands there are, and which words are settings.

Flags have npm's names. Every setting of npm may be given as ``--name value``, ``--name=value`` or, for switches,
``--name`` and ``--no-name``; settings that mean nothing to pmpipe (``--no-audit``, ``--no-fund``) are accepted, so that
a command line written for npm works.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from typing import Any

import msgspec

from pmpipe.errors import UsageError
from pmpipe.npm.config.settings import OTHER_NPM_SETTINGS, OTHER_NPM_SWITCHES, SETTINGS, Setting

#: What stands for another flag, without the dashes: npm takes any number of them. Those that are not npm's are `dir`,
#: `cwd` (yarn, bun), `lockfile-only` and `no-lockfile` (pnpm): npm takes `cwd` for three letters, `no-lockfile` for
#: the beginning of `no-lockfile-version`.
_SHORT = {
    "C": "--prefix",
    "dir": "--prefix",
    "cwd": "--prefix",
    "lockfile-only": "--package-lock-only",
    "no-lockfile": "--no-package-lock",
    "s": "--loglevel=silent",
    "silent": "--loglevel=silent",
    "q": "--loglevel=warn",
    "quiet": "--loglevel=warn",
    "d": "--loglevel=info",
    "dd": "--loglevel=verbose",
    "ddd": "--loglevel=silly",
    "verbose": "--loglevel=verbose",
    "f": "--force",
    "w": "--workspace",
    "ws": "--workspaces",
    "iwr": "--include-workspace-root",
    "v": "--version",
    "versions": "--version",
    "H": "--help",
    "?": "--help",
    "usage": "--help",
    "S": "--save",
    "D": "--save-dev",
    "O": "--save-optional",
    "P": "--save-prod",
    "E": "--save-exact",
    "B": "--save-bundle",
    "g": "--global",
    "local": "--no-global",
    "L": "--location",
    "reg": "--registry",
    "enjoy-by": "--before",
    "readonly": "--read-only",
    "porcelain": "--parseable",
    "p": "--parseable",
    "desc": "--description",
    "a": "--all",
    "c": "--call",
    "l": "--long",
    "m": "--message",
    "n": "--no-yes",
    "no": "--no-yes",
    "y": "--yes",
}

#: npm's other words for a command; `add` has a help of its own.
_ALIASES = {
    alias: command
    for command, aliases in {
        "ci": "clean-install ic install-clean isntall-clean",
        "install": "i in ins inst insta instal isnt isnta isntal isntall",
        "remove": "uninstall rm r un unlink",
        "update": "up u upgrade udpate",
        "dedupe": "ddp",
        "rebuild": "rb",
    }.items()
    for alias in aliases.split()
}

#: Letters of the shortest beginning of a flag that stands for all of it.
_SHORTEST = 3

#: What npm takes for a flag where a text could stand.
_FLAG = re.compile(r"-{1,2}[^-]")

#: The commands, and those of their flags that are no settings.
_COMMANDS = {
    "ci": ("--durable",),
    "install": ("--durable", "--repair"),
    **dict.fromkeys(("add", "remove", "update", "dedupe", "find-dupes", "prune"), ("--durable",)),
    **dict.fromkeys(("install-scripts", "approve-scripts", "deny-scripts", "rebuild"), ()),
    **dict.fromkeys(("verify", "store", "completion"), ()),
}


class CommandLine(msgspec.Struct):
    """What was asked for.

    Attributes:
        command: one of ``_COMMANDS``, except that ``add`` is ``install``, as in npm.
        words: positional arguments behind the command.
        settings: flags by npm's setting names, for `pmpipe.settings.config.Config.load`.
        repair: ``--repair`` was given.
        durable: ``--durable`` was given.
    """

    command: str
    words: list[str] = msgspec.field(default_factory=list)
    settings: dict[str, Any] = msgspec.field(default_factory=dict)
    repair: bool = False
    durable: bool = False


def parse(arguments: Sequence[str]) -> CommandLine:
    """Read the command line.

    Args:
        arguments: without the program's name.

    Raises:
        UsageError: an unknown command or flag, or a flag without its value.
        SystemExit: after ``--help`` and ``--version``.
    """
    settings, rest = _take_settings(arguments)
    if rest and rest[0] in ("help", "-h", "--help"):
        rest = [*rest[1:2], "--help"]
    rest = [_ALIASES.get(word, word) if index == _first_word(rest) else word for index, word in enumerate(rest)]
    if not _is_plain(rest):
        return _parse_with_argparse(rest, settings)
    command, *following = rest
    words = [word for word in following if not word.startswith("-")]
    return _command_line(command, words, settings, {word for word in following if word.startswith("-")})


def _is_plain(words: Sequence[str]) -> bool:
    """Whether a line asks for no help and has no mistake: argparse, which tells, takes 8 ms to load and to set up."""
    own = _COMMANDS.get(words[0]) if words else None
    return own is not None and all(word in own for word in words[1:] if word.startswith("-"))


def _parse_with_argparse(words: Sequence[str], settings: dict[str, Any]) -> CommandLine:
    from pmpipe.cli.parser import make_parser
    from pmpipe.cli.unknown import unknown_arguments, unknown_command

    first = _first_word(words)
    if first >= 0 and words[first] not in _COMMANDS:
        raise unknown_command(words[first], (*_COMMANDS, *_ALIASES))
    # to npm, too, it does not matter which command it stands with
    found, unknown = make_parser().parse_known_args(["--version"] if "--version" in _flags_of(words) else words)
    if unknown:
        own = {flag for flags in _COMMANDS.values() for flag in flags}
        raise unknown_arguments(unknown, own.union(f"-{word}" for word in _SHORT if len(word) == 1))
    if found.command is None:
        raise UsageError(
            "no command was given", hint="`pmpipe ci` installs from a lockfile; `pmpipe --help` tells more"
        )
    own = {f"--{name}" for name in ("repair", "durable") if getattr(found, name, False)}
    return _command_line(found.command, list(getattr(found, "words", ())), settings, own)


def _command_line(command: str, words: list[str], settings: dict[str, Any], own: Collection[str]) -> CommandLine:
    return CommandLine(
        "install" if command == "add" else command,
        words,
        settings,
        repair="--repair" in own,
        durable="--durable" in own,
    )


def _flags_of(words: Sequence[str]) -> Sequence[str]:
    return words[: words.index("--")] if "--" in words else words


def _first_word(words: Sequence[str]) -> int:
    return next((index for index, word in enumerate(words) if not word.startswith("-")), -1)


def _take_settings(arguments: Sequence[str]) -> tuple[dict[str, Any], list[str]]:
    settings: dict[str, Any] = {}
    rest: list[str] = []
    words = list(arguments)
    while words:
        word = words.pop(0)
        if word == "--":
            rest += [word, *words]
            break
        if _is_combined(word):
            words[:0] = [f"-{letter}" for letter in word.lstrip("-")]
            continue
        flag, equals, value = word.partition("=")
        flag, given, preset = _written_out(flag).partition("=")
        name = flag.removeprefix("--")
        if given:
            _store(settings, name, preset)
        elif not flag.startswith("--") or not _is_setting(name):
            rest.append(f"{flag}{equals}{value}")
        elif equals:
            _store(settings, *_with_equals(name, value))
        else:
            _store(settings, *_without_equals(name, words))
    return settings, rest


def _written_out(flag: str) -> str:
    """The flag that a word stands for, with two dashes; any other word as it is. ``-save-dev`` is ``--save-dev``."""
    bare = flag.lstrip("-")
    if bare == flag or not bare:
        return flag
    if bare in _SHORT:
        return _SHORT[bare]
    if _is_setting(bare):
        return f"--{bare}"
    negation = "no-" if bare.startswith("no-") else ""
    whole = _begun(bare.removeprefix("no-"))
    return f"--{negation}{whole}" if whole else flag


def _begun(start: str) -> str:
    """The one setting whose name begins like this, else the one long word of `_SHORT`; empty if there is no such one.

    ``--prod`` is ``--production`` to npm, and in many a Dockerfile. It does so with one letter, too; that is a typo.
    """
    if len(start) < _SHORTEST:
        return ""
    for names in ((*SETTINGS, *OTHER_NPM_SETTINGS), _SHORT):
        found = [name for name in names if name.startswith(start)]
        if len(found) == 1:
            return _SHORT.get(found[0], found[0]).removeprefix("--")
    return ""


def _is_combined(word: str) -> bool:
    """Whether a word is several flags of one letter each: ``-DE``."""
    letters = word.lstrip("-")
    if letters == word or len(letters) < 2 or letters in _SHORT or _is_setting(letters):
        return False
    return all(one in _SHORT for one in letters)


def _with_equals(name: str, value: str) -> tuple[str, str]:
    """Name and value of a flag with its value; ``--no-audit=false`` is a double negation."""
    if _is_negated(name):
        return name.removeprefix("no-"), "true" if value == "false" else "false"
    return name, value


def _is_negated(name: str) -> bool:
    return name.startswith("no-") and name not in SETTINGS and name not in OTHER_NPM_SETTINGS and ":" not in name


def _without_equals(name: str, following: list[str]) -> tuple[str, Any]:
    """Name and value of a flag that stands alone; takes the value from the words that follow."""
    if _is_negated(name):
        return name.removeprefix("no-"), not _take_switch(following)
    known = SETTINGS.get(name)
    if name in OTHER_NPM_SWITCHES or (known is not None and known.kind == "boolean"):
        if known is not None and known.nullable and following[:1] == ["null"]:
            return name, following.pop(0)
        return name, _take_switch(following)
    if known is None and (not following or following[0].startswith("-")):
        return name, True
    if known is not None and _may_be_empty(known) and (not following or _FLAG.match(following[0])):
        return name, ""
    if not following:
        raise UsageError(f"--{name} wants a value", hint=f"for example --{name}=…")
    return name, following.pop(0)


def _take_switch(following: list[str]) -> bool:
    """What the word behind a switch makes of it: on, unless that is ``false``. Any other word is none of its."""
    return following.pop(0) == "true" if following and following[0] in ("true", "false") else True


def _may_be_empty(known: Setting) -> bool:
    """Whether it can be any text: a flag behind it is not its value then, as in ``--save-prefix --offline``."""
    return known.kind in ("text", "line") and not known.nullable and not known.many


def _store(settings: dict[str, Any], name: str, value: Any) -> None:
    known = SETTINGS.get(name)
    if known is not None and known.nullable and known.kind != "boolean" and value == "false":
        # to npm the same as --no-…
        value = False
    if known is not None and known.many:
        settings.setdefault(name, []).append(value)
    else:
        settings[name] = value


def _is_setting(name: str) -> bool:
    if name == "version":
        return False  # to npm it is a setting
    return any(one in SETTINGS or one in OTHER_NPM_SETTINGS or ":" in one for one in (name, name.removeprefix("no-")))
