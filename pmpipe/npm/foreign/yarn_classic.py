"""Reading the yarn.lock of yarn 1, which npm heeds where a project has no lock of its own.

The format looks like YAML, but is none: an entry's head lists all requests that it answers, its fields stand indented
by two spaces below, the members of a field that is an object by four::

    a@^1.0.0, "a@>= 1.2":
      version "1.2.3"
      resolved "https://registry.example/a/-/a-1.2.3.tgz#<sha1>"
      integrity sha512-…
      dependencies:
        b "^2.0.0"

What is pinned is npm's choice: an address below the public registry, or below yarn's name for that, stands for the
version in its file's name, to be had from whatever registry is configured; any other address is fetched as it is. Two
things are kept that npm loses: versions of entries without an address, and commits of git dependencies.

Source: npm's ``@npmcli/arborist``, ``yarn-lock.js`` and ``shrinkwrap.js``.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

import msgspec

from pmpipe.errors import LockfileError
from pmpipe.npm.foreign.limits import checked_size
from pmpipe.npm.foreign.pins import Pin, PinCollector, Pins
from pmpipe.npm.semver import parse_version
from pmpipe.npm.specs.tarball_name import named_by_tarball
from pmpipe.npm.texts.json_text import conflict_in, without_bom

#: yarn's own name for the public registry: the same packages under another host
_YARNS_REGISTRY = re.compile(r"https?://registry\.yarnpkg\.[a-z]+/")
#: the commit in an archive's address, as yarn has it from GitHub, Bitbucket and GitLab
_ARCHIVED = re.compile(r"(?:/tar\.gz/|/get/|[?&]ref=)([0-9a-f]{40})(?:\.tar\.gz)?(?:#|$)")
#: a tarball's fragment is its sha1, which looks the same
_COMMIT = re.compile(r"(?<!\.tgz)(?<!\.tar\.gz)#([0-9a-f]{40})$")
_WORD = re.compile(r'"((?:[^"\\]|\\.)*)"|([^\s,:"][^\s,]*)')
_HINT = "restore yarn.lock from version control, or let yarn write it anew"


class YarnEntry(msgspec.Struct):
    """One entry: the requests that it answers (``name@spec``), and its fields that are no objects."""

    requests: tuple[str, ...]
    line: int
    fields: dict[str, str] = msgspec.field(default_factory=dict)


def parse_yarn_classic(data: bytes, file: str) -> list[YarnEntry]:
    """The entries of a yarn.lock of yarn 1, in their order.

    Args:
        data: the file's bytes; a byte order mark does not matter.
        file: the file's name for messages.

    Raises:
        LockfileError: a line is none that yarn would write, or the file is larger than any real one.
    """
    checked_size(data, file)
    try:
        return _entries(data, file)
    except LockfileError as error:
        conflict = conflict_in(without_bom(data), file)
        if conflict is None:
            raise
        raise LockfileError(f"cannot read {conflict.place}: {conflict.what}", hint=conflict.hint) from error


def _entries(data: bytes, file: str) -> list[YarnEntry]:
    entries: list[YarnEntry] = []
    in_object = False
    for number, line in _lines(data):
        if not line.startswith(" "):
            entries.append(YarnEntry(_requests(line, number, file), number))
            in_object = False
            continue
        indent = len(line) - len(line.lstrip(" "))
        if indent not in (2, 4) or not entries or (indent == 4 and not in_object):
            raise _unreadable(line, number, file)
        if indent == 2:
            in_object = line.endswith(":")
        if not in_object:
            key, value = _field(line, number, file)
            entries[-1].fields[key] = value
    return entries


def read_yarn_classic(data: bytes, file: str = "yarn.lock") -> Pins:
    """What a yarn.lock of yarn 1 keeps.

    Args:
        data: the file's bytes.
        file: the file's name for messages.

    Raises:
        LockfileError: see `parse_yarn_classic`.
    """
    collector = PinCollector(file)
    for entry in parse_yarn_classic(data, file):
        for request in entry.requests:
            at = request.find("@", 1)
            if at > 0:
                name, spec = request[:at], request[at + 1 :]
                pin = _pin(entry, name)
                if pin is not None:
                    collector.lock(name, spec, pin)
    return collector.pins()


# -- lines --------------------------------------------------------------------------------------------------------


def _lines(data: bytes) -> Iterator[tuple[int, str]]:
    text = without_bom(data).decode("utf-8", "replace")
    for number, line in enumerate(re.split(r"\r?\n", text), start=1):
        stripped = line.rstrip()
        if stripped and not stripped.lstrip().startswith("#"):
            yield number, stripped


def _requests(line: str, number: int, file: str) -> tuple[str, ...]:
    if not line.endswith(":"):
        raise _unreadable(line, number, file)
    head = line[:-1]
    words: list[str] = []
    position = 0
    while True:
        # unquoted requests may hold colons (git+https://…), so that the pattern for fields will not do
        if head.startswith('"', position):
            match = _WORD.match(head, position)
            if match is None:
                raise _unreadable(line, number, file)
            words.append(_unescaped(match[1]))
            position = match.end()
        else:
            end = head.find(",", position)
            end = len(head) if end < 0 else end
            words.append(head[position:end].strip())
            position = end
        if position >= len(head):
            break
        if head[position] != ",":
            raise _unreadable(line, number, file)
        position += 1
        while head.startswith(" ", position):
            position += 1
    if not all(words):
        raise _unreadable(line, number, file)
    return tuple(words)


def _field(line: str, number: int, file: str) -> tuple[str, str]:
    text = line.strip()
    key = _WORD.match(text)
    rest = text[key.end() :] if key is not None else ""
    if key is None or not rest.startswith(" "):
        raise _unreadable(line, number, file)
    value = rest.strip()
    quoted = _WORD.fullmatch(value) if value.startswith('"') else None
    if value.startswith('"') and quoted is None:
        raise _unreadable(line, number, file)
    name = key[1] if key[1] is not None else key[2]
    return _unescaped(name), _unescaped(quoted[1]) if quoted is not None else value


def _unescaped(text: str) -> str:
    return re.sub(r"\\(.)", r"\1", text) if "\\" in text else text


def _unreadable(line: str, number: int, file: str) -> LockfileError:
    from pmpipe.npm.texts.text import printable

    return LockfileError(
        f"cannot read {file}:{number}: this is no line of a yarn.lock", details=(printable(line, 120),), hint=_HINT
    )


# -- what an entry pins -------------------------------------------------------------------------------------------


def _pin(entry: YarnEntry, name: str) -> Pin | None:
    version = entry.fields.get("version", "")
    resolved, integrity = entry.fields.get("resolved", ""), entry.fields.get("integrity", "")
    address = resolved.partition("#")[0]
    commit = _ARCHIVED.search(resolved) or _COMMIT.search(resolved)
    if parse_version(version) is None:
        return None
    pin = Pin(version, resolved=address, integrity=integrity, commit=commit[1] if commit is not None else "")
    if not address.startswith(("http://", "https://")):
        return pin
    named = named_by_tarball(name, address) if _is_public(address) else None
    if named is None:
        return Pin(version, "", address, integrity, fetch_resolved=True, commit=pin.commit)
    return Pin(named.version, named.name, address, integrity)


def _is_public(address: str) -> bool:
    if _YARNS_REGISTRY.match(address):
        return True
    from pmpipe.npm.packages.registry import public_registry

    return address.partition("://")[2].startswith(public_registry().partition("://")[2])
