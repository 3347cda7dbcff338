"""From a command line to what is asked of the resolver: which manifests, which packages, saved how."""

from __future__ import annotations

import os
from collections.abc import Sequence

import msgspec

from pmpipe.changing.change_resolver import Action, ChangeOrder
from pmpipe.changing.manifest_change import Saving
from pmpipe.changing.requested import read_arguments
from pmpipe.npm.manifests.manifest_edit import SaveType
from pmpipe.npm.manifests.manifest_text import NO_MANIFEST, ManifestText, read_manifest_text
from pmpipe.project.project import read_project
from pmpipe.project.project_files import manifest_path, read_file
from pmpipe.project.workspace_choice import chosen_locations
from pmpipe.resolving.inputs import resolver_project
from pmpipe.session import Session
from pmpipe.settings.choice import Choice
from pmpipe.settings.config import Config

_SAVE_TYPES = {
    "save-dev": SaveType.DEV,
    "save-optional": SaveType.OPTIONAL,
    "save-peer": SaveType.PEER,
    "save-prod": SaveType.PROD,
}


class Wish(msgspec.Struct, frozen=True):
    """What a command line asks for.

    Attributes:
        action: what the command does.
        words: names, or what is to be added.
        working_folder: absolute path that paths among the words start from.
        choice: which workspaces it is about.
    """

    action: Action
    words: Sequence[str]
    working_folder: str
    choice: Choice = msgspec.field(default_factory=Choice)


def change_order(wish: Wish, session: Session) -> ChangeOrder | None:
    """What the resolver is asked for; None if nothing but the project as it is.

    Args:
        wish: see there.
        session: the project, locked.

    Raises:
        PmpipeError: a word, a setting, a package.json or the lockfile cannot be used.
    """
    config, folder = session.config, session.folder
    home = session.environ.get("HOME", "")
    specs = []
    if wish.action is Action.ADD:
        specs = read_arguments(wish.words, wish.working_folder, home, excluded=folder, realpath=os.path.realpath)
        if not specs:
            return None
    # without the lock, which may be of version 1 or hold merge conflicts: it says nothing about workspaces
    manifests = read_project(folder, session.lock_file, b"", session.manifests, session.find_folders).manifests
    workspaces = manifests.workspaces
    return ChangeOrder(
        wish.action,
        resolver_project(folder, session.lock_file, session.lock, session.manifests, session.find_folders),
        {location: _manifest(folder, location) for location in dict.fromkeys(("", *workspaces.values()))},
        chosen_locations(wish.choice, workspaces, folder),
        specs,
        wish.words,
        saving_of(wish.action, config, home),
    )


def saving_of(action: Action, config: Config, home: str, *, save: bool = True) -> Saving:
    """How the settings have changes saved; `save` as long as nothing speaks against it."""
    settings = config.settings
    return Saving(
        # an update changes package.json only where that is asked for
        save=save and config.save and (action is not Action.UPDATE or "save" in config.given),
        save_type=next((kind for name, kind in _SAVE_TYPES.items() if settings[name]), None),
        bundled=bool(settings["save-bundle"]) and not settings["save-peer"],
        prefix="" if config.save_exact else config.save_prefix,
        home=home or "/",
    )


def _manifest(folder: str, location: str) -> ManifestText:
    name = manifest_path(location)
    data = read_file(folder, name)
    return NO_MANIFEST if data is None else read_manifest_text(data, name)
