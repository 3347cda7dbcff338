"""Before a project is changed: are runtime, package manager and platform those that its ``devEngines`` asks for?

pmpipe takes npm's place, so it counts as npm.

Source: npm's ``lib/base-cmd.js`` (checkDevEngines) and ``npm-install-checks``, ``lib/current-env.js``.
"""

from __future__ import annotations

import os

import msgspec

from pmpipe import host
from pmpipe.errors import EngineError, ManifestError, PmpipeError, ProblemsError
from pmpipe.npm import NPM_VERSION
from pmpipe.npm.json_text import without_bom
from pmpipe.project_files import MANIFEST
from pmpipe.session import Session

_FIELD = b'"devEngines"'


def require_dev_engines(session: Session) -> list[str]:
    """Compare what package.json asks for with what there is.

    Returns:
        warnings, one line each: what does not fit and need not, or is let through by ``force``.

    Raises:
        EngineError: something does not fit.
        ManifestError: the field cannot be used.
        ProblemsError: several things do not fit.
    """
    manifest = session.root_manifest()
    if _FIELD not in manifest:
        return []  # nearly every project
    try:
        wanted = msgspec.json.decode(without_bom(manifest)).get("devEngines")
    except (ValueError, RecursionError, AttributeError):
        return []  # whoever reads all of it tells
    if wanted is None:
        return []
    from pmpipe.npm.dev_engines import InvalidDevEnginesError, Misfit, Present, check_dev_engines, needs_version_of

    platform = host.platform()
    present = {
        "packageManager": Present("npm", NPM_VERSION),
        "os": Present(platform.os, os.uname().release),
        "cpu": Present(platform.cpu),
        "libc": Present(platform.libc),
        "runtime": Present("node"),
    }
    warnings = []
    if needs_version_of(wanted, "runtime"):
        version = host.node_version(session.environ)
        if version:
            present["runtime"] = Present("node", version)
        else:
            del present["runtime"]
            warnings.append(f"devEngines.runtime of {MANIFEST} is not looked at: there is no Node.js")
    try:
        misfits = check_dev_engines(wanted, present)
    except InvalidDevEnginesError as error:
        raise ManifestError(f"cannot use {MANIFEST}: {error}") from error

    def is_error(misfit: Misfit) -> bool:
        return misfit.is_error and not session.config.force

    errors: list[PmpipeError] = [
        EngineError(
            f"{MANIFEST} asks for another {misfit.engine} (devEngines)",
            details=misfit.reasons,
            hint="--force goes on all the same",
        )
        for misfit in misfits
        if is_error(misfit)
    ]
    if errors:
        raise errors[0] if len(errors) == 1 else ProblemsError(errors)
    reasons = (reason for misfit in misfits for reason in misfit.reasons)
    return [*warnings, *(f"{MANIFEST}, devEngines: {reason}" for reason in reasons)]
