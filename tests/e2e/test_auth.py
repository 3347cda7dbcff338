"""Credentials and registries: who is asked for what, and who gets to see a token."""

from __future__ import annotations

import json
import ssl
from collections.abc import Iterator

import pytest
from support.packages import make_package
from support.project import Project
from support.registry import Certificate, PackageRegistry, faults

TOKEN = "t0ken-that-nobody-else-may-see"

ALPHA = make_package("alpha", "1.0.0")
SCOPED = make_package("@corp/beta", "1.0.0")


@pytest.fixture
def private() -> Iterator[PackageRegistry]:
    """A registry that wants the token."""
    with PackageRegistry(token=TOKEN) as server:
        yield server


@pytest.fixture
def guarded(project: Project, private: PackageRegistry) -> Project:
    """A project of the private registry, without credentials yet."""
    project.registry = private
    project.want({"node_modules/alpha": ALPHA})
    return project


def key_of(registry: PackageRegistry) -> str:
    return f"//{registry.url.partition('//')[2]}/"


def with_token(project: Project, registry: PackageRegistry) -> None:
    project.write(".npmrc", f"{key_of(registry)}:_authToken={TOKEN}\n")


def test_a_token_of_the_npmrc_opens_the_registry(guarded: Project, private: PackageRegistry) -> None:
    with_token(guarded, private)
    guarded.succeeds("ci")
    guarded.assert_installed()


def test_a_token_comes_from_the_environment_where_the_npmrc_says_so(guarded: Project, private: PackageRegistry) -> None:
    guarded.write(".npmrc", f"{key_of(private)}:_authToken=${{SECRET_TOKEN}}\n")
    guarded.environment["SECRET_TOKEN"] = TOKEN
    guarded.succeeds("ci")
    guarded.assert_installed()


@pytest.mark.parametrize("command", ["ci", "install", "add alpha"])
def test_a_refusal_comes_with_the_name_of_the_variable_that_is_not_set(
    guarded: Project, private: PackageRegistry, command: str
) -> None:
    guarded.write(".npmrc", f"{key_of(private)}:_authToken=${{SECRET_TOKEN}}\n")
    if command != "ci":
        (guarded.folder / "package-lock.json").unlink()
    run = guarded.fails(*command.split())
    assert "401" in run.stderr
    assert run.stderr.count("SECRET_TOKEN, which is not set in the environment") == 1


@pytest.mark.parametrize("written", ["${SECRET_TOKEN-%s}", "${SECRET_TOKEN:-%s}", "${%s}"])
def test_what_is_meant_as_a_default_value_of_a_variable_is_not_shown(
    guarded: Project, private: PackageRegistry, written: str
) -> None:
    guarded.write(".npmrc", f"{key_of(private)}:_authToken={written % f'/{TOKEN}'}\n")
    run = guarded.fails("ci")
    assert "npm knows no default values" in run.stderr
    assert TOKEN not in run.stderr


def test_without_a_token_the_registrys_refusal_is_told_once_with_what_to_do(
    guarded: Project, private: PackageRegistry
) -> None:
    run = guarded.fails("ci")
    assert "401" in run.stderr
    assert "hint: " in run.stderr
    assert len(private.requests_for("*.tgz")) == 1


@pytest.mark.parametrize("words", [("ci",), ("add", "alpha", "--no-package-lock")])
def test_a_refusal_names_the_key_of_a_token_that_is_for_another_path(
    guarded: Project, private: PackageRegistry, words: tuple[str, ...]
) -> None:
    guarded.write(".npmrc", f"{key_of(private)}npm/:_authToken={TOKEN}\n")
    run = guarded.fails(*words)
    assert f"what is configured for {key_of(private)}npm/ is not for this address" in run.stderr
    assert TOKEN not in run.stderr


@pytest.mark.parametrize("status", [401, 403])
def test_a_refused_token_is_not_shown(project: Project, registry: PackageRegistry, status: int) -> None:
    project.want({"node_modules/alpha": ALPHA})
    with_token(project, registry)
    registry.misbehave("*.tgz", faults.status(status))
    run = project.fails("ci", "--loglevel=silly")
    assert str(status) in run.stderr
    assert TOKEN not in run.stderr + run.stdout
    assert len(registry.requests_for("*.tgz")) == 1


def test_the_token_is_in_no_output_and_no_file(guarded: Project, private: PackageRegistry) -> None:
    with_token(guarded, private)
    for words in (("ci", "--loglevel=silly"), ("install", "--json"), ("verify",)):
        run = guarded.succeeds(*words)
        assert TOKEN not in run.stdout + run.stderr
    for path in guarded.base.rglob("*"):
        if path.is_file() and path.name != ".npmrc":
            assert TOKEN.encode() not in path.read_bytes()


def test_the_token_does_not_go_to_another_port_that_the_lockfile_names(
    project: Project, registry: PackageRegistry
) -> None:
    with PackageRegistry() as other:
        other.publish(ALPHA)
        project.want({"node_modules/alpha": ALPHA})
        project.change_lock("node_modules/alpha", resolved=other.tarball_url(ALPHA))
        with_token(project, registry)
        project.succeeds("ci")
        assert [one.header("authorization") for one in other.requests] == [None]


def test_the_token_does_not_follow_a_redirect_to_another_port(guarded: Project, private: PackageRegistry) -> None:
    with_token(guarded, private)
    with PackageRegistry() as other:
        other.publish(ALPHA)
        private.misbehave("*.tgz", faults.redirect(other.tarball_url(ALPHA)))
        guarded.succeeds("ci")
        assert [one.header("authorization") for one in other.requests] == [None]
        assert private.requests_for("*.tgz")[0].header("authorization") == f"Bearer {TOKEN}"


def test_who_sees_no_token_behind_a_redirect_is_not_to_be_logged_in_to(
    project: Project, registry: PackageRegistry, private: PackageRegistry
) -> None:
    private.publish(ALPHA)
    project.want({"node_modules/alpha": ALPHA})
    registry.misbehave("*.tgz", faults.redirect(private.tarball_url(ALPHA)))
    with_token(project, private)
    run = project.fails("ci")
    assert f"hint: {registry.url} redirects to {private.url}, where no token is sent" in run.stderr
    assert "log in" not in run.stderr
    assert [one.header("authorization") for one in private.requests] == [None]


def test_a_scope_is_asked_of_its_own_registry_only(project: Project, registry: PackageRegistry) -> None:
    with PackageRegistry() as corporate:
        corporate.publish(SCOPED)
        project.want({"node_modules/alpha": ALPHA, "node_modules/@corp/beta": SCOPED})
        project.change_lock("node_modules/@corp/beta", resolved=None)
        project.write(".npmrc", f"@corp:registry={corporate.url}/\n")
        project.succeeds("ci")
        project.assert_installed()
        assert [one.path for one in corporate.requests] == [SCOPED.tarball_path]
        assert [one.path for one in registry.requests] == [ALPHA.tarball_path]


def test_a_scoped_package_that_its_registry_lacks_is_not_looked_for_elsewhere(
    project: Project, registry: PackageRegistry
) -> None:
    with PackageRegistry() as corporate:
        project.want({"node_modules/@corp/beta": SCOPED})
        project.change_lock("node_modules/@corp/beta", resolved=None)
        project.write(".npmrc", f"@corp:registry={corporate.url}/\n")
        assert "404" in project.fails("ci").stderr
        assert registry.requests == []


@pytest.mark.parametrize("command", ["ci", "install"])
def test_a_registry_gets_to_see_its_client_certificate(
    project: Project, certificate: Certificate, command: str
) -> None:
    context = certificate.server_context()
    context.verify_mode = ssl.CERT_REQUIRED
    context.load_verify_locations(certificate.ca_path)
    with PackageRegistry(tls=context) as server:
        project.registry = server
        files = (("certfile", certificate.certificate_path), ("keyfile", certificate.key_path))
        lines = [f"cafile={certificate.ca_path}", *(f"{key_of(server)}:{name}={path}" for name, path in files)]
        project.write(".npmrc", "\n".join(lines))
        if command == "ci":
            project.want({"node_modules/alpha": ALPHA})
        else:
            project.declare(ALPHA, dependencies={"alpha": "1.0.0"})
        project.succeeds(command)
        project.assert_installed({"node_modules/alpha": ALPHA})
        packuments = ["/alpha"] * (command == "install")
        assert sorted(request.path for request in server.requests) == [*packuments, ALPHA.tarball_path]


def test_a_password_in_a_registrys_address_is_not_shown(project: Project, registry: PackageRegistry) -> None:
    project.want({"node_modules/alpha": ALPHA})
    project.change_lock(
        "node_modules/alpha", resolved=registry.tarball_url(ALPHA).replace("http://", "http://user:passw0rd@")
    )
    registry.misbehave("*.tgz", faults.status(404))
    run = project.fails("ci", "--loglevel=silly")
    assert "passw0rd" not in run.stdout + run.stderr


@pytest.mark.parametrize("where", ["package.json", "a package", "the command line", "the lockfile"])
@pytest.mark.parametrize(
    "spec",
    [
        f"git+http://{TOKEN}@127.0.0.1:1/r.git",
        f"git+http://user:{TOKEN}@127.0.0.1:1/r.git#v1",
        f"git+ssh://user:{TOKEN}@127.0.0.1:1/r.git",
        f"http://user:{TOKEN}@127.0.0.1:1/x.tgz",
        f"http://user:{TOKEN}@127.0.0.1:1/x.tgz?{'x' * 600}",
        f"http://user:{TOKEN}@127.0.0.1:99999/x.tgz",
        f"nothing://user:{TOKEN}@127.0.0.1/x",
    ],
)
def test_a_token_in_a_dependency_is_not_shown(project: Project, where: str, spec: str) -> None:
    """Whoever has to fetch from a private repository puts it there, and CI keeps what is said."""
    project.environment.update(GIT_SSH_COMMAND="false", npm_config_fetch_retries="0")
    command = ["install"]
    if where == "a package":
        project.declare(make_package("middle", "1.0.0", dependencies={"x": spec}), dependencies={"middle": "1"})
    elif where == "the command line":
        project.declare()
        command = ["add", spec]
    else:
        project.declare(dependencies={"x": spec})
    if where == "the lockfile":
        commit = f"#{'a' * 40}" if spec.startswith("git") else ""
        entry = {"version": "1.0.0", "resolved": spec.partition("#")[0] + commit, "integrity": ALPHA.integrity}
        root = {"dependencies": {"x": spec}}
        lock = {"lockfileVersion": 3, "packages": {"": root, "node_modules/x": entry}}
        project.write("package-lock.json", json.dumps(lock))
        command = ["ci"]
    run = project.fails(*command, "--json", "--loglevel=silly")
    assert TOKEN not in run.stdout + run.stderr
