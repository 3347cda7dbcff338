"""Whose install scripts a policy is asked about, and what of that can be believed.

A package's own package.json can say any name and any version, so neither counts. What counts was settled before there
was a package: what somebody asked a registry for, the address in the lockfile, the folder that a link leads to.

Source: npm's ``@npmcli/arborist``: ``script-allowed.js``, ``version-from-tgz.js``, ``consistent-resolve.js``.
"""

from __future__ import annotations

from functools import lru_cache

import msgspec

from pmpipe.errors import InvalidSpecError
from pmpipe.npm.semver import valid_version
from pmpipe.npm.specs.spec import parse_argument
from pmpipe.npm.specs.spec_types import CatalogSpec, DirectorySpec, FileSpec, GitSpec, Spec, WorkspaceSpec
from pmpipe.npm.specs.tarball_name import named_by_tarball


class ScriptSource(msgspec.Struct, frozen=True, kw_only=True):
    """Where one package with scripts comes from.

    Attributes:
        name: that a registry was asked for, which is not an alias; empty if the package does not come from a registry.
        version: that the registry was asked for; empty likewise.
        resolved: what the lockfile says; empty if it says nothing, and for a folder.
        links: if it is a folder, what the links to it say: ``file:`` and the way there from the folder of each link.
        folders: if it is a folder, its absolute paths: the real one, and others.
        file: if it is a tarball on disk, its absolute path. A key may then say ``file:x.tgz``; to npm that is nothing.
        in_bundle: it comes in another package's tarball.
    """

    name: str = ""
    version: str = ""
    resolved: str = ""
    links: tuple[str, ...] = ()
    folders: tuple[str, ...] = ()
    file: str = ""
    in_bundle: bool = False


class Identity(msgspec.Struct, frozen=True, kw_only=True):
    """What can be believed of a package.

    Attributes:
        from_registry: keys with a name may mean it.
        name: in the address of its tarball, or that a registry was asked for; empty if there is neither.
        version: likewise; empty if nothing vouches for it.
        specs: everything that keys with a path or a URL may say of it; what is written of it comes first.
        repository: the git repository that it comes from, at its commit; None if it does not come from git.
    """

    from_registry: bool
    name: str
    version: str
    specs: tuple[str, ...]
    repository: GitSpec | None


def identify(source: ScriptSource, folder: str, home: str = "") -> Identity:
    """Find out what can be believed of a package.

    Args:
        source: where it comes from.
        folder: absolute path of the project's folder, where paths in the lockfile start.
        home: absolute path of the user's home folder.
    """
    specs = tuple(dict.fromkeys((*source.links, *source.folders)))
    name, version = source.name, ""
    if source.resolved:
        loaded = _as_loaded(source.resolved, folder, home)
        specs = (loaded, source.file) if source.file else (loaded,)
        named = named_by_tarball("", specs[0])
        if named is not None and named.name:
            name, version = named.name, named.version
    elif name:
        # npm has its version from the package, and trusts none here; this one is what the registry is asked for
        version = valid_version(source.version, loose=False) or ""
    repository = read_key(specs[0], folder, home) if specs and specs[0].startswith("git") else None
    return Identity(
        from_registry=bool(source.name),
        name=name,
        version=version,
        specs=specs,
        repository=repository if isinstance(repository, GitSpec) else None,
    )


@lru_cache(maxsize=1 << 12)
def read_key(key: str, folder: str, home: str = "") -> Spec | None:
    """Read a key of a policy, which says what an argument of the command line can say; cached.

    Args:
        key: for example ``react``, ``react@1.0.0 || 1.0.1``, ``github:user/project#0123abc``, ``file:../folder``.
        folder: absolute path of the folder that relative paths start from.
        home: absolute path of the user's home folder.

    Returns:
        what it means; None if npm cannot read it.
    """
    try:
        spec = parse_argument(key, folder, home=home or None)
    except InvalidSpecError:
        return None
    # protocols of pnpm and yarn
    if isinstance(spec, (WorkspaceSpec, CatalogSpec)):
        return None
    if isinstance(spec, DirectorySpec) and spec.save_spec.startswith("link:"):
        return None
    return spec


def address_of(repository: GitSpec) -> str:
    """The address by which repositories on known hosts are compared, whatever the form; empty for others."""
    return "" if repository.hosted is None else msgspec.structs.replace(repository.hosted, committish=None).ssh


def committish_of(repository: GitSpec) -> str:
    """The commit, or what else stands behind the ``#``; or empty."""
    return repository.committish or (repository.hosted and repository.hosted.committish) or ""


@lru_cache(maxsize=1 << 12)
def _as_loaded(resolved: str, folder: str, home: str) -> str:
    """What npm makes of a lockfile's ``resolved`` in reading it: paths are absolute, all URLs of a known host alike."""
    spec = read_key(resolved, folder, home)
    if spec is None:
        return resolved
    if isinstance(spec, (FileSpec, DirectorySpec)):
        return f"file:{spec.fetch_spec}"
    if isinstance(spec, GitSpec):
        if spec.hosted is None:
            return spec.save_spec
        address = spec.hosted.https_url if spec.hosted.auth else spec.hosted.ssh_url
        return f"git+{address.removeprefix('git+')}"
    return spec.raw if spec.raw_spec == "*" else spec.raw_spec
