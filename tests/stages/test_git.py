"""Checkouts by the git command, from local repositories, a git daemon and a web server."""

import asyncio
import contextlib
import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from fetch_process import FetchProcess, impatient, texts_of
from support.git import git
from support.registry import PackageRegistry

from pmpipe.errors import GitError, StoreError
from stages.fetch import FetchSettings
from stages.git.checkout import GitSettings, fetch_git
from stages.git.command import GitCommand, git_environment
from stages.messages import Failed, Fetched, FetchGit, JobId, PackageFolder


def commit(folder: Path, files: dict[str, str], message: str = "change") -> str:
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(content)
    git(folder, "add", "--all")
    git(folder, "commit", "--quiet", "--message", message)
    return git(folder, "rev-parse", "HEAD")


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    folder = tmp_path / "origin"
    folder.mkdir()
    git(folder, "init", "--quiet", "--initial-branch=main")
    commit(folder, {"package.json": '{"name":"p"}', "sub/index.js": "1"})
    return folder


@pytest.fixture(autouse=True)
def _plain_git(monkeypatch, tmp_path):
    home = tmp_path / "home"
    home.mkdir()
    monkeypatch.setenv("HOME", str(home))
    for name in ("GIT_SSH", "GIT_SSH_COMMAND", "GIT_CONFIG_GLOBAL", "XDG_CONFIG_HOME"):
        monkeypatch.delenv(name, raising=False)


def job_for(tmp_path: Path, *repositories: str, commit: str, subfolder: str = "") -> FetchGit:
    return FetchGit(JobId(1), "p@1.0.0", repositories, commit, subfolder, str(tmp_path / "checkout"))


def run(job: FetchGit, **settings: object) -> Fetched | Failed:
    return asyncio.run(fetch_git(job, GitSettings.of(impatient(**settings))))


def check_out(job: FetchGit, **settings: object) -> Path:
    result = run(job, **settings)
    assert isinstance(result, Fetched), result
    assert isinstance(result.source, PackageFolder)
    return Path(result.source.path)


def fail(job: FetchGit, **settings: object) -> Failed:
    result = run(job, **settings)
    assert isinstance(result, Failed), result
    assert result.code == GitError.code
    assert result.job == job.job
    assert "p@1.0.0" in result.what
    assert "\n" not in result.what
    assert not os.path.lexists(job.destination)
    return result


@contextlib.contextmanager
def git_daemon(folder: Path) -> Iterator[str]:
    """A git daemon on loopback for the repositories below a folder; yields its URL."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    arguments = ["--export-all", f"--base-path={folder}", "--listen=127.0.0.1", f"--port={port}", "--reuseaddr"]
    with subprocess.Popen(["git", "daemon", *arguments], start_new_session=True, stderr=subprocess.DEVNULL) as daemon:
        try:
            deadline = time.monotonic() + 30
            while time.monotonic() < deadline:
                with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port)):
                    break
                time.sleep(0.01)
            yield f"git://127.0.0.1:{port}"
        finally:
            os.killpg(daemon.pid, signal.SIGKILL)


# -- what goes right ----------------------------------------------------------------------------------------------


def test_checks_out_the_commit_without_git_folder(tmp_path, repository):
    wanted = git(repository, "rev-parse", "HEAD")
    commit(repository, {"later.js": "2"})
    folder = check_out(job_for(tmp_path, f"git+file://{repository}", commit=wanted))
    assert sorted(os.listdir(folder)) == ["package.json", "sub"]


def test_counts_the_bytes_of_the_packs(tmp_path, repository):
    result = run(job_for(tmp_path, f"file://{repository}", commit=git(repository, "rev-parse", "HEAD")))
    assert isinstance(result, Fetched)
    assert result.wire_bytes > 0


def test_checks_out_from_a_path_with_spaces_quotes_and_letters_of_all_kinds(tmp_path, repository):
    odd = tmp_path / 'it\'s a "façade" $HOME'
    repository.rename(odd)
    assert check_out(job_for(tmp_path, f"git+file://{odd}", commit=git(odd, "rev-parse", "HEAD")))


def test_gives_the_folder_within_the_repository(tmp_path, repository):
    job = job_for(tmp_path, f"file://{repository}", commit=git(repository, "rev-parse", "HEAD"), subfolder="/sub")
    assert os.listdir(check_out(job)) == ["index.js"]


def test_checks_out_from_a_git_daemon(tmp_path, repository):
    with git_daemon(repository.parent) as url:
        folder = check_out(job_for(tmp_path, f"{url}/origin", commit=git(repository, "rev-parse", "HEAD")))
    assert (folder / "package.json").exists()


def test_checks_out_from_a_web_server_that_only_serves_files(tmp_path, repository, registry: PackageRegistry):
    # such a server gives out no single commit: everything has to be fetched
    wanted = git(repository, "rev-parse", "HEAD")
    commit(repository, {"later.js": "2"})
    bare = tmp_path / "bare.git"
    git(tmp_path, "clone", "--quiet", "--bare", f"file://{repository}", str(bare))
    git(bare, "update-server-info")
    for path in (path for path in bare.rglob("*") if path.is_file()):
        registry.serve(f"/bare.git/{path.relative_to(bare)}", path.read_bytes(), content_type="text/plain")
    folder = check_out(job_for(tmp_path, f"{registry.url}/bare.git", commit=wanted))
    assert not (folder / "later.js").exists()


def test_finds_a_commit_that_no_branch_leads_to(tmp_path, repository):
    wanted = commit(repository, {"lost.js": "1"})
    git(repository, "update-ref", "refs/pull/1/head", wanted)
    git(repository, "reset", "--quiet", "--hard", "HEAD~1")
    assert (check_out(job_for(tmp_path, f"file://{repository}", commit=wanted)) / "lost.js").exists()


def test_checks_out_sha256_repositories(tmp_path):
    folder = tmp_path / "origin"
    folder.mkdir()
    git(folder, "init", "--quiet", "--object-format=sha256")
    wanted = commit(folder, {"package.json": "{}"})
    assert len(wanted) == 64
    assert os.listdir(check_out(job_for(tmp_path, f"file://{folder}", commit=wanted))) == ["package.json"]


def test_falls_back_to_the_next_repository(tmp_path, repository):
    wanted = git(repository, "rev-parse", "HEAD")
    check_out(job_for(tmp_path, f"file://{tmp_path}/missing", f"file://{repository}", commit=wanted))


def test_brings_submodules_from_the_network_without_their_git_files(tmp_path, repository):
    library = tmp_path / "library"
    library.mkdir()
    git(library, "init", "--quiet")
    commit(library, {"library.js": "1"})
    with git_daemon(tmp_path) as url:
        git(repository, "-c", "protocol.file.allow=always", "submodule", "add", f"file://{library}", "lib")
        git(repository, "config", "--file", ".gitmodules", "submodule.lib.url", "../library")
        wanted = commit(repository, {})
        folder = check_out(job_for(tmp_path, f"{url}/origin", commit=wanted))
    assert os.listdir(folder / "lib") == ["library.js"]


def test_is_not_misled_by_the_repository_whose_hook_runs_it(tmp_path, repository, monkeypatch):
    for name, value in {"GIT_DIR": "/nowhere", "GIT_WORK_TREE": "/nowhere", "GIT_INDEX_FILE": "/nowhere/index"}.items():
        monkeypatch.setenv(name, value)
    environment = git_environment(os.environ)
    assert not {"GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE"} & set(environment)
    monkeypatch.undo()
    wanted = git(repository, "rev-parse", "HEAD")
    settings = GitSettings(GitCommand({**environment, "HOME": str(tmp_path)}, 20.0), FetchSettings())
    assert isinstance(
        asyncio.run(fetch_git(job_for(tmp_path, f"file://{repository}", commit=wanted), settings)), Fetched
    )


def test_git_may_be_another_program(tmp_path, repository):
    program = tmp_path / "my git"
    program.write_text('#!/bin/sh\ntouch "$0 was used"\nexec git "$@"\n')
    program.chmod(0o755)
    settings = GitSettings.of(impatient(git=str(program)))
    wanted = git(repository, "rev-parse", "HEAD")
    fetched = asyncio.run(fetch_git(job_for(tmp_path, f"file://{repository}", commit=wanted), settings))
    assert isinstance(fetched, Fetched)
    assert (tmp_path / "my git was used").exists()


def test_a_checkout_that_cannot_be_read_is_the_store_s_trouble(tmp_path, repository):
    program = tmp_path / "git"
    # where the packs are to be counted, there is no folder
    spoil = 'while [ "$1" != -C ]; do shift; done; rm -rf "$2/.git/objects/pack"; touch "$2/.git/objects/pack"'
    program.write_text(f'#!/bin/sh\n{shutil.which("git")} "$@" || exit\ncase " $* " in *" fetch "*) {spoil};; esac\n')
    program.chmod(0o755)
    settings = GitSettings.of(impatient(git=str(program)))
    job = job_for(tmp_path, f"file://{repository}", commit=git(repository, "rev-parse", "HEAD"))
    failed = asyncio.run(fetch_git(job, settings))
    assert isinstance(failed, Failed)
    assert failed.code == StoreError.code, failed
    assert failed.what == f"p@1.0.0: cannot read or write {job.destination}/.git/objects/pack: Not a directory"
    assert not os.path.lexists(job.destination)


# -- what git never gets to see -----------------------------------------------------------------------------------

SHA = "0123456789abcdef0123456789abcdef01234567"


@pytest.fixture
def no_git(tmp_path, monkeypatch):
    """A git that leaves a trace when it is started."""
    trace, folder = tmp_path / "git-was-started", tmp_path / "bin"
    folder.mkdir()
    (folder / "git").write_text(f"#!/bin/sh\n: > '{trace}'\nexit 1\n")
    (folder / "git").chmod(0o755)
    monkeypatch.setenv("PATH", str(folder), prepend=os.pathsep)
    yield
    assert not trace.exists()


@pytest.mark.parametrize(
    "text", ["main", "HEAD", "", SHA[:39], SHA + "0", SHA.upper(), "--upload-pack=touch x", "-" + SHA[1:], SHA + "\n"]
)
def test_a_commit_that_is_no_full_id_is_refused(tmp_path, no_git, text):
    assert "no full commit id" in fail(job_for(tmp_path, "https://registry.example/r.git", commit=text)).what


@pytest.mark.parametrize(
    "repository",
    [
        "--upload-pack=touch x",
        "-oProxyCommand=x",
        "ssh://-oProxyCommand=x/r.git",
        "ssh://git@-oProxyCommand=x/r.git",
        "ssh://-l@registry.example/r.git",
        "git@-oProxyCommand=x:r.git",
        "-git@registry.example:r.git",
        "git@registry.example:-r.git",
        "https://-x/r.git",
        "https:///r.git",
        "https://registry.example/\x1b[31m",
        "ext::sh -c touch% x",
        "git+ext::sh",
        "fd::1",
        "ftp://registry.example/r.git",
        "https",
        "/etc",
        "../r",
        "",
    ],
)
def test_a_repository_that_is_unsafe_is_refused(tmp_path, no_git, repository):
    fail(job_for(tmp_path, repository, commit=SHA))


@pytest.mark.parametrize("subfolder", ["..", "../x", "a/../../x", "a\\b", ".git", "a/.GIT/hooks", "a\0b"])
def test_a_subfolder_that_leads_elsewhere_is_refused(tmp_path, no_git, subfolder):
    fail(job_for(tmp_path, "https://registry.example/r.git", commit=SHA, subfolder=subfolder))


def test_a_subfolder_behind_a_link_is_refused(tmp_path, repository):
    secret = tmp_path / "secret"
    secret.mkdir()
    (repository / "link").symlink_to(secret)
    wanted = commit(repository, {})
    failed = fail(job_for(tmp_path, f"file://{repository}", commit=wanted, subfolder="link"))
    assert "symbolic link" in failed.what


def test_a_submodule_on_this_machine_is_refused(tmp_path, repository):
    library = tmp_path / "library"
    library.mkdir()
    git(library, "init", "--quiet")
    commit(library, {"library.js": "1"})
    git(repository, "-c", "protocol.file.allow=always", "submodule", "add", f"file://{library}", "lib")
    wanted = commit(repository, {})
    failed = fail(job_for(tmp_path, f"file://{repository}", commit=wanted))
    assert any("not allowed" in line for line in failed.details)


def test_no_hook_and_no_template_of_the_user_runs(tmp_path, repository, monkeypatch):
    trace = tmp_path / "hook-ran"
    for folder in ("hooks", "template/hooks"):
        hook = tmp_path / folder / "post-checkout"
        hook.parent.mkdir(parents=True)
        hook.write_text(f"#!/bin/sh\n: > '{trace}'\n")
        hook.chmod(0o755)
    config = f"[core]\n\thooksPath = {tmp_path}/hooks\n[init]\n\ttemplateDir = {tmp_path}/template\n"
    (tmp_path / "home" / ".gitconfig").write_text(config)
    check_out(job_for(tmp_path, f"file://{repository}", commit=git(repository, "rev-parse", "HEAD")))
    assert not trace.exists()


# -- what goes wrong ----------------------------------------------------------------------------------------------


def test_a_missing_git_command_is_named(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    failed = fail(job_for(tmp_path, "https://registry.example/r.git", commit=SHA))
    assert "git command cannot be started" in failed.what
    assert "install git" in failed.hint
    assert failed.cause == "no git command"


def test_a_missing_commit_is_a_failure(tmp_path, repository):
    failed = fail(job_for(tmp_path, f"file://{repository}", commit=SHA))
    assert f"commit: {SHA}" in failed.details


def test_a_tag_object_is_no_commit(tmp_path, repository):
    git(repository, "tag", "--annotate", "--message=x", "v1")
    tag = git(repository, "rev-parse", "v1")
    assert "is no commit" in fail(job_for(tmp_path, f"file://{repository}", commit=tag)).what


def test_a_missing_subfolder_is_a_failure(tmp_path, repository):
    wanted = git(repository, "rev-parse", "HEAD")
    assert "no folder 'x'" in fail(job_for(tmp_path, f"file://{repository}", commit=wanted, subfolder="x")).what


def test_all_repositories_are_reported_without_passwords(tmp_path):
    urls = ("https://me:passw0rd@127.0.0.1:1/a.git", "http://127.0.0.1:1/b.git")
    failed = fail(job_for(tmp_path, *urls, commit=SHA))
    shown = texts_of(failed)
    assert "127.0.0.1:1/a.git" in shown
    assert "127.0.0.1:1/b.git" in shown
    assert "passw0rd" not in shown


def test_a_login_is_not_asked_for(tmp_path, registry: PackageRegistry):
    with PackageRegistry(token="t0ken") as closed:
        fail(job_for(tmp_path, f"{closed.url}/r.git", commit=SHA))


def test_an_overloaded_server_is_tried_again(tmp_path, registry: PackageRegistry):
    from support.registry import faults

    registry.misbehave("*", faults.status(503))
    fail(job_for(tmp_path, f"{registry.url}/r.git", commit=SHA), retries=2)
    assert len(registry.requests) == 3


@contextlib.contextmanager
def silent_server() -> Iterator[str]:
    """Accepts connections (by its backlog) and never says a word."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield f"git://127.0.0.1:{server.getsockname()[1]}/r.git"


def test_a_server_that_stands_still_is_given_up(tmp_path):
    with silent_server() as url:
        failed = fail(job_for(tmp_path, url, commit=SHA), timeout_s=0.3, retries=0)
    assert "no sign of life" in failed.what


# -- within the fetch process -------------------------------------------------------------------------------------


def children_of(pid: int) -> list[int]:
    with open(f"/proc/{pid}/task/{pid}/children", encoding="ascii") as file:
        return [int(child) for child in file.read().split()]


def wait_until_gone(pid: int) -> None:
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        try:
            with open(f"/proc/{pid}/stat", encoding="ascii") as file:
                # a zombie is gone too: whoever inherited it has not looked yet
                if file.read().rpartition(")")[2].split()[0] == "Z":
                    return
        except OSError:
            return
        time.sleep(0.01)
    raise AssertionError(f"process {pid} is still there")


def running_git(fetch: FetchProcess) -> int:
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        for child in children_of(fetch.process.pid):
            with contextlib.suppress(OSError), open(f"/proc/{child}/cmdline", encoding="ascii") as file:
                if "fetch" in file.read().split("\0"):
                    return child
        time.sleep(0.01)
    raise AssertionError("git did not start")


def test_the_fetch_process_checks_out_beside_its_downloads(tmp_path, repository, registry):
    url = registry.serve("/a.tgz", b"bytes")
    with FetchProcess() as fetch:
        fetch.send(job_for(tmp_path, f"file://{repository}", commit=git(repository, "rev-parse", "HEAD")))
        fetch.jobs_sent = 2
        fetch.order(url)
        results = {result.job: result for result in (fetch.fetched(), fetch.fetched())}
    assert isinstance(results[JobId(1)].source, PackageFolder)


def test_git_commands_queue_for_their_slots(tmp_path, repository):
    wanted = git(repository, "rev-parse", "HEAD")
    with FetchProcess(impatient(maximum_git_jobs=2)) as fetch:
        for number in range(6):
            destination = str(tmp_path / f"checkout-{number}")
            fetch.send(FetchGit(JobId(number), "p@1.0.0", (f"file://{repository}",), wanted, "", destination))
        assert {fetch.fetched().job for _ in range(6)} == set(range(6))


def test_git_ends_with_the_channel_of_jobs_and_leaves_nothing(tmp_path):
    with silent_server() as url:
        with FetchProcess() as fetch:
            fetch.send(job_for(tmp_path, url, commit=SHA))
            child = running_git(fetch)
        wait_until_gone(child)
    assert not (tmp_path / "checkout").exists()


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_git_ends_with_a_fetch_process_that_is_killed(tmp_path, number):
    with silent_server() as url, FetchProcess(expected_exit=-number) as fetch:
        fetch.send(job_for(tmp_path, url, commit=SHA))
        child = running_git(fetch)
        os.kill(fetch.process.pid, number)
        wait_until_gone(child)


def test_git_is_found_on_this_machine():
    assert shutil.which("git"), "these tests need the git command"
