"""How deeply a JSON text is nested: what goes through a document level by level must not run out of frames.

The decoder stops where Python's stack ends, and whoever looks at what it has made needs several frames for a level. So
what others have written is refused long before that.
"""

from __future__ import annotations

import re

#: More levels than any document has that means something.
DEEPEST = 200

_MARKS = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*"|[\[{\]}]', re.DOTALL)


def is_too_deep(text: bytes) -> bool:
    """Whether a well-formed JSON text has more than `DEEPEST` levels of objects and arrays."""
    if text.count(b"{") + text.count(b"[") <= DEEPEST:
        return False  # nearly every document
    depth = 0
    for mark in _MARKS.finditer(text):
        first = mark[0][:1]
        if first in b"[{":
            depth += 1
            if depth > DEEPEST:
                return True
        elif first in b"]}":
            depth -= 1
    return False
