"""What the user reads when downloads fail: every problem of the run once, short enough to be read, with what to do."""

from __future__ import annotations

import threading

import pytest
from support.packages import make_package
from support.project import Project
from support.registry import ForwardProxy, PackageRegistry, faults

ALPHA = make_package("alpha", "1.0.0", {"a.js": b"a" * 50_000})
BETA = make_package("beta", "1.0.0")
GAMMA = make_package("gamma", "1.0.0")
PACKAGES = {f"node_modules/{one.name}": one for one in (ALPHA, BETA, GAMMA)}


def test_hundreds_of_failures_are_one_readable_report(project: Project, registry: PackageRegistry) -> None:
    project.want({f"node_modules/p{number}": make_package(f"p{number}", "1.0.0") for number in range(300)})
    registry.misbehave("*", faults.status(404))
    run = project.fails("ci")
    assert "300 packages failed alike" in run.stderr
    assert len(run.stderr.splitlines()) < 25
    assert run.stderr.count("hint: ") == 1
    assert len(registry.requests_for("*.tgz")) == 300


def test_hundreds_of_different_failures_are_still_readable(project: Project, registry: PackageRegistry) -> None:
    project.want({f"node_modules/p{number}": make_package(f"p{number}", "1.0.0") for number in range(300)})
    registry.misbehave("*.tgz", faults.corrupt(at=30))
    run = project.fails("ci")
    assert run.stderr.count("expected: ") == 10
    assert "290 more packages failed in a like way" in run.stderr
    assert len(run.stderr.splitlines()) < 100


def test_problems_of_several_kinds_are_reported_together(project: Project, registry: PackageRegistry) -> None:
    project.want(PACKAGES)
    registry.misbehave("/alpha/*", faults.status(404))
    registry.misbehave("/beta/*", faults.corrupt(at=30))
    registry.misbehave("/gamma/*", faults.status(403))
    run = project.fails("ci")
    assert all(f"{name}@1.0.0" in run.stderr for name in ("alpha", "beta", "gamma"))
    assert run.stderr.count("error[") == 3
    assert run.stderr.count("required by: app") == 3


@pytest.mark.parametrize("status", [401, 403, 404])
def test_a_refusal_is_asked_for_once(project: Project, registry: PackageRegistry, status: int) -> None:
    project.want({"node_modules/beta": BETA})
    registry.misbehave("*.tgz", faults.status(status))
    assert str(status) in project.fails("ci").stderr
    assert len(registry.requests_for("*.tgz")) == 1


@pytest.mark.parametrize("status", [408, 429, 500, 503])
def test_a_transient_refusal_is_asked_again(project: Project, registry: PackageRegistry, status: int) -> None:
    project.want({"node_modules/beta": BETA})
    registry.misbehave("*.tgz", faults.status(status), first=2)
    project.succeeds("ci")
    project.assert_installed()


def test_a_transient_refusal_that_stays_fails_the_install(project: Project, registry: PackageRegistry) -> None:
    project.want({"node_modules/beta": BETA})
    registry.misbehave("*.tgz", faults.status(503))
    assert "503" in project.fails("ci").stderr
    assert len(registry.requests_for("*.tgz")) == 3


BROKEN = {
    "reset": faults.reset(at=50),
    "cut": faults.short_body(missing=10),
    "hung up": faults.hang_up(),
    "unfinished chunks": faults.unfinished_chunks(),
}


@pytest.mark.parametrize("how", BROKEN)
def test_a_broken_transfer_is_repeated_and_fails_the_install_if_it_stays(
    project: Project, registry: PackageRegistry, how: str
) -> None:
    project.want({"node_modules/beta": BETA})
    registry.misbehave("*.tgz", BROKEN[how])
    assert "beta@1.0.0" in project.fails("ci").stderr
    registry.behave()
    registry.misbehave("*.tgz", BROKEN[how], first=1)
    project.succeeds("ci")
    project.assert_installed()


def test_a_body_that_stands_still_times_out(project: Project, registry: PackageRegistry) -> None:
    project.want({"node_modules/beta": BETA})
    gate = threading.Event()
    registry.misbehave("*.tgz", faults.hold(gate, at=20))
    run = project.fails("ci", "--fetch-timeout=1000", "--fetch-retries=0")
    gate.set()
    assert "beta@1.0.0" in run.stderr


def test_a_redirect_loop_ends(project: Project, registry: PackageRegistry) -> None:
    project.want({"node_modules/beta": BETA})
    registry.misbehave("*.tgz", faults.redirect(registry.tarball_url(BETA)))
    assert "beta@1.0.0" in project.fails("ci").stderr


def test_a_registry_that_is_down_is_named_once_with_its_address(project: Project) -> None:
    with PackageRegistry() as down:
        project.registry = down
        project.want({f"node_modules/p{number}": make_package(f"p{number}", "1.0.0") for number in range(100)})
    run = project.fails("ci")
    assert down.url.removeprefix("http://") in run.stderr
    assert "100 packages failed alike" in run.stderr
    assert len(run.stderr.splitlines()) < 25


def test_a_host_that_has_no_address_is_named(project: Project) -> None:
    project.want({"node_modules/beta": BETA})
    project.change_lock("node_modules/beta", resolved="http://registry.invalid/beta.tgz")
    assert "registry.invalid" in project.fails("ci").stderr


@pytest.mark.parametrize("status", [403, 407])
def test_a_refusing_proxy_is_named_once(project: Project, status: int) -> None:
    project.want({f"node_modules/p{number}": make_package(f"p{number}", "1.0.0") for number in range(50)})
    with ForwardProxy(refuse=status) as proxy:
        for path in project.packages:
            project.change_lock(path, resolved=f"https://registry.example/{path}.tgz")
        run = project.fails("ci", f"--https-proxy={proxy.url.replace('http://', 'http://user:passw0rd@')}")
    assert "proxy" in run.stderr
    assert "passw0rd" not in run.stderr
    assert len(run.stderr.splitlines()) < 25


def test_what_a_server_says_reaches_the_terminal_in_printable_form(project: Project, registry: PackageRegistry) -> None:
    project.want({"node_modules/beta": BETA})
    hostile = b'{"error": "\\u001b]0;owned\\u0007 \\u001b[2J \\u202e gnp.exe"}'
    registry.misbehave("*.tgz", faults.status(403, body=hostile))
    run = project.fails("ci")
    assert not any(character in run.stderr for character in "\x1b\x07\x9b\u202e")


def test_what_a_lockfile_says_reaches_the_terminal_in_printable_form(project: Project) -> None:
    project.want({"node_modules/beta": BETA})
    project.change_lock("node_modules/beta", version="1.0.0\x1b[31m\u202e", integrity="sha512-\x1b]0;x\x07")
    run = project.fails("ci")
    assert not any(character in run.stderr for character in "\x1b\x07\x9b\u202e")


def test_a_failure_in_json_mode_is_still_told(project: Project, registry: PackageRegistry) -> None:
    project.want({"node_modules/beta": BETA})
    registry.misbehave("*.tgz", faults.status(404))
    run = project.fails("ci", "--json")
    assert "error[PM_REGISTRY]" in run.stderr


def test_failures_of_optional_packages_do_not_fail_the_install(project: Project, registry: PackageRegistry) -> None:
    project.want(PACKAGES, dependencies={"gamma": "1.0.0"}, optionalDependencies={"alpha": "1.0.0", "beta": "1.0.0"})
    for name in ("alpha", "beta"):
        project.change_lock(f"node_modules/{name}", optional=True)
    registry.misbehave("/alpha/*", faults.status(404))
    registry.misbehave("/beta/*", faults.corrupt(at=30))
    run = project.succeeds("ci")
    assert run.stderr.count("warning: the optional node_modules/") == 2
    project.assert_installed({"node_modules/gamma": GAMMA})


# -- resolving ----------------------------------------------------------------------------------------------------


def test_everything_that_cannot_be_resolved_is_told_at_once_with_who_requires_it(project: Project) -> None:
    project.declare(
        make_package("user", "1.0.0", dependencies={"other": "9", "absent": "1"}),
        make_package("deep", "1.0.0"),
        make_package("other", "1.0.0"),
        dependencies={"user": "1", "absent": "1", "deep": "8"},
    )
    run = project.fails("install")
    assert run.stderr.count("error[") == 3
    assert (
        "no version of deep matches 8\n  tags: latest: 1.0.0\n  nearest: 1.0.0\n  required by the project, as deep@8\n"
        in run.stderr
    )
    assert "no version of other matches 9" in run.stderr
    assert "required by the project > user@1.0.0, as other@9\n" in run.stderr
    assert run.stderr.count("absent could not be fetched: 404") == 1


def test_hundreds_of_packages_that_cannot_be_resolved_are_one_readable_report(project: Project) -> None:
    wanted = {f"p{number}": "1" for number in range(300)}
    project.declare(dependencies=wanted)
    run = project.fails("install")
    assert "300 packages failed alike: 404" in run.stderr
    assert len(run.stderr.splitlines()) < 25
    project.declare(*(make_package(name, "2.0.0") for name in wanted), dependencies=wanted)
    run = project.fails("install")
    assert "290 more dependencies cannot be had" in run.stderr
    assert len(run.stderr.splitlines()) < 80


@pytest.fixture
def without_registry(project: Project) -> Project:
    """A project whose registry is down."""
    with PackageRegistry() as down:
        project.registry = down
    return project


def test_packuments_that_fail_alike_are_one_error_with_who_requires_them(without_registry: Project) -> None:
    without_registry.declare(dependencies={f"p{number}": f"^{number}.1.0" for number in range(5)})
    run = without_registry.fails("install")
    address = without_registry.registry.url.removeprefix("http://")
    assert f"error[PM_REGISTRY]: 5 packages failed alike: no connection to {address}\n" in run.stderr
    assert run.stderr.count("error[") == run.stderr.count("hint: ") == 1
    for number in range(5):
        assert f"  p{number} could not be fetched: {address} cannot be reached (ECONNREFUSED), " in run.stderr
        assert f", required by the project, as p{number}@^{number}.1.0\n" in run.stderr


def test_in_json_each_packument_that_fails_is_told_in_full(without_registry: Project) -> None:
    without_registry.declare(dependencies={f"p{number}": "1" for number in range(100)})
    error = without_registry.fails("install", "--json").report["error"]
    assert error["code"] == "PM_REGISTRY"
    assert "registry" in error["hint"]
    summaries = {problem["summary"].partition(" ")[0]: problem["detail"] for problem in error["problems"]}
    assert summaries.keys() == {f"p{number}" for number in range(100)}
    assert all(f"required by the project, as {name}@1" in detail for name, detail in summaries.items())


def test_more_than_a_message_holds_is_told_as_far_as_it_goes(without_registry: Project) -> None:
    without_registry.declare(dependencies={f"{'p' * 200}{number}": "1" for number in range(200)})
    error = without_registry.fails("install", "--json").report["error"]
    assert error["summary"].startswith("200 packages failed alike")
    assert "… and 190 more" in error["detail"]
    assert 20 < len(error["problems"]) < 150


def test_a_few_packuments_that_fail_alike_have_one_hint(without_registry: Project) -> None:
    without_registry.declare(dependencies={"alpha": "1", "beta": "1"})
    run = without_registry.fails("install")
    assert run.stderr.count("error[") == 2
    assert run.stderr.count("hint: ") == 1
