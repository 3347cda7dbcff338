"""How old a version must be to be chosen, where only other package managers' settings say so.

Whoever has set that does not want versions that nobody has had time to look at, and must hear that they may come.

Source: the documentation of pnpm (``minimumReleaseAge``, minutes), yarn (``npmMinimalAgeGate``, minutes unless it has a
unit) and bun (``minimumReleaseAge`` under ``[install]``, seconds).
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from typing import Any

from pmpipe.foreign.settings_files import BUNFIG, YARNRC_YML, bunfig_lines, yaml_settings
from pmpipe.npm.texts.text import printable
from pmpipe.project.project_files import PNPM_WORKSPACE

_DAY_S = 24 * 3600
_UNITS_S = {"ms": 0.001, "s": 1, "m": 60, "": 60, "h": 3600, "d": _DAY_S, "w": 7 * _DAY_S}
_DURATION = re.compile(r"(\d{1,9}(?:\.\d{1,9})?)(ms|[smhdw]?)")
_OF_BUN = re.compile(r"[ \t]*minimumReleaseAge[ \t]*=[ \t]*(\d{1,12})")

_SHOWN = 10
_SHOWN_CHARACTERS = 1000


def unheeded_release_age(folder: str, settings: Mapping[str, object]) -> list[str]:
    """One line for each file that asks for an age of which npm's settings say nothing.

    Args:
        folder: absolute path of the project.
        settings: npm's, by name.
    """
    # 0 is said, too
    if settings["before"] or settings["min-release-age"] is not None:
        return []
    lines = []
    for file, setting, seconds, exempt in _asked_for(folder):
        if seconds > 0:
            wanted = [f"min-release-age={math.ceil(seconds / _DAY_S)}"]
            wanted += [f"min-release-age-exclude[]={name}" for name in exempt[:_SHOWN]]
            more = f" and {len(exempt) - _SHOWN} more" if len(exempt) > _SHOWN else ""
            line = (
                f"{file}: npm does not know {setting}, and younger versions are chosen, too; "
                f"put into .npmrc: {', '.join(wanted)}{more}"
            )
            lines.append(printable(line, _SHOWN_CHARACTERS))
    return lines


def _asked_for(folder: str) -> Iterator[tuple[str, str, float, list[str]]]:
    """File, setting, seconds, and the packages to which it does not apply."""
    pnpm, yarn = yaml_settings(folder, PNPM_WORKSPACE), yaml_settings(folder, YARNRC_YML)
    name = "minimumReleaseAge"
    yield PNPM_WORKSPACE, name, _seconds(pnpm.get(name)), _names(pnpm.get(f"{name}Exclude"))
    gate = "npmMinimalAgeGate"
    yield YARNRC_YML, gate, _seconds(yarn.get(gate)), _names(yarn.get("npmPreapprovedPackages"))
    yield BUNFIG, name, _of_bun(folder), []


def _seconds(value: Any) -> float:
    duration = _DURATION.fullmatch(value) if isinstance(value, str) else None
    return float(duration[1]) * _UNITS_S[duration[2]] if duration is not None else 0


def _of_bun(folder: str) -> float:
    for table, line in bunfig_lines(folder):
        age = _OF_BUN.match(line) if table == "install" else None
        if age is not None:
            return float(age[1])
    return 0


def _names(value: Any) -> list[str]:
    # npm exempts packages, not some of their versions
    return [name for name in value if isinstance(name, str) and "@" not in name[1:]] if isinstance(value, list) else []
