"""The command line: which commands there are, and which words are settings.

Flags have npm's names. Every setting of npm may be given as ``--name value``, ``--name=value`` or, for switches,
``--name`` and ``--no-name``; settings that mean nothing to pmpipe (``--no-audit``, ``--no-fund``) are accepted, so that
a command line written for npm works.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, NoReturn

from pmpipe import __version__
from pmpipe.errors import UsageError
from pmpipe.npm.settings import OTHER_NPM_SETTINGS, OTHER_NPM_SWITCHES, SETTINGS

_SHORT = {
    "-C": "--prefix",
    "--dir": "--prefix",
    "--lockfile-only": "--package-lock-only",
    "-s": "--loglevel=silent",
    "--silent": "--loglevel=silent",
    "-q": "--loglevel=warn",
    "--quiet": "--loglevel=warn",
    "-d": "--loglevel=info",
    "-dd": "--loglevel=verbose",
    "-ddd": "--loglevel=silly",
    "--verbose": "--loglevel=verbose",
    "-f": "--force",
    "-w": "--workspace",
    "-ws": "--workspaces",
    "-v": "--version",
}

_ALIASES = {"clean-install": "ci", "ic": "ci", "install-clean": "ci", "isntall-clean": "ci", "i": "install"}

#: The settings that the help names; all others work as well.
_SHOWN = (
    ("--prefix", "DIR", "the project's folder (also --dir, -C); default: where package.json is, from here upwards"),
    ("--registry", "URL", "the registry of packages without a scope of their own"),
    ("--omit", "TYPE", "leave out dev, optional or peer dependencies; may be repeated"),
    ("--include", "TYPE", "install dev, optional or peer dependencies even if they are omitted elsewhere"),
    ("--ignore-scripts", None, "do not run lifecycle scripts (none are run yet)"),
    ("--offline", None, "do not use the network; a package that is not in the store is an error"),
    ("--prefer-offline", None, "use what is in the store without asking whether it is current"),
    ("--store-dir", "DIR", "where unpacked packages are kept; default: pmpipe in XDG_CACHE_HOME or ~/.cache"),
    ("--clone-method", "METHOD", "how files get from the store to node_modules: auto, reflink, hardlink or copy"),
    ("--package-lock-only", None, "write the lockfile, and do not touch node_modules (also --lockfile-only)"),
    ("--frozen-lockfile", None, "refuse to change the lockfile, as ci does; the default for install where CI is set"),
    ("--dry-run", None, "say what would be done, and change nothing"),
    ("--loglevel", "LEVEL", "silent, error, warn, notice, http, info, verbose or silly; -s is --loglevel=silent"),
    ("--json", None, "print one JSON document instead of a summary"),
)


@dataclass(slots=True)
class CommandLine:
    """What was asked for.

    Attributes:
        command: ``ci``, ``install``, ``verify``, ``store`` or ``completion``.
        words: positional arguments behind the command.
        settings: flags by npm's setting names, for `pmpipe.config.Config.load`.
        repair: ``--repair`` was given.
        durable: ``--durable`` was given.
    """

    command: str
    words: list[str] = field(default_factory=list)
    settings: dict[str, Any] = field(default_factory=dict)
    repair: bool = False
    durable: bool = False


class _Parser(argparse.ArgumentParser):
    def __init__(self, **options: Any) -> None:
        # a flag that is cut short would be taken for one that is only listed for the help, and do nothing
        super().__init__(allow_abbrev=False, **options)

    def error(self, message: str) -> NoReturn:
        raise UsageError(message, hint="`pmpipe --help` lists the commands and flags")


def make_parser() -> argparse.ArgumentParser:
    """The parser, for the help and for shell completion; settings are taken out before it sees the words."""
    parser = _Parser(
        prog="pmpipe",
        description="Installs npm projects, fast and truthfully.",
        epilog="Every setting of npm can be given as a flag, in an .npmrc, or as npm_config_* in the environment.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("-v", "--version", action="version", version=f"pmpipe {__version__}")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", parser_class=_Parser)
    ci = commands.add_parser("ci", help="remove node_modules and install exactly what the lockfile says")
    install = commands.add_parser("install", help="resolve what package.json asks for, and change node_modules to it")
    install.add_argument("--repair", action="store_true", help="find and restore every missing or changed file")
    verify = commands.add_parser("verify", help="find files in node_modules that are missing or changed")
    for command in (ci, install):
        command.add_argument("--durable", action="store_true", help="flush the store to disk: survives a power cut")
    for command in (ci, install, verify):
        command.add_argument("words", nargs="*", help=argparse.SUPPRESS)
    store = commands.add_parser("store", help="look after the store of unpacked packages")
    store.add_argument("words", nargs="*", metavar="path|verify|prune", help="print its path, check it, clean it")
    completion = commands.add_parser("completion", help="print a completion script for a shell")
    completion.add_argument("words", nargs="*", metavar="SHELL")
    for command in (ci, install, verify, store):
        group = command.add_argument_group("settings")
        for flag, value, text in _SHOWN:
            extra: dict[str, Any] = {"action": "store_true"} if value is None else {"metavar": value}
            group.add_argument(flag, help=text, default=argparse.SUPPRESS, **extra)
    return parser


def parse(arguments: Sequence[str]) -> CommandLine:
    """Read the command line.

    Args:
        arguments: without the program's name.

    Raises:
        UsageError: an unknown command or flag, or a flag without its value.
        SystemExit: after ``--help`` and ``--version``.
    """
    settings, rest = _take_settings(arguments)
    rest = [_ALIASES.get(word, word) if index == _first_word(rest) else word for index, word in enumerate(rest)]
    found = make_parser().parse_args(rest)
    if found.command is None:
        raise UsageError(
            "no command was given", hint="`pmpipe ci` installs from a lockfile; `pmpipe --help` tells more"
        )
    return CommandLine(
        found.command,
        list(getattr(found, "words", ())),
        settings,
        repair=getattr(found, "repair", False),
        durable=getattr(found, "durable", False),
    )


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
        flag, equals, value = word.partition("=")
        replaced = _SHORT.get(flag, flag)
        flag, given, preset = replaced.partition("=")
        name = flag.removeprefix("--")
        if given:
            _store(settings, name, preset)
        elif not flag.startswith("--") or not _is_setting(name):
            rest.append(word)
        elif equals:
            _store(settings, *_with_equals(name, value))
        else:
            _store(settings, *_without_equals(name, words))
    return settings, rest


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
        return name.removeprefix("no-"), False
    known = SETTINGS.get(name)
    if name in OTHER_NPM_SWITCHES or (known is not None and known.kind == "boolean"):
        if following and following[0] in ("true", "false"):
            return name, following.pop(0) == "true"
        return name, True
    if known is None and (not following or following[0].startswith("-")):
        return name, True
    if not following:
        raise UsageError(f"--{name} wants a value", hint=f"for example --{name}=…")
    return name, following.pop(0)


def _store(settings: dict[str, Any], name: str, value: Any) -> None:
    known = SETTINGS.get(name)
    if known is not None and known.many:
        settings.setdefault(name, []).append(value)
    else:
        settings[name] = value


def _is_setting(name: str) -> bool:
    if name == "version":
        return False  # to npm it is a setting
    return any(one in SETTINGS or one in OTHER_NPM_SETTINGS or ":" in one for one in (name, name.removeprefix("no-")))
