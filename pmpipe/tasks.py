"""What the scheduler keeps of each job in flight, and what its jobs need besides the plan."""

from __future__ import annotations

from typing import TypeAlias

import msgspec

from pmpipe.errors import ArchiveError, IntegrityError
from pmpipe.orders import StageName
from pmpipe.plan import LinkNumber, PackageNumber, PlacementNumber
from stages.messages import ArchiveLimits, Source

#: Why a tarball that came over the network is asked for once more, at once: it was cut off where no length was
#: announced, or something on the way has changed it. npm does the same.
DAMAGED_ON_THE_WAY = frozenset({IntegrityError.code, ArchiveError.code})

#: Larger than any tarball.
ANY_SIZE = 1 << 62


class Settings(msgspec.Struct, frozen=True):
    """What the jobs need besides the plan.

    Attributes:
        slots: how many jobs each stage may have in flight, queued and in its workers' hands.
        store: absolute path of the store's version folder.
        staging: absolute path of an existing folder on the store's filesystem, for git checkouts.
        run: tells the checkouts of this run from those of all others that share the store.
        limits: caps on archives.
        clone_lot: when many placements are ready, they are given out in lots of this size.
        large_tarball_bytes: of tarballs of this size or more, only `large_at_once` are unpacked at a time.
        large_at_once: see there.
        durable: entries are flushed to the disk before they appear.
        offline: nothing may be fetched.
        came_damaged: SRI of tarballs that were fetched before, and damaged: what comes now counts.
    """

    slots: dict[StageName, int]
    store: str
    staging: str
    limits: ArchiveLimits
    clone_lot: int = 1
    large_tarball_bytes: int = ANY_SIZE
    large_at_once: int = 1
    durable: bool = False
    offline: bool = False
    run: str = ""
    came_damaged: frozenset[str] = frozenset()


class Fetching(msgspec.Struct, frozen=True, gc=False):
    """A download or checkout."""

    package: PackageNumber


class Extracting(msgspec.Struct, frozen=True, gc=False):
    """An unpacking of what fetch brought."""

    package: PackageNumber
    source: Source


class Cloning(msgspec.Struct, frozen=True, gc=False):
    """A filling of a folder; `mended`: the entry had been fetched again when the job was given out."""

    placement: PlacementNumber
    mended: bool


class Removing(msgspec.Struct, frozen=True, gc=False):
    """A removal of a folder that is left out after all."""

    placement: PlacementNumber


class Linking(msgspec.Struct, frozen=True, gc=False):
    """A making of links."""

    link: LinkNumber


Task: TypeAlias = Fetching | Extracting | Cloning | Removing | Linking

STAGE_OF: dict[type[Task], StageName] = {
    Fetching: StageName.FETCH,
    Extracting: StageName.EXTRACT,
    Cloning: StageName.CLONE,
    Removing: StageName.CLONE,
    Linking: StageName.LINK,
}
