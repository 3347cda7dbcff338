"""Writing ``node_modules/.package-lock.json``, the hidden lockfile from which npm knows an installed tree.

It is the project's lockfile (always of version 3) without the root's entry and without what was not installed. The
entries are copied as they stand in the lockfile, byte by byte, so that nothing that we do not know is lost; if npm
wrote the lock, the outcome is what npm itself writes. Only the ``resolved`` of some may have to go (`lock_origin`), and
``hasInstallScript`` may have to come: npm notes it of what node-gyp builds once that is there.
npm lays it out like package.json, whatever the lockfile's layout is (`in_layout_of`). `read_lockfile` reads it back.

Source: npm's ``@npmcli/arborist``, ``lib/shrinkwrap.js`` and the end of ``reify`` in ``lib/arborist/reify.js``.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from typing import Any, TypeVar

import msgspec

from pmpipe.npm.locks.lock_head import kept_members
from pmpipe.npm.locks.lockfile import raw_entries
from pmpipe.npm.locks.package_path import ROOT, PackagePath
from pmpipe.npm.texts.json_layout import JsonLayout, lock_layout_of
from pmpipe.npm.texts.json_text import without_bom

#: the line break and the indentation in front of the first key, as npm infers the formatting of a file
_FORMATTING = re.compile(rb"\s*\{((?:\r?\n)+)([ \t]*)")

#: What a lockfile has at its top that a hidden one keeps, unless another program has put something there.
_USUALLY_KEPT = frozenset(("name", "version"))

#: The keys that npm writes in front of ``integrity``.
_BEFORE_INTEGRITY = ("name", "version", "lockfileVersion", "resolved")

_Value = TypeVar("_Value")

_members = msgspec.json.Decoder(dict[str, msgspec.Raw])


def hidden_lockfile(
    lock: bytes,
    installed: Collection[PackagePath],
    unresolved: frozenset[PackagePath] = frozenset(),
    built: Collection[PackagePath] = (),
    anew: Mapping[PackagePath, msgspec.Raw] | None = None,
    digests: Mapping[PackagePath, str] | None = None,
) -> bytes:
    """The text of the hidden lockfile, in the formatting of the lockfile.

    Args:
        lock: the text of the lockfile that was installed, without byte order mark.
        installed: what the tree holds: packages, links, and the folders that links lead to (`Selection.listed`).
        unresolved: entries that lose their ``resolved``, see `pmpipe.npm.locks.lock_origin.from_registry`.
        built: entries that get ``hasInstallScript``.
        anew: texts that stand for those of the lockfile, laid out like it.
        digests: entries that get this ``integrity``.
    """
    entries = {path: raw for path, raw in raw_entries(lock).items() if path != ROOT and path in installed}
    entries.update((path, raw) for path, raw in (anew or {}).items() if path in entries)
    newline, indent = _formatting(lock)
    for path in unresolved.intersection(entries):
        members = _members.decode(entries[path])
        members.pop("resolved", None)
        entries[path] = _entry(members, newline, indent)
    for path, digest in (digests or {}).items():
        if path in entries:
            integrity = msgspec.Raw(msgspec.json.encode(digest))
            entries[path] = _entry(with_integrity(_members.decode(entries[path]), integrity), newline, indent)
    for path in entries.keys() & built:
        entries[path] = _entry(_with_install_script(_members.decode(entries[path])), newline, indent)
    return lockfile_of(lock, entries)


def in_layout_of(manifest: bytes, text: bytes) -> bytes:
    """The text of a hidden lockfile as npm lays it out: like package.json, even where the lockfile itself is not.

    Args:
        manifest: the project's package.json; empty if there is none.
        text: in the formatting of the lockfile.
    """
    if not manifest:
        return text
    layout = lock_layout_of(without_bom(manifest).decode("utf-8", "replace"))
    found = _FORMATTING.match(text)
    if found is not None and (found[1], found[2]) == (layout.newline.encode(), layout.indent.encode()):
        return text
    # loaded only here: hardly any lockfile is laid out otherwise
    from pmpipe.npm.locks.lock_writer import laid_out

    return laid_out(text, layout)


def with_integrity(entry: Mapping[str, _Value], digest: _Value) -> dict[str, _Value]:
    """An entry with another ``integrity``, where npm writes it."""
    before = {key: entry[key] for key in entry if key in _BEFORE_INTEGRITY}
    after = {key: value for key, value in entry.items() if key not in _BEFORE_INTEGRITY and key != "integrity"}
    return {**before, "integrity": digest, **after}


def _with_install_script(members: dict[str, msgspec.Raw]) -> dict[str, msgspec.Raw]:
    from pmpipe.npm.locks.lock_writer import keys_in_order

    members["hasInstallScript"] = msgspec.Raw(b"true")
    objects = {key for key, raw in members.items() if bytes(raw).startswith(b"{")}
    return {key: members[key] for key in keys_in_order(tuple(members), objects)}


def _entry(members: Mapping[str, msgspec.Raw], newline: bytes, indent: bytes) -> msgspec.Raw:
    """The text of one entry."""
    colon = b": " if newline else b":"
    lines = [
        b"%b%b%b%b%b" % (newline, indent * 3, msgspec.json.encode(key), colon, raw) for key, raw in members.items()
    ]
    return msgspec.Raw(b"{%b%b%b}" % (b",".join(lines), newline, indent * 2))


def layout_of_lock(lock: bytes) -> JsonLayout:
    """How the text of a lockfile is laid out, for `lock_writer`."""
    newline, indent = _formatting(lock)
    return JsonLayout(indent.decode(), newline.decode())


def _formatting(lock: bytes) -> tuple[bytes, bytes]:
    """The line break and the indentation of a lockfile."""
    found = _FORMATTING.match(lock)
    return (found[1], found[2]) if found is not None else (b"", b"")


def lockfile_of(
    lock: bytes, entries: Mapping[PackagePath, msgspec.Raw], kept: Mapping[str, Any] | None = None
) -> bytes:
    """The text of a lockfile of version 3 for the same project, with other entries.

    Args:
        lock: the text of one, which tells the formatting.
        entries: the texts of the entries, in the order in which they are to stand.
        kept: what it has beside them, see `kept_members`; by default what `lock` has.
    """
    newline, indent = _formatting(lock)
    colon = b": " if newline else b":"
    separator = b"," + newline + indent * 2
    members = [b"%b%b%b" % (msgspec.json.encode(path), colon, raw) for path, raw in entries.items()]
    opening, closing = _around_entries(kept_members(lock) if kept is None else kept, newline, indent)
    if not members:
        return opening + closing
    members[0] = b"%b%b%b%b" % (opening, newline, indent * 2, members[0])
    members[-1] = b"%b%b%b%b" % (members[-1], newline, indent, closing)
    # it has some megabytes: putting it together in steps would copy it as often, a millisecond each
    return separator.join(members)


def _around_entries(kept: Mapping[str, Any], newline: bytes, indent: bytes) -> tuple[bytes, bytes]:
    """What stands before the first entry of a lockfile, up to the brace that opens them, and what closes it."""
    head: dict[str, Any] = {key: kept[key] for key in ("name", "version") if key in kept}
    head.update({"lockfileVersion": 3, "requires": True})
    before = {key: msgspec.json.encode(value) for key, value in head.items()}
    after: dict[str, bytes] = {}
    if kept.keys() - _USUALLY_KEPT:
        before, after = _around_entries_with_others({**kept, **head}, newline, indent)
    colon = b": " if newline else b":"
    opening, closing = (
        [b"%b%b%b%b%b" % (newline, indent, msgspec.json.encode(key), colon, raw) for key, raw in texts.items()]
        for texts in ({**before, "packages": b"{"}, after)
    )
    return b"{" + b",".join(opening), b",".join((b"}", *closing)) + b"%b}%b" % (newline, newline)


def _around_entries_with_others(
    head: Mapping[str, Any], newline: bytes, indent: bytes
) -> tuple[dict[str, bytes], dict[str, bytes]]:
    """The texts of what stands before and behind the entries, where another program has put something there."""
    from pmpipe.npm.locks.lock_writer import write_lockfile

    layout = JsonLayout(indent.decode(), newline.decode())
    texts = {key: bytes(raw) for key, raw in _members.decode(write_lockfile({**head, "packages": {}}, layout)).items()}
    place = list(texts).index("packages")
    members = list(texts.items())
    return dict(members[:place]), dict(members[place + 1 :])
