"""How a JSON file is laid out, judged by its first lines, so that it or its like can be written in the same way.

Source: npm's ``json-parse-even-better-errors``; ``@npmcli/arborist``, ``lib/shrinkwrap.js`` (`inferFormattingOptions`,
`toString`) and the end of `saveIdealTree` in ``lib/arborist/reify.js``.
"""

from __future__ import annotations

import re

import msgspec

#: JavaScript's `JSON.stringify` takes no more of an indentation.
MAX_INDENT = 10
_DEFAULT_INDENT = "  "
_EMPTY = re.compile(r"(?:\{\}|\[\])((?:\r?\n)+)?")
_LINES = re.compile(r"[ \t\r\n]*[{[]((?:\r?\n)+)([ \t\r\n]*)")


class JsonLayout(msgspec.Struct, frozen=True):
    """How a JSON file is laid out.

    Attributes:
        indent: of one level; empty for a document without any spaces.
        newline: what ends a line; empty where everything stands on one line.
    """

    indent: str = _DEFAULT_INDENT
    newline: str = "\n"


#: A lockfile under ``format-package-lock=false``; not even a line end closes it.
ON_ONE_LINE = JsonLayout("", "")


def layout_of(text: str) -> JsonLayout:
    """The layout of a JSON text without a byte order mark, judged by its first line end and what follows it."""
    empty = _EMPTY.fullmatch(text)
    if empty is not None:
        return JsonLayout(newline=empty[1] or "\n")
    lines = _LINES.match(text)
    return JsonLayout("", "") if lines is None else JsonLayout(lines[2], lines[1])


def lock_layout_of(manifest: str) -> JsonLayout:
    """The layout of a lockfile, the hidden one too, whatever it had before: package.json's, but never without lines.

    Args:
        manifest: the package.json's text, without a byte order mark.
    """
    layout, default = layout_of(manifest), JsonLayout()
    return JsonLayout(layout.indent[:MAX_INDENT] or default.indent, layout.newline or default.newline)
