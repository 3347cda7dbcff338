"""Which commit a branch, tag or version range of a repository means: one ``git ls-remote``, nothing is cloned.

Only an abbreviated commit that no branch or tag leads to has to be looked for in the history.

Source: npm's ``@npmcli/git`` (which references count, and that a tag wins over a branch of the same name) and pacote's
git fetcher.
"""

from __future__ import annotations

import asyncio
import re

import msgspec

from pmpipe.npm.semver import parse_range, parse_version
from pmpipe.npm.texts.text import printable
from stages.fetch import retry_wait_s
from stages.git.checkout import (
    TRANSIENT,
    GitSettings,
    RefusedError,
    Repository,
    gist,
    git_failure,
    read_repository,
    said_in_full,
    shown_git_text,
    ssh_options,
)
from stages.git.command import GitFailedError, GitMissingError
from stages.messages import Failed, FindGitCommit, FoundGitCommit
from stages.remove import remove_tree

_FULL_COMMIT = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")
_ABBREVIATED = re.compile(r"[0-9a-f]{4,63}")
#: What begins first is the version: the end of a prerelease or of build metadata may look like another one.
_VERSION = re.compile(r"v?([0-9]+\.[0-9]+\.[0-9]+(?:[-+].+)?)\Z")
_PULL = re.compile(r"refs/pull/(\d+)/head")
_NAMED = re.compile(r"refs/(?:heads|tags)/(.+)")
_PEELED = "^{}"


class RemoteRefs(msgspec.Struct, frozen=True):
    """What a repository offers.

    Attributes:
        by_name: branch, tag, ``pull/N``, full reference and ``HEAD`` -> commit id.
        by_version: version that a tag's name ends with -> commit id.
    """

    by_name: dict[str, str]
    by_version: dict[str, str]

    def commit_of(self, reference: str, requested_range: str) -> str:
        """The full commit id; empty if the repository has nothing of the kind."""
        if requested_range:
            return self._best(requested_range)
        found = self.by_name.get(reference or "HEAD")
        if found is None and _ABBREVIATED.fullmatch(reference):
            found = next((commit for commit in self.by_name.values() if commit.startswith(reference)), None)
        return found or ""

    def _best(self, requested_range: str) -> str:
        """The latest version if it satisfies, as in a registry, else the highest that does."""
        wanted = parse_range(requested_range)
        versions = [(parse_version(text), commit) for text, commit in self.by_version.items()]
        fitting = [(v, commit) for v, commit in versions if v is not None and wanted is not None and wanted.test(v)]
        latest = self.by_name.get("latest") or self.by_name.get("HEAD", "")
        if any(commit == latest for _, commit in (versions if requested_range == "*" else fitting)):
            return latest
        return max(fitting, key=lambda pair: pair[0])[1] if fitting else ""


def read_refs(output: str) -> RemoteRefs:
    """What ``git ls-remote`` printed: a commit id, a tab and a reference in each line.

    An annotated tag has two lines: the tag's own id, and behind ``^{}`` that of the commit it is for, which counts.
    """
    refs = RemoteRefs({}, {})
    for reference, commit in _peeled(output).items():
        refs.by_name[reference] = commit
        pull, named = _PULL.fullmatch(reference), _NAMED.fullmatch(reference)
        if pull is not None:
            refs.by_name[f"pull/{pull[1]}"] = commit
        elif named is not None:
            refs.by_name[named[1]] = commit
        tag = _VERSION.search(reference) if reference.startswith("refs/tags/") else None
        version = parse_version(tag[1]) if tag is not None else None
        if version is not None:
            refs.by_version[str(version)] = commit
    return refs


def _peeled(output: str) -> dict[str, str]:
    """The commit of each reference, in the order of the lines."""
    commits: dict[str, str] = {}
    peeled: dict[str, str] = {}
    for line in output.split("\n"):
        commit, tab, reference = line.partition("\t")
        if tab and _FULL_COMMIT.fullmatch(commit):
            (peeled if reference.endswith(_PEELED) else commits)[reference.removesuffix(_PEELED)] = commit
    return commits | peeled


async def find_commit(job: FindGitCommit, settings: GitSettings) -> FoundGitCommit | Failed:
    """Ask the job's repositories in turn.

    Returns:
        The commit, or `Failed` with what each repository said.
    """
    if _FULL_COMMIT.fullmatch(job.reference.lower()):
        return FoundGitCommit(job.job, job.reference.lower())
    problems: list[str] = []
    hint = "check that the repository exists and can be read: git ls-remote, ssh keys, credential helper"
    try:
        for repository in [read_repository(text) for text in job.repositories]:
            refs = await _ask(repository, settings)
            if isinstance(refs, str):
                problems.append(refs)
                continue
            commit = refs.commit_of(job.reference, job.requested_range)
            if not commit and not job.requested_range and _ABBREVIATED.fullmatch(job.reference):
                commit = await _search_history(repository, job, settings)
            if commit:
                return FoundGitCommit(job.job, commit)
            problems.append(f"{shown_git_text(repository.url)} {_lack(job, refs)}")
            hint = "correct what stands behind the # in package.json"
    except GitMissingError as error:
        what = f"the git command cannot be started: {error}"
        hint = "install git, or ask for the package by a registry version instead"
        return git_failure(job.job, job.label, what, hint=hint, cause="no git command")
    except RefusedError as error:
        return git_failure(job.job, job.label, str(error), hint="git was not started: the address is unsafe")
    return git_failure(job.job, job.label, gist(problems), details=said_in_full(problems), hint=hint)


def _lack(job: FindGitCommit, refs: RemoteRefs) -> str:
    if not refs.by_name:
        return "is empty"
    wanted = f"tag for {job.requested_range}" if job.requested_range else f"branch, tag or commit {job.reference}"
    return f"has no {printable(wanted, 200)}"


async def _search_history(repository: Repository, job: FindGitCommit, settings: GitSettings) -> str:
    """The full id of a commit that no reference leads to directly, from a copy of the history without files.

    Returns:
        The id; empty if there is no such commit, or several, or the history cannot be had.
    """
    command = settings.command
    inside = ["-C", job.folder]
    try:
        options = await ssh_options(command) if repository.protocol == "ssh" else []
        await command.run(["init", "--quiet", "--bare", "--template=", "--", job.folder])
        fetch = ["fetch", "--progress", "--filter=tree:0", "--", repository.url, "+refs/*:refs/remotes/origin/*"]
        await command.run([*inside, *options, *fetch], protocols=(repository.protocol,))
        found = await command.run([*inside, "rev-parse", "--verify", f"{job.reference}^{{commit}}"])
    except GitFailedError:
        return ""
    finally:
        # what is killed meanwhile leaves it to the next run
        remove_tree(job.folder)
    return found.strip()


async def _ask(repository: Repository, settings: GitSettings) -> RemoteRefs | str:
    """What the repository offers, or git's messages."""
    attempts = 1
    while True:
        try:
            options = await ssh_options(settings.command) if repository.protocol == "ssh" else []
            command = [*options, "ls-remote", "--", repository.url]
            return read_refs(await settings.command.run(command, protocols=(repository.protocol,)))
        except GitFailedError as error:
            if attempts > settings.fetch.retries or not (error.stalled or TRANSIENT.search(error.messages)):
                return f"{shown_git_text(repository.url)}: {shown_git_text(error.messages)}"
        await asyncio.sleep(retry_wait_s(settings.fetch, attempts))
        attempts += 1
