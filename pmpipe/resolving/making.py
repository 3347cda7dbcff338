"""What is written of a tree that is resolved: the lock, and the package.json files that belong to it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pmpipe.npm.locks.lock_writer import write_lockfile
from pmpipe.project.project_files import manifest_path
from pmpipe.resolving.made import Made

if TYPE_CHECKING:
    from pmpipe.changing.change_resolver import ChangeResolver
    from pmpipe.resolver import IdealTree
    from pmpipe.resolving.inputs import LockStyle

#: Versions of lockfiles.
_OLDEST_TO_INSTALL_FROM, _USUAL_VERSION = 2, 3


def made_of(ideal: IdealTree, resolver: ChangeResolver, style: LockStyle, *, keeps_yarn_lock: bool) -> Made:
    """What a finished resolution makes.

    Args:
        ideal: the tree that it came to, with the patches of its packages.
        resolver: which has come to it.
        style: how the lock is written.
        keeps_yarn_lock: the project's yarn.lock is made, too.
    """

    def lock_document(version: int) -> dict[str, Any]:
        return ideal.lock_document(
            lockfile_version=version, omit_registry_resolved=style.omit_registry_resolved, old_lock=style.old_lock
        )

    # version 1 says too little to install from
    is_old = style.version < _OLDEST_TO_INSTALL_FROM
    document = lock_document(_USUAL_VERSION if is_old else style.version)
    # it may have to have a higher one
    is_old = is_old and document["lockfileVersion"] == _USUAL_VERSION
    nodes = ideal.nodes()
    return Made(
        write_lockfile(document, style.layout),
        {manifest_path(location): content for location, content in resolver.manifests.items()},
        resolver.saves_lock,
        resolver.saves_manifests,
        ideal.yarn_lock_text().encode() if keeps_yarn_lock else b"",
        packages=sum(node.target is None and not node.is_top for node in nodes.values()),
        unavailable=tuple(dict.fromkeys(ideal.unavailable())),
        has_extraneous=any("extraneous" in entry for entry in document["packages"].values()),
        never_built=tuple(path for path, node in nodes.items() if node.package.manifest.gypfile is False),
        old_lock=write_lockfile(lock_document(style.version), style.layout) if is_old else b"",
    )
