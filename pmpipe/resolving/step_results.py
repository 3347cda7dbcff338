"""What the resolve process reports, cut to what a datagram holds."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from pmpipe.errors import PmpipeError, ProblemsError
from pmpipe.resolving.failures import bounded
from stages.channel import MAXIMUM_DATAGRAM_BYTES
from stages.messages import Failed, JobId, ResolveFailed, ResolveStep, encode

#: As long as one result may be, encoded, to fit in a datagram.
_STEP_BYTES = MAXIMUM_DATAGRAM_BYTES // 2

_HINT_CHARACTERS = 1_000


def steps(step: ResolveStep) -> Iterator[ResolveStep]:
    """The step as few results as it fits in."""
    lists = (step.wants, step.announced, step.unneeded)
    if sum(map(len, lists)) <= 1 or len(encode([step])) <= _STEP_BYTES:
        yield step
        return
    some, ahead, less = (len(step.wants) + 1) // 2, len(step.announced) // 2, len(step.unneeded) // 2
    yield from steps(
        msgspec.structs.replace(
            step, wants=step.wants[:some], announced=step.announced[:ahead], unneeded=step.unneeded[:less], more=True
        )
    )
    yield from steps(
        msgspec.structs.replace(
            step, wants=step.wants[some:], announced=step.announced[ahead:], unneeded=step.unneeded[less:]
        )
    )


def failure(job: JobId, error: PmpipeError) -> ResolveFailed:
    """Why nothing comes of it; of very many problems those that fit in one result."""
    problems = error.problems if isinstance(error, ProblemsError) else (error,)
    result = ResolveFailed(job, tuple(_failed(job, one) for one in problems))
    while any(one.problems for one in result.problems) and len(encode([result])) > _STEP_BYTES:
        fewer = (
            msgspec.structs.replace(one, problems=one.problems[: len(one.problems) // 2]) for one in result.problems
        )
        result = ResolveFailed(job, tuple(fewer))
    while len(result.problems) > 1 and len(encode([result])) > _STEP_BYTES:
        result = ResolveFailed(job, result.problems[: len(result.problems) // 2])
    return result


def _failed(job: JobId, error: PmpipeError) -> Failed:
    (what,) = bounded([error.what])
    details, problems = tuple(bounded(error.details)), tuple(_failed(job, one) for one in error.problems)
    return Failed(job, error.code, what, details, error.hint[:_HINT_CHARACTERS], problems=problems)
