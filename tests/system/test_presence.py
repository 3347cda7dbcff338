from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from pmpipe.system.presence import is_folder, is_link, is_real_folder, is_there


def test_what_stands_at_a_path_is_told(tmp_path: Path) -> None:
    folder, file, link, dangling = (str(tmp_path / name) for name in ("folder", "file", "link", "dangling"))
    Path(folder).mkdir()
    Path(file).touch()
    Path(link).symlink_to("folder")
    Path(dangling).symlink_to("nowhere")

    assert [one for one in (folder, file, link, dangling) if is_there(one)] == [folder, file, link, dangling]
    assert [one for one in (folder, file, link, dangling) if is_folder(one)] == [folder, link]
    assert [one for one in (folder, file, link, dangling) if is_real_folder(one)] == [folder]
    assert [one for one in (folder, file, link, dangling) if is_link(one)] == [link, dangling]


@pytest.mark.parametrize("ask", [is_there, is_folder, is_real_folder, is_link])
def test_nothing_stands_where_there_is_nothing_or_below_a_file(tmp_path: Path, ask: Callable[[str], bool]) -> None:
    (tmp_path / "file").touch()

    assert not ask(f"{tmp_path}/none")
    assert not ask(f"{tmp_path}/file/below")


def test_a_link_in_a_circle_is_no_folder(tmp_path: Path) -> None:
    (tmp_path / "circle").symlink_to("circle")

    assert not is_folder(f"{tmp_path}/circle")
    assert is_link(f"{tmp_path}/circle")


@pytest.mark.parametrize("ask", [is_there, is_folder, is_real_folder, is_link])
def test_where_the_system_does_not_say_there_is_no_answer(tmp_path: Path, ask: Callable[[str], bool]) -> None:
    with pytest.raises(OSError, match="name too long"):
        ask(f"{tmp_path}/{'x' * 300}")
