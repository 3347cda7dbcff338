"""What a resolution has made, on its way from the resolve process to the main one."""

from __future__ import annotations

import os
from pathlib import Path

from pmpipe.resolving.made import Made, take_made, write_made


def test_what_was_made_is_taken_once_and_leaves_no_file(tmp_path: Path) -> None:
    made = Made(b"{}", {"package.json": b"{}"}, packages=3, unavailable=("node_modules/a",))
    assert take_made(write_made(made, str(tmp_path))) == made
    assert os.listdir(tmp_path) == []
