"""What is said of an age of versions that only other package managers know of."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from pmpipe.foreign.release_age import unheeded_release_age

BUN = """[run]
minimumReleaseAge = 1
[install] # of packages
minimumReleaseAge = 259200 # seconds
[install.scopes]
"@a" = "x"
"""


def said(folder: Path, **settings: object) -> list[str]:
    return unheeded_release_age(str(folder), {"before": None, "min-release-age": None, **settings})


@pytest.mark.parametrize(
    ("file", "text", "setting", "days"),
    [
        ("pnpm-workspace.yaml", "minimumReleaseAge: 4320\n", "minimumReleaseAge", 3),
        ("pnpm-workspace.yaml", "minimumReleaseAge: 10\n", "minimumReleaseAge", 1),
        (".yarnrc.yml", "npmMinimalAgeGate: 1441\n", "npmMinimalAgeGate", 2),
        (".yarnrc.yml", "npmMinimalAgeGate: 1w\n", "npmMinimalAgeGate", 7),
        (".yarnrc.yml", "npmMinimalAgeGate: 36h\n", "npmMinimalAgeGate", 2),
        ("bunfig.toml", BUN, "minimumReleaseAge", 3),
    ],
)
def test_an_age_that_npm_does_not_know_is_told_in_its_words(
    tmp_path: Path, file: str, text: str, setting: str, days: int
) -> None:
    (tmp_path / file).write_text(text)
    (line,) = said(tmp_path)
    assert line.startswith(f"{file}: npm does not know {setting}, and younger versions are chosen, too;")
    assert line.endswith(f"put into .npmrc: min-release-age={days}")


def test_packages_that_are_exempt_are_told_unless_only_some_versions_are(tmp_path: Path) -> None:
    (tmp_path / "pnpm-workspace.yaml").write_text(
        "minimumReleaseAge: 1440\nminimumReleaseAgeExclude: [react, '@acme/*', webpack@4.47.0, '@s/a@1 || 2']\n"
    )
    (line,) = said(tmp_path)
    assert line.endswith("min-release-age=1, min-release-age-exclude[]=react, min-release-age-exclude[]=@acme/*")


@pytest.mark.parametrize("settings", [{"min-release-age": 1.0}, {"min-release-age": 0.0}, {"before": "2026-01-01"}])
def test_nothing_is_told_where_npms_settings_say_something(tmp_path: Path, settings: dict[str, object]) -> None:
    (tmp_path / "pnpm-workspace.yaml").write_text("minimumReleaseAge: 4320\n")
    assert said(tmp_path, **settings) == []


@pytest.mark.parametrize(
    ("file", "text"),
    [
        ("pnpm-workspace.yaml", "minimumReleaseAge: 0\n"),
        ("pnpm-workspace.yaml", "minimumReleaseAge: [1]\n"),
        ("pnpm-workspace.yaml", "minimumReleaseAge: soon\nminimumReleaseAgeExclude: x\n"),
        ("pnpm-workspace.yaml", ": {"),
        (".yarnrc.yml", "npmMinimalAgeGate: 0d\n"),
        (".yarnrc.yml", "npmMinimalAgeGate: -3\n"),
        ("bunfig.toml", "minimumReleaseAge = 259200\n"),
        ("bunfig.toml", "[install]\n# minimumReleaseAge = 259200\n"),
    ],
)
def test_nothing_is_told_where_no_age_is_asked_for(tmp_path: Path, file: str, text: str) -> None:
    (tmp_path / file).write_text(text)
    assert said(tmp_path) == []


def test_hostile_files_end_quickly(tmp_path: Path) -> None:
    started = time.process_time()
    for text in ("[install]\n" + " " * 1_000_000, "[" * 1_000_000, "[install]\n" + "minimumReleaseAge" * 60_000):
        (tmp_path / "bunfig.toml").write_text(text)
        assert said(tmp_path) == []
    assert time.process_time() - started < 10
