"""What to tell a person whose dependencies cannot be had, or not together (npm's ERESOLVE).

The message answers three questions in this order: who wants what, what stands in the way, and who needs that.
"""

from __future__ import annotations

from collections.abc import Sequence

from pmpipe.errors import PmpipeError
from pmpipe.resolver.can_place import Check
from pmpipe.resolver.node import Edge, Node
from pmpipe.resolver.package import Package

_MAX_DEPENDENTS = 3
_MAX_STEPS = 8
#: characters of ranges that are compared for a hint: it takes longer than in proportion
_MAX_COMPARED = 200

_FLAGS = "--legacy-peer-deps installs without looking at peer dependencies, --force takes a version that does not fit"
_HINT = f"change one of these ranges so that one version satisfies all, or override it in package.json; {_FLAGS}"


class PeerConflictError(PmpipeError):
    """No version of a package satisfies all who must share it."""

    code = "PM_PEER_CONFLICT"


def describe(edge: Edge) -> str:
    """An edge as a sentence's part: ``react-dom@18.3.1 needs peer react@^18.3.1``."""
    dependency = edge.dependency
    kind = "" if dependency.kind.value == "prod" else f"{dependency.kind.value} "
    spec = edge.spec
    overridden = "" if spec == dependency.spec else f" (overridden, the package says {dependency.spec or '*'})"
    return f"{who(edge.origin)} needs {kind}{edge.name}@{spec or '*'}{overridden}"


def who(node: Node) -> str:
    """A node as a person calls it."""
    real = node.stands_for or node
    if real.is_project:
        return "the project"
    if real.failure is not None and not real.version:
        return real.name
    # a folder outside of node_modules is called as it is called on the disk, which makes no alias of its package
    is_alias = real.parent is not None and real.package.name != real.name
    label = f"{real.name}@npm:{real.package.label}" if is_alias else real.package.label
    return f"workspace {label}" if real.is_workspace else label


def chain(node: Node) -> str:
    """How a node comes into the project: ``the project > a@1.0.0 > b@2.0.0``."""
    steps: list[str] = []
    seen: set[Node] = set()
    here: Node | None = node.stands_for or node
    while here is not None and here not in seen and len(steps) < _MAX_STEPS:
        seen.add(here)
        # a link and its target are one thing to whoever reads this
        if here.target is None or here.target not in seen:
            steps.append(who(here))
        edge = next((e for e in here.edges_in if e.error is None and e.origin not in seen), None)
        link = next(iter(here.links_in), None)
        here = edge.origin if edge is not None else link
        here = None if here is None else here.stands_for or here
    return " > ".join(reversed(steps))


def explain_conflict(edge: Edge, candidate: Node, check: Check | None) -> PeerConflictError:
    """The error for a package that has no place.

    Args:
        edge: for which the package, with its peers, was to be placed.
        candidate: the package.
        check: what was found at the last place where the package alone would have had room, or None.
    """
    details = [describe(edge)]
    current = edge.origin.resolve(edge.dependency.key)
    blocked: Edge | None = None
    if check is not None:
        conflict = next((child for child in check.conflicts() if child.current is not None), None)
        if conflict is not None and conflict.current is not None:
            blocked, current = conflict.edge, conflict.current
            details.append(f"{describe(conflict.edge)}, and would get {who(conflict.candidate)}")
    details.extend(_what_is_there(current, blocked or edge))
    return PeerConflictError(
        f"cannot place {who(candidate)} for {chain(edge.origin)}",
        details=tuple(details),
        hint=_hint(_failure_of(current)),
    )


def explain_set_conflict(edge: Edge, rival: Edge | None) -> PeerConflictError:
    """The error for a peer set whose members contradict each other.

    Args:
        edge: the peer that is not content.
        rival: the edge that wants something else under that name, where it is known.
    """
    details = [describe(edge)]
    if rival is not None:
        details.append(describe(rival))
    details.extend(_what_is_there(edge.target, edge))
    missing = _failure_of(edge.target)
    wrong = "contradict each other" if missing is None else "cannot be had"
    hint = _hint(missing)
    if missing is None and rival is None and edge.target is not None and _suits_all(edge, edge.target):
        hint = f"depend on {edge.name}@{edge.spec} in package.json: all can share that; or override it there; {_FLAGS}"
    return PeerConflictError(
        f"the peer dependencies of {chain(edge.origin)} {wrong}", details=tuple(details), hint=hint
    )


def explain_depth(edge: Edge) -> PeerConflictError:
    """The error for peers that need each other in a longer row than can be followed."""
    return PeerConflictError(
        f"the peer dependencies of {chain(edge.origin)} go too deep", details=(describe(edge),), hint=_HINT
    )


def explain_circle() -> PeerConflictError:
    """The error for peers that push each other out without an end, where nobody can tell any more which."""
    return PeerConflictError(
        "the dependencies cannot be put together: peers of peers push each other out in a circle, or go too deep",
        hint=_HINT,
    )


def explain_endless(edge: Edge, placed: Node, rivals: Sequence[Package]) -> PeerConflictError:
    """The error for versions that would replace each other for ever.

    Args:
        edge: for which the last one was placed.
        placed: the last one.
        rivals: all that have been there, this one among them.
    """
    details = [f"{' and '.join(package.label for package in rivals)} replace each other at {placed.location}"]
    details.append(describe(edge))
    others = [other for other in placed.edges_in if other is not edge]
    details += [f"  {describe(other)}" for other in others if other.error is not None][:_MAX_DEPENDENTS]
    details += [f"  {describe(other)}" for other in others if other.error is None][:_MAX_DEPENDENTS]
    return PeerConflictError(f"no version of {placed.name} satisfies all who share it", details=details, hint=_HINT)


def _what_is_there(current: Node | None, wanted: Edge) -> list[str]:
    if current is None:
        return []
    failure = _failure_of(current)
    if failure is not None:
        # npm calls it a version that is undefined
        return [f"but {current.name} cannot be had: {failure.what}", *(f"  {line}" for line in failure.details)]
    lines = [f"but {who(current)} is there already"]
    others = [edge for edge in current.edges_in if edge is not wanted and edge.error is None]
    lines += [f"  because {describe(edge)}" for edge in others[:_MAX_DEPENDENTS]]
    if len(others) > _MAX_DEPENDENTS:
        lines.append(f"  and {len(others) - _MAX_DEPENDENTS} more")
    return lines


def _suits_all(edge: Edge, current: Node) -> bool:
    """Whether each version that an edge allows suits all who are content with another one; none of them the user's own.

    Who is not content has a version of its own.
    """
    from pmpipe.npm.semver import valid_range
    from pmpipe.npm.semver.relations import subset

    others = [other for other in current.edges_in if other is not edge and other.error is None]
    edges = (edge, *others)
    if sum(len(one.spec) for one in edges) > _MAX_COMPARED or any(one.origin.is_mine for one in edges):
        return False
    if any(valid_range(one.spec) is None for one in edges):
        return False
    return all(subset(edge.spec, other.spec) for other in others)


def _failure_of(node: Node | None) -> PmpipeError | None:
    """Why there is no package where one is in the way."""
    real = None if node is None else node.stands_for or node
    return None if real is None or real.version else real.failure


def _hint(failure: PmpipeError | None) -> str:
    return (failure.hint if failure is not None else "") or _HINT
