"""The failures of a run as errors: like ones together, each with who needs the package and what to do."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence

from pmpipe import errors
from pmpipe.alike import IN_FULL, alike_details, alike_what
from pmpipe.errors import SHORTAGES, HostError, PmpipeError, ProblemsError, ScriptError, WorkerCrashError
from pmpipe.npm.texts.text import plural, printable
from pmpipe.orders import Failure
from pmpipe.supervisor import CrashReport
from pmpipe.system.host import memory_limit_bytes

#: Of failures that share a code and no cause, so many are shown in full.
_ON_THEIR_OWN = 10

#: Names listed of those that are not.
_NAMED = 10

_CRASH_HINT = "if the machine was not out of memory, this is a bug of pmpipe: please report it"
#: Most often it is libcurl, which an image lacks that pycurl was only copied into.
_UNLOADABLE_HINT = "install the library that is missing, or the Python package anew that was built with another one"

#: How the last line of a worker's traceback begins where the system has refused it memory or a descriptor.
_SHORTAGES = ("MemoryError", *(f"OSError: [Errno {number}]" for number in SHORTAGES))
_SHORTAGE_HINT = (
    "nothing was changed; check the limits on memory, processes and open files (ulimit -a), and those of a container; "
    "if none of them is low, this is a bug of pmpipe: please report it"
)

_BY_CODE: dict[str, type[PmpipeError]] = {
    error.code: error for error in vars(errors).values() if isinstance(error, type) and issubclass(error, PmpipeError)
}


def failures_error(failures: Sequence[Failure], required_by: Callable[[str], str]) -> PmpipeError:
    """One error for all that went wrong.

    Args:
        failures: at least one.
        required_by: the chain of packages that asks for a location.
    """
    groups: dict[str, list[Failure]] = {}
    for failure in failures:
        failed = failure.failed
        groups.setdefault(f"{failed.code} {failed.cause or failed.what}", []).append(failure)
    shown: Counter[str] = Counter()
    found: list[PmpipeError] = []
    unshown: dict[str, list[Failure]] = {}
    for group in groups.values():
        first = group[0].failed
        shown[first.code] += not first.cause
        if first.cause or shown[first.code] <= _ON_THEIR_OWN:
            found += _of_one_cause(group, required_by)
        else:
            unshown.setdefault(first.code, []).append(group[0])
    found += [_in_short(code, rest) for code, rest in unshown.items()]
    return found[0] if len(found) == 1 else ProblemsError(found)


def _in_short(code: str, failures: Sequence[Failure]) -> PmpipeError:
    named = [printable(failure.failed.what) for failure in failures[:_NAMED]]
    rest = len(failures) - len(named)
    return _class_of(code)(
        f"{plural(len(failures), 'more package')} failed in a like way",
        details=[*named, *([f"… and {rest} more"] if rest else [])],
    )


def _of_one_cause(group: Sequence[Failure], required_by: Callable[[str], str]) -> list[PmpipeError]:
    firsts: dict[str, Failure] = {}
    for failure in group:
        firsts.setdefault(failure.failed.what, failure)
    distinct = list(firsts.values())
    if len(distinct) <= IN_FULL:
        return [_in_full(failure, group, required_by) for failure in distinct]
    first = distinct[0].failed
    details = alike_details([failure.failed.what for failure in distinct], first.details)
    what = alike_what(len(distinct), first.cause)
    return [_class_of(first.code)(what, details=details, hint=printable(first.hint))]


def _in_full(failure: Failure, group: Sequence[Failure], required_by: Callable[[str], str]) -> PmpipeError:
    failed = failure.failed
    places = [one.location for one in group if one.failed.what == failed.what]
    details = [printable(line) for line in failed.details]
    details.append(f"required by: {printable(required_by(failure.location))}")
    if len(places) > 1:
        details.append(f"wanted at {len(places)} places, the first is {printable(failure.location)}")
    what, hint = printable(failed.what), printable(failed.hint)
    if failed.code == ScriptError.code and failed.status:
        return ScriptError(what, details=details, hint=hint, status=failed.status)
    return _class_of(failed.code)(what, details=details, hint=hint)


def _class_of(code: str) -> type[PmpipeError]:
    return _BY_CODE[code]


def crash_error(report: CrashReport) -> PmpipeError:
    """A worker's death as an error: stage, job in hand, and the worker's own traceback.

    Where the system has refused the worker what it needs, it is the host's fault, and told without a traceback.
    """
    in_hand = f" while working on {printable(report.job)}" if report.job else ""
    details = [printable(line) for line in report.traceback.rstrip().splitlines()]
    if details and details[-1].startswith(_SHORTAGES):
        return HostError(
            f"the system refuses what the {report.stage} stage needs{in_hand}: {details[-1]}", hint=_SHORTAGE_HINT
        )
    unloadable = bool(details) and details[-1].startswith(("ImportError:", "ModuleNotFoundError:"))
    return WorkerCrashError(
        f"the {report.stage} stage's worker {report.cause}{in_hand}",
        details=details,
        hint=f"nothing was changed; {_UNLOADABLE_HINT if unloadable else _crash_hint(report.cause)}",
    )


def _crash_hint(cause: str) -> str:
    if "SIGKILL" not in cause:
        return _CRASH_HINT
    # what the system does in a container that has too little
    usable = f"{memory_limit_bytes() // 1_000_000:,} MB may be used here"
    return f"this is how the system ends what needs more memory than there is ({usable}); {_CRASH_HINT}"
