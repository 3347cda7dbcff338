"""How a resolution begins: its state machine, and what can be asked for before the resolver is loaded.

Loading the resolver takes as long as two or three answers of a registry. A project that has neither a lockfile nor
anything installed needs the packuments of its own dependencies whatever comes of them, so they are asked for meanwhile.
Where there is a lockfile, the resolver first makes a tree of it, which takes longer still; what is to be added, or new
in package.json, is asked for at the same time.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from itertools import chain
from typing import TYPE_CHECKING

import msgspec

from pmpipe.errors import PmpipeError
from pmpipe.npm.specs.spec import parse_spec
from pmpipe.npm.specs.spec_types import AliasSpec, RangeSpec, Spec, TagSpec, VersionSpec
from pmpipe.npm.texts.json_text import without_bom
from pmpipe.pipeline.pipeline import LARGE_TARBALL_BYTES, LIMITS, Sizes, run_name
from pmpipe.resolving.foreseen import FORESEEN
from pmpipe.resolving.in_flight import InFlight, ResolveSlots
from pmpipe.resolving.machine import ResolveRun
from pmpipe.resolving.packument_requests import PackumentRequests
from pmpipe.resolving.warming import Warming
from pmpipe.tasks import Settings
from stages.arena import arena_bytes
from stages.document_cache import FOLDER_NAME
from stages.messages import WantDocument

if TYPE_CHECKING:
    from pmpipe.changing.change_resolver import ChangeOrder
    from pmpipe.npm.packages.registry import Registries
    from pmpipe.resolver.project import Project
    from pmpipe.store import Store

#: Fields of package.json with which a dependency may come from elsewhere than its spec says.
_DIVERTING = ("workspaces", "overrides", "resolutions", "packageExtensions", "patchedDependencies")

_DEPENDENCIES = ("dependencies", "devDependencies", "optionalDependencies")


def make_run(store: Store, sizes: Sizes, *, offline: bool, goes_on: bool) -> ResolveRun:
    """The state machine of a resolution.

    Args:
        store: need not be open; whether it can be written is to be told before the resolver begins.
        sizes: processes and queues.
        offline: nothing may be fetched.
        goes_on: an install in the same processes follows.
    """
    settings = Settings(
        sizes.slots_with_documents,
        store.folder,
        store.staging,
        LIMITS,
        large_tarball_bytes=LARGE_TARBALL_BYTES,
        large_at_once=sizes.large_at_once,
        offline=offline,
        run=run_name(),
    )
    # a quarter of the arena, so that there is room for all that comes and goes
    slots = ResolveSlots(sizes.documents, sizes.tarballs, sizes.kept_bytes, arena_bytes() // 4)
    warming = Warming(store.folder, store.has)
    flight = InFlight(settings, slots)
    return ResolveRun(warming, flight, keeps_documents=store.writable, goes_on=goes_on, is_ready=False)


def first_wants(manifest: bytes, registries: Registries, store: Store) -> list[WantDocument]:
    """The packuments that a resolution from nothing asks for first; empty if that is not certain.

    Args:
        manifest: the text of the project's package.json. Whoever resolves it says what is wrong with it.
        registries: which registry serves which name.
        store: need not be open.
    """
    try:
        document = msgspec.json.decode(without_bom(manifest), type=dict[str, object])
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return []
    if any(field in document for field in _DIVERTING):
        return []
    return _wants(_names(document), registries, store)


def new_wants(order: ChangeOrder, registries: Registries, store: Store) -> list[WantDocument]:
    """The packuments of what is new beside a lock, as far as none is kept: these are asked for whatever it says.

    Args:
        order: what was asked for.
        registries: which registry serves which name.
        store: need not be open.
    """
    project = order.project
    # a workspace is linked, and its name may be nobody else's business
    own = {manifest.get("name") for manifest in (project.manifest, *project.workspaces.values())}
    names = chain(map(_registry_name, order.specs), _unlocked_names(project))
    wants = _wants((name for name in names if name and name not in own), registries, store)
    return [want for want in wants if not os.path.lexists(want.cache_path)]


def _unlocked_names(project: Project) -> Iterator[str]:
    """What package.json asks for and the lock has not."""
    if not project.locked or project.pins or any(field in project.manifest for field in _DIVERTING):
        return
    yield from (name for name in _names(project.manifest) if f"node_modules/{name}" not in project.locked)


def _wants(names: Iterable[str], registries: Registries, store: Store) -> list[WantDocument]:
    requests = PackumentRequests(registries, f"{store.folder}/{FOLDER_NAME}")
    try:
        return [requests.want(FORESEEN, name) for name in dict.fromkeys(names)]
    except PmpipeError:
        return []


def _registry_name(spec: Spec) -> str | None:
    """Under which name a registry knows what a spec means; None for what comes from elsewhere."""
    if isinstance(spec, AliasSpec):
        spec = spec.sub_spec
    return spec.name if isinstance(spec, VersionSpec | RangeSpec | TagSpec) else None


def _names(document: Mapping[str, object]) -> Iterator[str]:
    for field in _DEPENDENCIES:
        specs = document.get(field)
        for name, spec in specs.items() if isinstance(specs, dict) else ():
            if isinstance(spec, str) and _is_from_registry(name, spec):
                yield name


def _is_from_registry(name: str, spec: str) -> bool:
    # where a path leads does not matter here
    return isinstance(parse_spec(name, spec, "/"), VersionSpec | RangeSpec | TagSpec)
