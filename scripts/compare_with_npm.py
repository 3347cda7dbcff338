#!/usr/bin/env python3
"""Compares what npm and pmpipe make of one lockfile, path by path and byte by byte.

    compare_with_npm.py DIR                       a project folder with a package-lock.json; it is only read
    compare_with_npm.py DIR -- --omit=dev         flags after -- are given to both

Two copies of the project are installed with scripts off: one by `npm ci` (by `npm install` where npm's ci refuses a
lock that npm wrote, because entries of optional dependencies are missing), one by `pmpipe ci`. Every path is compared:
type, executable bit, link target, bytes. Then npm is asked about both trees: `npm ls --all`, and whether `npm install`
would find something to do. The hidden lockfiles are compared for themselves, as bytes and as JSON.

The exit status is 0 only if both trees are equal and npm says the same of them.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import sys
import tempfile
from collections.abc import Sequence

from comparison.difference import compare
from comparison.hidden import HIDDEN_LOCKFILE, compare_hidden
from comparison.installers import InstallError, Installers, copy_project
from comparison.report import Comparison
from comparison.snapshot import take_snapshot


def main(arguments: Sequence[str] | None = None) -> int:
    """Compare one project; 0 if the trees are equal, 1 if they differ, 2 if an installer failed."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    end = words.index("--") if "--" in words else len(words)
    options = _parser().parse_args(words[:end])
    if options.work_dir:
        os.makedirs(options.work_dir, exist_ok=True)
    work = os.path.abspath(tempfile.mkdtemp(prefix="compare-", dir=options.work_dir))
    installers = Installers(
        npm_cache=options.npm_cache or f"{work}/npm-cache",
        store=options.store_dir or f"{work}/store",
        registry=options.registry,
        flags=words[end + 1 :],
    )
    try:
        comparison = compare_project(os.path.abspath(options.project), work, installers)
    except InstallError as error:
        print(error, file=sys.stderr)
        return 2
    finally:
        if options.keep:
            print(f"kept: {work}", file=sys.stderr)
        else:
            shutil.rmtree(work)
    print(json.dumps(comparison.document(), indent=2) if options.json else comparison.text(options.show))
    return 0 if comparison.is_equal() else 1


def compare_project(project: str, work: str, installers: Installers, *, ask_npm: bool = True) -> Comparison:
    """Install two copies of a project and compare them.

    Args:
        project: its folder; only read.
        work: an empty folder; the copies are ``npm/<name>`` and ``pmpipe/<name>`` in it.
        installers: both tools' settings.
        ask_npm: have npm judge both trees, too.

    Raises:
        InstallError: one of them failed.
    """
    name = os.path.basename(project)
    by_npm, by_pmpipe = f"{work}/npm/{name}", f"{work}/pmpipe/{name}"
    for copy in (by_npm, by_pmpipe):
        copy_project(project, copy)
    npm_ran, pmpipe_ran = installers.npm(by_npm), installers.pmpipe(by_pmpipe)
    # npm's install may bring the lockfile up to date, and the hidden lockfiles are compared for themselves
    apart = {HIDDEN_LOCKFILE, *(["package-lock.json"] if installers.npm_command == "install" else [])}
    expected = take_snapshot(by_npm, leave_out=apart.__contains__)
    actual = take_snapshot(by_pmpipe, leave_out=apart.__contains__)
    comparison = Comparison(
        project=name,
        lock_entries=_count_entries(project),
        npm_command=installers.npm_command,
        npm_s=npm_ran.seconds,
        pmpipe_s=pmpipe_ran.seconds,
        findings=compare(expected, actual, all_modes=False),
        hidden=compare_hidden(by_npm, by_pmpipe),
    )
    comparison.count(expected)
    if ask_npm:
        comparison.npm_of_npm, comparison.npm_of_pmpipe = installers.ask_npm(by_npm), installers.ask_npm(by_pmpipe)
    return comparison


def _count_entries(project: str) -> int:
    with open(f"{project}/package-lock.json", encoding="utf-8-sig") as file:
        return len(json.load(file)["packages"]) - 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter, usage="%(prog)s [options] DIR [-- …]"
    )
    parser.add_argument("project", help="a folder with package.json and package-lock.json")
    parser.add_argument("--json", action="store_true", help="one JSON document instead of text")
    parser.add_argument("--show", type=int, default=20, metavar="N", help="differences shown (default %(default)s)")
    parser.add_argument("--registry", default="", help="URL of the registry for both (default: as configured)")
    parser.add_argument("--npm-cache", help="npm's cache folder (default: a fresh one)")
    parser.add_argument("--store-dir", help="pmpipe's store (default: a fresh one)")
    parser.add_argument("--work-dir", help="where the copies are made (default: the system's folder for temps)")
    parser.add_argument("--keep", action="store_true", help="do not delete the copies")
    return parser


if __name__ == "__main__":
    raise SystemExit(main())
