"""The keys of ``overrides``: which package a rule is for, and in which range.

Source: npm's ``@npmcli/arborist``, ``lib/override-set.js``, which reads a key as ``npm install`` reads an argument.
"""

from __future__ import annotations

from pmpipe.errors import ManifestError
from pmpipe.npm.names import is_valid_name
from pmpipe.npm.text import printable

_ANY = "*"
_SHOWN_CHARACTERS = 100


def split_override_key(key: str) -> tuple[str, str]:
    """Name and range of a rule's key, ``foo@^1`` or ``@scope/foo``; the range is ``*`` where there is none.

    Raises:
        ManifestError: the key names no package, as ``foo>bar`` (pnpm's) and ``foo/bar`` (yarn's) do not.
    """
    at = key.find("@", 1)
    name, wanted = (key[:at], key[at + 1 :].strip()) if at > 0 else (key, "")
    if not is_valid_name(name):
        raise ManifestError(
            f"package.json: overrides > {printable(key, _SHOWN_CHARACTERS)} names no package",
            hint='a rule that holds only below another package is written inside: {"above": {"below": "1.0.0"}}',
        )
    return name, wanted or _ANY
