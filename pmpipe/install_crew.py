"""The processes of one install, made before it is known how much of them it takes.

Loading libcurl and the event loop takes fetch as long as the main process needs to find out what is wanted. So the
processes that will very probably have work start as soon as the settings are known.
"""

from __future__ import annotations

import os
from types import TracebackType
from typing import TYPE_CHECKING

from pmpipe.driving import Crew
from pmpipe.orders import StageName
from pmpipe.pipeline import stages_for
from stages.document_cache import FOLDER_NAME

if TYPE_CHECKING:
    from pmpipe.resolving.worker import ResolveInputs
    from pmpipe.session import Session


class InstallCrew:
    """A crew with all stages; a context manager.

    Args:
        session: the project.

    Attributes:
        sizes: processes and queues.
        crew: the processes.
        resolve_inputs: what the resolve process is to do; to be set before it starts.
    """

    def __init__(self, session: Session) -> None:
        self.sizes = session.sizes()
        self.resolve_inputs: ResolveInputs | None = None
        self.crew = Crew(stages_for(self.sizes, session.fetch_settings(self.sizes), self._given_inputs))

    def _given_inputs(self) -> ResolveInputs:
        assert self.resolve_inputs is not None, "resolve starts when it is known what is to be resolved"
        return self.resolve_inputs

    def get_ready(self, session: Session) -> None:
        """Start what will very probably have work, judging by what is not there; what has started stays.

        Raises:
            HostError: a process cannot be started.
        """
        config = session.config
        if config.offline or config.dry_run or session.is_tree_known:
            return
        if not session.lock:
            if not os.path.isdir(f"{session.store().folder}/{FOLDER_NAME}"):
                self.crew.prepare(StageName.FETCH)
        elif not (config.package_lock_only or os.path.lexists(f"{session.folder}/node_modules")):
            self.crew.prepare(StageName.FETCH, StageName.EXTRACT)

    def __enter__(self) -> InstallCrew:  # noqa: PYI034 - Self is not in typing before 3.11
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.crew.stop()
