"""Numbers and lists as people read them."""

from __future__ import annotations

from collections.abc import Sequence

_SHOWN = 8


def megabytes(count: float) -> str:
    """A number of bytes in the unit that suits it: ``812 B``, ``4.2 kB``, ``442.8 MB``."""
    if count < 1000:
        return f"{count:.0f} B"
    for unit in ("kB", "MB"):
        count /= 1000
        if count < 1000:
            return f"{count:.1f} {unit}"
    return f"{count / 1000:.2f} GB"


def some_of(names: Sequence[str], shown: int = _SHOWN) -> str:
    """A few names and how many more there are."""
    listed = ", ".join(names[:shown])
    return f"{listed} and {len(names) - shown} more" if len(names) > shown else listed
