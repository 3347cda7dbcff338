import json
import os
import socket
import stat
import subprocess
import sys
import textwrap
import time

import msgspec
import psutil
import pytest
from bench.disk import filesystem_type, tree_size
from bench.locks import Host, LockError, installed_packages, missing_packages, read_lock
from bench.measure import Measurement
from bench.plot import plot
from bench.report import markdown
from bench.results import Cell, Machine, Report, Run, RunTraffic, Sizes, cells_of
from bench.session import PreparationError, Session, Settings, point_lock_at
from bench.tools import KINDS, Phase, Places, Tool, find_tools, pnpm_overrides
from loopback.prefetch import prefetch, wanted_by_lock
from loopback.recording import Recording
from loopback.replay import open_replay
from loopback.upstream import Upstream
from support.packages import make_lock, make_package

SCRIPTS = os.path.join(os.path.dirname(__file__), "..", "..", "scripts")
MEASURE = os.path.join(SCRIPTS, "bench", "measure.py")
LINUX = Host("linux", "x64", "glibc")


def measure(tmp_path, program, *, timeout_s=60, memory="rss"):
    result, log = str(tmp_path / "result.json"), str(tmp_path / "log")
    command = [sys.executable, "-c", textwrap.dedent(program)]
    subprocess.run([sys.executable, MEASURE, result, log, str(timeout_s), memory, *command], check=True, timeout=90)
    with open(result, "rb") as file:
        return msgspec.json.decode(file.read(), type=Measurement)


def wait_until(condition, timeout_s=30):
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_measures_the_exit_status_and_keeps_the_output(tmp_path):
    measured = measure(tmp_path, "import sys; print('said'); sys.exit(3)")
    assert measured.status == 3
    assert (tmp_path / "log").read_text() == "said\n"


def test_status_of_a_killed_command_is_its_signal(tmp_path):
    assert measure(tmp_path, "import os; os.kill(os.getpid(), 9)").status == -9


def test_counts_the_time_of_grandchildren(tmp_path):
    burn = "import time; end = time.process_time() + 0.3\nwhile time.process_time() < end: pass"
    measured = measure(tmp_path, f"import subprocess, sys; subprocess.run([sys.executable, '-c', {burn!r}])")
    assert measured.user_s + measured.system_s >= 0.3


def test_counts_the_time_of_orphans(tmp_path):
    program = """
        import os, time
        if os.fork() == 0:
            os.setsid()
            end = time.process_time() + 0.3
            while time.process_time() < end: pass
            os._exit(0)
    """
    measured = measure(tmp_path, program)
    assert measured.user_s + measured.system_s >= 0.3
    assert measured.stragglers == 0


def test_sums_the_memory_of_all_processes(tmp_path):
    program = """
        import os, time
        children = []
        for _ in range(3):
            pid = os.fork()
            if pid == 0:
                block = b"x" * 40_000_000
                time.sleep(1)
                os._exit(0)
            children.append(pid)
        for pid in children: os.waitpid(pid, 0)
    """
    measured = measure(tmp_path, program)
    assert measured.peak_rss_bytes > 120_000_000
    assert measured.peak_processes == 4


def test_proportional_memory_counts_shared_pages_once(tmp_path):
    program = """
        import os, time
        block = b"x" * 60_000_000
        for _ in range(3):
            if os.fork() == 0:
                time.sleep(1)
                os._exit(0)
        for _ in range(3): os.wait()
    """
    measured = measure(tmp_path, program, memory="pss")
    assert 60_000_000 < measured.peak_pss_bytes < 150_000_000 < measured.peak_rss_bytes


def test_a_command_that_takes_too_long_is_killed(tmp_path):
    measured = measure(tmp_path, "import time; time.sleep(60)", timeout_s=0.3)
    assert measured.timed_out
    assert measured.wall_s < 30


def test_counts_switches_and_faults(tmp_path):
    measured = measure(tmp_path, "import time\nfor _ in range(50): time.sleep(0.001)")
    assert measured.voluntary_switches >= 50
    assert measured.minor_faults > 0


def test_nothing_goes_on_running_when_the_measurement_is_ended(tmp_path):
    pid_path = tmp_path / "pid"
    program = f"import os, time; open({str(pid_path)!r}, 'w').write(str(os.getpid())); time.sleep(60)"
    command = [sys.executable, MEASURE, str(tmp_path / "result"), str(tmp_path / "log"), "60", "rss"]
    with subprocess.Popen([*command, sys.executable, "-c", program]) as measuring:
        wait_until(lambda: pid_path.exists() and pid_path.read_text())
        measuring.terminate()
    wait_until(lambda: not psutil.pid_exists(int(pid_path.read_text())))


def test_a_hardlinked_file_is_sized_once_and_counted_twice(tmp_path):
    (tmp_path / "a").write_bytes(b"x" * 1000)
    os.link(tmp_path / "a", tmp_path / "b")
    size = tree_size(str(tmp_path))
    assert (size.size_bytes, size.files, size.folders) == (1000, 2, 1)


def test_what_is_absent_has_no_size(tmp_path):
    assert tree_size(str(tmp_path / "nothing")).files == 0


def test_names_the_filesystem():
    assert filesystem_type("/proc") == "proc"


# -- locks ----------------------------------------------------------------------------------------------------------

NPM_LOCK = {
    "packages": {
        "": {"dependencies": {"a": "1", "native": "1"}, "devDependencies": {"alias": "1"}},
        "node_modules/a": {"version": "1.0.0", "dependencies": {"b": "1"}},
        "node_modules/a/node_modules/b": {"version": "1.0.0"},
        "node_modules/alias": {"name": "real", "version": "2.0.0"},
        "node_modules/native": {"version": "1.0.0", "optionalDependencies": {"native-linux": "1", "native-mac": "1"}},
        "node_modules/native-linux": {"version": "1.0.0", "os": ["linux"], "cpu": ["x64"], "optional": True},
        "node_modules/native-mac": {"version": "1.0.0", "os": ["darwin"], "dependencies": {"only-mac": "1"}},
        "node_modules/only-mac": {"version": "1.0.0"},
        "node_modules/musl": {"version": "1.0.0", "libc": ["musl"]},
    }
}
BUN_LOCK = """{
  "lockfileVersion": 1,
  "workspaces": { "": { "name": "app", "dependencies": { "a": "1", "@s/c": "1", }, }, },
  "packages": {
    "a": ["a@1.0.0", "http://registry.example/a.tgz", { "dependencies": { "b": "1" } }, "sha512-,}=="],
    "a/b": ["b@1.0.0", "", {}, "sha512-x"],
    "@s/c": ["@s/c@1.0.0", "", { "optionalDependencies": { "mac": "1" } }, "sha512-x"],
    "@s/c/mac": ["mac@1.0.0", "", { "os": "darwin" }, "sha512-x"],
    "@s/c/inner": ["inner@1.0.0", "", { "bundled": true }, "sha512-x"],
  }
}
"""
PNPM_LOCK = """\
lockfileVersion: '9.0'

importers:

  .:
    dependencies:
      a:
        specifier: '1'
        version: 1.0.0(p@1.0.0)
      '@s/c':
        specifier: '1'
        version: 1.0.0

packages:

  '@s/c@1.0.0':
    resolution: {integrity: sha512-x}

  a@1.0.0:
    resolution: {integrity: sha512-x}
    engines: {node: '>=14'}

  mac@1.0.0:
    resolution: {integrity: sha512-x}
    cpu: [x64, arm64]
    os: [darwin]

  p@1.0.0:
    resolution: {integrity: sha512-x}

snapshots:

  '@s/c@1.0.0':
    optionalDependencies:
      mac: 1.0.0

  a@1.0.0(p@1.0.0):
    dependencies:
      p: 1.0.0

  mac@1.0.0:
    optional: true

  p@1.0.0: {}
"""


@pytest.mark.parametrize(
    ("name", "text", "promised"),
    [
        (
            "package-lock.json",
            json.dumps(NPM_LOCK),
            {
                "node_modules/a",
                "node_modules/a/node_modules/b",
                "node_modules/alias",
                "node_modules/native",
                "node_modules/native-linux",
            },
        ),
        ("bun.lock", BUN_LOCK, {"node_modules/a", "node_modules/a/node_modules/b", "node_modules/@s/c"}),
    ],
)
def test_lock_promises_what_fits_the_platform_and_is_needed(tmp_path, name, text, promised):
    (tmp_path / name).write_text(text)
    assert {entry.place for entry in read_lock(str(tmp_path / name), LINUX).promised()} == promised


def test_pnpm_lock_promises_names_and_versions(tmp_path):
    (tmp_path / "pnpm-lock.yaml").write_text(PNPM_LOCK)
    promised = read_lock(str(tmp_path / "pnpm-lock.yaml"), LINUX).promised()
    assert {f"{entry.name}@{entry.version}" for entry in promised} == {"a@1.0.0", "p@1.0.0", "@s/c@1.0.0"}


@pytest.mark.parametrize("name", ["package-lock.json", "bun.lock", "yarn.lock"])
def test_a_lock_that_is_not_understood_is_an_error(tmp_path, name):
    (tmp_path / name).write_text("{}")
    with pytest.raises(LockError):
        read_lock(str(tmp_path / name), LINUX)


@pytest.mark.parametrize(
    ("os_list", "fits"), [([], True), (["linux"], True), (["!linux"], False), (["!win32"], True), (["darwin"], False)]
)
def test_platform_lists_are_read_as_npm_does(os_list, fits):
    assert LINUX.fits(os=os_list, cpu=[], libc=[]) is fits


def lay(project, *places):
    for place in places:
        folder = project / place
        folder.mkdir(parents=True)
        (folder / "package.json").write_text(json.dumps({"version": "1.0.0"}))


def test_finds_the_package_that_is_missing(tmp_path):
    (tmp_path / "package-lock.json").write_text(json.dumps(NPM_LOCK))
    lay(tmp_path, "node_modules/a", "node_modules/alias", "node_modules/native", "node_modules/native-linux")
    lock = read_lock(str(tmp_path / "package-lock.json"), LINUX)
    assert missing_packages(lock, str(tmp_path)) == ["node_modules/a/node_modules/b"]


def test_finds_installed_packages_at_any_depth(tmp_path):
    lay(tmp_path, "node_modules/a", "node_modules/a/node_modules/@s/c", "node_modules/.store/x")
    assert installed_packages(str(tmp_path / "node_modules")) == {"a@1.0.0", "@s/c@1.0.0"}


def test_points_resolved_urls_at_the_replay():
    lock = {"packages": {"node_modules/a": {"resolved": "https://registry.example/a/-/a-1.0.0.tgz"}, "": {}}}
    pointed = json.loads(point_lock_at(json.dumps(lock), "http://127.0.0.1:4874"))
    assert pointed["packages"]["node_modules/a"]["resolved"] == "http://127.0.0.1:4874/a/-/a-1.0.0.tgz"


def test_overrides_in_pnpm_spelling():
    npm = {"a": "1", "b": {".": "2", "c": "$d"}}
    assert pnpm_overrides(npm) == {"a": "1", "b": "2", "b>c": "$d"}


# -- sessions: a small installer of our own stands for the real ones --------------------------------------------------

INSTALLER = '''\
#!{python}
"""Installs a package-lock.json whose entries are all tarballs of one registry; how it fails is in its environment."""
import io, json, os, sys, tarfile, urllib.request
verb, cache, registry = sys.argv[1:]
mode = os.environ.get("INSTALLER_MODE", "")
if mode == "fail":
    sys.exit("nothing works")
lock = json.load(open("package-lock.json"))
for place, entry in lock["packages"].items():
    if not place or (mode == "partial" and place.endswith("right-pad")):
        continue
    name = place.rpartition("node_modules/")[2]
    path = os.path.join(cache, name + ".tgz")
    if verb == "noop" and os.path.exists(place) and mode != "curious":
        continue
    if mode == "curious" or not os.path.exists(path):
        content = urllib.request.urlopen(entry["resolved"]).read()
        open(path, "wb").write(content)
    for member in (archive := tarfile.open(path)).getmembers():
        target = os.path.join(place, member.name.removeprefix("package/"))
        os.makedirs(os.path.dirname(target), exist_ok=True)
        open(target, "wb").write(archive.extractfile(member).read())
'''


class Installer(Tool):
    """The small installer as a tool, in a mode of misbehaviour that begins after its preparation."""

    name = "installer"
    lock_name = "package-lock.json"
    takes_npm_lock = True
    mode = ""

    def command(self, phase, places, registry):
        return [self.path, phase.value, places.cache, registry]

    def phases(self):
        return frozenset({Phase.LOCKED, Phase.WARM, Phase.NOOP})

    def environment(self, places: Places, registry):
        return {**super().environment(places, registry), "INSTALLER_MODE": self.mode}


PADS = [make_package("left-pad", "1.0.0"), make_package("right-pad", "1.0.0")]


@pytest.fixture
def bench(tmp_path, registry):
    """A session on a project with two packages, the replay, and the small installer."""
    registry.publish(*PADS)
    project = tmp_path / "project"
    project.mkdir()
    root = {"name": "app", "dependencies": {pad.name: "1" for pad in PADS}}
    (project / "package.json").write_text(json.dumps(root))
    lock = project / "package-lock.json"
    lock.write_text(json.dumps(make_lock(root, {f"node_modules/{pad.name}": pad for pad in PADS}, registry.url)))
    recording = Recording(str(tmp_path / "recording"))
    with Upstream(registry.url) as upstream:
        prefetch(recording, upstream, wanted_by_lock(str(lock), packuments=False), seed=None)
    program = tmp_path / "installer"
    program.write_text(INSTALLER.format(python=sys.executable))
    program.chmod(0o755)
    with open_replay(recording, kind="python", port=0) as replay:
        lock.write_text(point_lock_at(lock.read_text(), replay.url))
        settings = Settings(
            project=str(project),
            work=str(tmp_path / "work"),
            registry=replay.url,
            rounds=2,
            seed=1,
            timeout_s=60,
            settle_s=0,
        )
        yield Session(settings), replay, Installer(str(program)), str(lock)


def run_all(bench, *phases, mode=""):
    session, replay, tool, lock = bench
    prepared = session.prepare(tool, lock, cold_too=False)
    tool.mode = mode
    return session.run([prepared], phases, replay, lambda run: None)


def test_every_phase_gives_figures(bench):
    runs = run_all(bench, Phase.LOCKED, Phase.WARM, Phase.NOOP)
    assert [run.rejected for run in runs] == [""] * 6
    cold = [run for run in runs if run.phase == "p3"]
    assert [run.traffic.requests for run in cold] == [2, 2]
    assert cold[0].traffic.rx_bytes > sum(len(pad.tarball) for pad in PADS)
    assert cold[0].sizes.node_modules.files == 4
    assert cold[0].packages_promised == 2


def test_rounds_are_run_in_an_order_of_their_own(bench):
    runs = run_all(bench, Phase.LOCKED, Phase.WARM, Phase.NOOP)
    assert [run.round for run in runs] == [1, 1, 1, 2, 2, 2]
    assert [run.phase for run in runs[:3]] != [run.phase for run in runs[3:]]


def test_a_tool_that_fails_is_rejected_with_what_it_said(bench):
    runs = run_all(bench, Phase.LOCKED, mode="fail")
    assert runs[0].rejected == "ended with status 1: nothing works"


def test_a_tool_that_installs_less_than_its_lock_says_is_rejected(bench):
    runs = run_all(bench, Phase.LOCKED, mode="partial")
    assert runs[0].rejected == "installed less than its lock says: 1 of 2, e.g. node_modules/right-pad"


@pytest.mark.parametrize("phase", [Phase.WARM, Phase.NOOP])
def test_a_warm_run_that_asks_the_registry_is_rejected(bench, phase):
    runs = run_all(bench, phase, mode="curious")
    assert runs[0].rejected == "asked the registry 2 times although everything was there"


def test_a_tool_that_cannot_be_prepared_is_left_out(bench):
    session, _, tool, lock = bench
    tool.mode = "fail"
    with pytest.raises(PreparationError, match="nothing works"):
        session.prepare(tool, lock, cold_too=False)


def test_a_tool_that_cannot_resolve_needs_a_lock(bench):
    session, _, tool, _ = bench
    with pytest.raises(PreparationError, match="cannot resolve"):
        session.prepare(tool, None, cold_too=False)


def test_the_project_is_not_touched(bench, tmp_path):
    before = sorted((path.name, path.read_bytes()) for path in (tmp_path / "project").iterdir())
    run_all(bench, Phase.LOCKED)
    assert sorted((path.name, path.read_bytes()) for path in (tmp_path / "project").iterdir()) == before


def test_a_read_only_project_is_no_obstacle(bench, tmp_path):
    for path in (tmp_path / "project").iterdir():
        path.chmod(stat.S_IRUSR)
    assert run_all(bench, Phase.LOCKED)[0].rejected == ""


# -- tools ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", list(KINDS))
def test_no_tool_runs_scripts(name):
    tool = KINDS[name]("/bin/x")
    places = Places("/p", "/c", "/h")
    for phase in (Phase.COLD, Phase.LOCKED, Phase.WARM, Phase.NOOP):
        assert "--ignore-scripts" in tool.command(phase, places, "http://127.0.0.1:1")


@pytest.mark.parametrize("name", list(KINDS))
def test_every_tool_is_told_the_registry(name):
    tool = KINDS[name]("/bin/x")
    for phase in Phase:
        command = tool.command(phase, Places("/p", "/c", "/h"), "http://127.0.0.1:1")
        assert any("http://127.0.0.1:1" in word for word in command)


def test_a_tool_sees_no_setting_of_the_user(monkeypatch):
    monkeypatch.setenv("NPM_TOKEN", "secret")
    environment = KINDS["bun"]("/bin/x").environment(Places("/p", "/c", "/h"), "http://127.0.0.1:1")
    assert "NPM_TOKEN" not in environment
    assert environment["HOME"] == "/h"


def test_a_tool_given_by_path_is_taken_first(tmp_path):
    program = tmp_path / "bun"
    program.write_text("#!/bin/sh\necho 9.9.9\n")
    program.chmod(0o755)
    (tool,) = find_tools(["bun"], {"bun": str(program)}, None)
    assert tool.version() == "9.9.9"


# -- reports ----------------------------------------------------------------------------------------------------------


def a_run(tool, phase, wall_s, *, rejected=""):
    return Run(
        tool=tool,
        phase=phase,
        round=1,
        measured=Measurement(wall_s=wall_s, user_s=wall_s / 2),
        traffic=RunTraffic(),
        sizes=Sizes(),
        rejected=rejected,
    )


@pytest.fixture
def report():
    machine = Machine(
        cpus=2,
        memory_bytes=8_000_000_000,
        kernel="6.1",
        python="3.12",
        filesystem="tmpfs",
        load_before=0.1,
        server="nginx",
        seed=1,
        rounds=3,
        taken_at="2026-01-01T00:00+00:00",
    )
    runs = [a_run("pmpipe", "p3", wall_s) for wall_s in (2.0, 3.0, 4.0)]
    runs += [a_run("bun", "p3", wall_s) for wall_s in (6.0, 6.0, 60.0)]
    runs += [a_run("bun", "p0", 123.0), a_run("bun", "p0", 0.0, rejected="ended with status 1: oops")]
    return Report(project="app", machine=machine, tools={"pmpipe": "1", "bun": "2"}, left_out={}, runs=runs)


def test_ratios_compare_medians(report):
    assert "| pmpipe | 1 | 0.50 |" in markdown(report)


def test_wall_time_comes_with_its_deviation(report):
    assert "| pmpipe | 3.00 ±1.00 |" in markdown(report)


def test_a_rejected_cell_shows_its_reason_and_no_figure(report):
    text = markdown(report)
    assert "| bun | rejected |" in text
    assert "- bun p0: ended with status 1: oops" in text
    assert "123" not in text


def test_phases_stand_in_their_own_order(report):
    assert list(cells_of(report)) == ["p0", "p3"]


def test_a_single_run_has_no_deviation():
    assert Cell("bun", "p3", [a_run("bun", "p3", 1.0)]).deviation() == 0.0


def test_report_survives_json(report):
    again = msgspec.json.decode(msgspec.json.encode(report), type=Report)
    assert markdown(again) == markdown(report)


def test_plot_is_written(report, tmp_path):
    pytest.importorskip("matplotlib")
    plot(report, str(tmp_path / "report.png"))
    assert (tmp_path / "report.png").read_bytes().startswith(b"\x89PNG")


def test_command_line_refuses_an_unknown_phase():
    command = [sys.executable, os.path.join(SCRIPTS, "bench_phases.py"), "--project", ".", "--recording", "r"]
    refused = subprocess.run([*command, "--phases", "p9"], capture_output=True, text=True, timeout=60, check=False)
    assert refused.returncode == 2
    assert "unknown: p9" in refused.stderr


def test_command_line_measures_pmpipe_itself(bench, tmp_path):
    """The whole way: tools found, replay, phases, report.

    The fixture's replay stays on its own port; this one takes another.
    """
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    where = ["--project", str(tmp_path / "project"), "--recording", str(tmp_path / "recording"), "--port", str(port)]
    what = ["--tools", "pmpipe", "--phases", "p3,p4,noop", "--rounds", "1", "--server", "python"]
    (tmp_path / "measured").mkdir()
    out = ["--work-dir", str(tmp_path / "measured"), "--out", str(tmp_path / "out")]
    command = [sys.executable, os.path.join(SCRIPTS, "bench_phases.py"), *where, *what, *out]
    done = subprocess.run(command, capture_output=True, text=True, timeout=110, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    report = msgspec.json.decode((tmp_path / "out" / "report.json").read_bytes(), type=Report)
    assert [(run.phase, run.rejected) for run in sorted(report.runs, key=lambda run: run.phase)] == [
        ("noop", ""),
        ("p3", ""),
        ("p4", ""),
    ]
    assert list((tmp_path / "measured").iterdir()) == []
