"""What stands before the output of a lifecycle script, as npm has it."""

from __future__ import annotations

from pmpipe.npm.texts.text import printable


def script_heading(label: str, event: str, command: str) -> str:
    """The lines that stand before what a script writes, without the last line's end.

    Args:
        label: ``name@version``.
        event: ``postinstall``, for example.
        command: what is run.
    """
    lines = "\n> ".join(map(printable, command.strip().splitlines()))
    return f"\n> {printable(label)} {event}\n> {lines}\n"
