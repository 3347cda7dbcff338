"""What ``devEngines`` asks for, against what there is; npm's own check is the oracle."""

from __future__ import annotations

from typing import Any

import pytest
from asking_npm import ask_npm

from pmpipe.npm.manifests.dev_engines import InvalidDevEnginesError, Present, check_dev_engines, needs_version_of

PRESENT = {
    "packageManager": Present("npm", "11.19.1"),
    "runtime": Present("node", "20.1.0"),
    "os": Present("linux", "6.1.0-odd"),
    "cpu": Present("x64"),
    "libc": Present("glibc"),
}

FIELDS: list[Any] = [
    {},
    {"runtime": {"name": "node"}},
    {"runtime": {"name": "node", "version": ">=20"}},
    {"runtime": {"name": "node", "version": ">=99"}},
    {"runtime": {"name": "node", "version": ">=99", "onFail": "warn"}},
    {"runtime": {"name": "node", "version": ">=99", "onFail": "ignore"}},
    {"runtime": {"name": "node", "version": ">=99", "onFail": "download"}},
    {"runtime": {"name": "node", "version": "no range"}},
    {"runtime": {"name": "bun"}},
    {"runtime": [{"name": "bun"}, {"name": "node"}]},
    {"runtime": [{"name": "bun"}, {"name": "deno", "onFail": "warn"}]},
    {"runtime": [{"name": "bun", "onFail": "ignore"}, {"name": "deno"}]},
    {"runtime": [[{"name": "bun"}, {"name": "node"}]]},
    {"runtime": []},
    {"packageManager": {"name": "pnpm"}},
    {"packageManager": {"name": "npm", "version": "^11.0.0"}},
    {"packageManager": {"name": "npm", "version": "11.19.1"}},
    {"packageManager": {"name": "yarn", "onFail": "warn"}, "runtime": {"name": "deno"}},
    {"os": {"name": "linux", "version": "6.1.0-odd"}},
    {"os": {"name": "darwin"}},
    {"cpu": {"name": "arm64"}, "libc": {"name": "musl"}},
    {"libc": {"name": "glibc"}},
    None,
    [],
    "node",
    {"node": {"name": "node"}},
    {"runtime": None},
    {"runtime": "node"},
    {"runtime": {}},
    {"runtime": {"name": 1}},
    {"runtime": {"name": "node", "version": 20}},
    {"runtime": {"name": "bun", "version": 20}},
    {"runtime": {"name": "node", "onFail": "explode"}},
    {"runtime": {"name": "node", "onFail": None}},
    {"runtime": {"name": "node", "odd": 1}},
    {"runtime": [{"name": "node"}, None]},
]


@pytest.mark.npm
def test_as_npm_judges() -> None:
    present = {engine: {"name": one.name, "version": one.version or None} for engine, one in PRESENT.items()}
    answers = ask_npm("ask_dev_engines.cjs", [{"wanted": wanted, "current": present} for wanted in FIELDS])
    for wanted, answer in zip(FIELDS, answers, strict=True):
        try:
            misfits = check_dev_engines(wanted, PRESENT)
        except InvalidDevEnginesError:
            assert answer == "invalid", wanted
        else:
            assert answer == [[one.engine, len(one.reasons), one.is_error] for one in misfits], wanted


def test_reasons_name_what_is_wanted_and_what_there_is() -> None:
    (misfit,) = check_dev_engines({"runtime": [{"name": "bun"}, {"name": "node", "version": ">=99"}]}, PRESENT)
    assert misfit.reasons == ("runtime must be bun, and is node", "runtime must be node >=99, and is 20.1.0")


def test_what_is_not_known_is_not_looked_at() -> None:
    assert check_dev_engines({"runtime": {"name": "bun"}}, {}) == []


def test_when_a_version_matters() -> None:
    assert needs_version_of({"runtime": {"name": "node", "version": "1"}}, "runtime")
    assert needs_version_of({"runtime": [{"name": "bun"}, {"name": "node", "version": "1"}]}, "runtime")
    assert not needs_version_of({"runtime": {"name": "node"}}, "runtime")
    assert not needs_version_of({"os": {"name": "linux", "version": "1"}}, "runtime")
    assert not needs_version_of(None, "runtime")
