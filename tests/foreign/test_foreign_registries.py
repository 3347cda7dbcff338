"""What is said of registries that only other package managers know of."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from pmpipe.foreign.foreign_registries import unheeded_registries
from pmpipe.npm.packages.registry import Registries, ScopeRegistry

HERE = "https://registry.example/"
ACME = "https://acme.example/npm"
BERRY = f"""npmRegistryServer: {HERE}
npmScopes: {{acme: {{npmRegistryServer: "{ACME}", npmAuthToken: secret}}, other: {{npmAlwaysAuth: true}}}}
"""
PNPM = f"registries: {{default: '{HERE}', '@acme': '{ACME}'}}\n"
CLASSIC = f'# yarn 1\nregistry "{HERE}"\n"@acme:registry" "{ACME}"\nlastUpdateCheck 1\n'
BUN = f"""[run]
registry = "https://none.example"
[install] # of packages
registry = {{ url = "{HERE}", token = "secret" }}
[install.scopes]
"@acme" = "{ACME}"
"""
BUN_INLINE = f"""[install]
registry = '{HERE}'
scopes = {{ acme = {{ token = "secret", url = "{ACME}" }} }}
"""
ALL = [
    (".yarnrc.yml", BERRY),
    ("pnpm-workspace.yaml", PNPM),
    (".yarnrc", CLASSIC),
    ("bunfig.toml", BUN),
    ("bunfig.toml", BUN_INLINE),
]


@pytest.mark.parametrize(("file", "text"), ALL)
def test_names_the_registries_that_packages_do_not_come_from(tmp_path: Path, file: str, text: str) -> None:
    (tmp_path / file).write_text(text)
    (line,) = unheeded_registries(str(tmp_path), Registries())
    assert line.startswith(f"{file} names registries that npm does not look for there")
    assert line.endswith(f"put into .npmrc: registry={HERE}, @acme:registry={ACME}")


@pytest.mark.parametrize(("file", "text"), ALL)
def test_says_nothing_of_those_that_npm_knows_as_well(tmp_path: Path, file: str, text: str) -> None:
    (tmp_path / file).write_text(text)
    known = Registries(HERE.rstrip("/"), {"@acme": ScopeRegistry(f"{ACME}/", ".npmrc")})
    assert unheeded_registries(str(tmp_path), known) == []
    (line,) = unheeded_registries(str(tmp_path), Registries(HERE))
    assert line.endswith(f"put into .npmrc: @acme:registry={ACME}")


@pytest.mark.parametrize(
    ("file", "text"),
    [
        (".yarnrc.yml", "npmRegistryServer: https://registry.yarnpkg.example\n"),
        (".yarnrc", 'registry "https://registry.yarnpkg.example/"\n'),
        (".yarnrc.yml", "npmScopes: [1]\nnpmRegistryServer: {a: b}\n"),
        (".yarnrc.yml", "npmScopes: {acme: 1}\n: {"),
        ("pnpm-workspace.yaml", "registries: x\n"),
        ("bunfig.toml", "registry = 'https://none.example'\n"),
        ("bunfig.toml", "[install]\nregistry = 1\n[install.scopes]\n"),
    ],
)
def test_says_nothing_where_no_other_registry_is_named(tmp_path: Path, file: str, text: str) -> None:
    (tmp_path / file).write_text(text)
    assert unheeded_registries(str(tmp_path), Registries()) == []


def test_passwords_are_not_shown(tmp_path: Path) -> None:
    (tmp_path / ".yarnrc.yml").write_text("npmRegistryServer: https://me:secret@registry.example\n")
    assert "secret" not in unheeded_registries(str(tmp_path), Registries())[0]


@pytest.mark.parametrize("text", ["[install]\n" + "scopes = {" * 90_000, "a={" * 300_000, '"@' * 500_000])
def test_hostile_files_end_quickly(tmp_path: Path, text: str) -> None:
    started = time.process_time()
    for file in ("bunfig.toml", ".yarnrc"):
        (tmp_path / file).write_text(text)
    assert unheeded_registries(str(tmp_path), Registries()) == []
    assert time.process_time() - started < 10
