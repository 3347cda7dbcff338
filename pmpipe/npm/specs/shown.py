"""Specs and names as error messages show them: quoted, one printable line, not too long, and without secrets."""

from __future__ import annotations

import re

from pmpipe.npm.texts.text import printable

_LONGEST = 200
# user and password of a URL, or of what should have been one
_CREDENTIALS = re.compile(r"(?<=//)[^/\s#]+@")


def shown(text: str) -> str:
    """The text fit for an error message."""
    return f'"{printable(_CREDENTIALS.sub("***@", text), _LONGEST)}"'
