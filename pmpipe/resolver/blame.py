"""Who is to be told, and what, when a required package cannot be had."""

from __future__ import annotations

from collections.abc import Iterable

from pmpipe.alike import IN_FULL, alike_details, alike_what
from pmpipe.errors import PmpipeError, ProblemsError, RegistryError
from pmpipe.npm.texts.text import plural, printable
from pmpipe.resolver.node import Edge, Node
from pmpipe.resolver.peer_conflict import chain
from pmpipe.resolver.source import NoMatchingVersionError

#: So many failures are told in full, of the others so many by name.
_MAX_FAILURES, _MAX_NAMED = 10, 8

#: Of failures that are told as one, so many are told to programs that read JSON.
_MAX_ALIKE = 150

_MAX_DEPENDENTS = 5
_SHOWN_CHARACTERS = 200


def error_for(nodes: Iterable[Node]) -> PmpipeError:
    """One error for all required nodes whose package could not be had; each says who requires it, and what to do.

    Args:
        nodes: at least one, each with a `failure`.
    """
    by_reason: dict[str, list[Node]] = {}
    for node in nodes:
        by_reason.setdefault(str(node.failure), []).append(node)
    errors, groups = [], []
    for alike in _by_cause(by_reason.values()):
        if len(alike) > IN_FULL:
            errors.append(_told_alike(alike))
        else:
            groups += alike
    errors += [_told(same) for same in groups[:_MAX_FAILURES]]
    if len(groups) > _MAX_FAILURES:
        errors.append(_in_short(groups[_MAX_FAILURES:]))
    return errors[0] if len(errors) == 1 else ProblemsError(errors)


def _by_cause(groups: Iterable[list[Node]]) -> Iterable[list[list[Node]]]:
    by_cause: dict[str, list[list[Node]]] = {}
    for group in groups:
        failure = group[0].failure
        assert failure is not None
        by_cause.setdefault(f"{failure.code} {failure.cause}" if failure.cause else str(failure), []).append(group)
    return by_cause.values()


def _told_alike(groups: list[list[Node]]) -> PmpipeError:
    """The failures of these groups as one: most often a registry that is down."""
    failure = groups[0][0].failure
    assert failure is not None
    problems = [_told(group) for group in groups[:_MAX_ALIKE]]
    hint = failure.hint or _hint([node for group in groups for node in group])
    for problem in problems:
        # of hundreds of failures each must be short to fit in a message
        problem.hint = ""
    named = [f"{group[0].failure.what}, {_dependents(group)[0]}" for group in groups if group[0].failure]
    error = type(failure)(
        alike_what(len(groups), failure.cause), details=alike_details(named, failure.details), hint=hint
    )
    error.problems = tuple(problems)
    return error


def _in_short(groups: list[list[Node]]) -> PmpipeError:
    """Most often they have one cause, such as a registry that is down."""
    lines = [f"{group[0].name}, {_dependents(group)[0]}" for group in groups[:_MAX_NAMED]]
    if len(groups) > _MAX_NAMED:
        lines.append(f"and {len(groups) - _MAX_NAMED} more")
    dependencies = plural(len(groups), "more dependency", "more dependencies")
    return RegistryError(f"{dependencies} cannot be had", details=lines)


def _told(nodes: list[Node]) -> PmpipeError:
    """The failure that these nodes have in common."""
    failure = nodes[0].failure
    assert failure is not None
    lines = _dependents(nodes)
    shown = lines[:_MAX_DEPENDENTS]
    if len(lines) > len(shown):
        shown.append(f"and by {plural(len(lines) - len(shown), 'other')}")
    return type(failure)(failure.what, details=(*failure.details, *shown), hint=failure.hint or _hint(nodes))


def _dependents(nodes: list[Node]) -> list[str]:
    """Who requires them, and as what."""
    lines = dict.fromkeys(
        f"required by {chain(edge.origin)}, as {printable(f'{edge.name}@{edge.spec}', _SHOWN_CHARACTERS)}"
        for edge in _edges_to_blame(nodes)
    )
    return list(lines) or ["required by nobody"]


def _edges_to_blame(nodes: list[Node]) -> list[Edge]:
    """The edges that lead to them; where no version matches, of these only such as ask for that."""
    edges = list(dict.fromkeys(edge for node in nodes for edge in node.edges_in))
    failure = nodes[0].failure
    if not isinstance(failure, NoMatchingVersionError):
        return edges
    # others could have what they want, were this one not in their way
    wanted = failure.wanted
    return [edge for edge in edges if edge.spec == wanted or edge.spec.endswith(f"@{wanted}")] or edges


def _hint(nodes: list[Node]) -> str:
    """Whose package.json can be changed."""
    if all(edge.origin.is_mine for edge in _edges_to_blame(nodes)):
        return "correct what package.json or the command line asks for"
    return "another version of what requires it may ask for something else; overrides in package.json can replace it"
