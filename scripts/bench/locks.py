"""What a lockfile promises for this platform, in one shape for all tools, and what of it is in ``node_modules``.

An entry counts as promised if it fits the platform and is reached from the project by dependencies' names through
entries that fit. That is generous by a hair (names, not edges) and needs no tool's own resolution.
"""

from __future__ import annotations

import json
import os
import platform
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

DEPENDENCY_FIELDS = ("dependencies", "devDependencies", "optionalDependencies", "peerDependencies")
CPU = {"x86_64": "x64", "aarch64": "arm64", "armv7l": "arm", "i686": "ia32"}
TRAILING_COMMA = re.compile(r'("(?:[^"\\]|\\.)*")|,(?=\s*[}\]])')


class LockError(Exception):
    """A lockfile cannot be understood."""


@dataclass(frozen=True, slots=True)
class Host:
    """The platform in npm's words."""

    os: str
    cpu: str
    libc: str

    @classmethod
    def current(cls) -> Host:
        """This machine."""
        libc = "glibc" if platform.libc_ver()[0] == "glibc" else "musl"
        return cls(platform.system().lower(), CPU.get(platform.machine(), platform.machine()), libc)

    def fits(self, *, os: Sequence[str], cpu: Sequence[str], libc: Sequence[str]) -> bool:
        """Whether a package with these lists may be installed (an empty list fits, ``!x`` excludes x)."""
        return _allows(os, self.os) and _allows(cpu, self.cpu) and _allows(libc, self.libc)


def _allows(wanted: Sequence[str], actual: str) -> bool:
    if not wanted or list(wanted) == ["any"]:
        return True
    positive = [one for one in wanted if not one.startswith("!")]
    return f"!{actual}" not in wanted and (not positive or actual in positive)


@dataclass(frozen=True, slots=True)
class Locked:
    """One entry of a lockfile.

    Attributes:
        place: its folder below the project, or an empty string where the lock does not say (pnpm).
        needs: names of what it depends on in any way.
    """

    name: str
    version: str
    place: str
    needs: frozenset[str]
    fits: bool


@dataclass(frozen=True, slots=True)
class Lock:
    """A lockfile: its entries, and the names that the project itself asks for."""

    entries: tuple[Locked, ...]
    roots: frozenset[str]

    def promised(self) -> list[Locked]:
        """The entries that an install on this platform must bring."""
        by_name: dict[str, list[Locked]] = {}
        for entry in self.entries:
            by_name.setdefault(entry.name, []).append(entry)
        reached: set[str] = set()
        waiting = list(self.roots)
        promised: list[Locked] = []
        while waiting:
            name = waiting.pop()
            if name in reached:
                continue
            reached.add(name)
            for entry in by_name.get(name, ()):
                if entry.fits:
                    promised.append(entry)
                    waiting.extend(entry.needs)
        return promised


def read_lock(path: str, host: Host) -> Lock:
    """Read a package-lock.json, bun.lock or pnpm-lock.yaml.

    Raises:
        LockError: the file has an unknown name or shape.
    """
    readers = {"package-lock.json": _read_npm, "bun.lock": _read_bun, "pnpm-lock.yaml": _read_pnpm}
    reader = readers.get(os.path.basename(path))
    if reader is None:
        raise LockError(f"no lockfile that is known: {path}")
    with open(path, encoding="utf-8") as file:
        text = file.read()
    try:
        return reader(text, host)
    except (ValueError, KeyError, TypeError, IndexError, AttributeError) as error:
        raise LockError(f"{path} is not understood: {error!r}") from error


def missing_packages(lock: Lock, project: str) -> list[str]:
    """Promised entries that are not in the project's ``node_modules``, as "place" or "name@version"."""
    promised = lock.promised()
    missing = [
        entry.place
        for entry in promised
        if entry.place and not os.path.exists(os.path.join(project, entry.place, "package.json"))
    ]
    unplaced = {f"{entry.name}@{entry.version}" for entry in promised if not entry.place}
    if unplaced:
        missing.extend(sorted(unplaced - installed_packages(os.path.join(project, "node_modules"))))
    return missing


def installed_packages(node_modules: str) -> set[str]:
    """All "folder name@version" below a node_modules folder, nested ones included, dot folders not."""
    found: set[str] = set()
    waiting = [node_modules]
    while waiting:
        folder = waiting.pop()
        for name in os.listdir(folder) if os.path.isdir(folder) else ():
            if name.startswith("."):
                continue
            package = os.path.join(folder, name)
            names = [f"{name}/{one}" for one in os.listdir(package)] if name.startswith("@") else [name]
            for full_name in names:
                manifest_path = os.path.join(folder, full_name, "package.json")
                if os.path.exists(manifest_path):
                    with open(manifest_path, "rb") as file:
                        found.add(f"{full_name}@{json.load(file).get('version', '')}")
                waiting.append(os.path.join(folder, full_name, "node_modules"))
    return found


def _names(document: dict[str, Any]) -> frozenset[str]:
    return frozenset(name for field in DEPENDENCY_FIELDS for name in document.get(field) or ())


def _list(value: Any) -> list[str]:
    return [value] if isinstance(value, str) else list(value or ())


def _fits(document: dict[str, Any], host: Host) -> bool:
    return host.fits(os=_list(document.get("os")), cpu=_list(document.get("cpu")), libc=_list(document.get("libc")))


def _read_npm(text: str, host: Host) -> Lock:
    entries = []
    roots: set[str] = set()
    for place, entry in json.loads(text)["packages"].items():
        if "node_modules/" not in place:  # the root, workspaces, file: folders: their links are entries too
            roots |= _names(entry)
            continue
        name = place.rpartition("node_modules/")[2]
        entries.append(Locked(name, entry.get("version", ""), place, _names(entry), _fits(entry, host)))
    return Lock(tuple(entries), frozenset(roots))


def _read_bun(text: str, host: Host) -> Lock:
    document = json.loads(TRAILING_COMMA.sub(lambda match: match.group(1) or "", text))
    roots = frozenset[str]().union(*(_names(workspace) for workspace in document["workspaces"].values()))
    entries = []
    for key, value in document["packages"].items():
        names = _split_names(key)
        information: dict[str, Any] = next((one for one in value if isinstance(one, dict)), {})
        version = value[0].rpartition("@")[2]
        place = "node_modules/" + "/node_modules/".join(names)
        # what a package bundles comes in its tarball, as deep as it was packed: its place is not bun's to say
        if not information.get("bundled"):
            entries.append(Locked(names[-1], version, place, _names(information), _fits(information, host)))
    return Lock(tuple(entries), roots)


def _split_names(key: str) -> list[str]:
    """The packages in a bun key: "a/@s/b" -> a, @s/b."""
    return re.findall(r"@[^/]+/[^/]+|[^/]+", key)


def _read_pnpm(text: str, host: Host) -> Lock:
    sections = _pnpm_sections(text)
    needs: dict[str, set[str]] = {}
    for key, lines in sections["snapshots"].items():
        needs.setdefault(key.partition("(")[0], set()).update(_mapping_keys(lines, 6))
    entries = []
    for key, lines in sections["packages"].items():
        name, _, version = key.rpartition("@")
        lists = {field: _inline_list(lines, field) for field in ("os", "cpu", "libc")}
        fits = host.fits(os=lists["os"], cpu=lists["cpu"], libc=lists["libc"])
        entries.append(Locked(name, version, "", frozenset(needs.get(key, ())), fits))
    roots = {name for lines in sections["importers"].values() for name in _mapping_keys(lines, 6)}
    return Lock(tuple(entries), frozenset(roots))


def _pnpm_sections(text: str) -> dict[str, dict[str, list[str]]]:
    """Top-level sections -> entries (two spaces deep) -> their lines. pnpm's YAML is regular, no need for a parser."""
    sections: dict[str, dict[str, list[str]]] = {"importers": {}, "packages": {}, "snapshots": {}}
    section: dict[str, list[str]] = {}
    lines: list[str] = []
    for line in text.splitlines():
        if line and not line.startswith(" "):
            section = sections.setdefault(line.partition(":")[0], {})
        elif line.startswith("  ") and not line.startswith("   "):
            lines = section.setdefault(line.strip().removesuffix("{}").strip().removesuffix(":").strip("'\""), [])
        elif line.strip():
            lines.append(line)
    return sections


def _mapping_keys(lines: Iterable[str], indent: int) -> Iterable[str]:
    prefix = " " * indent
    for line in lines:
        if line.startswith(prefix) and line[indent] not in " -":
            yield line.strip().partition(": ")[0].removesuffix(":").strip("'\"")


def _inline_list(lines: Iterable[str], field: str) -> list[str]:
    for line in lines:
        key, _, value = line.strip().partition(": ")
        if key == field:
            return [one.strip().strip("'\"") for one in value.strip("[]").split(",")]
    return []
