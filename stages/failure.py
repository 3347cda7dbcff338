"""How a stage words an error of the system as a `Failed` result: one line that names package, file and cause."""

from __future__ import annotations

import errno
import os

from pmpipe.errors import FilesystemError
from stages.messages import Failed, JobId

_HINTS = {
    errno.ENOSPC: "free some space and install again",
    errno.EDQUOT: "free some of your quota and install again",
    errno.EFBIG: "raise the limit on the size of files (ulimit -f)",
    errno.EMFILE: "raise the limit of open files (ulimit -n)",
    errno.ENFILE: "raise the system's limit of open files",
}


def filesystem_failure(job: JobId, doing: str, error: OSError, *, details: tuple[str, ...] = ()) -> Failed:
    """The result of a job that the system did not let finish: disk full, read-only, no permission, no descriptors.

    Args:
        job: the job's number.
        doing: what was tried, with package and path, as in ``react@19.1.0: cannot write /app/node_modules/react``.
        error: the system's answer; jobs with the same answer are reported together.
        details: further lines.
    """
    cause = os.strerror(error.errno) if error.errno else str(error)
    hint = _HINTS.get(error.errno or 0, "")
    return Failed(job, FilesystemError.code, f"{doing}: {cause}", details=details, hint=hint, cause=cause)
