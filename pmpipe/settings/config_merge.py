"""Merges the layers of settings: types, precedence, and what is wrong with them, all of it at once."""

from __future__ import annotations

import os

import msgspec

from pmpipe.errors import ConfigError, PmpipeError, ProblemsError
from pmpipe.npm.config.auth import AUTH_FIELDS, LEGACY_FIELDS, legacy_auth_problems, nerf_dart
from pmpipe.npm.config.coerce import Expansion, Unset
from pmpipe.npm.config.npmrc import BLANKS, IniValue, expand_environment, unset_variables
from pmpipe.npm.config.settings import OTHER_NPM_SETTINGS, SETTINGS, SettingValue
from pmpipe.npm.packages.registry import Registries, redacted
from pmpipe.npm.texts.url import parse_url
from pmpipe.settings.config_layers import Layer, Sources, typed

_CONSTANTS: dict[str, bool | None] = {"true": True, "false": False, "null": None, "undefined": None}

#: How settings may end, in lower case, that are meant to be credentials.
_LIKE_CREDENTIALS = frozenset(("_authtoken", "authtoken", "_auth", "username", "_password"))


class Merged(msgspec.Struct, eq=False):
    """The layers, typed and merged.

    Attributes:
        typed: what each layer says, from the weakest on, in the order in which it says it.
        values: the effective value of every known setting.
        others: effective values of scopes' registries, credentials, and settings without a meaning here.
        where: for each name of `others`, where it stands.
        problems: by setting, for the value that would take effect.
        unknown: as in `pmpipe.settings.config.Config`.
        warnings: alike.
    """

    typed: list[dict[str, SettingValue]]
    values: dict[str, SettingValue]
    others: dict[str, SettingValue]
    where: dict[str, str]
    problems: dict[str, PmpipeError]
    unknown: list[str]
    warnings: list[str]

    def __repr__(self) -> str:
        # the values may be credentials
        return f"Merged(known={sorted(self.values)!r}, others={sorted(self.others)!r})"


def merge(sources: Sources) -> Merged:
    """Give the values their types, and let stronger layers override weaker ones.

    Raises:
        ConfigError: a value that would take effect cannot be used, settings exclude each other, or credentials do not
            say which host they are for.
        ProblemsError: several of these at once.
    """
    defaults = {name: setting.default for name, setting in SETTINGS.items()}
    merged = Merged([], defaults, {}, {}, {}, [], [])
    _drop_contradictions(sources.layers, merged)
    for layer in sources.layers:
        values: dict[str, SettingValue] = {}
        merged.typed.append(values)
        for name, raw in layer.raw.items():
            if name in SETTINGS:
                _merge_setting(layer, name, sources.expansion, merged, values)
            else:
                merged.others[name] = _untyped(raw, sources.expansion)
                merged.where[name] = layer.where(name)
                _remark(layer, name, sources.expansion, merged)
        merged.values.update(values)
    _report(sources, merged)
    return merged


def _merge_setting(
    layer: Layer, name: str, expansion: Expansion, merged: Merged, values: dict[str, SettingValue]
) -> None:
    try:
        value = typed(layer, name, expansion)
    except ConfigError as problem:
        merged.problems[name] = problem
        return
    if isinstance(value, Unset):
        return
    if name == "cafile" and not os.path.exists(value):
        merged.warnings.append(f"{layer.where(name)}: cafile {value} does not exist and is ignored, as npm does")
        return
    merged.problems.pop(name, None)
    values[name] = value


def _untyped(raw: IniValue, expansion: Expansion) -> SettingValue:
    if not isinstance(raw, str):
        return raw
    text = raw.strip(BLANKS)
    return _CONSTANTS[text] if text in _CONSTANTS else expand_environment(text, expansion.environ)


def _remark(layer: Layer, name: str, expansion: Expansion, merged: Merged) -> None:
    last = name.rpartition(":")[2]
    if ":" not in name:
        known = name in OTHER_NPM_SETTINGS or name in AUTH_FIELDS
    else:
        known = last in AUTH_FIELDS or last in SETTINGS or last in OTHER_NPM_SETTINGS
    if not known:
        merged.unknown.append(f"{layer.where(name)}: {name}")
    if ":" in name and last.lower() in _LIKE_CREDENTIALS and not (name.startswith("//") and last in AUTH_FIELDS):
        merged.warnings.append(
            f"{layer.where(name)}: {redacted(name)} is no credential for npm either: it has to begin with //, host and "
            "path, and to end with :_authToken, :_auth, or :username and :_password"
        )
    if name.startswith("//") and last in ("certfile", "keyfile"):
        path = merged.others[name]
        if isinstance(path, str) and path and not os.path.exists(path):
            merged.warnings.append(f"{layer.where(name)}: {last} {path} does not exist and is ignored, as npm does")
    unset = unset_variables(layer.raw[name], expansion.environ) if name.startswith("//") else []
    if unset:
        merged.warnings.append(
            f"{layer.where(name)}: {name} refers to {', '.join(unset)}, which is not set in the environment"
        )


def _drop_contradictions(layers: tuple[Layer, ...], merged: Merged) -> None:
    """Report settings that exclude each other; the environment's give way to a flag's.

    The order is that in which npm loads the places; its message goes with the one that is loaded later.
    """
    builtin, host, user, project, env, flag = layers
    seen: dict[str, str] = {}
    for layer in (builtin, flag, env, project, user, host):
        for name in list(layer.raw):
            rivals = [rival for rival in (SETTINGS[name].exclusive if name in SETTINGS else ()) if rival in seen]
            if layer.place == "env" and any(rival in flag.raw for rival in rivals):
                del layer.raw[name]
                continue
            if rivals:
                merged.problems[f"{name} {rivals[0]}"] = ConfigError(
                    f"{name} and {rivals[0]} exclude each other",
                    details=(layer.where(name), seen[rivals[0]]),
                    hint="remove one of them",
                )
            seen[name] = layer.where(name)


def _report(sources: Sources, merged: Merged) -> None:
    problems = list(merged.problems.values())
    for layer in sources.layers:
        if layer.place in ("global", "user", "project"):
            problems.extend(_legacy_auth(layer, merged, sources.expansion))
    if len(problems) == 1:
        raise problems[0]
    if problems:
        raise ProblemsError(problems)


def _legacy_auth(layer: Layer, merged: Merged, expansion: Expansion) -> list[ConfigError]:
    found = {name: _untyped(layer.raw[name], expansion) for name in LEGACY_FIELDS if name in layer.raw}
    if not any(found.values()):
        return []
    registry = Registries(configured=merged.values["registry"] or "").default
    lines = legacy_auth_problems(found, nerf_dart(parse_url(registry)))
    return [
        ConfigError(
            "credentials in .npmrc do not say which registry they are for",
            details=tuple(f"{layer.source}: {line}" for line in lines),
            hint="npm refuses them, too (ERR_INVALID_AUTH); `npm config fix` renames them",
        )
    ]
