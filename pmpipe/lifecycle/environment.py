"""What lifecycle scripts find in their environment: that of the process, and npm's settings as ``npm_config_*``.

A script of a dependency gets no credentials: neither those of the settings, nor variables that hold one of them. The
project's own scripts keep the environment that whoever called has given them, as with npm; nothing secret is added.

Source: npm's ``@npmcli/config`` (set-envs) and ``@npmcli/run-script``.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping

import msgspec

from pmpipe.lifecycle.gate import PREPARED
from pmpipe.npm.config.auth import AUTH_FIELDS
from pmpipe.npm.config.npmrc import js_text
from pmpipe.npm.config.settings import SETTINGS, SettingValue
from pmpipe.npm.packages.npm_version import npm_version_for
from pmpipe.project.find_project import working_folder
from pmpipe.project.project_lock import AT_WORK
from pmpipe.settings import user_agent
from pmpipe.settings.config import Config
from pmpipe.store import IN_USE
from pmpipe.system.programs import find_program
from pmpipe.system.user_folders import home_folder
from stages.manifest_file import read_document

#: Settings that npm does not hand down: they are about this one call.
_NOT_HANDED_DOWN = frozenset(
    (
        "extension-file",
        *("include-workspace-root", "min-release-age", "min-release-age-exclude", "workspace", "workspaces"),
        # and what it has given up
        *("also", "cert", "dev", "global-style", "key", "legacy-bundling", "only", "optional", "production"),
        "shrinkwrap",
    )
)

#: Settings whose value is worked out where nobody has given one. pnpm has one of this name too, and npm warns of it.
_HANDED_DOWN_IF_GIVEN = frozenset(("store-dir",))

#: A shorter text is in many that have nothing to do with it.
_SHORTEST_SECRET = 4

#: Settings without a host that are secrets: a client certificate's private key, a one-time password.
_SECRET_SETTINGS = frozenset(("key", "otp"))

_NAMES_OF_FIELDS_WITHOUT_SECRETS = frozenset(("username", "email", "certfile", "keyfile"))


class ScriptEnvironment(msgspec.Struct, frozen=True):
    """What all scripts of a run have.

    Attributes:
        own: for the project's own scripts.
        dependencies: for all others.
        gyp_folder: the folder on the search path that brings ``node-gyp``; empty if npm is not there.
        shell: the program that runs the commands.
    """

    own: dict[str, str]
    dependencies: dict[str, str]
    gyp_folder: str
    shell: str

    def __repr__(self) -> str:
        # an environment holds secrets
        return f"ScriptEnvironment(shell={self.shell!r})"


def script_environment(config: Config, environ: Mapping[str, str], command: str, locked: str = "") -> ScriptEnvironment:
    """Work it out.

    Args:
        config: all settings.
        environ: the process's environment.
        command: what pmpipe was asked for, in npm's word.
        locked: absolute path of the project that stays locked, with its store, while the scripts run; empty if none
            does.
    """
    npm = _npm_folder(environ)
    added = {**_settings(config), **_facts(config, environ, command, npm)}
    if locked:
        added[AT_WORK] = locked
        added[IN_USE] = config.store_dir
    secrets = _secrets(config)
    given = {name: value for name, value in environ.items() if not _is_secret(name, value, secrets)}
    gyp_folder = f"{npm}/node_modules/@npmcli/run-script/lib/node-gyp-bin" if npm else ""
    return ScriptEnvironment(
        own={**(given if PREPARED in environ else environ), **added},
        dependencies={**given, **added},
        gyp_folder=gyp_folder if os.path.isdir(gyp_folder) else "",
        shell=config.script_shell or "sh",
    )


def _npm_folder(environ: Mapping[str, str]) -> str:
    """The folder of the npm on the search path; empty if there is none."""
    npm = find_program("npm", environ)
    script = os.path.realpath(npm) if npm is not None else ""
    return os.path.dirname(os.path.dirname(script)) if os.path.basename(script) == "npm-cli.js" else ""


# -- settings -----------------------------------------------------------------------------------------------------


def _settings(config: Config) -> dict[str, str]:
    """All that differs from the defaults, and is no secret."""
    own = _HANDED_DOWN_IF_GIVEN - config.given
    found = {name: value for name, value in config.settings.items() if name not in own and _is_handed_down(name, value)}
    found.update(
        (name, value)
        for name, value in config.others.items()
        if name[:1] not in ("/", "@", "_") and name not in _SECRET_SETTINGS
    )
    return {f"npm_config_{name.replace('-', '_').lower()}": _text(value) for name, value in found.items()}


def _is_handed_down(name: str, value: SettingValue) -> bool:
    default = SETTINGS[name].default
    return name not in _NOT_HANDED_DOWN and value != default and bool(value or default)


def _text(value: SettingValue) -> str:
    if isinstance(value, (tuple, list)):
        return "\n\n".join(map(_text, value))
    return "" if value is None or value is False else _without_user(js_text(value))


def _without_user(text: str) -> str:
    """An address without what stands before its host."""
    scheme, separator, rest = text.partition("://")
    authority, slash, path = rest.partition("/")
    return f"{scheme}://{authority.rpartition('@')[2]}{slash}{path}" if separator and "@" in authority else text


def _facts(config: Config, environ: Mapping[str, str], command: str, npm: str) -> dict[str, str]:
    home = home_folder(environ)
    npm_version = npm_version_for(read_document(config.project_dir))
    facts = {
        "INIT_CWD": working_folder(),
        "HOME": environ.get("HOME") or home,
        # what reads colour codes from a pipe knows by this that none are wanted
        "COLOR": "0",
        "EDITOR": environ.get("EDITOR") or environ.get("VISUAL") or "vi",
        "npm_command": command,
        "npm_config_cache": config.cache,
        "npm_config_global_prefix": config.prefix,
        "npm_config_globalconfig": config.globalconfig,
        "npm_config_init_module": f"{home}/.npm-init.js",
        "npm_config_local_prefix": config.project_dir,
        "npm_config_noproxy": ",".join(config.proxies.excluded),
        "npm_config_npm_version": npm_version,
        "npm_config_prefix": config.prefix,
        "npm_config_userconfig": config.userconfig,
        "npm_config_user_agent": user_agent.for_scripts(config, environ, npm_version),
    }
    node = find_program("node", environ)
    if node is not None:
        facts["NODE"] = facts["npm_node_execpath"] = os.path.realpath(node)
    if npm:
        facts["npm_execpath"] = f"{npm}/bin/npm-cli.js"
        facts["npm_config_node_gyp"] = f"{npm}/node_modules/node-gyp/bin/node-gyp.js"
    if "dev" in config.omit:
        facts["NODE_ENV"] = "production"
    options = config.settings["node-options"]
    if options:
        facts["NODE_OPTIONS"] = str(options)
    return facts


# -- secrets ------------------------------------------------------------------------------------------------------


def _secrets(config: Config) -> frozenset[str]:
    return frozenset(text for text in _credentials(config) if len(text) >= _SHORTEST_SECRET)


def _credentials(config: Config) -> Iterator[str]:
    if config.key:
        # in .npmrc its lines are joined
        yield from (config.key, config.key.replace("\\n", "\n"))
    for name, value in config.others.items():
        field = name.rpartition(":")[2]
        is_credential = name.startswith(("//", "_")) or name in AUTH_FIELDS or name in _SECRET_SETTINGS
        if is_credential and field not in _NAMES_OF_FIELDS_WITHOUT_SECRETS and isinstance(value, str):
            yield value


def _is_secret(name: str, value: str, secrets: frozenset[str]) -> bool:
    setting = name.lower().removeprefix("npm_config_")
    if setting != name.lower() and (setting[:1] in ("/", "_") or setting in _SECRET_SETTINGS):
        return True
    return any(secret in value for secret in secrets)
