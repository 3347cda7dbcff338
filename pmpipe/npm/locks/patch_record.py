"""What a lockfile says of a patch."""

from __future__ import annotations

import msgspec


class PatchRecord(msgspec.Struct, frozen=True, gc=False):
    """What an entry has under ``patched``.

    Attributes:
        path: of the patch, relative to the project, as package.json has it.
        integrity: SRI of the patch.
    """

    path: str
    integrity: str
