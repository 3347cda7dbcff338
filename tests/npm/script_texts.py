"""Makes packages with scripts, and keys of policies that mean some of them; always the same for a seed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

import msgspec
from semver_texts import Texts

from pmpipe.npm.scripts.script_source import ScriptSource

#: Where ask_scripts.cjs thinks that it is.
FOLDER = "/project/app"
HOME = "/home/user"

_NAMES = ("x", "x", "@s/x", "y", "x-1", "@s/y", "x.js", "X")
_VERSIONS = (
    "1.0.0",
    "1.0.0",
    "1.0.1",
    "2.0.0",
    "1.0.0-rc.1",
    "1.0.0+b",
    "01.0.0",
    "v1.0.0",
    "=1.0.0",
    "1.0",
    "1.0.0rc",
)
_COMMIT = "0123456789abcdef0123456789abcdef01234567"
_OTHER_COMMIT = "01234ff789abcdef0123456789abcdef01234567"
_FRAGMENTS = (
    "", "", "#", "#0123456", f"#{_COMMIT}", f"#{_COMMIT}", f"#{_OTHER_COMMIT}", f"#{_COMMIT}0", "#v1", "#semver:^1",
    "#0123456::path:a", "#path:a", "#a::b",
)  # fmt: skip
_REPOSITORIES = (
    "github:user/project", "user/project", "gitlab:group/sub/project", "bitbucket:user/project", "gist:0123abcd",
    "github:user/project.git", "github:User/project", "git+ssh://git@github.com/user/project.git",
    "git+https://github.com/user/project.git", "git+https://token@github.com/user/project.git",
    "https://github.com/user/project", "https://github.com/user/project.git", "git@github.com:user/project.git",
    "git://github.com/user/project", "ssh://git@github.com/user/project", "git+ssh://git@gitlab.com/group/sub/project.git",
    "git+https://git.sr.ht/~user/project", "git+ssh://git@host.example/user/project.git",
    "git+ssh://git@host.example:user/project.git", "git+https://host.example/user/project.git",
    "git://host.example/user/project.git", "git+file:///project/lib", "https://host.example/user/project.git",
)  # fmt: skip
_FILES = (
    "file:x-1.0.0.tgz", "file:../x.tgz", "file:./x-1.0.0.tgz", "file:/project/app/x-1.0.0.tgz", "x-1.0.0.tgz",
    "./x-1.0.0.tgz", "/project/app/x-1.0.0.tgz", "~/x.tgz", "file:~/x.tgz", "file:-1.0.0.tgz",
)  # fmt: skip
_FOLDERS = (
    "file:lib", "file:../lib", "./lib", "../lib", "/project/lib", "file:/project/app/lib", "file:../../lib", "~/lib",
    "/home/user/lib", "lib/", "file:lib/../lib",
)  # fmt: skip
_ADDRESSES = (
    "https://registry.example/{name}/-/{base}-{version}.tgz", "https://registry.example/{name}/-/{base}-{version}.tgz",
    "https://registry.example/{name}/-/{base}-{version}.tgz", "http://registry.example/{name}/-/{base}-{version}.tgz",
    "https://registry.example/npm/-/a/{name}/-/{base}-{version}.tgz", "https://host.example/{base}-{version}.tgz",
    "https://registry.example/{escaped}/-/{base}-{version}.tgz", "https://registry.example/-/{base}-{version}.tgz",
    "https://registry.example/{name}/-/{name}-{version}.tgz", "https://host.example/{name}.tgz",
    "https://registry.example/{name}/-/-/{base}-{version}.tgz", "https://registry.example/@s/-/-/--{version}.tgz",
    "https://registry.example/{name}/-/{base}-{version}.tgz?a=b", "https://registry.example/{name}/-/{base}.tgz",
    "https://registry.example/{name}/-/y-{version}.tgz", "https://registry.example/{name}/-/{base}-{version}.tar.gz",
    "https://registry.example/{name}/-/{base}-{version}.tgz#/-/y-1.0.0.tgz",
    "https://github.com/{name}/-/{base}-{version}.tgz", "https://bitbucket.org/{name}/-/{base}-{version}.tgz",
)  # fmt: skip
_WORDS = (
    "latest", "x@latest", "x@next", "x@", "x@ ", "x@ * ", "*", "^1", "1.0.0", "", "npm:x", "a@npm:x@1.0.0", "x@npm:x",
    "@s", "x y", "x@a b", "svn://host.example/x", "link:../lib", "x@link:../lib", "workspace:*",
    "x@workspace:*", "catalog:", ".bin", "../x@1.0.0", "x@x", "x@1.x", "x@>=1", "x@1.0.0 - 2.0.0", "x@||", "x@1.0.0 ||",
    "x@* || 1.0.0", "node_modules",
)  # fmt: skip

_T = TypeVar("_T")


class ScriptTexts(Texts):
    """A source of packages, keys and policies."""

    def one(self, choices: Sequence[_T]) -> _T:
        return self.random.choice(choices)

    def address(self) -> str:
        name = self.one(_NAMES)
        base, escaped = name.rpartition("/")[2], name.replace("/", "%2f")
        return self.one(_ADDRESSES).format(name=name, base=base, escaped=escaped, version=self.one(_VERSIONS))

    def repository(self) -> str:
        return self.one(_REPOSITORIES) + self.one(_FRAGMENTS)

    def pinned(self) -> str:
        versions = [self.one(_VERSIONS) for _ in range(self.one([1, 1, 1, 2, 3]))]
        return f"{self.one(_NAMES)}@{self.one(['||', ' || ', '|| ']).join(versions)}"

    def ranged(self) -> str:
        return (
            f"{self.one(_NAMES)}@{self.one(['*', '^1', '1.x', '', 'latest', self.requested_range(), self.version()])}"
        )

    def key(self) -> str:
        makers = [self.pinned, self.pinned, self.pinned, self.name, self.name, self.ranged]
        makers += [self.repository, self.repository, self.address, self.local, self.local, self.word]
        text = self.one(makers)()
        return self.spoiled(text) if self.rarely(0.05) else text

    def name(self) -> str:
        return self.one(_NAMES)

    def local(self) -> str:
        return self.one(_FILES + _FOLDERS)

    def word(self) -> str:
        return self.one(_WORDS)

    def source(self) -> ScriptSource:
        bundled = self.rarely(0.05)
        if self.rarely(0.2):
            links = tuple(self.one(("file:../lib", "file:../../lib", "file:lib")) for _ in range(self.one([1, 1, 2])))
            folders = ("/project/lib", "/project/app/lib") if self.rarely(0.5) else ("/home/user/lib",)
            return ScriptSource(links=links, folders=folders, in_bundle=bundled)
        makers = [self.address, self.address, self.address, self.repository, lambda: self.one(_FILES)]
        resolved = "" if self.rarely(0.2) else self.one(makers)()
        if resolved and self.rarely(0.03):
            resolved = self.spoiled(resolved)
        name = self.one(_NAMES) if not resolved or self.rarely(0.7) else ""
        return ScriptSource(name=name, version=self.version(), resolved=resolved, in_bundle=bundled)

    def policy(self) -> dict[str, bool]:
        return {self.key(): self.rarely(0.7) for _ in range(self.one([1, 2, 3, 5]))}


def without_version(source: ScriptSource) -> ScriptSource:
    """A package of which the version is known no better than npm knows it."""
    return msgspec.structs.replace(source, version="")


def with_address(source: ScriptSource) -> ScriptSource:
    """A package from a registry as it is in a lockfile that tells addresses; no key of ours is one of those."""
    base = source.name.rpartition("/")[2]
    return msgspec.structs.replace(
        source, resolved=f"https://elsewhere.example/{source.name}/-/{base}-{source.version}.tgz"
    )


def asked_about(source: ScriptSource) -> dict[str, object]:
    """The package as ask_scripts.cjs wants to have it."""
    return {
        "name": source.name,
        "resolved": source.resolved,
        "links": source.links,
        "folders": source.folders,
        "inBundle": source.in_bundle,
    }
