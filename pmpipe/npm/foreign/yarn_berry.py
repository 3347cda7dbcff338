"""Reading the yarn.lock of yarn 2 and later ("berry"), which is YAML.

An entry's key lists all requests that it answers: ``"a@npm:^1.0.0, a@npm:^1.1.0"``; ``resolution`` says what it is.
Every request stands there, so each is pinned by its spec. Peers are none: for what they ask for, the locked version
with the most dependents is preferred among those that satisfy, or they would bring in a newer one that then serves all.
The checksums are those of yarn's own archives, not of tarballs, and are of no use here.

Patches (``patch:``) are lost: npm does not know them. What is patched has its own entry, to which no request leads
if ``resolutions`` ask for the patch; so all versions of the lock are known. Of packages that yarn itself patches
(``builtin<compat/resolve>``), yarn 2 writes the requests without ``npm:``.

Source: yarn's own locks, versions 3 to 10.
"""

from __future__ import annotations

import re
from typing import Any

from pmpipe.errors import LockfileError
from pmpipe.npm.foreign.fields import mapping, text_field
from pmpipe.npm.foreign.pins import Pin, PinCollector, Pins
from pmpipe.npm.foreign.plain_yaml import read_plain_yaml
from pmpipe.npm.semver import parse_version

_REGISTRY = "npm:"
_METADATA = "__metadata"
_COMMIT = re.compile(r"[#&]commit=([0-9a-f]{40})(?:&|$)")
_HINT = "restore yarn.lock from version control, or let yarn write it anew"


def is_yarn_berry(data: bytes) -> bool:
    """Whether a yarn.lock is of yarn 2 or later."""
    return re.search(rb'^"?__metadata"?:', data, re.MULTILINE) is not None


def read_yarn_berry(data: bytes, file: str = "yarn.lock") -> Pins:
    """What a yarn.lock of yarn 2 or later keeps.

    Args:
        data: the file's bytes.
        file: the file's name for messages.

    Raises:
        LockfileError: it is no YAML, no mapping, or has entries, none of which can be read.
    """
    document = _document(data, file)
    collector = PinCollector(file)
    for requests, entry in document.items():
        for request in requests.split(", "):
            at = request.find("@", 1)
            if at > 0:
                _lock(collector, request[:at], request[at + 1 :], entry)
    for entry in document.values():
        for name, spec in mapping(entry, "dependencies").items():
            if isinstance(spec, str):
                collector.use_locked(name, _without_registry(spec))
    for entry in document.values():
        package = _package(entry)
        if package is not None:
            collector.know(package[0], Pin(package[1]))
    return collector.pins()


def _document(data: bytes, file: str) -> dict[str, Any]:
    documents = read_plain_yaml(data, file, _HINT)
    document = documents[0] if documents else None
    if not isinstance(document, dict):
        raise LockfileError(f"cannot use {file}: it must be a mapping", hint=_HINT)
    entries = [entry for key, entry in document.items() if key != _METADATA]
    if entries and not any(_name_and_reference(entry)[0] for entry in entries):
        # newer versions of yarn raise the number in __metadata, and have kept the format so far
        raise LockfileError(f"cannot use {file}: none of its {len(entries)} entries has a resolution", hint=_HINT)
    return document


def _without_registry(spec: str) -> str:
    wanted = spec.removeprefix(_REGISTRY)
    # a name in the range makes it an alias, whose spec has the protocol in package.json, too
    return spec if "@" in wanted.strip() else wanted


def _package(entry: Any) -> tuple[str, str] | None:
    """Name and version of an entry; None if it does not come from a registry."""
    name, locked = _name_and_reference(entry)
    version = text_field(entry, "version")
    return (name, version) if locked.startswith(_REGISTRY) and parse_version(version) is not None else None


def _name_and_reference(entry: Any) -> tuple[str, str]:
    resolution = text_field(entry, "resolution")
    at = resolution.find("@", 1)
    return (resolution[:at], resolution[at + 1 :]) if at > 0 else ("", "")


def _lock(collector: PinCollector, name: str, spec: str, entry: Any) -> None:
    package = _package(entry)
    if package is not None:
        real_name, version = package
        collector.lock(name, _without_registry(spec), Pin(version, "" if real_name == name else real_name))
        return
    commit = _COMMIT.search(_name_and_reference(entry)[1])
    if commit is not None:
        collector.lock(name, spec, Pin("", commit=commit[1]))
