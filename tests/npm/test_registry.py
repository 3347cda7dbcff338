"""Which registry a package comes from, which URL is fetched, and which credentials go there."""

from __future__ import annotations

import http.server
import json
import os
import subprocess
import sys
import threading
from base64 import b64encode

import pytest
from asking_npm import ask_npm
from support.npm import run_npm

from pmpipe.errors import ConfigError, InvalidSpecError
from pmpipe.npm.config.auth import NO_CREDENTIAL, legacy_auth_problems, may_be_told, nerf_dart
from pmpipe.npm.packages.registry import Registries, ScopeRegistry, as_registry, public_registry, redacted
from pmpipe.npm.texts.url import InvalidUrlError, parse_url

REGISTRY = "https://registry.example/npm"
SCOPES = {"@corp": ScopeRegistry("https://corp.example:8443", "/p/.npmrc, line 1")}


def encoded(text):
    return b64encode(text.encode()).decode()


# -- the registry of a package


def test_registry_ends_with_a_slash():
    assert as_registry("https://registry.example/npm?x#y") == "https://registry.example/npm/"
    assert as_registry("https://registry.example/npm//") == "https://registry.example/npm/"


def test_scope_has_its_own_registry_and_no_other():
    registries = Registries(configured=REGISTRY, by_scope=SCOPES)
    assert registries.for_package("@corp/a") == "https://corp.example:8443/"
    assert registries.for_package("@other/a") == "https://registry.example/npm/"
    assert registries.for_package("corp") == "https://registry.example/npm/"


def test_default_scope_lends_its_registry_to_names_without_one():
    registries = Registries(configured=REGISTRY, by_scope=SCOPES, default_scope="@corp")
    assert registries.for_package("a") == "https://corp.example:8443/"


def test_public_registry_is_the_default_and_has_https():
    assert Registries().for_package("a") == public_registry()
    assert public_registry().startswith("https://")
    assert parse_url(public_registry()).path == "/"


def test_unusable_scope_registry_is_an_error_only_for_its_packages():
    registries = Registries(
        configured=REGISTRY, by_scope={"@corp": ScopeRegistry("${CORP_REGISTRY}", "/p/.npmrc, line 7")}
    )
    assert registries.for_package("a") == "https://registry.example/npm/"
    with pytest.raises(ConfigError, match="@corp") as raised:
        registries.for_package("@corp/a")
    assert "/p/.npmrc, line 7: ${CORP_REGISTRY}" in str(raised.value)


def test_text_form_shows_no_secret():
    registries = Registries(auth={"//registry.example/:_authToken": "s3cret"})
    assert "s3cret" not in repr(registries)
    assert "s3cret" not in repr(registries.credential_for("https://registry.example/"))
    assert redacted("https://u:s3cret@registry.example/\x1b") == "https://***@registry.example/\\x1b"
    assert redacted("https://u:s@3cr@et@registry.example/a@b") == "https://***@registry.example/a@b"


# -- the URL of a tarball


@pytest.mark.parametrize(
    ("name", "url"),
    [
        ("react", "https://registry.example/npm/react/-/react-1.0.0.tgz"),
        ("@types/node", "https://registry.example/npm/@types/node/-/node-1.0.0.tgz"),
        ("a b?c#d", "https://registry.example/npm/a%20b%3Fc%23d/-/a%20b%3Fc%23d-1.0.0.tgz"),
        ("@corp/a", "https://corp.example:8443/@corp/a/-/a-1.0.0.tgz"),
    ],
)
def test_tarball_url_follows_from_name_and_version(name, url):
    assert Registries(configured=REGISTRY, by_scope=SCOPES).tarball_url(name, "1.0.0") == url


@pytest.mark.parametrize("name", ["..", "a/../b", "", "@corp/", "./a"])
def test_rejects_name_that_would_leave_the_registry(name):
    with pytest.raises(InvalidSpecError):
        Registries(configured=REGISTRY).tarball_url(name, "1.0.0")


# replace-registry-host, resolved, path that is fetched from the registry instead
REPLACEMENTS = [
    ("never", "http://old.example/never/-/never-1.0.0.tgz", None),
    ("always", "http://old.example:81/always/-/always-1.0.0.tgz?x=1", "/npm/always/-/always-1.0.0.tgz"),
    ("always", "https://old.example/npm/kept/-/kept-1.0.0.tgz", "/npm/kept/-/kept-1.0.0.tgz"),
    ("old.example", "https://old.example/host/-/host-1.0.0.tgz?x=1", "/npm/host/-/host-1.0.0.tgz?x=1"),
    ("old.example", "https://other.example/other/-/other-1.0.0.tgz", None),
    ("https://old.example/art/", "https://old.example/art/x/-/x-1.0.0.tgz", "/npm/x/-/x-1.0.0.tgz"),
    ("https://old.example/art", "https://old.example/artx/y/-/y-1.0.0.tgz", None),
    ("https://old.example", "https://old.example/z/-/z-1.0.0.tgz", "/npm/z/-/z-1.0.0.tgz"),
]


@pytest.mark.parametrize(("replace", "resolved", "path"), REPLACEMENTS)
def test_registry_host_is_replaced_as_configured(replace, resolved, path):
    registries = Registries(configured="http://127.0.0.1:4873/npm", replace_host=replace)
    expected = resolved if path is None else f"http://127.0.0.1:4873{path}"
    assert registries.tarball_location(resolved) == expected


def test_a_tarball_at_the_registry_is_there_whichever_the_public_one_is():
    program = """
import sys
from pmpipe.npm.packages.registry import Registries
print(Registries(configured="https://registry.example/npm").tarball_location("https://registry.example/npm/a.tgz"))
print("packageurl" in sys.modules)
"""
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert ran.stdout.split() == ["https://registry.example/npm/a.tgz", "False"]


def test_public_host_stands_for_the_configured_registry_by_default():
    resolved = f"{public_registry()}a/-/a-1.0.0.tgz"
    assert Registries(configured=REGISTRY).tarball_location(resolved) == f"{REGISTRY}/a/-/a-1.0.0.tgz"
    assert Registries(configured=REGISTRY, replace_host="never").tarball_location(resolved) == resolved


@pytest.mark.parametrize("resolved", ["file:../a.tgz", "git+ssh://git@host.example/a.git", "a", "https://a\\b/"])
def test_rejects_resolved_that_is_no_http_url(resolved):
    with pytest.raises(InvalidUrlError):
        Registries(configured=REGISTRY, replace_host="always").tarball_location(resolved)


class Recorder(http.server.BaseHTTPRequestHandler):
    """Answers 404 and remembers what was asked for."""

    def do_GET(self):
        self.server.paths.add(self.path)
        self.send_error(404)

    def log_message(self, *arguments):
        pass


@pytest.mark.npm
@pytest.mark.parametrize("replace", sorted({replace for replace, _, path in REPLACEMENTS if path}))
def test_npm_fetches_from_the_same_places(replace, tmp_path):
    expected = {path for setting, _, path in REPLACEMENTS if setting == replace and path}
    locked = {path.split("/")[2]: resolved for setting, resolved, path in REPLACEMENTS if setting == replace and path}
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Recorder) as server:
        server.paths = set()
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        registry = f"http://127.0.0.1:{server.server_port}/npm/"
        # npm gives up at the first 404 and leaves the rest
        for name, url in locked.items():
            write_project(tmp_path, name, url)
            run_npm_ci(tmp_path, registry, replace)
        server.shutdown()
        thread.join()
    assert server.paths == expected


def write_project(folder, name, url):
    manifest = {"name": "app", "version": "1.0.0", "dependencies": {name: "1.0.0"}}
    packages = {"": manifest, f"node_modules/{name}": {"version": "1.0.0", "resolved": url}}
    lock = {"name": "app", "version": "1.0.0", "lockfileVersion": 3, "packages": packages}
    (folder / "package.json").write_text(json.dumps(manifest))
    (folder / "package-lock.json").write_text(json.dumps(lock))


def run_npm_ci(folder, registry, replace):
    arguments = [f"--registry={registry}", f"--replace-registry-host={replace}", "--fetch-retries=0"]
    arguments += [
        "--no-audit",
        "--no-fund",
        "--no-update-notifier",
        f"--cache={folder}/cache",
        f"--userconfig={folder}/u",
    ]
    run = run_npm(("ci", *arguments), cwd=folder, env=os.environ)
    assert run.status == 1, run.stderr


# -- credentials

# settings, URL, registry of the package
AUTH_CASES = [
    ({"//registry.example/:_authToken": "t"}, "https://registry.example/a", None),
    ({"//registry.example:_authToken": "t"}, "https://registry.example/a", None),
    ({"//registry.example/npm/:_authToken": "t"}, "https://registry.example/npm/a/-/a-1.0.0.tgz", None),
    ({"//registry.example/npm:_authToken": "t"}, "https://registry.example/npm/a/-/a-1.0.0.tgz", None),
    ({"//registry.example/npm/:_authToken": "t"}, "https://registry.example/npmx/a", None),
    ({"//registry.example/npm/:_authToken": "t"}, "https://registry.example/files/a.tgz", REGISTRY + "/"),
    ({"//registry.example/npm/:_authToken": "t"}, "https://registry.example/files/a.tgz", "https://b.example/"),
    ({"//registry.example/npm/:_authToken": "t"}, "https://registry.example/npm/../a.tgz", None),
    ({"//registry.example/:_authToken": "t"}, "https://registry.example:8443/a", None),
    ({"//registry.example:8443/:_authToken": "t"}, "https://registry.example:8443/a", None),
    ({"//registry.example:8443/:_authToken": "t"}, "https://registry.example/a", None),
    ({"//registry.example/:_authToken": "t"}, "https://registry.example:443/a", None),
    ({"//registry.example:443/:_authToken": "t"}, "https://registry.example/a", None),
    ({"//registry.example/:_authToken": "t"}, "https://evil.example/registry.example/", None),
    ({"//registry.example/:_authToken": "t"}, "https://registry.example.evil.example/", None),
    ({"//Registry.Example/:_authToken": "t"}, "https://registry.example/", None),
    ({"//registry.example/:_auth": "dTpw"}, "https://registry.example/a", None),
    (
        {"//registry.example/:username": "u", "//registry.example/:_password": encoded("pä:ss")},
        "https://registry.example/a",
        None,
    ),
    (
        {"//registry.example/:username": "u", "//registry.example/:_password": "cGE-_w x"},
        "https://registry.example/",
        None,
    ),
    (
        {"//registry.example/:username": "u", "//registry.example/:_password": "cGFzc"},
        "https://registry.example/",
        None,
    ),
    ({"//registry.example/:username": "u"}, "https://registry.example/a", None),
    ({"//registry.example/:_authToken": "t", "//registry.example/:_auth": "dTpw"}, "https://registry.example/", None),
    (
        {"//registry.example/a/:_auth": "dTpw", "//registry.example/:_authToken": "t"},
        "https://registry.example/a/b",
        None,
    ),
    ({"//registry.example/:_authToken": "", "//registry.example:_authToken": "t"}, "https://registry.example/a", None),
    ({"//registry.example/:_authToken": "${UNSET}"}, "https://registry.example/a", None),
    ({"//127.0.0.1:4873/:_authToken": "t"}, "http://127.0.0.1:4873/a/-/a-1.0.0.tgz", None),
    ({"//registry.example/:_authToken": "t"}, "http://registry.example/a", "http://registry.example/"),
    ({"//registry.example/:always-auth": True}, "https://registry.example/a", None),
    ({"_authToken": "t"}, "https://registry.example/a", None),
]


@pytest.mark.npm
def test_sends_the_credentials_that_npm_sends():
    default = "https://default.example/"
    questions = [
        {"ask": "auth", "url": url, "values": values, "registry": registry or default}
        for values, url, registry in AUTH_CASES
    ]
    answers = ask_npm("ask_config.cjs", questions)
    assert len(set(answers)) > 4
    for (values, url, registry), expected in zip(AUTH_CASES, answers, strict=True):
        registries = Registries(configured=registry or default, auth=values)
        assert registries.credential_for(url).authorization == expected, (values, url)


@pytest.mark.parametrize(
    "url",
    [
        "https://registry.example:8443/a",
        "http://registry.example/a",
        "http://registry.example:80/a",
        "https://evil.example/",
        "https://registry.example.evil.example/",
        "https://registry.example@evil.example/",
    ],
)
def test_token_never_goes_to_another_host_or_port(url):
    registries = Registries(configured="https://registry.example/", auth={"//registry.example/:_authToken": "s3cret"})
    assert "s3cret" not in registries.credential_for(url).authorization


def test_token_of_a_port_with_https_is_not_sent_there_in_clear():
    auth = {"//registry.example:8443/:_authToken": "t"}
    secure = Registries(configured="https://registry.example:8443/", auth=auth)
    assert secure.credential_for("https://registry.example:8443/a").authorization == "Bearer t"
    assert secure.credential_for("http://registry.example:8443/a") == NO_CREDENTIAL
    for configured in ("http://registry.example:8443/", "https://default.example/"):
        assert (
            Registries(configured=configured, auth=auth).credential_for("http://registry.example:8443/a")
            != NO_CREDENTIAL
        )


@pytest.mark.parametrize(
    ("url", "origins", "allowed"),
    [
        ("https://registry.example/", [], True),
        ("http://registry.example/", [], False),
        ("http://registry.example/", ["https://registry.example"], False),
        ("http://registry.example/", ["http://registry.example"], True),
        ("http://registry.example/", ["http://registry.example", "https://registry.example"], True),
        ("http://registry.example:8443/", [], True),
        ("http://registry.example:8443/", ["https://registry.example:8443"], False),
        ("http://registry.example:8443/", ["https://registry.example"], True),
        ("http://registry.example:8443/", ["http://registry.example:8443", "https://registry.example:8443"], True),
    ],
)
def test_what_is_meant_for_https_does_not_leave_in_clear(url, origins, allowed):
    assert may_be_told(parse_url(url), origins) is allowed


def test_token_goes_to_plain_http_where_a_scope_is_configured_so():
    registries = Registries(
        configured="https://default.example/",
        by_scope={"@corp": ScopeRegistry("http://corp.example", "")},
        auth={"//corp.example/:_authToken": "t"},
    )
    assert registries.credential_for("http://corp.example/a", "@corp/a").authorization == "Bearer t"


def test_registry_of_the_package_decides_about_other_folders_of_its_host():
    registries = Registries(
        configured=REGISTRY,
        by_scope={"@corp": ScopeRegistry("https://corp.example/npm/", "")},
        auth={"//corp.example/npm/:_authToken": "t"},
    )
    assert registries.credential_for("https://corp.example/files/a.tgz", "@corp/a").authorization == "Bearer t"
    assert registries.credential_for("https://corp.example/files/a.tgz", "a") == NO_CREDENTIAL


def test_client_certificate_counts_as_credentials_of_its_folder():
    registries = Registries(
        configured=REGISTRY,
        auth={
            "//registry.example/a/:certfile": "/c.pem",
            "//registry.example/a/:keyfile": "/k.pem",
            "//registry.example/:_authToken": "t",
        },
    )
    credential = registries.credential_for("https://registry.example/a/b")
    assert (credential.certfile, credential.keyfile, credential.authorization) == ("/c.pem", "/k.pem", "")


def test_user_in_a_url_becomes_a_header():
    request = Registries(configured=REGISTRY).request_for("https://us%40er:p%3Aw@files.example/a.tgz")
    assert request.url == "https://files.example/a.tgz"
    assert request.credential.authorization == f"Basic {encoded('us@er:p:w')}"


@pytest.mark.parametrize("token", ["a\r\nX-Evil: 1", "a\x00", "a\u20ac", "a\x7f"])
def test_rejects_token_that_no_header_can_carry(token):
    registries = Registries(configured=REGISTRY, auth={"//registry.example/:_authToken": token})
    with pytest.raises(ConfigError, match="line break") as raised:
        registries.credential_for("https://registry.example/")
    assert token not in str(raised.value)


def test_key_of_a_registry_is_its_host_and_folder():
    assert nerf_dart(parse_url("https://u:p@registry.example:443/npm/x?y")) == "//registry.example/npm/"


def test_credentials_without_host_are_named_with_their_remedy():
    values = {"_auth": "x", "username": "u", "_authtoken": "y", "email": "e"}
    assert legacy_auth_problems(values, "//registry.example/") == [
        "_authtoken is no longer used: remove it",
        "_auth does not say which host it is for: rename it to //registry.example/:_auth",
        "username stands without _password: remove it",
    ]
