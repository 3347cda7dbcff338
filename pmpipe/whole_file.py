"""Writing a file as a whole: what a run that is cut off leaves there is the former content, or the new one."""

from __future__ import annotations

import os


def write_whole(path: str, content: bytes) -> None:
    """Write a file by one rename: whoever reads `path` sees what was there before, or all of `content`.

    Raises:
        OSError: it cannot be written; what was there before still is.
    """
    partial = f"{path}.partial"
    try:
        with open(partial, "wb") as file:
            file.write(content)
        os.rename(partial, path)
    except BaseException:
        if os.path.lexists(partial):
            os.unlink(partial)
        raise
