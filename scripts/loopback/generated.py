"""A registry that never was: as many packages as wanted, the same for the same seed.

Packages are numbered. One depends on some with lower numbers, most often on the few that everybody uses, by ranges of
one major version each, so that versions conflict and packages nest, as they do in the world. Some need a framework as a
peer, some have optional dependencies, a few depend on each other in a circle.
"""

from __future__ import annotations

import hashlib
import json
import random
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote

from loopback.http1 import NOT_FOUND, Request, Response, json_response

#: As in ant-design's tree: the mean number of dependencies of a package.
_MEAN_DEPENDENCIES = 2.2
_MAX_DEPENDENCIES = 12
#: the share of packages that everybody uses, and how often one of them is chosen
_POPULAR_SHARE = 0.03
_POPULAR_CHOICE = 0.55
_HAS_PEER = 0.08
_HAS_OPTIONAL = 0.04
_HAS_CIRCLE = 0.01
_MAX_MAJORS = 4
_MAX_RELEASES = 6
#: how often a range asks for the newest major
_ASKS_NEWEST = 0.8
#: the share of packages that the project itself depends on
_DIRECT_SHARE = 0.15
FRAMEWORK = "gen-framework"


@dataclass(frozen=True, slots=True)
class _Generated:
    """One package.

    Attributes:
        name: of it.
        majors: its newest major; the first is 1.
        releases: how many minors each major has.
    """

    name: str
    majors: int
    releases: int


@dataclass(slots=True)
class GeneratedRegistry:
    """The registry.

    Attributes:
        count: of packages.
        seed: of everything.
        address: what ``dist.tarball`` begins with; there are no tarballs.
    """

    count: int
    seed: int = 1
    address: str = "http://registry.example"
    _packages: list[_Generated] = field(init=False, repr=False)
    _by_name: dict[str, int] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        chance = random.Random(f"{self.seed} packages")
        self._packages = [_Generated(FRAMEWORK, _MAX_MAJORS, _MAX_RELEASES)]
        for number in range(1, self.count):
            name = f"@gen-{number % 7}/p{number}" if number % 4 == 0 else f"gen-p{number}"
            majors = min(_MAX_MAJORS, 1 + int(chance.expovariate(1.0)))
            self._packages.append(_Generated(name, majors, chance.randint(1, _MAX_RELEASES)))
        self._by_name = {package.name: number for number, package in enumerate(self._packages)}

    def project(self) -> dict[str, Any]:
        """A package.json from which most of the packages are reached."""
        chance = random.Random(f"{self.seed} project")
        direct = sorted(chance.sample(range(1, self.count), max(1, int(self.count * _DIRECT_SHARE))))
        # those with the highest numbers need most of the others
        direct = sorted({*direct, *range(max(1, self.count - len(direct)), self.count)})
        specs = {self._packages[number].name: self._range(number, chance, newest=1.0) for number in direct}
        names = list(specs)
        return {
            "name": "generated",
            "version": "1.0.0",
            "dependencies": {FRAMEWORK: f"^{_MAX_MAJORS}.0.0", **{name: specs[name] for name in names[::2]}},
            "devDependencies": {name: specs[name] for name in names[1::2]},
        }

    def packument(self, name: str) -> bytes | None:
        """The packument of a package as JSON, or None."""
        number = self._by_name.get(name)
        if number is None:
            return None
        package = self._packages[number]
        versions = {
            version: self._manifest(number, version)
            for major in range(1, package.majors + 1)
            for version in (f"{major}.{minor}.0" for minor in range(package.releases))
        }
        latest = f"{package.majors}.{package.releases - 1}.0"
        return json.dumps({"name": name, "dist-tags": {"latest": latest}, "versions": versions}).encode()

    async def answer(self, request: Request) -> Response:
        """Answer one request (for `LoopbackServer`)."""
        document = self.packument(unquote(request.path[1:]))
        return NOT_FOUND if document is None else json_response(document)

    def _manifest(self, number: int, version: str) -> dict[str, Any]:
        package = self._packages[number]
        chance = random.Random(f"{self.seed} {number} {version.partition('.')[0]}")
        path = f"{package.name}/-/{package.name.rpartition('/')[2]}-{version}.tgz"
        manifest: dict[str, Any] = {
            "name": package.name,
            "version": version,
            "license": "MIT",
            "engines": {"node": ">=10"},
            "dist": {"tarball": f"{self.address}/{path}", "integrity": f"sha512-{_digest(path)}"},
            "dependencies": self._dependencies(number, chance),
        }
        if number and chance.random() < _HAS_PEER:
            manifest["peerDependencies"] = {FRAMEWORK: f">={chance.randint(1, _MAX_MAJORS)}.0.0"}
        if number > 1 and chance.random() < _HAS_OPTIONAL:
            other = chance.randrange(1, number)
            manifest["optionalDependencies"] = {self._packages[other].name: self._range(other, chance)}
        return manifest

    def _dependencies(self, number: int, chance: random.Random) -> dict[str, str]:
        wanted = min(_MAX_DEPENDENCIES, number - 1, int(chance.expovariate(1 / (_MEAN_DEPENDENCIES + 0.5))))
        popular = max(1, int(number * _POPULAR_SHARE))
        chosen: dict[int, None] = {}
        for _ in range(max(0, wanted)):
            top = popular if chance.random() < _POPULAR_CHOICE else number
            chosen[chance.randrange(1, max(2, top))] = None
        if number + 1 < self.count and chance.random() < _HAS_CIRCLE:
            chosen[number + 1] = None
        return {self._packages[one].name: self._range(one, chance) for one in chosen if one != number}

    def _range(self, number: int, chance: random.Random, *, newest: float = _ASKS_NEWEST) -> str:
        package = self._packages[number]
        major = package.majors if chance.random() < newest else chance.randint(1, package.majors)
        minor = chance.randrange(package.releases)
        return chance.choice((f"^{major}.{minor}.0", f"^{major}.0.0", f"~{major}.{minor}.0", f"{major}.x"))


def _digest(text: str) -> str:
    from base64 import b64encode

    return b64encode(hashlib.sha512(text.encode()).digest()).decode()
