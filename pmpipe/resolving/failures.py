"""Errors across the border between the resolve process and the main one: as code and texts, and back."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from functools import cache

from pmpipe.errors import PmpipeError, ProblemsError
from pmpipe.npm.texts.text import for_reader, printable
from stages.messages import Failed

#: What a message between the processes may hold: so many lines, each of so many characters.
_LINES = 40
_CHARACTERS = 500


def bounded(lines: Iterable[str]) -> list[str]:
    """Lines for a person, cut to what a message can hold: names and specs from a registry are as long as it likes."""
    # before they are cut: of a URL's credentials nothing may be left
    given = [for_reader(line) for line in lines]
    shown = [line if len(line) <= _CHARACTERS else f"{line[:_CHARACTERS]}…" for line in given[:_LINES]]
    return [*shown, f"and {len(given) - _LINES:,} more"] if len(given) > _LINES else shown


def error_of(code: str, what: str, details: Sequence[str] = (), hint: str = "", cause: str = "") -> PmpipeError:
    """The error that was sent as texts; its class is found by its code."""
    error = _classes()[code](what, details=details, hint=hint)
    error.cause = cause
    return error


def errors_of(problems: Sequence[Failed]) -> PmpipeError:
    """One error for all problems of a resolution."""
    errors = [_printable_error(one) for one in problems]
    return errors[0] if len(errors) == 1 else ProblemsError(errors)


def _printable_error(failed: Failed) -> PmpipeError:
    details = [printable(line) for line in failed.details]
    error = error_of(failed.code, printable(failed.what), details, printable(failed.hint))
    error.problems = tuple(_printable_error(one) for one in failed.problems)
    return error


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
