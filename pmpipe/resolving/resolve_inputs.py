"""What a resolve process is started with."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import msgspec

from pmpipe.changing.change_resolver import ChangeOrder
from pmpipe.project.patched_dependencies import Patches
from pmpipe.resolver import ResolveOptions
from pmpipe.resolving.inputs import CachePolicy, LockStyle
from pmpipe.resolving.made import Made
from pmpipe.resolving.remembered import ResolutionMemory
from pmpipe.resolving.wants import Wants


class ResolveInputs(msgspec.Struct, frozen=True, kw_only=True):
    """What the resolve process is started with; it is forked, so all of this is there.

    Attributes:
        order: the project, and what is to change in it.
        options: what decides, without the version of Node.js.
        wants: URLs and credentials.
        cache: which kept documents count.
        style: how the lock is written.
        staging: absolute path of a folder for what is made.
        announces: tarballs that will be needed are to be announced.
        tells_engines: nothing is installed that would warn of packages that are not for this Node.js.
        patches: of the project.
        keeps_yarn_lock: the project has a yarn.lock of yarn 1, which npm keeps up to date, too.
        stop_code: ends the process that the project's code runs in (`pmpipe.resolving.extension_host`), or None.
        finish: called with what was made before it is handed over, for what can be worked out ahead here. Returns the
            SRI of all that is to be installed; None if it does not know.
        memory: of former resolutions.
    """

    order: ChangeOrder
    options: Callable[[], ResolveOptions]
    wants: Wants
    cache: CachePolicy
    style: LockStyle
    staging: str
    announces: bool
    tells_engines: bool
    patches: Patches
    keeps_yarn_lock: bool
    finish: Callable[[Made], Iterable[str] | None]
    memory: ResolutionMemory
    stop_code: Callable[[], None] | None = None
