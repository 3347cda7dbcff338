"""Lockfiles that are hostile, damaged or incomplete: refused before anything is written, or installed as is right."""

from __future__ import annotations

import gzip
import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest
from support.packages import Package, integrity, make_package
from support.project import Project
from support.registry import PackageRegistry
from support.snapshot import snapshot
from support.tarballs import member, package_json, pax, tgz

ALPHA = make_package("alpha", "1.0.0", {"index.js": b"alpha", "cli.js": b"#!/bin/sh\n"})
PACKAGES = {"node_modules/alpha": ALPHA}


def refuse(project: Project, *words: str) -> str:
    """Run `ci`: it must fail, ask nobody, and write nothing, neither here nor elsewhere."""
    project.registry.requests.clear()
    before = snapshot(project.base)
    message = project.fails("ci", *words).stderr
    after = {
        path: what for path, what in snapshot(project.base).items() if not path.startswith(("store", "home", "tmp"))
    }
    assert after == {path: before[path] for path in after}
    assert project.registry.requests == []
    assert "Traceback" not in message
    return message


# -- names and paths ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "path",
    [
        "/tmp/outside",
        "node_modules/../../outside",
        "node_modules/@x/../../y",
        "node_modules/.bin",
        "node_modules/node_modules",
        "node_modules/alpha/node_modules/../../../../outside",
        "node_modules\\..\\..\\outside",
    ],
)
def test_a_path_that_leaves_node_modules_is_refused_before_any_write(project: Project, path: str) -> None:
    project.want(PACKAGES)
    document = project.lock
    document["packages"][path] = document["packages"]["node_modules/alpha"]
    project.write("package-lock.json", json.dumps(document))
    assert "error[PM_LOCKFILE]" in refuse(project)


@pytest.mark.parametrize("name", ["../x", "@x/../../y", ".bin", "node_modules", "..", "a/../../b"])
def test_an_alias_that_is_no_name_is_refused(project: Project, name: str) -> None:
    project.want(PACKAGES, dependencies={name: "npm:alpha@1.0.0"})
    document = project.lock
    document["packages"][f"node_modules/{name}"] = {**document["packages"].pop("node_modules/alpha"), "name": "alpha"}
    project.write("package-lock.json", json.dumps(document))
    assert "error[PM_LOCK" in refuse(project)


@pytest.mark.parametrize("name", ["../x", "@x/../../y", "..", "a/../../b"])
def test_a_name_that_leads_out_of_the_registry_is_refused(project: Project, name: str) -> None:
    project.want(PACKAGES, dependencies={"alpha": f"npm:{name}@1.0.0"})
    project.change_lock("node_modules/alpha", name=name, resolved=None)
    refuse(project)


@pytest.mark.parametrize("name", ["constructor", "toString", "__proto__", "@types/constructor"])
@pytest.mark.parametrize("command", ["ci", "install"])
def test_names_of_javascript_install_like_any_other(project: Project, command: str, name: str) -> None:
    project.want({f"node_modules/{name}": make_package(name, "1.0.0", bin={"run": "index.js"})})
    project.succeeds(command)
    project.assert_installed()


def test_executables_stay_in_their_package_and_in_the_bin_folder(project: Project) -> None:
    bins = {
        "../../escaped": "cli.js",
        ".": "cli.js",
        "..": "cli.js",
        "/tmp/absolute": "cli.js",
        "outside": "../../../etc/passwd",
        "absolute-target": "/etc/passwd",
        "good": "cli.js",
    }
    project.want({"node_modules/alpha": make_package("alpha", "1.0.0", {"cli.js": b"#!/bin/sh\n"}, bin=bins)})
    outside = snapshot(project.base)
    project.succeeds("ci")
    folder = project.folder / "node_modules/.bin"
    package = project.folder / "node_modules/alpha"
    for link in folder.iterdir():
        assert Path(os.path.normpath(folder / os.readlink(link))).is_relative_to(package)
    assert {"good", "escaped", "absolute"} <= {link.name for link in folder.iterdir()}
    new = {path.split("/")[0] for path in snapshot(project.base).keys() - outside.keys()}
    assert new <= {"app", "store", "home", "tmp"}
    assert not Path("/tmp/absolute").exists()


# -- where packages come from -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "resolved",
    [
        "garbage",
        "ftp://127.0.0.1/x.tgz",
        "javascript:alert(1)",
        "data:,x",
        "http://",
        "file:",
        "file:///etc/passwd#x\n",
    ],
)
def test_an_address_that_nothing_can_come_from_is_refused(project: Project, resolved: str) -> None:
    project.want(PACKAGES)
    project.change_lock("node_modules/alpha", resolved=resolved)
    run = project.fails("ci")
    assert "node_modules/alpha" in run.stderr or "alpha@1.0.0" in run.stderr


@pytest.mark.parametrize("target", ["/etc/hostname", "../../../../../../../../etc/hostname", "absent.tgz", "/dev/zero"])
def test_a_local_file_that_is_no_package_fails_the_install(project: Project, target: str) -> None:
    project.want(PACKAGES)
    project.change_lock("node_modules/alpha", resolved=f"file:{target}", integrity=None)
    stderr = project.fails("ci").stderr
    assert "node_modules/alpha" in stderr or "alpha@1.0.0" in stderr


def test_a_local_tarball_is_installed(project: Project) -> None:
    project.want(PACKAGES)
    project.write("vendor/alpha.tgz", ALPHA.tarball)
    project.change_lock("node_modules/alpha", resolved="file:vendor/alpha.tgz")
    project.succeeds("ci")
    project.assert_installed()
    assert project.registry.requests == []


@pytest.mark.parametrize(
    "resolved",
    [
        "git+https://-oProxyCommand=touch%20pwned/x.git#" + "a" * 40,
        "git+ssh://-oProxyCommand=touch pwned/x.git#" + "a" * 40,
        "git+https://git.example/x.git#--upload-pack=touch",
        "git+https://git.example/x.git#main",
        "git+https://git.example/x.git#" + "a" * 39,
        "git+file:///tmp/x.git#-" + "a" * 39,
    ],
)
def test_a_git_address_that_could_be_an_option_is_refused_and_git_not_started(project: Project, resolved: str) -> None:
    tools = project.base / "tools"
    tools.mkdir()
    (tools / "git").write_text(f"#!/bin/sh\ntouch {project.base}/git-was-started\n")
    (tools / "git").chmod(0o755)
    project.environment["PATH"] = f"{tools}:{os.environ['PATH']}"
    project.want(PACKAGES)
    project.change_lock("node_modules/alpha", resolved=resolved, integrity=None)
    project.fails("ci")
    assert not (project.base / "git-was-started").exists()


def test_the_same_bytes_on_another_host_are_verified_and_installed(project: Project) -> None:
    project.want(PACKAGES)
    with PackageRegistry() as other:
        other.publish(ALPHA)
        project.change_lock("node_modules/alpha", resolved=other.tarball_url(ALPHA))
        project.succeeds("ci")
        assert other.requests_for(ALPHA.tarball_path)
    project.assert_installed()


# -- digests ------------------------------------------------------------------------------------------------------


def test_a_wrong_digest_fails_with_expected_and_got_and_keeps_nothing(project: Project) -> None:
    project.want(PACKAGES)
    wrong = integrity(b"something else")
    project.change_lock("node_modules/alpha", integrity=wrong)
    run = project.fails("ci")
    assert f"expected: {wrong}   got: {ALPHA.integrity}" in run.stderr
    assert "required by: " in run.stderr
    assert not list(project.store.glob("v1/sha*/*/*"))


@pytest.mark.parametrize("algorithm", ["sha1", "sha256", "sha384", "sha512"])
def test_every_algorithm_is_verified(project: Project, algorithm: str) -> None:
    project.want(PACKAGES)
    project.change_lock("node_modules/alpha", integrity=integrity(b"other", algorithm))
    project.fails("ci")
    project.change_lock("node_modules/alpha", integrity=integrity(ALPHA.tarball, algorithm))
    project.succeeds("ci")
    project.assert_installed()


def test_the_strongest_of_several_digests_decides_and_any_of_its_kind_may_match(project: Project) -> None:
    project.want(PACKAGES)
    right, wrong = ALPHA.integrity, integrity(b"other")
    project.change_lock("node_modules/alpha", integrity=f"{integrity(ALPHA.tarball, 'sha1')} {wrong}")
    project.fails("ci")
    project.change_lock("node_modules/alpha", integrity=f"{wrong} {right}")
    project.succeeds("ci")
    project.assert_installed()


@pytest.mark.parametrize(
    "digest", [None, "", "md5-1B2M2Y8AsgTpgAmY7PhCfg==", "sha512", "sha512-", "garbage", "sha512-!!!"]
)
def test_ci_refuses_a_remote_package_without_usable_digest(project: Project, digest: str | None) -> None:
    project.want(PACKAGES)
    project.change_lock("node_modules/alpha", integrity=digest)
    run = project.fails("ci")
    assert "no usable integrity" in run.stderr
    assert "node_modules/alpha" in run.stderr
    assert project.registry.requests == []


@pytest.mark.parametrize("digest", [None, "md5-1B2M2Y8AsgTpgAmY7PhCfg==", "garbage"])
def test_install_warns_of_a_missing_digest_and_records_it(project: Project, digest: str | None) -> None:
    project.want(PACKAGES)
    expected = project.lock
    project.change_lock("node_modules/alpha", integrity=digest)
    run = project.succeeds("install")
    assert "warning: node_modules/alpha has no usable integrity" in run.stderr
    project.assert_installed()
    assert project.lock == expected
    project.succeeds("ci")


@pytest.mark.parametrize("digest", [None, "garbage"])
def test_what_install_has_recorded_stands_in_the_hidden_lockfile_too(project: Project, digest: str | None) -> None:
    project.want(PACKAGES)
    project.change_lock("node_modules/alpha", integrity=digest)
    project.succeeds("install")
    hidden = (project.folder / "node_modules/.package-lock.json").read_bytes()
    assert "nothing to do" in project.succeeds("install").stdout
    project.succeeds("ci")
    assert (project.folder / "node_modules/.package-lock.json").read_bytes() == hidden


# -- lockfiles that cannot be read --------------------------------------------------------------------------------

UNREADABLE: dict[str, bytes] = {
    "empty": b"{",
    "null": b"null",
    "a list": b"[]",
    "conflicted": b'{\n<<<<<<< HEAD\n"a": 1\n=======\n"a": 2\n>>>>>>> b\n}',
    "UTF-16": '{"packages": {}}'.encode("utf-16"),
    "Latin-1": '{"packages": {"node_modules/é": {}}}'.encode("latin-1"),
    "binary": bytes(range(256)),
    "deep": b'{"packages": {"node_modules/alpha": {"x": ' + b"[" * 100_000,
    "cut": b'{"lockfileVersion": 3, "packages": {"": {"name": "app"}, "node_modules/al',
    "the future's": b'{"lockfileVersion": 9, "packages": {}}',
}


@pytest.mark.parametrize("how", UNREADABLE)
def test_a_lockfile_that_cannot_be_read_is_named_and_left_as_it_is(project: Project, how: str) -> None:
    project.want(PACKAGES)
    project.write("package-lock.json", UNREADABLE[how])
    assert "package-lock.json" in refuse(project)
    assert (project.folder / "package-lock.json").read_bytes() == UNREADABLE[how]


@pytest.mark.parametrize("how", sorted(UNREADABLE.keys() - {"the future's", "Latin-1"}))
def test_a_manifest_that_cannot_be_read_is_named(project: Project, how: str) -> None:
    project.want(PACKAGES)
    project.write("package.json", UNREADABLE[how])
    run = project.run("ci")
    assert run.status == 1
    assert "package.json" in run.stderr
    assert "Traceback" not in run.stderr


def test_a_manifest_in_latin_1_is_read_as_npm_reads_it(project: Project) -> None:
    project.want(PACKAGES, author="André")
    path = project.folder / "package.json"
    project.write("package.json", path.read_text().encode().decode("unicode_escape").encode("latin-1"))
    assert b"Andr\xe9" in path.read_bytes()
    project.succeeds("ci")
    project.assert_installed()


def test_a_byte_order_mark_does_no_harm(project: Project) -> None:
    project.want(PACKAGES)
    for name in ("package.json", "package-lock.json"):
        path = project.folder / name
        project.write(name, b"\xef\xbb\xbf" + path.read_bytes())
    project.succeeds("ci")
    project.assert_installed()


def test_a_lockfile_that_does_not_satisfy_the_manifest_is_refused_with_all_that_is_off(project: Project) -> None:
    project.want(PACKAGES)
    manifest = {"name": "app", "version": "1.0.0", "dependencies": {"alpha": "^2.0.0", "absent": "1", "gone": "1"}}
    project.write("package.json", json.dumps(manifest))
    message = refuse(project)
    assert all(name in message for name in ("alpha", "absent", "gone"))


def test_no_lockfile_is_an_error_that_says_so(project: Project) -> None:
    project.want(PACKAGES)
    (project.folder / "package-lock.json").unlink()
    assert "there is no package-lock.json" in project.fails("ci").stderr


# -- archives, once through the whole program ---------------------------------------------------------------------


def bomb() -> bytes:
    return gzip.compress(bytes(300 << 20), compresslevel=1, mtime=0)


ARCHIVES: dict[str, Callable[[], bytes]] = {
    "a parent segment": lambda: tgz(package_json(), member(b"package/../../../outside", b"x")),
    "a NUL in a name": lambda: tgz(package_json(), pax({"path": b"package/a\0b"}), member(b"package/c", b"x")),
    "a size beyond the end": lambda: tgz(package_json(), member(b"package/a", b"x", size=1 << 30)),
    "HTML": lambda: b"<!doctype html><title>Sign in</title>",
    "nothing": lambda: b"",
    "a cut gzip": lambda: ALPHA.tarball[:-20],
    "300 MB of zeros": bomb,
}


@pytest.mark.parametrize("how", ARCHIVES)
def test_an_archive_that_must_not_be_unpacked_fails_the_install_and_is_not_kept(project: Project, how: str) -> None:
    tarball = ARCHIVES[how]()
    project.want({"node_modules/evil": Package("evil", "1.0.0", tarball, {"name": "evil", "version": "1.0.0"})})
    run = project.fails("ci")
    assert "evil@1.0.0" in run.stderr
    assert not list(project.store.glob("v1/sha*/*/*"))
    assert not (project.base / "outside").exists()
