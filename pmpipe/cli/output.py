"""How loud a command is, and where its words go: what was asked for to standard output, all else to standard error."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable
from typing import Any, ClassVar, TextIO

from pmpipe.npm.texts.text import for_reader

_LEVELS = ("silent", "error", "warn", "notice", "http", "info", "verbose", "silly")

#: More warnings than this are counted, not shown, unless the level is verbose.
_WARNINGS = 20


class OutputError(OSError):
    """Standard output cannot be written, a full disk being behind it for example."""


class Output:
    """Prints what the log level admits.

    Args:
        loglevel: npm's ``loglevel``.
        json: print one JSON document instead of a summary.
    """

    #: the settings, an .npmrc among them, want a document
    is_asked: ClassVar[bool] = False
    #: the one document of this run has been printed
    has_answered: ClassVar[bool] = False

    def __init__(self, loglevel: str, *, json: bool) -> None:
        self._level = _LEVELS.index(loglevel)
        self.json = json
        Output.is_asked |= json

    def shows(self, level: str) -> bool:
        """Whether messages of a level are shown."""
        return self._level >= _LEVELS.index(level)

    def say(self, text: str) -> None:
        """A line of the summary."""
        if self.shows("notice") and not self.json:
            _write(text, sys.stdout)

    def note(self, text: str) -> None:
        """A line beside the summary, for a person."""
        if self.shows("notice"):
            _write(text, sys.stderr)

    def debug(self, text: str) -> None:
        """A line for who wants to know more."""
        if self.shows("verbose"):
            _write(for_reader(text), sys.stderr)

    def warn(self, warnings: Iterable[str]) -> None:
        """Warnings, each once."""
        if not self.shows("warn"):
            return
        distinct = list(dict.fromkeys(warnings))
        shown = distinct if self.shows("verbose") else distinct[:_WARNINGS]
        for warning in shown:
            _write(f"warning: {for_reader(warning)}", sys.stderr)
        if len(shown) < len(distinct):
            _write(f"warning: and {len(distinct) - len(shown)} more, see --verbose", sys.stderr)

    def document(self, document: dict[str, Any]) -> None:
        """The one JSON document of ``--json``."""
        import ujson

        text = ujson.dumps(document, indent=2, ensure_ascii=False, escape_forward_slashes=False)
        try:
            text.encode(getattr(sys.stdout, "encoding", None) or "utf-8")
        except UnicodeEncodeError:
            # names of files that are not UTF-8, or a terminal that is not
            text = ujson.dumps(document, indent=2, ensure_ascii=True, escape_forward_slashes=False)
        # only now: a signal that comes before has the failure told instead
        Output.has_answered = True
        _write(text, sys.stdout)


def tell(line: str) -> None:
    """Say something that cannot wait until the settings are known."""
    _write(f"pmpipe: {line}", sys.stderr)


def tell_error(text: str) -> None:
    """Say why the run ends."""
    _write(text, sys.stderr)


def write_to_nowhere(stream: TextIO) -> None:
    """Have a stream that cannot be written lose what is in it and what is still to come."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, stream.fileno())
    os.close(nowhere)


def _write(text: str, stream: TextIO | None) -> None:
    """Print a line.

    What stands on standard error is for a person, who has the status besides. So nothing fails where that cannot be
    written.

    Raises:
        OutputError: it cannot be written to standard output.
        BrokenPipeError: nobody reads it.
    """
    try:
        print(text, file=stream)
    except BrokenPipeError:
        raise
    except OSError as error:
        if stream is None or stream is not sys.stderr:
            raise OutputError(error.errno, error.strerror) from error
        write_to_nowhere(stream)
