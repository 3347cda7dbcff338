"""npm's ``allow-git``, ``allow-remote``, ``allow-file`` and ``allow-directory``: where packages may come from.

Each of them is ``all``, ``root`` (only what the project and its workspaces ask for themselves) or ``none``. Registries
are always allowed, so a tarball's URL counts as remote unless the registry of the package's name serves it, and all who
want the package ask a registry for it.

Source: npm's ``pacote``, ``lib/fetcher.js`` (canUse); ``@npmcli/arborist``, ``build-ideal-tree.js`` (#checkAllow) and
``reify.js`` (#isRegistryResolvedTarball).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import msgspec

from pmpipe.errors import ConfigError, InvalidSpecError
from pmpipe.npm.config.settings import SOURCE_KINDS
from pmpipe.npm.packages.registry import Registries
from pmpipe.npm.specs.spec import parse_spec
from pmpipe.npm.texts.url import InvalidUrlError, parse_url

#: Paths that no URL parser changes.
_PLAIN_PATH = re.compile(r"(?:[\w@~+-][\w@~+.-]*/)*[\w@~+-][\w@~+.-]*").fullmatch


class SourcePolicy(msgspec.Struct, frozen=True):
    """What the settings say, if they forbid anything at all.

    Attributes:
        limits: by the type of a spec (``git``, ``remote``, ``file``, ``directory``) ``root`` or ``none``; what is
            allowed altogether is not among them.
        registries: which of them serves which name.
    """

    limits: dict[str, str]
    registries: Registries

    def refuses(self, kind: str, *, for_project: bool) -> bool:
        """Whether a package of this kind may not be fetched.

        Args:
            kind: the type of a spec; those that a registry answers are never refused.
            for_project: the project itself or one of its workspaces asks for it.
        """
        limit = self.limits.get(kind)
        return limit is not None and not (limit == "root" and for_project)

    def setting(self, kind: str) -> str:
        """The setting that limits a kind, as an .npmrc has it."""
        return f"allow-{kind}={self.limits[kind]}"

    def kind_of(self, name: str, resolved: str) -> str:
        """The type of the spec that a lockfile's ``resolved`` would be; empty if it cannot be read.

        Args:
            name: of the folder below ``node_modules``.
            resolved: not empty.
        """
        if resolved.startswith("http") and resolved.endswith(".tgz"):
            # nearly all of them; an address on a host that npm knows git repositories of ends otherwise
            return "remote"
        try:
            # where a folder would be does not matter
            return parse_spec(name, resolved, "/", home="/").type
        except InvalidSpecError:
            return ""

    def is_from_registry(self, name: str, resolved: str) -> bool:
        """Whether a tarball's URL is one of the registry that serves a name.

        npm goes by the folder's name, so an alias is judged by its own scope.

        Args:
            name: of the folder below ``node_modules``.
            resolved: as the lockfile has it; where ``replace-registry-host`` leads counts.
        """
        try:
            registry = self.registries.for_package(name)
            if registry == self.registries.default and resolved.startswith(registry):
                rest = resolved[len(registry) :]
                if _PLAIN_PATH(rest) is not None:
                    return True
            url, base = parse_url(self.registries.tarball_location(resolved)), parse_url(registry)
        except (ConfigError, InvalidUrlError):
            return False
        return url.origin == base.origin and url.path.startswith(base.path)

    @property
    def key(self) -> list[Any]:
        """The same for policies that decide alike."""
        about = self.registries
        scopes = {scope: registry.text for scope, registry in about.by_scope.items()}
        hosts = [about.configured, scopes, about.replace_host, about.default_scope] if "remote" in self.limits else []
        return [self.limits, hosts]


def source_policy(settings: Mapping[str, Any], registries: Registries) -> SourcePolicy | None:
    """What the settings forbid; None if that is nothing, as by default.

    Args:
        settings: the value of every setting, by npm's name.
        registries: which of them serves which name.
    """
    limits = {kind: limit for kind in SOURCE_KINDS if (limit := settings[f"allow-{kind}"]) != "all"}
    return SourcePolicy(limits, registries) if limits else None
