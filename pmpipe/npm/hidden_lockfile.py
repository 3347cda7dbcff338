"""Writing ``node_modules/.package-lock.json``, the hidden lockfile from which npm knows an installed tree.

It is the project's lockfile (always of version 3) without the root's entry and without what was not installed. The
entries are copied as they stand in the lockfile, byte by byte, so that nothing that we do not know is lost; if npm
wrote the lock, the outcome is what npm itself writes. `read_lockfile` reads it back.

Source: npm's ``@npmcli/arborist``, ``lib/shrinkwrap.js`` and the end of ``reify`` in ``lib/arborist/reify.js``.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping

import msgspec

from pmpipe.npm.lockfile import Lockfile
from pmpipe.npm.package_path import ROOT, PackagePath

#: the line break and the indentation in front of the first key, as npm infers the formatting of a file
_FORMATTING = re.compile(rb"\s*\{((?:\r?\n)+)([ \t]*)")


def hidden_lockfile(lock: Lockfile, installed: Collection[PackagePath]) -> bytes:
    """The text of the hidden lockfile, in the formatting of the lockfile.

    Args:
        lock: the lockfile that was installed.
        installed: what the tree holds: packages, links, and the folders that links lead to (`Selection.listed`).
    """
    raw_entries = lock.raw_entries()
    return lockfile_of(lock, {path: raw for path, raw in raw_entries.items() if path != ROOT and path in installed})


def lockfile_of(lock: Lockfile, entries: Mapping[PackagePath, msgspec.Raw]) -> bytes:
    """The text of a lockfile of version 3 for the same project, with other entries.

    Args:
        lock: tells name, version and formatting.
        entries: the texts of the entries, in the order in which they are to stand.
    """
    formatting = _FORMATTING.match(lock.data)
    newline, indent = formatting.groups() if formatting is not None else (b"", b"")
    colon = b": " if newline else b":"
    separator = b"," + newline + indent * 2
    members = [msgspec.json.encode(path) + colon + bytes(raw) for path, raw in entries.items()]
    packages = newline + indent * 2 + separator.join(members) + newline + indent if members else b""
    head = [(b"name", lock.name), (b"version", lock.version), (b"lockfileVersion", 3), (b"requires", True)]
    fields = [b'"' + key + b'"' + colon + msgspec.json.encode(value) for key, value in head if value is not None]
    fields.append(b'"packages"' + colon + b"{" + packages + b"}")
    return b"{" + newline + indent + (b"," + newline + indent).join(fields) + newline + b"}" + newline
