"""Text of messages: what came from a registry or a package, made fit for a terminal and a log; numbers of things."""

from __future__ import annotations

import re

#: Separators that are no spaces: a line of a message must stay one line.
_LINE_SEPARATORS = "\u2028\u2029"

#: What stands before the host of a URL; of ssh's a name alone, which is no secret, is not meant.
_CREDENTIALS = re.compile(r"(?i)((?<!ssh:)(?<=:)//)[^\s/?#'\"]+@|(?<=ssh:)(//[^\s/?#'\":]*):[^\s/?#'\"]*@")


def printable(text: str | bytes, limit: int = 0) -> str:
    r"""The text with what is not printable written out, so that it can neither move a cursor nor hide.

    Control characters (C0, C1, and with ESC every CSI and OSC sequence), bidi and other format characters, lone
    surrogates and bytes that are not UTF-8 come out as ``\n``, ``\x1b``, ``\u202e``; odd spaces as a space. The result
    is one line. It is for reading: a backslash that was there before looks the same.

    Args:
        text: bytes are taken as UTF-8.
        limit: cut after so many characters, and say so with an ellipsis; 0 does not cut.
    """
    decoded = text.decode("utf-8", "backslashreplace") if isinstance(text, bytes) else text
    if limit and len(decoded) > limit:
        decoded = decoded[:limit] + "…"
    if decoded.isprintable():
        return decoded
    return "".join(character if character.isprintable() else _visible(character) for character in decoded)


def for_reader(text: str) -> str:
    """One line of a message as it leaves the program: printable, and without the credentials of URLs."""
    return printable(without_credentials(text))


def without_credentials(text: str) -> str:
    """The text with ``***`` for the credentials of URLs.

    Specs and lockfiles hold tokens (``git+https://token@host/…``), and any error or warning may quote them.
    """
    return _CREDENTIALS.sub(lambda found: f"{found[1]}***@" if found[1] else f"{found[2]}:***@", text)


def is_utf8(text: str) -> bool:
    """Whether a text can be written; a path holds half surrogate pairs for bytes that are no UTF-8."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def plural(count: int, noun: str, nouns: str = "") -> str:
    """``1 package``, ``2 packages``."""
    return f"{count:,} {noun if count == 1 else nouns or noun + 's'}"


def _visible(character: str) -> str:
    # Zs only: the C0 separators also count as space, and NEL does among C1
    if character.isspace() and character > "\x9f" and character not in _LINE_SEPARATORS:
        return " "
    return character.encode("unicode_escape").decode("ascii")
