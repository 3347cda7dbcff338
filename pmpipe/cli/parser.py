"""The command line as argparse knows it: for help, for shell completion, and to say what is wrong with a line."""

from __future__ import annotations

import argparse
from collections.abc import Iterable
from typing import Any, NoReturn

from pmpipe import __version__
from pmpipe.errors import UsageError

#: The settings that the help names; all others work as well.
_SHOWN = (
    ("--prefix", "DIR", "the project's folder (also --dir, -C); default: where package.json is, from here upwards"),
    ("--registry", "URL", "the registry of packages without a scope of their own"),
    ("--omit", "TYPE", "leave out dev, optional or peer dependencies; may be repeated"),
    ("--include", "TYPE", "install dev, optional or peer dependencies even if they are omitted elsewhere"),
    ("--ignore-scripts", None, "do not run lifecycle scripts"),
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
    ci = commands.add_parser(
        "ci",
        help="remove node_modules and install exactly what the lockfile says (aliases: clean-install, ic, "
        "install-clean)",
    )
    install = commands.add_parser(
        "install",
        help="resolve what package.json asks for, and change node_modules to it (aliases: i, in, ins, inst)",
    )
    install.add_argument("--repair", action="store_true", help="find and restore every missing or changed file")
    changing = [_add_changing(commands, *one) for one in _CHANGING]
    scripts = [_add_about_scripts(commands, *one) for one in _ABOUT_SCRIPTS]
    verify = commands.add_parser("verify", help="find files in node_modules that are missing or changed")
    install.add_argument("words", nargs="*", metavar="PACKAGE", help="packages to add; see add")
    for command in (ci, install, *changing):
        command.add_argument("--durable", action="store_true", help="flush the store to disk: survives a power cut")
    for command in (ci, verify):
        command.add_argument("words", nargs="*", help=argparse.SUPPRESS)
    for command in (ci, install, verify):
        _add_workspace(command, "only what this workspace needs; may be repeated")
    _add_flags(install, _SAVING)
    store = commands.add_parser("store", help="look after the store of unpacked packages")
    store.add_argument(
        "words",
        nargs="*",
        metavar="path|verify|prune",
        help="print its path, check it, take out what no project is linked to",
    )
    completion = commands.add_parser("completion", help="print a completion script for a shell")
    completion.add_argument("words", nargs="*", metavar="SHELL")
    for command in (ci, install, *changing, *scripts, verify, store):
        group = command.add_argument_group("settings")
        for flag, value, text in _SHOWN:
            extra: dict[str, Any] = {"action": "store_true"} if value is None else {"metavar": value}
            group.add_argument(flag, help=text, default=argparse.SUPPRESS, **extra)
    return parser


#: Name, help, and what the words of commands that change manifests are.
_CHANGING = (
    ("add", "depend on packages: name, name@range, alias@npm:name, folder, tarball, URL, repository", "PACKAGE"),
    ("remove", "depend on packages no longer (aliases: uninstall, rm, r, un, unlink)", "NAME"),
    (
        "update",
        "take the newest versions that package.json allows, of some or all packages (aliases: up, upgrade)",
        "NAME",
    ),
    ("dedupe", "have fewer copies of what is in the tree several times (alias: ddp)", ""),
    ("find-dupes", "say what dedupe would do", ""),
    ("prune", "remove what package.json does not ask for", ""),
)

#: Name, help, and what the words of commands about lifecycle scripts are.
_ABOUT_SCRIPTS = (
    (
        "install-scripts",
        "say whose install scripts may run: approve, deny, ls (what nobody has approved or denied), prune",
        "approve|deny|ls|prune",
    ),
    ("approve-scripts", "install-scripts approve; with --allow-scripts-pending, ls", "PACKAGE"),
    ("deny-scripts", "install-scripts deny", "PACKAGE"),
    ("rebuild", "run the scripts of what is installed once more, and link executables (alias: rb)", "PACKAGE"),
)

_DECIDING = (
    ("-a", "--all", "all packages that nobody has approved or denied"),
    ("--no-allow-scripts-pin", "--no-allow-scripts-pin", "approve all versions, not just those that are installed"),
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


def _add_about_scripts(
    commands: argparse._SubParsersAction[_Parser], name: str, help_text: str, words: str
) -> argparse.ArgumentParser:
    parser = commands.add_parser(name, help=help_text)
    parser.add_argument("words", nargs="*", metavar=words)
    if name != "rebuild":
        _add_flags(parser, _DECIDING)
    return parser


def _add_flags(parser: argparse.ArgumentParser, flags: Iterable[tuple[str, str, str]]) -> None:
    """List settings in the help of a command; they have been taken out of the words."""
    for short, flag, text in flags:
        names = (flag,) if short == flag else (short, flag)
        parser.add_argument(*names, help=text, action="store_true", default=argparse.SUPPRESS)


def _add_changing(
    commands: argparse._SubParsersAction[_Parser], name: str, help_text: str, words: str
) -> argparse.ArgumentParser:
    parser = commands.add_parser(name, help=help_text)
    parser.add_argument("words", nargs="*", metavar=words or None, help=None if words else argparse.SUPPRESS)
    if name == "add":
        _add_flags(parser, _SAVING)
    _add_workspace(parser, "change this workspace; may be repeated")
    return parser


def _add_workspace(parser: argparse.ArgumentParser, help_text: str) -> None:
    parser.add_argument("-w", "--workspace", metavar="NAME", help=help_text, default=argparse.SUPPRESS)
