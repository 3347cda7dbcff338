"""Does a lockfile still repeat what the project's package.json files say of license, engines, executables and the like?

Nothing is installed differently because of these fields, but npm's `install` brings them up to date.
"""

from __future__ import annotations

from pmpipe.npm.locks.lock_drift import RESTATED, Unlike
from pmpipe.resolver.lock_entries import folder_fields
from pmpipe.resolver.package import DependencyPool
from pmpipe.resolver.source import package_from_json

_INSTALL_SCRIPT = "hasInstallScript"


def is_restated(unlike: Unlike, *, may_be_built: bool) -> bool:
    """Whether an entry has what would be written for its package.json today, in whatever words that is.

    Args:
        unlike: the two.
        may_be_built: npm may have found something there that node-gyp builds, which is an install script, too.
    """
    entry = unlike.entry
    package = package_from_json(unlike.document, DependencyPool())
    fields = folder_fields(package)
    if any(fields.get(key) != entry.get(key) for key in RESTATED):
        return False
    if ("devDependencies" in fields) != ("devDependencies" in entry) or not unlike.is_named_rightly:
        return False
    runs, says_so = package.has_install_script, bool(entry.get(_INSTALL_SCRIPT))
    return runs == says_so or (says_so and may_be_built)
