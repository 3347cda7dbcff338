"""Fields of decoded lockfiles that may hold anything: what is of another type than expected counts as absent."""

from __future__ import annotations

from typing import Any


def mapping(holder: Any, key: str) -> dict[str, Any]:
    """The mapping under a key, or an empty one."""
    found = holder.get(key) if isinstance(holder, dict) else None
    return found if isinstance(found, dict) else {}


def text_field(holder: Any, key: str) -> str:
    """The text under a key, or an empty one."""
    found = holder.get(key) if isinstance(holder, dict) else None
    return found if isinstance(found, str) else ""
