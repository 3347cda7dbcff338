"""The packages whose install scripts somebody can allow or deny, and what an ``allowScripts`` becomes by that.

Those that come in other packages' tarballs are none, nor are workspaces. A folder that a link leads to is one; its
scripts run without being allowed, but they can be denied.

Source: npm's ``lib/utils/allow-scripts-cmd.js``, and arborist's ``unreviewed-scripts.js`` and ``install-scripts.js``.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence

import msgspec

from pmpipe.errors import InvalidSpecError
from pmpipe.lifecycle.gate import ScriptGate
from pmpipe.npm.locks.lockfile import installed_name
from pmpipe.npm.scripts.lifecycle import DEPENDENCY_EVENTS, GYP_FILE, command_of
from pmpipe.npm.scripts.script_approval import name_key
from pmpipe.npm.scripts.script_source import ScriptSource, identify
from pmpipe.npm.semver import satisfies
from pmpipe.npm.specs.spec import parse_argument
from pmpipe.npm.specs.spec_types import RangeSpec, VersionSpec
from pmpipe.tree.wanted import WantedPackage, WantedTree
from stages.manifest_file import read_document

#: What a package is known to have scripts for that cannot be read.
_UNKNOWN = "(not known before it is installed)"


class Subject(msgspec.Struct, frozen=True):
    """One package, or the folder that links lead to.

    Attributes:
        names: what it can be called; it is shown by the first.
        version: as far as it is known; need not be vouched for.
        source: where it comes from.
        folder: absolute path of what is installed.
        has_install_script: the lockfile says so.
    """

    names: tuple[str, ...]
    version: str
    source: ScriptSource
    folder: str
    has_install_script: bool

    @property
    def label(self) -> str:
        """``name@version``."""
        return f"{self.names[0]}@{self.version}" if self.version else self.names[0]

    def commands(self) -> dict[str, str]:
        """Its install scripts, by event; empty if there are none."""
        has_gyp_file = os.path.isfile(f"{self.folder}/{GYP_FILE}")
        # what prepares itself is not noted in a lockfile
        is_source = bool(self.source.folders) or self.source.resolved.startswith("git")
        if not (self.has_install_script or has_gyp_file or is_source):
            return {}
        # what comes from a registry was prepared before it was published
        events = DEPENDENCY_EVENTS if self.source.name else (*DEPENDENCY_EVENTS, "prepare")
        document = read_document(self.folder)
        commands = {event: command_of(document, event, has_gyp_file=has_gyp_file) for event in events}
        found = {event: command for event, command in commands.items() if command}
        return found or ({"install": _UNKNOWN} if self.has_install_script else {})

    def is_called(self, name: str, version_range: str) -> bool:
        """Whether an argument means it.

        Args:
            name: of the argument.
            version_range: of the argument; empty for any version.
        """
        return name in self.names and (not version_range or satisfies(self.version, version_range))


def subjects(tree: WantedTree, project: str, gate: ScriptGate, home: str) -> list[Subject]:
    """All packages of a tree whose scripts can be allowed or denied, those with scripts or without.

    Args:
        tree: what is installed, or wanted.
        project: absolute path of the project.
        gate: tells where packages come from.
        home: absolute path of the user's home folder.
    """
    links: dict[str, list[WantedPackage]] = {}
    for package in tree.packages:
        target = package.link_target
        if target is not None and target != "." and target not in tree.workspaces:
            links.setdefault(target, []).append(package)
    found = list(_linked(links, gate))
    for package in tree.packages:
        if package.link_target is None and not package.in_bundle:
            source = gate.source(package)
            identity = identify(source, project, home)
            name, version = identity.name or installed_name(package.location), identity.version or package.version
            folder = f"{project}/{package.location}"
            found.append(Subject((name,), version, source, folder, package.has_install_script))
    return found


def _linked(links: Mapping[str, Sequence[WantedPackage]], gate: ScriptGate) -> Iterator[Subject]:
    for packages in links.values():
        sources = [gate.source(package) for package in packages]
        folder = sources[0].folders[0]
        version = read_document(folder).get("version")
        names = dict.fromkeys((os.path.basename(folder), *(installed_name(package.location) for package in packages)))
        source = ScriptSource(links=tuple(link for one in sources for link in one.links), folders=(folder,))
        yield Subject(tuple(names), version if isinstance(version, str) else "", source, folder, False)


def unreviewed(candidates: Iterable[Subject], gate: ScriptGate) -> dict[Subject, dict[str, str]]:
    """Those with scripts that nobody has allowed or denied, with their scripts by event."""
    undecided = [subject for subject in candidates if gate.verdict_on(subject.source) is None]
    with_commands = ((subject, subject.commands()) for subject in undecided)
    return {subject: commands for subject, commands in with_commands if commands}


def called(argument: str, candidates: Iterable[Subject], folder: str, home: str) -> list[Subject]:
    """Those that an argument of the command line means: a name, alone or with a version or range.

    Args:
        argument: for example ``sharp``, ``sharp@1.0.0``.
        candidates: from `subjects`.
        folder: absolute path of the project.
        home: absolute path of the user's home folder.
    """
    name, version_range = argument, ""
    try:
        spec = parse_argument(argument, folder, home=home or None)
    except InvalidSpecError:
        pass
    else:
        name = spec.name or argument
        if isinstance(spec, (VersionSpec, RangeSpec)) and spec.fetch_spec != "*":
            version_range = spec.fetch_spec
    return [subject for subject in candidates if subject.is_called(name, version_range)]


def grouped(chosen: Iterable[Subject], folder: str, home: str) -> dict[str, list[ScriptSource]]:
    """Those that are allowed and denied together, by their key; what nothing vouches for is left out.

    Args:
        chosen: some of `subjects`.
        folder: absolute path of the project.
        home: absolute path of the user's home folder.
    """
    groups: dict[str, list[ScriptSource]] = {}
    for subject in chosen:
        key = name_key(subject.source, folder, home)
        if key:
            groups.setdefault(key, []).append(subject.source)
    return groups
