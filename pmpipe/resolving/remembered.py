"""Remembering resolutions: the same project, settings and packuments give the same lock, so it need not be worked out.

A resolution is a function of what the resolve process is started with and of the answers to what it asks. The former
makes the key. Of the latter all packuments are noted by digests of their bodies. Where all of them are what they were,
the lock of the last time is the lock of this time. That is what a project that keeps no lock asks for every time.

Only what nothing else has gone into is remembered: no folder, no git repository, no code or patch of the project, and
nothing that could not be had.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import TYPE_CHECKING

import msgspec
import xxhash

from pmpipe import __version__
from pmpipe.npm.packages.packument import Packument
from pmpipe.resolver import Ask, AskContents, AskPackument, Fed, FedContents, ResolveOptions
from pmpipe.resolving.made import Made
from pmpipe.tree.memory import RESOLUTIONS, read_sealed, write_sealed

if TYPE_CHECKING:
    from pmpipe.resolving.resolve_inputs import ResolveInputs

#: Changes with what is remembered of a resolution, and with how it is worked out.
_FORMAT = 1

#: Resolutions kept in one store; those that were worked out longest ago go first.
_KEPT = 16


class Answered(msgspec.Struct, frozen=True, array_like=True):
    """A packument that was an answer.

    Attributes:
        name, abbreviated: what was asked for (`AskPackument`).
        digest: of its body as received.
    """

    name: str
    abbreviated: bool
    digest: bytes

    @property
    def ask(self) -> AskPackument:
        """What it answers."""
        return AskPackument(self.name, self.abbreviated)

    @classmethod
    def by(cls, ask: AskPackument, body: bytes | memoryview) -> Answered:
        """A body that answers an ask."""
        return cls(ask.name, ask.abbreviated, xxhash.xxh3_128_digest(body))


class RememberedResolution(msgspec.Struct, frozen=True, array_like=True):
    """What came of a resolution.

    Attributes:
        made: see there.
        warnings: what the user was told, one line each.
        answers: the packuments that it followed from.
    """

    made: Made
    warnings: tuple[str, ...]
    answers: tuple[Answered, ...]


_decoder = msgspec.msgpack.Decoder(RememberedResolution)


def resolution_key(inputs: ResolveInputs, options: ResolveOptions) -> str | None:
    """What a resolution is remembered under; None if it follows from more than can be compared.

    Args:
        inputs: of the resolve process.
        options: with the version of Node.js.
    """
    order = inputs.order
    project = order.project
    code = project.code
    if project.locked is not None:
        return None  # what has a lock asks for little, and hardly ever for the same again
    if options.pick.before is not None or inputs.patches.by_selector or project.extensions is not None:
        return None
    if code is not None and (code.hash is not None or code.transform is not None):
        return None
    # sets have no order of their own
    explicit = [(location, sorted(names)) for location, names in project.explicit.items()]
    parts = (
        __version__,
        _FORMAT,
        msgspec.structs.replace(order, project=msgspec.structs.replace(project, explicit={}, code=None)),
        explicit,
        code is not None,
        msgspec.structs.replace(options, omit=frozenset(), updates=frozenset()),
        sorted(options.omit),
        sorted(options.updates),
        inputs.style,
        inputs.wants.registries,
        inputs.tells_engines,
        inputs.keeps_yarn_lock,
    )
    try:
        text = msgspec.msgpack.encode(parts)
    except (OverflowError, UnicodeEncodeError):
        return None  # JSON has numbers, and a disk names, that no message can hold
    return hashlib.sha256(text).hexdigest()


class ResolutionMemory(msgspec.Struct, frozen=True):
    """The resolutions that a store remembers.

    Args:
        store: absolute path of the store's version folder.
        writable: whether more may be kept there.
    """

    store: str
    writable: bool

    def recall(self, key: str) -> RememberedResolution | None:
        """What was remembered under a key; None if nothing was, or a power cut has torn it."""
        try:
            return _decoder.decode(read_sealed(f"{self.store}/{RESOLUTIONS}/{key}"))
        except (OSError, ValueError):
            return None  # it is worked out again

    def remember(self, key: str, remembered: RememberedResolution) -> None:
        """Keep it, if the store can be written.

        Raises:
            OSError: it cannot be.
        """
        if self.writable:
            write_sealed(self.store, f"{RESOLUTIONS}/{key}", msgspec.msgpack.encode(remembered), _KEPT)


class Answers(msgspec.Struct):
    """What one resolution has been fed."""

    #: False: the same cannot be compared with what another run is fed
    _are_comparable: bool = True
    _answered: dict[AskPackument, Answered] = msgspec.field(default_factory=dict)

    def note(self, ask: Ask, fed: Fed, documents: Mapping[AskPackument, Answered]) -> None:
        """Note an answer.

        Args:
            ask: what was asked.
            fed: the answer.
            documents: what is known of those that came from a registry.
        """
        if isinstance(ask, AskPackument) and isinstance(fed, Packument):
            self._answered[ask] = documents[ask]
        elif not (isinstance(ask, AskContents) and isinstance(fed, FedContents) and ask.integrity):
            self._are_comparable = False

    def comparable(self) -> tuple[Answered, ...] | None:
        """The packuments, if nothing else counts; else None."""
        return tuple(self._answered.values()) if self._are_comparable else None
