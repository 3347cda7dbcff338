"""pmpipe and npm make the same tree of a lockfile that npm wrote, path by path and byte by byte.

Each project is small and shows one thing that a lockfile can hold. npm writes the lock, npm and pmpipe install it, and
the trees, hidden lockfiles included, are compared.
"""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest
from compare_with_npm import compare_project
from comparison.difference import compare
from comparison.installers import Installers, copy_project
from comparison.report import Comparison
from comparison.snapshot import take_snapshot
from support.npm import run_npm
from support.packages import PackedFile, make_package
from support.registry import PackageRegistry, faults

SHEBANG = b"#!/usr/bin/env node\n"


class Oracle:
    """One project, the registry of its packages, and both installers."""

    def __init__(self, base: Path, registry: PackageRegistry) -> None:
        self.base = base
        self.registry = registry
        self.project = base / "app"
        self.project.mkdir(parents=True)
        (base / "work").mkdir()
        self.installers = self.fresh_installers()

    def fresh_installers(self, *flags: str) -> Installers:
        """Both installers with these flags, and with nothing cached."""
        number = len(list(self.base.glob("store-*")))
        store = self.base / f"store-{number}"
        store.mkdir()
        return Installers(
            npm_cache=str(self.base / f"npm-cache-{number}"),
            store=str(store),
            registry=f"{self.registry.url}/",
            flags=flags,
            timeout_s=60,
            run_npm=run_npm,
        )

    def publish(self, name: str, version: str = "1.0.0", files: Any = None, **manifest: Any) -> None:
        """Make a package and publish it."""
        self.registry.publish(make_package(name, version, files, **manifest))

    def write(self, path: str, content: str | bytes | dict[str, Any], mode: int = 0o644) -> None:
        """Write a file of the project; a dict as JSON."""
        file = self.project / path
        file.parent.mkdir(parents=True, exist_ok=True)
        text = json.dumps(content, indent=2) if isinstance(content, dict) else content
        file.write_bytes(text.encode() if isinstance(text, str) else text)
        file.chmod(mode)

    def want(self, **fields: Any) -> None:
        """Write package.json and have npm lock it."""
        self.write("package.json", {"name": "app", "version": "1.0.0", **fields})
        self.installers.lock(str(self.project))

    def compare(self, *flags: str, ask_npm: bool = False) -> Comparison:
        """Install by both with the flags, and compare."""
        work = self.base / "work" / str(len(os.listdir(self.base / "work")))
        work.mkdir()
        installers = self.fresh_installers(*flags)
        comparison = compare_project(str(self.project), str(work), installers, ask_npm=ask_npm)
        self.tree = work / "pmpipe" / "app"
        return comparison

    def assert_equal(self, *flags: str, ask_npm: bool = False) -> None:
        """Install by both with the flags; the trees are equal."""
        comparison = self.compare(*flags, ask_npm=ask_npm)
        assert comparison.is_equal(), comparison.text(50)
        assert comparison.hidden.same_bytes

    def has(self, path: str) -> bool:
        """Whether pmpipe's tree has this path."""
        return os.path.lexists(self.tree / path)


@pytest.fixture
def oracle(tmp_path, registry, monkeypatch):
    for name in [name for name in os.environ if name.lower().startswith("npm_config_")]:
        monkeypatch.delenv(name)
    (tmp_path / "home").mkdir()
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    return Oracle(tmp_path / "oracle", registry)


pytestmark = pytest.mark.npm


# -- packages from a registry -------------------------------------------------------------------------------------


def test_nested_versions_with_executables_at_every_level(oracle):
    for version in ("1.0.0", "2.0.0"):
        files = {"cli.js": SHEBANG, "lib/a.js": b"1"}
        oracle.publish("tool", version, files, bin={"tool": "cli.js", "tool-too": "./cli.js"})
    oracle.publish("@scope/user", dependencies={"tool": "^1.0.0"}, bin="index.js")
    oracle.want(dependencies={"tool": "^2.0.0", "@scope/user": "1"})
    oracle.assert_equal(ask_npm=True)
    assert oracle.has("node_modules/@scope/user/node_modules/.bin/tool-too")


def test_aliases(oracle):
    for version in ("1.0.0", "2.0.0"):
        oracle.publish("left", version, {"cli.js": PackedFile(SHEBANG, 0o755)}, bin={"left": "cli.js"})
    oracle.publish("@scope/right", bin={"right": "index.js"})
    oracle.publish("user", dependencies={"mine": "npm:left@1"})
    oracle.want(dependencies={"one": "npm:left@1", "two": "npm:left@2", "r": "npm:@scope/right@1", "user": "1"})
    oracle.assert_equal(ask_npm=True)


def test_executables_that_the_tarball_does_not_mark_as_such(oracle):
    files = {"a.js": PackedFile(SHEBANG, 0o644), "dir/b": PackedFile(b"b", 0o600), "dir/c": PackedFile(b"c", 0o700)}
    oracle.publish("plain", "1.0.0", files, bin={"a": "a.js"})
    oracle.publish("odd-modes", "1.0.0", {"x": PackedFile(b"x", 0o4755), "y": PackedFile(b"y", 0), "z": b"z"})
    oracle.want(dependencies={"plain": "1", "odd-modes": "1"})
    oracle.assert_equal()


def test_executables_that_the_lock_does_not_name_are_executable_all_the_same(oracle):
    """A deliberate difference: a file has one mode in the store, whatever the lock of a project says."""
    files = {"dir/a": PackedFile(b"a", 0o644), "dir/b": PackedFile(b"b", 0o755)}
    oracle.publish("folder", "1.0.0", files, directories={"bin": "dir"})
    oracle.want(dependencies={"folder": "1"})
    comparison = oracle.compare()
    assert [(one.path, one.difference) for one in comparison.findings] == [("node_modules/folder/dir/a", "executable")]
    assert not oracle.has("node_modules/.bin")


def test_an_executable_with_windows_line_ends(oracle):
    oracle.publish("dos", "1.0.0", {"cli.js": b"#!/usr/bin/env node\r\nlet a\r\n"}, bin="cli.js")
    oracle.want(dependencies={"dos": "1"})
    oracle.assert_equal()


def test_executables_of_the_same_name(oracle):
    for name in ("b", "a", "c"):
        oracle.publish(name, bin={"same": "index.js", name: "index.js", "gone": "not-there.js"})
    oracle.want(dependencies={"c": "1", "a": "1", "b": "1"})
    oracle.assert_equal()


def test_files_that_npm_renames_or_leaves_out(oracle):
    oracle.publish("a", "1.0.0", {".gitignore": b"x\n", "sub/.gitignore": b"y\n", "sub/.npmignore": b"z\n"})
    oracle.publish("b", "1.0.0", {"node_modules/hidden/index.js": b"1", ".npmrc": b"x=1\n", ".DS_Store": b"d"})
    oracle.want(dependencies={"a": "1", "b": "1"})
    oracle.assert_equal()


def test_peers_and_optional_peers(oracle):
    oracle.publish("host", "1.0.0")
    oracle.publish("maybe", "1.0.0")
    peers = {"host": "1", "maybe": "1"}
    oracle.publish("plugin", peerDependencies=peers, peerDependenciesMeta={"maybe": {"optional": True}})
    oracle.want(dependencies={"plugin": "1"})
    oracle.assert_equal(ask_npm=True)


# -- what is left out -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "flags",
    [
        ("--omit=dev",),
        ("--omit=optional",),
        ("--omit=peer",),
        ("--omit=dev", "--omit=optional"),
        ("--omit=dev", "--include=dev"),
        ("--production",),
    ],
    ids=" ".join,
)
def test_omitted_kinds_of_dependencies(oracle, flags):
    oracle.publish("shared")
    oracle.publish("of-dev", dependencies={"shared": "1"})
    oracle.publish("of-optional", dependencies={"shared": "1"})
    oracle.publish("of-both")
    oracle.publish("of-peer")
    oracle.publish("dev", dependencies={"of-dev": "1", "of-both": "1"})
    oracle.publish("optional", dependencies={"of-optional": "1", "of-both": "1"}, bin={"o": "index.js"})
    oracle.publish("prod", dependencies={"shared": "1"}, peerDependencies={"of-peer": "1"})
    oracle.want(dependencies={"prod": "1"}, devDependencies={"dev": "1"}, optionalDependencies={"optional": "1"})
    oracle.assert_equal(*flags, ask_npm=flags == ("--omit=dev",))


def test_optional_packages_for_other_platforms(oracle):
    oracle.publish("native-other-os", os=["win32"], dependencies={"of-other": "1"})
    oracle.publish("native-other-cpu", cpu=["!x64", "!arm64"])
    oracle.publish("native-here", os=["linux", "darwin"])
    oracle.publish("of-other")
    natives = {"native-other-os": "1", "native-other-cpu": "1", "native-here": "1"}
    oracle.publish("native", optionalDependencies=natives)
    oracle.want(dependencies={"native": "1"})
    oracle.assert_equal(ask_npm=True)
    assert not oracle.has("node_modules/of-other")


def test_an_optional_package_that_cannot_be_fetched_goes_with_what_only_it_needs(oracle):
    oracle.publish("only-its")
    oracle.publish("broken", dependencies={"only-its": "1", "shared": "1"}, bin={"broken": "index.js"})
    oracle.publish("shared")
    oracle.want(dependencies={"shared": "1"}, optionalDependencies={"broken": "1"})
    oracle.registry.misbehave("/broken/-/*", faults.status(404))
    oracle.assert_equal()
    assert not oracle.has("node_modules/broken")


# -- folders and tarballs of the project ------------------------------------------------------------------------------


def test_a_folder_beside_the_project_files(oracle):
    oracle.publish("left")
    oracle.write(
        "lib/tool/package.json",
        {"name": "tool", "version": "1.0.0", "bin": {"tool": "cli.js"}, "dependencies": {"left": "1"}},
    )
    oracle.write("lib/tool/cli.js", SHEBANG)
    oracle.want(dependencies={"tool": "file:lib/tool"})
    oracle.assert_equal(ask_npm=True)
    assert os.readlink(oracle.tree / "node_modules/tool") == "../lib/tool"


def test_a_tarball_beside_the_project_files(oracle):
    oracle.publish("left")
    package = make_package("packed", "1.2.3", {"cli.js": SHEBANG}, bin="cli.js", dependencies={"left": "1"})
    oracle.write("vendor/packed-1.2.3.tgz", package.tarball)
    oracle.want(dependencies={"packed": "file:vendor/packed-1.2.3.tgz"})
    oracle.assert_equal(ask_npm=True)


def test_workspaces_with_folders_of_their_own(oracle):
    for version in ("1.0.0", "2.0.0", "3.0.0"):
        oracle.publish("left", version, {"cli.js": SHEBANG}, bin={"left": "cli.js"})
    oracle.publish("right", dependencies={"left": "2"})
    oracle.write("packages/a/package.json", {"name": "@w/a", "version": "1.0.0", "dependencies": {"left": "1"}})
    oracle.write(
        "packages/b/package.json",
        {
            "name": "b",
            "version": "1.0.0",
            "bin": {"b": "b.js"},
            "dependencies": {"@w/a": "^1.0.0", "left": "2"},
            "devDependencies": {"right": "1"},
        },
    )
    oracle.write("packages/b/b.js", SHEBANG)
    oracle.want(workspaces=["packages/*"], dependencies={"left": "3"})
    oracle.assert_equal(ask_npm=True)
    assert oracle.has("packages/a/node_modules/.bin/left")


# -- bundles ----------------------------------------------------------------------------------------------------------


def test_bundled_dependencies(oracle):
    inner = json.dumps({"name": "inner", "version": "0.1.0", "bin": {"inner": "i.js"}, "dependencies": {"deep": "1"}})
    files = {
        "index.js": b"1",
        "node_modules/inner/package.json": inner.encode(),
        "node_modules/inner/i.js": SHEBANG,
        "node_modules/inner/node_modules/deep/package.json": b'{"name": "deep", "version": "1.0.0"}',
        "node_modules/@s/bundled/package.json": b'{"name": "@s/bundled", "version": "2.0.0"}',
    }
    bundled = ["inner", "@s/bundled"]
    oracle.publish("left")
    wanted = {"inner": "0.1.0", "@s/bundled": "2", "left": "1"}
    oracle.publish("outer", "1.0.0", files, dependencies=wanted, bundleDependencies=bundled)
    oracle.want(dependencies={"outer": "1"})
    oracle.assert_equal(ask_npm=True)


# -- git --------------------------------------------------------------------------------------------------------------


def git(folder: Path, *words: str) -> str:
    identity = ("-c", "user.name=Test", "-c", "user.email=test@registry.example")
    done = subprocess.run(
        ["git", *identity, *words], cwd=folder, check=True, capture_output=True, text=True, timeout=60
    )
    return done.stdout.strip()


def test_a_git_repository(oracle, tmp_path):
    oracle.publish("left")
    repository = tmp_path / "repository"
    (repository / "lib").mkdir(parents=True)
    manifest = {"name": "from-git", "version": "1.0.0", "files": ["lib"], "bin": "lib/cli.js", "main": "lib/cli.js"}
    manifest["dependencies"] = {"left": "1"}
    (repository / "package.json").write_text(json.dumps(manifest))
    (repository / "lib" / "cli.js").write_bytes(SHEBANG)
    (repository / "lib" / ".gitignore").write_text("ignored\n")
    (repository / "not-packed.js").write_text("")
    (repository / "README.md").write_text("read me\n")
    git(repository, "init", "--quiet")
    git(repository, "add", ".")
    git(repository, "commit", "--quiet", "--message=first")
    commit = git(repository, "rev-parse", "HEAD")
    (repository / "lib" / "later.js").write_text("")
    git(repository, "add", ".")
    git(repository, "commit", "--quiet", "--message=second")
    oracle.want(dependencies={"from-git": f"git+file://{repository}#{commit}"})
    oracle.assert_equal()
    assert not oracle.has("node_modules/from-git/lib/later.js")


# -- other lockfiles ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("setting", ["omit-lockfile-registry-resolved=true", "lockfile-version=2"])
def test_locks_of_another_form(oracle, setting):
    oracle.publish("left", "1.0.0", {"cli.js": SHEBANG}, bin="cli.js")
    oracle.publish("@scope/user", dependencies={"left": "1"})
    oracle.write(".npmrc", f"{setting}\n")
    oracle.want(dependencies={"@scope/user": "1"})
    lock = json.loads((oracle.project / "package-lock.json").read_text())
    assert ("resolved" not in lock["packages"]["node_modules/left"]) == setting.startswith("omit")
    assert lock["lockfileVersion"] == (2 if "version=2" in setting else 3)
    oracle.assert_equal()


def test_overrides(oracle):
    for version in ("1.0.0", "2.0.0"):
        oracle.publish("left", version)
    oracle.publish("user", dependencies={"left": "1"})
    oracle.want(dependencies={"user": "1"}, overrides={"user": {"left": "2.0.0"}})
    oracle.assert_equal(ask_npm=True)


# -- from one tree to another -----------------------------------------------------------------------------------------


def test_install_turns_a_former_tree_into_the_one_that_ci_makes(oracle):
    for version in ("1.0.0", "2.0.0"):
        oracle.publish("left", version, bin={f"left-{version[0]}": "index.js", "left": "index.js"})
    oracle.publish("nested", dependencies={"left": "1"})
    oracle.publish("@only/one", bin={"one": "index.js"})
    oracle.want(dependencies={"left": "1", "nested": "1", "@only/one": "1"})
    oracle.assert_equal()
    former = oracle.tree
    oracle.want(dependencies={"left": "2", "nested": "1"})
    oracle.assert_equal()
    for name in ("package.json", "package-lock.json"):
        (former / name).write_bytes((oracle.project / name).read_bytes())
    oracle.installers.pmpipe(str(former), "install")
    assert compare(take_snapshot(str(oracle.tree)), take_snapshot(str(former)), all_modes=True) == []


# -- what nothing needs -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("flags", [(), ("--omit=dev",), ("--omit=optional",), ("--omit=peer",)], ids=str)
@pytest.mark.parametrize("second", ["install", "ci"])
def test_optional_peers_that_came_along_are_installed_once(oracle, tmp_path, monkeypatch, flags, second):
    """npm puts them into a new lock and tree, and takes them out again the next time; `ci` never installs them."""
    monkeypatch.delenv("CI", raising=False)
    oracle.publish("host", "1.0.0", dependencies={"of-host": "1"})
    oracle.publish("host", "2.0.0")
    oracle.publish("of-host", optionalDependencies={"for-nobody": "1"}, bin="index.js")
    oracle.publish("for-nobody", os=["none"])
    meta = {"host": {"optional": True}}
    oracle.publish("plugin", dependencies={"user": "1"}, peerDependencies={"host": "1"}, peerDependenciesMeta=meta)
    oracle.publish("user", dependencies={"host": "2"})
    oracle.write("package.json", {"name": "app", "version": "1.0.0", "dependencies": {"plugin": "1"}})
    installers = oracle.fresh_installers(*flags)
    projects = [str(tmp_path / name / "app") for name in ("npm", "pmpipe")]
    for project in projects:
        copy_project(str(oracle.project), project)
    seen = []
    for command in ("install", second, second):
        installers.npm_install(projects[0]) if command == "install" else installers.npm(projects[0])
        installers.pmpipe(projects[1], command)
        for name in ("package-lock.json", "node_modules/.package-lock.json"):
            assert Path(projects[0], name).read_bytes() == Path(projects[1], name).read_bytes(), (command, name)
        trees = [take_snapshot(f"{project}/node_modules") for project in projects]
        # npm leaves an empty folder of executables
        assert trees[0].keys() - {".bin"} == trees[1].keys() - {".bin"}
        seen.append(Path(projects[1], "node_modules/of-host").exists())
    assert seen[1:] == [False, False]
    assert seen[0] or flags


# -- what node-gyp builds -----------------------------------------------------------------------------------------

GYP = {"binding.gyp": b"{}"}


@pytest.fixture
def natives(oracle):
    """Packages with a binding.gyp, of which the registry's manifests say nothing."""
    inner = {f"node_modules/inner/{name}": content for name, content in GYP.items()}
    inner["node_modules/inner/package.json"] = b'{"name":"inner","version":"1.0.0"}'
    oracle.publish("native", files=GYP, license="MIT", engines={"node": "*"})
    oracle.publish("not-built", files=GYP, gypfile=False)
    oracle.publish("deep", files={"src/binding.gyp": b"{}"})
    oracle.publish("folder", files={"binding.gyp/a.js": b""})
    oracle.publish("scripted", files=GYP, scripts={"postinstall": "exit 0"})
    oracle.publish("inner", files=GYP)
    oracle.publish("outer", files=inner, dependencies={"inner": "1"}, bundleDependencies=["inner"])
    oracle.publish("user", dependencies={"native": "2"})
    oracle.publish("native", "2.0.0", files=GYP)
    oracle.names = ("native", "not-built", "deep", "folder", "scripted", "outer", "user")
    oracle.wanted = {"dependencies": {**dict.fromkeys(oracle.names, "*"), "native": "1"}}
    return oracle


@pytest.mark.parametrize("flags", [(), ("--no-bin-links",)], ids=str)
def test_ci_notes_what_node_gyp_builds(natives, flags):
    natives.want(**natives.wanted)
    natives.assert_equal(*flags)


@pytest.mark.parametrize(
    ("locked", "flags"),
    [
        *((locked, flags) for locked in (True, False) for flags in ((), ("--no-bin-links",))),
        (True, ("--no-save",)),
    ],
)
def test_install_notes_what_node_gyp_builds_in_the_lockfile_too(natives, tmp_path, monkeypatch, locked, flags):
    monkeypatch.delenv("CI", raising=False)
    natives.want(**natives.wanted)
    if not locked:
        (natives.project / "package-lock.json").unlink()
    installers = natives.fresh_installers(*flags)
    made = []
    for name, install in (
        ("npm", installers.npm_install),
        ("pmpipe", lambda folder: installers.pmpipe(folder, "install")),
    ):
        project = tmp_path / name / "app"
        copy_project(str(natives.project), str(project))
        install(str(project))
        names = ("package-lock.json", "node_modules/.package-lock.json")
        made.append([(project / name).read_bytes() for name in names if (project / name).exists()])
    assert made[0] == made[1]
