"""What the settings do not let be fetched, in a tree that is about to be placed (`pmpipe.npm.packages.source_policy`).

As with npm, the settings are about what has to be fetched now: what stands already stays. A package that the store has
counts as fetched. What is required and refused ends the run before anything is changed; what is optional is left out.
"""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from pmpipe.errors import RefusedSourceError
from pmpipe.npm.packages.registry import redacted
from pmpipe.npm.texts.text import printable
from pmpipe.planning.planner import Wanted
from pmpipe.resolver.refusal import HINT
from pmpipe.tree.wanted import WantedPackage

_SHOWN_CHARACTERS = 200


class Allowed(msgspec.Struct, frozen=True):
    """What is left of a tree.

    Attributes:
        wanted: the tree without what is left out.
        left_out: locations that are.
        warnings: one line for each refused package.
    """

    wanted: Wanted
    left_out: frozenset[str]
    warnings: list[str]


def allowed_part(wanted: Wanted, stands: Callable[[WantedPackage], bool]) -> Allowed:
    """Leave out what is optional and refused.

    Args:
        wanted: the tree at the end.
        stands: whether a package is in place already.

    Raises:
        RefusedSourceError: something required is refused; all of it is named.
    """
    refused = wanted.tree.refused
    coming = [package for package in wanted.tree.packages if package.location in refused and not stands(package)]
    required = [package for package in coming if not package.optional]
    if required:
        raise _error(required, wanted)
    left_out = frozenset(path for one in coming for path in (one.location, *wanted.left_out_with(one.location)))
    kept = msgspec.structs.replace(wanted, tree=wanted.tree.without(left_out)) if left_out else wanted
    return Allowed(kept, left_out, [f"the optional {one.location} is left out: {_why(one, wanted)}" for one in coming])


def _error(required: list[WantedPackage], wanted: Wanted) -> RefusedSourceError:
    if len(required) == 1:
        return RefusedSourceError(_why(required[0], wanted), details=[_who(required[0], wanted)], hint=HINT)
    lines = [line for one in required for line in (_why(one, wanted), f"  {_who(one, wanted)}")]
    return RefusedSourceError(f"the settings do not let {len(required)} packages be fetched", details=lines, hint=HINT)


def _why(package: WantedPackage, wanted: Wanted) -> str:
    source = printable(redacted(package.resolved), _SHOWN_CHARACTERS)
    label = printable(package.label if package.version else package.name, _SHOWN_CHARACTERS)
    return f"{wanted.tree.refused[package.location]} does not let {label} be fetched from {source}"


def _who(package: WantedPackage, wanted: Wanted) -> str:
    return f"required by: {printable(wanted.required_by(package.location))}"
