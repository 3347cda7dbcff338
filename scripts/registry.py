#!/usr/bin/env python3
"""Records what tools ask of a package registry, and replays it on loopback.

registry.py record DIR                          a recording proxy; runs until it is interrupted
registry.py record DIR -- npm install           the same, for one command (npm_config_registry is set)
registry.py record DIR --lock package-lock.json all tarballs of a lock, many at a time
registry.py replay DIR                          serves the recording until it is interrupted
registry.py replay DIR -- npm ci                the same, for one command
registry.py list DIR                            what is recorded, by kind
"""

from __future__ import annotations

import argparse
import os
import signal
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Sequence

from loopback.prefetch import prefetch, wanted_by_lock
from loopback.recorder import Recorder
from loopback.recording import Form, Recording
from loopback.replay import DEFAULT_PORT, open_replay
from loopback.server import LoopbackServer
from loopback.upstream import Upstream, default_upstream

MAX_LIFETIME_S = 24 * 3600.0


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; the exit status is the inner command's, 1 after failed downloads, else 0."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    end = words.index("--") if "--" in words else len(words)
    options = _parser().parse_args(words[:end])
    options.command = words[end + 1 :]
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))  # so that everything is cleaned up
    handlers = {"record": _record, "replay": _replay, "list": _list}
    return handlers[options.action](options)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    actions = parser.add_subparsers(dest="action", required=True)
    record = actions.add_parser("record", help="fill a recording")
    replay = actions.add_parser("replay", help="serve a recording")
    listing = actions.add_parser("list", help="count what is recorded")
    for action in (record, replay, listing):
        action.add_argument("recording", help="the recording's folder")
    for action in (record, replay):
        action.usage = "%(prog)s [options] recording [-- command …]"
        action.add_argument("--port", type=int, default=DEFAULT_PORT, help="on 127.0.0.1 (default %(default)s)")
    record.add_argument("--upstream", help="the registry's address (default: npm's public registry)")
    record.add_argument("--cafile", help="PEM file of authorities for the registry's certificate")
    record.add_argument("--lock", help="a package-lock.json whose tarballs are recorded")
    record.add_argument("--packuments", action="store_true", help="with --lock: the packuments of its packages too")
    record.add_argument(
        "--seed", help="with --lock: a folder that may hold tarballs already (name%%2f-%%2fname-1.0.0.tgz)"
    )
    record.add_argument("--serve", action="store_true", help="with --lock: go on as a recording proxy")
    replay.add_argument("--server", choices=("auto", "nginx", "python"), default="auto")
    replay.add_argument("--workers", type=int, default=1, help="nginx's worker processes")
    return parser


def _record(options: argparse.Namespace) -> int:
    recording = Recording(options.recording)
    with Upstream(options.upstream or default_upstream(), ca_path=options.cafile) as upstream:
        if options.lock:
            wanted = wanted_by_lock(options.lock, packuments=options.packuments)
            result = prefetch(recording, upstream, wanted, seed=options.seed)
            print(f"recorded {result.stored}, already there {result.present}, failed {len(result.failures)}")
            for failure in result.failures:
                print(f"  {failure}", file=sys.stderr)
            if not (options.serve or options.command):
                return 1 if result.failures else 0
        recorder = Recorder(recording, upstream)
        server = LoopbackServer(
            recorder.answer, port=options.port, lifetime_s=MAX_LIFETIME_S, keep_requests=False, loop="uvloop"
        )
        recorder.address = server.url
        with server:
            status = _run_or_wait(options.command, server.url)
        print(f"{server.request_count} requests, {recorder.fetched} answers recorded")
        for path in sorted(server.misses):
            print(f"  not found: {path}")
        return status


def _replay(options: argparse.Namespace) -> int:
    replay = open_replay(
        Recording(options.recording),
        kind=options.server,
        port=options.port,
        workers=options.workers,
        lifetime_s=MAX_LIFETIME_S,
    )
    with replay:
        status = _run_or_wait(options.command, replay.url)
        traffic = replay.traffic()
    print(f"{traffic.requests} requests, {traffic.sent_bytes} bytes sent, {traffic.received_bytes} bytes received")
    for path in sorted(traffic.misses):
        print(f"  not found: {path}")
    return status


def _list(options: argparse.Namespace) -> int:
    counts: Counter[str] = Counter()
    for name in Recording(options.recording).names():
        forms = [form for form in (Form.ABBREVIATED, Form.FULL) if name.endswith(form.value)]
        counts[forms[0].name.lower() if forms else Form.TARBALL.name.lower()] += 1
    for kind, count in sorted(counts.items()):
        print(f"{kind}: {count}")
    return 0


def _run_or_wait(command: Sequence[str], url: str) -> int:
    """Run a command that is told the registry's address, or wait to be interrupted."""
    if command:
        return subprocess.run(command, env={**os.environ, "npm_config_registry": url}, check=False).returncode
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    print(f"{url}/  (stop with Ctrl-C)", flush=True)
    stop.wait(MAX_LIFETIME_S)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
