"""The settings of one run, gathered from flags, environment and .npmrc files, with npm's names and precedence.

A flag counts more than the environment, that more than the project's .npmrc, the user's, the global one, npm's own file
and the defaults. Unlike npm, a value that cannot be used is an error where it would take effect.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

import msgspec

from pmpipe.errors import ConfigError
from pmpipe.npm.config import flatten
from pmpipe.npm.config.coerce import coerce
from pmpipe.npm.config.npmrc import js_text
from pmpipe.npm.config.proxy import Proxies, proxies
from pmpipe.npm.config.settings import SETTINGS, SOURCE_KINDS, SettingValue
from pmpipe.npm.packages.registry import Registries, ScopeRegistry
from pmpipe.settings.config_layers import Layer, Sources, read_sources
from pmpipe.settings.config_merge import Merged, merge
from pmpipe.system.user_folders import StorePlace, default_store

if TYPE_CHECKING:
    # most projects forbid nothing, and pay for none of this
    from pmpipe.npm.packages.source_policy import SourcePolicy

#: npm-registry-fetch takes this where fetch-timeout is 0.
_TIMEOUT_MS = 30_000


class Config(msgspec.Struct, eq=False):
    """Every setting, typed. The fields bear npm's names with underscores; times are in milliseconds.

    Attributes:
        project_dir: absolute path of the folder with the package.json.
        registries: registries, scopes and credentials.
        proxies: which proxy serves which URL.
        settings: values of all settings in `pmpipe.npm.config.settings`, by npm's name: what has no field here.
        others: what else is set, by name: scopes' registries, credentials, and what means something to scripts only.
        given: names of the settings that some place sets, even if to the default.
        unknown: where settings stand that neither npm nor pmpipe knows, one line each.
        warnings: what is odd but harmless, one line each.
        cafile: PEM file of the only certificate authorities to trust, or empty.
        ca: the same as PEM texts; at most one of the two is given.
        extra_cafile: PEM file of authorities to trust beside the others (NODE_EXTRA_CA_CERTS), or empty.
        cert: client certificate as PEM text; `key` is its private key. Those for one registry are in `registries`.
        store_dir: absolute path of pmpipe's store; `cache` is npm's own folder.
        allow_scripts: packages whose scripts may run, as the nearest .npmrc that names any has it; and
            `allow_scripts_now`, as the command line or the environment does.
    """

    project_dir: str
    registries: Registries
    proxies: Proxies
    settings: dict[str, SettingValue]
    others: dict[str, SettingValue]
    given: frozenset[str]
    unknown: tuple[str, ...]
    warnings: tuple[str, ...]
    userconfig: str
    globalconfig: str
    prefix: str
    cache: str
    store_dir: str
    # -- network
    cafile: str
    ca: tuple[str, ...]
    extra_cafile: str
    cert: str | None
    key: str | None
    strict_ssl: bool
    local_address: str | None
    maxsockets: int
    fetch_retries: int
    fetch_retry_factor: float
    fetch_retry_mintimeout: int
    fetch_retry_maxtimeout: int
    fetch_timeout: int
    offline: bool
    prefer_offline: bool
    prefer_online: bool
    # -- what is installed, and how
    omit: tuple[str, ...]
    include: tuple[str, ...]
    install_strategy: str
    install_links: bool
    legacy_peer_deps: bool
    strict_peer_deps: bool
    engine_strict: bool
    force: bool
    dry_run: bool
    bin_links: bool
    clone_method: str
    os: str | None
    cpu: str | None
    libc: str | None
    allow_unused_patches: bool
    workspace: tuple[str, ...]
    workspaces: bool | None
    include_workspace_root: bool
    git: str
    # -- lifecycle scripts
    ignore_scripts: bool
    foreground_scripts: bool
    script_shell: str | None
    allow_scripts: tuple[str, ...]
    allow_scripts_now: tuple[str, ...]
    strict_allow_scripts: bool
    dangerously_allow_all_scripts: bool
    # -- lockfile and package.json
    package_lock: bool
    package_lock_only: bool
    frozen_lockfile: bool | None
    lockfile_version: int | None
    omit_lockfile_registry_resolved: bool
    save: bool
    save_exact: bool
    save_prefix: str
    # -- what is shown
    loglevel: str
    progress: bool
    json: bool

    def __repr__(self) -> str:
        # some of the values are secrets
        return f"Config({self.project_dir!r})"

    @property
    def source_policy(self) -> SourcePolicy | None:
        """Where packages may not come from; None if from everywhere, as by default."""
        if all(self.settings[f"allow-{kind}"] == "all" for kind in SOURCE_KINDS):
            return None
        from pmpipe.npm.packages.source_policy import source_policy

        return source_policy(self.settings, self.registries)

    @classmethod
    def load(cls, flags: Mapping[str, object], environ: Mapping[str, str], project_dir: str) -> Config:
        """Gather the settings of a run.

        Args:
            flags: what the command line says, by npm's names: strings as typed, or bools, numbers and lists of
                strings; None stands for a flag that was not given.
            environ: the process's environment.
            project_dir: absolute path of the folder with the package.json; its .npmrc is the project's.

        Raises:
            ConfigError: a value cannot be used, a file cannot be read, or credentials name no host.
            ProblemsError: several of these at once.
        """
        sources = read_sources(flags, environ, project_dir)
        return cls(**_fields(sources, merge(sources), project_dir))


def _fields(sources: Sources, merged: Merged, project_dir: str) -> dict[str, SettingValue]:
    """The arguments of `Config`: settings under their own names, and what is computed from several."""
    environ, layers, values = sources.expansion.environ, merged.typed, merged.values
    _refuse_code_of_others(sources.layers, layers)
    fields = {field: values[name] for name, field in fields_of_settings() if field in Config.__struct_fields__}
    types = flatten.dependency_types(layers, node_env=environ.get("NODE_ENV", ""))
    authorities = flatten.authorities(layers)
    version = values["lockfile-version"]
    store = StorePlace(values["store-dir"]) if values["store-dir"] else default_store(environ, sources.expansion.home)
    *files, env, flag = layers
    fields.update(
        project_dir=project_dir,
        registries=_registries(merged),
        proxies=proxies(values["https-proxy"] or values["proxy"], values["noproxy"], environ),
        settings=values,
        others=merged.others,
        given=frozenset(name for layer in layers for name in layer),
        unknown=tuple(merged.unknown),
        warnings=(
            *sources.warnings,
            *merged.warnings,
            *_of_another_store(store),
            *_of_a_git_in_the_project(sources.layers, layers),
        ),
        userconfig=sources.userconfig,
        globalconfig=sources.globalconfig,
        prefix=sources.prefix,
        cache=_cache(values["cache"], sources),
        store_dir=store.path,
        cafile=authorities.cafile,
        ca=authorities.pem,
        extra_cafile=environ.get("NODE_EXTRA_CA_CERTS", ""),
        fetch_timeout=values["fetch-timeout"] or _TIMEOUT_MS,
        omit=types.omit,
        include=types.include,
        install_strategy=flatten.install_strategy(layers),
        package_lock=flatten.package_lock(layers),
        lockfile_version=None if version is None else int(version),
        # whoever commits it to a project's .npmrc would never hear of a patch that has lost its package
        allow_unused_patches=bool(flag.get("allow-unused-patches")),
        git=_git(sources.layers, layers),
        allow_scripts=_strongest("allow-scripts", files),
        allow_scripts_now=_strongest("allow-scripts", (env, flag)),
    )
    values.update((name, fields[field]) for name, field in fields_of_settings() if field in fields)
    return fields


def _cache(value: str, sources: Sources) -> SettingValue:
    """Absolute path of npm's cache. The default starts with a tilde; what is set is not expanded a second time."""
    default = SETTINGS["cache"]
    return coerce(default, value, sources.expansion) if value == default.default else value


def _of_another_store(store: StorePlace) -> Iterator[str]:
    if store.instead_of:
        yield f"no store can be made at {store.instead_of}; it is at {store.path} (--store-dir sets another place)"


def _refuse_code_of_others(layers: Sequence[Layer], typed: Sequence[Mapping[str, SettingValue]]) -> None:
    """``extension-file`` has code run in the project, so that only the project and who types may name it."""
    said = [
        (layer, values["extension-file"])
        for layer, values in zip(layers, typed, strict=True)
        if "extension-file" in values
    ]
    if said and said[-1][1] is not None and said[-1][0].place not in ("project", "flag"):
        raise ConfigError(
            f"{said[-1][0].where('extension-file')}: extension-file may not be set here",
            hint="only the project's own .npmrc and the command line count",
        )


def _git(layers: Sequence[Layer], typed: Sequence[Mapping[str, SettingValue]]) -> str:
    """The git command: whoever sends a project along does not choose what is run on this machine."""
    others = (values for layer, values in zip(layers, typed, strict=True) if layer.place != "project")
    said = [values["git"] for values in others if values.get("git")]
    return str(said[-1]) if said else "git"


def _of_a_git_in_the_project(layers: Sequence[Layer], typed: Sequence[Mapping[str, SettingValue]]) -> Iterator[str]:
    for layer, values in zip(layers, typed, strict=True):
        if layer.place == "project" and values.get("git", "git") != "git":
            yield f"{layer.where('git')}: git is not taken from a project's .npmrc"


def _strongest(name: str, layers: Sequence[Mapping[str, SettingValue]]) -> tuple[str, ...]:
    """What the strongest of some layers that says anything says, of a setting that may be given several times."""
    said = [layer[name] for layer in layers if layer.get(name)]
    return tuple(said[-1]) if said else ()


def fields_of_settings() -> list[tuple[str, str]]:
    """Each setting's name, and what a field of `Config` for it is called."""
    return [(name, name.replace("-", "_")) for name in SETTINGS]


def _registries(merged: Merged) -> Registries:
    scopes = {
        name.removesuffix(":registry"): ScopeRegistry(js_text(value), merged.where[name])
        for name, value in merged.others.items()
        if name.startswith("@") and name.endswith(":registry") and value
    }
    scope = merged.values["scope"]
    return Registries(
        configured=merged.values["registry"] or "",
        by_scope=scopes,
        auth={name: value for name, value in merged.others.items() if name.startswith("//")},
        replace_host=merged.values["replace-registry-host"],
        default_scope=scope if not scope or scope.startswith("@") else f"@{scope}",
    )
