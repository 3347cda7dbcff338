"""Links of executables, workspaces and folders: as npm makes them, and never at the store's or a stranger's expense."""

from __future__ import annotations

import errno
import json
import os
import stat
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from support.entries import modes, tree

from pmpipe.npm.manifests.bins import BinCandidate, bins_of_folder, bins_of_manifest, choose_bins, normalize_bins
from stages.link import make_handler
from stages.messages import Clone, Failed, JobId, LinkBins, Linked, Symlink

SCRIPT = b"#!/usr/bin/env node\n"
DOS_SCRIPT = b"#!/usr/bin/env node\r\nconsole.log(1)\r\n"

pytestmark = pytest.mark.usefixtures("same_descriptors")


@pytest.fixture
def handle(users_umask):
    users_umask(0o022)
    return make_handler()


@pytest.fixture
def modules(tmp_path):
    """A node_modules with a package that has two executables."""
    folder = tmp_path / "app" / "node_modules"
    (folder / "tool" / "bin").mkdir(parents=True)
    (folder / "tool" / "bin" / "cli.js").write_bytes(SCRIPT)
    (folder / "tool" / "bin" / "dos.js").write_bytes(DOS_SCRIPT)
    return folder


def bins_job(modules, *bins, package="tool"):
    return LinkBins(JobId(3), "tool@1.0.0", f"{modules}/{package}", f"{modules}/.bin", bins)


def link(handle, modules, *bins, package="tool"):
    (result,) = handle(bins_job(modules, *bins, package=package))
    return result


def mode_of(path):
    return stat.S_IMODE(path.stat().st_mode)


# -- executables --------------------------------------------------------------------------------------------------


def test_links_are_relative_and_targets_executable(handle, modules):
    assert link(handle, modules, ("tool", "bin/cli.js")) == Linked(JobId(3), 1, ())
    assert os.readlink(modules / ".bin/tool") == "../tool/bin/cli.js"
    assert mode_of(modules / "tool/bin/cli.js") == 0o755
    assert (modules / "tool/bin/cli.js").read_bytes() == SCRIPT


def test_a_windows_line_end_of_the_first_line_is_taken_out(handle, modules):
    link(handle, modules, ("dos", "bin/dos.js"))
    assert (modules / "tool/bin/dos.js").read_bytes() == b"#!/usr/bin/env node\nconsole.log(1)\r\n"
    assert modes(modules)["tool/bin/dos.js"] == 0o755
    assert sorted(os.listdir(modules / "tool/bin")) == ["cli.js", "dos.js"]


@pytest.mark.parametrize(("umask", "mode"), [(0o022, 0o755), (0o002, 0o775), (0o077, 0o700)])
def test_the_umask_bounds_the_modes_of_executables(users_umask, modules, umask, mode):
    users_umask(umask)
    handle = make_handler()
    link(handle, modules, ("tool", "bin/cli.js"), ("dos", "bin/dos.js"))
    assert (mode_of(modules / "tool/bin/cli.js"), mode_of(modules / "tool/bin/dos.js")) == (mode, mode)


@pytest.mark.parametrize("name", ["cli.js", "dos.js"])
def test_a_file_of_the_store_is_copied_before_it_is_changed(handle, modules, tmp_path, name):
    target, stored = modules / "tool/bin" / name, tmp_path / "stored.js"
    before = target.read_bytes()
    target.chmod(0o644)
    os.link(target, stored)
    link(handle, modules, ("tool", f"bin/{name}"))
    assert mode_of(target) == 0o755
    assert (mode_of(stored), stored.read_bytes(), stored.stat().st_nlink) == (0o644, before, 1)


def test_a_file_of_the_store_that_is_right_stays_the_stores(handle, modules, tmp_path):
    target = modules / "tool/bin/cli.js"
    target.chmod(0o755)
    os.link(target, tmp_path / "stored.js")
    link(handle, modules, ("tool", "bin/cli.js"))
    assert os.path.samefile(target, tmp_path / "stored.js")


def test_a_target_that_does_not_exist_is_named_and_gets_no_link(handle, modules):
    result = link(handle, modules, ("gone", "bin/gone.js"), ("below", "bin/cli.js/x"), ("tool", "bin/cli.js"))
    assert result == Linked(JobId(3), 1, ("gone", "below"))
    assert os.listdir(modules / ".bin") == ["tool"]


def test_nothing_to_link_makes_no_bin_folder(handle, modules):
    assert link(handle, modules, ("gone", "gone.js")) == Linked(JobId(3), 0, ("gone",))
    assert not (modules / ".bin").exists()


def test_a_second_run_changes_nothing(handle, modules):
    bins = (("tool", "bin/cli.js"), ("dos", "bin/dos.js"))
    link(handle, modules, *bins)
    before = [os.lstat(path) for path in sorted(modules.rglob("*"))]
    assert link(handle, modules, *bins) == Linked(JobId(3), 0, ())
    after = [os.lstat(path) for path in sorted(modules.rglob("*"))]
    assert [(s.st_ino, s.st_mtime_ns, s.st_ctime_ns) for s in before] == [
        (s.st_ino, s.st_mtime_ns, s.st_ctime_ns) for s in after
    ]


def test_a_right_link_to_a_target_that_is_not_executable_is_mended(handle, modules):
    link(handle, modules, ("tool", "bin/cli.js"))
    (modules / "tool/bin/cli.js").chmod(0o644)
    assert link(handle, modules, ("tool", "bin/cli.js")) == Linked(JobId(3), 0, ())
    assert mode_of(modules / "tool/bin/cli.js") == 0o755


@pytest.mark.parametrize("kind", ["file", "foreign link", "dangling link", "folder"])
def test_whatever_stands_in_the_place_of_a_link_is_replaced_and_its_target_untouched(handle, modules, tmp_path, kind):
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "kept").write_text("kept")
    place = modules / ".bin" / "tool"
    place.parent.mkdir()
    if kind == "file":
        place.write_text("x")
    elif kind == "folder":
        place.mkdir()
        (place / "link").symlink_to(outside)
    else:
        place.symlink_to(outside / ("kept" if kind == "foreign link" else "gone"))
    assert link(handle, modules, ("tool", "bin/cli.js")) == Linked(JobId(3), 1, ())
    assert tree(modules / ".bin") == {"tool": "-> ../tool/bin/cli.js"}
    assert tree(outside) == {"kept": b"kept"}


@pytest.mark.parametrize("kind", ["link", "file"])
def test_a_bin_folder_that_is_none_is_replaced(handle, modules, tmp_path, kind):
    outside = tmp_path / "outside"
    outside.mkdir()
    if kind == "link":
        (modules / ".bin").symlink_to(outside)
    else:
        (modules / ".bin").write_text("x")
    assert link(handle, modules, ("tool", "bin/cli.js")) == Linked(JobId(3), 1, ())
    assert tree(modules / ".bin") == {"tool": "-> ../tool/bin/cli.js"}
    assert tree(outside) == {}


@pytest.mark.parametrize(
    ("name", "target"),
    [
        ("../e", "bin/cli.js"),
        ("a/b", "bin/cli.js"),
        ("..", "bin/cli.js"),
        ("", "bin/cli.js"),
        ("e", "../x"),
        ("e", "/x"),
        ("e", ""),
        ("e", "."),
        ("e", "bin/../../x"),
    ],
)
def test_names_and_targets_that_were_not_normalized_are_a_bug(handle, modules, name, target):
    with pytest.raises(ValueError, match="leaves its package"):
        link(handle, modules, (name, target))
    assert not (modules / ".bin").exists()


def test_a_link_in_a_workspace_that_leaves_it_is_linked_to_and_its_target_untouched(handle, modules, tmp_path):
    outside = tmp_path / "outside.js"
    outside.write_bytes(DOS_SCRIPT)
    outside.chmod(0o600)
    (modules / "tool/bin/out.js").symlink_to(outside)
    assert link(handle, modules, ("out", "bin/out.js")) == Linked(JobId(3), 1, ())
    assert (outside.read_bytes(), mode_of(outside)) == (DOS_SCRIPT, 0o600)


def test_a_link_that_stays_in_its_workspace_is_followed(handle, modules):
    (modules / "tool/cli").symlink_to("bin/dos.js")
    link(handle, modules, ("tool", "cli"))
    assert os.readlink(modules / "tool/cli") == "bin/dos.js"
    assert mode_of(modules / "tool/bin/dos.js") == 0o755
    assert b"\r\nconsole" not in (modules / "tool/bin/dos.js").read_bytes()


def test_a_dangling_link_and_a_folder_are_linked_to(handle, modules):
    (modules / "tool/gone").symlink_to("nowhere")
    assert link(handle, modules, ("gone", "gone"), ("folder", "bin/")) == Linked(JobId(3), 2, ())
    assert tree(modules / ".bin") == {"gone": "-> ../tool/gone", "folder": "-> ../tool/bin"}


def test_what_a_killed_run_left_beside_is_used_up(handle, modules, tmp_path):
    target = modules / "tool/bin/dos.js"
    os.link(target, tmp_path / "stored.js")
    (modules / "tool/bin/.pmpipe-dos.js").write_bytes(b"half")
    (modules / ".bin").mkdir()
    (modules / ".bin" / "dos").write_text("x")
    (modules / ".bin" / ".pmpipe-dos").symlink_to("half")
    link(handle, modules, ("dos", "bin/dos.js"))
    assert sorted(os.listdir(modules / "tool/bin")) == ["cli.js", "dos.js"]
    assert os.listdir(modules / ".bin") == ["dos"]


def test_an_executable_with_a_long_name(handle, modules, tmp_path):
    name = "ä" * 127
    target = modules / "tool" / name
    target.write_bytes(DOS_SCRIPT)
    os.link(target, tmp_path / "stored.js")
    assert link(handle, modules, (name, name)) == Linked(JobId(3), 1, ())
    assert mode_of(target) == 0o755


def test_a_name_that_no_filesystem_takes_fails_the_job(handle, modules):
    result = link(handle, modules, ("x" * 300, "bin/cli.js"))
    assert isinstance(result, Failed)
    assert (result.code, result.cause) == ("PM_FILESYSTEM", os.strerror(errno.ENAMETOOLONG))


@pytest.mark.root
def test_a_full_disk_fails_the_job_and_leaves_the_target_as_it_was(handle, tmp_path, mounted):
    mounted(tmp_path / "modules", "size=64k")
    package = tmp_path / "modules" / "tool"
    package.mkdir()
    content = DOS_SCRIPT + b"x" * 40_000
    (package / "cli.js").write_bytes(content)
    result = link(handle, tmp_path / "modules", ("tool", "cli.js"))
    assert isinstance(result, Failed)
    assert result.what.startswith(f"tool@1.0.0: cannot link {tmp_path}/modules/.bin/tool to {package}/cli.js: No space")
    assert tree(tmp_path / "modules") == {"tool": "/", "tool/cli.js": content}


# -- folders ------------------------------------------------------------------------------------------------------


def folder_link(handle, path, target):
    (result,) = handle(Symlink(JobId(4), "@scope/w@1.0.0", str(path), str(target)))
    return result


@pytest.fixture
def workspace(tmp_path):
    folder = tmp_path / "app" / "packages" / "w"
    folder.mkdir(parents=True)
    (folder / "kept").write_text("kept")
    return folder


def test_a_workspace_is_linked_relatively_and_its_scope_made(handle, tmp_path, workspace):
    path = tmp_path / "app" / "node_modules" / "@scope" / "w"
    assert folder_link(handle, path, workspace) == Linked(JobId(4), 1, ())
    assert os.readlink(path) == "../../packages/w"
    assert path.samefile(workspace)


def test_a_right_link_stays_untouched(handle, tmp_path, workspace):
    path = tmp_path / "app" / "node_modules" / "w"
    folder_link(handle, path, workspace)
    before = os.lstat(path)
    assert folder_link(handle, path, workspace) == Linked(JobId(4), 0, ())
    assert os.lstat(path).st_ino == before.st_ino


@pytest.mark.parametrize("kind", ["file", "other link", "dangling link", "absolute link", "folder"])
def test_whatever_stands_in_the_place_of_a_folder_link_is_replaced(handle, tmp_path, workspace, kind):
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "kept").write_text("kept")
    path = tmp_path / "app" / "node_modules" / "w"
    path.parent.mkdir()
    if kind == "file":
        path.write_text("x")
    elif kind == "folder":
        path.mkdir()
        (path / "link").symlink_to(outside)
    else:
        path.symlink_to({"other link": outside, "dangling link": "gone", "absolute link": workspace}[kind])
    assert folder_link(handle, path, workspace) == Linked(JobId(4), 1, ())
    assert tree(path.parent) == {"w": "-> ../packages/w"}
    assert tree(outside) == {"kept": b"kept"}
    assert tree(workspace) == {"kept": b"kept"}


def test_a_link_that_cannot_be_made_fails_the_job(handle, tmp_path, workspace):
    (tmp_path / "app" / "node_modules").write_text("x")
    path = tmp_path / "app" / "node_modules" / "w"
    result = folder_link(handle, path, workspace)
    assert isinstance(result, Failed)
    assert result.what == f"@scope/w@1.0.0: cannot link {path} to {workspace}: Not a directory"


def test_a_job_of_another_stage_is_a_bug(handle):
    with pytest.raises(TypeError, match="no Clone jobs"):
        list(handle(Clone(JobId(1), "p", "/a", "/b", "auto", ())))


# -- as npm does it -----------------------------------------------------------------------------------------------


def write_package(folder: Path, manifest: Mapping[str, Any], files: Mapping[str, bytes]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "package.json").write_text(json.dumps(manifest))
    for path, content in files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(content)


def write_project(root: Path) -> None:
    """A project whose packages have executables of every kind, some of them with the same names."""
    files = {"cli.js": SCRIPT, "bin/dos.js": DOS_SCRIPT, "bin/sub/other": b"\xff", "bin/.hidden": b""}
    packages: dict[str, Any] = {
        "node_modules/string": "./cli.js",
        "node_modules/@scope/string": "cli.js",
        "node_modules/@scope/map": {"map": "cli.js", "dos": "bin/dos.js", "shared": "cli.js"},
        "node_modules/Zed": {"shared": "cli.js", "zed-only": "bin/sub/other"},
        "node_modules/odd": {
            "../../escape": "cli.js",
            ".": "cli.js",
            "..": "cli.js",
            "/abs": "/cli.js",
            "c:\\windows": "bin\\dos.js",
            "outside": "../../../cli.js",
            "name with space": "cli.js",
            "folder": "bin/",
            "missing": "gone.js",
            "1": "cli.js",
            "x/1": "bin/dos.js",
        },
        # npm gives it the name although there is nothing to link to
        "node_modules/@a/first": {"contested": "gone.js"},
        "node_modules/second": {"contested": "cli.js"},
        "node_modules/string/node_modules/nested": {"nested": "cli.js", "string": "cli.js"},
        "node_modules/string/node_modules/@scope/deep": {"nested": "cli.js"},
        "packages/w": {"w": "cli.js", "shared": "cli.js", "a:b": "c:\\cli.js", "own/w": "bin/dos.js"},
        "packages/w/node_modules/inner": {"inner": "cli.js"},
    }
    names = {location: location.rpartition("node_modules/")[2].removeprefix("packages/") for location in packages}
    for location, bins in packages.items():
        write_package(root / location, {"name": names[location], "version": "1.0.0", "bin": bins}, files)
    folder_manifest = {"name": "f", "version": "1.0.0", "directories": {"bin": "./bin"}}
    write_package(root / "packages/f", folder_manifest, files)
    (root / "node_modules/w").symlink_to("../packages/w")
    (root / "node_modules/f").symlink_to("../packages/f")
    dependencies = {name: "*" for location, name in names.items() if location.count("node_modules") == 1}
    dependencies.pop("inner")
    write_package(
        root, {"name": "app", "version": "1.0.0", "workspaces": ["packages/*"], "dependencies": dependencies}, {}
    )


def candidates(root: Path) -> list[BinCandidate]:
    paths = [path.parent.relative_to(root) for path in sorted(root.rglob("package.json"))]
    installed = [(path, path) for path in paths if "node_modules" in path.parts]
    linked = [(Path("node_modules", name), Path("packages", name)) for name in ("w", "f")]
    return [
        BinCandidate(str(location), location != folder, bins_in(root / folder, is_link=location != folder))
        for location, folder in [*installed, *linked]
    ]


def bins_in(folder: Path, *, is_link: bool):
    manifest = json.loads((folder / "package.json").read_text())
    if not is_link:
        return normalize_bins(manifest["name"], manifest["bin"])
    if "bin" in manifest:
        return bins_of_manifest(manifest["name"], manifest["bin"])
    bin_folder = folder / manifest["directories"]["bin"]
    below = sorted(str(path.relative_to(bin_folder)) for path in bin_folder.rglob("*"))
    return bins_of_folder(manifest["directories"]["bin"], below)


@pytest.mark.npm
def test_links_modes_and_bytes_are_those_that_npm_rebuild_makes(handle, tmp_path):
    ours, npms = tmp_path / "ours" / "app", tmp_path / "npms" / "app"
    for root in (ours, npms):
        root.mkdir(parents=True)
        write_project(root)
    command = ["npm", "rebuild", "--ignore-scripts", "--offline", "--no-update-notifier", f"--cache={tmp_path}/cache"]
    subprocess.run(command, cwd=npms, check=True, timeout=60, capture_output=True)
    for chosen in choose_bins(candidates(ours)):
        job = LinkBins(JobId(1), "p", f"{ours}/{chosen.location}", f"{ours}/{chosen.bin_folder}", chosen.bins)
        assert all(isinstance(result, Linked) for result in handle(job))
    expected, made = tree(npms), tree(ours)
    assert [path for path in expected if "/.bin/" in path] == [path for path in made if "/.bin/" in path]
    assert made == expected
    assert modes(ours) == modes(npms)
