"""The process that calls a project's ``transformManifest``: what it may do, what it is refused, how it ends."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from pmpipe.errors import RepairError
from pmpipe.project.extension_file import ExtensionFile
from pmpipe.resolving.extension_host import ExtensionHost

MANIFEST: dict[str, Any] = {
    "name": "a",
    "version": "1.0.0",
    "license": "MIT",
    "dependencies": {"b": "1"},
    "peerDependenciesMeta": {"p": {"optional": True}},
}

Start = Callable[..., ExtensionHost]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Makes a host for a file of code; all of them are ended."""
    hosts: list[ExtensionHost] = []

    def make(code: str, *, name: str = ".npm-extension.mjs", environ: Any = None, **options: Any) -> ExtensionHost:
        path = tmp_path / name
        path.write_text(code)
        host = ExtensionHost(
            ExtensionFile(name, str(path), "sha512-x"), str(tmp_path), environ or os.environ, **options
        )
        hosts.append(host)
        return host

    yield make
    for host in hosts:
        host.stop()


def module(body: str) -> str:
    return f"export function transformManifest (pkg, context) {{\n{body}\nreturn pkg\n}}\n"


def refusal(host: ExtensionHost) -> str:
    with pytest.raises(RepairError) as caught:
        host.transform(MANIFEST)
    return str(caught.value)


def test_tells_what_was_changed_of_what_may_change(start: Start) -> None:
    host = start(
        module(
            "pkg.dependencies = { d: '1', c: '2' }\npkg.optionalDependencies = {}\n"
            "pkg.peerDependencies = { p: '*' }\npkg.peerDependenciesMeta.p.why = 'x'"
        )
    )
    transformed = host.transform(MANIFEST)
    assert transformed is not None
    assert transformed.fields == {
        "dependencies": {"d": "1", "c": "2"},
        "peerDependencies": {"p": "*"},
        "peerDependenciesMeta": {"p": {"optional": True, "why": "x"}},
    }
    assert transformed.applied == {
        "extensionPoint": "transformManifest",
        "dependencies": ["b", "c", "d"],
        "peerDependencies": ["p"],
        "peerDependenciesMeta": ["p"],
    }


@pytest.mark.parametrize(
    "code",
    [
        module(""),
        "export const transformManifest = () => ({})",
        "export const transformManifest = pkg => ({ name: pkg.name, dependencies: { b: '1' } })",
        "export const transformManifest = pkg => ({ ...pkg, optionalDependencies: undefined })",
    ],
)
def test_what_is_left_out_or_the_same_is_no_change(start: Start, code: str) -> None:
    assert start(code).transform(MANIFEST) is None


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("x.cjs", "exports.transformManifest = () => ({ dependencies: {} })"),
        ("x.cjs", "module.exports = { transformManifest () { return { dependencies: {} } } }"),
        ("x.mjs", "export const transformManifest = () => ({ dependencies: {} })"),
        ("x.mjs", "await null; export default { transformManifest: () => ({ dependencies: {} }) }"),
    ],
)
def test_both_kinds_of_modules_are_loaded(start: Start, name: str, code: str) -> None:
    transformed = start(code, name=name).transform(MANIFEST)
    assert transformed is not None
    assert transformed.fields == {"dependencies": {}}


def test_the_code_gets_copies_and_learns_where_it_is(start: Start, tmp_path: Path) -> None:
    host = start(
        "let seen = 0\n"
        + module(
            "const known = Object.keys(pkg.dependencies)\n"
            "pkg.dependencies[`n${++seen}`] = `${known} ${context.root} ${context.extensionPoint}`\n"
            "context.root = 'elsewhere'"
        )
    )
    for call in (1, 2):
        transformed = host.transform(MANIFEST)
        assert transformed is not None
        assert transformed.fields["dependencies"][f"n{call}"] == f"b {tmp_path} transformManifest"
    assert MANIFEST["dependencies"] == {"b": "1"}


@pytest.mark.parametrize(
    ("code", "what"),
    [
        ("export const x = 1", "exports no function transformManifest"),
        ("throw new Error('boom')", "cannot be loaded: boom"),
        ("throw null", "cannot be loaded: null"),
        ("import 'there-is-no-such-module'", "cannot be loaded: Cannot find package"),
        (module("throw new Error('bang')"), "called for a@1.0.0, has thrown: bang"),
        ("export async function transformManifest (pkg) { return pkg }", "has returned a promise"),
        ("export const transformManifest = () => {}", "has returned no manifest"),
        ("export const transformManifest = () => null", "has returned no manifest"),
        ("export const transformManifest = () => [1]", "has returned no manifest"),
        (module("pkg.license = 'ISC'; pkg.scripts = {}"), "has changed license, scripts; only dependencies, "),
        (module("pkg.license = undefined"), "has changed license"),
        (module("pkg.dependencies = null"), "has made dependencies what is no object"),
        (module("pkg.dependencies = ['b']"), "has made dependencies what is no object"),
        (module("pkg.dependencies.b = 1"), "has made dependencies > b what is no string"),
        (module("pkg.peerDependenciesMeta.p = true"), "has made peerDependenciesMeta > p what is no object"),
        (module("process.exit(3)"), "transformManifest for a@1.0.0: Node.js has ended with status 3"),
        (module("process.kill(process.pid, 'SIGKILL')"), "Node.js has ended by signal 9"),
        ("process.exit(0)", "loading it: Node.js has ended with status 0"),
        (module("pkg.dependencies.b = 'x'.repeat(17 * 2 ** 20)"), "the answer has more than 16 MiB"),
    ],
)
def test_what_the_code_may_not_do_is_refused(start: Start, code: str, what: str) -> None:
    told = refusal(start(code))
    assert ".npm-extension.mjs: " in told
    assert what in told


def test_a_manifest_that_is_refused_leaves_the_others_alone(start: Start) -> None:
    host = start(module("if (pkg.name === 'a') throw new Error('bang')\npkg.dependencies = {}"))
    assert "bang" in refusal(host)
    transformed = host.transform({**MANIFEST, "name": "b"})
    assert transformed is not None
    assert transformed.fields == {"dependencies": {}}


@pytest.mark.parametrize(
    ("code", "doing"), [("while (true);", "loading it"), (module("while (true);"), "transformManifest for a@1.0.0")]
)
def test_code_that_does_not_answer_is_ended(start: Start, tmp_path: Path, code: str, doing: str) -> None:
    written = f"import fs from 'node:fs'\nfs.writeFileSync('pid', String(process.pid))\n{code}"
    host = start(written, patience_s=2.0)
    assert f"{doing} has not ended after 2 s" in refusal(host)
    assert not os.path.exists(f"/proc/{(tmp_path / 'pid').read_text()}")
    # it is not waited for once more
    begun = time.monotonic()
    assert "has not ended" in refusal(host)
    assert time.monotonic() - begun < 1


def test_without_nodejs_nothing_can_be_called(start: Start) -> None:
    assert "needs Node.js, which is not on the PATH" in refusal(start(module(""), environ={"PATH": "/nowhere"}))


def test_a_nodejs_that_cannot_be_started_is_told(start: Start, tmp_path: Path) -> None:
    node = tmp_path / "node"
    node.write_text("no program")
    node.chmod(0o755)
    assert "cannot be run with" in refusal(start(module(""), environ={"PATH": str(tmp_path)}))


def test_what_answers_is_not_believed_to_be_ours(start: Start, tmp_path: Path) -> None:
    node = tmp_path / "node"
    node.write_text('#!/bin/bash\nprintf "no JSON\\n" >&$4\n')
    node.chmod(0o755)
    assert "loading it has failed" in refusal(start(module(""), environ={"PATH": f"{tmp_path}:{os.environ['PATH']}"}))


def test_what_the_code_prints_goes_to_people(start: Start, capfd: pytest.CaptureFixture[str]) -> None:
    host = start(module("console.log('printed'); context.log('logged')"))
    host.transform(MANIFEST)
    host.stop()
    shown = capfd.readouterr()
    assert (shown.out, shown.err) == ("", "printed\n")


def test_what_the_code_logs_is_shown_where_everything_is(start: Start, capfd: pytest.CaptureFixture[str]) -> None:
    host = start(module("context.log('logged')"), logs=True)
    host.transform(MANIFEST)
    host.stop()
    assert capfd.readouterr().err == "logged\n"


def test_a_host_that_was_stopped_begins_anew(start: Start) -> None:
    host = start(module("pkg.dependencies = {}"))
    host.stop()
    for _ in range(2):
        assert host.transform(MANIFEST) is not None
        host.stop()
