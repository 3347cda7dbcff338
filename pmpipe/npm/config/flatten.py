"""Settings whose effect comes from several others: npm's "flattening", source by source from the weakest on.

The order matters: ``omit`` of a stronger source replaces that of a weaker one, while ``production`` adds to whichever
list is in force, and what one source has computed is what the next one starts from.

Source: the flatten functions of npm's configuration definitions.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, TypeAlias

import msgspec

#: The typed values that one source sets, in the order in which it sets them.
Values: TypeAlias = Mapping[str, Any]

_OMIT_KEYS = ("omit", "include", "only", "also", "dev", "production", "optional")


class DependencyTypes(msgspec.Struct, frozen=True):
    """Which kinds of dependencies are left out; what is in `include` is not in `omit`."""

    omit: tuple[str, ...]
    include: tuple[str, ...]


class Authorities(msgspec.Struct, frozen=True):
    """The certificate authorities to trust: of a file, or given in PEM, or the system's where both are empty."""

    cafile: str
    pem: tuple[str, ...]


def dependency_types(sources: Sequence[Values], *, node_env: str) -> DependencyTypes:
    """The effect of omit, include and their older spellings.

    Args:
        sources: from the weakest to the strongest, without the defaults.
        node_env: the environment's NODE_ENV; "production" leaves dev dependencies out by default.
    """
    omit = ["dev"] if node_env == "production" else []
    include: list[str] = []
    view: dict[str, Any] = {}
    for source in sources:
        own = {key: source[key] for key in _OMIT_KEYS if key in source}
        if not own:
            continue
        view.update(own)
        omit = list(own.get("omit", omit))
        include = list(own.get("include", include))
        _add_older_spellings(view, omit, include)
        include = list(dict.fromkeys(include))
        omit = [kind for kind in dict.fromkeys(omit) if kind not in include]
    return DependencyTypes(tuple(omit), tuple(include))


def _add_older_spellings(view: Values, omit: list[str], include: list[str]) -> None:
    if view.get("only") or view.get("production"):
        omit.append("dev")
    elif view.get("production") is False:
        include.append("dev")
    if view.get("also") or view.get("dev"):
        include.append("dev")
    if view.get("optional") is False:
        omit.append("optional")
    elif view.get("optional"):
        include.append("optional")


def install_strategy(sources: Iterable[Values]) -> str:
    """``install-strategy``, or what ``global-style`` and ``legacy-bundling`` of the same or a stronger source say."""
    strategy = "hoisted"
    for source in sources:
        strategy = source.get("install-strategy", strategy)
        for key, value in source.items():
            if key == "global-style" and value:
                strategy = "shallow"
            elif key == "legacy-bundling" and value:
                strategy = "nested"
    return strategy


def package_lock(sources: Iterable[Values]) -> bool:
    """``package-lock``, or ``shrinkwrap`` of the same or a stronger source; always true under ``package-lock-only``."""
    wanted = True
    only = False
    for source in sources:
        wanted = source.get("shrinkwrap", source.get("package-lock", wanted))
        only = source.get("package-lock-only", only)
    return wanted or only


def authorities(sources: Iterable[Values]) -> Authorities:
    """``cafile`` or ``ca``, whichever the strongest source sets, and the later one of the two in one source."""
    cafile, pem = "", ()
    for source in sources:
        for key, value in source.items():
            if key == "cafile":
                cafile, pem = value or "", pem if value is None else ()
            elif key == "ca":
                cafile, pem = "", value or ()
    return Authorities(cafile, pem)
