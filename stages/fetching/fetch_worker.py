"""The fetch process at work: jobs in, transfers and git commands, results out.

Everything happens in callbacks of one event loop. After the events of one turn of it, which are a dozen where documents
are small, `_pump` does once what has become possible: it sends the results in as few datagrams as they fit in, resumes
bodies that waited for room, and starts what is waiting, as far as the rules of back-pressure allow:

- documents go before tarballs: a resolver waits for them;
- one download asks for the name of a host, and the others to that host wait; see `stages.fetching.name_gate`;
- a tarball's download starts only while less than `tarballs_in_hand` are under way or lie complete between fetch and
  extract. When extract is done with a lot of them, as many are started: one by one would wake everybody for each, and
  all of them at a time would leave the network and extract idle by turns;
- no tarball starts while `held_bytes` of them lie in the arena, or while one that has begun waits for room: that goes
  first; the same holds for documents and `held_document_bytes`;
- a body that has begun waits (libcurl pauses it) while it would exceed its budget; see `stages.fetching.arena_sink`.
"""

from __future__ import annotations

import asyncio
import gc
import os
from collections import defaultdict
from mmap import mmap
from typing import Any, NoReturn

import msgspec

from stages.channel import Channel, ChannelEnded
from stages.fetch import FetchSettings, crash_for_good
from stages.fetching.arena_sink import ArenaSink
from stages.fetching.brake import Brake
from stages.fetching.ca_bundle import find_ca_bundle
from stages.fetching.client_certificates import ClientCertificates, ClientPem
from stages.fetching.curl_loop import CurlLoop, Finished, new_event_loop
from stages.fetching.descriptors import possible_connections
from stages.fetching.fetch_results import document_headers, document_result, not_requested, withdrawn
from stages.fetching.held_space import HeldSpace
from stages.fetching.lane import Lane
from stages.fetching.pace import Pace
from stages.fetching.response_head import GZIP_CODINGS
from stages.fetching.sharing import SharedConnections
from stages.fetching.tls_failure import no_authorities
from stages.fetching.transfer import Again, Completed, GaveUp, NotModified, Transfer, check_request
from stages.fetching.transfer_ending import OPERATION_TIMEDOUT, OVERLOADED, Failure
from stages.fetching.waiting_downloads import Waiting, WaitingDownloads
from stages.git.jobs import GitJobs
from stages.messages import (
    FetchDocument,
    Fetched,
    FetchGit,
    FetchTarball,
    FindGitCommit,
    Job,
    JobId,
    Release,
    Result,
    Withdraw,
    decode_jobs,
    encode,
)
from stages.worker import IDLE, JobBoard, chunked

#: How often the downloads' pace is looked at.
_PACE_INTERVAL_S = 1.0

#: Tarballs of which the downloads are started together. Measured in cold installs: of 3,300 tarballs, from a registry
#: that answers at once, started one by one 4.4 s, in lots of 16 4.1 s, in lots of 48 4.2 s; of 1,200 where it takes
#: 40 ms to answer 1.7 s, 1.8 s and 2.4 s.
_TARBALL_LOT = 16

#: How long nothing is asked for after a 429 or 503 that does not say how long.
_PAUSE_S = 1.0

#: The same after one that does: it may be about one package only, and the others need not wait for a minute.
_LONGEST_PAUSE_S = 5.0


class _Slot(msgspec.Struct, eq=False):
    """One download that is under way; `started` orders downloads by age."""

    lane: Lane
    transfer: Transfer
    sink: ArenaSink
    is_document: bool
    started: int
    pace: Pace


class FetchWorker:
    """See `stages.fetch.run_fetch`."""

    def __init__(self, settings: FetchSettings, arena: mmap, jobs: Channel, results: Channel, board: JobBoard) -> None:
        self._settings = settings
        self._jobs = jobs
        self._results = results
        self._board = board
        self._space = HeldSpace(arena, settings.held_bytes, settings.held_document_bytes)
        self._ca_bundle = find_ca_bundle(settings.ca_file, settings.ca_pem, os.environ)
        self._certificates = ClientCertificates()
        self._connections = possible_connections(
            min(settings.maximum_connections + settings.document_connections, settings.total_connections)
        )
        self._loop = new_event_loop()
        self._shared = SharedConnections(offered=settings.http2)
        self._curl = CurlLoop(self._loop, self._connections + 8, self._on_finished, self._crash)
        #: the channel of jobs has ended: nothing is started or sent any more
        self._ended = False
        self._starts = 0
        self._brake = Brake(self._connections)
        self._waiting = WaitingDownloads(self._loop, self._pump_soon)
        #: all and only downloads under way, by libcurl handle
        self._active: dict[Any, _Slot] = {}
        #: how many of them are documents
        self._active_documents = 0
        #: lanes that carry nothing, by their client certificate
        self._free_lanes: defaultdict[ClientPem | None, list[Lane]] = defaultdict(list)
        #: all and only active downloads whose body waits for room
        self._paused: dict[Lane, _Slot] = {}
        #: why no job can use an origin
        self._down: dict[str, Failure] = {}
        self._git = GitJobs(
            settings, self._loop, take=board.take, finish=self._on_git_result, withdrawn=withdrawn, crash=self._crash
        )
        self._outbox: list[Result] = []
        self._pump_is_due = False
        #: runs while there are downloads under way, and up to a second longer
        self._pace_timer: asyncio.TimerHandle | None = None

    def run(self) -> None:
        """Work until the channel of jobs ends."""
        # the one stage whose objects form cycles; the main process collects nothing, and a fork inherits that
        gc.enable()
        self._loop.set_exception_handler(self._on_loop_exception)
        self._loop.add_reader(self._jobs.fileno(), self._on_jobs)
        self._loop.run_forever()
        self._curl.close()
        self._git.end()
        self._loop.close()

    # -- jobs -----------------------------------------------------------------------------------------------------

    def _on_jobs(self) -> None:
        try:
            while (datagram := self._jobs.get_nowait()) is not None:
                for job in decode_jobs(datagram):
                    if not isinstance(job, Release | Withdraw):
                        # what is given back or given up says nothing about what is under way, and may crash next
                        self._board.take(job.job)
                    self._accept(job)
        except ChannelEnded:
            self._ended = True
            self._loop.remove_reader(self._jobs.fileno())
            self._loop.stop()
            return
        self._pump_soon()

    def _accept(self, job: Job) -> None:
        if isinstance(job, FetchTarball | FetchDocument):
            self._accept_download(job)
        elif isinstance(job, Release):
            self._space.release(job)
        elif isinstance(job, Withdraw):
            self._withdraw(job.job)
        elif isinstance(job, FetchGit | FindGitCommit):
            self._git.add(job)
        else:
            raise TypeError(f"fetch got a job of another stage: {job!r}")

    def _accept_download(self, job: FetchTarball | FetchDocument) -> None:
        url = check_request(job.url, job.authorization)
        if isinstance(url, Failure):
            self._outbox.append(not_requested(job, url))
            return
        certificate = self._certificates.find(job.certificate)
        if isinstance(certificate, Failure):
            self._outbox.append(not_requested(job, certificate))
            return
        is_document = isinstance(job, FetchDocument)
        sink = self._space.sink(job.maximum_bytes, is_document=is_document)
        transfer = Transfer(
            job=job.job,
            label=job.label,
            first=url,
            authorization=job.authorization,
            certificate=certificate,
            sink=sink,
            settings=self._settings,
        )
        if isinstance(job, FetchDocument):
            transfer.headers = document_headers(job)
            transfer.is_conditional = bool(job.etag or job.last_modified)
        self._waiting.put(Waiting(transfer, sink, is_document))

    def _withdraw(self, number: JobId) -> None:
        """Give up a job wherever it is; what is complete is on its way already."""
        if self._git.withdraw(number):
            return
        transfer = self._take_out(number)
        if transfer is not None:
            self._outbox.append(withdrawn(number, transfer.label))
            # it may be the one that asks for a name
            self._waiting.leave(transfer)

    def _take_out(self, number: JobId) -> Transfer | None:
        """Forget a download, and close its connection if it has one."""
        for slot in self._active.values():
            if slot.transfer.job == number:
                self._break_off(slot)
                return slot.transfer
        waiting = self._waiting.take_out(number)
        return waiting.transfer if waiting is not None else None

    def _break_off(self, slot: _Slot) -> None:
        handle = slot.lane.handle
        del self._active[handle]
        self._active_documents -= slot.is_document
        self._paused.pop(slot.lane, None)
        # the lane is not used again: libcurl would go on in the middle of a body
        self._curl.remove(handle)
        slot.sink.rewind()

    # -- downloads ------------------------------------------------------------------------------------------------

    def _pump_soon(self) -> None:
        """Have `_pump` called when the events of this turn of the loop are done; to be called after every event."""
        if not self._pump_is_due:
            self._pump_is_due = True
            self._loop.call_soon(self._pump)

    def _pump(self) -> None:
        """Do what has become possible; never from within libcurl."""
        self._pump_is_due = False
        if self._ended:
            return
        if self._paused:
            self._resume_paused()
        self._start_downloads()
        self._git.start()
        if self._outbox:
            outbox, self._outbox = self._outbox, []
            for batch in chunked(outbox):
                self._results.put(encode(batch))
        if self._active:
            # of all that is under way the oldest: a crash is reported with a job that was not done
            self._board.take(next(iter(self._active.values())).transfer.job)
        elif self._waiting.are_none and not self._git.is_running:
            self._board.take(IDLE)

    def _start_downloads(self) -> None:
        documents, tarballs = self._waiting.documents, self._waiting.tarballs
        while documents and self._may_start_document():
            self._start(documents.popleft())
        if tarballs and self._has_room_for_a_lot():
            while tarballs and self._may_start_tarball():
                self._start(tarballs.popleft())

    def _may_start(self, *, is_document: bool) -> bool:
        if len(self._active) >= self._connections or self._space.budget(is_document=is_document).exhausted:
            return False
        if not self._brake.admits(self._loop.time(), len(self._active)):
            return False
        return not any(slot.is_document is is_document for slot in self._paused.values())

    def _may_start_document(self) -> bool:
        has_connection = self._active_documents < self._settings.document_connections
        return has_connection and self._may_start(is_document=True)

    def _tarballs_in_hand(self) -> int:
        return len(self._active) - self._active_documents + self._space.complete_tarballs

    def _has_room_for_a_lot(self) -> bool:
        most = self._settings.tarballs_in_hand
        return self._tarballs_in_hand() + max(1, min(_TARBALL_LOT, most // 3)) <= most

    def _may_start_tarball(self) -> bool:
        return (
            len(self._active) - self._active_documents < self._settings.maximum_connections
            and self._tarballs_in_hand() < self._settings.tarballs_in_hand
            and self._may_start(is_document=False)
        )

    def _start(self, waiting: Waiting) -> None:
        transfer = waiting.transfer
        obstacle = self._obstacle(transfer)
        if obstacle is not None:
            self._outbox.append(transfer.give_up(obstacle).failed)
            # it may have asked for a name before, and others wait for the answer
            self._waiting.leave(transfer)
            return
        if not self._waiting.admits(waiting):
            return
        self._board.take(transfer.job)
        request = transfer.next_request()
        free = self._free_lanes[request.certificate]
        lane = free.pop() if free else self._new_lane(request.certificate)
        lane.carry(request.url, request.headers, transfer.sink, self._shared.sharing(request))
        self._starts += 1
        pace = Pace(self._settings.low_speed_bytes_per_s)
        self._active[lane.handle] = _Slot(lane, transfer, waiting.sink, waiting.is_document, self._starts, pace)
        self._active_documents += waiting.is_document
        self._curl.add(lane.handle)
        if self._pace_timer is None:
            self._pace_timer = self._loop.call_later(_PACE_INTERVAL_S, self._check_pace)

    def _obstacle(self, transfer: Transfer) -> Failure | None:
        """Why the request need not be made."""
        if self._ca_bundle.problem and self._settings.strict_ssl and transfer.url.scheme == "https":
            return no_authorities(self._ca_bundle.problem, transfer.url)
        return self._down.get(transfer.url.origin)

    def _new_lane(self, certificate: ClientPem | None) -> Lane:
        settings, ca_bundle = self._settings, self._ca_bundle
        lane: Lane = Lane(
            settings, ca_bundle, certificate, self._on_connect, self._on_pause, lambda: self._crash_in(lane)
        )
        return lane

    def _on_connect(self, lane: Lane) -> None:
        # called from within libcurl: nothing is started here
        self._waiting.on_name(self._active[lane.handle].transfer.peer)

    def _on_pause(self, lane: Lane) -> None:
        # called from within libcurl: only a note is made
        self._paused[lane] = self._active[lane.handle]

    def _resume_paused(self) -> None:
        for lane, slot in sorted(self._paused.items(), key=lambda item: item[1].started):
            if slot.sink.can_go_on:
                del self._paused[lane]
                self._curl.resume(lane.handle)

    def _on_finished(self, batch: list[Finished]) -> None:
        for finished in batch:
            slot = self._active.pop(finished.handle)
            self._active_documents -= slot.is_document
            self._board.take(slot.transfer.job)
            self._paused.pop(slot.lane, None)
            self._curl.remove(finished.handle)
            ending = slot.lane.ending(finished.code, finished.message)
            ending = self._shared.judged(ending, slot.lane.sharing, slot.transfer.url)
            self._free_lanes[slot.lane.certificate].append(slot.lane)
            asked = slot.transfer.peer
            step = slot.transfer.handle(ending)
            # another attempt begins at the first URL, so what was asked for behind a redirect may never be again
            asks_again = ending.is_nameless and isinstance(step, Again) and slot.transfer.peer == asked
            self._waiting.leave(slot.transfer, asked if asks_again else "")
            if isinstance(step, Completed | NotModified):
                self._brake.succeeded()
                self._complete(slot, step)
            elif isinstance(step, Again):
                if ending.status in OVERLOADED:
                    self._hold_back(min(step.wait_s, _LONGEST_PAUSE_S if ending.retry_after_s else _PAUSE_S))
                self._waiting.put_later(Waiting(slot.transfer, slot.sink, slot.is_document), step.wait_s)
            else:
                self._give_up(step)
        self._pump_soon()

    def _hold_back(self, pause_s: float) -> None:
        self._brake.refused(self._loop.time(), pause_s, len(self._active) + 1)
        # a timer may come a little early
        self._loop.call_later(pause_s + 0.002, self._pump_soon)

    def _check_pace(self) -> None:
        """End the downloads that have been too slow for too long."""
        self._pace_timer = None
        slow = [slot.lane.handle for slot in self._active.values() if self._is_too_slow(slot)]
        if slow:
            said = f"less than {self._settings.low_speed_bytes_per_s} bytes/s for {self._settings.timeout_s:g} s"
            self._on_finished([Finished(handle, OPERATION_TIMEDOUT, said) for handle in slow])
        if self._active:
            self._pace_timer = self._loop.call_later(_PACE_INTERVAL_S, self._check_pace)

    def _is_too_slow(self, slot: _Slot) -> bool:
        received_bytes = slot.lane.received_bytes()
        if received_bytes is None or slot.lane in self._paused:
            slot.pace.pause()
            return False
        return slot.pace.slow_for_s(self._loop.time(), received_bytes) >= self._settings.timeout_s

    def _complete(self, slot: _Slot, step: Completed | NotModified) -> None:
        encoding = slot.lane.encoding
        if slot.is_document and encoding and encoding not in GZIP_CODINGS:
            # loaded only here: no registry does so by itself
            from stages.fetching.content_coding import unreadable_document

            slot.sink.rewind()
            self._give_up(slot.transfer.give_up(unreadable_document(encoding, slot.transfer.url)))
            return
        source = self._space.keep(slot.sink, is_document=slot.is_document) if isinstance(step, Completed) else None
        if slot.is_document:
            self._outbox.append(document_result(slot.transfer.job, slot.lane.document_head(), step, source))
            return
        assert source is not None, "a tarball's request is not conditional"
        if encoding:
            source = msgspec.structs.replace(source, encoding=encoding)
        self._outbox.append(Fetched(slot.transfer.job, source, step.wire_bytes, step.attempts))

    def _give_up(self, step: GaveUp) -> None:
        failed = step.failed
        if step.failure.untrusted:
            failed = msgspec.structs.replace(failed, details=(*failed.details, *self._ca_bundle.trusted))
        self._outbox.append(failed)
        if step.origin_down:
            self._down[step.origin_down] = step.failure
            # the answer is known
            self._waiting.hurry(step.origin_down)

    def _on_git_result(self, result: Result) -> None:
        self._outbox.append(result)
        self._pump_soon()

    # -- bugs -----------------------------------------------------------------------------------------------------

    def _on_loop_exception(self, _loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        try:
            _raise(context.get("exception") or RuntimeError(context["message"]))
        except BaseException:  # noqa: BLE001 - the crash report is of the exception that is being handled
            self._crash()

    def _crash_in(self, lane: Lane) -> None:
        slot = self._active.get(lane.handle)
        if slot is not None:
            self._board.take(slot.transfer.job)
        self._crash()

    def _crash(self) -> None:
        crash_for_good(self._board, self._results)


def _raise(exception: BaseException) -> NoReturn:
    raise exception
