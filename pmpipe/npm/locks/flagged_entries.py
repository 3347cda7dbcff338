"""The texts of lockfile entries whose flags have to be others than where they come from."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from pmpipe.npm.locks.lock_flags import FLAGS, flags_for
from pmpipe.npm.locks.lock_writer import entry_texts
from pmpipe.npm.locks.package_path import ROOT, PackagePath
from pmpipe.npm.texts.json_layout import JsonLayout

_members = msgspec.json.Decoder(dict[str, Any])


def flagged_anew(
    raw: Mapping[PackagePath, msgspec.Raw], ways: Mapping[PackagePath, int], layout: JsonLayout
) -> dict[PackagePath, msgspec.Raw]:
    """The entries that have to be written anew, by path.

    Args:
        raw: the texts as they are.
        ways: the kinds of ways that lead to each entry, see `pmpipe.npm.locks.lock_flags`; none if it is missing.
        layout: of the lockfile.
    """
    anew = {}
    for path, text in raw.items():
        members = _members.decode(text)
        # links have no flags
        if path == ROOT or members.get("link"):
            continue
        rest = {key: value for key, value in members.items() if key not in FLAGS}
        flagged = {**rest, **flags_for(ways.get(path, 0))}
        if flagged != members:
            anew[path] = flagged
    return entry_texts(anew, layout)
