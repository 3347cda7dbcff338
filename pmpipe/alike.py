"""Failures that have one cause, told as one: hundreds of packages may miss one registry."""

from __future__ import annotations

from collections.abc import Sequence

from pmpipe.npm.texts.text import printable

#: More failures of one cause than this are listed by name only.
IN_FULL = 3

#: Names listed of a larger group.
_NAMED = 10


def alike_what(number: int, cause: str) -> str:
    """The line that is over so many failures of one cause."""
    return f"{number} packages failed alike: {printable(cause)}"


def alike_details(named: Sequence[str], details: Sequence[str]) -> list[str]:
    """The lines below it.

    Args:
        named: a line for each failure.
        details: of the first one, for all.
    """
    rest = len(named) - _NAMED
    more = [f"… and {rest} more"] if rest > 0 else []
    return [*map(printable, named[:_NAMED]), *more, *map(printable, details)]
