"""The install state machine under any order of events, deaths included."""

from __future__ import annotations

from dataclasses import dataclass, field

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.loaded_modules import modules_loaded_by

from pmpipe.downloads import PackageState
from pmpipe.orders import Finish, Order, ReleaseSpace, StageName, Start, Stop, WorkerDied
from pmpipe.placements import PlacementState
from pmpipe.plan import (
    BinLinks,
    GitCommit,
    LocalTarball,
    Origin,
    Package,
    PackageNumber,
    Placement,
    PlacementNumber,
    Plan,
    RemoteTarball,
    StoredPackage,
)
from pmpipe.scheduler import Scheduler
from pmpipe.tasks import Settings
from stages.messages import (
    ArchiveLimits,
    Clone,
    Cloned,
    Crashed,
    Damaged,
    Extract,
    Extracted,
    Failed,
    Fetched,
    FetchGit,
    FetchTarball,
    Job,
    JobId,
    LinkBins,
    Linked,
    PackageFolder,
    Remove,
    Removed,
    Result,
    SharedBytes,
    StoreEntry,
)

LIMITS = ArchiveLimits(entries=1000, one_file=1 << 20, all_files=1 << 24, ratio=1000)
SLOTS = {StageName.FETCH: 3, StageName.EXTRACT: 2, StageName.CLONE: 2, StageName.LINK: 1}


def make_scheduler(plan: Plan, *, offline: bool = False, is_complete: bool = True) -> Scheduler:
    plan.origin_of = origin_of
    settings = Settings(SLOTS, "/store/v1", "/store/v1/staging", LIMITS, offline=offline)
    return Scheduler(plan, settings, is_complete=is_complete)


def remote(name: str, *, stored: bool = False) -> Package:
    entry = f"/store/v1/{name}" if stored else ""
    return Package(f"{name}@1.0.0", name, "", entry, "", stored, origin=None if stored else origin_of(name))


def origin_of(name: str) -> Origin:
    if name.startswith("git"):
        return GitCommit(("https://git.example/a",), "0" * 40, "")
    if name.startswith("file"):
        return LocalTarball("/app/a.tgz")
    return RemoteTarball(f"https://registry.example/{name}/-/{name}-1.0.0.tgz", "")


def place(package: int, location: str, *, parent: int | None = None, optional: bool = False) -> Placement:
    number = None if parent is None else PlacementNumber(parent)
    return Placement(location, location, PackageNumber(package), f"/app/{location}", number, optional, "auto")


def jobs(orders: list[Order]) -> list[Job]:
    return [order.job for order in orders if isinstance(order, Start)]


def succeed(job: Job) -> Result:
    match job:
        case FetchTarball(number):
            return Fetched(number, SharedBytes(4096 * number, 10), 10, 1)
        case FetchGit(number):
            return Fetched(number, PackageFolder("/store/v1/staging/x"), 0, 1)
        case Extract(number):
            return Extracted(number, "/store/v1/entry", "sha512-x", 1, 10, ())
        case Clone(number):
            return Cloned(number, 0, 1, 0, 10)
        case Remove(number):
            return Removed(number)
        case LinkBins(number):
            return Linked(number, 1, ())
    raise AssertionError(job)


def run_to_end(scheduler: Scheduler) -> list[Job]:
    """Answer every job with success, first come first served; the jobs in the order they were given out."""
    given_out: list[Job] = []
    waiting = jobs(scheduler.start())
    while waiting:
        job = waiting.pop(0)
        given_out.append(job)
        waiting += jobs(scheduler.handle(succeed(job)))
        scheduler.validate()
    assert scheduler.finished
    return given_out


def test_package_wanted_twice_is_fetched_and_extracted_once() -> None:
    plan = Plan([remote("a")], [place(0, "node_modules/a"), place(0, "node_modules/b/node_modules/a")])
    given_out = run_to_end(make_scheduler(plan))
    assert [type(job) for job in given_out] == [FetchTarball, Extract, Clone, Clone]


def test_stored_package_is_only_cloned() -> None:
    given_out = run_to_end(make_scheduler(Plan([remote("a", stored=True)], [place(0, "node_modules/a")])))
    assert [type(job) for job in given_out] == [Clone]


def test_empty_plan_finishes_at_once() -> None:
    assert make_scheduler(Plan()).start() == [Finish()]


def test_local_tarball_goes_to_extract_without_fetch() -> None:
    package = Package("a@1.0.0", "file", "", "", "", stored=False, origin=origin_of("file"))
    given_out = run_to_end(make_scheduler(Plan([package], [place(0, "node_modules/a")])))
    assert [type(job) for job in given_out] == [Extract, Clone]


def test_git_commit_is_fetched_by_git() -> None:
    package = Package("a@1.0.0", "git", "", "", "key", stored=False, origin=origin_of("git"))
    given_out = run_to_end(make_scheduler(Plan([package], [place(0, "node_modules/a")])))
    assert [type(job) for job in given_out] == [FetchGit, Extract, Clone]


def test_nested_package_waits_for_its_parents_folder() -> None:
    packages = [remote("a"), remote("b", stored=True)]
    plan = Plan(packages, [place(0, "node_modules/a"), place(1, "node_modules/a/node_modules/b", parent=0)])
    given_out = run_to_end(make_scheduler(plan))
    assert [job.label for job in given_out if isinstance(job, Clone)] == [
        "node_modules/a",
        "node_modules/a/node_modules/b",
    ]


def test_packages_that_are_built_with_node_gyp_may_be_told_in_parts() -> None:
    scheduler = make_scheduler(Plan([remote("a", stored=True)], [place(0, "node_modules/a")]))
    (clone,) = jobs(scheduler.start())
    assert scheduler.handle(Cloned(clone.job, 0, 0, 0, 0, ("", "node_modules/b"), more=True)) == []
    scheduler.validate()
    assert scheduler.handle(Cloned(clone.job, 0, 1, 0, 10, ("node_modules/c",))) == [Finish()]
    assert scheduler.gyp == [f"node_modules/a{path}" for path in ("", "/node_modules/b", "/node_modules/c")]
    assert scheduler.counts.placed == 1


def test_bins_are_linked_after_their_package() -> None:
    link = BinLinks("a", "/app/node_modules/a", "/app/node_modules/.bin", (("a", "a.js"),), PlacementNumber(0))
    plan = Plan([remote("a", stored=True)], [place(0, "node_modules/a")], [link])
    assert [type(job) for job in run_to_end(make_scheduler(plan))] == [Clone, LinkBins]


def test_no_stage_gets_more_jobs_than_it_has_slots() -> None:
    packages = [remote(f"p{n}") for n in range(20)]
    scheduler = make_scheduler(Plan(packages, [place(n, f"node_modules/p{n}") for n in range(20)]))
    assert len(jobs(scheduler.start())) == SLOTS[StageName.FETCH]


@pytest.mark.parametrize("at_once", [1, 2])
def test_of_large_tarballs_only_some_are_unpacked_at_a_time(at_once: int) -> None:
    packages = [remote(name) for name in "abcd"]
    plan = Plan(packages, [place(n, f"node_modules/{name}") for n, name in enumerate("abcd")], origin_of=origin_of)
    slots = {**SLOTS, StageName.FETCH: 4, StageName.EXTRACT: 4}
    limits = Settings(slots, "/s", "/s/staging", LIMITS, large_tarball_bytes=100, large_at_once=at_once)
    scheduler = Scheduler(plan, limits)
    fetches = jobs(scheduler.start())
    sizes = [100, 100, 100, 99]
    results = [
        Fetched(job.job, SharedBytes(4096 * job.job, size), 1, 1) for job, size in zip(fetches, sizes, strict=True)
    ]
    given_out = jobs(scheduler.handle(*results))
    # the small one passes those that have to wait
    assert [job.label[0] for job in given_out] == [*"abc"[:at_once], "d"]
    scheduler.validate()
    (following,) = (job for job in jobs(scheduler.handle(succeed(given_out[0]))) if isinstance(job, Extract))
    assert following.label[0] == "abc"[at_once]


def test_shared_bytes_are_released_when_extract_fails() -> None:
    scheduler = make_scheduler(Plan([remote("a")], [place(0, "node_modules/a")]))
    fetch = jobs(scheduler.start())[0]
    extract = jobs(scheduler.handle(succeed(fetch)))[0]
    orders = scheduler.handle(Failed(extract.job, "PM_FILESYSTEM", "the disk is full"))
    assert ReleaseSpace(4096 * fetch.job) in orders
    assert [failure.location for failure in scheduler.failures] == ["node_modules/a"]


@pytest.mark.parametrize("code", ["PM_INTEGRITY", "PM_ARCHIVE"])
def test_what_the_network_has_damaged_is_asked_for_again_once(code: str) -> None:
    scheduler = make_scheduler(Plan([remote("a")], [place(0, "node_modules/a")]))
    fetch = jobs(scheduler.start())[0]
    for _ in range(2):
        assert scheduler.failures == []
        extract = jobs(scheduler.handle(succeed(fetch)))[0]
        orders = scheduler.handle(Failed(extract.job, code, "damaged"))
        scheduler.validate()
        assert ReleaseSpace(4096 * fetch.job) in orders
        fetch = next((job for job in jobs(orders) if isinstance(job, FetchTarball)), fetch)
    assert orders[-1] == Finish()
    assert [failure.failed.code for failure in scheduler.failures] == [code]


def test_a_damaged_tarball_on_disk_is_not_read_again() -> None:
    local = msgspec.structs.replace(remote("a"), origin=LocalTarball("/app/a.tgz"))
    scheduler = make_scheduler(Plan([local], [place(0, "node_modules/a")]))
    (extract,) = jobs(scheduler.start())
    assert scheduler.handle(Failed(extract.job, "PM_ARCHIVE", "damaged")) == [Finish()]
    assert len(scheduler.failures) == 1


def test_all_downloads_are_tried_after_a_failure_but_nothing_more_is_placed() -> None:
    packages = [remote(f"p{n}") for n in range(10)]
    scheduler = make_scheduler(Plan(packages, [place(n, f"node_modules/p{n}") for n in range(10)]))
    waiting = jobs(scheduler.start())
    fetched = 0
    while waiting:
        job = waiting.pop(0)
        assert not isinstance(job, Clone)
        if isinstance(job, FetchTarball):
            fetched += 1
        failed = fetched == 1 and isinstance(job, FetchTarball)
        result = Failed(job.job, "PM_REGISTRY", "404") if failed else succeed(job)
        waiting += jobs(scheduler.handle(result))
    assert fetched == 10
    assert scheduler.finished
    assert len(scheduler.failures) == 1


def test_host_that_is_down_is_not_asked_for_the_rest() -> None:
    packages = [remote(f"p{n}") for n in range(10)]
    scheduler = make_scheduler(Plan(packages, [place(n, f"node_modules/p{n}") for n in range(10)]))
    waiting = jobs(scheduler.start())
    asked = len(waiting)
    for job in waiting:
        asked += len(jobs(scheduler.handle(Failed(job.job, "PM_REGISTRY", "refused", host_is_down=True))))
    assert asked == SLOTS[StageName.FETCH]
    assert scheduler.finished
    assert len(scheduler.failures) == 10


def test_optional_package_that_cannot_be_had_is_left_out_with_what_only_it_needs() -> None:
    packages = [remote("a"), remote("only-for-a", stored=True), remote("b", stored=True)]
    plan = Plan(
        packages,
        [
            place(0, "node_modules/a", optional=True),
            place(1, "node_modules/only-for-a", optional=True),
            place(2, "node_modules/b"),
        ],
        left_out_with=lambda _: frozenset({"node_modules/a", "node_modules/only-for-a"}),
    )
    scheduler = make_scheduler(plan)
    waiting = jobs(scheduler.start())
    removed = []
    while waiting:
        job = waiting.pop(-1)  # the clones first, so that what only `a` needs is there when `a` fails
        if isinstance(job, Remove):
            removed.append(job.path)
        result = Failed(job.job, "PM_REGISTRY", "404") if isinstance(job, FetchTarball) else succeed(job)
        waiting += jobs(scheduler.handle(result))
    assert scheduler.finished
    assert not scheduler.failures
    assert removed == ["/app/node_modules/only-for-a"]
    assert scheduler.placements.left_out() == {"node_modules/a", "node_modules/only-for-a"}


def with_optional_b(*links: BinLinks) -> Plan:
    """The package `a` is there, and is left out with `b`, which has to be fetched; `c` is there, too."""
    places = [place(0, "node_modules/a", optional=True), place(1, "node_modules/b", optional=True)]
    return Plan(
        [remote("a", stored=True), remote("b"), remote("c", stored=True)],
        [*places, place(2, "node_modules/c")],
        list(links),
        left_out_with=lambda _: frozenset({"node_modules/a", "node_modules/b"}),
    )


def test_a_folder_that_is_being_filled_when_it_is_left_out_is_removed_again() -> None:
    scheduler = make_scheduler(with_optional_b())
    waiting = {job.label: job for job in jobs(scheduler.start())}
    assert jobs(scheduler.handle(Failed(waiting["b@1.0.0"].job, "PM_REGISTRY", "404"))) == []
    (remove,) = jobs(scheduler.handle(succeed(waiting["node_modules/a"])))
    assert remove == Remove(remove.job, "/app/node_modules/a")
    scheduler.handle(succeed(waiting["node_modules/c"]))
    assert scheduler.handle(succeed(remove)) == [Finish()]
    assert scheduler.placements.left_out() == {"node_modules/a", "node_modules/b"}


def test_a_link_that_waits_for_a_slot_when_its_package_is_left_out_is_not_made() -> None:
    links = [BinLinks(name, "", "", (("x", "x"),), PlacementNumber(number)) for number, name in [(2, "c"), (0, "a")]]
    scheduler = make_scheduler(with_optional_b(*links))
    waiting = {job.label: job for job in jobs(scheduler.start())}
    (link,) = jobs(scheduler.handle(succeed(waiting["node_modules/c"])))
    assert jobs(scheduler.handle(succeed(waiting["node_modules/a"]))) == []
    (remove,) = jobs(scheduler.handle(Failed(waiting["b@1.0.0"].job, "PM_REGISTRY", "404")))
    assert isinstance(remove, Remove)
    assert jobs(scheduler.handle(succeed(link))) == []
    assert scheduler.handle(succeed(remove)) == [Finish()]


def test_an_executable_of_what_may_be_left_out_is_linked_when_that_cannot_be_any_more() -> None:
    links = [BinLinks(name, "", "", (("x", "x"),), PlacementNumber(number)) for number, name in [(0, "a"), (2, "c")]]
    scheduler = make_scheduler(with_optional_b(*links))
    waiting = {job.label: job for job in jobs(scheduler.start())}
    assert jobs(scheduler.handle(succeed(waiting["node_modules/a"]))) == []
    (link,) = jobs(scheduler.handle(succeed(waiting["node_modules/c"])))
    assert link.label == "c"
    scheduler.handle(succeed(link))
    (extract,) = jobs(scheduler.handle(succeed(waiting["b@1.0.0"])))
    (clone,) = jobs(scheduler.handle(succeed(extract)))
    (link,) = jobs(scheduler.handle(succeed(clone)))
    assert link.label == "a"
    assert scheduler.handle(succeed(link)) == [Finish()]


@pytest.mark.parametrize("is_placed", [True, False])
def test_a_folder_goes_after_what_lies_in_it(is_placed: bool) -> None:
    inner = "node_modules/a/node_modules/inner"
    plan = Plan(
        [remote("a", stored=True), remote("inner", stored=True), remote("b")],
        [
            place(0, "node_modules/a", optional=True),
            place(1, inner, parent=0, optional=True),
            place(2, "node_modules/b", optional=True),
        ],
        left_out_with=lambda _: frozenset({"node_modules/a", inner, "node_modules/b"}),
    )
    scheduler = make_scheduler(plan)
    waiting = {job.label: job for job in jobs(scheduler.start())}
    (clone,) = jobs(scheduler.handle(succeed(waiting["node_modules/a"])))
    fetch_failed = Failed(waiting["b@1.0.0"].job, "PM_REGISTRY", "404")
    events = [succeed(clone), fetch_failed] if is_placed else [fetch_failed, succeed(clone)]
    given_out = [job for event in events for job in jobs(scheduler.handle(event))]
    assert given_out == [Remove(given_out[0].job, f"/app/{inner}")]
    (outer,) = jobs(scheduler.handle(succeed(given_out[0])))
    assert outer == Remove(outer.job, "/app/node_modules/a")
    assert scheduler.handle(succeed(outer)) == [Finish()]


def test_folders_are_given_out_in_lots() -> None:
    packages = [remote(f"p{n}", stored=True) for n in range(7)]
    plan = Plan(packages, [place(n, f"node_modules/p{n}") for n in range(7)], origin_of=origin_of)
    slots = {**SLOTS, StageName.CLONE: 4}
    scheduler = Scheduler(plan, Settings(slots, "/s", "/s/staging", LIMITS, clone_lot=2))
    first, second, third, fourth = jobs(scheduler.start())
    assert jobs(scheduler.handle(succeed(first))) == []
    assert len(jobs(scheduler.handle(succeed(second)))) == 2
    assert jobs(scheduler.handle(succeed(third))) != [], "the last one is all that is left"
    assert jobs(scheduler.handle(succeed(fourth))) == []


def test_damaged_entry_is_fetched_again_once() -> None:
    plan = Plan([remote("a", stored=True)], [place(0, "node_modules/a"), place(0, "node_modules/b/node_modules/a")])
    scheduler = make_scheduler(plan)
    first, second = jobs(scheduler.start())
    (fetch,) = jobs(scheduler.handle(Damaged(first.job, "index torn")))
    assert jobs(scheduler.handle(Damaged(second.job, "index torn"))) == []
    (extract,) = jobs(scheduler.handle(succeed(fetch)))
    assert isinstance(extract, Extract)
    assert extract.replace
    clones = jobs(scheduler.handle(succeed(extract)))
    assert len(clones) == 2
    for job in clones:
        scheduler.handle(succeed(job))
    assert scheduler.finished
    assert not scheduler.failures


def test_entry_that_is_damaged_again_fails_the_run() -> None:
    scheduler = make_scheduler(Plan([remote("a", stored=True)], [place(0, "node_modules/a")]))
    (clone,) = jobs(scheduler.start())
    (fetch,) = jobs(scheduler.handle(Damaged(clone.job, "index torn")))
    (extract,) = jobs(scheduler.handle(succeed(fetch)))
    (clone,) = jobs(scheduler.handle(succeed(extract)))
    assert scheduler.handle(Damaged(clone.job, "index torn")) == [Finish()]
    assert [failure.failed.code for failure in scheduler.failures] == ["PM_STORE"]


def test_an_entry_that_cannot_be_had_again_leaves_out_all_who_have_found_it_damaged() -> None:
    places = [place(0, "node_modules/a", optional=True), place(0, "node_modules/b/node_modules/a", optional=True)]
    scheduler = make_scheduler(Plan([remote("a", stored=True)], places))
    first, second = jobs(scheduler.start())
    (fetch,) = jobs(scheduler.handle(Damaged(first.job, "index torn")))
    assert jobs(scheduler.handle(Failed(fetch.job, "PM_REGISTRY", "404"))) == []
    assert scheduler.handle(Damaged(second.job, "index torn")) == [Finish()]
    assert not scheduler.failures
    assert scheduler.placements.left_out() == {one.location for one in places}


def test_what_is_known_to_be_damaged_is_replaced_and_must_not_be_so_again() -> None:
    package = msgspec.structs.replace(remote("a"), damaged=True)
    scheduler = make_scheduler(Plan([package], [place(0, "node_modules/a")]))
    (fetch,) = jobs(scheduler.start())
    (extract,) = jobs(scheduler.handle(succeed(fetch)))
    assert isinstance(extract, Extract)
    assert extract.replace
    (clone,) = jobs(scheduler.handle(succeed(extract)))
    assert scheduler.handle(Damaged(clone.job, "index torn")) == [Finish()]
    assert [failure.failed.code for failure in scheduler.failures] == ["PM_STORE"]


def test_damaged_entry_fails_when_offline() -> None:
    scheduler = make_scheduler(Plan([remote("a", stored=True)], [place(0, "node_modules/a")]), offline=True)
    (clone,) = jobs(scheduler.start())
    assert scheduler.handle(Damaged(clone.job, "index torn")) == [Finish()]
    assert [failure.failed.code for failure in scheduler.failures] == ["PM_OFFLINE"]


def patched(name: str, *, optional: bool = False) -> Plan:
    """A package that is to be patched, of which the store has the published form."""
    package = Package(f"{name}@1.0.0", name, "", "", "", stored=False, origin=StoredPackage(f"/store/v1/{name}"))
    return Plan([package], [place(0, f"node_modules/{name}", optional=optional)])


def test_a_package_that_is_to_be_patched_is_not_fetched_if_the_store_has_it() -> None:
    scheduler = make_scheduler(patched("a"), offline=True)
    (extract,) = jobs(scheduler.start())
    assert isinstance(extract, Extract)
    assert extract.source == StoreEntry("/store/v1/a")
    (clone,) = jobs(scheduler.handle(succeed(extract)))
    scheduler.handle(succeed(clone))
    assert scheduler.finished
    assert not scheduler.failures


def test_what_is_to_be_patched_is_fetched_again_once_if_the_store_has_it_damaged() -> None:
    scheduler = make_scheduler(patched("a"))
    (extract,) = jobs(scheduler.start())
    (fetch,) = jobs(scheduler.handle(Damaged(extract.job, "index torn")))
    assert isinstance(fetch, FetchTarball)
    (extract,) = jobs(scheduler.handle(succeed(fetch)))
    assert isinstance(extract, Extract)
    assert extract.replace
    assert isinstance(extract.source, SharedBytes)
    scheduler.validate()
    orders = scheduler.handle(Damaged(extract.job, "index torn"))
    assert orders[-1] == Finish()
    assert [failure.failed.code for failure in scheduler.failures] == ["PM_STORE"]


def test_a_store_that_cannot_be_written_fails_the_run_for_an_optional_package_too() -> None:
    scheduler = make_scheduler(Plan([remote("a")], [place(0, "node_modules/a", optional=True)]))
    (fetch,) = jobs(scheduler.start())
    (extract,) = jobs(scheduler.handle(succeed(fetch)))
    assert scheduler.handle(Failed(extract.job, "PM_STORE", "No space left on device"))[-1] == Finish()
    assert [failure.failed.code for failure in scheduler.failures] == ["PM_STORE"]
    assert not scheduler.optional_failures


def test_a_patch_that_does_not_fit_fails_the_run_for_an_optional_package_too() -> None:
    scheduler = make_scheduler(patched("a", optional=True))
    (extract,) = jobs(scheduler.start())
    assert scheduler.handle(Failed(extract.job, "PM_PATCH", "does not fit")) == [Finish()]
    assert [failure.failed.code for failure in scheduler.failures] == ["PM_PATCH"]


def test_what_was_damaged_before_the_install_is_asked_for_once() -> None:
    package = msgspec.structs.replace(remote("a"), integrity="sha512-x")
    scheduler = make_scheduler(Plan([package], [place(0, "node_modules/a")]))
    scheduler.settings = msgspec.structs.replace(scheduler.settings, came_damaged=frozenset({"sha512-x"}))
    (fetch,) = jobs(scheduler.start())
    (extract,) = jobs(scheduler.handle(succeed(fetch)))
    assert scheduler.handle(Failed(extract.job, "PM_INTEGRITY", "damaged"))[-1] == Finish()
    assert [failure.failed.code for failure in scheduler.failures] == ["PM_INTEGRITY"]


def test_worker_death_stops_everything_at_once() -> None:
    scheduler = make_scheduler(Plan([remote("a")], [place(0, "node_modules/a")]))
    (fetch,) = jobs(scheduler.start())
    death = WorkerDied(StageName.FETCH, 123, -9, fetch.job)
    assert scheduler.handle(death) == [Stop(death)]
    assert scheduler.finished
    assert scheduler.handle(succeed(fetch)) == []


# -- a plan that comes in two parts -------------------------------------------------------------------------------


def test_a_run_does_not_end_before_its_plan_is_complete() -> None:
    scheduler = make_scheduler(Plan(), is_complete=False)
    assert scheduler.start() == []
    scheduler.complete(Plan())
    assert scheduler.start() == [Finish()]


def test_what_was_fetched_before_the_plan_was_complete_is_not_fetched_again() -> None:
    stored, on_its_way, later = remote("a"), remote("b"), remote("c")
    scheduler = make_scheduler(Plan([stored, on_its_way]), is_complete=False)
    fetch_a, fetch_b = jobs(scheduler.start())
    (extract_a,) = jobs(scheduler.handle(succeed(fetch_a)))
    assert scheduler.handle(succeed(extract_a)) == [ReleaseSpace(4096 * fetch_a.job)]
    placements = [place(n, f"node_modules/{name}") for n, name in enumerate("abc")]
    scheduler.complete(Plan([stored, on_its_way, later], placements, origin_of=origin_of))
    waiting = jobs(scheduler.start())
    assert [type(job) for job in waiting] == [FetchTarball, Clone]
    waiting.append(fetch_b)
    while waiting:
        waiting += jobs(scheduler.handle(succeed(waiting.pop(0))))
        scheduler.validate()
    assert scheduler.finished
    assert (scheduler.counts.fetched, scheduler.counts.extracted, scheduler.counts.placed) == (3, 3, 3)


def test_what_failed_before_the_plan_was_complete_fails_the_run_where_it_is_wanted() -> None:
    packages = [remote("a"), remote("b"), remote("c")]
    scheduler = make_scheduler(Plan(packages), is_complete=False)
    for job in jobs(scheduler.start()):
        assert scheduler.handle(Failed(job.job, "PM_REGISTRY", "404")) == []
    # nobody wants c
    placements = [place(0, "node_modules/a"), place(1, "node_modules/b", optional=True)]
    scheduler.complete(Plan(packages, placements, origin_of=origin_of))
    assert scheduler.start() == [Finish()]
    assert [failure.location for failure in scheduler.failures] == ["node_modules/a"]
    assert [failure.location for failure in scheduler.optional_failures] == ["node_modules/b"]


def test_what_nobody_wants_in_the_end_is_not_waited_for_in_the_queue() -> None:
    packages = [remote(f"p{n}") for n in range(10)]
    scheduler = make_scheduler(Plan(packages), is_complete=False)
    waiting = jobs(scheduler.start())
    scheduler.complete(Plan(packages, [place(9, "node_modules/p9")], origin_of=origin_of))
    fetched = 0
    while waiting:
        job = waiting.pop(0)
        fetched += isinstance(job, FetchTarball)
        waiting += jobs(scheduler.handle(succeed(job)))
        scheduler.validate()
    assert scheduler.finished
    assert fetched == SLOTS[StageName.FETCH] + 1


@dataclass
class Tree:
    """A made-up plan and the closures of its optional packages."""

    plan: Plan
    optional_sets: dict[str, frozenset[str]] = field(default_factory=dict)


@st.composite
def plans(draw: st.DrawFn) -> Plan:
    package_count = draw(st.integers(1, 6))
    packages = [
        remote(f"p{n}", stored=stored) if draw(st.integers(0, 4)) or stored else patched(f"p{n}").packages[0]
        for n, stored in enumerate(draw(st.lists(st.booleans(), min_size=package_count, max_size=package_count)))
    ]
    placements: list[Placement] = []
    for number in range(draw(st.integers(1, 10))):
        parent = draw(st.none() | st.integers(0, number - 1)) if number else None
        base = "" if parent is None else f"{placements[parent].location}/"
        # what lies in an optional package's folder is optional too
        optional = draw(st.booleans()) or (parent is not None and placements[parent].optional)
        package = draw(st.integers(0, package_count - 1))
        placements.append(place(package, f"{base}node_modules/n{number}", parent=parent, optional=optional))
    for package in range(package_count):
        if not any(placement.package == package for placement in placements):
            placements.append(place(package, f"node_modules/m{package}"))
    links = [
        BinLinks(f"l{n}", "/p", "/app/node_modules/.bin", (), PlacementNumber(n))
        for n in range(len(placements))
        if draw(st.booleans())
    ]

    optional = [placement.location for placement in placements if placement.optional]
    needed_by = {location: draw(st.sampled_from(optional)) for location in optional}

    def left_out_with(location: str) -> frozenset[str]:
        gone = (location, needed_by.get(location, location))
        inside = (p for p in optional if any(p.startswith(f"{one}/") for one in gone))
        return frozenset((*gone, *inside))

    return Plan(packages, placements, list(links), left_out_with=left_out_with)


def answer(job: Job, kind: str) -> Result:
    if kind == "fail":
        return Failed(job.job, "PM_ARCHIVE" if isinstance(job, Extract) else "PM_REGISTRY", "expected failure")
    if kind == "host down" and isinstance(job, FetchTarball):
        return Failed(job.job, "PM_REGISTRY", "refused", host_is_down=True)
    if kind == "damaged" and (
        isinstance(job, Clone) or (isinstance(job, Extract) and isinstance(job.source, StoreEntry))
    ):
        return Damaged(job.job, "index torn")
    if kind == "crash":
        return Crashed(job.job, "clone", "Traceback …")
    return succeed(job)


KINDS = st.sampled_from(["succeed"] * 12 + ["damaged", "damaged", "fail", "host down", "crash"])


@settings(max_examples=600)
@given(plan=plans(), data=st.data())
def test_any_order_of_events_ends_each_job_once_and_keeps_the_invariants(plan: Plan, data: st.DataObject) -> None:
    begun = data.draw(st.integers(0, len(plan.packages)))
    is_complete = not begun or any(package.stored for package in plan.packages[:begun])
    scheduler = make_scheduler(plan if is_complete else Plan(plan.packages[:begun]), is_complete=is_complete)
    plan.origin_of = origin_of
    orders = scheduler.start()
    waiting: list[Job] = []
    answered: set[JobId] = set()
    held: set[int] = set()
    linked: set[str] = set()
    while True:
        scheduler.validate()
        for order in orders:
            match order:
                case Start(_, job):
                    assert job.job not in answered, "a job's number is used once"
                    if isinstance(job, Remove):
                        assert not any(lies_in(other, job.path) for other in waiting), "nobody else is at work in there"
                    waiting.append(job)
                case ReleaseSpace(offset):
                    held.remove(offset)
        if any(isinstance(order, Finish | Stop) for order in orders):
            assert is_complete or isinstance(orders[-1], Stop), "there is more to come"
            break
        if not is_complete and (not waiting or data.draw(st.booleans())):
            is_complete = True
            scheduler.complete(plan)
            orders = scheduler.start()
            continue
        assert waiting, "the run stands still"
        results: list[Result] = []
        # several may have come by the time that the supervisor looks
        for _ in range(data.draw(st.integers(1, min(3, len(waiting))))):
            job = waiting.pop(data.draw(st.integers(0, len(waiting) - 1)))
            result = answer(job, data.draw(KINDS))
            if isinstance(result, Fetched) and isinstance(result.source, SharedBytes):
                held.add(result.source.offset)
            if isinstance(result, Linked):
                linked.add(job.label)
            answered.add(job.job)
            results.append(result)
        if data.draw(st.integers(0, 60)) == 0:
            orders = scheduler.handle(*results, WorkerDied(StageName.CLONE, 1, -9, job.job))
            assert isinstance(orders[0], Stop)
            break
        orders = scheduler.handle(*results)
    assert scheduler.finished
    if not isinstance(orders[-1], Stop):
        check_end(scheduler, waiting, held, linked)


def lies_in(job: Job, folder: str) -> bool:
    """Whether a job fills or removes something within a folder."""
    path = job.path if isinstance(job, Remove) else job.destination if isinstance(job, Clone) else ""
    return path.startswith(f"{folder}/")


def check_end(scheduler: Scheduler, waiting: list[Job], held: set[int], linked: set[str]) -> None:
    assert not waiting
    assert not held, "every tarball's space was released"
    assert all(scheduler.in_flight(stage) == 0 for stage in StageName)
    if not scheduler.failures:
        for placement, state in zip(scheduler.plan.placements, scheduler.placements.states, strict=True):
            assert state is PlacementState.PLACED or (placement.optional and state is PlacementState.LEFT_OUT)
        there = {number for number, state in enumerate(scheduler.placements.states) if state is PlacementState.PLACED}
        assert linked == {link.label for link in scheduler.plan.links if link.after in there}, "what is there is linked"
    assert not any(state is PackageState.FETCHING for state in scheduler.downloads.states)


def test_pure_modules_load_neither_processes_nor_sockets() -> None:
    loaded = modules_loaded_by("import pmpipe.scheduler, pmpipe.plan, pmpipe.orders")
    assert "pmpipe.scheduler" in loaded
    assert not loaded & {"multiprocessing", "socket", "subprocess", "asyncio"}
