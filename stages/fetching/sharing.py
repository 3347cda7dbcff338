"""Which requests may share a connection by HTTP/2, and which of them open one.

The first few requests to an origin open a connection each, so that there are several congestion windows from the
beginning; all others wait until it is known whether they can share these, which costs one handshake where they cannot.
npm speaks HTTP/1.1 only, and there are registries behind proxies that nobody has asked anything else yet. So an origin
with which a connection has broken is asked with HTTP/1.1 from then on, and what was lost with a shared connection is
asked for once more, at once and without counting as an attempt: it is no fault of that request. The same holds for
what turns out to be too large to share a connection (see `stages.fetching.lane`).
"""

from __future__ import annotations

from collections import Counter

import msgspec

from pmpipe.npm.texts.url import Url
from stages.fetching.transfer import Request
from stages.fetching.transfer_ending import (
    BROKEN_CONNECTION,
    GOT_NOTHING,
    HTTP2,
    HTTP2_STREAM,
    RECV_ERROR,
    SEND_ERROR,
    Ending,
)

#: Requests that open a connection without waiting; see `stages.fetching.curl_loop.STREAMS_A_CONNECTION`.
_OPENING_REQUESTS = 4


class Sharing(msgspec.Struct, frozen=True):
    """How a request may use connections.

    Attributes:
        http2: HTTP/2 may be spoken.
        waits: no connection is opened for it while one is being opened that may carry it, too.
    """

    http2: bool
    waits: bool


#: The connection is gone, or the two sides do not understand each other. Which protocol it was libcurl does not say.
_LOST = frozenset({GOT_NOTHING, SEND_ERROR, RECV_ERROR, HTTP2, HTTP2_STREAM})

ALONE = Sharing(http2=False, waits=False)
_OPENING = Sharing(http2=True, waits=False)
_WAITING = Sharing(http2=True, waits=True)


class SharedConnections:
    """What is known of the origins that were asked.

    Args:
        offered: HTTP/2 is offered at all.
    """

    def __init__(self, *, offered: bool) -> None:
        self._offered = offered
        #: how many requests were made to each origin for which HTTP/2 is offered
        self._requests: Counter[str] = Counter()
        #: origins with which a connection has broken
        self._broken: set[str] = set()

    def sharing(self, request: Request) -> Sharing:
        """How the next request may use connections; to be called once for each."""
        url = request.url
        if request.alone or not self._offered or url.scheme != "https" or url.origin in self._broken:
            return ALONE
        self._requests[url.origin] += 1
        return _OPENING if self._requests[url.origin] <= _OPENING_REQUESTS else _WAITING

    def judged(self, ending: Ending, sharing: Sharing, url: Url) -> Ending:
        """Take in how a request for `url` has ended, and say if it was lost with a shared connection."""
        if not sharing.http2 or ending.code not in BROKEN_CONNECTION:
            return ending
        self._broken.add(url.origin)
        return msgspec.structs.replace(ending, wants_alone=ending.code in _LOST)
