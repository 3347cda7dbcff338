"""What stands in a project's node_modules before a run: read from the hidden lockfile, believed as far as it can be.

The hidden lockfile is written last, so everything it lists was complete then. A folder that changed later is newer than
the file; a package that is not listed made its parent folder newer. Comparing modification times finds both for the
price of one ``lstat`` per package, as npm does it; here a change only casts doubt on what changed, not on everything.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING

import msgspec

from pmpipe.npm.locks.package_path import PackagePath, is_installed, split_installed
from pmpipe.npm.texts.json_text import without_bom
from pmpipe.npm.texts.text import is_utf8
from pmpipe.system.presence import is_folder, is_real_folder, is_there
from pmpipe.tree.standing import TOLERANCE_NS, FileIdentity, hidden_lockfile_identity
from pmpipe.tree.transaction import ModulesFolder
from pmpipe.tree.wanted import WantedTree, holder_of

if TYPE_CHECKING:
    from pmpipe.npm.locks.lockfile import Entry


class Standing(msgspec.Struct, frozen=True, gc=False):
    """What a location holds, as far as is known; texts are empty where it is not. `patch` is a patch's integrity."""

    name: str
    version: str
    integrity: str = ""
    resolved: str = ""
    is_link: bool = False
    in_bundle: bool = False
    patch: str = ""


class _Identity(msgspec.Struct, frozen=True):
    name: str | None = None
    version: str | None = None


class Installed(msgspec.Struct):
    """The state of a tree.

    Attributes:
        packages: what is believed to be there, by location.
        doubtful: locations whose folder changed since the hidden lockfile was written, and that are still there.
        lost: locations that the hidden lockfile lists, and where nothing of that kind is.
        extraneous: absolute paths of package folders and links that nothing lists.
        changed_bins: ``.bin`` folders that are missing or changed, by absolute path.
        elsewhere: paths of packages that are known to have been put into other folders than the project's own
            node_modules, be they there or not.
        trusted: there was a hidden lockfile; otherwise it is what each folder's package.json says.
    """

    packages: dict[PackagePath, Standing] = msgspec.field(default_factory=dict)
    doubtful: set[PackagePath] = msgspec.field(default_factory=set)
    lost: set[PackagePath] = msgspec.field(default_factory=set)
    extraneous: list[str] = msgspec.field(default_factory=list)
    changed_bins: set[str] = msgspec.field(default_factory=set)
    elsewhere: list[PackagePath] = msgspec.field(default_factory=list)
    trusted: bool = False


class EarlySurvey(msgspec.Struct, frozen=True):
    """What was found before it was known what is wanted; it counts where that makes no difference.

    Attributes:
        installed: what was found; all that the hidden lockfile lists is as it was left.
        folders: absolute paths of the modules folders that were looked at.
        identity: of the hidden lockfile: inode, size and modification time (ns).
    """

    installed: Installed
    folders: frozenset[str]
    identity: FileIdentity

    def counts(self, project: str, folders: Iterable[ModulesFolder]) -> bool:
        """Whether a survey of these folders would begin with the same hidden lockfile, and look at the same.

        Raises:
            OSError: the system does not say.
        """
        return self.folders == {folder.path for folder in folders} and self.identity == _identity(project)


def survey_early(project: str) -> EarlySurvey | None:
    """Look at what is there while it is being found out what is wanted, as npm does.

    Args:
        project: absolute path of the project.

    Returns:
        None if there is no hidden lockfile, or anything is not as it was left: then it has to be looked at when it is
        known what is wanted.

    Raises:
        FilesystemError, OSError: something cannot be read.
    """
    # before it is read: another one in its place is noticed
    identity = _identity(project)
    claimed = _read_hidden(project) if identity is not None else None
    if identity is None or claimed is None:
        return None
    paths = {f"{project}/{path.partition('node_modules/')[0]}node_modules" for path in claimed}
    folders = [ModulesFolder(path, fresh=False) for path in sorted(paths) if is_real_folder(path)]
    found, disputed = _look_around(project, folders, claimed, identity)
    if disputed or found.doubtful or found.lost:
        return None
    return EarlySurvey(found, frozenset(folder.path for folder in folders), identity)


def survey(
    project: str, folders: Iterable[ModulesFolder], wanted: WantedTree, early: EarlySurvey | None = None
) -> Installed:
    """Look at what is there.

    Args:
        project: absolute path of the project.
        folders: its modules folders; what their journals name is not believed.
        wanted: what is going to be installed; looked at first where there is no hidden lockfile.
        early: what has been found already, if anything.

    Raises:
        FilesystemError, OSError: something cannot be read.
    """
    if early is not None and early.counts(project, folders):
        return early.installed
    identity = _identity(project)
    hidden = _read_hidden(project) if identity is not None else None
    if hidden is None:
        identity = None
    claimed = hidden if hidden is not None else _read_folders(project, wanted)
    found, disputed = _look_around(project, folders, claimed, identity)
    wanted_locations = {package.location for package in wanted.packages}
    # a run that was to remove them was cut off, or somebody has put something else there
    left = (f"{project}/{path}" for path in disputed - wanted_locations if _is_location(path))
    found.extraneous = sorted({*found.extraneous, *filter(is_there, left)})
    return found


def _look_around(
    project: str,
    folders: Iterable[ModulesFolder],
    claimed: Mapping[PackagePath, Standing],
    hidden: FileIdentity | None,
) -> tuple[Installed, set[str]]:
    """What is there, and the locations of which something else is known than what is claimed of them.

    Args:
        project: absolute path of the project.
        folders: its modules folders.
        claimed: what is said to be there.
        hidden: of the hidden lockfile that says so; None: the folders say so themselves.
    """
    written_ns = hidden[2] + TOLERANCE_NS if hidden is not None else 0
    found = Installed(trusted=hidden is not None)
    found.elsewhere = [path for path in claimed if not path.startswith("node_modules/")]
    disbelieved: set[str] = set()
    for folder in folders:
        journal = folder.journal()
        if journal is not None:
            disbelieved.update(journal.locations)
            if journal.everything:
                prefix = f"{os.path.relpath(folder.path, project)}/"
                disbelieved.update(path for path in claimed if path.startswith(prefix))
    is_real: dict[str, bool] = {}
    #: what is not there any more, or a link in the place of a folder
    replaced: set[str] = set()
    for path, standing in claimed.items():
        if path in disbelieved or not _is_real(project, os.path.dirname(path), is_real):
            continue
        state = _look_at(f"{project}/{path}", standing)
        if state is None:
            replaced.add(path)
            continue
        found.packages[path] = standing
        if state > written_ns and not standing.is_link:
            found.doubtful.add(path)
    found.lost = claimed.keys() - found.packages.keys()
    _survey_folders(project, found, claimed, folders, written_ns)
    return found, disbelieved | replaced


def _is_location(path: str) -> bool:
    return is_installed(PackagePath(path)) and ".." not in path.split("/")


def _identity(project: str) -> FileIdentity | None:
    try:
        return hidden_lockfile_identity(project)
    except (FileNotFoundError, NotADirectoryError):
        return None


def _read_hidden(project: str) -> dict[PackagePath, Standing] | None:
    """What the hidden lockfile lists, by location; None if there is none, or none that can be used."""
    from pmpipe.npm.locks.lockfile import package_name
    from pmpipe.project.project import read_hidden_lockfile

    lock = read_hidden_lockfile(project)
    if lock is None:
        return None
    return {
        path: Standing(
            package_name(path, entry),
            entry.version or "",
            entry.integrity or "",
            entry.resolved or "",
            entry.link,
            _is_bundled(path, lock.entries),
            entry.patched.integrity if entry.patched is not None else "",
        )
        for path, entry in lock.entries.items()
        if is_installed(path)
    }


def _is_bundled(path: PackagePath, entries: Mapping[PackagePath, Entry]) -> bool:
    """See `pmpipe.npm.locks.selection.is_bundled`; what the project itself bundles has come like anything else."""
    holder = holder_of(path)
    above = entries.get(holder)
    if above is None or not is_installed(holder):
        return False
    if path.rpartition("node_modules/")[2] in above.bundled_names() or _is_bundled(holder, entries):
        return True
    return entries[path].comes_with(above)


def _is_real(project: str, folder: str, known: dict[str, bool]) -> bool:
    """Whether a folder in node_modules is one, and all above it: what lies behind a link is not installed here."""
    if "node_modules" not in folder.split("/"):
        return True
    found = known.get(folder)
    if found is None:
        is_folder_itself = is_real_folder(f"{project}/{folder}")
        found = known[folder] = is_folder_itself and _is_real(project, os.path.dirname(folder), known)
    return found


def _look_at(path: str, standing: Standing) -> int | None:
    """The folder's modification time in ns; None if it is not there, or is not what is expected."""
    try:
        found = os.lstat(path)
    except OSError:
        return None
    expected = stat.S_ISLNK if standing.is_link else stat.S_ISDIR
    return found.st_mtime_ns if expected(found.st_mode) else None


def _read_folders(project: str, wanted: WantedTree) -> dict[PackagePath, Standing]:
    """What the folders' own package.json say, where no hidden lockfile does."""
    found: dict[PackagePath, Standing] = {}
    for package in wanted.packages:
        if package.link_target is not None:
            found[package.location] = Standing(package.name, package.version, is_link=True)
            continue
        try:
            with open(f"{project}/{package.location}/package.json", "rb") as file:
                identity = msgspec.json.decode(without_bom(file.read()), type=_Identity)
        except (OSError, ValueError, RecursionError):
            continue  # whatever it is, it is not what is wanted
        found[package.location] = Standing(identity.name or "", identity.version or "", in_bundle=package.in_bundle)
    return found


def _survey_folders(
    project: str,
    found: Installed,
    claimed: Mapping[PackagePath, Standing],
    folders: Iterable[ModulesFolder],
    written_ns: int,
) -> None:
    """Look for packages that nothing lists, whatever the folders' times say: who unpacks an archive restores those."""
    roots = {folder.path for folder in folders}
    for path in claimed:
        split = split_installed(path)
        if split is not None:
            roots.add(os.path.normpath(f"{project}/{split[0]}/node_modules"))
    # a package that had no packages in it is newer if somebody has put one there
    roots.update(f"{project}/{path}/node_modules" for path in found.doubtful)
    for root in sorted(roots):
        if not is_folder(root):
            continue
        try:
            bins = os.lstat(f"{root}/.bin").st_mtime_ns if is_there(f"{root}/.bin") else written_ns + 1
        except OSError:
            continue  # it has gone between the two looks, and somebody is changing the folder
        if bins > written_ns:
            found.changed_bins.add(f"{root}/.bin")
        base = os.path.relpath(root, project)
        for name in _names_in(root):
            if PackagePath(f"{base}/{name}") not in claimed:
                found.extraneous.append(f"{root}/{name}")


def _names_in(root: str) -> Iterator[str]:
    """Names of packages in a node_modules folder."""
    for entry in _folders_in(root):
        if entry.name.startswith("@") and entry.is_dir(follow_symlinks=False):
            yield from (f"{entry.name}/{inner.name}" for inner in _folders_in(entry.path))
        else:
            yield entry.name


def _folders_in(path: str) -> list[os.DirEntry[str]]:
    """Folders and links without a leading dot. A plain file is no package, and not ours to remove.

    Nor is what has a name that is not UTF-8: no package can have it, and no journal could tell of it.
    """
    with os.scandir(path) as listing:
        return [
            entry
            for entry in listing
            if not entry.name.startswith(".")
            and (entry.is_symlink() or entry.is_dir(follow_symlinks=False))
            and is_utf8(entry.name)
        ]
