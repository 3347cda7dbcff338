"""One run at a time in one project.

The lock is ``flock`` on the project's folder itself: it leaves no file, works where the project is read-only, and goes
with the last process that holds it, so one left by SIGKILL is no obstacle. Forked workers hold it too, and a second run
waits until the last of them has left.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

from pmpipe.errors import FilesystemError, HostError
from stages.file_lock import NoLocksError, flock

#: Variable by which a run tells the scripts that it starts which project it holds: they would wait for it for ever.
AT_WORK = "PMPIPE_AT_WORK_IN"


@contextmanager
def project_folder(project: str) -> Iterator[None]:
    """Make the project's folder if it is missing; if nothing is put into it, it does not stay.

    Raises:
        FilesystemError: it cannot be made.
    """
    missing: list[str] = []
    path = project
    while not os.path.lexists(path):
        missing.append(path)
        path = os.path.dirname(path)
    try:
        os.makedirs(project, exist_ok=True)
    except OSError as error:
        raise FilesystemError(f"cannot make the project's folder {project}: {error.strerror}") from error
    try:
        yield
    finally:
        for path in missing:
            with suppress(OSError):  # something was put into it
                os.rmdir(path)


@contextmanager
def project_lock(project: str, tell: Callable[[str], None]) -> Iterator[None]:
    """Hold the project for the context's duration.

    Args:
        project: absolute path of the project's folder.
        tell: called with a line if another run holds the project, before waiting for it, and if no run can hold it.

    Raises:
        FilesystemError: the folder cannot be opened, or not be locked.
        HostError: the run that holds the project waits for the script that this one comes from.
    """
    if os.environ.get(AT_WORK) and os.path.realpath(os.environ[AT_WORK]) == os.path.realpath(project):
        raise HostError(
            f"the pmpipe that is at work in {project} has started this one, and waits for its end",
            hint="a package's script cannot install anything in the project that it is being installed in",
        )
    try:
        fd = os.open(project, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError as error:
        raise FilesystemError(f"cannot open the project's folder {project}: {error.strerror}") from error
    try:
        try:
            _hold(fd, tell)
        except OSError as error:
            raise FilesystemError(f"cannot lock the project's folder {project}: {error.strerror}") from error
        yield
    finally:
        os.close(fd)


def _hold(fd: int, tell: Callable[[str], None]) -> None:
    try:
        flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        tell("another pmpipe is at work in this project, waiting for it to end")
        flock(fd, fcntl.LOCK_EX)
    except NoLocksError:
        tell("this filesystem knows no locks: see to it that no other pmpipe is at work in this project")
