"""Which packages' scripts may run: those that package.json or an .npmrc allows, and the project's own folders'.

npm runs what nobody has denied, and warns; here only what is allowed runs. Everything else is npm's: the field
``allowScripts``, the setting ``allow-scripts``, ``strict-allow-scripts`` and ``dangerously-allow-all-scripts``, and how
a name in them is matched (`pmpipe.npm.scripts.script_policy`).

Source: npm's ``lib/utils/resolve-allow-scripts.js`` and ``strict-allow-scripts-preflight.js``.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping
from functools import cached_property
from typing import TYPE_CHECKING

import msgspec

from pmpipe.errors import ScriptError
from pmpipe.lifecycle.folders import has_link_scripts, is_own
from pmpipe.lifecycle.unrun import Unrun, Waiting
from pmpipe.npm.locks.package_path import PackagePath
from pmpipe.npm.texts.json_text import without_bom
from pmpipe.npm.texts.text import plural
from pmpipe.tree.sources import as_prepared, git_key

if TYPE_CHECKING:
    # most projects say nothing about scripts, and pay for none of this
    from pmpipe.npm.scripts.script_policy import ScriptPolicy, ScriptSource
    from pmpipe.session import Session
    from pmpipe.settings.config import Config
    from pmpipe.tree.wanted import WantedPackage, WantedTree


class ScriptGate:
    """The policy of one run.

    Args:
        config: all settings.
        manifest: the text of the project's package.json; empty for global packages, which have none.
        project: absolute path of the project.
        home: the user's.
        from_registry: called if it must be known which locations registries were asked for.

    Attributes:
        warnings: entries of the policy that cannot be used, one line each.
        how_to_allow: what to do about scripts that may not run.

    Raises:
        ScriptError: packages are allowed on the command line, which is for global packages only.
    """

    def __init__(
        self,
        config: Config,
        manifest: bytes,
        project: str,
        home: str,
        from_registry: Callable[[], frozenset[PackagePath]],
    ) -> None:
        self.allows_all = config.dangerously_allow_all_scripts
        self._project = project
        self._from_registry = from_registry
        is_global = bool(config.settings["global"]) or config.settings["location"] == "global"
        self.how_to_allow = _HOW_TO_ALLOW_GLOBALLY if is_global else _HOW_TO_ALLOW
        if config.allow_scripts_now and not is_global:
            raise ScriptError(
                "--allow-scripts (or npm_config_allow_scripts) is for global packages only",
                hint='in a project, name the packages under "allowScripts" in package.json, or in .npmrc',
            )
        self.warnings: list[str] = []
        self._policy: ScriptPolicy | None = None
        allowed = {} if is_global else _allow_scripts(manifest)
        if allowed or config.allow_scripts or config.allow_scripts_now:
            self._policy, self.warnings = _policy(config, allowed, project, home)

    @classmethod
    def of(cls, session: Session) -> ScriptGate:
        """The policy for a project, or for what is installed globally."""

        def from_registry() -> frozenset[PackagePath]:
            from pmpipe.npm.locks.lock_origin import from_registry

            return from_registry(session.locked.graph)

        home = session.environ.get("HOME", "")
        return cls(session.config, session.root_manifest(), session.folder, home, from_registry)

    @property
    def says_nothing(self) -> bool:
        """No package is allowed or denied."""
        return self._policy is None and not self.allows_all

    @property
    def key(self) -> str:
        """The same for policies that decide alike."""
        entries = sorted(self._policy.entries.items()) if self._policy is not None else []
        return msgspec.json.encode([self.allows_all, entries]).decode()

    @cached_property
    def _registry_locations(self) -> frozenset[PackagePath]:
        return self._from_registry()

    def verdict(self, package: WantedPackage) -> bool | None:
        """Whether a package's scripts may run: True, False if somebody has denied it, None if nobody has said."""
        if package.in_bundle or self.says_nothing:
            return self.allows_all or None
        return self.verdict_on(self.source(package))

    def verdict_on(self, source: ScriptSource) -> bool | None:
        """The same for what comes from somewhere."""
        if self.allows_all:
            return True
        return self._policy.verdict(source) if self._policy is not None else None

    def source(self, package: WantedPackage) -> ScriptSource:
        """Where a package comes from, for the policy."""
        from pmpipe.npm.scripts.script_policy import ScriptSource

        if package.link_target is not None:
            folder = os.path.normpath(f"{self._project}/{package.link_target}")
            start = os.path.dirname(f"{self._project}/{package.location}")
            return ScriptSource(links=(f"file:{os.path.relpath(folder, start)}",), folders=(folder,))
        is_asked = package.location in self._registry_locations
        return ScriptSource(
            name=package.name if is_asked else "",
            version=package.version if is_asked else "",
            resolved=package.resolved,
            file=self._file(package.resolved),
            in_bundle=package.in_bundle,
        )

    def _file(self, resolved: str) -> str:
        scheme, _, path = resolved.partition(":")
        return os.path.normpath(os.path.join(self._project, path)) if scheme == "file" else ""

    def with_prepared(self, tree: WantedTree, config: Config, environ: Mapping[str, str]) -> WantedTree:
        """The same tree, with the packages from git marked that are to make by their scripts what they consist of."""
        if config.ignore_scripts or self.says_nothing or not any(git_key(one.resolved) for one in tree.packages):
            return tree
        # one that needs itself to prepare itself is taken as it is
        under_way = environ.get(PREPARED, "").split("\n")

        def marked(package: WantedPackage) -> WantedPackage:
            if package.in_bundle or not git_key(package.resolved) or package.resolved in under_way:
                return package
            return as_prepared(package) if self.verdict(package) else package

        return msgspec.structs.replace(tree, packages=tuple(map(marked, tree.packages)))

    def require_reviewed(self, tree: WantedTree, config: Config) -> None:
        """Under ``strict-allow-scripts``, refuse a tree with scripts that nobody has allowed or denied.

        Raises:
            ScriptError: there are some.
        """
        if not config.strict_allow_scripts or config.ignore_scripts:
            return
        unreviewed = list(dict.fromkeys(package.label for package in unreviewed_packages(tree, self)))
        if unreviewed:
            raise ScriptError(
                f"strict-allow-scripts: nobody has allowed or denied the install scripts of "
                f"{plural(len(unreviewed), 'package')}",
                details=unreviewed,
                hint=self.how_to_allow,
            )


#: Variable that names the packages from git that are being prepared, one a line: the project is not the user's then.
PREPARED = "PMPIPE_PREPARES"

_HOW_TO_ALLOW = (
    '`pmpipe install-scripts approve NAME` (or "allowScripts" in package.json: {"NAME": true}) lets them run, '
    "`deny` or false says that they are not needed"
)

_HOW_TO_ALLOW_GLOBALLY = "--allow-scripts=NAME lets them run this time, `allow-scripts=NAME` in your own .npmrc always"


def unreviewed_packages(tree: WantedTree, gate: ScriptGate) -> list[WantedPackage]:
    """The packages with install scripts that nobody has allowed or denied. Bundled ones cannot be."""
    candidates = [one for one in tree.packages if one.has_install_script and not one.in_bundle]
    return [package for package in candidates if gate.verdict(package) is None]


def built_packages(tree: WantedTree, gate: ScriptGate, waiting: Waiting) -> frozenset[PackagePath]:
    """The packages whose scripts have run, for all that is known, and may have changed their files."""
    if gate.says_nothing:
        return frozenset()
    candidates = [one for one in tree.packages if one.has_install_script and Unrun.of(one) not in waiting.packages]
    return frozenset(package.location for package in candidates if gate.verdict(package))


def linked_folders(tree: WantedTree, project: str, gate: ScriptGate) -> Iterable[tuple[WantedPackage, str]]:
    """The links whose folders are the user's own, and have scripts that may run; with the folders' absolute paths."""
    seen: set[str] = set()
    for package in tree.packages:
        if package.link_target is None:
            continue
        folder = os.path.normpath(f"{project}/{package.link_target}")
        if folder not in seen and is_own(package.holder, package.link_target):
            seen.add(folder)
            if has_link_scripts(folder) and gate.verdict(package) is not False:
                yield package, folder


def _policy(
    config: Config, allowed: Mapping[str, object], project: str, home: str
) -> tuple[ScriptPolicy | None, list[str]]:
    """The policy of the strongest place that has one that can be used, and what is to be said about all of them.

    Args:
        config: all settings.
        allowed: what package.json says.
        project: absolute path of the project.
        home: the user's.
    """
    from pmpipe.npm.scripts.script_policy import ScriptPolicy, checked_entries, entries_of_list

    places: list[tuple[str, Mapping[str, object]]] = [
        ("the command line", entries_of_list(config.allow_scripts_now)),
        ("package.json", allowed),
        (".npmrc", entries_of_list(config.allow_scripts)),
    ]
    chosen: ScriptPolicy | None = None
    chosen_place = ""
    warnings: list[str] = []
    for place, given in places:
        entries, problems = checked_entries(given, place, project, home)
        warnings += problems
        if entries is None:
            continue
        if chosen is None:
            chosen, chosen_place = ScriptPolicy(entries, project, home), place
        else:
            warnings.append(f"allow-scripts of {place} is passed over: {chosen_place} says what is allowed")
    return (chosen if chosen is not None and chosen.entries else None), warnings


def _allow_scripts(manifest: bytes) -> Mapping[str, object]:
    try:
        document = msgspec.json.decode(without_bom(manifest))
    except (ValueError, RecursionError):
        return {}
    field = document.get("allowScripts") if isinstance(document, dict) else None
    return field if isinstance(field, dict) else {}
