"""Folders go with the last thing in them, and with nothing else in them."""

from __future__ import annotations

import pytest

from pmpipe.planning.emptied import with_emptied_folders


@pytest.fixture
def modules(tmp_path):
    for path in ("a", "@s/one", "@s/two", ".bin", "a/node_modules/@t/deep"):
        (tmp_path / "node_modules" / path).mkdir(parents=True)
    (tmp_path / "node_modules" / ".bin" / "one").symlink_to("../@s/one/cli.js")
    return tmp_path / "node_modules"


def emptied(modules, *names, needed=()):
    kept = {str(modules), *(str(modules / name) for name in needed)}
    found = with_emptied_folders([str(modules / name) for name in names], kept.__contains__)
    return [path.removeprefix(f"{modules}/") for path in found]


def test_a_package_is_removed_alone(modules):
    assert emptied(modules, "a") == ["a"]


def test_a_scope_goes_with_its_last_packages(modules):
    assert emptied(modules, "@s/one", "@s/two") == ["@s"]


def test_a_scope_stays_with_what_is_not_removed(modules):
    assert emptied(modules, "@s/one") == ["@s/one"]


def test_a_scope_that_something_is_put_into_stays(modules):
    assert emptied(modules, "@s/one", "@s/two", needed=["@s"]) == ["@s/one", "@s/two"]


def test_a_folder_of_executables_goes_with_its_last_link(modules):
    assert emptied(modules, ".bin/one", "a") == [".bin", "a"]


def test_nested_folders_go_up_to_the_package_around_them(modules):
    assert emptied(modules, "a/node_modules/@t/deep") == ["a/node_modules"]


def test_the_modules_folder_itself_stays(modules):
    assert emptied(modules, "a", "@s/one", "@s/two", ".bin/one") == [".bin", "@s", "a"]
