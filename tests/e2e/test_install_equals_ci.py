"""From whatever tree it starts, `install` ends with the tree that `ci` makes of the same lockfile."""

from __future__ import annotations

import os

import pytest
from support.packages import make_package
from support.project import Project
from support.snapshot import snapshot, tree_of

from pmpipe.tree.standing import TOLERANCE_NS

LEFT = make_package("left", "1.0.0", bin={"left": "index.js", "shared": "index.js"})
LEFT_2 = make_package("left", "2.0.0", bin={"left": "index.js", "new": "index.js"})
RIGHT = make_package("right", "1.0.0", bin={"right": "index.js", "shared": "index.js"})
SCOPED = make_package("@only/one", "1.0.0", bin={"one": "index.js"})
SIBLING = make_package("@only/two", "1.0.0")
PLAIN = make_package("plain", "1.0.0")
HOLDER = make_package("holder", "1.0.0", dependencies={"left": "1", "@only/one": "1"})

TREES = {
    "a plain package": {"node_modules/plain": PLAIN},
    "executables": {"node_modules/left": LEFT, "node_modules/right": RIGHT},
    "one of two with the same executable": {"node_modules/right": RIGHT},
    "another version": {"node_modules/left": LEFT_2, "node_modules/plain": PLAIN},
    "a scope": {"node_modules/@only/one": SCOPED, "node_modules/@only/two": SIBLING, "node_modules/plain": PLAIN},
    "half a scope": {"node_modules/@only/two": SIBLING},
    "nested packages": {
        "node_modules/holder": HOLDER,
        "node_modules/holder/node_modules/left": LEFT,
        "node_modules/holder/node_modules/@only/one": SCOPED,
        "node_modules/left": LEFT_2,
    },
    "no nested packages": {"node_modules/holder": HOLDER, "node_modules/left": LEFT, "node_modules/@only/one": SCOPED},
}


CHANGES = [
    ("executables", "one of two with the same executable"),
    ("executables", "a plain package"),
    ("executables", "another version"),
    ("one of two with the same executable", "executables"),
    ("a scope", "half a scope"),
    ("a scope", "a plain package"),
    ("half a scope", "a scope"),
    ("nested packages", "no nested packages"),
    ("no nested packages", "nested packages"),
    ("nested packages", "another version"),
]


@pytest.mark.parametrize(("former", "wanted"), CHANGES, ids=[" -> ".join(pair) for pair in CHANGES])
def test_install_changes_a_former_tree_into_the_one_that_ci_makes(project: Project, former: str, wanted: str) -> None:
    project.want(TREES[former])
    project.succeeds("ci")
    project.want(TREES[wanted])
    project.succeeds("install")
    changed = snapshot(project.folder)
    project.succeeds("ci")
    assert changed == snapshot(project.folder)


def test_a_scope_with_something_of_the_users_stays(project: Project) -> None:
    project.want({"node_modules/@only/one": SCOPED, "node_modules/plain": PLAIN})
    project.succeeds("ci")
    project.write("node_modules/@only/notes.txt", "mine")
    project.want({"node_modules/plain": PLAIN})
    project.succeeds("install")
    assert (project.folder / "node_modules/@only/notes.txt").read_text() == "mine"
    assert not (project.folder / "node_modules/@only/one").exists()


@pytest.mark.parametrize("command", ["install", "ci"])
def test_what_appears_right_after_an_install_is_noticed(project: Project, command: str) -> None:
    project.want(TREES["a plain package"])
    project.succeeds(command)
    modules = project.folder / "node_modules"
    left_ns = modules.stat().st_mtime_ns
    noticed_ns = (modules / ".package-lock.json").stat().st_mtime_ns + TOLERANCE_NS + 1
    is_in_one_second = (left_ns - TOLERANCE_NS) // 1_000_000_000 == left_ns // 1_000_000_000
    assert noticed_ns == left_ns + 1 or not is_in_one_second
    stranger = modules / "stranger"
    stranger.mkdir()
    os.utime(modules, ns=(noticed_ns, noticed_ns))
    project.succeeds("install")
    assert not stranger.exists()
    assert "nothing to do" in project.succeeds("install").stdout


@pytest.mark.parametrize("knows", [True, False], ids=["hidden lockfile", "no hidden lockfile"])
def test_a_package_that_somebody_put_into_another_one_goes(project: Project, knows: bool) -> None:
    """It would hide the one that the lock means."""
    project.want(TREES["nested packages"])
    project.want(TREES["no nested packages"])
    project.succeeds("ci")
    clean = project.tree()
    for where in ("holder/node_modules/left", "holder/node_modules/@only/one", "left/node_modules/plain"):
        project.write(f"node_modules/{where}/package.json", '{"name": "x", "version": "0.0.1"}')
    if not knows:
        (project.folder / "node_modules/.package-lock.json").unlink()
    project.succeeds("install")
    assert project.tree() == clean
    assert "nothing to do" in project.succeeds("install").stdout


def test_what_a_tarball_brings_unlisted_stays(project: Project) -> None:
    bringing = make_package("bringing", "1.0.0", files={"node_modules/unlisted/package.json": b'{"name": "unlisted"}'})
    project.want({"node_modules/bringing": bringing})
    project.succeeds("ci")
    brought = project.folder / "node_modules/bringing/node_modules/unlisted/package.json"
    (project.folder / "node_modules/.package-lock.json").unlink()
    project.succeeds("install")
    assert brought.is_file()


def test_what_a_tarball_brings_gives_way_to_what_the_lock_has_there(project: Project) -> None:
    """A lock of npm 6 need not say that a package is bundled; its entry may even be another version by now."""
    brought = {
        f"node_modules/{name}/{file}": b"brought"
        for name in ("inner", "@scope/inner")
        for file in ("index.js", "old/file.js")
    }
    bundled = {"node_modules/bundled/package.json": b'{"name": "bundled", "version": "1.0.0"}'}
    needs = dict.fromkeys(("inner", "@scope/inner", "bundled"), "*")
    bringing = make_package(
        "bringing", "1.0.0", {**brought, **bundled}, dependencies=needs, bundleDependencies=["bundled"]
    )
    own = {
        "@scope/inner": make_package("@scope/inner", "2.0.0"),
        "inner": make_package("inner", "2.0.0", {"node_modules/further/a.js": b"a"}),
    }
    at = "node_modules/bringing/node_modules"
    listed = {"version": "1.0.0", "inBundle": True}
    nested = {f"{at}/{path}": package for path, package in own.items()}
    project.want({"node_modules/bringing": bringing, f"{at}/bundled": listed, **nested})
    project.succeeds("ci")
    tree = project.tree()
    for path, found in tree_of(nested).items():
        assert tree[path] == found
    assert not [path for path in tree if "old" in path]
    project.succeeds("verify")
    (project.folder / "node_modules/.package-lock.json").unlink()
    project.succeeds("install")
    assert project.tree() == tree
    project.write(f"{at}/inner/node_modules/further/a.js", "changed")
    assert f"{at}/inner/node_modules/further/a.js" in project.run("verify").stdout
    project.succeeds("install", "--repair")
    assert project.tree() == tree


def test_a_file_in_the_place_of_node_modules_is_left_to_the_user(project: Project) -> None:
    project.want(TREES["a plain package"])
    project.write("node_modules", "mine")
    for command in ("install", "ci"):
        assert "node_modules is no folder" in project.fails(command).stderr
        assert (project.folder / "node_modules").read_text() == "mine"
