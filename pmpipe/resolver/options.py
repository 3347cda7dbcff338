"""The settings that decide what an ideal tree looks like, under npm's names."""

from __future__ import annotations

from enum import Enum

import msgspec

from pmpipe.npm.packages.npm_version import follows_npm_12, looks_up_fewer_peers
from pmpipe.npm.packages.pick_manifest import PickOptions
from pmpipe.npm.packages.platform import Engines, Platform
from pmpipe.npm.packages.source_policy import SourcePolicy


class InstallStrategy(Enum):
    """Where packages go: as high as possible, each in its dependent's folder, or hoisted by one level at most."""

    HOISTED = "hoisted"
    NESTED = "nested"
    SHALLOW = "shallow"


class ResolveOptions(msgspec.Struct, frozen=True):
    """How to resolve.

    Attributes:
        pick: how to choose among the versions of a package.
        install_strategy: see there.
        legacy_peer_deps: peer dependencies are not looked at.
        strict_peer_deps: every conflict among peers is an error, not only the project's own.
        force: conflicts among peers are let pass, and platforms and Node.js versions are not checked.
        prefer_dedupe: take what is in the tree already even where something newer would satisfy.
        install_links: copy ``file:`` folders instead of linking them.
        updates: names of which newer versions are wanted wherever they stand.
        release_age_exclude: names for which `pick.before` does not hold.
        os, cpu, libc: those to install for, which optional packages must fit; empty texts do not check.
        host: this machine, which required packages must fit; None if it is what is installed for.
        omit: of ``dev``, ``optional`` and ``peer``, what will not be installed and need not fit the host.
        engine_strict: a required package that does not fit the Node.js is an error.
        is_global: the project's own dependencies have nothing to do with each other: peers go into the package that
            wants them, not beside it (npm's ``--global``).
        sources: where packages may not come from; None if from everywhere.
    """

    pick: PickOptions = msgspec.field(default_factory=PickOptions)
    install_strategy: InstallStrategy = InstallStrategy.HOISTED
    legacy_peer_deps: bool = False
    strict_peer_deps: bool = False
    force: bool = False
    prefer_dedupe: bool = False
    install_links: bool = False
    updates: frozenset[str] = frozenset()
    release_age_exclude: tuple[str, ...] = ()
    os: str = ""
    cpu: str = ""
    libc: str = ""
    host: Platform | None = None
    omit: frozenset[str] = frozenset()
    engine_strict: bool = False
    is_global: bool = False
    sources: SourcePolicy | None = None

    @property
    def platform(self) -> Platform:
        """The one to install for."""
        return Platform(self.os, self.cpu, self.libc)

    @property
    def engines(self) -> Engines:
        """The versions that packages may ask for."""
        return Engines("" if self.force else self.pick.node_version, self.pick.npm_version)

    @property
    def looks_up_fewer_peers(self) -> bool:
        """Whether peers are looked up as by npm 11.21 and later."""
        return looks_up_fewer_peers(self.pick.npm_version)

    @property
    def follows_npm_12(self) -> bool:
        """Whether npm 12 decides where it resolves otherwise than any npm 11."""
        return follows_npm_12(self.pick.npm_version)
