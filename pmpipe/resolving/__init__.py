"""Resolving as a part of an install: the pure resolver in a process of its own, fed through the pipeline.

::

              wants                    jobs
    resolve ────────>  ResolveRun  ────────────> fetch ──> (documents) cache
    (worker)           (machine)   ────────────> extract
        ^                  │  <── documents, store entries ──┘
        └──── answers ─────┘

`beginning` asks for the first packuments while the resolver is being loaded, and makes the state machine. `inputs`
gathers what a resolution depends on, `worker` is the process that holds the `pmpipe.resolver.Resolver`, `wants` and
`packument_requests` turn what that asks for into URLs, `documents` reads the packuments that come, and `answers` store
entries. `machine` is the state machine in the main process that the supervisor drives: it knows nothing of
dependencies, only what is in flight. Its parts are `warming` for tarballs (those that the resolver looks into, and
those that it announces), `foreseen` for the first packuments, `document_space` for all packuments' place in the arena,
and `jobs`.

The resolver has a process of its own for three reasons: it and the fetch stage are busy at the same time, the main
process stays free to give out work, and all that a resolution needs (more than a hundred megabytes in large projects)
is gone before node_modules is filled.
"""
