"""Registries that other package managers' settings name, and npm's do not: whoever comes from there is told.

Packages of a private registry would be asked for at the public one, which learns their names, and may have others
under them.

Source: the documentation of yarn, pnpm and bun.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from pmpipe.errors import PmpipeError
from pmpipe.foreign.settings_files import BUNFIG, YARNRC, YARNRC_YML, bunfig_lines, text_of, yaml_settings
from pmpipe.npm.foreign.fields import mapping, text_field
from pmpipe.npm.packages.registry import Registries, public_registry, redacted
from pmpipe.npm.texts.text import printable
from pmpipe.project.project_files import PNPM_WORKSPACE

#: yarn 1: `registry "https://…"` and `"@scope:registry" "https://…"`, with or without quotes
_CLASSIC = re.compile(r'^"?(?:(@[^\s:"]+):)?registry"?:?[ \t]+"?([^\s"]+)"?[ \t]*$', re.MULTILINE)
#: bun: `registry = "https://…"`, `acme = { url = "https://…", … }`
_KEY = re.compile(r"""\s*["']?(@?[\w.-]+)["']?\s*=\s*(?:\{.*?\burl\s*=\s*)?["']([^"']+)["']""")
_INLINE_SCOPES = re.compile(r"\s*scopes\s*=\s*\{(.*)\}")
_YARNS_REGISTRY = re.compile(r"registry\.yarnpkg\.[a-z]+")
_SHOWN = 10
_SHOWN_CHARACTERS = 1000


def unheeded_registries(folder: str, registries: Registries) -> list[str]:
    """One line for each file that names a registry which packages do not come from.

    Args:
        folder: absolute path of the project.
        registries: those that npm's settings name.
    """
    lines = []
    for file, named in _named(folder):
        wanted = [f"{setting}={redacted(url)}" for setting, url in named.items() if _is_other(setting, url, registries)]
        if wanted:
            more = f" and {len(wanted) - _SHOWN} more" if len(wanted) > _SHOWN else ""
            lines.append(
                printable(
                    f"{file} names registries that npm does not look for there, so that packages come from others; "
                    f"put into .npmrc: {', '.join(wanted[:_SHOWN])}{more}",
                    _SHOWN_CHARACTERS,
                )
            )
    return lines


def _is_other(setting: str, url: str, registries: Registries) -> bool:
    scope, _, _ = setting.rpartition(":")
    try:
        heeded = registries.for_package(f"{scope}/name" if scope else "name")
    except PmpipeError:
        return False  # something is configured; whoever needs it is told what is wrong with it
    return _plain(url) != _plain(heeded)


def _plain(url: str) -> str:
    # yarn's registry is the public one under another host
    plain = url.partition("://")[2].rstrip("/").lower()
    return public_registry().partition("://")[2].rstrip("/") if _YARNS_REGISTRY.fullmatch(plain) else plain


def _named(folder: str) -> Iterator[tuple[str, dict[str, str]]]:
    """The files, and the settings of npm's that mean what they say."""
    yield YARNRC_YML, _of_yarn(yaml_settings(folder, YARNRC_YML))
    yield PNPM_WORKSPACE, _of_pnpm(yaml_settings(folder, PNPM_WORKSPACE))
    yield YARNRC, _of_yarn_classic(text_of(folder, YARNRC))
    yield BUNFIG, _of_bun(folder)


def _setting(scope: str) -> str:
    return f"@{scope.removeprefix('@')}:registry" if scope else "registry"


def _of_yarn(document: dict[str, Any]) -> dict[str, str]:
    scopes = mapping(document, "npmScopes")
    found = {"": text_field(document, "npmRegistryServer")}
    found.update({scope: text_field(about, "npmRegistryServer") for scope, about in scopes.items()})
    return {_setting(scope): url for scope, url in found.items() if url}


def _of_pnpm(document: dict[str, Any]) -> dict[str, str]:
    named = mapping(document, "registries")
    found = {"": text_field(named, "default") or text_field(document, "registry")}
    found.update({scope: text_field(named, scope) for scope in named if scope.startswith("@")})
    return {_setting(scope): url for scope, url in found.items() if url}


def _of_yarn_classic(text: str) -> dict[str, str]:
    return {_setting(match[1] or ""): match[2] for match in _CLASSIC.finditer(text)}


def _of_bun(folder: str) -> dict[str, str]:
    found: dict[str, str] = {}
    for table, line in bunfig_lines(folder):
        inline = _INLINE_SCOPES.match(line) if table == "install" else None
        if inline is not None:
            found.update({_setting(match[1]): match[2] for match in _KEY.finditer(inline[1]) if match[1] != "url"})
            continue
        key = _KEY.match(line)
        if key is None:
            continue
        if table == "install" and key[1] == "registry":
            found["registry"] = key[2]
        elif table == "install.scopes":
            found[_setting(key[1])] = key[2]
    return found
