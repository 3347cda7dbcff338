"""A resolution that begins with a command's change: names first, then the change, then the resolver itself.

It has the same face as `pmpipe.resolver.Resolver` (`start`, `feed`, `done`, `finish`), so whoever drives the one can
drive the other. What a dist-tag, a folder or a tarball on the command line is called is asked for in the same way as
what the tree needs later.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import Enum

import msgspec

from pmpipe.changing.manifest_change import Change, Saving, added, deduped, kept, removed, updated
from pmpipe.changing.requested import NamedSpec, additions_for, asks, named, require_allowed
from pmpipe.npm.manifests.manifest_edit import ManifestEdit
from pmpipe.npm.manifests.manifest_text import ManifestText
from pmpipe.npm.specs.spec_types import Spec
from pmpipe.resolver.asks import Ask, AskManifest, Fed
from pmpipe.resolver.location import absolute
from pmpipe.resolver.options import ResolveOptions
from pmpipe.resolver.planting import check_overrides
from pmpipe.resolver.prefetch import Resolved
from pmpipe.resolver.project import Project
from pmpipe.resolver.resolver import Event, IdealTree, Resolver


class Action(Enum):
    """What a command does to the project."""

    KEEP = "keep"
    ADD = "add"
    REMOVE = "remove"
    UPDATE = "update"
    DEDUPE = "dedupe"


class ChangeOrder(msgspec.Struct, frozen=True):
    """What was asked for.

    Attributes:
        action: see there.
        project: as it is on the disk.
        manifests: the package.json files of the project and its workspaces, by location.
        locations: of those that the command is about.
        specs: what is to be added.
        names: what is to be removed or updated; none for an update of everything.
        saving: how it is saved.
    """

    action: Action
    project: Project
    manifests: Mapping[str, ManifestText] = msgspec.field(default_factory=dict)
    locations: Sequence[str] = ("",)
    specs: Sequence[Spec] = ()
    names: Sequence[str] = ()
    saving: Saving = msgspec.field(default_factory=Saving)

    @property
    def updates_all(self) -> bool:
        """Whether everything is updated, for which npm does not even read the old lock."""
        return self.action is Action.UPDATE and not self.names

    def change(self, specs: Sequence[NamedSpec] = ()) -> Change:
        """What the resolver gets, and what is saved afterwards.

        Args:
            specs: what is to be added, with names.

        Raises:
            InvalidSpecError: a name is none.
        """
        if self.action is Action.KEEP:
            return kept(self.project, self.saving)
        if self.action is Action.DEDUPE:
            return deduped(self.project)
        if self.action is Action.UPDATE:
            edits = {location: ManifestEdit(text) for location, text in self.manifests.items()}
            return updated(self.project, edits, self.names, self.saving)
        edits = {location: ManifestEdit(self.manifests[location]) for location in self.locations}
        if self.action is Action.REMOVE:
            return removed(self.project, edits, self.names, self.saving)
        folder = self.project.folder
        additions = {location: additions_for(specs, absolute(folder, location)) for location in edits}
        return added(self.project, edits, additions, self.saving)


class ChangeResolver:
    """One change, from `start` to `finish`.

    Args:
        order: what was asked for.
        options: of the settings.

    Attributes:
        change: known as soon as every argument has a name.
        manifests: after `finish`: the new bytes of each package.json that changes, by location.
    """

    def __init__(self, order: ChangeOrder, options: ResolveOptions) -> None:
        self.order = order
        self.options = options
        self.change: Change | None = None
        self.manifests: dict[str, bytes] = {}
        self._resolver: Resolver | None = None
        self._naming: dict[Ask, None] = dict.fromkeys(asks(order.specs))
        self._answers: dict[Ask, Fed] = {}
        self._dropped_patches: tuple[str, ...] = ()

    @property
    def done(self) -> bool:
        """Whether the tree is complete and `finish` may be called; whatever is still asked for is not needed."""
        return self._resolver is not None and self._resolver.done

    @property
    def warnings(self) -> list[str]:
        """What the change has to say, one line each."""
        return self.change.warnings if self.change is not None else []

    @property
    def dropped_patches(self) -> tuple[str, ...]:
        """After `finish`: the selectors of ``patchedDependencies`` that go with what is removed."""
        return self._dropped_patches

    @property
    def saves_lock(self) -> bool:
        """Whether the lockfile is to be written in the end."""
        return self.change is not None and self.change.saves_lock

    @property
    def saves_manifests(self) -> bool:
        """Whether `manifests` are to be written."""
        return self.order.saving.save

    def start(self) -> list[Event]:
        """Begin; the first things to be fetched.

        Raises:
            PmpipeError: an argument is no name, or the project contradicts itself before the change already.
        """
        check_overrides(self.order.project, self.options)
        if self.options.sources is not None:
            require_allowed(self.order.specs, self.options.sources)
        return list(self._naming) if self._naming else self._resolve()

    def feed(self, ask: Ask, fed: Fed) -> list[Event]:
        """Give the answer to something that was asked for; what else to fetch.

        Raises:
            PmpipeError: an argument cannot be named, or see `pmpipe.resolver.Resolver.feed`.
        """
        if self._resolver is not None:
            return self._without_known(self._resolver.feed(ask, fed))
        self._answers[ask] = fed
        return self._resolve() if len(self._answers) == len(self._naming) else []

    def finish(self) -> IdealTree:
        """The finished tree, which says of the project what its package.json files will say.

        Raises:
            PmpipeError: see `pmpipe.resolver.Resolver.finish`.
        """
        assert self._resolver is not None
        assert self.change is not None
        ideal = self._resolver.finish()
        self._dropped_patches = self.change.dropped_patches(ideal)
        self.manifests = self.change.finish(ideal)
        return ideal

    def _resolve(self) -> list[Event]:
        self.change = self.order.change(named(self.order.specs, self._answers, self.options.pick))
        self._resolver = Resolver(self.change.project, self.change.resolve_options(self.options))
        return self._without_known(self._resolver.start())

    def _without_known(self, events: list[Event]) -> list[Event]:
        """Answer at once what was asked for the names' sake already."""
        assert self._resolver is not None
        left: list[Event] = []
        for event in events:
            known = None if isinstance(event, Resolved) else self._answers.get(_without_name(event))
            if known is None or isinstance(event, Resolved):
                left.append(event)
            else:
                left += self._without_known(self._resolver.feed(event, known))
        return left


def _without_name(ask: Ask) -> Ask:
    """What was asked before its name was known, and what a lock says of it."""
    return msgspec.structs.replace(ask, name="", integrity="") if isinstance(ask, AskManifest) else ask
