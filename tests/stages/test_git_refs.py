"""Which commit a git reference means: what ``git ls-remote`` prints, and a repository on disk that is asked."""

from __future__ import annotations

import asyncio
import os
import tempfile
from pathlib import Path

import pytest
from fetch_process import impatient
from support.git import git

from stages.git.checkout import GitSettings
from stages.git.refs import RemoteRefs, find_commit, read_refs
from stages.messages import Failed, FindGitCommit, FoundGitCommit, JobId

MAIN, TAG, PEELED, OTHER = ("1" * 40, "2" * 40, "3" * 40, "4" * 40)


def refs(*lines: tuple[str, str]) -> RemoteRefs:
    return read_refs("".join(f"{commit}\t{reference}\n" for commit, reference in lines))


# -- what a repository offers ---------------------------------------------------------------------------------------


def test_no_reference_is_the_default_branch() -> None:
    assert refs((MAIN, "HEAD"), (OTHER, "refs/heads/dev")).commit_of("", "") == MAIN


@pytest.mark.parametrize("reference", ["dev", "refs/heads/dev"])
def test_finds_a_branch(reference: str) -> None:
    assert refs((MAIN, "HEAD"), (OTHER, "refs/heads/dev")).commit_of(reference, "") == OTHER


def test_finds_a_branch_with_slashes_in_its_name() -> None:
    assert refs((OTHER, "refs/heads/fix/a/b")).commit_of("fix/a/b", "") == OTHER


def test_a_tag_wins_over_a_branch_of_the_same_name() -> None:
    assert refs((MAIN, "refs/heads/v1"), (TAG, "refs/tags/v1")).commit_of("v1", "") == TAG


@pytest.mark.parametrize("peeled_first", [True, False])
def test_an_annotated_tag_means_the_commit_that_it_is_for(peeled_first: bool) -> None:
    pair = [(TAG, "refs/tags/v1.0.0"), (PEELED, "refs/tags/v1.0.0^{}")]
    found = refs(*(reversed(pair) if peeled_first else pair))
    assert found.commit_of("v1.0.0", "") == PEELED
    assert found.commit_of("", "^1.0.0") == PEELED


def test_finds_a_pull_request() -> None:
    assert refs((OTHER, "refs/pull/17/head")).commit_of("pull/17", "") == OTHER


@pytest.mark.parametrize("length", [4, 7, 39])
def test_finds_an_abbreviated_commit_that_a_reference_leads_to(length: int) -> None:
    assert refs((MAIN, "HEAD"), ("abcdef" + "0" * 34, "refs/heads/a")).commit_of("abcdef" + "0" * 33, "") != ""
    assert refs((MAIN, "HEAD"), (OTHER, "refs/heads/a")).commit_of(OTHER[:length], "") == OTHER


def test_a_branch_that_looks_like_an_abbreviated_commit_wins() -> None:
    assert refs((MAIN, "refs/heads/dead"), ("dead" + "0" * 36, "refs/heads/b")).commit_of("dead", "") == MAIN


def test_what_is_not_there_is_not_found() -> None:
    assert refs((MAIN, "HEAD")).commit_of("nothing", "") == ""
    assert refs().commit_of("", "") == ""


@pytest.mark.parametrize(
    ("requested_range", "tag"),
    [
        ("^1.0.0", "v1.10.0"),
        ("~1.2.0", "1.2.3"),
        ("*", "release-2.0.0"),
        (">=2.0.0-beta.1", "release-2.0.0"),
        ("2.1.0-beta.1", "v2.1.0-beta.1"),
        ("^9", None),
        ("no range at all ><", None),
    ],
)
def test_a_range_means_the_highest_tag_that_satisfies(requested_range: str, tag: str | None) -> None:
    tags = ["1.2.3", "v1.10.0", "v1.9.9", "release-2.0.0", "v2.1.0-beta.1", "v3", "latest", "v1.0"]
    by_tag = {tag: f"{number}" * 40 for number, tag in enumerate(tags, 1)}
    found = refs((MAIN, "HEAD"), *((commit, f"refs/tags/{tag}") for tag, commit in by_tag.items()))
    assert found.commit_of("", requested_range) == (by_tag[tag] if tag else "")


def test_the_end_of_a_version_is_not_taken_for_another_one() -> None:
    found = refs((TAG, "refs/tags/v1.2.0"), (OTHER, "refs/tags/v1.3.0-rc.9.0.1"), (MAIN, "refs/tags/1.4.0+2023.11.5"))
    assert found.by_version == {"1.2.0": TAG, "1.3.0-rc.9.0.1": OTHER, "1.4.0": MAIN}


def test_of_two_tags_for_one_version_the_later_one_counts_whichever_is_annotated() -> None:
    found = refs((TAG, "refs/tags/1.0.0"), (PEELED, "refs/tags/1.0.0^{}"), (OTHER, "refs/tags/v1.0.0"))
    assert found.commit_of("", "^1.0.0") == OTHER


@pytest.mark.parametrize(
    ("references", "requested_range", "commit"),
    [
        (["HEAD"], "^1.0.0", MAIN),
        (["HEAD"], "*", MAIN),
        (["HEAD"], ">1.0.0", OTHER),
        (["refs/heads/latest", "refs/tags/v0.9.0"], "<2", MAIN),
        (["refs/tags/latest", "refs/tags/v2.0.0-rc.1"], "*", MAIN),
        (["refs/tags/latest", "refs/tags/v2.0.0-rc.1"], ">=1", OTHER),
    ],
)
def test_a_range_that_the_latest_version_satisfies_means_that(
    references: list[str], requested_range: str, commit: str
) -> None:
    # the latest version is the one that a branch or tag called latest is at, else the default branch
    lines = [(MAIN, reference) for reference in references]
    if references == ["HEAD"]:
        lines.append((MAIN, "refs/tags/v1.0.0"))
    assert refs(*lines, (OTHER, "refs/tags/v1.1.0")).commit_of("", requested_range) == commit


def test_lines_that_are_no_references_are_passed_over() -> None:
    text = f"warning: redirecting\n{MAIN}\tHEAD\nnot a commit\trefs/heads/a\n{OTHER} refs/heads/b\n\t\n\n"
    assert read_refs(text).by_name == {"HEAD": MAIN}


def test_reads_the_ids_of_sha256_repositories() -> None:
    assert refs(("a" * 64, "HEAD")).commit_of("", "") == "a" * 64


# -- asking a repository --------------------------------------------------------------------------------------------


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "home").mkdir()
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    folder = tmp_path / "origin"
    folder.mkdir()
    git(folder, "init", "--quiet", "--initial-branch=main")
    git(folder, "commit", "--quiet", "--allow-empty", "--message", "one")
    git(folder, "tag", "--annotate", "--message", "first", "v1.0.0")
    git(folder, "commit", "--quiet", "--allow-empty", "--message", "two")
    return folder


def find(*repositories: str, reference: str = "", requested_range: str = "") -> FoundGitCommit | Failed:
    with tempfile.TemporaryDirectory() as folder:
        job = FindGitCommit(JobId(3), "p", repositories, reference, requested_range, f"{folder}/history")
        result = asyncio.run(find_commit(job, GitSettings.of(impatient(retries=0))))
        assert os.listdir(folder) == []
    return result


def found(*repositories: str, reference: str = "", requested_range: str = "") -> str:
    result = find(*repositories, reference=reference, requested_range=requested_range)
    assert isinstance(result, FoundGitCommit), result
    return result.commit


def failed(*repositories: str, reference: str = "", requested_range: str = "") -> Failed:
    result = find(*repositories, reference=reference, requested_range=requested_range)
    assert isinstance(result, Failed), result
    return result


def test_asks_a_repository_for_its_default_branch(repository: Path) -> None:
    assert found(f"file://{repository}") == git(repository, "rev-parse", "HEAD")


def test_asks_a_repository_for_a_tag_and_a_range(repository: Path) -> None:
    commit = git(repository, "rev-parse", "v1.0.0^{commit}")
    assert found(f"git+file://{repository}", reference="v1.0.0") == commit
    assert found(f"git+file://{repository}", requested_range="^1.0.0") == commit


def test_asks_a_repository_of_many_branches(repository: Path) -> None:
    commit = git(repository, "rev-parse", "HEAD")
    lines = "".join(f"{commit} refs/heads/branch-{number}\n" for number in range(2_000))
    (repository / ".git" / "packed-refs").write_text(f"# pack-refs with: peeled fully-peeled sorted \n{lines}")
    assert found(f"file://{repository}") == commit
    assert found(f"file://{repository}", reference="branch-0") == commit


def test_a_repository_of_more_references_than_are_read_is_told(
    repository: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("stages.git.command._MAXIMUM_OUTPUT_BYTES", 100)
    assert "more than 100 bytes" in failed(f"file://{repository}").what


def test_a_full_commit_is_not_asked_for(tmp_path: Path) -> None:
    assert found(f"file://{tmp_path}/nothing", reference="ABCDEF" + "0" * 34) == "abcdef" + "0" * 34


def test_the_second_repository_is_asked_when_the_first_cannot_be(repository: Path, tmp_path: Path) -> None:
    assert found(f"file://{tmp_path}/nothing", f"file://{repository}") == git(repository, "rev-parse", "HEAD")


@pytest.mark.parametrize(
    ("reference", "requested_range", "told"),
    [("nothing", "", "has no branch, tag or commit nothing"), ("", "^7", "has no tag for ^7")],
)
def test_what_a_repository_lacks_is_told(repository: Path, reference: str, requested_range: str, told: str) -> None:
    failure = failed(f"file://{repository}", reference=reference, requested_range=requested_range)
    assert told in failure.what
    assert failure.code == "PM_GIT"


def test_a_commit_in_the_history_is_found_by_the_beginning_of_its_id(repository: Path) -> None:
    before = git(repository, "rev-parse", "HEAD")
    git(repository, "commit", "--quiet", "--allow-empty", "--message", "three")
    assert found(f"file://{repository}", reference=before[:8]) == before


def test_a_beginning_of_no_commits_id_is_told(repository: Path) -> None:
    assert "has no branch, tag or commit abcdef12" in failed(f"file://{repository}", reference="abcdef12").what


def test_what_is_wrong_behind_the_hash_is_hinted_at(repository: Path) -> None:
    assert "behind the #" in failed(f"file://{repository}", reference="nothing").hint


def test_an_empty_repository_is_told(tmp_path: Path) -> None:
    git(tmp_path, "init", "--quiet", "--bare", "empty.git")
    assert "is empty" in failed(f"file://{tmp_path}/empty.git").what


def test_a_repository_that_is_not_there_is_told(tmp_path: Path) -> None:
    failure = failed(f"file://{tmp_path}/nothing")
    assert failure.what.startswith("p could not be fetched by git: ")
    assert "ls-remote" in failure.hint


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        ("ssh: Could not resolve hostname a.example: Name or service not known\\r\\n", "Could not resolve hostname"),
        ("a@a.example: Permission denied (publickey).\\r\\n", "Permission denied"),
        ("ERROR: Repository not found.\\n", "ERROR: Repository not found."),
        ("", "Could not read from remote repository"),
    ],
)
def test_what_ssh_and_the_host_say_comes_first(said: str, shown: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GIT_SSH_COMMAND", f"printf '{said}' >&2; exit 255;")
    failure = failed("ssh://a@a.example/b/c.git")
    assert shown in failure.what
    assert any("and the repository exists." in line for line in failure.details)
    assert not any(line in failure.what for line in failure.details), "nothing is said twice"


@pytest.mark.parametrize("address", ["--upload-pack=x", "ssh://-oProxyCommand=x/y", "ext::sh -c x", "file:///a\nb"])
def test_an_unsafe_address_is_refused(address: str) -> None:
    assert "git was not started" in failed(address).hint


def test_an_option_as_a_reference_is_only_a_name(repository: Path) -> None:
    assert (
        "has no branch, tag or commit --upload-pack=x"
        in failed(f"file://{repository}", reference="--upload-pack=x").what
    )


def test_without_git_that_is_told(repository: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path / "home"))
    assert "the git command cannot be started" in failed(f"file://{repository}").what
