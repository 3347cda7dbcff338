"""The stages of a run: how many processes each has, how deep their queues are, what they run."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

import msgspec

from pmpipe.errors import HostError
from pmpipe.orders import StageName
from pmpipe.tasks import Settings
from pmpipe.workers import BATCH, Stage
from stages.messages import ArchiveLimits

if TYPE_CHECKING:
    from pmpipe.resolving.resolve_inputs import ResolveInputs
    from pmpipe.store import Store
    from stages.channel import Channel
    from stages.fetch import FetchSettings
    from stages.worker import JobBoard

#: Caps that no package on a registry comes near, and that no archive can use to fill a disk.
LIMITS = ArchiveLimits(entries=200_000, one_file=2 << 30, all_files=4 << 30, ratio=2_000)

#: Half a dozen of the largest there are; each process has only those mapped that it has in hand.
_HELD_BYTES = 64 << 20

#: For each further large tarball that is being unpacked: the largest there are.
_LARGEST_BYTES = 32 << 20

#: Of tarballs this large only some are unpacked at a time: a few come out at a hundred MB.
LARGE_TARBALL_BYTES = 8 << 20

#: One for so many extract processes: on many cores, one after the other would take longer than all the rest.
_EXTRACTS_PER_LARGE = 2

#: Jobs that may wait per clone process: enough to keep it busy while the supervisor sleeps, or while the hidden
#: lockfile of a large tree is made, which takes 8 ms.
_CLONES_WAITING = 96

#: Link has one process; a datagram of work is a few milliseconds.
_LINKS_WAITING = 64

#: Documents that fetch may have in hand; of those that it has no connection for the next one is at once at hand.
_DOCUMENTS = 256

#: Answers that may wait for the resolver: enough to keep it busy while the supervisor sleeps.
_ANSWERS_WAITING = 48

#: Documents that may wait to be written to the cache, and how long they may be together, for they lie in the arena
#: meanwhile; what comes beyond is not written.
_DOCUMENTS_TO_KEEP = 1_024
_BYTES_TO_KEEP = 16 << 20

#: What the priority of the cache's process is lowered by: the others are waited for.
_CACHE_NICENESS = 10


class Sizes(msgspec.Struct, frozen=True):
    """How large the pipeline is.

    Attributes:
        processes: worker processes of each stage.
        slots: jobs in flight of each stage, queued and in hand. Extract has one in each process's hands, and two
            waiting; fetch as many more as there are connections.
        documents: documents in flight, beside what is in `slots` for tarballs.
        kept_bytes: of documents that wait to be written to the cache.
        held_bytes: how long fetched tarballs may be together; one that is longer alone is fetched alone.
        large_at_once: how many of `LARGE_TARBALL_BYTES` or more may be unpacked at a time.
    """

    processes: Mapping[StageName, int]
    slots: Mapping[StageName, int]
    documents: int = _DOCUMENTS
    kept_bytes: int = _BYTES_TO_KEEP
    held_bytes: int = _HELD_BYTES
    large_at_once: int = 1

    @property
    def tarballs(self) -> int:
        """Tarballs that may be on their way from the registry to extract, or in its hands."""
        return self.slots[StageName.FETCH]

    @property
    def slots_with_documents(self) -> dict[StageName, int]:
        """`slots` with room in the fetch stage for the documents of a resolution."""
        return {**self.slots, StageName.FETCH: self.tarballs + self.documents}


def sizes_for(extracts: int, clones: int, connections: int) -> Sizes:
    """The pipeline for a host.

    Args:
        extracts: processes that unpack.
        clones: processes that fill node_modules.
        connections: transfers at a time.
    """
    # one in hand, two waiting
    held = 3 * extracts
    large = max(1, extracts // _EXTRACTS_PER_LARGE)
    return Sizes(
        processes={
            StageName.FETCH: 1,
            StageName.EXTRACT: extracts,
            StageName.CLONE: clones,
            StageName.LINK: 1,
            StageName.RESOLVE: 1,
            StageName.CACHE: 1,
        },
        slots={
            StageName.FETCH: connections + held,
            StageName.EXTRACT: held,
            StageName.CLONE: _CLONES_WAITING * clones,
            StageName.LINK: _LINKS_WAITING,
            StageName.RESOLVE: _ANSWERS_WAITING,
            StageName.CACHE: _DOCUMENTS_TO_KEEP,
        },
        held_bytes=_HELD_BYTES + (large - 1) * _LARGEST_BYTES,
        large_at_once=large,
    )


def stages_for(sizes: Sizes, fetch_settings: FetchSettings, resolve_inputs: Callable[[], ResolveInputs]) -> list[Stage]:
    """The stages, none of them started; heavy imports happen in the processes that need them.

    Args:
        sizes: how large the pipeline is.
        fetch_settings: how the network is used.
        resolve_inputs: called when the resolve process starts: what it is to do.

    Raises:
        HostError: there is no memory for the arena.
    """
    from stages.arena import arena_bytes, create_arena

    try:
        arena = create_arena()
    except OSError as error:
        raise HostError(
            f"the system refuses the memory that processes share: {error.strerror or error}",
            hint=f"check the limit on address space (ulimit -v): {arena_bytes() >> 20} MiB are reserved, few are used",
        ) from error

    def fetch(jobs: Channel, results: Channel, board: JobBoard) -> None:
        from stages.fetch import run_fetch

        run_fetch(fetch_settings, arena, jobs, results, board)

    def extract(jobs: Channel, results: Channel, board: JobBoard) -> None:
        from stages.extract import make_handler
        from stages.worker import run_jobs

        run_jobs(make_handler(arena), jobs, results, board)

    def cache(jobs: Channel, results: Channel, board: JobBoard) -> None:
        from stages.document_cache import make_handler
        from stages.worker import run_jobs

        os.nice(_CACHE_NICENESS)
        run_jobs(make_handler(arena), jobs, results, board)

    def resolve(jobs: Channel, results: Channel, board: JobBoard) -> None:
        from pmpipe.resolving.worker import make_handler
        from stages.worker import run_jobs

        run_jobs(make_handler(resolve_inputs(), arena), jobs, results, board)

    mains = {
        StageName.FETCH: fetch,
        StageName.EXTRACT: extract,
        StageName.CLONE: _clone,
        StageName.LINK: _link,
        StageName.RESOLVE: resolve,
        StageName.CACHE: cache,
    }
    slots = sizes.slots_with_documents
    return [Stage(name, sizes.processes[name], slots[name], main) for name, main in mains.items()]


def install_settings(
    sizes: Sizes, store: Store, *, durable: bool, offline: bool, came_damaged: frozenset[str] = frozenset()
) -> Settings:
    """What the scheduler of an install needs besides its plan.

    Args:
        sizes: processes and queues.
        store: opened.
        durable: store entries are flushed to the disk.
        offline: nothing may be fetched.
        came_damaged: SRI of tarballs that were fetched before, and damaged.
    """
    return Settings(
        dict(sizes.slots),
        store.folder,
        store.staging,
        LIMITS,
        clone_lot=BATCH,
        large_tarball_bytes=LARGE_TARBALL_BYTES,
        large_at_once=sizes.large_at_once,
        durable=durable,
        offline=offline,
        run=run_name(),
        came_damaged=came_damaged,
    )


def run_name() -> str:
    """A name that no other run has, on this host or on another one with the same store."""
    return f"{os.getpid()}-{os.urandom(6).hex()}"


def check_stages(sizes: Sizes) -> list[Stage]:
    """The clone stage alone, for checks."""
    return [Stage(StageName.CLONE, sizes.processes[StageName.CLONE], sizes.slots[StageName.CLONE], _clone)]


def script_stage(processes: int, environment: Mapping[str, str], gyp_folder: str) -> Stage:
    """The script stage alone.

    Args:
        processes: scripts that run at a time.
        environment: what all of them have.
        gyp_folder: the folder that brings ``node-gyp``; may be empty.
    """

    def script(jobs: Channel, results: Channel, board: JobBoard) -> None:
        from stages.script import script_handler
        from stages.worker import run_jobs

        with script_handler(environment, gyp_folder, board) as handle:
            run_jobs(handle, jobs, results, board)

    return Stage(StageName.SCRIPT, processes, processes, script)


def _clone(jobs: Channel, results: Channel, board: JobBoard) -> None:
    from stages.clone import make_handler
    from stages.worker import run_jobs

    run_jobs(make_handler(), jobs, results, board)


def _link(jobs: Channel, results: Channel, board: JobBoard) -> None:
    from stages.link import make_handler
    from stages.worker import run_jobs

    run_jobs(make_handler(), jobs, results, board)


__all__ = ["LIMITS", "Sizes", "check_stages", "install_settings", "run_name", "script_stage", "sizes_for", "stages_for"]
