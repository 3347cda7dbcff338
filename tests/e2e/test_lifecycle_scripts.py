"""Lifecycle scripts of packages: which run, in which order, and what becomes of a failure."""

from __future__ import annotations

import fcntl
import json
import os
import pty
import signal
import sys
import termios
import time
from pathlib import Path

import pytest
from support.packages import PackedFile, make_package
from support.project import Project, pid_of_script, processes_of, wait_until

#: Notes in the project's folder what runs, in its order.
NOTE = "echo $npm_lifecycle_event $npm_package_name >> $INIT_CWD/ran"

ALL_EVENTS = dict.fromkeys(("preinstall", "install", "postinstall", "prepare", "prepublish"), NOTE)


def ran(project: Project) -> list[str]:
    """What has run so far."""
    file = project.folder / "ran"
    return file.read_text().splitlines() if file.exists() else []


def write_manifest(project: Project, **fields: object) -> None:
    """Change fields of package.json."""
    path = project.folder / "package.json"
    project.write("package.json", json.dumps({**json.loads(path.read_text()), **fields}, indent=2) + "\n")


@pytest.fixture
def built(project: Project) -> Project:
    """A project with one package that has scripts, allowed."""
    project.write("ran", "")
    package = make_package("built", "1.0.0", {"index.js": b"1"}, scripts=ALL_EVENTS)
    project.want({"node_modules/built": package}, allowScripts={"built": True})
    return project


@pytest.mark.parametrize("command", ["ci", "install"])
def test_scripts_that_are_allowed_run_in_their_order_once(built: Project, command: str) -> None:
    run = built.succeeds(command)
    assert ran(built) == ["preinstall built", "install built", "postinstall built"]
    assert "1 package built" in run.stdout
    assert "scripts" not in run.stderr
    built.succeeds("install")
    assert len(ran(built)) == 3


def test_ci_builds_everything_anew(built: Project) -> None:
    built.succeeds("ci")
    built.succeeds("ci")
    assert len(ran(built)) == 6


def test_scripts_that_nobody_has_allowed_do_not_run_until_somebody_does(built: Project) -> None:
    write_manifest(built, allowScripts={"other": True})
    run = built.succeeds("install")
    assert ran(built) == []
    assert "1 package has install scripts that nobody has allowed: built@1.0.0" in run.stderr
    built.succeeds("install")
    assert ran(built) == []
    write_manifest(built, allowScripts={"built@1.0.0": True})
    built.succeeds("install")
    assert ran(built) == ["preinstall built", "install built", "postinstall built"]
    assert built.succeeds("install").stdout.startswith("up to date")
    assert len(ran(built)) == 3


def test_what_is_denied_does_not_run_and_is_not_mentioned(built: Project) -> None:
    write_manifest(built, allowScripts={"built": False})
    run = built.succeeds("ci")
    assert ran(built) == []
    assert run.stderr == ""


def test_npmrc_allows_where_package_json_says_nothing(built: Project) -> None:
    manifest = json.loads((built.folder / "package.json").read_text())
    del manifest["allowScripts"]
    built.write("package.json", json.dumps(manifest))
    built.write(".npmrc", "allow-scripts=other,built\n")
    built.succeeds("ci")
    assert len(ran(built)) == 3


def test_allowing_on_the_command_line_is_for_global_packages(built: Project) -> None:
    run = built.fails("ci", "--allow-scripts=built")
    assert "is for global packages only" in run.stderr
    assert ran(built) == []


def test_ignore_scripts_counts_more_than_anything_that_allows(built: Project) -> None:
    run = built.succeeds("install", "--ignore-scripts", "--dangerously-allow-all-scripts")
    assert ran(built) == []
    assert run.stderr == ""
    built.succeeds("install")
    assert len(ran(built)) == 3


def test_all_scripts_can_be_allowed(built: Project) -> None:
    write_manifest(built, allowScripts={"built": False})
    built.succeeds("ci", "--dangerously-allow-all-scripts")
    assert len(ran(built)) == 3


def test_a_package_in_several_places_is_named_once(project: Project) -> None:
    built = make_package("built", "1.0.0", scripts={"install": NOTE})
    around = make_package("around", "1.0.0", dependencies={"built": "1.0.0"})
    places = {"node_modules/around": around, "node_modules/around/node_modules/built": built}
    project.want({**places, "node_modules/built": built})
    assert "1 package has install scripts that nobody has allowed: built@1.0.0;" in project.succeeds("install").stderr
    listed = project.succeeds("install-scripts", "ls").stdout
    assert listed.startswith("1 package has install scripts")
    assert listed.count("built@1.0.0") == 1
    assert project.fails("ci", "--strict-allow-scripts").stderr.count("built@1.0.0") == 1


@pytest.mark.parametrize("command", ["ci", "install"])
def test_strict_refuses_what_nobody_has_looked_at_before_anything_changes(built: Project, command: str) -> None:
    write_manifest(built, allowScripts={"other": True})
    run = built.fails(command, "--strict-allow-scripts")
    assert "built@1.0.0" in run.stderr
    assert not (built.folder / "node_modules").exists()
    write_manifest(built, allowScripts={"built": False})
    built.succeeds(command, "--strict-allow-scripts")


def test_an_entry_that_cannot_be_used_is_told(built: Project) -> None:
    write_manifest(built, allowScripts={"built@^1.0.0": True})
    run = built.succeeds("ci")
    assert "built@^1.0.0" in run.stderr
    assert ran(built) == []


# -- failures -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("command", ["ci", "install"])
def test_a_script_that_fails_is_the_end_with_its_own_status(project: Project, command: str) -> None:
    failing = make_package("failing", "1.0.0", scripts={"postinstall": "echo some reason >&2; exit 7"})
    former = make_package("failing", "0.9.0", {"old.js": b"old"})
    project.want({"node_modules/failing": former})
    project.succeeds("ci")
    project.want({"node_modules/failing": failing}, allowScripts={"failing": True})
    run = project.fails(command, status=7)
    assert "failing@1.0.0: the postinstall script ended with status 7" in run.stderr
    assert "some reason" in run.stderr
    assert (project.folder / "node_modules/failing/old.js").exists()


def test_a_script_that_a_signal_ends_has_the_status_of_a_shell(project: Project) -> None:
    failing = make_package("failing", "1.0.0", scripts={"install": "kill -9 $$"})
    project.want({"node_modules/failing": failing}, allowScripts={"failing": True})
    run = project.fails("ci", status=128 + signal.SIGKILL)
    assert "was ended by signal 9" in run.stderr


def test_a_failure_leaves_the_manifest_and_the_lock_alone(project: Project) -> None:
    failing = make_package("failing", "1.0.0", scripts={"install": "exit 3"})
    project.declare(failing, allowScripts={"failing": True})
    project.fails("add", "failing", status=3)
    assert not (project.folder / "package-lock.json").exists()


def test_an_optional_package_whose_script_fails_is_left_out_with_what_only_it_needs(project: Project) -> None:
    helper = make_package("helper", "1.0.0", {"cli.js": PackedFile(b"#!/bin/sh\n", 0o755)}, bin={"helper": "cli.js"})
    failing = make_package(
        "failing", "1.0.0", scripts={"install": "exit 1", "postinstall": NOTE}, dependencies={"helper": "1.0.0"}
    )
    kept = make_package("kept", "1.0.0")
    project.write("ran", "")
    project.declare(
        helper,
        failing,
        kept,
        dependencies={"kept": "1.0.0"},
        optionalDependencies={"failing": "1.0.0"},
        allowScripts={"failing": True},
    )
    run = project.succeeds("install")
    assert "the optional node_modules/failing is left out: its install script ended with status 1" in run.stderr
    assert run.stdout.startswith("placed 1 package ")
    assert "built" not in run.stdout
    assert ran(project) == []
    assert not os.listdir(project.folder / "node_modules/.bin")
    (project.folder / "node_modules/.bin").rmdir()
    project.assert_installed({"node_modules/kept": kept})
    assert set(project.lock["packages"]) == {
        "",
        *(f"node_modules/{name}" for name in ("failing", "helper", "kept")),
    }
    hidden = json.loads((project.folder / "node_modules/.package-lock.json").read_text())
    assert set(hidden["packages"]) == {"node_modules/kept"}


@pytest.mark.parametrize("event", ["preinstall", "install"])
def test_what_only_a_failed_optional_package_needs_runs_no_more_scripts(project: Project, event: str) -> None:
    helper = make_package("z-helper", "1.0.0", scripts={"install": NOTE, "postinstall": NOTE})
    failing = make_package("failing", "1.0.0", scripts={event: "exit 1"}, dependencies={"z-helper": "1.0.0"})
    project.write("ran", "")
    project.declare(
        helper,
        failing,
        optionalDependencies={"failing": "1.0.0"},
        allowScripts={"failing": True, "z-helper": True},
    )
    report = project.succeeds("install", "--foreground-scripts", "--json").report
    assert (report["placed"], report["scriptsRun"]) == (0, 0)
    assert ran(project) == []
    assert not (project.folder / "node_modules/z-helper").exists()


@pytest.fixture
def unprivileged(project: Project) -> Project:
    """A project of a user whom permissions concern."""
    if os.geteuid() == 0:
        # another user might not reach the interpreter; root without these is the owner of its files, and no more
        project.prefix = ("setpriv", "--bounding-set=-dac_override,-dac_read_search")
    return project


@pytest.mark.parametrize(
    "closing", ["chmod 500 .", "mkdir d; echo > d/x; chmod 500 d", "mkdir d; chmod 0 d .", "chmod 0 ."]
)
def test_what_a_script_closes_is_removed_all_the_same(unprivileged: Project, closing: str) -> None:
    project = unprivileged
    kept = make_package("kept", "1.0.0")
    closed = make_package("closed", "1.0.0", scripts={"install": closing})
    failing = make_package("closed", "1.0.1", scripts={"install": f"{closing}; exit 3"})
    allowed = {"closed": True}
    for before in ({}, {"node_modules/kept": kept}, {"node_modules/closed": closed, "node_modules/kept": kept}):
        project.want(before, allowScripts=allowed)
        project.succeeds("install")
        project.want({"node_modules/closed": failing, "node_modules/kept": kept}, allowScripts=allowed)
        project.fails("install", status=3)
        project.fails("ci", status=3)
        project.declare(
            kept,
            failing,
            dependencies={"kept": "1.0.0"},
            optionalDependencies={"closed": "1.0.1"},
            allowScripts=allowed,
        )
        project.succeeds("install")
        project.assert_installed({"node_modules/kept": kept})
        (project.folder / "package-lock.json").unlink()


def test_a_shell_that_is_not_there_is_named(built: Project) -> None:
    run = built.fails("ci", "--script-shell=/no/such/shell")
    assert "cannot be started with /no/such/shell" in run.stderr


def test_another_shell(built: Project) -> None:
    shell = built.write("shell", '#!/bin/sh\necho by my shell >> ran\nexec sh "$@"\n')
    shell.chmod(0o755)
    built.succeeds("ci", f"--script-shell={shell}")
    assert ran(built).count("preinstall built") == 1
    assert (built.folder / "node_modules/built/ran").read_text() == "by my shell\n" * 3


# -- cut off ------------------------------------------------------------------------------------------------------


@pytest.fixture
def slow(project: Project) -> Project:
    """A package whose script waits for ever the first time, and has begun by then."""
    script = "echo x >> half; test -e $INIT_CWD/fast || { echo $$ > $INIT_CWD/begun; sleep 1000; }; echo x >> half"
    package = make_package("slow", "1.0.0", scripts={"install": script})
    project.write("begun", "")
    project.want({"node_modules/slow": package}, allowScripts={"slow": True})
    return project


def _is_alive(pid: int) -> bool:
    return Path(f"/proc/{pid}").exists() and ") Z " not in Path(f"/proc/{pid}/stat").read_text()


@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_ends_the_script_too(slow: Project, number: int, status: int) -> None:
    running = slow.start("ci", alone=False)
    pid = pid_of_script(slow)
    running.signal(number)
    began = time.monotonic()
    assert running.wait().status == status
    assert time.monotonic() - began < 10
    assert not processes_of(pid)
    assert not (slow.folder / "node_modules").exists()


def test_a_terminal_that_is_closed_ends_the_script_too(slow: Project) -> None:
    main, terminal = pty.openpty()

    def sit_at_the_terminal() -> None:
        fcntl.ioctl(terminal, termios.TIOCSCTTY, 0)

    running = slow.start("ci", alone=False, preexec_fn=sit_at_the_terminal)
    os.close(terminal)
    pid = pid_of_script(slow)
    os.close(main)
    assert running.wait().status == 128 + signal.SIGHUP
    assert not processes_of(pid)
    assert not (slow.folder / "node_modules").exists()


def test_what_is_to_outlive_its_terminal_does(slow: Project) -> None:
    slow.prefix = ("nohup",)
    running = slow.start("ci", alone=False)
    pid_of_script(slow)
    os.killpg(running.pid, signal.SIGHUP)
    time.sleep(0.2)
    assert running.process.poll() is None
    running.signal(signal.SIGTERM)
    assert running.wait().status == 128 + signal.SIGTERM


@pytest.mark.parametrize("command", ["ci", "install"])
def test_a_killed_run_leaves_no_script_and_is_finished_by_the_next(slow: Project, command: str) -> None:
    running = slow.start(command, alone=False)
    pid = pid_of_script(slow)
    running.signal(signal.SIGKILL)
    running.process.communicate()
    wait_until(lambda: not processes_of(pid), "the script has ended with its run")
    wait_until(lambda: not processes_of(running.pid), "the workers have ended with their run")
    slow.write("fast", "")
    slow.succeeds("install")
    assert (slow.folder / "node_modules/slow/half").read_text() == "x\nx\n"


def test_a_worker_that_is_killed_fails_the_run(slow: Project) -> None:
    running = slow.start("ci", alone=False)
    pid = pid_of_script(slow)
    (worker,) = [one for one in processes_of(running.pid) if Path(f"/proc/{one}/comm").read_text() == "pmpipe-script\n"]
    os.kill(worker, signal.SIGKILL)
    run = running.wait()
    assert run.status == 70
    assert "slow@1.0.0 (install)" in run.stderr
    # the kernel ends it with the worker, but nobody waits for that
    wait_until(lambda: not _is_alive(pid), "the script has ended with its worker")
    os.killpg(pid, signal.SIGKILL)


def test_what_a_script_leaves_running_is_not_waited_for(project: Project) -> None:
    script = "sleep 1000 & echo $! > $INIT_CWD/begun"
    project.write("begun", "")
    project.want({"node_modules/a": make_package("a", "1.0.0", scripts={"install": script})}, allowScripts={"a": True})
    project.succeeds("ci")
    os.kill(pid_of_script(project), signal.SIGKILL)


def test_a_lot_of_output_is_no_trouble(project: Project) -> None:
    script = "yes 0123456789 | head -c 3000000; echo the end; exit 2"
    project.want({"node_modules/a": make_package("a", "1.0.0", scripts={"install": script})}, allowScripts={"a": True})
    run = project.fails("ci", status=2)
    assert "the end" in run.stderr
    assert len(run.stderr) < 10_000


def test_a_script_that_calls_pmpipe_in_the_same_project_is_told_instead_of_waiting_for_ever(project: Project) -> None:
    script = f"cd $INIT_CWD && {sys.executable} -m pmpipe install"
    project.want({"node_modules/a": make_package("a", "1.0.0", scripts={"install": script})}, allowScripts={"a": True})
    run = project.fails("ci")
    assert "has started this one, and waits for its end" in run.stderr


def test_a_script_that_prunes_the_store_in_use_is_told_instead_of_waiting_for_ever(project: Project) -> None:
    script = f"{sys.executable} -m pmpipe store prune --store-dir {project.store}"
    project.want({"node_modules/a": make_package("a", "1.0.0", scripts={"install": script})}, allowScripts={"a": True})
    run = project.fails("ci")
    assert "cannot prune the store that the package is being installed from" in run.stderr


def test_a_script_may_prune_another_store(project: Project) -> None:
    script = f"{sys.executable} -m pmpipe store prune --store-dir {project.base}/other"
    project.want({"node_modules/a": make_package("a", "1.0.0", scripts={"install": script})}, allowScripts={"a": True})
    project.succeeds("ci")


# -- what scripts see and make ------------------------------------------------------------------------------------


def test_executables_that_a_script_makes_are_linked(project: Project) -> None:
    package = make_package(
        "maker",
        "1.0.0",
        bin={"made": "made.js"},
        scripts={"preinstall": "echo '#!/bin/sh' > made.js", "install": "made"},
    )
    project.want({"node_modules/maker": package}, allowScripts={"maker": True})
    run = project.succeeds("ci")
    assert run.stderr == ""
    assert os.access(project.folder / "node_modules/.bin/made", os.X_OK)


def test_a_script_finds_the_executables_around_its_package(project: Project) -> None:
    tool = make_package("tool", "1.0.0", {"cli": PackedFile(b"#!/bin/sh\necho tool\n", 0o755)}, bin={"tool": "cli"})
    user = make_package("user", "1.0.0", scripts={"install": "tool > said"}, dependencies={"tool": "1.0.0"})
    project.want({"node_modules/tool": tool, "node_modules/user": user}, allowScripts={"user": True})
    project.succeeds("ci")
    assert (project.folder / "node_modules/user/said").read_text() == "tool\n"


def test_what_a_script_changes_stays_out_of_the_store(project: Project) -> None:
    script = "echo changed > index.js; chmod 600 package.json; rm gone.js"
    package = make_package("changer", "1.0.0", {"index.js": b"1", "gone.js": b"2"}, scripts={"install": script})
    project.want({"node_modules/changer": package}, allowScripts={"changer": True})
    project.succeeds("ci")
    assert (project.folder / "node_modules/changer/index.js").read_text() == "changed\n"
    # the store is examined when the project is closed
    other = project.sibling("other")
    other.want({"node_modules/changer": package})
    other.succeeds("ci")
    assert (other.folder / "node_modules/changer/index.js").read_bytes() == b"1"


def test_what_a_script_has_changed_is_no_damage(project: Project) -> None:
    package = make_package("changer", "1.0.0", {"index.js": b"1"}, scripts={"install": "echo 2 > index.js; echo >> n"})
    project.want({"node_modules/changer": package}, allowScripts={"changer": True})
    project.succeeds("ci")
    assert "built by their scripts" in project.succeeds("verify").stderr
    project.succeeds("install", "--repair")
    assert (project.folder / "node_modules/changer/index.js").read_text() == "2\n"
    assert (project.folder / "node_modules/changer/n").read_text() == "\n"


def test_node_gyp_builds_what_says_nothing_else(project: Project) -> None:
    gyp = make_package(
        "gyp", "1.0.0", {"cli": PackedFile(b"#!/bin/sh\necho $@ > built\n", 0o755)}, bin={"node-gyp": "cli"}
    )
    native = make_package("native", "1.0.0", {"binding.gyp": b"{}"})
    unwilling = make_package("unwilling", "1.0.0", {"binding.gyp": b"{}"}, gypfile=False)
    project.want(
        {f"node_modules/{one.name}": one for one in (gyp, native, unwilling)},
        allowScripts={"native": True, "unwilling": True},
    )
    project.succeeds("ci")
    assert (project.folder / "node_modules/native/built").read_text() == "rebuild\n"
    assert not (project.folder / "node_modules/unwilling/built").exists()


def test_bundled_packages_run_no_scripts(project: Project) -> None:
    inner = json.dumps({"name": "inner", "version": "1.0.0", "scripts": {"install": NOTE}}).encode()
    outer = make_package(
        "outer",
        "1.0.0",
        {"node_modules/inner/package.json": inner},
        dependencies={"inner": "1.0.0"},
        bundleDependencies=["inner"],
    )
    project.write("ran", "")
    project.declare(outer, dependencies={"outer": "1.0.0"}, allowScripts={"inner": True, "outer": True})
    project.succeeds("install")
    assert ran(project) == []
    project.succeeds("ci", "--dangerously-allow-all-scripts")
    assert ran(project) == ["install inner"]


def test_a_token_does_not_reach_a_script(built: Project) -> None:
    package = make_package("spy", "1.0.0", scripts={"install": "env > seen"})
    host = built.registry.url.partition(":")[2]
    lines = ("//registry.example/:_authToken=secret-one", "//other.example/:_authToken=${MY_TOKEN}")
    built.write(
        ".npmrc", "\n".join((*lines, f"{host}/:_password=c2VjcmV0LXR3bw==", "electron_mirror=https://m.example"))
    )
    built.environment.update(
        {
            "MY_TOKEN": "secret-three",
            "HEADER": "Bearer secret-three",
            "npm_config_//third.example/:_authToken": "secret-four",
            "npm_config_otp": "secret-five",
            "NPM_CONFIG_KEY": "-----BEGIN PRIVATE KEY-----\\nsecret-six\\n-----END PRIVATE KEY-----",
            "MY_KEY": "-----BEGIN PRIVATE KEY-----\nsecret-six\n-----END PRIVATE KEY-----\n",
            "OTHER": "plain",
        }
    )
    built.want({"node_modules/spy": package}, allowScripts={"spy": True})
    built.succeeds("ci")
    seen = (built.folder / "node_modules/spy/seen").read_text()
    assert "secret" not in seen
    assert "c2VjcmV0LXR3bw" not in seen
    assert "OTHER=plain" in seen
    assert "npm_config_electron_mirror=https://m.example" in seen


@pytest.fixture
def spied(project: Project) -> Project:
    """A project with scripts, its own and a package's, that note their environment."""
    package = make_package("spy", "1.0.0", scripts={"install": "env > seen"})
    project.want({"node_modules/spy": package}, allowScripts={"spy": True}, scripts={"install": "env > seen"})
    project.write("seen", "")
    return project


def seen_by_scripts(project: Project) -> list[set[str]]:
    """The environments of the project's own script and the package's, as lines."""
    files = (project.folder / "seen", project.folder / "node_modules/spy/seen")
    return [set(file.read_text().splitlines()) for file in files]


def test_scripts_learn_that_development_dependencies_are_left_out(spied: Project) -> None:
    spied.succeeds("ci", "--omit=dev")
    assert all("NODE_ENV=production" in seen for seen in seen_by_scripts(spied))
    spied.succeeds("ci", "--omit=optional")
    assert not any("NODE_ENV=production" in seen for seen in seen_by_scripts(spied))


def test_scripts_get_the_store_s_place_only_if_somebody_has_chosen_it(spied: Project) -> None:
    # an npm in a script warns of it, and to a pnpm it says where its own store is
    spied.succeeds("ci")
    assert all(f"npm_config_store_dir={spied.store}" in seen for seen in seen_by_scripts(spied))
    spied.names_store = False
    spied.succeeds("ci")
    assert not any("npm_config_store_dir" in line for seen in seen_by_scripts(spied) for line in seen)


def test_scripts_can_show_what_they_do(project: Project) -> None:
    package = make_package("loud", "1.0.0", scripts={"install": "echo out loud"})
    project.want({"node_modules/loud": package}, allowScripts={"loud": True})
    assert "out loud" not in project.succeeds("ci").stdout
    run = project.succeeds("ci", "--foreground-scripts")
    assert "\n> loud@1.0.0 install\n> echo out loud\n\nout loud\n" in run.stdout


def test_what_scripts_show_is_no_part_of_the_one_document(project: Project) -> None:
    package = make_package("loud", "1.0.0", scripts={"install": "echo out loud"})
    project.want({"node_modules/loud": package}, allowScripts={"loud": True})
    run = project.succeeds("ci", "--foreground-scripts", "--json")
    assert json.loads(run.stdout)["scriptsRun"] == 1
    assert "\n> loud@1.0.0 install\n> echo out loud\n\nout loud\n" in run.stderr


def test_several_at_a_time_but_one_event_after_the_other(project: Project) -> None:
    project.write("ran", "")
    packages = [make_package(name, "1.0.0", scripts=ALL_EVENTS) for name in "abcdef"]
    project.want({f"node_modules/{one.name}": one for one in packages}, allowScripts=dict.fromkeys("abcdef", True))
    run = project.succeeds("ci")
    assert [line.split()[0] for line in ran(project)] == ["preinstall"] * 6 + ["install"] * 6 + ["postinstall"] * 6
    assert "6 packages built" in run.stdout


def test_a_dry_run_runs_nothing(built: Project) -> None:
    built.succeeds("ci", "--dry-run")
    assert ran(built) == []


def test_the_report_tells_what_was_run(built: Project) -> None:
    report = built.succeeds("ci", "--json").report
    assert (report["scriptsRun"], report["scriptsSkipped"]) == (1, 0)
    write_manifest(built, allowScripts={})
    report = built.succeeds("ci", "--json").report
    assert (report["scriptsRun"], report["scriptsSkipped"]) == (0, 1)


def test_global_packages_are_allowed_on_the_command_line(project: Project) -> None:
    package = make_package("tool", "1.0.0", bin="index.js", scripts={"install": "echo > made"})
    project.registry.publish(package)
    prefix = project.base / "prefix"
    run = project.succeeds("install", "-g", "tool", f"--prefix={prefix}")
    assert "--allow-scripts=NAME lets them run this time" in run.stderr
    assert not (prefix / "lib/node_modules/tool/made").exists()
    run = project.succeeds("install", "-g", "tool", f"--prefix={prefix}", "--allow-scripts=tool")
    assert run.stderr == ""
    assert (prefix / "lib/node_modules/tool/made").exists()
