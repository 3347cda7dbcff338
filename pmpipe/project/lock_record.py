"""Adding to a lockfile what an install has found out: digests that were missing in it, and what node-gyp builds."""

from __future__ import annotations

import os
import re
from collections.abc import Collection, Mapping
from typing import Any

from pmpipe.errors import FilesystemError
from pmpipe.npm.locks.hidden_lockfile import with_integrity
from pmpipe.npm.locks.package_path import PackagePath
from pmpipe.project.project_write import ProjectWrite

_INDENT = re.compile(r"\s*\{(?P<newline>(?:\r?\n)+)(?P<indent>[ \t]*)")


def complete_lockfile(path: str, digests: Mapping[PackagePath, str], built: Collection[PackagePath] = ()) -> None:
    """Complete entries of a lockfile, all or none of them; the rest, formatting included, stays as npm would leave it.

    Args:
        path: absolute path of the lockfile.
        digests: location -> SRI.
        built: locations of packages that are to say ``hasInstallScript``, if the lockfile has them.

    Raises:
        FilesystemError: the lockfile cannot be read or written.
    """
    import ujson

    try:
        with open(path, encoding="utf-8-sig", newline="") as file:
            text = file.read()
    except OSError as error:
        raise FilesystemError(f"cannot read {path}: {error.strerror}") from error
    document = ujson.loads(text)
    if "packages" in document:
        _complete(document["packages"], digests, built)
    else:
        _complete_version_1(document, digests)
    folder, name = os.path.split(path)
    ProjectWrite(folder, {name: _formatted_like(text, document).encode()}).apply()


def _complete(packages: dict[str, Any], digests: Mapping[PackagePath, str], built: Collection[PackagePath]) -> None:
    for location, digest in digests.items():
        packages[location] = with_integrity(packages[location], digest)
    # what stays for the sake of other workspaces may stand in the hidden lockfile alone
    for one in packages.keys() & built:
        packages[one] = _with_install_script(packages[one])


def _complete_version_1(document: dict[str, Any], digests: Mapping[PackagePath, str]) -> None:
    """Entries nest, and do not tell of install scripts; of what lies in a linked folder there are none."""
    for location, digest in digests.items():
        outside, *names = f"/{location}".split("/node_modules/")
        if outside:
            continue
        dependencies = document["dependencies"]
        for name in names[:-1]:
            dependencies = dependencies[name]["dependencies"]
        dependencies[names[-1]] = with_integrity(dependencies[names[-1]], digest)


def _with_install_script(entry: dict[str, Any]) -> dict[str, Any]:
    from pmpipe.npm.locks.lock_writer import keys_in_order

    complete = {**entry, "hasInstallScript": True}
    objects = {key for key, value in complete.items() if isinstance(value, dict)}
    return {key: complete[key] for key in keys_in_order(tuple(complete), objects)}


def _formatted_like(text: str, document: dict[str, Any]) -> str:
    import json

    found = _INDENT.match(text)
    if found is None:
        return json.dumps(document, ensure_ascii=False, separators=(",", ":"))
    # the standard library's encoder takes a tab as indentation; ujson takes only a number of spaces
    written = json.dumps(document, ensure_ascii=False, indent=found["indent"])
    newline = "\r\n" if found["newline"].startswith("\r") else "\n"
    return (written + "\n").replace("\n", newline)
