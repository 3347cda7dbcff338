"""JSON with comments and with commas before closing brackets, as bun writes it."""

from __future__ import annotations

import re
from typing import Any

import msgspec

from pmpipe.errors import LockfileError
from pmpipe.npm.foreign.limits import checked_size
from pmpipe.npm.texts.json_text import explain, without_bom

# what is not closed goes on to its line's or the file's end, so that each character is looked at once
_TEXT = rb'"(?:[^"\\\n]|\\.)*(?:"|(?=\n)|\\?\Z)'
_COMMENT = re.compile(_TEXT + rb"|//[^\n]*|/\*.*?(?:\*/|\Z)", re.DOTALL)
_COMMA = re.compile(_TEXT + rb"|,(?=\s*[}\]])", re.DOTALL)


def read_jsonc(data: bytes, file: str, hint: str) -> Any:
    """Decode a text.

    Args:
        data: the file's bytes.
        file: the file's name for messages.
        hint: what the user can do if it cannot be read.

    Raises:
        LockfileError: it is no such text.
    """
    checked_size(data, file)
    # blanks take the place of what goes, so that places in messages are right
    plain = _COMMENT.sub(_blanked, without_bom(data))
    plain = _COMMA.sub(_blanked, plain)
    try:
        return msgspec.json.decode(plain)
    except msgspec.DecodeError as error:
        fault = explain(plain, error, file)
        raise LockfileError(f"cannot read {fault.place}: {fault.what}", hint=fault.hint or hint) from error
    except RecursionError as error:
        raise LockfileError(f"cannot read {file}: it is nested too deeply", hint=hint) from error


def _blanked(match: re.Match[bytes]) -> bytes:
    found = match[0]
    return found if found.startswith(b'"') else re.sub(rb"[^\n]", b" ", found)
