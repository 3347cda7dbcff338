"""``overrides`` that change what the project itself depends on, which npm does not allow.

Source: npm's ``@npmcli/arborist``, ``node.js`` (``assertRootOverrides``).
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from pmpipe.errors import ManifestError


class OverrideConflict(msgspec.Struct, frozen=True):
    """A dependency of the project's own that an override contradicts.

    Attributes:
        name: the dependency's name.
        requested: the spec in package.json.
        override: the one that ``overrides`` have for it.
    """

    name: str
    requested: str
    override: str


class OverrideConflictError(ManifestError):
    """``overrides`` change what the project itself depends on (npm's EOVERRIDE)."""

    code = "PM_OVERRIDE"


def override_error(conflicts: Sequence[OverrideConflict]) -> OverrideConflictError:
    """The error that names all contradictions, of which there is at least one."""
    names = ", ".join(one.name for one in conflicts)
    return OverrideConflictError(
        f"package.json: overrides contradict the project's own dependency on {names}",
        details=[f"dependencies ask for {one.name}@{one.requested}, overrides for {one.override}" for one in conflicts],
        hint=f'write the same range in both, or "${conflicts[0].name}" in overrides',
    )
