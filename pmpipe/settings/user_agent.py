"""Who pmpipe says it is: to registries in the User-Agent header, to scripts in ``npm_config_user_agent``.

If somebody has set ``user-agent``, both are what it says, with npm's fields filled in. Else registries are told of
pmpipe, and scripts of npm, whose place this takes: they refuse to run for any other by the first word.

Source: the ``user-agent`` of npm's configuration.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping

from pmpipe import __version__
from pmpipe.npm import NPM_VERSION
from pmpipe.settings.config import Config
from pmpipe.system import host

_FIELD = re.compile(r"\{(npm-version|node-version|platform|arch|workspaces|ci)\}", re.IGNORECASE)


def for_registries(config: Config, environ: Mapping[str, str]) -> str:
    """The value of the User-Agent header."""
    if "user-agent" in config.given:
        return _filled_in(str(config.settings["user-agent"]), config, environ)
    system = os.uname()
    return f"pmpipe/{__version__} npm/? node/? {system.sysname.lower()} {system.machine}"


def for_scripts(config: Config, environ: Mapping[str, str], npm_version: str) -> str:
    """The value of ``npm_config_user_agent``; `npm_version` is that of the npm that is followed for the project."""
    said = _filled_in(str(config.settings["user-agent"]), config, environ, npm_version)
    return said if "user-agent" in config.given else f"{said} pmpipe/{__version__}"


def _filled_in(template: str, config: Config, environ: Mapping[str, str], npm_version: str = NPM_VERSION) -> str:
    return _FIELD.sub(lambda match: _field(match[1].lower(), config, environ, npm_version), template).strip()


def _field(name: str, config: Config, environ: Mapping[str, str], npm_version: str) -> str:
    match name:
        case "npm-version":
            return npm_version
        case "node-version":
            version = host.node_version(environ)
            return f"v{version}" if version else "?"
        case "platform":
            return host.platform().os
        case "arch":
            return host.platform().cpu
        case "workspaces":
            return str(bool(config.workspaces or config.workspace)).lower()
    # loaded only here: our own header does not say it
    from pmpipe.npm.config.ci_name import ci_token

    return ci_token(environ)
