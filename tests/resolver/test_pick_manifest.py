"""Picking a version, compared with npm's own choice."""

from __future__ import annotations

import json
import random
from typing import Any

import pytest
from asking import ask

from pmpipe.errors import RegistryError
from pmpipe.npm.packages.packument import Packument, decode_packument
from pmpipe.npm.packages.pick_manifest import PickOptions, pick_manifest


def packument(versions: dict[str, dict[str, Any]], tags: dict[str, str], **fields: Any) -> dict[str, Any]:
    full = {version: {"name": "p", "version": version, **manifest} for version, manifest in versions.items()}
    return {"name": "p", "dist-tags": tags, "versions": full, **fields}


def picked(document: dict[str, Any], wanted: str, **options: Any) -> str | None:
    manifest = pick_manifest(decode(document), wanted, PickOptions(**options))
    return None if manifest is None else manifest.version


def decode(document: dict[str, Any]) -> Packument:
    return decode_packument(json.dumps(document).encode(), "p")


def test_takes_the_default_tag_for_any_range_it_satisfies() -> None:
    document = packument({"1.0.0": {}, "1.1.0": {}, "2.0.0": {}}, {"latest": "1.0.0", "next": "2.0.0"})
    assert [picked(document, wanted) for wanted in ("", "*", "^1.0.0", ">=1.1", "next", "1.1.0", "x")] == [
        "1.0.0", "1.0.0", "1.0.0", "2.0.0", "2.0.0", "1.1.0", "1.0.0",
    ]  # fmt: skip
    assert picked(document, "*", default_tag="next") == "2.0.0"


def test_gives_nothing_for_what_is_not_there() -> None:
    document = packument({"1.0.0": {}}, {"latest": "1.0.0", "gone": "0.9.0"})
    assert [picked(document, wanted) for wanted in ("^2.0.0", "2.0.0", "nope", "gone")] == [None] * 4


def test_versions_published_later_do_not_exist() -> None:
    times = {"1.0.0": "2020-01-01T00:00:00.000Z", "1.1.0": "2021-01-01T00:00:00.000Z", "1.2.0": "2022-01-01T00:00:00Z"}
    document = packument({version: {} for version in times}, {"latest": "1.2.0"}, time=times)
    before = 1_622_505_600.0  # 2021-06-01
    assert [picked(document, wanted, before=before) for wanted in ("*", "^1", "latest", "1.2.0", "1.1.0")] == [
        "1.1.0", "1.1.0", "1.1.0", None, "1.1.0",
    ]  # fmt: skip


def test_decodes_only_the_version_that_it_takes() -> None:
    document = decode_packument(
        b'{"name": "p", "dist-tags": {"latest": "2.0.0"}, "versions": {"1.0.0": {"version": "1.0.0"}, "2.0.0": [1]}}',
        "p",
    )
    assert pick_manifest(document, "^1.0.0", PickOptions()) is not None
    with pytest.raises(RegistryError, match=r"data for p@2\.0\.0 cannot be used"):
        pick_manifest(document, "*", PickOptions())


@pytest.mark.parametrize(
    "body", [b"", b"<html>", b"[1]", b'{"versions": []}', b'{"versions": {"1.0.0": {}', b"\xff\xfe"]
)
def test_what_is_no_packument_is_an_error(body: bytes) -> None:
    with pytest.raises(RegistryError, match="the registry's answer for p is no packument"):
        decode_packument(body, "p")


@pytest.mark.npm
def test_picks_what_npm_picks() -> None:
    chance = random.Random(3)
    versions = [f"{a}.{b}.{c}{pre}" for a in (0, 1, 2) for b in (0, 1, 10) for c in (0, 3) for pre in ("", "-rc.1")]
    wanted = ["*", "", "^1.0.0", "~1.1.0", ">=0.1.0", "1.x", "0.x || 2.x", "<2", "^1.0.0-rc.1", "^2.10.0-rc.0", "next",
              "latest", "1.10.3", "v1.10.3", "=1.1.0", ">1.0.0 <=2.0.3", "^0.10.0", "1 - 2", "nope", "^9"]  # fmt: skip
    engines = [
        None,
        {"node": ">=10"},
        {"node": ">=99"},
        {"npm": ">=99"},
        ["node >= 1"],
        "x",
        {"node": "what"},
        {"node": ""},
    ]
    questions = []
    for _ in range(1500):
        chosen = chance.sample(versions, chance.randint(1, 12))
        manifests: dict[str, dict[str, Any]] = {version: {} for version in chosen}
        for manifest in manifests.values():
            if chance.random() < 0.3:
                manifest["deprecated"] = chance.choice(["old", "", False])
            engine = chance.choice(engines)
            if engine is not None:
                manifest["engines"] = engine
        tags = {tag: chance.choice(versions if chance.random() < 0.1 else chosen) for tag in ("latest", "next")}
        times = {version: f"20{chance.randint(18, 22)}-01-01T00:00:00.000Z" for version in chosen}
        options: dict[str, Any] = {"nodeVersion": "20.0.0", "npmVersion": "11.0.0"}
        if chance.random() < 0.4:
            options["before"] = "2020-06-01T00:00:00.000Z"
        if chance.random() < 0.2:
            options["defaultTag"] = "next"
        question = {
            "packument": packument(manifests, tags, time=times),
            "wanted": chance.choice(wanted),
            "options": options,
        }
        questions.append(question)
    for question, answer in zip(questions, ask("ask_pick.cjs", questions), strict=True):
        options = question["options"]
        mine = picked(
            question["packument"],
            question["wanted"],
            default_tag=options.get("defaultTag", "latest"),
            before=1_590_969_600.0 if "before" in options else None,
            node_version="20.0.0",
            npm_version="11.0.0",
        )
        assert mine == (None if answer in ("ETARGET", "ENOVERSIONS") else answer), question
