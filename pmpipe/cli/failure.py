"""The JSON document of a run that has failed: a program that reads one finds the reason in it.

Its form is npm's: ``{"error": {"code": …, "summary": …, "detail": …}}``.

Source: npm's ``lib/cli/exit-handler.js`` and ``lib/utils/error-message.js``.
"""

from __future__ import annotations

from typing import Any

from pmpipe.cli.output import Output
from pmpipe.errors import PmpipeError
from pmpipe.npm.texts.text import for_reader


def tell_failure(error: PmpipeError) -> None:
    """Print the document, unless the run has printed one before it failed.

    Raises:
        OutputError: it cannot be written.
        BrokenPipeError: nobody reads it.
    """
    if not Output.has_answered:
        Output("silent", json=True).document({"error": _described(error)})


def _described(error: PmpipeError) -> dict[str, Any]:
    described: dict[str, Any] = {
        "code": error.code,
        "summary": _plain(error.what),
        "detail": "\n".join(map(_plain, error.details)),
        "hint": _plain(error.hint),
    }
    if error.problems:
        described["problems"] = [_described(problem) for problem in error.problems]
    return described


def _plain(text: str) -> str:
    return "\n".join(map(for_reader, text.split("\n")))
