"""Errors across the border between the resolve process and the main one: as code and texts, and back."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cache

from pmpipe.errors import PmpipeError, ProblemsError
from pmpipe.npm.text import printable
from stages.messages import Failed


def error_of(code: str, what: str, details: Sequence[str] = (), hint: str = "") -> PmpipeError:
    """The error that was sent as texts; its class is found by its code."""
    return _classes()[code](what, details=details, hint=hint)


def errors_of(problems: Sequence[Failed]) -> PmpipeError:
    """One error for all problems of a resolution."""
    errors = [
        error_of(one.code, printable(one.what), [printable(line) for line in one.details], printable(one.hint))
        for one in problems
    ]
    return errors[0] if len(errors) == 1 else ProblemsError(errors)


@cache
def _classes() -> dict[str, type[PmpipeError]]:
    # the resolver has errors of its own, which are known once it is imported
    import pmpipe.resolver  # noqa: F401

    found: dict[str, type[PmpipeError]] = {}
    for one in _below(PmpipeError):
        found.setdefault(one.code, one)
    return found


def _below(root: type[PmpipeError]) -> Iterator[type[PmpipeError]]:
    yield root
    for one in root.__subclasses__():
        yield from _below(one)
