#!/usr/bin/env python3
"""Compares the lockfiles that npm and pmpipe make of the same manifests, on one recorded registry.

    compare_locks.py --recording REC --record          once: npm's locks, recording what it asks the real registry for
    compare_locks.py --recording REC                   the corpus (lockcheck/corpus.json), replayed
    compare_locks.py --recording REC nest DIR express@4.19.2    some of it, folders, manifests of published packages
    compare_locks.py --recording REC --mutations 30    stale locks: npm's of these projects, after a change to each

npm's lock is that of `npm install --package-lock-only --ignore-scripts`, pmpipe's of the same command, or with
--in-process of the resolver alone, answered from the recording. npm's locks are kept in the recording's folder for the
next run (--fresh asks again). With --opinions npm is asked about pmpipe's locks, too: whether `npm ci --dry-run` takes
them, what `npm ls --all` says, and whether `npm install --package-lock-only` leaves them as they are.

The exit status is 0 only if all locks are the same, byte for byte, and npm says the same of both.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator, Sequence
from typing import Any

from lockcheck.difference import LockComparison, compare_answers
from lockcheck.mutations import Mutator
from lockcheck.oracle import Npm, Opinion, write_lock
from lockcheck.projects import CORPUS, CorpusError, ProjectFiles, read_corpus, read_entry, read_folder
from lockcheck.provider import Provider
from lockcheck.published import PublishedError, Registry
from lockcheck.report import Opinions, Report
from lockcheck.resolving import ByCommand, InProcess, Pmpipe
from loopback.listener import HOST
from loopback.recorder import Recorder
from loopback.recording import Recording
from loopback.replay import DEFAULT_PORT, open_replay
from loopback.server import LoopbackServer
from loopback.upstream import Upstream, default_upstream

LIFETIME_S = 6 * 3600.0


def main(arguments: Sequence[str] | None = None) -> int:
    """Compare; 0 if there is no difference, 1 if there is, 2 if the projects cannot be read."""
    options = _parser().parse_args(arguments)
    recording = Recording(options.recording)
    if options.work_dir:
        os.makedirs(options.work_dir, exist_ok=True)
    work = tempfile.mkdtemp(prefix="locks-", dir=options.work_dir)
    try:
        with _served(options, recording) as url:
            reports = Comparing(options, recording, url, work).run()
    except CorpusError as error:
        print(error, file=sys.stderr)
        return 2
    finally:
        shutil.rmtree(work)
    _write(reports, options)
    return 0 if all(report.is_equal for report in reports) else 1


class Comparing:
    """One run.

    Args:
        options: of the command line.
        recording: what is served.
        url: the registry's address.
        work: an empty folder.
    """

    def __init__(self, options: argparse.Namespace, recording: Recording, url: str, work: str) -> None:
        self._options = options
        self._work = work
        self._registry = Registry(url)
        self._npm = Npm(
            url,
            os.path.join(options.recording, "npm-cache"),
            memory=None if options.fresh else os.path.join(options.recording, "npm-locks"),
        )
        self._pmpipe: Pmpipe = ByCommand(url, os.path.join(work, "pmpipe-cache"))
        if options.in_process:
            self._pmpipe = InProcess(Provider.of_recording(recording, url), self._npm.version)

    def run(self) -> list[Report]:
        """Compare everything; a report on the fresh locks, or on the stale ones.

        Raises:
            CorpusError: the projects cannot be read.
        """
        fresh = Report("Fresh locks", self._npm.version)
        projects = list(self._projects(fresh))
        if not self._options.mutations:
            for project in projects:
                self._compare(fresh, project)
            return [fresh]
        locked = [(project, self._npm.lock(project, self._folder(project, "old")).lock) for project in projects]
        mutator = Mutator([(one, lock) for one, lock in locked if lock], self._registry, self._options.seed)
        stale = Report(f"Stale locks, seed {self._options.seed}", self._npm.version, skipped=fresh.skipped)
        for mutation in mutator.make(self._options.mutations):
            self._compare(stale, mutation.project, mutation.old_lock)
        return [stale]

    def _projects(self, report: Report) -> Iterator[ProjectFiles]:
        """The projects; what cannot be read is noted in the report."""
        for entry in self._entries():
            if os.path.isdir(entry["name"]):
                yield read_folder(entry["name"])
                continue
            try:
                yield read_entry(entry, self._registry)
            except PublishedError as error:
                report.skipped[entry["name"]] = str(error)

    def _entries(self) -> list[dict[str, Any]]:
        """The corpus's entries that are meant; a folder has only a name."""
        corpus = read_corpus(self._options.corpus)
        if not self._options.projects:
            return list(corpus.values())
        entries: list[dict[str, Any]] = []
        for word in self._options.projects:
            if word in corpus:
                entries.append(corpus[word])
            elif os.path.isdir(word):
                entries.append({"name": word})
            elif "@" in word[1:]:
                entries.append({"name": word.replace("/", "+"), "package": word})
            else:
                raise CorpusError(f"{word} is neither in the corpus nor a folder nor name@version")
        return entries

    def _compare(self, report: Report, project: ProjectFiles, old_lock: bytes = b"") -> None:
        by_npm = self._npm.lock(project, self._folder(project, "npm"), old_lock)
        by_pmpipe = self._pmpipe.lock(project, self._folder(project, "pmpipe"), old_lock)
        comparison = compare_answers(project.name, by_npm, by_pmpipe, old_lock)
        report.comparisons.append(comparison)
        if self._options.opinions and by_npm.lock and by_pmpipe.lock:
            report.opinions[project.name] = self._opinions(project, comparison)
        outcome = "the same" if comparison.is_equal else f"{len(comparison.differences)} entries differ"
        print(f"{project.name}: {comparison.entries:,} entries, {outcome}", file=sys.stderr, flush=True)

    def _opinions(self, project: ProjectFiles, comparison: LockComparison) -> Opinions:
        of_pmpipe = self._opinion(project, comparison.pmpipe.lock, "of-pmpipe")
        # the same bytes in the same place get the same answer
        same = comparison.npm.lock == comparison.pmpipe.lock
        return Opinions(of_pmpipe if same else self._opinion(project, comparison.npm.lock, "of-npm"), of_pmpipe)

    def _opinion(self, project: ProjectFiles, lock: bytes, word: str) -> Opinion:
        folder = self._folder(project, word)
        project.write(folder)
        write_lock(folder, lock)
        return self._npm.opinion(folder)

    def _folder(self, project: ProjectFiles, word: str) -> str:
        """A new folder; its last name is the project's, for npm falls back on that."""
        folder = os.path.join(self._work, word, project.name)
        os.makedirs(folder)
        return folder


@contextlib.contextmanager
def _served(options: argparse.Namespace, recording: Recording) -> Iterator[str]:
    """The registry's address; it is served meanwhile."""
    if options.registry:
        yield options.registry.rstrip("/")
        return
    if not options.record:
        with open_replay(recording, kind=options.server, port=options.port, lifetime_s=LIFETIME_S) as replay:
            yield replay.url
        return
    with Upstream(options.upstream or default_upstream()) as upstream:
        recorder = Recorder(recording, upstream)
        server = LoopbackServer(
            recorder.answer, port=options.port, lifetime_s=LIFETIME_S, keep_requests=False, loop="uvloop"
        )
        recorder.address = f"http://{HOST}:{options.port}"
        with server:
            yield server.url
        print(f"{recorder.fetched} answers recorded", file=sys.stderr)


def _write(reports: Sequence[Report], options: argparse.Namespace) -> None:
    document = json.dumps([report.document() for report in reports], indent=2)
    text = "\n".join(report.markdown(options.show) for report in reports)
    if options.out:
        os.makedirs(options.out, exist_ok=True)
        for name, content in (("locks.json", document), ("locks.md", text)):
            with open(os.path.join(options.out, name), "w", encoding="utf-8") as file:
                file.write(content)
    print(document if options.json else text)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("projects", nargs="*", help="names in the corpus, folders, name@version; default: the corpus")
    parser.add_argument("--corpus", default=CORPUS, help="another corpus")
    parser.add_argument("--recording", required=True, help="the recorded registry, a folder")
    parser.add_argument("--record", action="store_true", help="ask the real registry for what is not recorded yet")
    parser.add_argument("--registry", help="the address under which the recording is served already (registry.py)")
    parser.add_argument("--upstream", help="with --record: the registry's address (default: npm's public registry)")
    parser.add_argument("--server", choices=("auto", "nginx", "python"), default="auto", help="of the replay")
    parser.add_argument("--port", type=int, default=DEFAULT_PORT, help="of the registry (default %(default)s)")
    parser.add_argument("--mutations", type=int, default=0, metavar="N", help="so many stale locks instead")
    parser.add_argument("--seed", type=int, default=1, help="of the mutations")
    parser.add_argument("--in-process", action="store_true", help="the resolver alone, without the command")
    parser.add_argument("--opinions", action="store_true", help="have npm judge pmpipe's locks")
    parser.add_argument("--fresh", action="store_true", help="do not use npm's locks of an earlier run")
    parser.add_argument("--json", action="store_true", help="print the JSON document instead of Markdown")
    parser.add_argument("--out", help="folder for locks.md and locks.json")
    parser.add_argument("--show", type=int, default=20, metavar="N", help="differences shown (default %(default)s)")
    parser.add_argument("--work-dir", help="where the projects are written (default: the system's folder for temps)")
    return parser


if __name__ == "__main__":
    raise SystemExit(main())
