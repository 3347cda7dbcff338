"""What registries and scripts are told of who asks."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from pmpipe import __version__
from pmpipe.errors import ConfigError
from pmpipe.npm import NPM_VERSION
from pmpipe.settings import user_agent
from pmpipe.settings.config import Config
from pmpipe.system import host

PLATFORM = host.platform()


@pytest.fixture
def environ(tmp_path: Path) -> dict[str, str]:
    """With a Node.js that says its version, and nothing else."""
    node = tmp_path / "bin" / "node"
    node.parent.mkdir()
    node.write_text("#!/bin/sh\necho v20.1.0\n")
    node.chmod(0o755)
    return {"HOME": str(tmp_path), "PATH": str(node.parent)}


def agents(environ: dict[str, str], **flags: Any) -> tuple[str, str]:
    config = Config.load({name.replace("_", "-"): value for name, value in flags.items()}, environ, environ["HOME"])
    return user_agent.for_registries(config, environ), user_agent.for_scripts(config, environ, NPM_VERSION)


def test_registries_are_told_of_pmpipe_and_scripts_of_npm(environ: dict[str, str]) -> None:
    registries, scripts = agents(environ)
    assert registries.startswith(f"pmpipe/{__version__} npm/?")
    assert scripts == (
        f"npm/{NPM_VERSION} node/v20.1.0 {PLATFORM.os} {PLATFORM.cpu} workspaces/false pmpipe/{__version__}"
    )


def test_scripts_are_told_of_the_service_for_continuous_integration(environ: dict[str, str]) -> None:
    assert " workspaces/true ci/gitlab-ci pmpipe/" in agents({**environ, "GITLAB_CI": "1"}, workspaces=True)[1]


def test_what_is_set_is_told_to_both_with_npm_s_fields_filled_in(environ: dict[str, str]) -> None:
    template = " tool/1 {NPM-version} {node-version} {platform}-{arch} {workspaces} {other} {ci}"
    said = f"tool/1 {NPM_VERSION} v20.1.0 {PLATFORM.os}-{PLATFORM.cpu} false {{other}}"
    assert agents(environ, user_agent=template) == (said, said)
    assert agents({**environ, "npm_config_user_agent": template}) == (said, said)


def test_nothing_may_be_told(environ: dict[str, str]) -> None:
    (Path(environ["HOME"]) / ".npmrc").write_text("user-agent=\n")
    assert agents(environ) == ("", "")


def test_without_node_there_is_no_version(environ: dict[str, str]) -> None:
    assert agents({**environ, "PATH": ""}, user_agent="{node-version}") == ("?", "?")


def test_what_cannot_be_sent_is_refused(environ: dict[str, str]) -> None:
    with pytest.raises(ConfigError, match="one line"):
        agents({**environ, "npm_config_user_agent": "a\r\nx-other: b"})
