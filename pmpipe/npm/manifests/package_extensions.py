"""``packageExtensions`` of the project's package.json: rules that repair what packages say of their dependencies.

A rule is for a name, or a name and a range of versions; at most one may hold for a package. It adds dependencies that
the package forgot to name, and adds or replaces peers; it cannot take anything away. What is installed keeps its own
package.json: it is the tree, and the lock, that are made as if the package had said so.

Source: npm 12's ``@npmcli/arborist``, ``lib/package-extensions.js``.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

from pmpipe.errors import ManifestError, RepairError
from pmpipe.npm.manifests.extension_hash import hash_of_rules
from pmpipe.npm.packages.packument import RawManifest
from pmpipe.npm.semver import satisfies, valid_range
from pmpipe.npm.specs.names import is_valid_name
from pmpipe.npm.texts.json_text import place_of, without_bom

#: The field of package.json.
PACKAGE_EXTENSIONS = "packageExtensions"
#: Those of a manifest that may be repaired, and the attributes of `RawManifest` that hold them.
REPAIRABLE = {
    "dependencies": "dependencies",
    "optionalDependencies": "optional_dependencies",
    "peerDependencies": "peer_dependencies",
    "peerDependenciesMeta": "peer_dependencies_meta",
}
_META = "peerDependenciesMeta"
_ADD_ONLY = ("dependencies", "optionalDependencies")
_DELETIONS = (None, False, "-")

Fields = dict[str, dict[str, Any]]


class Rule(msgspec.Struct, frozen=True):
    """One rule.

    Attributes:
        selector: its key in package.json.
        name: of the packages that it is for.
        range: of their versions; None for all.
        fields: what it adds, by the manifest's field.
    """

    selector: str
    name: str
    range: str | None
    fields: Mapping[str, Mapping[str, Any]]

    def matches(self, name: str, version: str) -> bool:
        """Whether it is for this package."""
        return name == self.name and (self.range is None or satisfies(version, self.range))


class Repaired(msgspec.Struct, frozen=True):
    """A manifest that is not quite its author's.

    Attributes:
        manifest: as it counts.
        applied: what a lockfile says of that: the rule's selector, and by field the names that it concerns.
    """

    manifest: RawManifest
    applied: dict[str, Any]


class PackageExtensions:
    """The rules of a project.

    Args:
        data: the text of its package.json, which has the field.
        file: its name, for messages.

    Attributes:
        rules: in the order of package.json.
        hash: SRI of all of them, by which a lock tells that they have changed.

    Raises:
        ManifestError: the field has what cannot be used; everything that is wrong is named.
    """

    def __init__(self, data: bytes, file: str) -> None:
        self._data = without_bom(data)
        self._file = file
        given = msgspec.json.decode(self._data)[PACKAGE_EXTENSIONS]
        faults = list(_faults(given))
        if faults:
            details = [
                f"{self._place(*path)}: {' > '.join((PACKAGE_EXTENSIONS, *path))} {what}" for path, what in faults
            ]
            raise ManifestError(f"{file}: {PACKAGE_EXTENSIONS} cannot be used", details=details)
        self.rules = tuple(Rule(selector, *_split(selector), fields) for selector, fields in given.items())
        self.hash = hash_of_rules(given)

    def would_match(self, name: str, version: str) -> bool:
        """Whether any rule is for this package."""
        return any(rule.matches(name, version) for rule in self.rules)

    def rule_for(self, name: str, version: str) -> Rule | None:
        """The rule for a package, or None.

        Raises:
            RepairError: there are several.
        """
        found = [rule for rule in self.rules if rule.matches(name, version)]
        if len(found) > 1:
            selectors = ", ".join(f'"{rule.selector}"' for rule in found)
            raise RepairError(
                f"{self._place(found[1].selector)}: several packageExtensions are for {name}@{version}: {selectors}",
                hint="narrow their ranges, or make one of them",
            )
        return found[0] if found else None

    def repaired(self, manifest: RawManifest) -> Repaired | None:
        """What a manifest is with the rule for it, or None if there is none.

        Raises:
            RepairError: there are several, or the rule contradicts the manifest.
        """
        if not isinstance(manifest.name, str):
            return None
        version = manifest.version if isinstance(manifest.version, str) else ""
        rule = self.rule_for(manifest.name, version)
        if rule is None:
            return None
        fields = fields_of(manifest)
        faults = list(_contradictions(rule, fields))
        if faults:
            raise RepairError(
                f"packageExtensions > {rule.selector} cannot be applied to {manifest.name}@{version}",
                details=[f"{self._place(rule.selector, *path)}: {what}" for path, what in faults],
                hint="what a package asks for already is changed by overrides",
            )
        for field, added in rule.fields.items():
            known = fields.setdefault(field, {})
            for name, value in added.items():
                known[name] = {**known.get(name, {}), **value} if field == _META else value
        applied = {field: list(rule.fields[field]) for field in REPAIRABLE if rule.fields.get(field)}
        return Repaired(with_fields(manifest, fields), {"selector": rule.selector, **applied})

    def _place(self, *path: str) -> str:
        return str(place_of(self._data, (PACKAGE_EXTENSIONS, *path), self._file))


def fields_of(manifest: RawManifest) -> Fields:
    """Copies of what may be repaired of a manifest, by field; what is no object is left out."""
    fields: Fields = {}
    for field, attribute in REPAIRABLE.items():
        value = getattr(manifest, attribute)
        if isinstance(value, dict):
            fields[field] = dict(value)
    optional = fields.get("optionalDependencies")
    # npm takes what stands in both for optional before anything is repaired
    if optional and "dependencies" in fields:
        fields["dependencies"] = {name: spec for name, spec in fields["dependencies"].items() if name not in optional}
    if _META in fields:
        fields[_META] = {name: meta if isinstance(meta, dict) else {} for name, meta in fields[_META].items()}
    return fields


def with_fields(manifest: RawManifest, fields: Fields) -> RawManifest:
    """A manifest with other dependencies; it bundles what it bundled before."""
    changes: dict[str, Any] = {REPAIRABLE[field]: value for field, value in fields.items()}
    for attribute in ("bundle_dependencies", "bundled_dependencies"):
        if getattr(manifest, attribute) is True and isinstance(manifest.dependencies, dict):
            changes[attribute] = list(manifest.dependencies)
    return msgspec.structs.replace(manifest, **changes)


def _contradictions(rule: Rule, fields: Fields) -> Iterator[tuple[tuple[str, ...], str]]:
    known = {name: field for field in reversed(_ADD_ONLY) for name in fields.get(field, ())}
    for field in _ADD_ONLY:
        for name in rule.fields.get(field, ()):
            if name in known:
                yield (field, name), f"{name} is among its {known[name]} already"
            known.setdefault(name, field)
    peers = {**fields.get("peerDependencies", {}), **rule.fields.get("peerDependencies", {})}
    for name in rule.fields.get(_META, ()):
        if name not in peers:
            yield (_META, name), f"{name} is not among its peerDependencies"


# -- reading ------------------------------------------------------------------------------------------------------


def _split(selector: str) -> tuple[str, str | None]:
    """Name and range of a selector."""
    name, at, wanted = selector[1:].partition("@")
    return selector[:1] + name, wanted if at else None


def _faults(given: Any) -> Iterator[tuple[tuple[str, ...], str]]:
    """What is wrong with the rules, each fault with the keys that lead to it."""
    if not isinstance(given, dict):
        yield (), "must be an object of rules"
        return
    for selector, fields in given.items():
        what = _fault_in_selector(selector)
        if what:
            yield (selector,), what
        if not isinstance(fields, dict):
            yield (selector,), "must be an object of dependencies"
            continue
        for field, value in fields.items():
            yield from (((selector, *path), what) for path, what in _faults_in_field(field, value))


def _fault_in_selector(selector: str) -> str:
    name, wanted = _split(selector)
    if not is_valid_name(name):
        return "does not begin with the name of a package"
    if wanted is not None and not wanted.strip():
        return "lacks its range; for all versions the name alone is enough"
    if wanted is not None and valid_range(wanted) is None:
        return f"is for {wanted}, which is no range of versions"
    return ""


def _faults_in_field(field: str, value: Any) -> Iterator[tuple[tuple[str, ...], str]]:
    if field not in REPAIRABLE:
        yield (field,), f"cannot be repaired, only {', '.join(REPAIRABLE)} can"
    elif not isinstance(value, dict):
        yield (field,), "must be an object"
    else:
        for name, one in value.items():
            if field == _META:
                if not isinstance(one, dict):
                    yield (field, name), "must be an object"
            elif one in _DELETIONS:
                yield (field, name), "would take something away, which a rule cannot"
            elif not isinstance(one, str):
                yield (field, name), "must be a string"


def workspace_warnings(rules: PackageExtensions, workspaces: Mapping[str, Mapping[str, Any]]) -> Iterator[str]:
    """One line for each workspace that has rules of its own, or that one of the project's is for: neither counts.

    Args:
        rules: the project's.
        workspaces: the package.json files by the workspaces' names.
    """
    for name, manifest in workspaces.items():
        if PACKAGE_EXTENSIONS in manifest:
            yield f"packageExtensions of the workspace {name} are ignored: only those of the project itself count"
        version = manifest.get("version")
        if rules.would_match(name, version if isinstance(version, str) else ""):
            yield f"packageExtensions do not change workspaces: {name} is one, and has its own package.json"
