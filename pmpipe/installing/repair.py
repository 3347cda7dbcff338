"""Finding and restoring files of node_modules that are missing or changed, by the store's indexes."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import msgspec

from pmpipe.errors import StoreError
from pmpipe.npm.locks.package_path import PackagePath
from pmpipe.pipeline.checking import CheckTask, Finding
from pmpipe.pipeline.driving import check
from pmpipe.pipeline.pipeline import Sizes
from pmpipe.planning.brought import own_paths, separate_locations
from pmpipe.planning.planner import Wanted
from pmpipe.store import Store
from pmpipe.tree.sources import entry_candidates


class Diagnosis(msgspec.Struct):
    """The state of a tree's files.

    Attributes:
        checked: how many packages were compared.
        damaged: location -> paths within the package that are missing or changed.
        missing: those of them that are missing, as paths within the project.
        changed: those that are changed.
        unverifiable: locations whose package is not in the store.
        built: locations of packages whose own scripts have changed them, for all that is known.
        damaged_entries: store entries that hold wrong bytes themselves.
    """

    checked: int = 0
    damaged: dict[PackagePath, tuple[str, ...]] = msgspec.field(default_factory=dict)
    missing: list[str] = msgspec.field(default_factory=list)
    changed: list[str] = msgspec.field(default_factory=list)
    unverifiable: list[PackagePath] = msgspec.field(default_factory=list)
    built: frozenset[PackagePath] = frozenset()
    damaged_entries: frozenset[str] = frozenset()

    def is_healthy(self) -> bool:
        """Every file of every package was found as it should be."""
        return not (self.damaged or self.unverifiable)


def diagnose(wanted: Wanted, store: Store, sizes: Sizes, built: frozenset[PackagePath] = frozenset()) -> Diagnosis:
    """Compare every file of every installed package with what was unpacked from its tarball.

    A hardlinked file that was edited has changed in the store too; so where a package differs, its store entry is
    checked as well.

    Args:
        wanted: the tree.
        store: opened.
        sizes: how large the pipeline is.
        built: locations of packages whose own scripts may have changed them; these are not compared.

    Raises:
        PmpipeError: a folder cannot be read, or a worker died.
    """
    diagnosis = Diagnosis(built=built)
    tasks = list(_tasks(wanted, store, diagnosis))
    diagnosis.checked = len(tasks)
    by_label = {task.label: task for task in tasks}
    separate = separate_locations(wanted.tree.packages)
    suspects: dict[str, CheckTask] = {}
    for finding in _check(tasks, sizes):
        location = PackagePath(finding.task.label)
        if finding.no_entry:
            diagnosis.unverifiable.append(location)
            continue
        missing, changed = (own_paths(location, paths, separate) for paths in (finding.missing, finding.changed))
        if not (missing or changed):
            continue
        diagnosis.damaged[location] = tuple(sorted({*missing, *changed}))
        diagnosis.missing += [f"{location}/{path}" for path in missing]
        diagnosis.changed += [f"{location}/{path}" for path in changed]
        entry = by_label[finding.task.label].entry
        suspects[entry] = CheckTask(entry, entry, entry)
    diagnosis.damaged_entries = frozenset(finding.task.entry for finding in _check(suspects.values(), sizes))
    return diagnosis


def _tasks(wanted: Wanted, store: Store, diagnosis: Diagnosis) -> Iterable[CheckTask]:
    for package in wanted.tree.packages:
        if package.link_target is not None or package.in_bundle or package.location in diagnosis.built:
            continue
        found = [one for one in entry_candidates(store.folder, package) if store.has(one)]
        if found:
            yield CheckTask(package.location, found[0], f"{wanted.project}/{package.location}")
        else:
            diagnosis.unverifiable.append(package.location)


def _check(tasks: Iterable[CheckTask], sizes: Sizes) -> Sequence[Finding]:
    findings = check(tasks, sizes)
    failed = [finding.failed for finding in findings if finding.failed is not None]
    if failed:
        raise StoreError(failed[0].what, details=failed[0].details, hint=failed[0].hint)
    return findings
