"""The comparison that nearly all dependencies need, without reading their ranges.

A check of a lock meets some thousand ranges once each. To read one takes ten times as long as to compare two texts that
look as nearly all do.
"""

from __future__ import annotations

import re

# a version, and the ranges that nearly all dependencies are; loose spellings and prereleases are left to the grammar
_PLAIN = re.compile(r"([\^~]?)(0|[1-9]\d{0,8})\.(0|[1-9]\d{0,8})\.(0|[1-9]\d{0,8})").fullmatch


def plainly_satisfies(version: str, wanted: str) -> bool:
    """Whether a version satisfies ``1.2.3``, ``^1.2.3`` or ``~1.2.3``; False also where only the grammar can tell."""
    given = _PLAIN(version)
    if given is None or given[1]:
        return False
    if version == wanted:
        return True
    asked = _PLAIN(wanted)
    if asked is None or not asked[1] or given[2] != asked[2]:
        return False
    if given[3] == asked[3]:
        return int(given[4]) >= int(asked[4]) and (asked[1] == "~" or asked[2] != "0" or asked[3] != "0")
    return asked[1] == "^" and asked[2] != "0" and int(given[3]) > int(asked[3])
