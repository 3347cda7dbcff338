"""What an install will surely have to fetch, told before there is a plan.

Which entries of a lock make up the tree on this host takes a while to find out, and so does the plan; meanwhile the
network would be idle. What is told here is a guess: it only warms the store, and what is placed comes from the finished
tree alone.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from itertools import islice
from typing import TYPE_CHECKING

import msgspec

from pmpipe.npm.locks.package_path import is_installed
from pmpipe.tree.wanted import WantedPackage

if TYPE_CHECKING:
    # who only reads what was told pays for neither
    from pmpipe.npm.locks.lock_graph import LockGraph
    from pmpipe.npm.locks.lockfile import Entry

#: One package in so many is told: the plan, once it is made, takes care of the others.
_SHARE = 8

#: At least so many, for small projects and for hosts with many cores.
_FEWEST = 256

_decoder = msgspec.msgpack.Decoder(list[WantedPackage])


def encode(packages: Sequence[WantedPackage]) -> bytes:
    """Packages for another process."""
    return msgspec.msgpack.encode(packages)


def decode(data: bytes) -> list[WantedPackage]:
    """What `encode` made; nothing from nothing."""
    return _decoder.decode(data) if data else []


def first_missing(wanted: Iterable[WantedPackage], count: int, has: Callable[[str], bool]) -> list[WantedPackage]:
    """The first few packages that the store lacks.

    Args:
        wanted: in the order in which they will be planned.
        count: how many packages there are, about.
        has: whether the store has an entry of this name.
    """
    missing = (one for one in wanted if one.entries and not any(map(has, one.entries)))
    return list(islice(missing, max(_FEWEST, count // _SHARE)))


def certain_packages(graph: LockGraph, omit: Collection[str]) -> Iterator[WantedPackage]:
    """The packages of a lock that are wanted on any host, and that come over the network.

    Args:
        graph: of a lock that fits its project.
        omit: kinds of dependencies that are left out: ``dev``, ``optional``, ``peer``.
    """
    from pmpipe.tree.wanted_builder import wanted_package

    reachable = graph.reachable
    for path, entry in graph.lock.entries.items():
        if path in reachable and is_installed(path) and _is_certain(entry, omit):
            yield wanted_package(path, graph, optional=False)


def _is_certain(entry: Entry, omit: Collection[str]) -> bool:
    return not (
        entry.link
        or entry.in_bundle
        # what is to be had for it depends on what the store has of it unpatched
        or entry.patched
        or entry.optional
        or entry.dev_optional
        or (entry.dev and "dev" in omit)
        or (entry.peer and "peer" in omit)
        or entry.os
        or entry.cpu
        or entry.libc
        or not (entry.resolved.startswith("http") if entry.resolved else entry.version)
    )
