"""Lockfiles in which git has left both sides of a merge: read as npm reads them, one document out of the two.

What our side changed against the common ancestor is done to their side; where both changed the same, ours counts.
Nothing has to be right about the result but that it is a lockfile: resolving keeps of it what satisfies.

Where the ancestor is not told (only git's diff3 style does) npm takes what lies outside of the conflicts for it, which
often is no JSON, and then npm throws the whole lock away. Here such an ancestor is what both sides agree on. npm also
fills arrays that have become shorter on their side with nulls; nothing needs those.

Source: npm's ``parse-conflict-json`` with ``just-diff`` and ``just-diff-apply``.
"""

from __future__ import annotations

import re
from typing import Any

import msgspec

from pmpipe.errors import LockfileError
from pmpipe.npm.texts.json_text import explain, without_bom

_OURS, _PARENT, _THEIRS, _END = (re.compile(re.escape(character) + "{7,}") for character in "<|=>")
_LINES = re.compile(r"[\n\r]+")
_HINT = "restore the file from version control, or remove it and install again"
#: Keys that are a program's and not a document's in JavaScript, where the change is passed over.
_JAVASCRIPTS = frozenset(
    (
        "__defineGetter__",
        "__defineSetter__",
        "__lookupGetter__",
        "__lookupSetter__",
        "__proto__",
        "constructor",
        "hasOwnProperty",
        "isPrototypeOf",
        "propertyIsEnumerable",
        "toLocaleString",
        "toString",
        "valueOf",
    )
)

_Path = tuple[Any, ...]


class Unconflicted(msgspec.Struct, frozen=True):
    """A lockfile without conflicts.

    Attributes:
        data: the JSON text.
        had_conflict: there were conflicts; the document is merged and has to be resolved before it is relied on.
    """

    data: bytes
    had_conflict: bool


def without_conflicts(data: bytes, file: str) -> Unconflicted:
    """Read a package-lock.json or npm-shrinkwrap.json that may hold merge conflicts.

    Args:
        data: the file's bytes. Without conflicts they come back as they are, whatever they hold.
        file: the file's name for messages.

    Raises:
        LockfileError: one of the sides is no JSON object.
    """
    if not all(mark in data for mark in (b"<<<<<<<", b"=======", b">>>>>>>")) or _is_json(data):
        return Unconflicted(data, had_conflict=False)
    text = without_bom(data).decode("utf-8", "replace")
    ours, theirs, parent = _sides(text)
    our_side, their_side = _decode(ours, data, file), _decode(theirs, data, file)
    try:
        ancestor = msgspec.json.decode(parent)
    except (msgspec.MsgspecError, RecursionError):
        ancestor = None
    try:
        if not isinstance(ancestor, dict):
            ancestor = _common(our_side, their_side)
        document = merge(ancestor, our_side, their_side)
        return Unconflicted(msgspec.json.encode(document), had_conflict=True)
    except RecursionError as error:
        raise LockfileError(f"cannot read {file}: it is nested too deeply", hint=_HINT) from error


def merge(parent: dict[str, Any], ours: dict[str, Any], theirs: dict[str, Any]) -> dict[str, Any]:
    """Their document, changed as ours differs from the common ancestor.

    Args:
        parent: the ancestor.
        ours: wins where both sides have changed the same.
        theirs: is changed in place.
    """
    changes = _Changes()
    changes.between(parent, ours, (), ())
    for change in changes.in_order():
        if any(step in _JAVASCRIPTS for step in change.path):
            continue
        if not _apply(change, theirs):
            _copy(theirs, ours, change.path)
    return theirs


def _is_json(data: bytes) -> bool:
    try:
        msgspec.json.decode(without_bom(data))
    except (msgspec.MsgspecError, RecursionError):
        return False
    return True


# -- the two sides ------------------------------------------------------------------------------------------------


def _sides(text: str) -> tuple[str, str, str]:
    """The text as it is on our side, on theirs, and in the ancestor."""
    ours: list[str] = []
    theirs: list[str] = []
    parent: list[str] = []
    everywhere: tuple[list[str], ...] = (ours, theirs, parent)
    into = everywhere
    for line in _LINES.split(text):
        if _PARENT.search(line):
            into = (parent,)
        elif _OURS.search(line):
            into = (ours,)
        elif _THEIRS.search(line):
            into = (theirs,)
        elif _END.search(line):
            into = everywhere
        else:
            for side in into:
                side.append(line)
    return "".join(ours), "".join(theirs), "".join(parent)


def _decode(side: str, data: bytes, file: str) -> dict[str, Any]:
    try:
        decoded = msgspec.json.decode(side)
    except (msgspec.MsgspecError, RecursionError) as error:
        place = explain(without_bom(data), msgspec.DecodeError(), file).place
        raise LockfileError(
            f"cannot read {place}: what the merge conflicts leave of one side is no JSON",
            details=(str(error),),
            hint=_HINT,
        ) from error
    if not isinstance(decoded, dict):
        raise LockfileError(f"cannot use {file}: it must be an object", hint=_HINT)
    return decoded


def _common(ours: dict[str, Any], theirs: dict[str, Any]) -> dict[str, Any]:
    """What both sides have, which is as much of the ancestor as anybody can know."""
    common: dict[str, Any] = {}
    for key, mine in ours.items():
        if key not in theirs:
            continue
        other = theirs[key]
        if isinstance(mine, dict) and isinstance(other, dict):
            common[key] = _common(mine, other)
        elif _same(mine, other):
            common[key] = mine
    return common


# -- what our side has changed ------------------------------------------------------------------------------------


class _Change(msgspec.Struct, frozen=True):
    path: _Path
    is_removal: bool = False
    is_replacement: bool = False
    value: Any = None


class _Changes:
    """Collects the differences of two documents: removals, last first, then replacements, then additions."""

    def __init__(self) -> None:
        self.removed: list[_Change] = []
        self.replaced: list[_Change] = []
        self.added: list[_Change] = []

    def in_order(self) -> list[_Change]:
        """In the order in which they have to be made."""
        return [*reversed(self.removed), *self.replaced, *self.added]

    def between(self, old: Any, new: Any, path: _Path, path_before: _Path) -> None:
        """Compare two objects, or two arrays.

        Args:
            old: of the ancestor.
            new: of our side.
            path: of both.
            path_before: the same while what is to be removed is still there.
        """
        shorter_by = len(old) - len(new) if isinstance(old, list) and isinstance(new, list) else 0
        if shorter_by > 0 and not _is_cut_at_the_end(old, new):
            self.removed.extend(_Change((*path_before, index), is_removal=True) for index in range(shorter_by))
            for index, value in enumerate(new):
                before = (*path, index + shorter_by)
                self._compare(old[index + shorter_by], value, (*path, index), before)
            return
        olds, news = _members(old), _members(new)
        self.removed.extend(_Change((*path_before, key), is_removal=True) for key in olds if key not in news)
        for key, value in news.items():
            if key in olds:
                self._compare(olds[key], value, (*path, key), (*path, key))
            else:
                self.added.append(_Change((*path, key), value=value))

    def _compare(self, old: Any, new: Any, path: _Path, path_before: _Path) -> None:
        if isinstance(old, (dict, list)) and type(old) is type(new):
            self.between(old, new, path, path_before)
        elif not _same(old, new):
            self.replaced.append(_Change(path, is_replacement=True, value=new))


def _members(value: Any) -> dict[Any, Any]:
    return value if isinstance(value, dict) else dict(enumerate(value))


def _same(one: Any, other: Any) -> bool:
    # JavaScript has one kind of number, and no number is a truth value
    return bool(one == other) and isinstance(one, bool) == isinstance(other, bool)


def _is_cut_at_the_end(old: list[Any], new: list[Any]) -> bool:
    """Whether an array that has become shorter looks as if its end was cut off rather than its beginning."""
    shorter_by = len(old) - len(new)
    left = right = 0
    for mine, theirs in zip(old, new):  # noqa: B905  # the shorter one ends it
        if not _same(mine, theirs):
            break
        left += 1
    for index in range(len(new), 0, -1):
        # npm compares one place too far to the right, where there is nothing at the end
        there = old[index + shorter_by] if index + shorter_by < len(old) else _NOTHING
        here = new[index] if index < len(new) else _NOTHING
        if not _same(there, here):
            break
        right += 1
    return left >= right


_NOTHING = object()


# -- doing it to their side ---------------------------------------------------------------------------------------


def _apply(change: _Change, document: dict[str, Any]) -> bool:
    """Make a change; False if the document is not what the change supposes it to be.

    What JavaScript does without effect, such as giving a member to a text, is done so here.
    """
    holder: Any = document
    for step in change.path[:-1]:
        if not isinstance(holder, (dict, list)):
            return False
        if not _has(holder, step):
            _set(holder, step, {})
        # an array has taken no member with a name
        holder = holder[_key(holder, step)] if _has(holder, step) else {}
    last = change.path[-1]
    if holder is None or ((change.is_removal or change.is_replacement) and not _has(holder, last)):
        return False
    if not change.is_removal:
        _set(holder, last, change.value)
    elif isinstance(holder, (dict, list)):
        del holder[_key(holder, last)]
    return True


def _copy(document: dict[str, Any], ours: dict[str, Any], path: _Path) -> None:
    """Make a place in the document what it is on our side, as high up as the two differ in kind."""
    to: Any = document
    source: Any = ours
    for step in path:
        if not _has(source, step):
            return
        here = to[_key(to, step)] if _has(to, step) else None
        there = source[step]
        if not (isinstance(here, (dict, list)) and type(here) is type(there)):
            _set(to, step, there)
            return
        to, source = here, there


def _key(holder: Any, step: Any) -> Any:
    return str(step) if isinstance(holder, dict) else step


def _has(holder: Any, step: Any) -> bool:
    if isinstance(holder, dict):
        return str(step) in holder
    return isinstance(holder, (list, str)) and isinstance(step, int) and step < len(holder)


def _set(holder: Any, step: Any, value: Any) -> None:
    if isinstance(holder, dict):
        holder[str(step)] = value
    elif isinstance(holder, list) and isinstance(step, int):
        holder[step : step + 1] = [value]
