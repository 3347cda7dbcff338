"""How one attempt of a download ended, as libcurl tells it, and what is made of an end that was no success."""

from __future__ import annotations

import msgspec

from pmpipe.errors import RegistryError

# libcurl's error codes: pycurl has no name for some of them, and this module needs no libcurl
URL_MALFORMAT = 3
COULDNT_RESOLVE_PROXY = 5
COULDNT_RESOLVE_HOST = 6
COULDNT_CONNECT = 7
HTTP2 = 16
PARTIAL_FILE = 18
OPERATION_TIMEDOUT = 28
SSL_CONNECT_ERROR = 35
BAD_FUNCTION_ARGUMENT = 43
GOT_NOTHING = 52
SEND_ERROR = 55
RECV_ERROR = 56
SSL_CERTPROBLEM = 58
SSL_CACERT_BADFILE = 77
HTTP2_STREAM = 92
PROXY = 97

#: The connection broke, or stood still.
BROKEN_CONNECTION = frozenset(
    {PARTIAL_FILE, OPERATION_TIMEDOUT, GOT_NOTHING, SEND_ERROR, RECV_ERROR, HTTP2, HTTP2_STREAM}
)

#: The HTTP statuses by which a server says that it is asked for too much; nginx's `limit_req` answers 503 by default.
OVERLOADED = frozenset({429, 503})

#: `Failure.worth_attempts`: as many as the settings allow.
AS_CONFIGURED = 1 << 30


class Ending(msgspec.Struct, frozen=True, kw_only=True):
    """How an attempt ended, as libcurl tells it.

    Attributes:
        status: HTTP status, or 0 where no response came.
        location: the Location header, or empty.
        retry_after_s: the Retry-After header in seconds, whichever form it had; 0: none.
        connect_status: the proxy's status for CONNECT, or 0.
        is_proxy_untrusted: it was the proxy's certificate that could not be verified.
        code: libcurl's error code; 0: none.
        message: libcurl's message for it.
        os_errno: the system's error number behind it, or 0.
        excerpt: the beginning of the body of a response that is no success.
        received_bytes: the body's bytes.
        too_long: what the sink refused to take, in bytes; 0: nothing.
        wants_alone: the request is to be made once more, on a connection of its own (`stages.fetching.sharing`).
    """

    status: int
    location: str = ""
    retry_after_s: int = 0
    connect_status: int = 0
    is_proxy_untrusted: bool = False
    code: int = 0
    message: str = ""
    os_errno: int = 0
    excerpt: bytes = b""
    received_bytes: int = 0
    too_long: int = 0
    wants_alone: bool = False

    @property
    def is_nameless(self) -> bool:
        """Whether it ended without an answer from the name server."""
        return self.code in {COULDNT_RESOLVE_HOST, COULDNT_RESOLVE_PROXY}


class Failure(msgspec.Struct, frozen=True, kw_only=True):
    """Why an attempt failed.

    Attributes:
        what: the cause in a few words, to stand after a package's name.
        code: the `code` of a class in `pmpipe.errors`.
        details: further lines.
        hint: what to do, or empty.
        cause: groups like failures, for example ``401 from registry.example``.
        host_is_down: every other download from this host would fail the same way.
        untrusted: the peer could not be verified.
        worth_attempts: so many attempts make sense at most, whatever the settings allow.
        retry_after_s: wait so long before the next attempt; 0: as the settings say.
    """

    what: str
    code: str = RegistryError.code
    details: tuple[str, ...] = msgspec.field(default=())
    hint: str = ""
    cause: str
    host_is_down: bool = False
    untrusted: bool = False
    worth_attempts: int = 1
    retry_after_s: int = 0
