"""What the command line says about workspaces: ``-w``, ``--workspaces``, ``--include-workspace-root``.

Which ones that means is found out by `pmpipe.project.workspace_choice`.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from pmpipe.errors import ConfigError
from pmpipe.settings.config import Config


class Choice(msgspec.Struct, frozen=True):
    """What the command line says about workspaces.

    Attributes:
        filters: of ``-w``, in their order.
        all: ``--workspaces``.
        with_root: ``--include-workspace-root``.
        none: ``--no-workspaces``: what only workspaces need is left alone.
        start: absolute path that the paths among the filters start from.
    """

    filters: Sequence[str] = ()
    all: bool = False
    with_root: bool = False
    none: bool = False
    start: str = "/"

    @property
    def is_made(self) -> bool:
        """Whether anything but the project itself is meant."""
        return bool(self.filters) or self.all

    @property
    def limits(self) -> bool:
        """Whether the choice leaves a part of node_modules alone."""
        return self.is_made or self.none

    @classmethod
    def of(cls, config: Config, working_folder: str, workspace: str = "") -> Choice:
        """What the settings say.

        Args:
            config: all settings.
            working_folder: absolute path that the paths among the filters start from.
            workspace: absolute path of the workspace's folder that the command was given in, or empty.

        Raises:
            ConfigError: some are named, and it is said that there are none.
        """
        if config.workspaces is False and config.workspace:
            raise ConfigError("--no-workspaces and --workspace contradict each other", hint="give one of them")
        implied = (workspace,) if workspace and config.workspaces is None else ()
        return cls(
            config.workspace or implied,
            all=config.workspaces is True and not config.workspace,
            with_root=config.include_workspace_root,
            none=config.workspaces is False,
            start=working_folder,
        )
