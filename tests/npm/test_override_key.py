"""The keys of overrides are those that npm takes."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from pmpipe.npm.manifests.override_key import is_override_key, split_override_key

NAMES = (
    "a",
    "@s/a",
    "JSONStream",
    "a.b",
    "0",
    "a.tgz",
    "foo.tar",
    "a/b",
    "a>b",
    "@s",
    "a b",
    ".a",
    "a:b",
    "../a",
    "@c.d/e",
)
SPECS = (
    "*", "^1", "1.0.0", " ^1 ", "1 || 2", ">=1>b", "x y", "latest", "%", "a@b", "@x", "v1",
    "workspace:*", "workspace:^1", "workspace:b@*", "WORKSPACE:*", " workspace:*", "catalog:", "catalog:x", "link:./x",
    "patch:a@1", "portal:./x", "jsr:x", "ftp://x/y", "file:./x", "./x", "~/x", "x.tgz", "C:/x", "file:",
    "npm:b", "npm:b@1", "npm:npm:b", "npm:./x", "npm:", "npm:b@workspace:*",
    "github:u/r", "u/r", "u/r#semver:^1", "u/r#a::b", "git+ssh://git@h.com:u/r", "git@h.com:u/r", "b.c:d", "gist:abc",
    "https://h/x.tgz", "http://[",
)  # fmt: skip
KEYS = [*NAMES, *(f"{name}@{spec}" for name in NAMES for spec in SPECS)]

ASK_NPM = """
const { execSync } = require('child_process')
const root = execSync('npm root -g').toString().trim()
const OverrideSet = require(`${root}/npm/node_modules/@npmcli/arborist/lib/override-set.js`)
const takes = key => { try { new OverrideSet({ overrides: { [key]: '1' } }); return true } catch { return false } }
console.log(JSON.stringify(JSON.parse(require('fs').readFileSync(0)).filter(takes)))
"""


@pytest.mark.npm
def test_npm_takes_the_same_keys(tmp_path: Path) -> None:
    asked = subprocess.run(
        ["node", "-e", ASK_NPM], cwd=tmp_path, input=json.dumps(KEYS), capture_output=True, text=True, check=True
    )
    assert [key for key in KEYS if is_override_key(key)] == json.loads(asked.stdout)


@pytest.mark.parametrize("key", ["a@workspace:*", "@s/a@catalog:", "a@link:./x", "a.tgz", "a.tgz@1", "a@git@h.com:u/r"])
def test_what_npm_does_not_take_is_no_key(key: str) -> None:
    assert not is_override_key(key)


def test_a_key_has_a_name_and_a_range() -> None:
    assert split_override_key("@s/a@ ^1 ") == ("@s/a", "^1")
    assert split_override_key("a") == split_override_key("a@") == ("a", "*")
