"""Which workspaces a command is about."""

from __future__ import annotations

import json
import subprocess

import pytest
from npm.asking_npm import npm_modules

from pmpipe.project.workspace_choice import NoWorkspaceError, chosen_locations, workspace_root
from pmpipe.settings.choice import Choice

WORKSPACES = {"one": "packages/one", "@s/two": "packages/two", "app": "apps/app", ".dot": "packages/.dot"}


def chosen(*filters: str, **more) -> list[str]:
    return chosen_locations(Choice(filters, **{"start": "/p", **more}), WORKSPACES, "/p")


def test_project_itself_is_meant_if_nothing_is_said():
    assert chosen() == [""]
    assert chosen(with_root=True) == [""]


def test_workspace_is_chosen_by_name_folder_or_a_folder_above():
    assert chosen("@s/two") == chosen("packages/two") == chosen("./packages/two") == ["packages/two"]
    assert chosen("packages") == ["packages/one", "packages/two"]
    assert chosen("/p/packages/one") == chosen("one", start="/p/packages") == ["packages/one"]


def test_all_workspaces_and_the_project():
    assert chosen(all=True) == list(WORKSPACES.values())
    assert chosen("one", with_root=True) == ["packages/one", ""]


def test_unknown_workspace_is_an_error_that_lists_the_known_ones():
    with pytest.raises(NoWorkspaceError, match="no workspace is called") as refusal:
        chosen("three")
    assert "three" in refusal.value.what
    assert refusal.value.details == ("there are: one, @s/two, app, .dot",)
    assert refusal.value.status == 1


def test_project_without_workspaces_is_an_error():
    with pytest.raises(NoWorkspaceError, match="has no workspaces"):
        chosen_locations(Choice(all=True), {}, "/p")


FILTERS = ["one", "packages", "packages/", "./packages", "packages/one", "@s/two", "@s", ".", "../p", "/p", "p*", "x"]


@pytest.mark.npm
@pytest.mark.parametrize("start", ["", "packages", "packages/one", ".."])
def test_filters_choose_what_npm_chooses(start, tmp_path):
    folder = tmp_path / "p"
    folder.mkdir()
    (folder / "package.json").write_text(json.dumps({"name": "root", "workspaces": list(WORKSPACES.values())}))
    for name, location in WORKSPACES.items():
        (folder / location).mkdir(parents=True)
        (folder / location / "package.json").write_text(json.dumps({"name": name}))
    script = """
        const choose = require(process.argv[1] + '/../lib/utils/get-workspaces.js')
        const { relative } = require('node:path')
        const path = process.argv[2]
        const relativeFrom = relative(path, process.cwd()).startsWith('..') ? path : process.cwd()
        const one = filter => choose([filter], { path, relativeFrom }).then(found => [...found.keys()], () => [])
        Promise.all(JSON.parse(process.argv[3]).map(one)).then(found => console.log(JSON.stringify(found)))
    """
    words = ["node", "-e", script, npm_modules(), str(folder), json.dumps(FILTERS)]
    npms = json.loads(subprocess.run(words, cwd=folder / start, stdout=subprocess.PIPE, check=True).stdout)
    for wanted, expected in zip(FILTERS, npms, strict=True):
        try:
            choice = Choice([wanted], start=str((folder / start).resolve()))
            ours = chosen_locations(choice, WORKSPACES, str(folder))
        except NoWorkspaceError:
            ours = []
        assert ours == [location for name, location in WORKSPACES.items() if name in expected], wanted


def test_folder_of_a_workspace_belongs_to_the_project_above(tmp_path):
    inner = tmp_path / "packages" / "one"
    inner.mkdir(parents=True)
    (tmp_path / "package.json").write_text('{"workspaces": ["packages/*"]}')
    (inner / "package.json").write_text("{}")
    (tmp_path / "other").mkdir()
    assert workspace_root(str(inner)) == str(tmp_path)
    assert workspace_root(str(tmp_path / "other")) is None
    assert workspace_root(str(tmp_path)) is None
