"""Who is to be told, and what, when a required package cannot be had."""

from __future__ import annotations

from collections.abc import Iterable

from pmpipe.errors import PmpipeError, ProblemsError
from pmpipe.npm.text import printable
from pmpipe.resolver.node import Node
from pmpipe.resolver.peer_conflict import chain

_MAX_DEPENDENTS = 5
_SHOWN_CHARACTERS = 200


def error_for(nodes: Iterable[Node]) -> PmpipeError:
    """One error for all required nodes whose package could not be had; each says who requires it, and what to do.

    Args:
        nodes: at least one, each with a `failure`.
    """
    by_failure: dict[int, list[Node]] = {}
    for node in nodes:
        by_failure.setdefault(id(node.failure), []).append(node)
    errors = [_told(same) for same in by_failure.values()]
    return errors[0] if len(errors) == 1 else ProblemsError(errors)


def _told(nodes: list[Node]) -> PmpipeError:
    """The failure that these nodes have in common."""
    failure = nodes[0].failure
    assert failure is not None
    edges = {edge: None for node in nodes for edge in node.edges_in}
    lines = dict.fromkeys(
        f"required by {chain(edge.origin)}, as {printable(f'{edge.name}@{edge.spec}', _SHOWN_CHARACTERS)}"
        for edge in edges
    )
    shown = list(lines)[:_MAX_DEPENDENTS]
    if len(lines) > len(shown):
        shown.append(f"and by {len(lines) - len(shown)} others")
    return type(failure)(failure.what, details=(*failure.details, *shown), hint=failure.hint or _hint(nodes))


def _hint(nodes: list[Node]) -> str:
    """Whose package.json can be changed."""
    if all(edge.origin.is_mine for node in nodes for edge in node.edges_in):
        return "correct what package.json asks for"
    return "another version of what requires it may ask for something else; overrides in package.json can replace it"
