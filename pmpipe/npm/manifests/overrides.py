"""The root's ``overrides``: which spec replaces which dependency's, and for whom.

A rule names a package, perhaps with a range (``foo@^2``), and gives a spec for it, or rules that hold only below that
package, or both (the spec under ``.``). Which rules hold for a package depends on the ways that lead to it, so the
innermost set of rules travels along the edges; where two ways disagree, the more specific set wins.

Source: npm's ``@npmcli/arborist``, ``lib/override-set.js`` and ``lib/edge.js``.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from pmpipe.errors import InvalidSpecError, ManifestError
from pmpipe.npm.locks.lock_graph import Edge, LockGraph
from pmpipe.npm.locks.package_path import ROOT, PackagePath
from pmpipe.npm.manifests.declared import Declared, DependencyMap
from pmpipe.npm.manifests.manifest import Manifest
from pmpipe.npm.manifests.override_key import split_override_key
from pmpipe.npm.manifests.resolutions import with_resolutions
from pmpipe.npm.semver import intersects, valid_range
from pmpipe.npm.specs.spec import parse_spec
from pmpipe.npm.specs.spec_types import AliasSpec, GitSpec, RangeSpec, VersionSpec

ANY = "*"


class OverrideSet:
    """One rule and the rules that hold below it; the outermost set is no rule, and has neither name nor spec.

    Attributes:
        name: the package that the rule is for.
        key_range: the range that a dependency must overlap with to be overridden; ``*`` for all.
        spec: what replaces the dependency's own spec; ``*`` leaves it as it is, ``$name`` refers to the root's own.
        parent: the set that this one lies in; None for the outermost.
    """

    __slots__ = ("children", "key", "key_range", "name", "parent", "ruleset", "spec")

    def __init__(self, rules: str | Mapping[str, Any], key: str = "", parent: OverrideSet | None = None) -> None:
        own = rules if isinstance(rules, str) else rules.get(".", "" if "." in rules else None)
        self.key = key
        self.parent = parent
        self.name, self.key_range = split_override_key(key) if parent is not None else ("", "")
        # an empty spec means any version, no spec means the range of the key itself
        self.spec = (own or ANY) if isinstance(own, str) else self.key_range
        self.children: dict[str, OverrideSet] = {}
        if not isinstance(rules, str):
            for child_key, child in rules.items():
                if child_key != ".":
                    self.children[child_key] = OverrideSet(child, child_key, self)
        self.ruleset: tuple[OverrideSet, ...] = ()

    @classmethod
    def of(cls, manifest: Manifest, *, with_yarns: bool = False) -> OverrideSet | None:
        """The rules of a root package.json, or None if it has none.

        Args:
            manifest: the root's.
            with_yarns: yarn's ``resolutions`` count, too.

        Raises:
            ManifestError: a rule's name has no package name in it.
        """
        rules = with_resolutions(manifest.overrides, manifest.resolutions if with_yarns else None)
        if not rules:
            return None
        outermost = cls(rules)
        outermost.complete_rulesets()
        return outermost

    def complete_rulesets(self) -> None:
        """Collect for this set and those in it the rules in force, inner ones first; once all sets exist."""
        rules: dict[str, OverrideSet] = {}
        for one in self.ancestry():
            for child in one.children.values():
                rules.setdefault(child.key, child)
            if one.parent is not None:
                rules.setdefault(one.key, one)
        self.ruleset = tuple(rules.values())
        for child in self.children.values():
            child.complete_rulesets()

    def names(self) -> Iterator[str]:
        """The names that this rule and those in it are for."""
        if self.parent is not None:
            yield self.name
        for child in self.children.values():
            yield from child.names()

    def ancestry(self) -> Iterator[OverrideSet]:
        """This set and those that it lies in, the outermost last."""
        one: OverrideSet | None = self
        while one is not None:
            yield one
            one = one.parent

    def rule_for(self, edge: Edge) -> OverrideSet:
        """The set that holds for a dependency of a package for which this set holds."""
        for rule in self.ruleset:
            if rule.name == edge.name and (rule.key_range == ANY or _overlaps(edge, rule.key_range)):
                return rule
        return self

    def overrides(self, edge: Edge) -> bool:
        """Whether this set, being the one that holds for a dependency, gives it another spec."""
        return self.parent is not None and self.name == edge.name and self.spec != ANY

    def common(self, other: OverrideSet) -> OverrideSet:
        """The innermost set that both lie in."""
        return next(one for one in self.ancestry() if other.lies_in(one))

    def lies_in(self, other: OverrideSet) -> bool:
        """Whether the other set is this one, or one that it lies in."""
        return any(one is other for one in self.ancestry())


class Overrides:
    """The overrides of a project, applied to the graph of a lockfile.

    Args:
        graph: the lockfile's graph; its root package.json has the rules.
        with_resolutions: yarn's ``resolutions`` count, too.

    Raises:
        ManifestError: a rule is malformed.
    """

    def __init__(self, graph: LockGraph, *, with_resolutions: bool = False) -> None:
        self._graph = graph
        self._set_of: dict[PackagePath, OverrideSet] = {}
        #: packages that two ways with unrelated sets lead to; their set is not made more specific again
        self._disputed: set[PackagePath] = set()
        #: the names that any rule is for; other dependencies keep their specs
        self._names: frozenset[str] = frozenset()
        self._outermost = OverrideSet.of(graph.project.root, with_yarns=with_resolutions)
        if self._outermost is not None:
            self._names = frozenset(self._outermost.names())
            # without rules within rules all packages see the same ones
            if any(rule.children for rule in self._outermost.children.values()):
                self._spread(graph, self._outermost)

    def rule(self, edge: Edge) -> OverrideSet | None:
        """The set of rules that holds for a dependency; None if no rule is for its name."""
        if edge.name not in self._names:
            return None
        holding = self._set_of.get(edge.source) if self._set_of else self._outermost
        return holding.rule_for(edge) if holding is not None else None

    def spec(self, rule: OverrideSet, edge: Edge) -> str:
        """The spec that a rule puts in place of a dependency's own.

        Raises:
            ManifestError: the rule refers to a dependency that neither the root has nor the package that needs it.
        """
        if not rule.spec.startswith("$"):
            return rule.spec
        name = rule.spec[1:]
        own = self._graph.declared(edge.source)
        for declared in (*_maps_of(self._graph.project.root), *_maps_of(own)):
            if declared and declared.get(name):
                return declared[name]
        raise ManifestError(
            f"package.json: overrides > {rule.key}: {rule.spec} refers to no dependency of the project",
            hint=f"add {name} to the dependencies, or write the version itself",
        )

    def _spread(self, graph: LockGraph, outermost: OverrideSet) -> None:
        """Carry the sets along all edges until nothing changes.

        It ends: a package's set becomes ever more specific, until a dispute makes it ever less so.
        """
        self._set_of[ROOT] = outermost
        waiting = [ROOT]
        while waiting:
            path = waiting.pop()
            holding = self._set_of[path]
            target = graph.target(path)
            if target != path:
                reached = [(target, holding)]
            else:
                reached = [
                    (edge.target, holding.rule_for(edge))
                    for edge in graph.edges.get(path, ())
                    if edge.target is not None
                ]
            waiting.extend(arrived for arrived, rules in reached if self._arrive(arrived, rules))

    def _arrive(self, path: PackagePath, arriving: OverrideSet) -> bool:
        """Merge a set into the one that a package has; tell whether that one changed."""
        held = self._set_of.get(path)
        if held is None:
            merged = arriving
        elif held.lies_in(arriving):
            merged = held
        elif arriving.lies_in(held) and path not in self._disputed:
            merged = arriving
        else:
            self._disputed.add(path)
            merged = held.common(arriving)
        self._set_of[path] = merged
        return merged is not held


def _maps_of(package: Declared) -> tuple[DependencyMap | None, ...]:
    """The maps in which a reference is looked for, in npm's order."""
    return (
        package.dev_dependencies,
        package.optional_dependencies,
        package.dependencies,
        package.peer_dependencies,
    )


def _overlaps(edge: Edge, key_range: str) -> bool:
    """Whether a rule for a range concerns a dependency, as its package writes it."""
    try:
        wanted = parse_spec(edge.name, edge.requested or ANY, "/", home="/")
    except InvalidSpecError:
        # no entry can satisfy such a spec, with or without the rule
        return False
    if isinstance(wanted, AliasSpec):
        wanted = wanted.sub_spec
    if isinstance(wanted, GitSpec):
        return wanted.semver_range is not None and _ranges_overlap(wanted.semver_range, key_range)
    if isinstance(wanted, (RangeSpec, VersionSpec)):
        return _ranges_overlap(wanted.fetch_spec, key_range)
    # tags, folders and tarballs cannot be compared with a range: npm takes the rule
    return True


def _ranges_overlap(first: str, second: str) -> bool:
    return valid_range(first) is not None and valid_range(second) is not None and intersects(first, second)
