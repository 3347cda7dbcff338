"""Reading a package.json of the project: the root's, a workspace's, that of a ``file:`` folder.

These files belong to the user, so a value of a wrong type is an error with file, line and column, not something to pass
over, where an install asks for it.

Source: npm's ``@npmcli/package-json`` (what it normalises) and ``@npmcli/map-workspaces``.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from pmpipe.errors import ManifestError
from pmpipe.npm.manifests.catalogs import catalogs_of
from pmpipe.npm.manifests.declared import Declared, UnusableFieldError, tolerant_fields
from pmpipe.npm.texts.json_depth import is_too_deep
from pmpipe.npm.texts.json_text import explain, place_of, without_bom

#: Names of the scripts for which a lockfile says ``hasInstallScript``.
INSTALL_SCRIPTS = ("install", "preinstall", "postinstall")


class Manifest(Declared, frozen=True, kw_only=True, rename="camel", gc=False):
    """A package.json of the project.

    Attributes:
        overrides: as written: name with or without a range -> spec, or a map of the same kind.
        resolutions: yarn's field, as written; whatever it is, npm ignores it.
        catalogs: bun's: name of a catalog -> name of a package -> spec.
        dev_engines: there is a ``devEngines``; npm then leaves the root's ``engines`` out of account.
        patched_dependencies: selector -> path of a patch, as npm 12 and bun have it.
        bin_folder: ``directories.bin``, the folder whose files are the executables if there is no `bin`; or empty.
        scripts: names of the lifecycle scripts and others -> commands.
        document: all of the file, as it is.
    """

    overrides: dict[str, Any] | None = None
    resolutions: dict[str, Any] | None = None
    catalogs: dict[str, dict[str, str]] | None = None
    dev_engines: bool = False
    patched_dependencies: dict[str, str] | None = None
    bin_folder: str = ""
    scripts: dict[str, str] | None = None
    document: dict[str, Any] = msgspec.field(default_factory=dict)

    def workspace_patterns(self) -> list[str]:
        """The patterns of ``workspaces``, in their order; those with ``!`` exclude."""
        given = self.workspaces
        return given.get("packages", []) if isinstance(given, dict) else given or []


def read_manifest(data: bytes, file: str, *, is_root: bool = True) -> Manifest:
    """Read a package.json.

    Args:
        data: the file's bytes; a byte order mark does not matter.
        file: the file's name for messages, ``packages/x/package.json`` for example.
        is_root: it is a project's own. `workspaces` and `overrides` mean nothing in any other, so there they may be
            anything (yarn's ``nohoist`` stands in workspaces' ``workspaces``).

    Raises:
        ManifestError: the text is not JSON or nested too deeply, or a field has a type that cannot be used.
    """
    data = without_bom(data)
    too_deep = ManifestError(f"cannot read {file}: it is nested too deeply")
    try:
        document = msgspec.json.decode(data)
    except msgspec.DecodeError as error:
        fault = explain(data, error, file)
        raise ManifestError(f"cannot read {fault.place}: {fault.what}", hint=fault.hint) from error
    except RecursionError as error:
        raise too_deep from error
    if is_too_deep(data):
        raise too_deep
    try:
        return _to_manifest(document, is_root)
    except UnusableFieldError as error:
        subject = " > ".join(error.path) or "the document"
        raise ManifestError(f"cannot use {place_of(data, error.path, file)}: {subject} {error.what}") from error


def _to_manifest(document: Any, is_root: bool) -> Manifest:
    if not isinstance(document, dict):
        raise UnusableFieldError((), "must be an object")
    fields = tolerant_fields(document)
    _refuse_nameless(fields)
    if not (document.get("bundleDependencies") or document.get("bundledDependencies")):
        fields.pop("bundleDependencies", None)
    if is_root:
        _check_workspaces(fields.get("workspaces") or [])
        fields["overrides"] = _overrides(("overrides",), document.get("overrides") or {})
    resolutions = document.get("resolutions")
    fields["resolutions"] = resolutions if isinstance(resolutions, dict) else None
    fields["catalogs"] = catalogs_of(document) or None
    fields["devEngines"] = bool(document.get("devEngines"))
    fields["patchedDependencies"] = _patched_dependencies(document.get("patchedDependencies"))
    fields["binFolder"] = _bin_folder(document)
    fields["scripts"] = _scripts(document)
    fields["document"] = document
    return msgspec.convert(fields, Manifest)


def _refuse_nameless(fields: Mapping[str, Any]) -> None:
    for key in ("dependencies", "devDependencies", "optionalDependencies", "peerDependencies"):
        if "" in (fields.get(key) or ()):
            raise UnusableFieldError((key,), "names a package without a name")


def _overrides(path: tuple[str, ...], value: Any) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise UnusableFieldError(path, "must be an object of names and specs")
    for name, rule in value.items():
        if not isinstance(rule, str):
            _overrides((*path, name), rule)
    return value


def _patched_dependencies(value: Any) -> dict[str, str] | None:
    path = ("patchedDependencies",)
    if not value:
        return None
    if not isinstance(value, dict):
        raise UnusableFieldError(path, "must be an object of packages and paths of their patches")
    for key, patch in value.items():
        if not isinstance(patch, str) or not patch:
            raise UnusableFieldError((*path, key), "must be the path of a patch")
    return value


def _check_workspaces(value: Any) -> None:
    path: tuple[str, ...] = ("workspaces",)
    if isinstance(value, dict) and "packages" in value:
        path, value = ("workspaces", "packages"), value["packages"]
    if not isinstance(value, list) or not all(isinstance(pattern, str) for pattern in value):
        raise UnusableFieldError(path, "must be a list of patterns")


def _bin_folder(document: dict[str, Any]) -> str:
    directories = document.get("directories")
    folder = directories.get("bin") if isinstance(directories, dict) else None
    return folder if isinstance(folder, str) else ""


def _scripts(document: dict[str, Any]) -> dict[str, str]:
    scripts = document.get("scripts")
    if not isinstance(scripts, dict):
        return {}
    return {name: command for name, command in scripts.items() if isinstance(command, str)}
