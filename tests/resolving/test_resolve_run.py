"""The state machine of a resolution, without processes: answers given by hand, in any order, with deaths anywhere."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.loaded_modules import modules_loaded_by
from support.packages import integrity

from pmpipe.npm.packages.integrity import strongest
from pmpipe.orders import (
    Dismiss,
    Finish,
    Interrupted,
    Order,
    ReleaseSpace,
    StageName,
    Start,
    Stop,
    WithdrawJob,
    WorkerDied,
)
from pmpipe.resolving.foreseen import FORESEEN
from pmpipe.resolving.in_flight import InFlight, ResolveSlots
from pmpipe.resolving.machine import ResolveRun
from pmpipe.resolving.warming import Warming
from pmpipe.tasks import Settings
from stages.entries.entry import digest_entry_path
from stages.messages import (
    Announced,
    AnswerDocument,
    AnswerEntry,
    AnswerFailure,
    ArchiveLimits,
    CachedDocument,
    CacheDocument,
    Crashed,
    Extract,
    Extracted,
    Failed,
    FetchDocument,
    Fetched,
    FetchedDocument,
    FetchGit,
    FetchTarball,
    FindGitCommit,
    FoundGitCommit,
    Job,
    JobId,
    PackageFolder,
    Resolve,
    ResolveDone,
    ResolveFailed,
    ResolveStep,
    Result,
    SharedBytes,
    TarballFile,
    Want,
    WantCommit,
    WantDocument,
    WantTarball,
)

LIMITS = ArchiveLimits(entries=1000, one_file=1 << 20, all_files=1 << 24, ratio=1000)
DIGESTS = [f"sha512-{letter * 86}==" for letter in "abcdefgh"]
COMMIT = "1" * 40

Answer = AnswerDocument | AnswerEntry | AnswerFailure


def make_run(
    *,
    documents: int = 3,
    tarballs: int = 2,
    answers: int = 3,
    keeps: int = 2,
    kept_bytes: int = 1 << 20,
    goes_on: bool = True,
    keeps_documents: bool = True,
    offline: bool = False,
    stored: Iterable[str] = (),
    large: int = 1 << 30,
    staying_bytes: int = 1 << 20,
) -> ResolveRun:
    slots = {
        StageName.FETCH: documents + tarballs,
        StageName.EXTRACT: 2,
        StageName.RESOLVE: answers,
        StageName.CACHE: keeps,
        StageName.CLONE: 0,
        StageName.LINK: 0,
    }
    run_settings = Settings(slots, "/s", "/s/staging", LIMITS, large_tarball_bytes=large, offline=offline)
    warming = Warming("/s", frozenset(stored).__contains__)
    flight = InFlight(run_settings, ResolveSlots(documents, tarballs, kept_bytes, staying_bytes))
    return ResolveRun(warming, flight, keeps_documents=keeps_documents, goes_on=goes_on)


def document(number: int, name: str = "a") -> WantDocument:
    return WantDocument(number, name, f"https://registry.example/{name}", "", "application/json", "", "", f"/c/{name}")


def tarball(
    number: int, *, integrity: str = DIGESTS[0], path: str = "", url: str = "https://registry.example/a.tgz"
) -> WantTarball:
    return WantTarball(number, f"t{number}", "" if path else url, "", path, integrity)


def commit(number: int, *, reference: str = "main") -> WantCommit:
    return WantCommit(number, "g", ("https://git.example/g",), reference, "", "git+https://git.example/g#{commit}", "")


def announced(integrity: str = DIGESTS[0]) -> Announced:
    return Announced("a@1.0.0", "https://registry.example/a.tgz", "", integrity)


def jobs(orders: list[Order]) -> list[Job]:
    return [order.job for order in orders if isinstance(order, Start)]


def begin(run: ResolveRun, *wants: Want, ahead: Iterable[Announced] = ()) -> list[Job]:
    """Start, let the resolver want this, and return the jobs that follow."""
    (first,) = jobs(run.start())
    return jobs(run.handle(ResolveStep(first.job, wants, tuple(ahead), 1)))


def fetched_document(job: Job, *, fresh_s: int = 300, length: int = 10) -> FetchedDocument:
    source = SharedBytes(4096 * (1 + job.job), length)
    return FetchedDocument(job.job, source, False, '"e"', "", fresh_s, length, 1)


def cached(job: Job, problem: str = "") -> CachedDocument:
    assert isinstance(job, CacheDocument)
    return CachedDocument(job.job, job.source.offset, problem)


def releases(orders: list[Order]) -> list[Order]:
    """The space that is given back."""
    return [order for order in orders if isinstance(order, ReleaseSpace) and not order.is_still_read]


def extracted(job: Job, integrity: str = DIGESTS[7]) -> Extracted:
    return Extracted(job.job, f"/s/entry-{job.job}", integrity, 1, 10, ())


# -- documents ------------------------------------------------------------------------------------------------------


def test_a_packument_is_fetched_answered_and_kept() -> None:
    run = make_run()
    (fetch,) = begin(run, document(7))
    assert isinstance(fetch, FetchDocument)
    assert fetch.url == "https://registry.example/a"
    keep, answer = jobs(run.handle(fetched_document(fetch)))
    assert isinstance(keep, CacheDocument)
    assert isinstance(answer, AnswerDocument)
    assert (keep.path, answer.want, keep.source) == ("/c/a", 7, answer.source)
    run.validate()


@pytest.mark.parametrize("kept_first", [True, False])
def test_the_space_of_a_document_that_does_not_stay_is_released_when_it_is_read_and_kept(kept_first: bool) -> None:
    run = make_run(staying_bytes=0)
    (fetch,) = begin(run, document(0))
    keep, answer = jobs(run.handle(fetched_document(fetch)))
    assert isinstance(answer, AnswerDocument)
    assert not answer.stays
    kept, answered = cached(keep), ResolveStep(answer.job, (document(1, "b"),), (), 1)
    first, second = (kept, answered) if kept_first else (answered, kept)
    assert not releases(run.handle(first))
    assert releases(run.handle(second)) == [ReleaseSpace(4096 * (1 + fetch.job))]


@pytest.mark.parametrize("kept_first", [True, False])
def test_a_document_stays_until_the_resolver_has_said_its_last_word(kept_first: bool) -> None:
    run = make_run()
    (fetch,) = begin(run, document(0))
    keep, answer = jobs(run.handle(fetched_document(fetch)))
    assert isinstance(answer, AnswerDocument)
    assert answer.stays
    space = ReleaseSpace(4096 * (1 + fetch.job))
    if kept_first:
        assert space not in run.handle(cached(keep))
        assert space in run.handle(ResolveDone(answer.job, "/s/staging/made", ()))
    else:
        assert space not in run.handle(ResolveDone(answer.job, "/s/staging/made", ()))
        # nothing waits for the cache: the supervisor releases the space when it has written
        assert run.finished
    run.validate()


def test_no_more_documents_stay_than_there_is_room_for() -> None:
    run = make_run(staying_bytes=25, answers=9)
    fetches = begin(run, *(document(number, f"p{number}") for number in range(3)))
    answers = [job for fetch in fetches for job in jobs(run.handle(fetched_document(fetch)))]
    assert [job.stays for job in answers if isinstance(job, AnswerDocument)] == [True, True, False]
    run.validate()


def test_what_stays_is_left_to_the_end_of_the_processes_where_nothing_follows() -> None:
    run = make_run(goes_on=False)
    (fetch,) = begin(run, document(0))
    keep, answer = jobs(run.handle(fetched_document(fetch)))
    run.handle(cached(keep))
    orders = run.handle(ResolveDone(answer.job, "/s/staging/made", ()))
    assert orders[-1] == Finish()
    assert not releases(orders)
    run.validate()


def test_a_document_that_only_the_cache_still_reads_holds_up_no_other() -> None:
    run = make_run()
    (fetch,) = begin(run, document(0))
    _, answer = jobs(run.handle(fetched_document(fetch)))
    orders = run.handle(ResolveStep(answer.job, (document(1, "b"),), (), 1))
    assert ReleaseSpace(4096 * (1 + fetch.job), is_still_read=True) in orders


def test_a_document_that_has_not_changed_takes_no_space_and_is_not_written() -> None:
    run = make_run()
    (fetch,) = begin(run, document(0))
    (answer,) = jobs(run.handle(FetchedDocument(fetch.job, None, False, "", "", 0, 0, 1)))
    assert isinstance(answer, AnswerDocument)
    assert answer.source is None


@pytest.mark.parametrize(("keeps_documents", "fresh_s"), [(False, 300), (True, -1)])
def test_a_document_that_must_not_be_kept_is_only_read(keeps_documents: bool, fresh_s: int) -> None:
    run = make_run(keeps_documents=keeps_documents)
    (fetch,) = begin(run, document(0))
    (answer,) = jobs(run.handle(fetched_document(fetch, fresh_s=fresh_s)))
    assert isinstance(answer, AnswerDocument)
    assert run.result.unkept == 0


def test_a_document_that_must_be_asked_for_each_time_is_kept_for_its_validators() -> None:
    run = make_run()
    (fetch,) = begin(run, document(0))
    keep, _ = jobs(run.handle(fetched_document(fetch, fresh_s=0)))
    assert isinstance(keep, CacheDocument)


def test_a_full_queue_of_the_cache_drops_the_write_and_counts_it() -> None:
    run = make_run(documents=4, keeps=2, answers=9)
    fetches = begin(run, *(document(number, f"p{number}") for number in range(4)))
    written = [job for fetch in fetches for job in jobs(run.handle(fetched_document(fetch)))]
    assert sum(isinstance(job, CacheDocument) for job in written) == 2
    assert sum(isinstance(job, AnswerDocument) for job in written) == 4
    assert run.result.unkept == 2
    run.validate()


def test_long_documents_fill_the_queue_of_the_cache_too() -> None:
    run = make_run(documents=3, keeps=9, answers=9, kept_bytes=25)
    fetches = begin(run, *(document(number, f"p{number}") for number in range(3)))
    written = [job for fetch in fetches for job in jobs(run.handle(fetched_document(fetch)))]
    keeps = [job for job in written if isinstance(job, CacheDocument)]
    assert len(keeps) == 2
    assert run.result.unkept == 1
    run.handle(*map(cached, keeps))
    run.validate()


@pytest.mark.parametrize(("length", "is_kept"), [(100, True), (101, False)])
def test_the_queue_of_the_cache_may_be_full_to_the_last_byte(length: int, is_kept: bool) -> None:
    run = make_run(kept_bytes=100)
    (fetch,) = begin(run, document(0))
    given_out = jobs(run.handle(fetched_document(fetch, length=length)))
    assert any(isinstance(job, CacheDocument) for job in given_out) is is_kept


def test_why_a_document_was_not_written_is_noted() -> None:
    run = make_run()
    (fetch,) = begin(run, document(0))
    keep, _ = jobs(run.handle(fetched_document(fetch)))
    run.handle(cached(keep, "the disk is full"))
    assert run.result.notes == ["the disk is full"]


def test_a_document_that_cannot_be_had_is_an_answer() -> None:
    run = make_run()
    (fetch,) = begin(run, document(5))
    (answer,) = jobs(run.handle(Failed(fetch.job, "PM_REGISTRY", "404", ("url: x",), "a hint")))
    assert answer == AnswerFailure(answer.job, 5, "PM_REGISTRY", "404", ("url: x",), "a hint")


def test_no_more_documents_are_under_way_than_there_are_slots() -> None:
    run = make_run(documents=3)
    fetches = begin(run, *(document(number, f"p{number}") for number in range(9)))
    assert len(fetches) == 3
    assert any(isinstance(job, FetchDocument) for job in jobs(run.handle(fetched_document(fetches[0]))))


# -- documents that are foreseen ------------------------------------------------------------------------------------


def foresee(run: ResolveRun, *names: str) -> list[Job]:
    """Have these fetched before the resolver is there."""
    run.is_ready = False
    run.foresee(document(FORESEEN, name) for name in names)
    return jobs(run.start())


def begin_late(run: ResolveRun, *wants: Want) -> list[Order]:
    """Start the resolver after all, and let it want this."""
    run.is_ready = True
    (first,) = jobs(run.start())
    assert isinstance(first, Resolve)
    return run.handle(ResolveStep(first.job, wants, (), 1))


def test_a_document_is_foreseen_before_the_resolver_begins() -> None:
    run = make_run()
    (fetch,) = foresee(run, "a")
    assert isinstance(fetch, FetchDocument)
    assert not jobs(run.handle(fetched_document(fetch)))
    assert run.documents == 0
    run.validate()
    keep, answer = jobs(begin_late(run, document(7)))
    assert isinstance(keep, CacheDocument)
    assert isinstance(answer, AnswerDocument)
    assert (answer.want, answer.source, run.documents) == (7, keep.source, 1)
    run.validate()


def test_a_foreseen_document_that_is_under_way_is_not_asked_for_again() -> None:
    run = make_run()
    (fetch,) = foresee(run, "a")
    assert not jobs(begin_late(run, document(7)))
    _, answer = jobs(run.handle(fetched_document(fetch)))
    assert isinstance(answer, AnswerDocument)
    assert answer.want == 7


def test_a_document_that_is_wanted_for_the_second_time_is_asked_for_again() -> None:
    run = make_run()
    foresee(run, "a")
    (again,) = jobs(begin_late(run, document(7), document(8)))
    assert isinstance(again, FetchDocument)


def test_another_form_of_a_foreseen_document_is_another_document() -> None:
    run = make_run()
    foresee(run, "a")
    other = msgspec.structs.replace(document(7), accept="application/vnd.npm.install-v1+json")
    (fetch,) = jobs(begin_late(run, other))
    assert isinstance(fetch, FetchDocument)
    assert fetch.accept == other.accept


@pytest.mark.parametrize("fails_first", [True, False])
def test_why_a_foreseen_document_cannot_be_had_is_told_to_whoever_wants_it(fails_first: bool) -> None:
    run = make_run()
    (fetch,) = foresee(run, "a")
    failed = Failed(fetch.job, "PM_REGISTRY", "404")
    if fails_first:
        assert not run.handle(failed)
        (answer,) = jobs(begin_late(run, document(7)))
    else:
        begin_late(run, document(7))
        (answer,) = jobs(run.handle(failed))
    assert answer == AnswerFailure(answer.job, 7, "PM_REGISTRY", "404", (), "")


def test_a_foreseen_document_that_nobody_wants_yet_holds_up_no_other_and_goes_in_the_end() -> None:
    run = make_run()
    (fetch,) = foresee(run, "never")
    space = 4096 * (1 + fetch.job)
    assert run.handle(fetched_document(fetch)) == [ReleaseSpace(space, is_still_read=True)]
    (other,) = jobs(begin_late(run, document(0)))
    _, answer = jobs(run.handle(fetched_document(other)))
    assert ReleaseSpace(space) in run.handle(ResolveDone(answer.job, "/s/staging/made", ()))
    run.validate()


def test_a_foreseen_document_that_comes_when_all_is_resolved_is_given_back() -> None:
    run = make_run()
    never, other = foresee(run, "never", "a")
    run.handle(fetched_document(other))
    *_, answer = jobs(begin_late(run, document(0)))
    assert WithdrawJob(never.job) in run.handle(ResolveDone(answer.job, "/s/staging/made", ()))
    assert ReleaseSpace(4096 * (1 + never.job)) in run.handle(fetched_document(never))
    run.validate()


def test_a_long_list_of_wants_comes_in_several_results() -> None:
    run = make_run()
    (first,) = jobs(run.start())
    one = jobs(run.handle(ResolveStep(first.job, (document(0),), (), 1, more=True)))
    two = jobs(run.handle(ResolveStep(first.job, (document(1, "b"),), (), 2)))
    assert [job.label for job in (*one, *two)] == ["a", "b"]
    assert run.in_flight(StageName.RESOLVE) == 0


# -- tarballs -------------------------------------------------------------------------------------------------------


def test_a_tarball_is_fetched_extracted_and_answered() -> None:
    run = make_run()
    (fetch,) = begin(run, tarball(3))
    assert isinstance(fetch, FetchTarball)
    (extract,) = jobs(run.handle(Fetched(fetch.job, SharedBytes(0, 10), 10, 1)))
    assert isinstance(extract, Extract)
    orders = run.handle(extracted(extract, DIGESTS[0]))
    assert ReleaseSpace(0) in orders
    (answer,) = jobs(orders)
    assert answer == AnswerEntry(answer.job, 3, f"/s/entry-{extract.job}", DIGESTS[0], "")


def test_one_that_is_announced_and_wanted_is_fetched_once() -> None:
    run = make_run()
    (first,) = jobs(run.start())
    (fetch,) = jobs(run.handle(ResolveStep(first.job, (tarball(0), tarball(1)), (announced(), announced()), 1)))
    (extract,) = jobs(run.handle(Fetched(fetch.job, SharedBytes(0, 10), 10, 1)))
    answers = jobs(run.handle(extracted(extract)))
    assert [answer.want for answer in answers if isinstance(answer, AnswerEntry)] == [0, 1]


def test_one_that_is_waited_for_is_fetched_before_those_that_were_announced() -> None:
    run = make_run(tarballs=1)
    packument, guess = begin(run, document(0), ahead=map(announced, DIGESTS[:3]))
    answer = next(job for job in jobs(run.handle(fetched_document(packument))) if isinstance(job, AnswerDocument))
    wanted = tarball(1, integrity=DIGESTS[3], url="https://registry.example/wanted.tgz")
    assert jobs(run.handle(ResolveStep(answer.job, (wanted,), (), 1))) == []
    following = jobs(run.handle(Failed(guess.job, "PM_REGISTRY", "404")))
    assert [job.url for job in following if isinstance(job, FetchTarball)] == [wanted.url]


def test_one_that_is_waited_for_is_extracted_before_those_that_were_announced() -> None:
    run = make_run(tarballs=4)
    wanted, *guesses = begin(run, tarball(0), ahead=map(announced, DIGESTS[1:4]))
    extracts = jobs(run.handle(*(Fetched(job.job, SharedBytes(4096 * job.job, 10), 10, 1) for job in guesses)))
    assert len(extracts) == 2, "as many as there are slots"
    run.handle(Fetched(wanted.job, SharedBytes(4096 * 9, 10), 10, 1))
    (following,) = jobs(run.handle(extracted(extracts[0])))
    assert isinstance(following, Extract)
    assert following.label == "t0"


@pytest.mark.parametrize("want", [{"integrity": ""}, {"integrity": "", "path": "/app/a.tgz"}])
def test_one_without_a_digest_is_answered_again_from_the_store(want: dict[str, str]) -> None:
    run = make_run()
    given = begin(run, tarball(0, **want))
    while not isinstance(given[0], Extract):
        given = jobs(run.handle(Fetched(given[0].job, SharedBytes(0, 10), 10, 1)))
    extract = given[0]
    (first,) = jobs(run.handle(extracted(extract)))
    (second,) = jobs(run.handle(ResolveStep(first.job, (tarball(1, **want),), (), 1)))
    assert isinstance(first, AnswerEntry)
    assert second == AnswerEntry(second.job, 1, first.entry, DIGESTS[7], "")


def test_what_the_store_has_damaged_is_fetched_again_once_for_all_that_want_it() -> None:
    sri = integrity(b"a tarball")
    run = make_run(stored=[digest_entry_path("/s", strongest(sri)[0])])
    (answer,) = begin(run, tarball(0, integrity=sri))
    assert isinstance(answer, AnswerEntry)
    again = [msgspec.structs.replace(tarball(number, integrity=sri), replace=True) for number in (1, 2, 3)]
    (fetch,) = jobs(run.handle(ResolveStep(answer.job, tuple(again[:2]), (), 1)))
    (extract,) = jobs(run.handle(Fetched(fetch.job, SharedBytes(0, 10), 10, 1)))
    assert isinstance(extract, Extract)
    assert extract.replace
    answers = jobs(run.handle(extracted(extract)))
    assert [one.want for one in answers if isinstance(one, AnswerEntry)] == [1, 2]
    # it is whole now
    (third,) = jobs(run.handle(ResolveStep(answers[0].job, tuple(again[2:]), (), 1)))
    assert isinstance(third, AnswerEntry)


@pytest.mark.parametrize("code", ["PM_INTEGRITY", "PM_ARCHIVE"])
def test_what_the_network_has_damaged_is_asked_for_again_once(code: str) -> None:
    run = make_run()
    (fetch,) = begin(run, tarball(3))
    for _ in range(2):
        assert isinstance(fetch, FetchTarball)
        (extract,) = jobs(run.handle(Fetched(fetch.job, SharedBytes(0, 10), 10, 1)))
        orders = run.handle(Failed(extract.job, code, "damaged"))
        assert ReleaseSpace(0) in orders
        (fetch,) = jobs(orders)
    assert fetch == AnswerFailure(fetch.job, 3, code, "damaged", (), "")


def test_a_damaged_tarball_on_disk_is_not_read_again() -> None:
    run = make_run()
    (extract,) = begin(run, tarball(0, integrity="", path="/app/a.tgz"))
    (answer,) = jobs(run.handle(Failed(extract.job, "PM_ARCHIVE", "damaged")))
    assert isinstance(answer, AnswerFailure)


def test_a_damaged_guess_is_left_to_the_install() -> None:
    run = make_run()
    _, guess = begin(run, document(0), ahead=[announced()])
    (extract,) = jobs(run.handle(Fetched(guess.job, SharedBytes(0, 10), 10, 1)))
    assert jobs(run.handle(Failed(extract.job, "PM_INTEGRITY", "damaged"))) == []
    assert run.warming.came_damaged == {announced().integrity}


def test_a_damaged_guess_that_is_wanted_after_all_is_asked_for_once_more() -> None:
    run = make_run()
    packument, fetch = begin(run, document(0), ahead=[announced()])
    (extract,) = jobs(run.handle(Fetched(fetch.job, SharedBytes(0, 10), 10, 1)))
    run.handle(Failed(extract.job, "PM_INTEGRITY", "damaged"))
    answer = next(job for job in jobs(run.handle(fetched_document(packument))) if isinstance(job, AnswerDocument))
    (again,) = jobs(run.handle(ResolveStep(answer.job, (tarball(1),), (), 1)))
    assert isinstance(again, FetchTarball)
    (extract,) = jobs(run.handle(Fetched(again.job, SharedBytes(0, 10), 10, 1)))
    (lost,) = jobs(run.handle(Failed(extract.job, "PM_INTEGRITY", "damaged")))
    assert isinstance(lost, AnswerFailure)


def test_a_tarball_on_disk_is_extracted_without_a_download() -> None:
    (extract,) = begin(make_run(), tarball(0, integrity="", path="/app/a.tgz"))
    assert isinstance(extract, Extract)
    assert extract.source == TarballFile("/app/a.tgz")


def test_an_announced_tarball_that_cannot_be_had_is_no_matter() -> None:
    run = make_run()
    fetches = begin(run, document(0), ahead=[announced()])
    (lost,) = [job for job in fetches if isinstance(job, FetchTarball)]
    assert run.handle(Failed(lost.job, "PM_REGISTRY", "404")) == []


def test_a_tarball_that_was_lost_as_a_guess_is_tried_again_when_it_is_wanted() -> None:
    run = make_run()
    packument, guess = begin(run, document(0), ahead=[announced()])
    run.handle(Failed(guess.job, "PM_REGISTRY", "503"))
    answer = next(job for job in jobs(run.handle(fetched_document(packument))) if isinstance(job, AnswerDocument))
    (again,) = jobs(run.handle(ResolveStep(answer.job, (tarball(1),), (), 1)))
    assert isinstance(again, FetchTarball)


def test_all_that_wait_for_a_lost_tarball_are_told() -> None:
    run = make_run()
    (fetch,) = begin(run, tarball(0), tarball(1))
    answers = jobs(run.handle(Failed(fetch.job, "PM_REGISTRY", "404")))
    assert [(answer.want, answer.code) for answer in answers if isinstance(answer, AnswerFailure)] == [
        (0, "PM_REGISTRY"),
        (1, "PM_REGISTRY"),
    ]


def test_of_large_tarballs_as_many_are_unpacked_at_a_time_as_the_settings_say() -> None:
    run = make_run(large=100)
    run.flight.settings = msgspec.structs.replace(run.settings, large_at_once=2)
    fetches = begin(run, *(tarball(number, integrity=DIGESTS[number]) for number in (0, 1)))
    results = [Fetched(job.job, SharedBytes(4096 * job.job, 100), 1, 1) for job in fetches]
    assert [type(job) for job in jobs(run.handle(*results))] == [Extract, Extract]


def test_one_large_tarball_is_unpacked_at_a_time() -> None:
    run = make_run(large=100)
    one, two = begin(run, tarball(0), tarball(1, integrity=DIGESTS[1]))
    (extract,) = jobs(run.handle(Fetched(one.job, SharedBytes(0, 100), 1, 1)))
    assert jobs(run.handle(Fetched(two.job, SharedBytes(4096, 100), 1, 1))) == []
    assert any(isinstance(job, Extract) for job in jobs(run.handle(extracted(extract))))


# -- git ------------------------------------------------------------------------------------------------------------


def test_a_commit_is_found_checked_out_extracted_and_answered() -> None:
    run = make_run()
    (find,) = begin(run, commit(4))
    assert isinstance(find, FindGitCommit)
    (fetch,) = jobs(run.handle(FoundGitCommit(find.job, COMMIT)))
    assert isinstance(fetch, FetchGit)
    assert fetch.commit == COMMIT
    (extract,) = jobs(run.handle(Fetched(fetch.job, PackageFolder(fetch.destination), 0, 1)))
    (answer,) = jobs(run.handle(extracted(extract)))
    assert isinstance(answer, AnswerEntry)
    assert (answer.want, answer.commit) == (4, COMMIT)


def test_two_references_to_one_commit_are_checked_out_once() -> None:
    run = make_run()
    one, two = begin(run, commit(0), commit(1, reference="v1"))
    (fetch,) = jobs(run.handle(FoundGitCommit(one.job, COMMIT)))
    assert jobs(run.handle(FoundGitCommit(two.job, COMMIT))) == []
    (extract,) = jobs(run.handle(Fetched(fetch.job, PackageFolder("/x"), 0, 1)))
    assert len(jobs(run.handle(extracted(extract)))) == 2


# -- offline --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("want", [tarball(0), tarball(0, integrity=""), commit(0)])
def test_offline_what_is_not_in_the_store_fails_without_a_request(want: Want) -> None:
    (answer,) = begin(make_run(offline=True), want)
    assert isinstance(answer, AnswerFailure)
    assert answer.code == "PM_OFFLINE"


def test_offline_a_full_commit_is_looked_for_in_the_store() -> None:
    run = make_run(offline=True)
    (find,) = begin(run, commit(0, reference=COMMIT))
    (answer,) = jobs(run.handle(FoundGitCommit(find.job, COMMIT)))
    assert isinstance(answer, AnswerFailure)


def test_offline_a_tarball_on_disk_is_read() -> None:
    (extract,) = begin(make_run(offline=True), tarball(0, integrity="", path="/app/a.tgz"))
    assert isinstance(extract, Extract)


# -- the end --------------------------------------------------------------------------------------------------------


def test_the_end_waits_for_what_is_under_way_when_an_install_follows() -> None:
    run = make_run(goes_on=True)
    packument, guess = begin(run, document(0), ahead=[announced()])
    answer = next(job for job in jobs(run.handle(fetched_document(packument, fresh_s=-1))))
    orders = run.handle(ResolveDone(answer.job, "/s/lock", ("odd",)))
    assert Dismiss(StageName.RESOLVE) in orders
    assert Finish() not in orders
    (extract,) = jobs(run.handle(Fetched(guess.job, SharedBytes(0, 1), 1, 1)))
    assert run.handle(extracted(extract))[-1] == Finish()
    assert (run.result.made, run.result.warnings) == ("/s/lock", ["odd"])


def test_the_end_does_not_wait_for_the_cache() -> None:
    run = make_run()
    (fetch,) = begin(run, document(0))
    keep, answer = jobs(run.handle(fetched_document(fetch)))
    orders = run.handle(ResolveDone(answer.job, "/s/lock", ()))
    assert orders[-1] == Finish()
    assert releases(orders) == [], "the cache still reads it"
    assert run.in_flight(StageName.CACHE) == 1
    assert keep.job > 1 << 31, "no other job has this number"


def test_what_the_tree_does_not_need_is_withdrawn_and_not_extracted() -> None:
    run = make_run(tarballs=3)
    packument, wanted, one, two = begin(
        run, document(0), ahead=[announced(DIGESTS[0]), announced(DIGESTS[1]), announced(DIGESTS[2])]
    )
    (answer,) = jobs(run.handle(fetched_document(packument, fresh_s=-1)))
    unneeded = ResolveStep(answer.job, (), (), 1, more=True, unneeded=(DIGESTS[1], DIGESTS[2]))
    orders = run.handle(unneeded, ResolveDone(answer.job, "/s/lock", ()))
    assert [order for order in orders if isinstance(order, WithdrawJob)] == [WithdrawJob(one.job), WithdrawJob(two.job)]
    # one was complete when the word came
    orders = run.handle(Failed(one.job, "PM_REGISTRY", "withdrawn"), Fetched(two.job, SharedBytes(4096, 1), 1, 1))
    assert orders == [ReleaseSpace(4096)]
    (extract,) = jobs(run.handle(Fetched(wanted.job, SharedBytes(0, 1), 1, 1)))
    assert run.handle(extracted(extract))[-1] == Finish()


def test_of_what_was_fetched_only_that_is_extracted_which_the_tree_needs() -> None:
    run = make_run(tarballs=4)
    digests = DIGESTS[:4]
    packument, *guesses = begin(run, document(0), ahead=map(announced, digests))
    (answer,) = jobs(run.handle(fetched_document(packument, fresh_s=-1)))
    # two are being extracted, two wait for it
    places = [SharedBytes((100 + number) * 4096, 1) for number in range(4)]
    results = [Fetched(job.job, place, 1, 1) for job, place in zip(guesses, places, strict=True)]
    begun = jobs(run.handle(*results))
    unneeded = ResolveStep(answer.job, (), (), 1, more=True, unneeded=tuple(digests[2:]))
    orders = run.handle(unneeded, ResolveDone(answer.job, "/s/lock", ()))
    assert {ReleaseSpace(place.offset) for place in places[2:]} <= set(releases(orders))
    assert run.handle(*map(extracted, begun))[-1] == Finish()


def test_packuments_that_nobody_waits_for_any_more_are_withdrawn() -> None:
    run = make_run()
    first, second = begin(run, document(0), document(1, "b"))
    (answer,) = jobs(run.handle(fetched_document(first, fresh_s=-1)))
    orders = run.handle(ResolveDone(answer.job, "/s/lock", ()))
    assert WithdrawJob(second.job) in orders
    assert run.handle(Failed(second.job, "PM_REGISTRY", "withdrawn"))[-1] == Finish()


def test_the_end_comes_at_once_when_nothing_follows() -> None:
    run = make_run(goes_on=False)
    first, _ = begin(run, document(0), document(1, "b"))
    keep, answer = jobs(run.handle(fetched_document(first)))
    assert run.handle(ResolveDone(answer.job, "/s/lock", ()))[-1] == Finish()
    # whoever has looked after it only once, and drives it on, is told again
    assert run.start() == [Finish()]
    assert keep.job != answer.job


def test_the_resolver_is_let_go_only_when_it_has_answered_everything() -> None:
    # the death of a process that was let go is not noticed, and its jobs would be waited for without end
    run = make_run()
    first, second = begin(run, document(0), document(1, "b"))
    (answer,) = jobs(run.handle(fetched_document(first, fresh_s=-1)))
    (late,) = jobs(run.handle(fetched_document(second, fresh_s=-1)))
    assert Dismiss(StageName.RESOLVE) not in run.handle(ResolveDone(answer.job, "/s/lock", ()))
    orders = run.handle(ResolveStep(late.job, (), (), 1))
    assert orders[-2:] == [Dismiss(StageName.RESOLVE), Finish()]


def test_what_comes_too_late_is_released() -> None:
    run = make_run(answers=1)
    first, second, third = begin(run, *(document(number, f"p{number}") for number in range(3)))
    (answer,) = jobs(run.handle(fetched_document(first, fresh_s=-1)))
    run.handle(fetched_document(second, fresh_s=-1))
    orders = run.handle(ResolveDone(answer.job, "/s/lock", ()))
    assert ReleaseSpace(4096 * (1 + second.job)) in orders
    orders = run.handle(fetched_document(third, fresh_s=-1))
    assert ReleaseSpace(4096 * (1 + third.job)) in orders
    assert orders[-1] == Finish()


def test_what_the_resolver_gives_up_with_ends_the_run() -> None:
    run = make_run()
    (fetch,) = begin(run, document(0))
    (answer,) = jobs(run.handle(Failed(fetch.job, "PM_REGISTRY", "404")))
    problem = Failed(answer.job, "PM_REGISTRY", "404")
    assert run.handle(ResolveFailed(answer.job, (problem,))) == [Finish()]
    assert run.result.problems == (problem,)


@pytest.mark.parametrize(
    "event", [Interrupted(2), WorkerDied(StageName.CACHE, 1, -9, JobId(0)), Crashed(JobId(0), "x", "")]
)
def test_a_death_or_a_signal_stops_everything_at_once(event: Interrupted | WorkerDied | Crashed) -> None:
    run = make_run()
    begin(run, document(0))
    assert run.handle(event) == [Stop(event)]
    assert run.finished


def test_the_jobs_that_a_crash_report_names_are_described() -> None:
    run = make_run()
    fetch, find = begin(run, document(0), commit(1))
    assert (run.describe(fetch.job), run.describe(find.job)) == ("a", "g")
    keep, answer = jobs(run.handle(fetched_document(fetch)))
    assert run.describe(answer.job) == "a"
    assert run.describe(keep.job) == "a"
    assert run.describe(JobId(999)) == ""


# -- any order ------------------------------------------------------------------------------------------------------


@dataclass
class MadeUpResolver:
    """Wants this and that with every answer, until it has had enough."""

    data: st.DataObject
    left: int
    wanted: dict[int, Want] = field(default_factory=dict)
    answered: list[int] = field(default_factory=list)
    done: bool = False

    def step(self, job: JobId) -> list[Result]:
        if self.done:
            return [ResolveStep(job, (), (), 0)]
        waiting = self.wanted.keys() - set(self.answered)
        finishes = not self.left and (not waiting or self.data.draw(st.booleans()))
        if finishes:
            self.done = True
            if self.data.draw(st.integers(0, 9)) == 0:
                return [ResolveFailed(job, (Failed(job, "PM_REGISTRY", "no"),))]
            unneeded = tuple(self.data.draw(st.sets(st.sampled_from(DIGESTS))))
            return [
                ResolveStep(job, (), (), 1, more=True, unneeded=unneeded),
                ResolveDone(job, "/s/lock", ()),
            ]
        wants = [self._want() for _ in range(self.data.draw(st.integers(0 if waiting else 1, 4)))] if self.left else []
        ahead = self.data.draw(st.lists(st.sampled_from(DIGESTS).map(announced), max_size=3))
        if wants and self.data.draw(st.booleans()):
            return [
                ResolveStep(job, tuple(wants[:1]), (), 1, more=True),
                ResolveStep(job, tuple(wants[1:]), tuple(ahead), 1),
            ]
        return [ResolveStep(job, tuple(wants), tuple(ahead), 1)]

    def _want(self) -> Want:
        self.left = max(0, self.left - 1)
        number = len(self.wanted)
        kind = self.data.draw(st.integers(0, 5))
        if kind == 0:
            want: Want = tarball(number, integrity=self.data.draw(st.sampled_from(DIGESTS)))
        elif kind == 1:
            want = tarball(number, integrity="", path=self.data.draw(st.sampled_from(["/a.tgz", "/b.tgz"])))
        elif kind == 2:
            want = commit(number, reference=self.data.draw(st.sampled_from(["main", "v1", COMMIT])))
        else:
            want = document(number, f"p{number}")
        self.wanted[number] = want
        return want

    def answer(self, job: Answer) -> None:
        assert job.want in self.wanted, "only what was wanted is answered"
        assert job.want not in self.answered, "each want is answered once"
        self.answered.append(job.want)


def answer_of(job: Job, resolver: MadeUpResolver, data: st.DataObject) -> list[Result]:
    """What a stage might say to a job."""
    if not isinstance(job, Resolve | Answer | CacheDocument) and data.draw(st.integers(0, 6)) == 0:
        return [Failed(job.job, "PM_INTEGRITY" if isinstance(job, Extract) else "PM_REGISTRY", "expected failure")]
    match job:
        case FetchDocument():
            if data.draw(st.integers(0, 4)) == 0:
                return [FetchedDocument(job.job, None, False, "", "", 0, 0, 1)]
            return [fetched_document(job, fresh_s=data.draw(st.sampled_from([-1, 0, 300])))]
        case FetchTarball():
            length = data.draw(st.sampled_from([10, 1000]))
            return [Fetched(job.job, SharedBytes(4096 * (1 + job.job), length), 10, 1)]
        case FindGitCommit():
            return [FoundGitCommit(job.job, COMMIT)]
        case FetchGit():
            return [Fetched(job.job, PackageFolder(job.destination), 0, 1)]
        case Extract():
            return [extracted(job, job.integrity or DIGESTS[7])]
        case CacheDocument():
            return [cached(job, data.draw(st.sampled_from(["", "the disk is full"])))]
        case AnswerDocument() | AnswerEntry() | AnswerFailure():
            if not resolver.done:
                resolver.answer(job)
        case Resolve():
            pass
        case _:
            raise AssertionError(job)
    return resolver.step(job.job)


@settings(max_examples=500)
@given(data=st.data())
def test_any_order_of_events_ends_each_job_once_and_keeps_the_invariants(data: st.DataObject) -> None:
    run = make_run(
        documents=data.draw(st.integers(1, 4)),
        tarballs=data.draw(st.integers(1, 3)),
        answers=data.draw(st.integers(1, 4)),
        keeps=data.draw(st.integers(1, 3)),
        goes_on=data.draw(st.booleans()),
        keeps_documents=data.draw(st.booleans()),
        offline=data.draw(st.integers(0, 5)) == 0,
        large=100,
        staying_bytes=data.draw(st.sampled_from([0, 25, 1 << 20])),
    )
    if not run.settings.offline:
        run.is_ready = False
        names = data.draw(st.sets(st.sampled_from(["p0", "p1", "p2", "p3", "never wanted"])))
        run.foresee(document(FORESEEN, name) for name in sorted(names))
    resolver = MadeUpResolver(data, data.draw(st.integers(0, 12)))
    waiting: list[Job] = []
    begun: set[JobId] = set()
    held: set[int] = set()
    dismissed = False
    orders = run.start()
    while True:
        run.validate()
        for order in orders:
            match order:
                case Start(stage, job):
                    assert job.job not in begun, "a job's number is used once"
                    assert not (dismissed and stage is StageName.RESOLVE), "a stage that was let go gets no work"
                    begun.add(job.job)
                    waiting.append(job)
                case ReleaseSpace(offset, is_still_read):
                    assert offset in held
                    if not is_still_read:
                        held.remove(offset)
                case WithdrawJob(number):
                    assert any(job.job == number for job in waiting), "only what is under way can be withdrawn"
                case Dismiss():
                    assert not dismissed
                    assert not any(isinstance(job, Resolve | Answer) for job in waiting)
                    dismissed = True
        if any(isinstance(order, Finish | Stop) for order in orders):
            break
        if not run.is_ready and (not waiting or data.draw(st.booleans())):
            run.is_ready = True
            orders = run.start()
            continue
        assert waiting, "the run stands still"
        results: list[Result] = []
        # several may have come by the time that the supervisor looks
        for _ in range(data.draw(st.integers(1, min(3, len(waiting))))):
            job = next_of(waiting, data)
            results += answer_of(job, resolver, data)
        if data.draw(st.integers(0, 60)) == 0:
            orders = run.handle(*results, WorkerDied(StageName.FETCH, 1, -9, job.job))
            break
        sources = [getattr(result, "source", None) for result in results]
        held.update(source.offset for source in sources if isinstance(source, SharedBytes))
        orders = run.handle(*results)
    assert run.finished
    if not isinstance(orders[-1], Stop) and run.goes_on and not run.result.problems:
        keeps = [job for job in waiting if isinstance(job, CacheDocument)]
        assert keeps == waiting, "only the cache is not waited for"
        assert held == {job.source.offset for job in keeps}, "all other space was released"
        assert dismissed
        assert all(run.in_flight(stage) == 0 for stage in StageName if stage is not StageName.CACHE)
        assert run.in_flight(StageName.CACHE) == len(keeps)
    assert run.handle(Interrupted(2)) == []


def next_of(waiting: list[Job], data: st.DataObject) -> Job:
    """Any job; the resolver alone has one process, and takes its jobs in order."""
    job = waiting.pop(data.draw(st.integers(0, len(waiting) - 1)))
    if isinstance(job, Resolve | Answer):
        first = next((one for one in waiting if isinstance(one, Resolve | Answer)), job)
        if first.job < job.job:
            waiting.append(job)
            waiting.remove(first)
            return first
    return job


def test_the_pure_modules_load_neither_processes_nor_sockets() -> None:
    loaded = modules_loaded_by("import pmpipe.resolving.machine, pmpipe.resolving.warming, pmpipe.resolving.wants")
    assert "pmpipe.resolving.machine" in loaded
    assert not loaded & {"multiprocessing", "socket", "subprocess", "asyncio"}
