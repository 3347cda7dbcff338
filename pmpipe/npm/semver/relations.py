"""How two ranges relate: whether one lies inside the other, and whether they overlap.

Both answers follow npm where npm is not exact: it argues from the comparators, not from the set of versions.

Source: npm's ``semver``, ``ranges/subset.js``, ``ranges/intersects.js`` and ``classes/comparator.js``.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from pmpipe.errors import InvalidSpecError
from pmpipe.npm.semver.range import Comparator, ComparatorSet, Range, read_range
from pmpipe.npm.semver.token import Dialect
from pmpipe.npm.semver.version import FIRST_PRERELEASE, FIRST_RELEASE, Version, VersionKey


def intersects(first: str, second: str, *, include_prerelease: bool = False, loose: bool = True) -> bool:
    """Tell whether two ranges overlap.

    Raises:
        InvalidSpecError: one of them is no range.
    """
    dialect = Dialect(loose, include_prerelease)
    first_sets, second_sets = _sets(first, dialect), _sets(second, dialect)
    return any(
        _is_satisfiable(one, dialect)
        and any(_is_satisfiable(other, dialect) and _sets_intersect(one, other, dialect) for other in second_sets)
        for one in first_sets
    )


def subset(inner: str, outer: str, *, include_prerelease: bool = False, loose: bool = True) -> bool:
    """Tell whether every version that satisfies `inner` satisfies `outer` too.

    Raises:
        InvalidSpecError: one of them is no range (npm does not look if both are the same text).
    """
    if inner == outer:
        return True
    dialect = Dialect(loose, include_prerelease)
    outer_sets = _sets(outer, dialect)
    saw_possible = False
    for inner_set in _sets(inner, dialect):
        for outer_set in outer_sets:
            answer = _set_is_subset(inner_set, outer_set, dialect)
            saw_possible = saw_possible or answer is not None
            if answer:
                break
        else:
            # an impossible set lies inside everything, but beside a possible one npm leaves it out of account
            if saw_possible:
                return False
    return True


def _range(text: str, dialect: Dialect) -> Range:
    parsed = read_range(text, dialect)
    if parsed is None:
        raise InvalidSpecError(
            f"{text[:200]!r} is no range of versions",
            hint="write a range such as ^1.2.3, 1.x or >=1.2.3 <2",
        )
    return parsed


def _sets(text: str, dialect: Dialect) -> tuple[ComparatorSet, ...]:
    return _range(text, dialect).sets


def _passes(version: Version, comparator: Comparator, dialect: Dialect) -> bool:
    """Whether a version satisfies the range of this one comparator, which has the rule for prereleases too."""
    return _range(comparator.text, dialect).test(version)


def _is_satisfiable(one_set: ComparatorSet, dialect: Dialect) -> bool:
    comparators = one_set.comparators
    return all(
        _comparators_intersect(later, earlier, dialect)
        for index, later in enumerate(comparators)
        for earlier in comparators[:index]
    )


def _sets_intersect(first: ComparatorSet, second: ComparatorSet, dialect: Dialect) -> bool:
    return all(_comparators_intersect(one, other, dialect) for one in first.comparators for other in second.comparators)


def _comparators_intersect(first: Comparator, second: Comparator, dialect: Dialect) -> bool:
    if not first.operator:
        return first.is_any or _passes(first.version, second, dialect)
    if not second.operator:
        return second.is_any or _passes(second.version, first, dialect)
    return _open_comparators_intersect(first, second, dialect)


def _open_comparators_intersect(first: Comparator, second: Comparator, dialect: Dialect) -> bool:
    nothing = "<0.0.0-0" if dialect.include_prerelease else "<0.0.0"
    if dialect.include_prerelease and nothing in (first.text, second.text):
        return False
    if not dialect.include_prerelease and (first.text.startswith(nothing) or second.text.startswith(nothing)):
        return False
    if first.operator[0] == second.operator[0]:
        return True
    lower, upper = (first, second) if first.operator[0] == ">" else (second, first)
    order = _order(lower, upper)
    return order < 0 or ("=" in lower.operator and "=" in upper.operator and lower.version == upper.version)


def _order(first: Comparator, second: Comparator) -> int:
    return first.version.compare(second.version)


def _higher(first: Comparator | None, second: Comparator) -> Comparator:
    """The lower bound that leaves less: the higher one, and ``>`` rather than ``>=``."""
    if first is None:
        return second
    order = _order(first, second)
    if order == 0:
        return second if (first.operator, second.operator) == (">=", ">") else first
    return first if order > 0 else second


def _lower(first: Comparator | None, second: Comparator) -> Comparator:
    """The upper bound that leaves less: the lower one, and ``<`` rather than ``<=``."""
    if first is None:
        return second
    order = _order(first, second)
    if order == 0:
        return second if (first.operator, second.operator) == ("<=", "<") else first
    return first if order < 0 else second


class _Bounds(msgspec.Struct, frozen=True, gc=False):
    """What the comparators of one set come down to."""

    lower: Comparator | None
    upper: Comparator | None
    exact: tuple[Version, ...]

    @classmethod
    def of(cls, comparators: Sequence[Comparator]) -> _Bounds:
        lower: Comparator | None = None
        upper: Comparator | None = None
        exact: list[Version] = []
        for comparator in comparators:
            if comparator.operator[:1] == ">":
                lower = _higher(lower, comparator)
            elif comparator.operator[:1] == "<":
                upper = _lower(upper, comparator)
            else:
                exact.append(comparator.version)
        return cls(lower, upper, tuple(exact))

    @property
    def is_one_version(self) -> bool:
        """Whether the bounds meet in one version (``>=1.2.3 <=1.2.3``)."""
        return self.lower is not None and self.upper is not None and _order(self.lower, self.upper) == 0

    def is_impossible(self, dialect: Dialect) -> bool:
        if len(self.exact) > 1:
            return True
        if self.lower is not None and self.upper is not None:
            order = _order(self.lower, self.upper)
            if order > 0 or (order == 0 and (self.lower.operator, self.upper.operator) != (">=", "<=")):
                return True
        return any(
            bound is not None and not _passes(version, bound, dialect)
            for version in self.exact
            for bound in (self.lower, self.upper)
        )


def _anything(dialect: Dialect) -> tuple[Comparator, ...]:
    version = FIRST_PRERELEASE if dialect.include_prerelease else FIRST_RELEASE
    return (Comparator(">=", version, f">={version}"),)


def _set_is_subset(inner_set: ComparatorSet, outer_set: ComparatorSet, dialect: Dialect) -> bool | None:
    """Whether one set lies inside another; None if the inner one is impossible."""
    if inner_set.source == outer_set.source and not inner_set.matches_none:
        return True
    if outer_set.matches_all and (dialect.include_prerelease or inner_set.matches_all):
        return True
    inner = _anything(dialect) if inner_set.matches_all else inner_set.comparators
    outer = _anything(dialect) if outer_set.matches_all else outer_set.comparators
    bounds = _Bounds.of(inner)
    if bounds.is_impossible(dialect):
        return None
    if bounds.exact:
        return all(_passes(bounds.exact[0], comparator, dialect) for comparator in outer)
    return _bounds_are_inside(bounds, outer, dialect)


def _bounds_are_inside(bounds: _Bounds, outer: Sequence[Comparator], dialect: Dialect) -> bool:
    if any(not _bounds_respect(bounds, comparator) for comparator in outer):
        return False
    operators = {comparator.operator[:1] for comparator in outer}
    # open on one side, where the outer set is not
    if bounds.lower is not None and bounds.upper is None and "<" in operators:
        return False
    if bounds.upper is not None and bounds.lower is None and ">" in operators:
        return False
    return dialect.include_prerelease or all(
        any(_names_prerelease_of(comparator, triple) for comparator in outer) for triple in _prerelease_triples(bounds)
    )


def _bounds_respect(bounds: _Bounds, comparator: Comparator) -> bool:
    """Whether everything between the bounds passes one comparator of the outer set, as far as npm looks."""
    for bound, sharper, side in ((bounds.lower, _higher, ">"), (bounds.upper, _lower, "<")):
        if bound is None:
            continue
        if comparator.operator[:1] == side:
            if sharper(bound, comparator) is not bound:
                return False
        elif bound.operator == f"{side}=" and not comparator.test(bound.version):
            return False
    return bool(comparator.operator) or bounds.is_one_version


def _prerelease_triples(bounds: _Bounds) -> set[VersionKey]:
    """Major, minor and patch of the bounds that are prereleases: the inner set lets in prereleases of these."""
    triples: set[VersionKey] = set()
    for bound in (bounds.lower, bounds.upper):
        if bound is not None and bound.version.is_prerelease:
            # <1.2.3-0 lets in none
            if bound.operator == "<" and bound.version.prerelease == (0,):
                continue
            triples.add(bound.version.key[:3])
    return triples


def _names_prerelease_of(comparator: Comparator, triple: VersionKey) -> bool:
    return comparator.version.is_prerelease and comparator.version.key[:3] == triple
