"""``overrides``: which spec holds instead of the one that a package asks for, depending on who is above it.

The project's ``overrides`` are a tree of rules. A rule names a package, perhaps only versions within a range, and says
what to take instead; the rules below it hold only beneath that package. Every node carries the innermost rule that
applied on the way to it; from there the rules in force are found by going outwards. The root of the tree of rules
matches nothing and is what holds at the project.

Two ways to a node may bring two rules. The narrower one wins where one lies inside the other; else, unless they
contradict each other, what both lie in holds.

Source: npm's package.json documentation; ``@npmcli/arborist``, ``override-set.js``.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from pmpipe.errors import InvalidSpecError, ManifestError
from pmpipe.npm.manifests.override_key import split_override_key
from pmpipe.npm.semver import intersects, parse_range, parse_version
from pmpipe.resolver.request import Request, RequestKind, read_request

if TYPE_CHECKING:
    from pmpipe.resolver.node import Edge
    from pmpipe.resolver.package import Package
    from pmpipe.resolver.tree import Tree


class OverrideRule:
    """One rule and those below it.

    Attributes:
        parent: the rule it stands in, or None for the root.
        key: as written, for example ``minimatch@^3``; empty for the root.
        name: of the package that the rule is about.
        key_spec: the part of the key behind the name; ``*`` where there is none.
        value: the spec to take; `key_spec` where the rule only holds others.
        children: the rules inside, by key.
    """

    __slots__ = ("_ruleset", "children", "key", "key_spec", "name", "parent", "value")

    def __init__(self, overrides: Any, key: str = "", parent: OverrideRule | None = None) -> None:
        self.parent = parent
        self.key = key
        self.name = self.key_spec = self.value = ""
        self._ruleset: dict[str, OverrideRule] | None = None
        members: Mapping[str, Any] = overrides if isinstance(overrides, Mapping) else {".": overrides}
        own = members.get(".")
        if own is not None and not isinstance(own, str):
            raise ManifestError(f"overrides: the value for {key} is neither a text nor an object")
        if parent is not None:
            self.name, self.key_spec = split_override_key(key)
            self.value = ("*" if own == "" else own) or self.key_spec
        self.children = {
            child_key: OverrideRule(value, child_key, self) for child_key, value in members.items() if child_key != "."
        }

    def ancestry(self) -> Iterator[OverrideRule]:
        """The rule itself, then outwards."""
        rule: OverrideRule | None = self
        while rule is not None:
            yield rule
            rule = rule.parent

    @property
    def ruleset(self) -> dict[str, OverrideRule]:
        """The rules in force at a node that carries this one, by key; inner ones hide outer ones of the same key."""
        if self._ruleset is None:
            found: dict[str, OverrideRule] = {}
            for rule in self.ancestry():
                for child in rule.children.values():
                    found.setdefault(child.key, child)
                if rule.parent is not None:
                    found.setdefault(rule.key, rule)
            self._ruleset = found
        return self._ruleset

    def rule_for(self, edge: Edge) -> OverrideRule:
        """The rule that an edge of a node with this rule carries on: one about its name, or this one."""
        for rule in self.ruleset.values():
            if rule.name == edge.dependency.name and rule.applies_to(edge.dependency.spec):
                return rule
        return self

    def applies_to(self, spec: str) -> bool:
        """Whether a spec may mean versions that the rule is about."""
        if self.key_spec == "*":
            return True
        # only the kind of a path counts here, so that any folder will do
        request = _readable(self.name, spec)
        if request is None:
            return True
        if request.kind is RequestKind.GIT:
            return bool(request.git_range) and _overlap(request.git_range, self.key_spec)
        if request.kind in (RequestKind.RANGE, RequestKind.VERSION):
            return _overlap(request.wanted or "*", self.key_spec)
        # tags, folders and tarballs cannot be compared with a range: npm takes the rule
        return True

    def rule_for_package(self, package: Package) -> OverrideRule:
        """The rule for a package that is known, such as a workspace."""
        for rule in self.ruleset.values():
            if rule.name == package.name and (
                _contains(rule.key_spec, package.version) or _contains(rule.value, package.version)
            ):
                return rule
        return self

    def spec_for(self, edge: Edge) -> str:
        """The spec that holds for an edge that carries this rule.

        Raises:
            ManifestError: a ``$name`` refers to nothing.
        """
        if not self.value or self.value == "*" or self.name != edge.dependency.name:
            return edge.dependency.spec
        if not self.value.startswith("$"):
            return self.value
        referred = self.value[1:]
        origin = edge.origin
        tree = origin.stands_for.tree if origin.stands_for is not None else origin.tree
        # npm does not look at the project from inside of a peer set, and fails if it asks there at all
        project = _project_of(tree) if tree is not None else None
        for package in (tree.root.package if tree is not None else origin.package, origin.package, project):
            if package is None:
                continue
            for specs in (
                package.dev_dependencies,
                package.optional_dependencies,
                package.dependencies,
                package.peer_dependencies,
            ):
                if specs.get(referred):
                    return specs[referred]
        raise ManifestError(
            f"overrides: {self.value} refers to no dependency",
            details=(f"needed for {edge.name}",),
            hint=f"add {referred} to the project's dependencies, or write the version itself",
        )

    def same_as(self, other: OverrideRule | None) -> bool:
        """Whether two rules say the same in the same place."""
        if self is other:
            return True
        if other is None or self.key != other.key or self.value != other.value or not self._same_children(other):
            return False
        if self.parent is None:
            return other.parent is None
        return self.parent.same_as(other.parent)

    def _same_children(self, other: OverrideRule) -> bool:
        if self.children.keys() != other.children.keys():
            return False
        return all(
            child.value == other.children[key].value and child._same_children(other.children[key])  # noqa: SLF001
            for key, child in self.children.items()
        )

    def __repr__(self) -> str:
        return " > ".join(reversed([rule.key or "." for rule in self.ancestry()]))


def narrower(first: OverrideRule, second: OverrideRule) -> OverrideRule | None:
    """The rule that holds where both do, or None if they contradict each other."""
    if first is second or any(rule.same_as(first) for rule in second.ancestry()):
        return second
    if any(rule.same_as(second) for rule in first.ancestry()):
        return first
    if contradict(first, second):
        return None
    return next(
        (mine for theirs in second.ancestry() for mine in first.ancestry() if mine.same_as(theirs)),
        None,
    )


def conflict(first: OverrideRule, second: OverrideRule) -> bool:
    """Whether no package can be below both rules."""
    return narrower(first, second) is None and contradict(first, second)


def contradict(first: OverrideRule, second: OverrideRule) -> bool:
    """Whether some package is to have one version under the first rule and another one under the second."""
    others = second.ruleset
    for key, mine in first.ruleset.items():
        theirs = others.get(key)
        if theirs is None or mine.same_as(theirs) or mine.value.startswith("$") or theirs.value.startswith("$"):
            continue
        if _are_disjoint(mine, theirs):
            return True
    return False


def _are_disjoint(first: OverrideRule, second: OverrideRule) -> bool:
    ranges: list[str] = []
    for rule in (first, second):
        request = _readable(rule.name, rule.value)
        if request is None or request.kind not in (RequestKind.RANGE, RequestKind.VERSION):
            return False
        ranges.append(request.wanted or "*")
    return not _overlap(ranges[0], ranges[1])


def _project_of(tree: Tree) -> Package | None:
    """The project's package, seen from a peer set's tree or from its own."""
    while tree.root.stands_for is not None:
        outer = tree.root.stands_for.tree
        if outer is None:
            return None
        tree = outer
    return tree.root.package


def _readable(name: str, spec: str) -> Request | None:
    try:
        return read_request(name, spec, "/")
    except InvalidSpecError:
        return None


def _overlap(first: str, second: str) -> bool:
    if parse_range(first) is None or parse_range(second) is None:
        return False
    return intersects(first, second, loose=False)


def _contains(range_text: str, version: str) -> bool:
    parsed_range, parsed_version = parse_range(range_text), parse_version(version)
    return parsed_range is not None and parsed_version is not None and parsed_range.test(parsed_version)
