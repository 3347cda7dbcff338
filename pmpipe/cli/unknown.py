"""What to say of a word that is no command, and of a flag that is none: what may have been meant."""

from __future__ import annotations

import difflib
from collections.abc import Collection, Iterable

from pmpipe.errors import UsageError
from pmpipe.npm.config.settings import OTHER_NPM_SETTINGS, SETTINGS
from pmpipe.npm.specs.shown import shown

_OTHER_COMMANDS = (
    "access add-user adduser audit author bin bugs c cache config create deprecate diff dist-tag dist-tags docs "
    "doctor edit exec explain explore find fund get help-search hlep home info init innit issues la link list ll ln "
    "login logout ls ogr org outdated owner pack patch ping pkg prefix profile publish query repo restart root run "
    "run-script rum s sbom se search set show shrinkwrap stage star stars start stop t team test token trust tst "
    "undeprecate unpublish unstar urn v verison version view whoami why x"
)
#: npm's commands that pmpipe has not, with npm's other words for them.
_NPM_COMMANDS = frozenset(_OTHER_COMMANDS.split())

#: Those that install and then test.
_AND_TEST = {
    **dict.fromkeys(("install-test", "it"), "install"),
    **dict.fromkeys(("install-ci-test", "clean-install-test", "cit", "sit"), "ci"),
}

#: What is said of npm's cache, of its other program, and of commands of pnpm, yarn and bun.
_COMMANDS_OF_OTHERS = {
    "cache": "the store takes its place: `pmpipe store prune` removes what no project is linked to",
    **dict.fromkeys(("npx", "dlx", "bunx"), "`npx` works with what pmpipe has installed"),
    "approve-builds": "`pmpipe install-scripts approve` does that",
    "ignored-builds": "`pmpipe install-scripts ls` does that",
    "import": "`pmpipe install` keeps the versions in the locks of yarn, pnpm and bun",
}

_APPROVE = "`pmpipe install-scripts approve NAME`"

#: Flags of pnpm, yarn and bun: what there is in their place; empty if they can be left out.
_FLAGS_OF_OTHERS = {
    "F": "-w NAME",
    "T": "--save-prefix=~",
    "W": "",
    "allow-build": _APPROVE,
    "backend": "--clone-method",
    "cache-folder": "--store-dir",
    "check-files": "--repair",
    "child-concurrency": "",
    "concurrent-scripts": "",
    "dangerously-allow-all-builds": f"{_APPROVE} --all",
    "exact": "--save-exact",
    "filter": "-w NAME",
    "hoisted": "",
    "ignore-engines": "",
    "ignore-optional": "--omit=optional",
    "ignore-workspace": "--workspaces=false",
    "ignore-workspace-root-check": "",
    "immutable": "--frozen-lockfile",
    "latest": "`pmpipe add NAME@latest`",
    "linker": "",
    "mutex": "",
    "network-concurrency": "--maxsockets",
    "no-summary": "--loglevel=warn",
    "node-linker": "",
    "non-interactive": "",
    "peer": "--save-peer",
    "prefer-frozen-lockfile": "",
    "pure-lockfile": "--no-save",
    "r": "--workspaces",
    "recursive": "--workspaces",
    "reporter": "--loglevel or --json",
    "resolution-only": "--package-lock-only",
    "save-text-lockfile": "",
    "shamefully-hoist": "",
    "tilde": "--save-prefix=~",
    "trust": _APPROVE,
    "workspace-root": "",
    "yarn": "",
}

_LISTED = "`pmpipe --help` lists the commands and flags"
_MANY = 3


def unknown_command(word: str, known: Iterable[str]) -> UsageError:
    """The error for a command that there is not.

    Args:
        word: what stands in its place.
        known: the commands and npm's other words for them.
    """
    what = f"{shown(word)} is no command of pmpipe"
    if word in _AND_TEST:
        return UsageError(what, hint=f"`pmpipe {_AND_TEST[word]} && npm test` does the same")
    if word in _COMMANDS_OF_OTHERS:
        return UsageError(what, hint=_COMMANDS_OF_OTHERS[word])
    if word in _NPM_COMMANDS:
        return UsageError(what, hint=f"`npm {word}` works with what pmpipe has installed")
    near = difflib.get_close_matches(word, list(known), 1)
    return UsageError(what, hint=f"did you mean {near[0]}? {_LISTED}" if near else _LISTED)


def unknown_arguments(arguments: Collection[str], own: Iterable[str]) -> UsageError:
    """The error for flags that there are not, and for words where none may stand.

    Args:
        arguments: all of them.
        own: flags of some command that are no settings of npm, and those of one letter, with their dashes.
    """
    known = [*(f"--{name}" for name in (*SETTINGS, *OTHER_NPM_SETTINGS)), *own]
    what = f"unrecognized arguments: {' '.join(arguments)}"
    instead = [_instead(flag) for one in arguments if (flag := one.partition("=")[0]).lstrip("-") in _FLAGS_OF_OTHERS]
    if instead:
        return UsageError(what, hint=f"{'; '.join(instead)}; {_LISTED}")
    near = list(dict.fromkeys(flag for one in arguments for flag in _near_flags(one.partition("=")[0], known)))
    hint = f"did you mean {_either(near)}? {_LISTED}" if near else _LISTED
    return UsageError(what, hint=hint)


def _instead(flag: str) -> str:
    instead = _FLAGS_OF_OTHERS[flag.lstrip("-")]
    return f"use {instead} in place of {flag}" if instead else f"leave {flag} out"


def _near_flags(flag: str, known: Collection[str]) -> list[str]:
    if not flag.startswith("-"):
        return []
    if len(flag) == len("-x"):
        return [one for one in known if one == flag.swapcase()]
    bare = flag.lstrip("-").replace("_", "-").lower()
    negation, bare = ("no-", bare.removeprefix("no-")) if bare.startswith("no-") else ("", bare)
    longer = sorted(one for one in known if bare and one.startswith(f"--{bare}"))
    near = longer if 0 < len(longer) <= _MANY else difflib.get_close_matches(f"--{bare}", known, _MANY, 0.75)
    return [one.replace("--", f"--{negation}", 1) for one in near if one != flag]


def _either(words: Iterable[str]) -> str:
    *others, last = words
    return f"{', '.join(others)} or {last}" if others else last
