"""Which npm is followed for a project."""

from __future__ import annotations

from typing import Any

import pytest

from pmpipe.npm import NPM_VERSION
from pmpipe.npm.packages.npm_version import follows_npm_12, looks_up_fewer_peers, npm_version_for


@pytest.mark.parametrize(
    "manifest",
    [
        {"packageManager": "npm@12.2.1"},
        {"packageManager": "npm@12.0.0+sha512.abc"},
        {"packageManager": "npm@13.0.0"},
        {"engines": {"npm": ">=12"}},
        {"engines": {"npm": "^10 || ^12.1"}},
        {"engines": {"node": "24", "npm": "12.x"}},
        {"devEngines": {"packageManager": {"name": "npm", "version": "^12"}}},
        {"devEngines": {"packageManager": [{"name": "pnpm", "version": "9"}, {"name": "npm", "version": ">11.99"}]}},
        {"packageManager": "npm@11.20.0", "engines": {"npm": ">=12"}},
    ],
)
def test_a_project_that_asks_for_npm_12_gets_it(manifest: dict[str, Any]) -> None:
    version = npm_version_for(manifest)
    assert follows_npm_12(version)
    assert looks_up_fewer_peers(version)


@pytest.mark.parametrize(
    "manifest",
    [
        {"packageManager": "npm@11.20.0"},
        {"packageManager": "npm@11.21.2+sha512.abc"},
        {"packageManager": "npm@11.99.0"},
        {"engines": {"npm": ">=11.20"}},
        {"engines": {"npm": "^10 || ^11.21.1"}},
        {"devEngines": {"packageManager": {"name": "npm", "version": ">11.19.1"}}},
    ],
)
def test_a_project_that_asks_for_a_later_npm_11_gets_it(manifest: dict[str, Any]) -> None:
    version = npm_version_for(manifest)
    assert looks_up_fewer_peers(version)
    assert not follows_npm_12(version)


@pytest.mark.parametrize(
    "manifest",
    [
        {},
        {"packageManager": "npm@11.19.1"},
        {"packageManager": "npm@11.5.0"},
        {"packageManager": "npm@10.9.2"},
        {"packageManager": "npm@12"},
        {"packageManager": "pnpm@12.0.0"},
        {"packageManager": "npm@latest"},
        {"packageManager": 12},
        {"engines": {"npm": ">=10"}},
        {"engines": {"npm": "^10"}},
        {"engines": {"npm": "no range"}},
        {"engines": {"npm": 12}},
        {"engines": {"node": ">=12"}},
        {"engines": ["npm >=12"]},
        {"devEngines": {"packageManager": {"name": "yarn", "version": "^12"}}},
        {"devEngines": {"packageManager": {"name": "npm"}}},
        {"devEngines": {"packageManager": "npm"}},
        {"devEngines": True},
    ],
)
def test_any_other_is_resolved_as_by_the_npm_11_that_is_followed(manifest: dict[str, Any]) -> None:
    assert npm_version_for(manifest) == NPM_VERSION
