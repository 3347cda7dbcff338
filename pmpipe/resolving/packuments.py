"""The packuments of one resolution: those that former runs have kept, and those that come from a registry."""

from __future__ import annotations

import os
import time

from pmpipe.errors import PmpipeError, StoreError
from pmpipe.npm.packages.packument import Packument
from pmpipe.resolver import AskPackument
from pmpipe.resolving.documents import PackumentReader
from pmpipe.resolving.inputs import CachePolicy
from pmpipe.resolving.remembered import Answered
from pmpipe.resolving.wants import Wants
from stages.document_cache import KeptDocument, read_document, still_current
from stages.messages import SharedBytes


class Packuments:
    """Reads them.

    Args:
        policy: which kept ones count without the registry's word.
        wants: where they are.
        shared: the arena.

    Attributes:
        asks_always: none counts without the registry's word, unless it cannot be asked.
        has_believed: one has counted without it.
        answered: what has been read, by what it answers.
    """

    def __init__(self, policy: CachePolicy, wants: Wants, shared: memoryview) -> None:
        self.asks_always = self.has_believed = False
        self.answered: dict[AskPackument, Answered] = {}
        self._policy = policy
        self._wants = wants
        self._shared = shared
        self._reader = PackumentReader()
        self._are_kept = os.path.isdir(policy.folder)

    def begin_anew(self) -> None:
        """Read once more, and ask the registry about every kept one."""
        self.asks_always, self.has_believed = True, False
        self.answered.clear()

    def kept(self, ask: AskPackument) -> KeptDocument | None:
        """A kept document; None if there is none.

        Raises:
            PmpipeError: it cannot be read, or its registry cannot be used.
        """
        path = self._path(ask)
        if not self._are_kept:
            return None
        try:
            return read_document(path)
        except OSError as error:
            what = f"cannot read {path}: {error.strerror}"
            raise StoreError(what, hint="mend its permissions, or remove it") from error

    def is_believed(self, kept: KeptDocument) -> bool:
        """Whether a kept document counts without the registry's word."""
        policy = self._policy
        if policy.offline or self.asks_always:
            return policy.offline
        return policy.prefer_offline or (not policy.prefer_online and kept.is_fresh(time.time()))

    def read_kept(self, ask: AskPackument, kept: KeptDocument) -> Packument | None:
        """The packument in a kept document; None if a power cut has torn it."""
        try:
            packument = self._reader.read(kept.body, ask.name, gzipped=kept.head.gzipped, stays=True)
        except PmpipeError:
            return None
        self.answered[ask] = Answered.by(ask, kept.body)
        return packument

    def read(self, ask: AskPackument, source: SharedBytes, *, gzipped: bool, stays: bool) -> Packument | PmpipeError:
        """The packument that has come, or why it is none.

        Args:
            ask: what it answers.
            source: where it lies in the arena.
            gzipped: it is under gzip.
            stays: it stays there until the resolution has ended.
        """
        # what stays is looked into as long as the packument is there
        body = self.body(source)
        self.answered[ask] = Answered.by(ask, body)
        try:
            return self._reader.read(body, ask.name, gzipped=gzipped, stays=stays)
        except PmpipeError as error:
            return error

    def body(self, source: SharedBytes) -> memoryview:
        """What lies in the arena."""
        return self._shared[source.offset : source.offset + source.length]

    def note_current(self, ask: AskPackument) -> None:
        """The registry has just stood by the kept document."""
        still_current(self._path(ask))

    def _path(self, ask: AskPackument) -> str:
        return self._wants.packument(ask).cache_path
