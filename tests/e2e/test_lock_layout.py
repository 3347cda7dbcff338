"""A lock that is written anew gets the layout of package.json, whatever it had; one that will do stays as it is."""

from __future__ import annotations

import json
import shutil

import pytest
from support.packages import make_package
from support.project import Project

OLD = make_package("alpha", "1.0.0")
PACKAGES = (OLD, make_package("alpha", "1.1.0"), make_package("beta", "1.0.0"))

#: Indentation and line ends.
LAYOUTS: dict[str, tuple[int | str | None, str]] = {
    "two": (2, "\n"),
    "four": (4, "\n"),
    "tab": ("\t", "\n"),
    "windows": (2, "\r\n"),
    "none": (0, "\n"),
    "wide": (14, "\n"),
    "one line": (None, "\n"),
}
COMMANDS: list[tuple[str, ...]] = [
    ("install", "beta"),
    ("install", "beta", "--package-lock-only"),
    ("install", "beta", "--no-format-package-lock"),
    ("uninstall", "alpha"),
    ("update",),
    ("update", "alpha"),
]


def laid_out(document: object, layout: str) -> bytes:
    indent, newline = LAYOUTS[layout]
    return f"{json.dumps(document, indent=indent)}\n".replace("\n", newline).encode()


def arrange(project: Project, manifest_layout: str, lock_layout: str | None) -> None:
    """A project that is behind its registry, its two files in these layouts."""
    project.want({"node_modules/alpha": OLD}, dependencies={"alpha": "^1.0.0"})
    project.registry.publish(*PACKAGES[1:])
    for name, layout in (("package.json", manifest_layout), ("package-lock.json", lock_layout)):
        document = json.loads((project.folder / name).read_text())
        if layout is None:
            (project.folder / name).unlink()
        else:
            project.write(name, laid_out(document, layout))


def locks(project: Project) -> list[bytes]:
    """The lockfile, and the hidden one if there is one."""
    hidden = project.folder / "node_modules/.package-lock.json"
    return [(project.folder / "package-lock.json").read_bytes(), *([hidden.read_bytes()] if hidden.exists() else [])]


@pytest.mark.npm
@pytest.mark.parametrize("words", COMMANDS)
@pytest.mark.parametrize(
    ("manifest", "lock"),
    [
        ("two", "tab"),
        ("four", "windows"),
        ("tab", None),
        ("windows", "four"),
        ("windows", None),
        ("none", "tab"),
        ("wide", "two"),
        ("one line", "four"),
        ("one line", None),
    ],
)
def test_a_new_lock_has_the_layout_that_npm_gives_it(
    project: Project, manifest: str, lock: str | None, words: tuple[str, ...]
) -> None:
    arrange(project, manifest, lock)
    project.succeeds(*words)
    ours = locks(project)
    shutil.rmtree(project.folder / "node_modules", ignore_errors=True)
    arrange(project, manifest, lock)
    project.npm(*words)
    assert ours == locks(project)


@pytest.mark.npm
@pytest.mark.parametrize("lock", LAYOUTS)
def test_ci_leaves_the_lock_as_it_is_and_lays_the_hidden_one_out_like_package_json(project: Project, lock: str) -> None:
    arrange(project, "four", lock)
    project.succeeds("ci")
    ours = locks(project)
    project.npm("ci")
    assert ours == locks(project)


@pytest.mark.parametrize("words", [("install",), ("ci",)])
def test_a_lock_that_needs_no_change_keeps_its_layout(project: Project, words: tuple[str, ...]) -> None:
    arrange(project, "two", "tab")
    before = locks(project)
    project.succeeds(*words)
    assert locks(project)[0] == before[0]


def test_a_lock_on_one_line_is_good_for_the_next_run(project: Project) -> None:
    arrange(project, "two", "two")
    project.succeeds("install", "beta", "--no-format-package-lock")
    assert b"\n" not in locks(project)[0]
    assert "nothing to do" in project.succeeds("install").stdout
    project.succeeds("ci")
    project.succeeds("uninstall", "beta")
    assert b'\n  "lockfileVersion": 3' in locks(project)[0]
