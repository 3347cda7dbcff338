"""Which version of a package a spec means: npm's choice among the versions of a packument.

A tag and an exact version mean just that. For a range the version tagged ``latest`` (or what ``--tag`` names) is taken
if it satisfies, runs on this Node.js and is not deprecated; else the highest version by this order: not deprecated and
engine fits, engine fits, not deprecated, the rest. With `before`, versions published later do not exist.

Source: npm's ``npm-pick-manifest``.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from typing import NamedTuple

import msgspec

from pmpipe.npm.packages.packument import Json, Packument, RawManifest
from pmpipe.npm.semver import Range, VersionKey, parse_range, parse_version, satisfies
from pmpipe.npm.semver.range import Window
from pmpipe.npm.semver.version import loose_version

# npm's order among versions that satisfy, best first
_BEST, _ENGINE_FITS, _CURRENT, _ANY = range(4)


class _Candidate(NamedTuple):
    key: VersionKey
    text: str

    def order(self) -> VersionKey:
        return self.key


class PickOptions(msgspec.Struct, frozen=True):
    """How to pick.

    Attributes:
        default_tag: the tag preferred for ranges and meant by no spec at all (npm's ``--tag``).
        before: only versions published until then count; seconds since 1970, or None for all.
        node_version: of the Node.js that will run the packages; empty to let any engine fit.
        npm_version: of the npm that packages may ask for under ``engines``; empty to let any fit.
    """

    default_tag: str = "latest"
    before: float | None = None
    node_version: str = ""
    npm_version: str = ""


def pick_manifest(packument: Packument, wanted: str, options: PickOptions) -> RawManifest | None:
    """The manifest that a spec means, or None if there is none.

    Args:
        packument: of the package.
        wanted: version, range or tag, without the package's name; empty means any version.
        options: see there.

    Raises:
        RegistryError: the data of a version that has to be looked at cannot be used.
    """
    wanted = wanted.strip()
    if not wanted:
        return _pick_from_range(packument, "*", options)
    exact = parse_version(wanted)
    if exact is not None:
        text = str(exact)
        return packument.manifest(text) if _is_before(packument, text, options) else None
    if parse_range(wanted) is not None:
        return _pick_from_range(packument, wanted, options)
    tagged = packument.dist_tags.get(wanted)
    if not isinstance(tagged, str):
        return None
    if _is_before(packument, tagged, options):
        return packument.manifest(tagged)
    return _pick_from_range(packument, f"<={tagged}", options)


def engine_fits(engines: Json, node_version: str, npm_version: str) -> bool:
    """Tell whether a manifest's ``engines`` allow these versions; an empty version fits everything."""
    if not isinstance(engines, dict):
        return True
    return _allows(engines.get("node"), node_version) and _allows(engines.get("npm"), npm_version)


def _allows(wanted: Json, version: str) -> bool:
    if not wanted or not version:
        return True
    return isinstance(wanted, str) and _satisfies_engine(version, wanted)


@lru_cache(maxsize=4096)
def _satisfies_engine(version: str, wanted: str) -> bool:
    return satisfies(version, wanted, include_prerelease=True, loose=False)


def _is_before(packument: Packument, version: str, options: PickOptions) -> bool:
    if options.before is None:
        return True
    published = packument.publish_times().get(version)
    if not isinstance(published, str):
        return True
    moment = _seconds(published)
    return moment is not None and moment <= options.before


@lru_cache(maxsize=1 << 14)
def _seconds(moment: str) -> float | None:
    from datetime import datetime, timezone

    try:
        parsed = datetime.fromisoformat(moment.replace("Z", "+00:00"))
    except ValueError:
        return None
    return (parsed if parsed.tzinfo else parsed.replace(tzinfo=timezone.utc)).timestamp()


def _pick_from_range(packument: Packument, wanted: str, options: PickOptions) -> RawManifest | None:
    wanted_range = parse_range(wanted)
    if wanted_range is None:
        return None
    preferred = packument.dist_tags.get(options.default_tag)
    if isinstance(preferred, str) and packument.has_version(preferred):
        version = parse_version(preferred)
        if wanted == "*" or (version is not None and wanted_range.test(version)):
            manifest = packument.manifest(preferred)
            if (
                manifest is not None
                and not manifest.deprecated
                and engine_fits(manifest.engines, options.node_version, options.npm_version)
                and _is_before(packument, preferred, options)
            ):
                return manifest
    found = _satisfying(packument, wanted_range)
    if not found:
        return None
    # sorting is not needed as long as the highest version has nothing against it
    highest = max(found, key=_Candidate.order).text
    manifest = packument.manifest(highest)
    if manifest is not None and _rank(manifest, options) == _BEST and _is_before(packument, highest, options):
        return manifest
    return _best(packument, found, options)


def _satisfying(packument: Packument, wanted: Range) -> list[_Candidate]:
    """The versions that satisfy, in the packument's order."""
    found: list[_Candidate] = []
    test = wanted.test
    for text in _candidates(packument, wanted):
        version = loose_version(text)
        if version is not None and test(version):
            found.append(_Candidate(version.key, text))
    return found


def _candidates(packument: Packument, wanted: Range) -> Iterable[str]:
    """The versions that may satisfy, judged by their first characters and their dashes, before any is read.

    Where all that satisfy have one major, other majors are left out; where no comparator names a prerelease, so are
    prereleases. A registry's versions are normalised; those that are not (a leading zero, v or space) are kept.
    """
    major = _only_major(wanted)
    texts: Iterable[str] = packument.versions
    if major:
        texts = [text for text in texts if text.startswith(major) or not "1" <= text[:1] <= "9"]
    if wanted.needs_comparators or any(map(_admits_prereleases, wanted.windows)):
        return texts
    # the build metadata of a release may hold a dash
    return [text for text in texts if "-" not in text or "+" in text]


def _admits_prereleases(window: Window) -> bool:
    """Whether some prerelease may lie in the window; none does for the ``<2.0.0-0`` that a caret ends with."""
    return any(window.limit != (*triple, 0, 0, 0) for triple in window.prerelease_triples)


def _only_major(wanted: Range) -> str:
    """``4.`` where only versions of major 4 satisfy the range; else empty."""
    if len(wanted.windows) != 1:
        return ""
    lowest, limit = wanted.windows[0].lowest, wanted.windows[0].limit
    if len(lowest) < 4 or len(limit) < 4:
        return ""
    major = lowest[0]
    return f"{major}." if limit[0] == major or limit[:4] == (int(major) + 1, 0, 0, 0) else ""


def _best(packument: Packument, found: list[_Candidate], options: PickOptions) -> RawManifest | None:
    ranked: dict[int, RawManifest] = {}
    # those that are level keep the packument's order
    for candidate in sorted(found, key=_Candidate.order, reverse=True):
        if not _is_before(packument, candidate.text, options):
            continue
        manifest = packument.manifest(candidate.text)
        if manifest is None:
            continue
        rank = _rank(manifest, options)
        if rank == _BEST:
            return manifest
        ranked.setdefault(rank, manifest)
    return ranked[min(ranked)] if ranked else None


def _rank(manifest: RawManifest, options: PickOptions) -> int:
    fits = engine_fits(manifest.engines, options.node_version, options.npm_version)
    if manifest.deprecated:
        return _ENGINE_FITS if fits else _ANY
    return _BEST if fits else _CURRENT
