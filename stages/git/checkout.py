"""Checks out one commit of a git repository, by the ``git`` command.

Nothing of a lockfile gets into git's options: the commit is a full hexadecimal id, repositories have one of a few
schemes and no part that starts with a dash, and positional arguments stand behind ``--``. Each command may use only the
transport that the repository's URL names; a local repository has to be named as ``file:`` (in a lockfile:
``git+file:``), and no submodule is one. No hook or template of the user's is used.

The commit alone is asked for first, without its history; a server that does not give out commits by their id is asked
for everything. The result is a folder without ``.git``.

Source: what npm's git fetcher does, with the commit checked before git is started.
"""

from __future__ import annotations

import asyncio
import errno
import os
import re
from collections.abc import Sequence
from contextlib import suppress

import msgspec

from pmpipe.errors import GitError, PmpipeError, StoreError
from pmpipe.npm.texts.text import printable
from stages.entries.store_trouble import HINTS, store_error
from stages.fetch import FetchSettings, retry_wait_s
from stages.git.command import GitCommand, GitFailedError, GitMissingError, git_environment
from stages.git.prepare import prepare
from stages.messages import Failed, Fetched, FetchGit, JobId, PackageFolder
from stages.remove import remove_tree

_COMMIT = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")

#: The transports of git that reach the network.
NETWORK_PROTOCOLS = ("https", "http", "ssh", "git")

_URL = re.compile(
    r"(?P<scheme>https?|ssh|git|file)://(?:(?P<user>[^/@\s]*)@)?(?P<host>[^/@:\s]*|\[[0-9a-fA-F:.]+\])(?::[0-9]+)?/(?P<path>\S.*)?"
)
_SCP = re.compile(r"(?:(?P<user>[^/@:\s]+)@)?(?P<host>[^/@:\s]+):(?P<path>[^:\s].*)")

#: How npm writes the same with a scheme; git would take the path for a port.
_SCP_AS_URL = re.compile(r"ssh://(?P<address>[^/:]+:(?![0-9]+(?:/|$)).+)")

#: The server does not give out a commit by its id, or not without its history.
_NOT_BY_ID = re.compile(
    r"unadvertised object|not our ref|couldn't find remote ref|does not support shallow|dumb http|shallow file|"
    r"Server does not allow request",
    re.IGNORECASE,
)

#: npm's list of what is worth another attempt, and what newer versions of git say instead.
TRANSIENT = re.compile(
    r"Internal Server Error|The remote end hung up unexpectedly|Connection timed out|Operation timed out|"
    r"Failed to connect to .* Timed out|Connection reset by peer|SSL_ERROR_SYSCALL|early EOF|unexpected disconnect|"
    r"The requested URL returned error: (?:429|5\d\d)",
    re.IGNORECASE,
)

#: In URLs, and with a password in what is ssh's way to write an address.
_USER = re.compile(r"(?<=://)[^/\s]*@|(?<![^\s'\"(])[^\s/:@'\"]+:[^\s/@'\"]+@")

#: Whatever ssh or the host has said above it.
_SAID_OF_HELPERS = (
    "fatal: Could not read from remote repository.",
    "Please make sure you have the correct access rights",
    "and the repository exists.",
)


_NO_SPACE = os.strerror(errno.ENOSPC)


class GitSettings(msgspec.Struct, frozen=True):
    """What git commands need of the settings: see `FetchSettings`. `command` runs them."""

    command: GitCommand
    fetch: FetchSettings

    @classmethod
    def of(cls, settings: FetchSettings) -> GitSettings:
        """From fetch's settings and this process's environment."""
        return cls(GitCommand(git_environment(os.environ), settings.timeout_s, settings.git), settings)


class Repository(msgspec.Struct, frozen=True):
    """A repository that may be given to git.

    Attributes:
        url: as git takes it.
        protocol: the transport that the URL asks for.
        host: for messages; empty for a local repository.
    """

    url: str
    protocol: str
    host: str


class RefusedError(Exception):
    """An address that git must not see; the message says why."""


async def fetch_git(job: FetchGit, settings: GitSettings) -> Fetched | Failed:
    """Check out the job's commit into its destination, from the first of its repositories that works.

    A repository is a URL of https, http, ssh, git or file, possibly after ``git+``, or ``user@host:path``, also as
    ``ssh://user@host:path``.

    Returns:
        `Fetched` with the package's folder, or `Failed`; then the destination does not exist.
    """
    try:
        _check_commit(job.commit)
        _check_subfolder(job.subfolder)
        repositories = [read_repository(text) for text in job.repositories]
    except RefusedError as error:
        return _failed(job, str(error), hint="the entry of package-lock.json is damaged or unsafe; git was not started")
    try:
        return await _from_any(job, repositories, settings)
    except PmpipeError as error:
        what, code, hint = error.what, error.code, error.hint
    except OSError as error:
        refused = store_error(str(error.filename or job.destination), error, "read or write")
        what, code, hint = refused.what, refused.code, refused.hint
    # what cannot be removed now goes with a later run
    with suppress(OSError):
        remove_tree(job.destination)
    return Failed(job.job, code, f"{job.label}: {what}", hint=hint)


async def _from_any(job: FetchGit, repositories: Sequence[Repository], settings: GitSettings) -> Fetched | Failed:
    """What the first repository that works gives.

    Raises:
        PmpipeError: something in the checkout cannot be used.
        OSError: the system refuses something there.
    """
    problems: list[str] = []
    for repository in repositories:
        outcome = await _try_repository(job, repository, settings)
        if isinstance(outcome, Fetched):
            failed = await prepare(job, _package_folder(job)) if job.preparation is not None else None
            if failed is not None:
                remove_tree(job.destination)
            return failed or outcome
        problems.append(outcome.what)
        if outcome.final:
            failed = _failed(job, outcome.what, hint=outcome.hint, cause=outcome.cause)
            return msgspec.structs.replace(failed, code=outcome.code)
    return _failed(
        job,
        gist(problems),
        details=said_in_full(problems),
        hint="check that the repository exists and can be read: git ls-remote, ssh keys, credential helper",
    )


def _is_full(folder: str) -> bool:
    """Whether nothing more can be written there: git does not always say that this is what stopped it."""
    try:
        found = os.statvfs(folder)
    except OSError:
        return False
    # some filesystems do not count files
    return found.f_bavail == 0 or (found.f_files > 0 and found.f_favail == 0)


class _Problem(msgspec.Struct, frozen=True, kw_only=True):
    """Why a repository gave nothing; `final`: another repository would not help; `code`: of the error, see `Failed`."""

    what: str
    final: bool = False
    hint: str = ""
    cause: str = ""
    code: str = GitError.code


async def _try_repository(job: FetchGit, repository: Repository, settings: GitSettings) -> Fetched | _Problem:
    attempts = 1
    while True:
        try:
            wire_bytes = await _check_out(job, repository, settings.command)
            return Fetched(job.job, PackageFolder(_package_folder(job)), wire_bytes, attempts)
        except GitMissingError as error:
            hint = "install git, or ask for the package by a registry version instead"
            what = f"the git command cannot be started: {error}"
            return _Problem(what=what, final=True, hint=hint, cause="no git command")
        except RefusedError as error:
            return _Problem(what=str(error), final=True)
        except GitFailedError as error:
            # while what git has written is there
            is_full = _NO_SPACE in error.messages or _is_full(os.path.dirname(job.destination))
            remove_tree(job.destination)
            if is_full:
                what = f"{shown_git_text(repository.url)}: {shown_git_text(error.messages)}"
                return _Problem(what=what, final=True, hint=HINTS[errno.ENOSPC], cause=_NO_SPACE, code=StoreError.code)
            if attempts > settings.fetch.retries or not (error.stalled or TRANSIENT.search(error.messages)):
                return _Problem(what=f"{shown_git_text(repository.url)}: {shown_git_text(error.messages)}")
        await asyncio.sleep(retry_wait_s(settings.fetch, attempts))
        attempts += 1


async def _check_out(job: FetchGit, repository: Repository, command: GitCommand) -> int:
    """Fill the destination; it is removed again if this raises."""
    try:
        wire_bytes = await _fetch_commit(job, repository, command)
        inside = ["-C", job.destination]
        await command.run([*inside, "checkout", "--quiet", "--detach", "--force", job.commit, "--"])
        _check_head(job, (await command.run([*inside, "rev-parse", "--verify", "HEAD"])).strip())
        if _has_submodules(job.destination):
            update = ["submodule", "update", "--progress", "--init", "--recursive"]
            options = await ssh_options(command)
            await command.run([*inside, *options, *update], protocols=NETWORK_PROTOCOLS)
            _remove_git_files(job.destination)
        remove_tree(os.path.join(job.destination, ".git"))
        _check_package_folder(job)
    except BaseException:
        remove_tree(job.destination)
        raise
    return wire_bytes


async def _fetch_commit(job: FetchGit, repository: Repository, command: GitCommand) -> int:
    """Make a repository at the destination that has the commit; returns the bytes of its packs."""
    object_format = ["--object-format=sha256"] if len(job.commit) == 64 else []
    await command.run(["init", "--quiet", "--template=", *object_format, "--", job.destination])
    inside = ["-C", job.destination]
    # relative URLs of submodules are relative to this
    await command.run([*inside, "config", "--local", "remote.origin.url", repository.url])
    options = await ssh_options(command) if repository.protocol == "ssh" else []
    fetch = [*inside, *options, "fetch", "--progress", "--no-tags"]
    try:
        only = ["--depth=1", "--", repository.url, job.commit]
        await command.run([*fetch, *only], protocols=(repository.protocol,))
    except GitFailedError as error:
        if not _NOT_BY_ID.search(error.messages):
            raise
        everything = ["--", repository.url, "+refs/*:refs/remotes/origin/*"]
        await command.run([*fetch, *everything], protocols=(repository.protocol,))
    packs = os.path.join(job.destination, ".git", "objects", "pack")
    return sum(entry.stat().st_size for entry in os.scandir(packs) if entry.name.endswith(".pack"))


async def ssh_options(command: GitCommand) -> list[str]:
    """Options that keep ssh from asking, unless the user has chosen an ssh command."""
    if "GIT_SSH_COMMAND" in command.environment or "GIT_SSH" in command.environment:
        return []
    try:
        await command.run(["config", "--get", "core.sshCommand"])
    except GitFailedError:
        # a new host's key is accepted, as npm does; a changed one is not
        return ["-c", "core.sshCommand=ssh -oBatchMode=yes -oStrictHostKeyChecking=accept-new"]
    return []


def read_repository(text: str) -> Repository:
    """Accept a repository's URL.

    Raises:
        RefusedError: git must not be started with it.
    """
    url = text.removeprefix("git+")
    if not url.isprintable():
        raise RefusedError("the repository's URL contains control characters")
    scp = _SCP_AS_URL.fullmatch(url)
    if scp is not None:
        url = scp["address"]
    match = _URL.fullmatch(url) or (None if "://" in url else _SCP.fullmatch(url))
    if match is None:
        raise RefusedError(f"{shown_git_text(url)!r} is no repository that pmpipe takes (https, http, ssh, git, file)")
    parts = match.groupdict()
    protocol = parts.get("scheme") or "ssh"
    if any((part or "").startswith("-") for part in (url, parts["user"], parts["host"], parts["path"])):
        raise RefusedError(f"a part of {shown_git_text(url)!r} starts with a dash")
    if not parts["host"] and protocol != "file":
        raise RefusedError(f"{shown_git_text(url)!r} names no host")
    return Repository(url, protocol, parts["host"] or "")


def _check_commit(commit: str) -> None:
    if not _COMMIT.fullmatch(commit):
        raise RefusedError(f"{printable(commit, 80)!r} is no full commit id")


def _check_subfolder(subfolder: str) -> None:
    parts = subfolder.split("/")
    if "\0" in subfolder or "\\" in subfolder or ".." in parts or ".git" in (part.lower() for part in parts):
        raise RefusedError(f"{printable(subfolder, 200)!r} is no folder within a repository")


def _check_head(job: FetchGit, head: str) -> None:
    if head != job.commit:
        raise RefusedError(f"{job.commit} is no commit, but leads to commit {head}")


def _has_submodules(folder: str) -> bool:
    return os.path.lexists(os.path.join(folder, ".gitmodules"))


def _package_folder(job: FetchGit) -> str:
    subfolder = job.subfolder.strip("/")
    return os.path.join(job.destination, subfolder) if subfolder else job.destination


def _check_package_folder(job: FetchGit) -> None:
    folder = _package_folder(job)
    shown = printable(job.subfolder, 200)
    if not os.path.isdir(folder):
        raise RefusedError(f"the repository has no folder {shown!r} at commit {job.commit}")
    # a link in the repository must not make a folder of this machine the package
    expected = os.path.normpath(os.path.join(os.path.realpath(job.destination), job.subfolder.strip("/")))
    if os.path.realpath(folder) != expected:
        raise RefusedError(f"the folder {shown!r} of the repository is, or is behind, a symbolic link")


def _remove_git_files(folder: str) -> None:
    """Remove what makes the submodules' folders repositories."""
    for path, folders, files in os.walk(folder):
        if ".git" in folders:
            folders.remove(".git")
        if ".git" in files:
            os.unlink(os.path.join(path, ".git"))


def shown_git_text(text: str) -> str:
    """Messages of git, without users and passwords in URLs, each line printable."""
    return "\n".join(printable(line, 300) for line in _USER.sub("", text).split("\n")[-8:])


def gist(problems: list[str]) -> str:
    """The line of the last problem that says most: the last one but for what git says whenever a helper has failed."""
    if not problems:
        return "no repository is known"
    lines = problems[-1].split("\n")
    return ([line for line in lines if not line.endswith(_SAID_OF_HELPERS)] or lines[:1])[-1]


def said_in_full(problems: list[str]) -> list[str]:
    """What is to stand below the gist of the problems: all other lines."""
    said = gist(problems)
    return [line for problem in problems for line in problem.split("\n") if line != said]


def _failed(job: FetchGit, what: str, *, details: list[str] | None = None, hint: str = "", cause: str = "") -> Failed:
    lines = [*(details or []), f"commit: {printable(job.commit, 80)}"]
    return git_failure(job.job, job.label, what, details=lines, hint=hint, cause=cause)


def git_failure(
    job: JobId, label: str, what: str, *, details: Sequence[str] = (), hint: str = "", cause: str = ""
) -> Failed:
    """The result of a job that git could not do; details may have several lines each."""
    lines = [line for text in details for line in text.split("\n")]
    return Failed(
        job,
        GitError.code,
        f"{label} could not be fetched by git: {what}".replace("\n", " / "),
        tuple(lines),
        hint,
        cause,
    )
