"""The keys of ``overrides``: which package a rule is for, and in which range.

Source: npm's ``@npmcli/arborist``, ``lib/override-set.js``, which reads a key as ``npm install`` reads an argument.
"""

from __future__ import annotations

from pmpipe.errors import InvalidSpecError, ManifestError
from pmpipe.npm.specs.names import is_valid_name
from pmpipe.npm.specs.spec import parse_argument
from pmpipe.npm.texts.text import printable

_ANY = "*"
_SHOWN_CHARACTERS = 100
#: Protocols of specs that are replaced by npm's own words wherever a package has them; a key stays as it is.
_UNKNOWN_TO_NPM = ("link:", "workspace:", "catalog:")


def split_override_key(key: str) -> tuple[str, str]:
    """Name and range of a rule's key, ``foo@^1`` or ``@scope/foo``; the range is ``*`` where there is none.

    Raises:
        ManifestError: the key is no package's name with or without a spec, as ``foo>bar``, ``foo@1>bar`` (pnpm's) and
            ``foo/bar`` (yarn's) are not; or npm does not have such a spec, as ``foo@workspace:*``.
    """
    at = key.find("@", 1)
    name, wanted = (key[:at], key[at + 1 :].strip()) if at > 0 else (key, "")
    wanted = wanted or _ANY
    if not is_valid_name(name):
        raise _wrong(key, "names no package")
    try:
        # only whether it can be read counts here, so that any folder will do
        spec = parse_argument(key, "/", home="/")
    except InvalidSpecError as error:
        raise _wrong(key, "names no range of versions") from error
    if spec.name is None:
        raise _wrong(key, "names no package")
    if wanted.startswith(_UNKNOWN_TO_NPM):
        raise _wrong(key, "names no range of versions")
    return name, wanted


def is_override_key(key: str) -> bool:
    """Whether overrides may have this key."""
    try:
        split_override_key(key)
    except ManifestError:
        return False
    return True


def _wrong(key: str, why: str) -> ManifestError:
    return ManifestError(
        f"package.json: overrides > {printable(key, _SHOWN_CHARACTERS)} {why}",
        hint='a rule that holds only below another package is written inside: {"above": {"below": "1.0.0"}}',
    )
