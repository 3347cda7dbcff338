"""The fetch stage: network -> bytes, by one uvloop event loop that drives libcurl's transfers.

What the parts are: `fetch_worker` takes jobs and sends results, `transfer` is one download with its attempts,
`lane` is one libcurl handle with its options, `curl_loop` joins libcurl's sockets and timers to the event loop,
`waiting_downloads` has what is not under way, `name_gate` has each name asked for once, `proxy_choice` says which proxy
is on the way, `pace` says which download is too slow, `held_space` counts what lies in the shared arena, `arena_sink`
brings a body there within the budget, `fetch_results` words what is asked and answered, `transfer_ending` is how an
attempt ended, `transfer_failure` and `tls_failure` say what went wrong, `ca_bundle` finds whom to trust,
`client_certificates` has what registries want to see, `git` checks out commits.

This module is what the supervisor imports: libcurl, asyncio and uvloop are loaded in the forked process only.
"""

from __future__ import annotations

import os
from mmap import mmap

import msgspec

from stages.channel import Channel
from stages.worker import CRASH_STATUS, JobBoard, crash


class FetchSettings(msgspec.Struct, frozen=True, kw_only=True):
    """How the network is used; defaults are npm's where npm has the setting.

    Attributes:
        user_agent: value of the User-Agent header.
        maximum_connections: how many downloads run at a time. Measured on loopback with 3,300 tarballs: from 16 to 64
            connections the processor time is the same, so the number only has to cover the network's latency.
        document_connections: the same for documents, which are small: the network's latency decides. With HTTP/1.1
            each beyond the first is dear, however: a TLS handshake takes 1.4 ms of processor time and three round
            trips, while the next of 64 becomes free within a few milliseconds.
        total_connections: how many downloads of either kind run at a time (``maxsockets``, where somebody has set it).
        http2: offer HTTP/2 on https. Measured with a registry behind TLS, libcurl alone: 71 small tarballs take 0.022 s
            of processor time instead of 0.088 (48 handshakes), 400 packuments 0.36 s instead of 0.45 s, and 0.17 s of
            processor time instead of 0.22.
        connect_timeout_s: for name, connection, proxy and TLS together.
        timeout_s: a transfer slower than `low_speed_bytes_per_s` for so long has failed (``fetch-timeout``).
        low_speed_bytes_per_s: see `timeout_s`.
        retries: attempts beyond the first (``fetch-retries``).
        retry_factor: ``fetch-retry-factor``.
        retry_minimum_s: wait before the first retry (``fetch-retry-mintimeout``).
        retry_maximum_s: longest wait before a retry (``fetch-retry-maxtimeout``); Retry-After never makes it longer
            than 60 s.
        https_proxy: proxy URL for https, possibly with credentials; empty: none, whatever the environment says.
        http_proxy: the same for http.
        no_proxy: comma-separated hosts that are reached directly.
        ca_file: PEM file to trust instead of the system's authorities; empty: none.
        ca_pem: PEM text to trust instead of the system's authorities; empty: none.
        strict_ssl: whether certificates are verified.
        client_cert_pem: PEM text of the client's certificate; empty: none.
        client_key_pem: PEM text of its key.
        local_address: address to connect from; empty: any.
        login_keys: what credentials are configured for, as ``//host/folder/``, without them; for hints alone.
        git: the git command's name or path.
        maximum_git_jobs: how many git commands run at a time.
        tarballs_in_hand: no download of a tarball starts while so many are under way or wait for their `Release`.
        held_bytes: budget for tarballs between their first byte and their `Release`; exceeded only by one that is
            larger alone.
        held_document_bytes: the same for documents. It is another one, so that a resolver never waits for tarballs
            to be unpacked.
    """

    user_agent: str = "pmpipe"
    maximum_connections: int = 48
    document_connections: int = 64
    total_connections: int = 48 + 64
    http2: bool = True
    connect_timeout_s: float = 60.0
    timeout_s: float = 300.0
    low_speed_bytes_per_s: int = 32
    retries: int = 2
    retry_factor: float = 10.0
    retry_minimum_s: float = 10.0
    retry_maximum_s: float = 60.0
    https_proxy: str = ""
    http_proxy: str = ""
    no_proxy: str = ""
    ca_file: str = ""
    ca_pem: str = ""
    strict_ssl: bool = True
    client_cert_pem: str = ""
    client_key_pem: str = ""
    local_address: str = ""
    login_keys: tuple[str, ...] = ()
    git: str = "git"
    maximum_git_jobs: int = 8
    tarballs_in_hand: int = 48 + 8
    held_bytes: int = 64 << 20
    held_document_bytes: int = 32 << 20


def retry_wait_s(settings: FetchSettings, attempts: int) -> float:
    """How long to wait after so many failed attempts (at least one).

    Source: npm's promise-retry without randomising: minimum times factor^(attempts - 1), at most the maximum.
    """
    try:
        wait_s = settings.retry_minimum_s * float(settings.retry_factor) ** (attempts - 1)
    except OverflowError:
        wait_s = settings.retry_maximum_s
    return float(min(wait_s, settings.retry_maximum_s))


def run_fetch(settings: FetchSettings, arena: mmap, jobs: Channel, results: Channel, board: JobBoard) -> None:
    """Carry out fetch jobs until the channel of jobs ends; what is under way then is given up.

    To be called in the forked worker after `become_worker`. Anything unexpected ends the process with a `Crashed`
    result.

    Args:
        settings: how the network is used.
        arena: the shared mapping; this process is the only one that writes to it.
        jobs: batches of what is to be fetched (`FetchTarball`, `FetchDocument`, `FetchGit`, `FindGitCommit`), and of
            `Release` and `Withdraw`, which have no answer.
        results: gets `Fetched`, `FetchedDocument`, `FoundGitCommit` and `Failed`.
        board: is told which job is in hand.
    """
    try:
        from stages.fetching.fetch_worker import FetchWorker

        FetchWorker(settings, arena, jobs, results, board).run()
    except BaseException:  # noqa: BLE001 - whatever it is, the run must fail with this traceback
        crash_for_good(board, results)


def crash_for_good(board: JobBoard, results: Channel) -> None:
    """`stages.worker.crash`, certain to end this process even if nobody is left to be told. Does not return.

    Called from within libcurl's callbacks, where an exception would be printed and forgotten.
    """
    try:
        crash(board, results)
    finally:
        os._exit(CRASH_STATUS)
