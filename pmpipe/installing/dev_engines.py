"""Before a project is changed: are runtime, package manager and platform those that its ``devEngines`` asks for?

pmpipe takes npm's place, so it counts as npm.

Source: npm's ``lib/base-cmd.js`` (checkDevEngines) and ``npm-install-checks``, ``lib/current-env.js``.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import msgspec

from pmpipe.errors import EngineError, ManifestError, PmpipeError, ProblemsError
from pmpipe.project.project_files import MANIFEST
from pmpipe.session import Session

if TYPE_CHECKING:
    # nearly no project pays for this
    from pmpipe.npm.manifests.dev_engines import Present

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
    document = _document(manifest)
    wanted = document.get("devEngines")
    if wanted is None:
        return []
    from pmpipe.npm.manifests.dev_engines import InvalidDevEnginesError, Misfit, check_dev_engines

    present = _present(document, session)
    warnings = []
    if "runtime" not in present:
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


def _document(manifest: bytes) -> dict[str, Any]:
    from pmpipe.npm.texts.json_text import without_bom

    try:
        document = msgspec.json.decode(without_bom(manifest))
    except (ValueError, RecursionError):
        return {}  # whoever reads all of it tells
    return document if isinstance(document, dict) else {}


def _present(manifest: dict[str, Any], session: Session) -> dict[str, Present]:
    """What there is; without the runtime where its version matters, and cannot be had."""
    from pmpipe.npm.manifests.dev_engines import Present, needs_version_of
    from pmpipe.npm.packages.npm_version import npm_version_for
    from pmpipe.system import host

    platform = host.platform()
    present = {
        "packageManager": Present("npm", npm_version_for(manifest)),
        "os": Present(platform.os, os.uname().release),
        "cpu": Present(platform.cpu),
        "libc": Present(platform.libc),
        "runtime": Present("node"),
    }
    if needs_version_of(manifest["devEngines"], "runtime"):
        version = host.node_version(session.environ)
        if version:
            present["runtime"] = Present("node", version)
        else:
            del present["runtime"]
    return present
