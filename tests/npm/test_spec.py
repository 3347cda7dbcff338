"""Specs: what dependencies and arguments ask for, and agreement with npm's own reading of thousands of them."""

from __future__ import annotations

from random import Random

import msgspec
import pytest
from asking_npm import ask_npm
from semver_texts import Texts
from support.loaded_modules import modules_loaded_by

from pmpipe.errors import InvalidSpecError
from pmpipe.npm.specs.spec import parse_argument, parse_spec
from pmpipe.npm.specs.spec_types import (
    AliasSpec,
    CatalogSpec,
    DirectorySpec,
    FileSpec,
    GitSpec,
    RangeSpec,
    RemoteSpec,
    TagSpec,
    VersionSpec,
    WorkspaceSpec,
)

WHERE = "/project/app"
HOME = "/home/user"


@pytest.mark.parametrize(
    ("raw", "kind", "fetch_spec"),
    [
        ("1.2.3", VersionSpec, "1.2.3"),
        (" ^1.2.3 ", RangeSpec, "^1.2.3"),
        ("", RangeSpec, ""),
        ("latest", TagSpec, "latest"),
        ("https://host.example/x.tgz", RemoteSpec, "https://host.example/x.tgz"),
        ("file:../x", DirectorySpec, "/project/x"),
        ("./x.tgz", FileSpec, "/project/app/x.tgz"),
        ("~/x", DirectorySpec, "/home/user/x"),
        ("/x/y", DirectorySpec, "/x/y"),
        ("link:../x", DirectorySpec, "/project/x"),
        ("git+https://host.example/x.git#v1", GitSpec, "https://host.example/x.git"),
        ("git@host.example:user/x.git", DirectorySpec, "/project/app/git@host.example:user/x.git"),
        ("user/project", GitSpec, None),
        ("git@github.com:user/project.git", GitSpec, "ssh://git@github.com/user/project.git"),
    ],
)
def test_kind_and_source_of_a_dependency(raw, kind, fetch_spec):
    spec = parse_spec("name", raw, WHERE, home=HOME)
    assert type(spec) is kind
    assert spec.fetch_spec == fetch_spec
    assert spec.raw_spec == raw
    assert spec.name == "name"


@pytest.mark.parametrize(
    ("text", "kind", "name"),
    [
        ("react", RangeSpec, "react"),
        ("react@^18", RangeSpec, "react"),
        ("@scope/name@beta", TagSpec, "@scope/name"),
        ("name@npm:other@1.0.0", AliasSpec, "name"),
        ("user/project#v1", GitSpec, None),
        ("git@host.example:user/x.git", GitSpec, None),
        ("./folder", DirectorySpec, None),
        ("x.tgz", FileSpec, None),
    ],
)
def test_kind_and_name_of_an_argument(text, kind, name):
    spec = parse_argument(text, WHERE)
    assert type(spec) is kind
    assert spec.name == name


def test_local_path_is_saved_relative_to_the_project():
    assert parse_spec("x", "/project/lib", WHERE).save_spec == "file:/project/lib"
    assert parse_spec("x", "../lib/./y/", WHERE).save_spec == "file:../lib/y"
    assert parse_spec("x", "~/y", WHERE, home=HOME).save_spec == "file:~/y"
    assert parse_spec("x", "link:../lib", WHERE).save_spec == "link:../lib"
    assert parse_spec("x", r"/\lib", WHERE).save_spec == "file:/lib"


def test_path_without_a_folder_to_start_from_is_refused():
    with pytest.raises(InvalidSpecError, match="no folder that it could start from"):
        parse_spec("x", "file:../y")
    with pytest.raises(InvalidSpecError, match="no path that can be used"):
        parse_spec("x", "~/y", WHERE)


def test_fragment_of_a_repository_says_commit_range_and_folder():
    spec = parse_spec("x", "github:user/project#v1::path:packages/x", WHERE)
    assert (spec.committish, spec.semver_range, spec.subdirectory) == ("v1", None, "/packages/x")
    spec = parse_spec("x", "git+ssh://git@host.example/x.git#semver:%5E1", WHERE)
    assert (spec.committish, spec.semver_range, spec.subdirectory) == (None, "^1", None)


def test_contradicting_fragment_is_refused():
    with pytest.raises(InvalidSpecError, match="more than one commit"):
        parse_spec("x", "user/project#v1::semver:^1", WHERE)


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        ("patch:a@npm%3A1.0.0#./a.patch", "patchedDependencies"),
        ("portal:./a", "use file:"),
    ],
)
def test_says_what_to_use_in_place_of_what_only_yarn_or_pnpm_know(spec: str, words: str) -> None:
    with pytest.raises(InvalidSpecError, match="has a scheme that is not supported") as refused:
        parse_spec("a", spec, WHERE)
    assert words in refused.value.hint


def test_hosted_repository_knows_its_addresses():
    hosted = parse_spec("x", "gitlab:group/sub/project#v1", WHERE).hosted
    assert hosted.ssh_url == "git+ssh://git@gitlab.com/group/sub/project.git#v1"
    assert hosted.https_url == "git+https://gitlab.com/group/sub/project.git#v1"
    assert hosted.tarball_url.endswith("/group%2Fsub%2Fproject/repository/archive.tar.gz?sha=v1")


@pytest.mark.parametrize("raw", ["npm:", "npm:^1.0.0", "npm:npm:x@1", "npm:user/project", "npm:./x", "npm:../x@1"])
def test_alias_of_anything_but_a_package_of_the_registry_is_refused(raw):
    with pytest.raises(InvalidSpecError):
        parse_spec("x", raw, WHERE)


def test_alias_knows_what_is_installed():
    spec = parse_spec("x", "npm:@scope/name@^2", WHERE)
    assert spec.sub_spec.name == "@scope/name"
    assert spec.sub_spec.fetch_spec == "^2"


@pytest.mark.parametrize("name", ["../x", "@x/../../y", ".bin", "node_modules", "a/b"])
@pytest.mark.parametrize("raw", ["1.0.0", "npm:react@1", "user/project", "file:../x", "workspace:*"])
def test_name_that_leaves_node_modules_is_refused(name, raw):
    with pytest.raises(InvalidSpecError, match="invalid package name"):
        parse_spec(name, raw, WHERE)


@pytest.mark.parametrize("name", ["constructor", "toString", "__proto__"])
def test_names_of_javascript_are_names_like_any_other(name):
    assert parse_spec(name, "^1.0.0").name == name
    assert parse_argument(f"{name}@1.0.0").name == name


@pytest.mark.parametrize(
    "raw",
    [
        *("foo bar", "svn://host.example/x", "https://", "https://a b/", "ws://host.example/x"),
        *("file:\0", "./a\0b", "file:a\0.tgz", "link:../\0"),
    ],
)
def test_spec_that_means_nothing_is_refused(raw):
    with pytest.raises(InvalidSpecError):
        parse_spec("x", raw, WHERE)


def test_message_about_a_hostile_spec_is_one_printable_line():
    with pytest.raises(InvalidSpecError) as caught:
        parse_spec("x", "foo\x1b[2J\n" + "y" * 1000, WHERE)
    assert caught.value.what.isprintable()
    assert len(caught.value.what) < 600


@pytest.mark.parametrize(
    "raw", ["svn://user:secret@host.example/x", "git+https://user:secret@host.example/x#a::b", "https://secret@a b/"]
)
def test_message_about_a_url_hides_its_password(raw):
    with pytest.raises(InvalidSpecError) as caught:
        parse_spec("x", raw, WHERE)
    assert "secret" not in str(caught.value)
    assert "***@" in str(caught.value)


@pytest.mark.parametrize(
    ("raw", "target", "requested_range", "path"),
    [
        ("workspace:*", None, "*", None),
        ("workspace:^", None, "^", None),
        ("workspace:~", None, "~", None),
        ("workspace:", None, "*", None),
        ("workspace:1.x", None, "1.x", None),
        ("workspace:other@^", "other", "^", None),
        ("workspace:@scope/other@1.2.3", "@scope/other", "1.2.3", None),
        ("workspace:./lib", None, None, "./lib"),
        ("workspace:packages/lib", None, None, "packages/lib"),
    ],
)
def test_workspace_protocol(raw, target, requested_range, path):
    spec = parse_spec("x", raw, WHERE)
    assert isinstance(spec, WorkspaceSpec)
    assert (spec.target_name, spec.requested_range, spec.path) == (target, requested_range, path)


@pytest.mark.parametrize("raw", ["workspace:latest", "workspace:../x@1/../y@*", "workspace:.bin@*"])
def test_workspace_protocol_with_neither_range_nor_folder_is_refused_or_a_path(raw):
    if raw == "workspace:latest":
        with pytest.raises(InvalidSpecError, match="names no range and no folder"):
            parse_spec("x", raw, WHERE)
    else:
        assert parse_spec("x", raw, WHERE).path == raw.partition(":")[2]


@pytest.mark.parametrize(("raw", "catalog"), [("catalog:", "default"), ("catalog:react18", "react18")])
def test_catalog_protocol(raw, catalog):
    spec = parse_spec("x", raw, WHERE)
    assert isinstance(spec, CatalogSpec)
    assert spec.catalog == catalog


def test_module_loads_nothing_that_does_io():
    heavy = {"socket", "subprocess", "asyncio", "multiprocessing", "urllib", "pathlib", "json", "ipaddress"}
    assert not heavy & modules_loaded_by("import pmpipe.npm.specs.spec")


class SpecTexts(Texts):
    """Makes specs of all kinds, sensible and spoiled."""

    _FRAGMENTS = (
        "", "#", "#v1", "#semver:^1", "#semver:%5E1", "#semver:%zz", "#path:a/b", "#v1::path:a/b",
        "#semver:1::path:x", "#a::b", "#path:a::path:b", "#::semver:1", "#other:x", "#a@b", "#a b", "#a/b",
        "#semver:1:2", "#feature/x", "#%C3%A9", "#%zz", "#é",
    )  # fmt: skip
    _USERS = ("", "user@", "git@", "user:password@", ":password@", "us%40er@", "a@b@")
    _HOSTS = (
        "github.com", "www.github.com", "gitlab.com", "bitbucket.org", "gist.github.com", "git.sr.ht",
        "host.example", "GitHub.com", "host.example:22", "github.com:443", "github.com:user", "host.example:user",
        "C:", "localhost", "[::1]",
    )  # fmt: skip
    _PATHS = (
        "", "/", "/user", "/user/project", "/user/project.git", "/user/project/", "/user/project/tree/main",
        "/user/project/tree", "/user/project/blob/x", "/group/sub/project.git", "/~user/project",
        "/user/project/get/v1.tar.gz", "/user/project/-/archive/x", "/user/project/archive.tar.gz",
        "/user/project/archive/v1.tgz", "/user/0123abcd/raw", "/0123abcd", "/0123abcd.git", "//user/x",
        "/us%20er/pro%2Fject", "/us%zz/project", "/x.tgz", "/x.tar.gz?y=1", "/../x", "/user/.git", "/user\\x", "/ü",
    )  # fmt: skip
    _SCHEMES = (
        "git", "git+ssh", "git+https", "git+http", "git+file", "git+rsync", "git+ftp", "ssh", "http", "https",
        "HTTPS", "Git+ssh", "ftp", "svn", "github", "gitlab", "x",
    )  # fmt: skip
    _LOCAL = (
        "a", "b", "..", ".", "", "x.tgz", "x.TAR.GZ", "~", "a b", "%20", "%", "#", "?", "ü", "@scope",
        "node_modules", "C:", "a\\b", "[x]",
    )  # fmt: skip
    _WORDS = (
        "latest", "next", "beta-1", "foo bar", "a%b", "", "*", "é", "constructor", "a~b", "x.tgz",
        "y.tar", "@", "a@b", "@a/b", "../x", "node_modules", "v1", "file", "npm", ":", "/", "~", ".", "..", "~/",
        "C:", "a:b", "1:2", "git@x",
    )  # fmt: skip
    _NAMES = ("x", "@scope/x", "constructor", "../x", ".bin", "JSONStream", "a b", "@x/../y", "x.tgz", "fs", "@x")

    def one(self, choices):
        return self.random.choice(choices)

    def url(self):
        return f"{self.one(self._SCHEMES)}:{self.one(['//', '//', '//', '//', '', '/', '///'])}{self.address()}"

    def address(self):
        return self.one(self._USERS) + self.one(self._HOSTS) + self.one(self._PATHS) + self.one(self._FRAGMENTS)

    def shortcut(self):
        host = self.one(["", "", "github:", "gitlab:", "bitbucket:", "gist:", "sourcehut:", "GitHub:"])
        path = self.one(
            ["user/project", "user/project.git", "~user/x", "a/b/c", "0123abcd", "user/", "us%20er/x", "token@a/b", "a"]
        )
        return host + path + self.one(self._FRAGMENTS)

    def scp(self):
        path = self.one(["user/project.git", "user/project", "22/x", "x", "~/x", "22", "0123abcd.git"])
        return f"{self.one(['', 'git+ssh://', 'ssh://'])}{self.one(self._USERS)}{self.one(self._HOSTS)}:{path}{self.one(self._FRAGMENTS)}"

    def local(self):
        start = self.one(
            ["file:", "file:/", "file://", "file:///", "FILE:", "", "./", "../", "/", "~/", "//", "a/", "C:/"]
        )
        return start + "/".join(self.one(self._LOCAL) for _ in range(self.random.randint(1, 4)))

    def alias(self):
        sub = self.one([self.word, self.requested_range, self.version, self.shortcut, self.local])()
        name = self.one([*self._NAMES, "y", "npm:z", ""])
        return f"{self.one(['npm:', 'npm:', 'NPM:'])}{name}{self.one(['@', '@', ''])}{sub}"

    def word(self):
        return self.one(self._WORDS)

    def spec(self):
        makers = [
            self.url,
            self.url,
            self.shortcut,
            self.scp,
            self.local,
            self.alias,
            self.word,
            self.requested_range,
            self.version,
        ]
        text = self.one(makers)()
        return self.spoiled(text) if self.rarely(0.1) else text

    def argument(self):
        return self.spec() if self.rarely(0.5) else f"{self.one(self._NAMES)}@{self.spec()}"


def _read(question):
    try:
        if question["kind"] == "argument":
            return _fields(parse_argument(question["text"], question["where"], home=HOME))
        return _fields(parse_spec(question["name"], question["spec"], question["where"], home=HOME))
    except InvalidSpecError:
        return "error"


def _fields(spec):
    name = spec.name
    return {
        "type": spec.type,
        "name": name,
        "raw": spec.raw,
        "rawSpec": spec.raw_spec,
        "fetchSpec": getattr(spec, "fetch_spec", None),
        "saveSpec": getattr(spec, "save_spec", None),
        "committish": getattr(spec, "committish", None),
        "range": getattr(spec, "semver_range", None),
        "subdirectory": getattr(spec, "subdirectory", None),
        "hosted": _hosted_fields(spec.hosted) if isinstance(spec, GitSpec) and spec.hosted else None,
        "subSpec": _fields(spec.sub_spec) if isinstance(spec, AliasSpec) else None,
    }


def _hosted_fields(hosted):
    fields = msgspec.structs.asdict(hosted)
    del fields["form"]
    return fields | {
        "shortcut": hosted.shortcut,
        "ssh": hosted.ssh,
        "sshUrl": hosted.ssh_url,
        "httpsUrl": hosted.https_url,
        "gitUrl": hosted.git_url,
        "tarballUrl": hosted.tarball_url,
    }


@pytest.mark.npm
def test_dependencies_and_arguments_are_read_as_in_npm():
    texts = SpecTexts(20260106)
    wheres = ["/project/app", "/", "/project/app/node_modules/x", "/a b/ü~[x]", "/project/./app//"]
    random = Random(20260107)
    questions = [
        {
            "kind": "dependency",
            "name": random.choice(["x", "@scope/x", "x", "../x"]),
            "spec": texts.spec(),
            "where": random.choice(wheres),
        }
        for _ in range(15_000)
    ]
    questions += [{"kind": "argument", "text": texts.argument(), "where": random.choice(wheres)} for _ in range(15_000)]
    different = [
        (question, mine, answer)
        for question, answer in zip(questions, ask_npm("ask_spec.cjs", questions), strict=True)
        if (mine := _read(question)) != answer
    ]
    assert different == []
