"""YAML as lockfiles use it: mappings, sequences and texts; nothing that means more than it says.

The parser is libyaml's; what it reports is put together here, without its types (``1.0`` stays a text), and without
what a lockfile never has and an attacker would use: anchors and aliases, by which a small file can stand for an endless
one, and tags. The library is only loaded when there is such a file to read.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, TypeAlias

from pmpipe.errors import LockfileError
from pmpipe.npm.foreign.limits import MAX_DEPTH, checked_size
from pmpipe.npm.texts.json_text import conflict_in, without_bom

if TYPE_CHECKING:
    import yaml

#: What a file holds: ``dict[str, Plain]``, ``list[Plain]`` or ``str``.
Plain: TypeAlias = Any


class _Hole:
    """A place where a key is awaited."""


_NO_KEY = _Hole()


def read_plain_yaml(data: bytes, file: str, hint: str) -> list[Plain]:
    """The documents of a YAML file.

    Args:
        data: the file's bytes.
        file: the file's name for messages.
        hint: what the user can do if it cannot be read.

    Raises:
        LockfileError: it is no YAML, or has more in it than a lockfile should.
    """
    import yaml

    checked_size(data, file)
    text = without_bom(data)
    documents: list[Plain] = []
    builder = _Builder(file, hint)
    try:
        for event in _events(text):
            if isinstance(event, yaml.DocumentStartEvent):
                builder = _Builder(file, hint)
            elif isinstance(event, yaml.DocumentEndEvent):
                documents.append(builder.document)
            else:
                builder.take(event)
    except yaml.YAMLError as error:
        conflict = conflict_in(text, file)
        if conflict is not None:
            raise LockfileError(f"cannot read {conflict.place}: {conflict.what}", hint=conflict.hint) from error
        raise _no_yaml(error, file, hint) from error
    return documents


def _events(text: bytes) -> Iterator[yaml.Event]:
    import yaml

    # only builds of PyYAML without libyaml lack the fast one
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)(text)
    try:
        while loader.check_event():
            yield loader.get_event()
    finally:
        loader.dispose()


class _Builder:
    """Puts one document together.

    Attributes:
        document: the finished value.
    """

    def __init__(self, file: str, hint: str) -> None:
        self.file = file
        self.hint = hint
        self.document: Plain = None
        self._open: list[Plain] = []
        self._keys: list[str | _Hole] = []

    def take(self, event: yaml.Event) -> None:
        """Take the next event."""
        import yaml

        kind = type(event)
        if kind is yaml.ScalarEvent:
            self._scalar(event)
        elif kind is yaml.MappingStartEvent or kind is yaml.SequenceStartEvent:
            self._start(event, {} if kind is yaml.MappingStartEvent else [])
        elif kind is yaml.MappingEndEvent or kind is yaml.SequenceEndEvent:
            self._open.pop()
            self._keys.pop()
        elif kind is yaml.AliasEvent:
            raise self._refused(event, "an alias")

    def _scalar(self, event: Any) -> None:
        if event.anchor is not None or (event.tag is not None and event.tag != "!"):
            raise self._refused(event, "an anchor or a tag")
        if self._open and self._keys[-1] is _NO_KEY and isinstance(self._open[-1], dict):
            if event.value in self._open[-1]:
                raise self._refused(event, f"a second {event.value[:80]!r}")
            self._keys[-1] = event.value
        else:
            self._put(event.value)

    def _start(self, event: Any, value: Plain) -> None:
        if event.anchor is not None or event.tag is not None:
            raise self._refused(event, "an anchor or a tag")
        if len(self._open) >= MAX_DEPTH:
            raise self._refused(event, "a value that is nested too deeply")
        if self._open and self._keys[-1] is _NO_KEY and isinstance(self._open[-1], dict):
            raise self._refused(event, "a key that is no text")
        self._put(value)
        self._open.append(value)
        self._keys.append(_NO_KEY)

    def _put(self, value: Plain) -> None:
        if not self._open:
            self.document = value
            return
        holder = self._open[-1]
        if isinstance(holder, list):
            holder.append(value)
        else:
            holder[self._keys[-1]] = value
            self._keys[-1] = _NO_KEY

    def _refused(self, event: Any, what: str) -> LockfileError:
        mark = event.start_mark
        return LockfileError(
            f"cannot read {self.file}:{mark.line + 1}:{mark.column + 1}: there is {what}, which no lockfile has",
            hint=self.hint,
        )


def _no_yaml(error: yaml.YAMLError, file: str, hint: str) -> LockfileError:
    mark = getattr(error, "problem_mark", None)
    place = f"{file}:{mark.line + 1}:{mark.column + 1}" if mark is not None else file
    problem = getattr(error, "problem", None) or getattr(error, "reason", None) or "it cannot be decoded"
    return LockfileError(f"cannot read {place}: the file is not valid YAML: {problem}", hint=hint)
