"""Reads the places that settings come from: flags, environment, and the .npmrc files of project, user, host and npm.

Theory of operation: flags, the environment and npm's own file are read first, because they can say which directory is
the project's prefix and where the user's file is; that file and the project's can say where the global one is. Each
place becomes a `Layer` of raw values; `pmpipe.settings.config` merges the layers and gives the values their types.

Source: npm's @npmcli/config, the order in ``load()``.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence

import msgspec

from pmpipe.errors import ConfigError
from pmpipe.npm.config.coerce import Expansion, InvalidValueError, Unset, coerce
from pmpipe.npm.config.npmrc import IniValue, Npmrc, expand_environment, js_text, parse, unset_variables
from pmpipe.npm.config.settings import SETTINGS, SettingValue
from pmpipe.npm.packages.registry import redacted
from pmpipe.system.programs import find_program
from pmpipe.system.user_folders import home_folder

#: Where Node.js is installed when it is built from source, and so the prefix where there is no Node.js.
_DEFAULT_PREFIX = "/usr/local"

_ENVIRONMENT_PREFIX = "npm_config_"


class Layer(msgspec.Struct, eq=False):
    """What one place says.

    Attributes:
        place: "flag", "env", "project", "user", "global" or "builtin".
        source: for messages: a file's path, or empty.
        npmrc: the parsed file; None for flags, the environment, and files that do not exist.
        raw: values as they were written, by name; variables in the names are expanded, in the values not.
        written: for each name of `raw`, how it was written: the key in the file, the variable, the flag.
    """

    place: str
    source: str
    npmrc: Npmrc | None
    raw: dict[str, IniValue]
    written: dict[str, str]

    def __repr__(self) -> str:
        # the values may be credentials
        return f"Layer({self.place}, {self.source!r})"

    def where(self, name: str) -> str:
        """Where a setting stands, for messages."""
        written = self.written.get(name, name)
        if self.place == "flag":
            return f"flag --{written}"
        if self.place == "env":
            return f"environment variable {written}"
        line = self.npmrc.line_of(written) if self.npmrc is not None else 0
        return f"{self.source}, line {line}"


class Sources(msgspec.Struct, frozen=True):
    """All layers, and the places that were found on the way.

    Attributes:
        layers: from the weakest to the strongest.
        expansion: for giving values their type.
        prefix: absolute path of npm's global prefix.
        userconfig: absolute path of the user's file, whether it exists or not.
        globalconfig: absolute path of the host's file, alike.
        warnings: what is odd about the files, one line each.
    """

    layers: tuple[Layer, ...]
    expansion: Expansion
    prefix: str
    userconfig: str
    globalconfig: str
    warnings: tuple[str, ...] = ()


def read_sources(flags: Mapping[str, object], environ: Mapping[str, str], project_dir: str) -> Sources:
    """Read every place that settings come from.

    Args:
        flags: by npm's names; None means that the flag was not given.
        environ: the process's environment.
        project_dir: absolute path of the folder with the package.json.

    Raises:
        ConfigError: a file is there but cannot be read, or one of the settings that name files is wrong.
    """
    home = home_folder(environ)
    expansion = Expansion(environ, home, os.getcwd())
    builtin = _read_file("builtin", _builtin_path(environ), environ)
    flag, env = _from_flags(flags, environ), _from_environment(environ)

    def first(name: str, *layers: Layer) -> SettingValue:
        return _first(name, layers, expansion)

    is_global = first("global", flag, env, builtin) or first("location", flag, env, builtin) == "global"
    project_path = os.path.normpath(os.path.join(project_dir, ".npmrc"))
    default_user = os.path.join(home, ".npmrc")
    # in the home folder the same file would be both
    if is_global or project_path == (first("userconfig", flag, env, builtin) or default_user):
        project = _nothing("project", project_path)
    else:
        project = _read_file("project", project_path, environ)

    userconfig = first("userconfig", flag, env, project, builtin) or default_user
    warnings: tuple[str, ...] = ()
    # whoever works as another user, with HOME as it was, has none
    if userconfig == default_user and not _is_within_reach(home):
        user = _nothing("user", userconfig)
    elif userconfig == default_user and _is_kept_by_another(userconfig):
        user = _nothing("user", userconfig)
        warnings = (f"{userconfig} is another user's, and cannot be read: it does not count, as with npm",)
    else:
        user = _read_file("user", userconfig, environ)
    prefix = first("prefix", flag, env, project, user, builtin) or _default_prefix(environ)
    globalconfig = first("globalconfig", flag, env, project, user, builtin) or os.path.join(prefix, "etc", "npmrc")
    host = (
        _nothing("global", globalconfig) if globalconfig == userconfig else _read_file("global", globalconfig, environ)
    )
    return Sources((builtin, host, user, project, env, flag), expansion, prefix, userconfig, globalconfig, warnings)


def typed(layer: Layer, name: str, expansion: Expansion) -> SettingValue | Unset:
    """The value that a layer gives to a known setting, in its type.

    Raises:
        ConfigError: the value cannot be used; the message says where it stands and what to do.
    """
    raw = layer.raw[name]
    if name == "store-dir" and layer.npmrc is not None:
        # it is not npm's, whose paths start from the working folder whatever file they stand in: there would be another
        # store for every folder that a command is given in
        expansion = msgspec.structs.replace(expansion, cwd=os.path.dirname(os.path.abspath(layer.source)))
    try:
        return coerce(SETTINGS[name], raw, expansion)
    except InvalidValueError as error:
        unset = unset_variables(raw, expansion.environ)
        hint = (
            f"set the environment variable {', '.join(unset)}, or take it out of the value"
            if unset
            else f"correct {name} or remove it"
        )
        raise ConfigError(
            f"{name} cannot be used: {error}",
            details=(f"{layer.where(name)}: {redacted(js_text(raw))}",),
            hint=hint,
        ) from error


def _first(name: str, layers: Sequence[Layer], expansion: Expansion) -> SettingValue:
    for layer in layers:
        if name in layer.raw:
            value = typed(layer, name, expansion)
            if not isinstance(value, Unset):
                return value
    return None


def _nothing(place: str, path: str) -> Layer:
    return Layer(place, path, None, {}, {})


def _from_flags(flags: Mapping[str, object], environ: Mapping[str, str]) -> Layer:
    return _layer("flag", ((name, name, value) for name, value in flags.items() if value is not None), environ)


def _from_environment(environ: Mapping[str, str]) -> Layer:
    return _layer("env", _variables(environ), environ)


def _variables(environ: Mapping[str, str]) -> Iterator[tuple[str, str, IniValue]]:
    for variable, value in environ.items():
        if value == "" or variable[: len(_ENVIRONMENT_PREFIX)].lower() != _ENVIRONMENT_PREFIX:
            continue
        name = variable[len(_ENVIRONMENT_PREFIX) :]
        if not name.startswith("//"):
            name = name[:1] + name[1:].replace("_", "-")
            name = name.lower()
        yield variable, name, value


def _read_file(place: str, path: str, environ: Mapping[str, str]) -> Layer:
    content = _read(path) if path else None
    if content is None:
        return _nothing(place, path)
    npmrc = parse(content)
    pairs = ((key, key, value) for key, value in npmrc.values.items())
    return _layer(place, pairs, environ, path, npmrc)


def _layer(
    place: str,
    settings: Iterator[tuple[str, str, IniValue]],
    environ: Mapping[str, str],
    source: str = "",
    npmrc: Npmrc | None = None,
) -> Layer:
    layer = Layer(place, source, npmrc, {}, {})
    for written, key, value in settings:
        name = expand_environment(key, environ)
        layer.raw[name] = value
        layer.written[name] = written
    return layer


def _is_within_reach(folder: str) -> bool:
    return os.access(folder, os.X_OK) or not os.path.isdir(folder)


def _is_kept_by_another(path: str) -> bool:
    """Whether a file may not be read, and belongs to somebody else."""
    try:
        os.close(os.open(path, os.O_RDONLY | os.O_NONBLOCK))
    except PermissionError:
        return os.lstat(path).st_uid != os.geteuid()
    except OSError:
        pass
    return False


def _read(path: str) -> str | None:
    """A file's text, or None where there is no such file. npm also passes over one that it cannot read."""
    try:
        with open(path, "rb") as file:
            content = file.read()
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise ConfigError(
            f"{path} cannot be read: {error.strerror}",
            hint="make it readable, or name another file with --userconfig or --globalconfig",
        ) from error
    if content.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise ConfigError(f"{path} is encoded in UTF-16", hint="save it as UTF-8")
    return content.decode("utf-8", "replace")


def _default_prefix(environ: Mapping[str, str]) -> str:
    """The folder above the one that holds Node.js; PREFIX overrides it, DESTDIR goes in front, as in npm."""
    if environ.get("PREFIX"):
        return os.path.abspath(environ["PREFIX"])
    node = find_program("node", environ)
    prefix = os.path.dirname(os.path.dirname(os.path.realpath(node))) if node else _DEFAULT_PREFIX
    destination = environ.get("DESTDIR")
    return os.path.normpath(f"{destination}/{prefix}") if destination else prefix


def _builtin_path(environ: Mapping[str, str]) -> str:
    """The npmrc beside npm's own package.json, where distributions put their defaults; empty where there is no npm."""
    npm = find_program("npm", environ)
    if npm is None:
        return ""
    script = os.path.realpath(npm)
    if os.path.basename(script) != "npm-cli.js":
        return ""
    return os.path.join(os.path.dirname(os.path.dirname(script)), "npmrc")
