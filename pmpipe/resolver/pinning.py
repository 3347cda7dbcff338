"""What a request becomes where a foreign lock has pinned it: one version, one commit or one address instead of many.

Source: npm's ``@npmcli/arborist``, ``shrinkwrap.js`` (``checkYarnLock``), which does this for yarn.lock.
"""

from __future__ import annotations

import msgspec

from pmpipe.errors import IntegrityError
from pmpipe.npm.foreign.pins import Pin, PinKey, Pins
from pmpipe.npm.packages.integrity import parse
from pmpipe.npm.semver import parse_range, parse_version
from pmpipe.resolver.request import Request, RequestKind


class Pinned(msgspec.Struct, frozen=True):
    """A request that a lock has answered before, and what it is now."""

    request: Request
    pin: Pin


def pinned(request: Request, pins: Pins) -> Pinned | None:
    """What to ask for in place of a request, or None where nothing usable is pinned."""
    pin = pins.by_spec.get(PinKey((request.name, request.raw)))
    if not request.is_registry:
        return None if pin is None else _pinned_elsewhere(request, pin)
    if pin is None:
        pin = _preferred(request, pins)
    if pin is None or not _satisfies(pin, request):
        return None
    if pin.fetch_resolved:
        integrity = _strong(pin.integrity)
        return Pinned(
            Request(RequestKind.TARBALL_URL, request.name, pin.resolved, raw=request.raw, integrity=integrity), pin
        )
    name = pin.name or request.name
    wanted = Request(
        RequestKind.VERSION, name, pin.version, parse_range(pin.version), is_alias=request.is_alias, raw=request.raw
    )
    return Pinned(wanted, pin)


def merged_integrity(found: str, locked: str, label: str, file: str) -> str:
    """The integrity of a package for which a lock and a registry each have one.

    Args:
        found: what the registry says; empty if it says nothing.
        locked: what the lock says; empty accordingly.
        label: the package, for the message.
        file: the lock's name, for the message.

    Raises:
        IntegrityError: both have digests of one algorithm, and these differ.
    """
    if not locked or not found or found == locked:
        return locked or found
    there, here = parse(found), parse(locked)
    if any(digest in there for digest in here) or not here:
        return found
    common = {digest.algorithm for digest in there} & {digest.algorithm for digest in here}
    if common:
        raise IntegrityError(
            f"the registry's {label} is not the one that {file} has locked",
            details=(f"locked: {locked}", f"got:    {found}"),
            hint=f"if it was republished, remove the package from {file} and install again",
        )
    return f"{locked} {found}"


def _pinned_elsewhere(request: Request, pin: Pin) -> Pinned | None:
    """What is pinned of a request that no registry answers: a repository's commit, a tarball's digest."""
    if request.kind is RequestKind.GIT and pin.commit:
        return Pinned(msgspec.structs.replace(request, git_commit=pin.commit, git_range=""), pin)
    if request.kind is RequestKind.TARBALL_URL and pin.integrity:
        return Pinned(msgspec.structs.replace(request, integrity=_strong(pin.integrity)), pin)
    return None


def _strong(integrity: str) -> str:
    """The digests that npm's lock has for a tarball that it has looked into; a weaker one would get into the lock."""
    return " ".join(digest for digest in integrity.split() if digest.startswith("sha512-"))


def _preferred(request: Request, pins: Pins) -> Pin | None:
    if request.range is None or request.kind is RequestKind.TAG:
        return None
    for pin in pins.by_name.get(request.name, ()):
        if _satisfies(pin, request):
            return pin
    return None


def _satisfies(pin: Pin, request: Request) -> bool:
    if not pin.version:
        return False
    version = parse_version(pin.version)
    return version is not None and (request.range is None or request.range.test(version))
