"""How the settings have changes saved."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from pmpipe.changing.change_resolver import Action
from pmpipe.changing.manifest_change import Saving
from pmpipe.errors import PmpipeError
from pmpipe.npm.manifests.manifest_edit import SaveType
from pmpipe.resolving.change_order import saving_of
from pmpipe.settings.choice import Choice
from pmpipe.settings.config import Config


def load(tmp_path: Path, npmrc: str = "", **flags: Any) -> Config:
    (tmp_path / ".npmrc").write_text(npmrc)
    settings = {name.replace("_", "-"): value for name, value in flags.items()}
    return Config.load(settings, {"HOME": str(tmp_path / "home")}, str(tmp_path))


def saving(tmp_path: Path, npmrc: str = "", action: Action = Action.ADD, **flags: Any) -> Saving:
    return saving_of(action, load(tmp_path, npmrc, **flags), "/home/user")


@pytest.mark.parametrize(
    ("flag", "kind"),
    [
        ("save_dev", SaveType.DEV),
        ("save_optional", SaveType.OPTIONAL),
        ("save_peer", SaveType.PEER),
        ("save_prod", SaveType.PROD),
    ],
)
def test_flag_decides_on_the_kind(tmp_path, flag, kind):
    assert saving(tmp_path, **{flag: True}).save_type is kind


def test_without_a_flag_everything_stays_where_it_is(tmp_path):
    assert saving(tmp_path) == Saving(home="/home/user")


def test_prefix_comes_from_the_settings(tmp_path):
    assert saving(tmp_path, "save-prefix=~\n").prefix == "~"
    assert saving(tmp_path, "save-exact=true\n").prefix == ""


def test_peers_are_not_bundled(tmp_path):
    assert saving(tmp_path, save_bundle=True).bundled
    assert not saving(tmp_path, save_bundle=True, save_peer=True).bundled


def test_update_saves_only_if_that_is_asked_for(tmp_path):
    assert not saving(tmp_path, action=Action.UPDATE).save
    assert saving(tmp_path, action=Action.UPDATE, save=True).save
    assert saving(tmp_path, "save=true\n", action=Action.UPDATE).save
    assert not saving(tmp_path, save=False).save


def test_workspace_of_the_working_folder_counts_unless_others_are_named(tmp_path):
    assert Choice.of(load(tmp_path), "/w", "/w/one").filters == ("/w/one",)
    assert Choice.of(load(tmp_path, workspace=["two"]), "/w", "/w/one").filters == ("two",)
    assert not Choice.of(load(tmp_path, workspaces=False), "/w", "/w/one").is_made


def test_no_workspaces_and_some_by_name_contradict_each_other(tmp_path):
    with pytest.raises(PmpipeError, match="contradict"):
        Choice.of(load(tmp_path, workspaces=False, workspace=["one"]), "/w")
