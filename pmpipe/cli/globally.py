"""`--global`: install, remove and update packages of the whole machine."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping, Sequence

from pmpipe.changing.change_resolver import Action, ChangeOrder
from pmpipe.changing.manifest_change import NAMES_TO_REMOVE, NAMES_TO_UPDATE, check_names, told_in_vain
from pmpipe.changing.requested import read_arguments
from pmpipe.cli.installing import Extent, install
from pmpipe.cli.options import CommandLine
from pmpipe.cli.output import Output, tell
from pmpipe.errors import FilesystemError, ManifestError, UsageError
from pmpipe.installing.global_folder import GlobalFolder
from pmpipe.installing.install_request import Arrival
from pmpipe.npm.locks.package_path import PackagePath
from pmpipe.npm.manifests.manifest import read_manifest
from pmpipe.npm.manifests.manifest_text import NO_MANIFEST
from pmpipe.npm.texts.text import plural
from pmpipe.project.find_project import working_folder
from pmpipe.project.project_files import MANIFEST
from pmpipe.project.project_lock import project_lock
from pmpipe.resolver.project import Project
from pmpipe.resolving.change_order import saving_of
from pmpipe.session import Session
from pmpipe.settings.config import Config

#: npm lays global packages out in one way only, and leaves nothing out of them
_ALWAYS = {
    "global": True,
    "install-strategy": "shallow",
    "legacy-bundling": False,
    "include": ["dev", "optional", "peer"],
}


def run_globally(line: CommandLine, environ: Mapping[str, str]) -> int:
    """Change the packages of the whole machine; the exit status.

    Raises:
        PmpipeError: it could not be done, and everything is as it was.
    """
    started = time.monotonic()
    if line.command not in ("install", "remove", "update"):
        raise UsageError(f"pmpipe {line.command} does not work with --global", hint="run it in a project")
    config = Config.load(line.settings, environ, working_folder())
    if config.package_lock_only:
        raise UsageError("there is no lockfile for global packages", hint="leave --package-lock-only out")
    if config.workspace or config.workspaces:
        raise UsageError("workspaces have nothing to do with global packages", hint="leave one of the two out")
    folder = GlobalFolder(config.prefix, force=config.force)
    try:
        os.makedirs(folder.top, exist_ok=True)
    except OSError as error:
        raise FilesystemError(f"cannot make {folder.top}: {error.strerror}", hint="choose another --prefix") from error
    with project_lock(folder.top, tell), folder.changing():
        if line.command == "remove":
            _remove(line, config, folder)
        else:
            _install(line, _wanted(line, config, folder), environ, folder, started)
    return 0


def _wanted(line: CommandLine, config: Config, folder: GlobalFolder) -> list[str]:
    """What is to be installed, as arguments."""
    if line.command == "install":
        return list(line.words) or [_this_folder()]
    check_names(line.words, NAMES_TO_UPDATE)
    there = folder.names()
    _warn_of_unknown(Output(config.loglevel, json=config.json), [name for name in line.words if name not in there])
    return [f"{name}@*" for name in there if not line.words or name in line.words]


def _this_folder() -> str:
    here = working_folder()
    if not os.path.exists(f"{here}/{MANIFEST}"):
        raise ManifestError(
            f"there is no package.json in {here}",
            hint="name the packages to install, as in `pmpipe install -g typescript`, or run it in a package's folder",
        )
    return "."


def _install(
    line: CommandLine, wanted: Sequence[str], environ: Mapping[str, str], folder: GlobalFolder, started: float
) -> None:
    settings = {**line.settings, **_ALWAYS}
    session = Session.open(settings, environ, folder.stage, may_be_new=True)
    home = environ.get("HOME", "")
    order = ChangeOrder(
        Action.ADD,
        Project(folder.stage, {}),
        {"": NO_MANIFEST},
        specs=read_arguments(wanted, working_folder(), home, realpath=os.path.realpath),
        # nothing of the project that all this is built in is kept
        saving=saving_of(Action.ADD, session.config, home, save=False),
    )

    def move() -> list[PackagePath]:
        names = read_manifest(session.manifests[MANIFEST], MANIFEST).dependencies or ()
        folder.exchange(names)
        return [PackagePath(f"node_modules/{name}") for name in names]

    arrival = Arrival(folder.top, folder.bin_folder, move, folder.preserve, folder.settle)
    output = Output(session.config.loglevel, json=session.config.json)
    install(line, session, output, started, Extent(order, arrival=arrival))


def _remove(line: CommandLine, config: Config, folder: GlobalFolder) -> None:
    if not line.words:
        raise UsageError("pmpipe remove wants the name of a package", hint="for example `pmpipe remove -g typescript`")
    going = [name for name in line.words if folder.has(name)]
    in_vain = [name for name in line.words if name not in going]
    check_names(in_vain, NAMES_TO_REMOVE)
    if not config.dry_run:
        folder.exchange(going)
        folder.settle()
    output = Output(config.loglevel, json=config.json)
    _warn_of_unknown(output, in_vain)
    if config.json:
        output.document({"removed": going})
    else:
        output.say(f"removed {plural(len(going), 'global package')}")


def _warn_of_unknown(output: Output, names: Sequence[str]) -> None:
    output.warn(told_in_vain(names, "global"))
