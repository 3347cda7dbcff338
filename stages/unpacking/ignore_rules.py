"""The ignore rules of npm-packlist: npm's own lists, and how the rules of nested folders are asked.

Rules are those of .gitignore, but matched by minimatch and asked in the opposite direction: an entry is first put to
the rules of the outermost folder, and each folder below may change the verdict.

Source: npm-packlist 10, ignore-walk 8.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

import msgspec

from pmpipe.npm.semver.version import SPACES
from pmpipe.npm.texts.minimatch import Pattern, compile_pattern

MANIFEST = "package.json"
NPMIGNORE = ".npmignore"
GITIGNORE = ".gitignore"
#: Places in the order of rules for npm's own lists.
DEFAULTS = "defaults"
STRICT = "strict"

DEFAULT_RULES = (
    ".npmignore",
    ".gitignore",
    "**/.git",
    "**/.svn",
    "**/.hg",
    "**/CVS",
    "**/.git/**",
    "**/.svn/**",
    "**/.hg/**",
    "**/CVS/**",
    "/.lock-wscript",
    "/.wafpickle-*",
    "/build/config.gypi",
    "npm-debug.log",
    "**/.npmrc",
    ".*.swp",
    ".DS_Store",
    "**/.DS_Store/**",
    "._*",
    "**/._*/**",
    "*.orig",
    "/archived-packages/**",
)
STRICT_RULES = ("/.git",)
STRICT_PACKAGE_RULES = (
    *STRICT_RULES,
    "!/package.json",
    "!/readme{,.*[^~$]}",
    "!/copying{,.*[^~$]}",
    "!/license{,.*[^~$]}",
    "!/licence{,.*[^~$]}",
    "/.git",
    "/node_modules",
    ".npmrc",
    "/package-lock.json",
    "/yarn.lock",
    "/pnpm-lock.yaml",
    "/bun.lockb",
)

_LINE_END = re.compile("\r?\n")


class RuledFolder(msgspec.Struct):
    """A folder on the way, with its rules.

    Attributes:
        path: relative to the root of the walk, empty or with a slash at its end.
        name: the last segment.
        parent: the folder whose rules are asked first, None for a package's own folder.
        order: whose rules are asked here.
        exact: a rule above names this folder, so its files need not pass the rules above on their own.
        required: files in it that a ``files`` above names.
        rules: by the names in `order`.
    """

    path: str
    name: str
    parent: RuledFolder | None
    order: Sequence[str]
    exact: bool = False
    required: list[str] = msgspec.field(default_factory=list)
    rules: dict[str, Sequence[Pattern]] = msgspec.field(default_factory=dict)

    def takes(self, entry: str, *, partial: bool = False, base: str = "") -> bool:
        """Whether an entry passes the rules of this folder and of those above.

        Args:
            entry: its path relative to this folder; with a slash at its end it is asked for as a folder.
            partial: whether something below the entry may pass.
            base: the entry's own name, when a folder below asks.
        """
        included = True
        if self.parent is not None:
            included = self.parent.takes(f"{self.name}/{entry}", partial=partial, base=base or entry)
            if not included and not self.exact:
                return False
        for name in self.order:
            for rule in self.rules.get(name, ()):
                # a rule can only turn the verdict round
                if rule.negated != included and _applies(rule, entry, base, partial=partial):
                    included = rule.negated
        return included


def _applies(rule: Pattern, entry: str, base: str, *, partial: bool) -> bool:
    if rule.path is None:
        # only the last segment counts, in whichever way the path is written
        return rule.matches(entry)
    if rule.matches(f"/{entry}") or rule.matches(entry):
        return True
    return partial and (
        _applies_to_folder(rule, entry) or (bool(base) and rule.is_relative and _applies_to_folder(rule, base))
    )


def _applies_to_folder(rule: Pattern, entry: str) -> bool:
    if rule.matches(f"/{entry}/") or rule.matches(f"{entry}/"):
        return True
    return rule.negated and (rule.may_match_below(f"/{entry}") or rule.may_match_below(entry))


def compile_rules(lines: Iterable[str]) -> list[Pattern]:
    """The patterns of these lines, without comments and empty ones."""
    # a byte order mark is among JavaScript's spaces
    texts = (line.strip(SPACES) for line in lines)
    return [compile_pattern(text) for text in texts if text and not text.startswith("#")]


def read_rules(content: bytes) -> list[Pattern]:
    """The patterns of an ignore file."""
    return compile_rules(_LINE_END.split(content.decode("utf-8", "replace")))
