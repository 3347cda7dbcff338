"""Whether what is in the tree can be installed on this host: platforms and engines.

A required package for another platform is an error; an optional one stays in the lock, because the lock is for all
platforms, but is marked as unusable together with what only it needed. An engine that does not fit is a warning, or an
error under ``engine-strict``.

Source: npm's ``@npmcli/arborist``, ``build-ideal-tree.js``; ``npm-install-checks``.
"""

from __future__ import annotations

from collections.abc import Iterable

from pmpipe.errors import EngineError, PlatformError, PmpipeError, ProblemsError
from pmpipe.npm.manifests.declared import Declared
from pmpipe.npm.packages.packument import Json
from pmpipe.npm.packages.pick_manifest import engine_fits
from pmpipe.npm.packages.platform import Platform, unsupported_platform
from pmpipe.resolver.dep_sets import optional_set
from pmpipe.resolver.node import Node
from pmpipe.resolver.options import ResolveOptions
from pmpipe.resolver.package import Package
from pmpipe.resolver.peer_conflict import chain


def check_fitness(nodes: Iterable[Node], options: ResolveOptions) -> list[Node]:
    """Check all nodes of a finished tree; marks optional ones that cannot be used.

    Args:
        nodes: their flags must have been worked out.
        options: see there; what is omitted, and under ``force`` everything, is not checked.

    Returns:
        required nodes that do not fit the engines, to be warned about.

    Raises:
        ProblemsError: required nodes that do not fit the platform or, under ``engine_strict``, the engines.
    """
    unfit: list[Node] = []
    problems: list[PmpipeError] = []
    for node in nodes:
        if node.flags.optional:
            # npm does not let --force pass for these: they would be installed to no use
            fits = not wrong_platform(node.package, options.platform) and _engine_fits(node, options, False)
            if not node.unusable and not fits:
                for member in optional_set(node):
                    member.unusable = True
            continue
        if _is_omitted(node, options.omit):
            continue
        if not options.force:
            problems.extend(_platform_problem(node, options))
        if not _engine_fits(node, options, options.force):
            unfit.append(node)
    if options.engine_strict:
        problems.extend(_engine_problem(node, options) for node in unfit)
    # a link and what it leads to are one package for the reader
    problems = list({str(problem): problem for problem in problems}.values())
    if problems:
        raise problems[0] if len(problems) == 1 else ProblemsError(problems)
    return unfit


def _is_omitted(node: Node, omit: frozenset[str]) -> bool:
    if not omit:
        return False
    top = node
    while top.parent is not None:
        top = top.parent
    if not top.is_mine:
        return False
    flags = node.flags
    return (
        (flags.peer and "peer" in omit)
        or (flags.dev and "dev" in omit)
        or (flags.dev_optional and {"dev", "optional"} <= omit)
    )


def wrong_platform(package: Package, platform: Platform) -> str:
    """What a package demands that the platform does not offer; empty if it fits, or the platform is not known."""
    manifest = package.manifest
    if not (manifest.os or manifest.cpu or manifest.libc) or not platform.os:
        return ""
    declared = Declared(os=_names(manifest.os), cpu=_names(manifest.cpu), libc=_names(manifest.libc))
    return unsupported_platform(declared, platform)


def _names(value: Json) -> list[str] | str | None:
    if isinstance(value, list):
        return [name for name in value if isinstance(name, str)]
    return value if isinstance(value, str) else None


def _engine_fits(node: Node, options: ResolveOptions, any_node: bool) -> bool:
    if node.is_project and node.package.manifest.dev_engines:
        return True
    node_version = "" if any_node else options.pick.node_version
    return engine_fits(node.package.manifest.engines, node_version, options.pick.npm_version)


def _platform_problem(node: Node, options: ResolveOptions) -> list[PmpipeError]:
    # which platform is installed for is no matter here: what is required has to run where it is installed
    host = options.host or options.platform
    demands = wrong_platform(node.package, host)
    if not demands:
        return []
    return [
        PlatformError(
            f"{node.package.label} does not support this platform",
            details=(f"it demands {demands}; this is {host}", f"required by: {chain(node)}"),
            hint="move it to optionalDependencies if the project can do without",
        )
    ]


def _engine_problem(node: Node, options: ResolveOptions) -> PmpipeError:
    wanted = node.package.manifest.engines
    return EngineError(
        f"{node.package.label} does not support this Node.js",
        details=(
            f"it demands {wanted}; this is node {options.pick.node_version}, npm {options.pick.npm_version}",
            f"required by: {chain(node)}",
        ),
    )
