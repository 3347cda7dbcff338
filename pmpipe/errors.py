"""Every error that a user can see: one root, families that say whose fault it is, one table of codes.

An error carries typed fields and builds its own message: what happened, where, what to do. The command line prints
``error[CODE]: what`` and the details and hint below it, and ends with the family's exit status. Problems that can be
found together are reported together, as one `ProblemsError`.

Source of the exit contract: 0 only if the tree is complete; 1 any failure; 2 wrong usage; 70 a worker crashed (as
sysexits' EX_SOFTWARE); 128 and the number after a signal (130: SIGINT, 143: SIGTERM; Ctrl-C in a terminal has a shell
see that by the signal itself, see `pmpipe.system.ending`); a script's own status where that has failed.
"""

from __future__ import annotations

import errno
from itertools import pairwise

# the program begins with this module, and is light until signals are seen to
TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import ClassVar

EXIT_FAILURE = 1
EXIT_USAGE = 2
EXIT_CRASH = 70
#: After a signal: this and its number.
EXIT_BY_SIGNAL = 128


class PmpipeError(Exception):
    """Root of all errors that pmpipe reports by itself.

    Args:
        what: one line, without a full stop: what went wrong, with the package and file concerned.
        details: further lines, for example ``expected: …   got: …`` or ``required by: app > react-dom@19.1.0``.
        hint: what the user can do, or an empty string where there is nothing useful to say.

    Attributes:
        cause: groups like failures, for example ``401 from registry.example``; empty: on its own.
        problems: what this one sums up, each told by itself, for programs that read the JSON document.
    """

    code: ClassVar[str] = "PM_INTERNAL"
    exit_status: ClassVar[int] = EXIT_FAILURE

    def __init__(self, what: str, *, details: Sequence[str] = (), hint: str = "") -> None:
        super().__init__(what)
        self.what = what
        self.details = tuple(details)
        self.hint = hint
        self.cause = ""
        self.problems: tuple[PmpipeError, ...] = ()

    @property
    def status(self) -> int:
        """The program's exit status when it ends with this error."""
        return self.exit_status

    def __str__(self) -> str:
        lines = [f"error[{self.code}]: {self.what}", *(f"  {line}" for line in self.details)]
        if self.hint:
            lines.append(f"hint: {self.hint}")
        return "\n".join(lines)


class UsageError(PmpipeError):
    """The command line or a setting is wrong."""

    code = "PM_USAGE"
    exit_status = EXIT_USAGE


class ConfigError(PmpipeError):
    """An .npmrc, an environment variable or a flag has a value that cannot be used."""

    code = "PM_CONFIG"


class ManifestError(PmpipeError):
    """A package.json of the project cannot be used."""

    code = "PM_MANIFEST"


class RepairError(ManifestError):
    """What the project has to repair manifests with cannot be applied to a package (npm's EEXTENSION… codes)."""

    code = "PM_REPAIR"


class LockfileError(PmpipeError):
    """A package-lock.json cannot be used: malformed, or unsafe."""

    code = "PM_LOCKFILE"


class LockfileOutOfSyncError(LockfileError):
    """The lockfile does not satisfy the package.json files."""

    code = "PM_LOCK_OUT_OF_SYNC"


class InvalidSpecError(PmpipeError):
    """A dependency's spec, name or range cannot be parsed."""

    code = "PM_SPEC"


class PlatformError(PmpipeError):
    """A required package does not support this os, cpu or libc (npm's EBADPLATFORM)."""

    code = "PM_PLATFORM"


class EngineError(PmpipeError):
    """A package does not support this Node.js, under engine-strict (npm's EBADENGINE)."""

    code = "PM_ENGINE"


class RegistryError(PmpipeError):
    """A registry, proxy or other host did not give what was asked of it."""

    code = "PM_REGISTRY"


class OfflineError(RegistryError):
    """Something is not in the store or the cache, and the network may not be used (npm's ENOTCACHED)."""

    code = "PM_OFFLINE"


class RefusedSourceError(PmpipeError):
    """A package is to come from where the settings allow none (npm's EALLOWGIT, EALLOWREMOTE and so on)."""

    code = "PM_REFUSED_SOURCE"


class IntegrityError(PmpipeError):
    """A tarball's digest is not the expected one (npm's EINTEGRITY)."""

    code = "PM_INTEGRITY"


class ArchiveError(PmpipeError):
    """A tarball is damaged, or holds what may not be unpacked."""

    code = "PM_ARCHIVE"


class PatchError(PmpipeError):
    """A patch of ``patchedDependencies`` cannot be used, or does not fit its package."""

    code = "PM_PATCH"


class GitError(PmpipeError):
    """A git repository could not be fetched at the locked commit."""

    code = "PM_GIT"


class StoreError(PmpipeError):
    """The store cannot be read or written, or holds a damaged entry."""

    code = "PM_STORE"


class FilesystemError(PmpipeError):
    """The project's files cannot be read or written."""

    code = "PM_FILESYSTEM"


#: What the system says where it has no memory or no descriptor left.
SHORTAGES = (errno.ENOMEM, errno.EMFILE, errno.ENFILE)


class HostError(PmpipeError):
    """The system refuses a process, memory or a descriptor that a run needs."""

    code = "PM_HOST"

    @classmethod
    def refused(cls, error: OSError) -> HostError:
        """By what the system says to a call that no file is concerned with."""
        return cls(
            f"the system refuses what a run needs: {error.strerror or error}",
            hint="check the limits on processes, open files and memory (ulimit -a)",
        )

    @classmethod
    def shortage(cls, error: BaseException) -> HostError | None:
        """By an error that no code expected: it, or one that led to it, may say what the host lacks; None if not."""
        cause: BaseException | None = error
        while cause is not None:
            lacks_memory = isinstance(cause, MemoryError)
            if lacks_memory or (isinstance(cause, OSError) and cause.errno in SHORTAGES):
                return cls(
                    "there is not enough memory" if lacks_memory else f"the system refuses what a run needs: {cause}",
                    hint="check the limits on memory and open files (ulimit -a), and those of a container; "
                    "if something was begun and is not put back, the next run finishes it",
                )
            cause = cause.__cause__ or cause.__context__
        return None


class ScriptError(PmpipeError):
    """A lifecycle script has failed, or may not run.

    Args:
        what, details, hint: see `PmpipeError`.
        status: the script's own exit status, which is the program's then; that of a failure if it has none.
    """

    code = "PM_SCRIPT"

    def __init__(self, what: str, *, details: Sequence[str] = (), hint: str = "", status: int = EXIT_FAILURE) -> None:
        super().__init__(what, details=details, hint=hint)
        self._status = status

    @property
    def status(self) -> int:
        """The script's own."""
        return self._status


class ProblemsError(PmpipeError):
    """Several problems of one input or one run, reported together.

    The exit status is the highest of its members', so that one crash among failures is not hidden.
    """

    code = "PM_PROBLEMS"

    def __init__(self, problems: Sequence[PmpipeError]) -> None:
        super().__init__(f"{len(problems)} problems", details=())
        self.problems = tuple(problems)

    @property
    def status(self) -> int:
        """The highest of its members'."""
        return max((problem.status for problem in self.problems), default=EXIT_FAILURE)

    def __str__(self) -> str:
        lines = [str(problem) for problem in self.problems]
        for index, (problem, following) in enumerate(pairwise(self.problems)):
            # what holds for several in a row is said once, below the last of them
            if problem.hint and problem.hint == following.hint:
                lines[index] = lines[index].removesuffix(f"\nhint: {problem.hint}")
        return "\n".join([*lines, *([f"hint: {self.hint}"] if self.hint else [])])


class SignalError(PmpipeError):
    """A signal asked for the end of the run.

    Args:
        number: the signal's.
        state: what the run has left, in words.
    """

    code = "PM_SIGNAL"

    def __init__(self, number: int, state: str) -> None:
        # loaded by then: whoever took the signal needs it
        import signal

        super().__init__(f"stopped by {signal.Signals(number).name}", details=(state,))
        self._number = number

    @property
    def status(self) -> int:
        """128 and the signal's number."""
        return EXIT_BY_SIGNAL + self._number


class WorkerCrashError(PmpipeError):
    """A stage process died, or raised what it did not expect: our bug, or the machine's."""

    code = "PM_CRASH"
    exit_status = EXIT_CRASH


def after(cause: BaseException | None) -> list[str]:
    """What had happened before another error, line by line; without hints, which may not hold any more."""
    if cause is None:
        return []
    first, *rest = _what_happened(cause)
    return [f"after: {first}", *rest]


def _what_happened(error: BaseException) -> list[str]:
    if isinstance(error, ProblemsError):
        return [line for problem in error.problems for line in _what_happened(problem)]
    if isinstance(error, PmpipeError):
        return [error.what, *error.details]
    if isinstance(error, OSError) and error.strerror:
        return [f"{error.filename}: {error.strerror}" if error.filename else error.strerror]
    return [str(error) or type(error).__name__]
