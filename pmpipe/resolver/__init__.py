"""From a package.json, and perhaps an old lock, to npm's own ideal tree: who needs what, and where it goes.

Theory of operation
===================

Nothing here does I/O. A `Resolver` is a state machine: `start` and `feed` give *events*, and `feed` takes answers::

    resolver = Resolver(Project(folder, package_json, workspaces, locked_entries(old_lock)), ResolveOptions())
    events = resolver.start()
    while not resolver.done:
        ...                                # fetch what the events ask for, as many at once as the registry bears
        events = resolver.feed(ask, answer)
    lock = write_lockfile(resolver.finish().lock_document())    # pmpipe.npm.locks.lock_writer

Events are asks, each at most once, and `Resolved`:

``AskPackument(name, abbreviated)``
    all versions of a package, from the registry that is responsible for the name (`decode_packument` of the response,
    versions left raw). For a lock that equals npm's the *full* document is needed: the abbreviated one lacks
    ``license``. With abbreviated documents everything else is equal.
``AskManifest(kind, wanted, …)``
    the package.json of a folder, a tarball or a git commit, or of a folder in that (`FedManifest`, with what the lock
    is to say about its origin).
``AskContents(resolved, …)``
    what a tarball has below its ``node_modules``: packages with bundled dependencies or a lock of their own must be
    looked into before the tree is complete (`FedContents`).
``Resolved(name, version, tarball, integrity)``
    a guess that this tarball will be needed; nothing depends on it.

An answer may be a `PmpipeError` in place of the thing; it ends the run only if the package turns out to be required.
Answers may come in any order and with any delay: the tree is the same. That is so because two walks go on at the same
time. The *builder* makes the tree in npm's order, one node after the other, and waits where an answer is missing. The
*prefetcher* runs ahead of it over whatever has been fed and asks for what will probably be needed, so that hundreds of
requests are out while the builder waits for one. Only the builder decides.

How the builder works: a queue holds nodes, those higher up first, then by path in English order. For every edge of a
node that finds nothing or something wrong it picks a version (`pmpipe.npm.packages.pick_manifest`), puts its peers
together in a little tree apart (`peer_sets`), asks where it can go (`can_place`), and puts it there (`placing`), which
may push out or make superfluous what was there; whoever is not content afterwards joins the queue. At the end flags are
worked out (`flags`) and what cannot be used here is marked (`fitness`).

The parts, each building on those before: `package`, `request`, `overrides`, `node`, `satisfy`, `tree`; `dep_sets`,
`can_place`, `placing`; `pinning`, `source`, `peer_sets`, `bundles`, `builder`; `project`, `planting`,
`inflating`, `prefetch`, `flags`, `fitness`, `lock_entries`, `yarn_lock`; `resolver`.

Where npm never ends (versions that displace each other in a circle) or trips over itself, this ends with an error or a
valid tree. What npm also does and this does not: begin with an existing ``node_modules`` where there is no lock (pass
its hidden lockfile as the old lock), and follow links to folders outside of the project.

A lock of version 1 (`pmpipe.npm.locks.lock_v1`, `Project.is_old`) is completed with what the registry knows
(`inflating`) before the builder begins. Versions that another package manager's lock keeps come in as `Project.pins`
(`pmpipe.npm.foreign`); `pinning` says what becomes of a request, and `source` heeds it, so that nothing else has to
know.

A resolution makes some hundred thousand objects that all live to its end; the caller does well to switch Python's
garbage collector off meanwhile.
"""

from pmpipe.errors import RegistryError
from pmpipe.resolver.asks import (
    Ask,
    AskContents,
    AskManifest,
    AskPackument,
    Fed,
    FedContents,
    FedManifest,
    NoManifestError,
)
from pmpipe.resolver.options import InstallStrategy, ResolveOptions
from pmpipe.resolver.peer_conflict import PeerConflictError
from pmpipe.resolver.prefetch import Resolved
from pmpipe.resolver.project import LockedEntry, Project, locked_entries
from pmpipe.resolver.resolver import Event, IdealTree, Resolver
from pmpipe.resolver.source import IncompleteManifestError, NoMatchingVersionError

__all__ = [
    "Ask",
    "AskContents",
    "AskManifest",
    "AskPackument",
    "Event",
    "Fed",
    "FedContents",
    "FedManifest",
    "IdealTree",
    "IncompleteManifestError",
    "InstallStrategy",
    "LockedEntry",
    "NoManifestError",
    "NoMatchingVersionError",
    "PeerConflictError",
    "Project",
    "RegistryError",
    "ResolveOptions",
    "Resolved",
    "Resolver",
    "locked_entries",
]
