"""The command line: which commands there are, and which words are settings.

Flags have npm's names. Every setting of npm may be given as ``--name value``, ``--name=value`` or, for switches,
``--name`` and ``--no-name``; settings that mean nothing to pmpipe (``--no-audit``, ``--no-fund``) are accepted, so that
a command line written for npm works.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import Any, NoReturn

import msgspec

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
    "-iwr": "--include-workspace-root",
    "-v": "--version",
    "-S": "--save",
    "-D": "--save-dev",
    "-O": "--save-optional",
    "-P": "--save-prod",
    "-E": "--save-exact",
    "-B": "--save-bundle",
    "-g": "--global",
    "-L": "--location",
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
    }.items()
    for alias in aliases.split()
}

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


class CommandLine(msgspec.Struct):
    """What was asked for.

    Attributes:
        command: ``ci``, ``install``, ``remove``, ``update``, ``dedupe``, ``find-dupes``, ``prune``, ``verify``,
            ``store`` or ``completion``; ``add`` is ``install``, as in npm.
        words: positional arguments behind the command.
        settings: flags by npm's setting names, for `pmpipe.config.Config.load`.
        repair: ``--repair`` was given.
        durable: ``--durable`` was given.
    """

    command: str
    words: list[str] = msgspec.field(default_factory=list)
    settings: dict[str, Any] = msgspec.field(default_factory=dict)
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
    changing = [_add_changing(commands, *one) for one in _CHANGING]
    verify = commands.add_parser("verify", help="find files in node_modules that are missing or changed")
    install.add_argument("words", nargs="*", metavar="PACKAGE", help="packages to add; see add")
    for command in (ci, install, *changing):
        command.add_argument("--durable", action="store_true", help="flush the store to disk: survives a power cut")
    for command in (ci, verify):
        command.add_argument("words", nargs="*", help=argparse.SUPPRESS)
    store = commands.add_parser("store", help="look after the store of unpacked packages")
    store.add_argument("words", nargs="*", metavar="path|verify|prune", help="print its path, check it, clean it")
    completion = commands.add_parser("completion", help="print a completion script for a shell")
    completion.add_argument("words", nargs="*", metavar="SHELL")
    for command in (ci, install, *changing, verify, store):
        group = command.add_argument_group("settings")
        for flag, value, text in _SHOWN:
            extra: dict[str, Any] = {"action": "store_true"} if value is None else {"metavar": value}
            group.add_argument(flag, help=text, default=argparse.SUPPRESS, **extra)
    return parser


#: Name, help, and what the words of commands that change manifests are.
_CHANGING = (
    ("add", "depend on packages: name, name@range, alias@npm:name, folder, tarball, URL, repository", "PACKAGE"),
    ("remove", "depend on packages no longer (aliases: uninstall, rm, r, un, unlink)", "NAME"),
    ("update", "take the newest versions that package.json allows, of some or all packages", "NAME"),
    ("dedupe", "have fewer copies of what is in the tree several times (alias: ddp)", ""),
    ("find-dupes", "say what dedupe would do", ""),
    ("prune", "remove what package.json does not ask for", ""),
)

_SAVING = (
    ("-D", "--save-dev", "save as a development dependency"),
    ("-O", "--save-optional", "save as an optional dependency"),
    ("-P", "--save-prod", "save as a dependency for production; the default for new ones"),
    ("--save-peer", "--save-peer", "save as a peer dependency"),
    ("-E", "--save-exact", "save the exact version instead of a range"),
    ("-B", "--save-bundle", "list it under bundleDependencies too"),
    ("--no-save", "--no-save", "do not change package.json and the lockfile"),
    ("-g", "--global", "install into the global prefix"),
)


def _add_changing(
    commands: argparse._SubParsersAction[_Parser], name: str, help_text: str, words: str
) -> argparse.ArgumentParser:
    parser = commands.add_parser(name, help=help_text)
    parser.add_argument("words", nargs="*", metavar=words or None, help=None if words else argparse.SUPPRESS)
    if name == "add":
        for short, flag, text in _SAVING:
            # settings have been taken out of the words; this is for the help
            flags = (flag,) if short == flag else (short, flag)
            parser.add_argument(*flags, help=text, action="store_true", default=argparse.SUPPRESS)
    parser.add_argument(
        "-w", "--workspace", metavar="NAME", help="change this workspace; may be repeated", default=argparse.SUPPRESS
    )
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
        "install" if found.command == "add" else found.command,
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
        if _is_combined(word):
            words[:0] = [f"-{letter}" for letter in word[1:]]
            continue
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


def _is_combined(word: str) -> bool:
    """Whether a word is several flags of one letter each: ``-DE``."""
    letters = word[1:]
    return word[:1] == "-" and len(letters) > 1 and word not in _SHORT and all(f"-{one}" in _SHORT for one in letters)


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
