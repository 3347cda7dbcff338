"""What the user names on the command line of `add`: from arguments to dependencies with a name and a spec.

Most arguments bring their name. A folder, a tarball, a URL or a repository does not, and a dist-tag means whatever
version it points to at this moment; so some things have to be asked for before the project can be resolved::

    requested = read_arguments(["react@^19", "./lib", "typescript@next"], working_folder, home)
    answers = {ask: … for ask in asks(requested)}
    additions = {folder: additions_for(named(requested, answers), folder) for folder in …}

Source: npm's ``@npmcli/arborist``, ``lib/arborist/build-ideal-tree.js`` (``#add``).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence

import msgspec

from pmpipe.errors import InvalidSpecError, ManifestError, PmpipeError, ProblemsError
from pmpipe.npm.manifests.manifest_edit import Addition
from pmpipe.npm.packages.packument import Packument
from pmpipe.npm.packages.pick_manifest import PickOptions, pick_manifest
from pmpipe.npm.packages.source_policy import SourcePolicy
from pmpipe.npm.specs.local_path import relative_path, resolve_path
from pmpipe.npm.specs.names import is_valid_name
from pmpipe.npm.specs.shown import shown
from pmpipe.npm.specs.spec import parse_argument
from pmpipe.npm.specs.spec_types import AliasSpec, DirectorySpec, FileSpec, RangeSpec, Spec, TagSpec, VersionSpec
from pmpipe.resolver.asks import Ask, AskManifest, AskPackument, Fed, FedManifest
from pmpipe.resolver.refusal import refusal
from pmpipe.resolver.request import request_from_spec
from pmpipe.resolver.source import no_matching_version


class NamedSpec(msgspec.Struct, frozen=True):
    """An argument whose name is known.

    Attributes:
        name: under which the package is to be installed.
        spec: as it was typed; a version in place of a dist-tag.
        path: absolute path of a folder or file, whose spec depends on where the package.json is; empty for all else.
    """

    name: str
    spec: str
    path: str = ""


def read_arguments(
    arguments: Iterable[str], working_folder: str, home: str, *, excluded: str = "", realpath: Callable[[str], str]
) -> list[Spec]:
    """Read the arguments.

    Args:
        arguments: as they were typed.
        working_folder: absolute path that relative paths start from.
        home: absolute path of the user's home folder.
        excluded: absolute path of the project's folder: naming it means the project as it is, not a dependency.
        realpath: follows the links in the path of a folder.

    Raises:
        InvalidSpecError: an argument cannot be read.
    """
    specs: list[Spec] = []
    for argument in arguments:
        if excluded and resolve_path(working_folder, argument) == excluded:
            continue
        spec = parse_argument(argument, working_folder, home=home or None)
        if spec.name is None and isinstance(spec, (VersionSpec, RangeSpec, TagSpec)):
            raise InvalidSpecError(
                f"{shown(argument)} names no package", hint="write name@range, ./folder, ./file.tgz, or a URL"
            )
        if isinstance(spec, AliasSpec) and spec.name is None:
            spec = msgspec.structs.replace(spec, name=spec.sub_spec.name)
        if isinstance(spec, DirectorySpec):
            spec = msgspec.structs.replace(spec, fetch_spec=realpath(spec.fetch_spec))
        specs.append(spec)
    return specs


def ask_for(spec: Spec) -> Ask | None:
    """What must be known before a spec has a name and a version or range; None if it has."""
    if isinstance(spec, TagSpec) and spec.name is not None:
        return AskPackument(spec.name)
    if spec.name is not None:
        return None
    request = request_from_spec("", spec.raw_spec, spec)
    return AskManifest(request.kind, request.wanted, request.git_commit, request.git_range, "", request.git_folder)


def asks(specs: Iterable[Spec]) -> list[Ask]:
    """Everything that must be known first, each once."""
    return list(dict.fromkeys(ask for spec in specs if (ask := ask_for(spec)) is not None))


def require_allowed(specs: Iterable[Spec], policy: SourcePolicy) -> None:
    """Refuse arguments that would have to be fetched to be named, where the settings do not allow that.

    What has a name is judged when it is looked for: as an optional dependency it may be left out.

    Raises:
        PmpipeError: there are some.
    """
    unnamed = [spec for spec in specs if spec.name is None and policy.refuses(spec.type, for_project=True)]
    errors = [refusal(policy.setting(spec.type), spec.raw) for spec in unnamed]
    if errors:
        raise errors[0] if len(errors) == 1 else ProblemsError(errors)


def named(specs: Iterable[Spec], answers: Mapping[Ask, Fed], pick: PickOptions) -> list[NamedSpec]:
    """The arguments with their names.

    Args:
        specs: from `read_arguments`.
        answers: to everything in `asks`.
        pick: how to choose among the versions of a package.

    Raises:
        PmpipeError: an answer is an error, or there is no version behind a dist-tag, or a package has no usable name.
    """
    found = []
    for spec in specs:
        ask = ask_for(spec)
        name, text = spec.name or "", spec.raw_spec
        if ask is not None:
            fed = answers[ask]
            if isinstance(fed, PmpipeError):
                raise fed
            if isinstance(fed, Packument) and isinstance(spec, TagSpec):
                text = _tagged(fed, spec, pick)
            else:
                assert isinstance(fed, FedManifest)
                name = _own_name(fed, spec)
        path = spec.fetch_spec if isinstance(spec, (DirectorySpec, FileSpec)) else ""
        found.append(NamedSpec(name, text, path))
    return found


def additions_for(specs: Sequence[NamedSpec], folder: str) -> list[Addition]:
    """What a package.json in this folder is to depend on.

    Args:
        specs: with their names.
        folder: absolute, real path.
    """
    return [
        Addition(spec.name, f"file:{relative_path(folder, spec.path)}" if spec.path else spec.spec) for spec in specs
    ]


def _tagged(packument: Packument, spec: TagSpec, pick: PickOptions) -> str:
    manifest = pick_manifest(packument, spec.fetch_spec, pick)
    if manifest is None or not isinstance(manifest.version, str):
        raise no_matching_version(packument, request_from_spec(packument.name, spec.raw_spec, spec), pick)
    return manifest.version


def _own_name(fed: FedManifest, spec: Spec) -> str:
    name = fed.manifest.get("name")
    if not isinstance(name, str) or not is_valid_name(name):
        what = f"has a name that cannot be used: {shown(name)}" if isinstance(name, str) else "has no name"
        raise ManifestError(
            f"the package.json of {shown(spec.raw)} {what}", hint="give it a name, or install it as name@…"
        )
    return name
