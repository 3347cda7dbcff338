"""Digests of what repairs manifests, as a lockfile has them: of the rules in package.json, of the file of code.

Source: npm 12's ``@npmcli/arborist``, ``lib/package-extensions.js`` and ``lib/npm-extension.js``.
"""

from __future__ import annotations

import base64
import hashlib
import json
from typing import Any

from pmpipe.npm.texts.javascript_number import number_text


def hash_of_rules(rules: Any) -> str:
    """SRI of the value of ``packageExtensions``, however it is laid out and ordered.

    Args:
        rules: decoded JSON.
    """
    return _sri(canonical_json(rules).encode("utf-8", "surrogatepass"))


def hash_of_file(suffix: str, content: bytes) -> str:
    """SRI of a file of code; its name and place do not count, the kind of module does.

    Args:
        suffix: ``mjs`` or ``cjs``.
        content: of the file.
    """
    return _sri(b"npm-extension:v1:%b\n%b" % (suffix.encode(), content))


def canonical_json(value: Any) -> str:
    """JSON without space, with the keys of every object in the order of their UTF-16 code units."""
    if isinstance(value, dict):
        members = sorted(value.items(), key=lambda member: member[0].encode("utf-16-be", "surrogatepass"))
        return f"{{{','.join(f'{_text(key)}:{canonical_json(one)}' for key, one in members)}}}"
    if isinstance(value, list):
        return f"[{','.join(map(canonical_json, value))}]"
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return number_text(value)
    return _text(value)


def _text(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)


def _sri(content: bytes) -> str:
    return f"sha512-{base64.b64encode(hashlib.sha512(content).digest()).decode()}"
