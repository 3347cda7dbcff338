"""One resolution from beginning to end: the processes' inputs, the state machine, and what is made of its outcome."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

import msgspec

from pmpipe.changing.change_resolver import Action, ChangeOrder
from pmpipe.changing.manifest_change import Saving
from pmpipe.npm.foreign.files import is_kept_up_to_date
from pmpipe.npm.manifests.patch_selection import PATCHED_DEPENDENCIES
from pmpipe.npm.texts.text import plural
from pmpipe.orders import Counts
from pmpipe.pipeline.driving import Crew
from pmpipe.project.extension_file import find_extension_file
from pmpipe.project.patched_dependencies import Patches
from pmpipe.project.project import read_project
from pmpipe.project.project_files import YARN_LOCK, read_file
from pmpipe.project.workspace_choice import chosen_locations
from pmpipe.resolving.failures import bounded, errors_of
from pmpipe.resolving.inputs import CachePolicy, lock_style, resolve_options, resolver_project
from pmpipe.resolving.machine import ResolveRun
from pmpipe.resolving.made import Made, take_made
from pmpipe.resolving.remembered import ResolutionMemory
from pmpipe.resolving.resolve_inputs import ResolveInputs
from pmpipe.resolving.tasks import Resolution
from pmpipe.resolving.wants import Wants
from pmpipe.settings.choice import Choice
from stages.document_cache import FOLDER_NAME

if TYPE_CHECKING:
    from pmpipe.resolver.repairs import ExtensionCode
    from pmpipe.session import Session
    from pmpipe.store import Store


_NO_CHOICE = Choice()


class Resolved(msgspec.Struct, frozen=True):
    """A lock that was made, and the package.json files that belong to it.

    Attributes:
        made: see there.
        warnings: one line each.
        packages: how many packages were found.
        documents: how many packuments came from the registry.
        stage_s: seconds during which each stage had work.
        notes: for who wants to know more: why packuments were not kept, one line each.
        came_damaged: SRI of tarballs that were fetched ahead, and damaged.
    """

    made: Made
    warnings: list[str]
    packages: int
    documents: int
    stage_s: dict[str, float]
    counts: Counts
    notes: list[str]
    came_damaged: frozenset[str]


def resolve_inputs(
    session: Session,
    store: Store,
    order: ChangeOrder | None = None,
    choice: Choice = _NO_CHOICE,
    *,
    goes_on: bool,
    runs_code: bool = True,
) -> ResolveInputs:
    """What the resolve process is started with.

    Args:
        session: the project.
        store: opened.
        order: what is to change; None: nothing but the lock.
        choice: the workspaces that this is about, if there is no order.
        goes_on: an install follows: tarballs are announced, and the wanted tree is worked out.
        runs_code: the project's code that repairs manifests is run, unless a setting forbids it.

    Raises:
        PmpipeError: a package.json, the old lock or a setting cannot be used.
    """
    config = session.config
    folder = f"{store.folder}/{FOLDER_NAME}"
    order = order or _bare_order(session, choice)
    code = _code(session) if runs_code else None
    if code is not None:
        order = msgspec.structs.replace(order, project=msgspec.structs.replace(order.project, code=code.code))

    def finish(made: Made) -> Iterable[str] | None:
        if not goes_on or not store.writable or made.has_extraneous:
            return None
        session.adopt(made.lock, made.manifests, unavailable=made.unavailable, is_saved=made.is_saved)
        session.remember(store)
        return [package.integrity for package in session.locked.tree.packages]

    patches = Patches(
        session.folder, order.project.manifest.get(PATCHED_DEPENDENCIES) or {}, config.allow_unused_patches
    )
    return ResolveInputs(
        order=order,
        options=lambda: resolve_options(config, session.environ, order.project.manifest),
        wants=Wants.of(config.registries, folder),
        cache=CachePolicy(folder, config.offline, config.prefer_offline, config.prefer_online),
        style=lock_style(
            config,
            session.folder,
            session.lock,
            session.lock_file,
            starts_anew=order.updates_all,
        ),
        # the lock's text is the only thing that is written even if the store cannot be
        staging=store.staging if store.writable else tempfile.gettempdir(),
        # what is omitted is not known before the tree is finished
        announces=goes_on and store.writable and not (config.offline or config.dry_run or config.omit),
        tells_engines=not goes_on,
        patches=patches,
        keeps_yarn_lock=_keeps_yarn_lock(session.folder),
        finish=finish,
        memory=ResolutionMemory(store.folder, store.writable),
        stop_code=code.stop if code is not None else None,
    )


def _bare_order(session: Session, choice: Choice) -> ChangeOrder:
    """An ``install`` without arguments; the workspaces that it is about come first, as with npm."""
    project = resolver_project(session.folder, session.lock_file, session.lock, find=session.find_folders)
    if choice.is_made:
        read = read_project(session.folder, session.lock_file, b"", session.manifests, session.find_folders)
        chosen = chosen_locations(choice, read.manifests.workspaces, session.folder)
        project = msgspec.structs.replace(project, explicit=dict.fromkeys(chosen, frozenset()))
    return ChangeOrder(Action.KEEP, project, saving=Saving(save=session.config.save))


class _Code(msgspec.Struct, frozen=True):
    """The project's code, and how to end the process that it runs in, where there is one."""

    code: ExtensionCode
    stop: Callable[[], None] | None = None


def _code(session: Session) -> _Code | None:
    config = session.config
    if config.ignore_scripts or config.settings["ignore-extension"]:
        return None
    from pmpipe.resolver.repairs import ExtensionCode

    file = find_extension_file(session.folder, config)
    if file is None:
        return _Code(ExtensionCode())
    # loaded only here: hardly any project has such code
    from pmpipe.resolving.extension_host import ExtensionHost

    host = ExtensionHost(file, session.folder, session.environ, logs=config.loglevel == "silly")
    return _Code(ExtensionCode(file.hash, host.transform), host.stop)


def _keeps_yarn_lock(folder: str) -> bool:
    data = read_file(folder, YARN_LOCK)
    return data is not None and is_kept_up_to_date(data, YARN_LOCK)


def resolve(
    run: ResolveRun, store: Store, crew: Crew, watch: Callable[[ResolveRun], None], meanwhile: Callable[[], None]
) -> Resolved:
    """Resolve the project that the crew was made for.

    Args:
        run: its state machine; the resolver has not begun.
        store: opened.
        crew: its resolve stage has the inputs.
        watch: called with the state machine at every wake-up.
        meanwhile: called once, when the resolver has just begun.

    Raises:
        PmpipeError: the project's dependencies cannot be resolved.
        CancelledError: a signal ended it.
    """
    run.is_ready, run.keeps_documents = True, store.writable
    crew.turn(run)
    meanwhile()
    stage_s = crew.drive(run, lambda: watch(run), is_last=not run.goes_on)
    result = run.result
    if result.problems:
        raise errors_of(result.problems)
    made = take_made(result.made)
    came_damaged = frozenset(run.warming.came_damaged)
    return Resolved(
        made, result.warnings, made.packages, run.documents, stage_s, run.counts, _notes(result), came_damaged
    )


def _notes(result: Resolution) -> list[str]:
    notes = bounded(result.notes)
    if result.unkept:
        packuments = plural(result.unkept, "packument was", "packuments were")
        notes.append(f"{packuments} not kept: the cache's queue was full")
    return notes
