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

#: Of these settings, those that the help of a command leaves out, since it does not heed them.
_UNHEEDED = {
    "ci": ("--frozen-lockfile",),
    **dict.fromkeys(
        ("install-scripts", "approve-scripts", "deny-scripts"),
        ("--registry", "--offline", "--prefer-offline", "--clone-method", "--package-lock-only", "--frozen-lockfile"),
    ),
    "rebuild": ("--registry", "--offline", "--prefer-offline", "--package-lock-only", "--frozen-lockfile"),
}
#: Of commands that heed few of them, those.
_HEEDED = {
    "verify": ("--prefix", "--omit", "--include", "--store-dir", "--loglevel", "--json"),
    "store": ("--store-dir", "--dry-run", "--loglevel", "--json"),
}


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
    ci = _add_command(
        commands,
        "ci",
        "remove node_modules and install exactly what the lockfile says (aliases: clean-install, ic, install-clean)",
    )
    install = _add_command(
        commands,
        "install",
        "resolve what package.json asks for, and change node_modules to it (aliases: i, in, ins, inst)",
    )
    install.add_argument("--repair", action="store_true", help="find and restore every missing or changed file")
    changing = [_add_changing(commands, *one) for one in _CHANGING]
    for one in _ABOUT_SCRIPTS:
        _add_about_scripts(commands, *one)
    verify = _add_command(commands, "verify", "find files in node_modules that are missing or changed")
    install.add_argument("words", nargs="*", metavar="PACKAGE", help=f"to depend on as well: {_SPECS}")
    for command in (ci, install, *changing):
        command.add_argument("--durable", action="store_true", help="flush the store to disk: survives a power cut")
    for command in (ci, verify):
        command.add_argument("words", nargs="*", help=argparse.SUPPRESS)
    for command in (ci, install, verify):
        _add_workspace(command, "only what this workspace needs; may be repeated")
    _add_flags(install, _SAVING)
    store = _add_command(commands, "store", "look after the store of unpacked packages")
    store.add_argument(
        "words",
        nargs="*",
        metavar="path|verify|prune",
        help="print its path, check it, take out what no project is linked to",
    )
    completion = _add_command(commands, "completion", "print a completion script for a shell")
    completion.add_argument("words", nargs="*", metavar="SHELL", help="bash, zsh, tcsh, …")
    for name, command in commands.choices.items():
        if name != "completion":
            _add_settings(command, name)
    return parser


def _add_settings(parser: argparse.ArgumentParser, name: str) -> None:
    """List the settings that a command heeds; all have been taken out of the words."""
    group = parser.add_argument_group("settings")
    heeded = _HEEDED.get(name, [flag for flag, _, _ in _SHOWN if flag not in _UNHEEDED.get(name, ())])
    for flag, value, text in _SHOWN:
        if flag in heeded:
            extra: dict[str, Any] = {"action": "store_true"} if value is None else {"metavar": value}
            group.add_argument(flag, help=text, default=argparse.SUPPRESS, **extra)


#: What may be depended on.
_SPECS = "name, name@range, alias@npm:name, folder, tarball, URL, repository"

#: Name and help of commands that change manifests, what their words are, and the help for those.
_CHANGING = (
    ("add", f"depend on packages: {_SPECS}", "PACKAGE", "of a name alone, the latest version"),
    ("remove", "depend on packages no longer (aliases: uninstall, rm, r, un, unlink)", "NAME", "as in package.json"),
    (
        "update",
        "take the newest versions that package.json allows, of some or all packages (aliases: up, upgrade)",
        "NAME",
        "of packages anywhere in the tree; all of them unless one is named",
    ),
    ("dedupe", "have fewer copies of what is in the tree several times (alias: ddp)", "", ""),
    ("find-dupes", "say what dedupe would do", "", ""),
    ("prune", "remove what package.json does not ask for", "", ""),
)

#: Name and help of commands about lifecycle scripts, what their words are, and the help for those.
_ABOUT_SCRIPTS = (
    (
        "install-scripts",
        "say whose install scripts may run: approve, deny, ls (what nobody has approved or denied), prune",
        "approve|deny|ls|prune",
        "and the names of packages, as in `install-scripts approve esbuild`",
    ),
    ("approve-scripts", "install-scripts approve; with --allow-scripts-pending, ls", "PACKAGE", "whose may run"),
    ("deny-scripts", "install-scripts deny", "PACKAGE", "whose are not needed"),
    (
        "rebuild",
        "run the scripts of what is installed once more, and link executables (alias: rb)",
        "PACKAGE",
        "name or name@range; all unless one is named",
    ),
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


def _add_command(commands: argparse._SubParsersAction[_Parser], name: str, help_text: str) -> argparse.ArgumentParser:
    """A command that tells the same in the list of all and in its own help."""
    return commands.add_parser(name, help=help_text, description=f"{help_text[0].upper()}{help_text[1:]}.")


def _add_about_scripts(
    commands: argparse._SubParsersAction[_Parser], name: str, help_text: str, words: str, words_help: str
) -> None:
    parser = _add_command(commands, name, help_text)
    parser.add_argument("words", nargs="*", metavar=words, help=words_help)
    if name != "rebuild":
        _add_flags(parser, _DECIDING)


def _add_flags(parser: argparse.ArgumentParser, flags: Iterable[tuple[str, str, str]]) -> None:
    """List settings in the help of a command; they have been taken out of the words."""
    for short, flag, text in flags:
        names = (flag,) if short == flag else (short, flag)
        parser.add_argument(*names, help=text, action="store_true", default=argparse.SUPPRESS)


def _add_changing(
    commands: argparse._SubParsersAction[_Parser], name: str, help_text: str, words: str, words_help: str
) -> argparse.ArgumentParser:
    parser = _add_command(commands, name, help_text)
    parser.add_argument("words", nargs="*", metavar=words or None, help=words_help or argparse.SUPPRESS)
    if name == "add":
        _add_flags(parser, _SAVING)
    _add_workspace(parser, "change this workspace; may be repeated")
    return parser


def _add_workspace(parser: argparse.ArgumentParser, help_text: str) -> None:
    parser.add_argument("-w", "--workspace", metavar="NAME", help=help_text, default=argparse.SUPPRESS)
