"""The files of settings that other package managers have in a project; what cannot be read counts as empty."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from pmpipe.errors import PmpipeError
from pmpipe.npm.texts.json_text import without_bom
from pmpipe.project.project_files import read_file
from pmpipe.project.yaml_files import read_yaml

YARNRC_YML, YARNRC, BUNFIG = ".yarnrc.yml", ".yarnrc", "bunfig.toml"

_MOST_BYTES = 1 << 20
_LONGEST_LINE = 4096
#: `[install.scopes]`
_TABLE = re.compile(r"\[\s*([\w.\"@/-]+)\s*\]\s*(?:#.*)?$")


def yaml_settings(folder: str, file: str) -> dict[str, Any]:
    """The settings in a YAML file, all scalars as texts.

    Args:
        folder: absolute path of the project.
        file: the file's name.
    """
    try:
        return read_yaml(folder, file)
    except PmpipeError:
        return {}  # whoever needs something of it is told that it cannot be read


def text_of(folder: str, file: str) -> str:
    """The text of a file of at most one MiB; empty if it is larger. Arguments as in `yaml_settings`."""
    try:
        data = read_file(folder, file) or b""
    except PmpipeError:
        return ""
    return without_bom(data).decode("utf-8", "replace") if len(data) <= _MOST_BYTES else ""


def bunfig_lines(folder: str) -> Iterator[tuple[str, str]]:
    """The lines of bun's settings, each with the name of the table that it is in; very long ones are left out."""
    table = ""
    for line in text_of(folder, BUNFIG).splitlines():
        if len(line) > _LONGEST_LINE:
            continue
        opened = _TABLE.match(line.strip())
        if opened is not None:
            table = opened[1]
        else:
            yield table, line
