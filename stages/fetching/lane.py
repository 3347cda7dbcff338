"""A lane: one libcurl handle with its options, which carries one request after another.

Options and callbacks are set once per lane, so that a request sets no more than its URL. Header lines go into a plain
list by its own ``append`` (no Python code runs per header) and are looked at when the first byte of a body is there.
"""

from __future__ import annotations

import time
from collections.abc import Callable

import pycurl

from pmpipe.npm.texts.url import Url
from stages.fetch import FetchSettings
from stages.fetching.ca_bundle import CaBundle
from stages.fetching.client_certificates import ClientPem
from stages.fetching.curl_loop import CrashHandler, guarded
from stages.fetching.proxy_choice import asks_for_whole_url, proxy_for
from stages.fetching.response_head import DocumentHead, location, read_document_head, read_head, retry_after_s
from stages.fetching.sharing import ALONE, Sharing
from stages.fetching.sink import BodyTooLongError, Sink
from stages.fetching.transfer_ending import Ending

#: What libcurl reads at a time. Measured: 16 KiB costs a third more processor time, beyond 64 KiB nothing is gained.
_BUFFER_BYTES = 256 << 10

#: As much of an error's body as may hold a readable reason.
_EXCERPT_BYTES = 4 << 10

#: A longer body gets a connection of its own. While a body waits for room in the arena, libcurl keeps what the server
#: may still send of it: up to 10 MB for each, where HTTP/2 is spoken. Without this, 40 tarballs of 24 MB took 450 MB.
_LONGEST_SHARED_BYTES = 1 << 20

#: An error's or redirect's body that is longer is not read to its end.
_IGNORED_BODY_BYTES = 1 << 20


class Lane:
    """An easy handle of its own, reused for one request after another.

    Args:
        settings: how the network is used.
        ca_bundle: whom to trust.
        certificate: the client certificate of all its requests; None: the one in the settings, if any.
        on_connect: called from within libcurl when it has a name's address and connects; not where a connection is
            used again.
        on_pause: called when the sink had no room; the lane has to be resumed through `CurlLoop.resume`.
        on_crash: see `CrashHandler`.
    """

    def __init__(
        self,
        settings: FetchSettings,
        ca_bundle: CaBundle,
        certificate: ClientPem | None,
        on_connect: Callable[[Lane], None],
        on_pause: Callable[[Lane], None],
        on_crash: CrashHandler,
    ) -> None:
        self.handle = pycurl.Curl()
        self._settings = settings
        self._on_connect = on_connect
        self._on_pause = on_pause
        self._headers: tuple[str, ...] = ()
        self._proxy: str | None = None
        #: how the last request could use connections
        self.sharing = ALONE
        #: header lines of all responses of this request, a proxy's and interim ones included
        self._head: list[bytes] = []
        self._sink: Sink | None = None
        self._begun = False
        #: the content coding of the body that has come last, see `ResponseHead`
        self.encoding = ""
        self._refused: _RefusedBody | None = None
        self._too_long = 0
        #: the body is too long to share a connection
        self._is_large = False
        #: where to keep the lane while it carries nothing: it is for requests with this certificate only
        self.certificate = certificate
        self._set_options(ca_bundle)
        self.handle.setopt(pycurl.HEADERFUNCTION, self._head.append)
        self.handle.setopt(pycurl.SOCKOPTFUNCTION, guarded(self._connect, on_crash))
        write = guarded(self._write, on_crash)
        try:
            # the body's bytes are where libcurl has received them, and are copied only once, into the arena
            self.handle.setopt(pycurl.WRITEFUNCTION, write, use_memoryview=True)
        except TypeError:
            # before pycurl 7.47, which is what distributions have, they come as an object of their own
            self.handle.setopt(pycurl.WRITEFUNCTION, write)

    def carry(self, url: Url, headers: tuple[str, ...], sink: Sink, sharing: Sharing = ALONE) -> None:
        """Prepare the next request; the handle is then to be added to a `CurlLoop`.

        Args:
            url: what to ask for; it goes over the wire as it stands there.
            headers: further header lines.
            sink: gets the body of a successful response.
            sharing: how it may use connections.
        """
        self._head.clear()
        self.encoding = ""
        self._sink, self._begun, self._refused, self._too_long, self._is_large = sink, False, None, 0, False
        proxy = proxy_for(url, self._settings)
        target = url.request_target
        if sharing != self.sharing:
            self._share(sharing)
        self.handle.setopt(pycurl.URL, url.href)
        # libcurl would write the percent-encoding of the URL anew, and then a signature of it is wrong
        self.handle.setopt(pycurl.REQUEST_TARGET, f"{url.origin}{target}" if asks_for_whole_url(url, proxy) else target)
        if headers != self._headers:
            # pycurl takes an empty list for "no change": the former header lines, a token among them, would stay
            self.handle.unsetopt(pycurl.HTTPHEADER)
            if headers:
                self.handle.setopt(pycurl.HTTPHEADER, list(headers))
            self._headers = headers
        if proxy != self._proxy:
            # the empty string also keeps libcurl from looking at the environment
            self.handle.setopt(pycurl.PROXY, proxy.encode())
            self._proxy = proxy

    def ending(self, code: int, message: str) -> Ending:
        """What became of the request, after it was taken out of the `CurlLoop`."""
        info = self.handle.getinfo
        self._sink = None
        status = info(pycurl.RESPONSE_CODE)
        if code == 0 and 200 <= status < 300:
            return Ending(status=status, received_bytes=info(pycurl.SIZE_DOWNLOAD_T))
        return Ending(
            status=status,
            location=location(self._head),
            retry_after_s=retry_after_s(self._head, time.time()),
            connect_status=info(pycurl.HTTP_CONNECTCODE),
            is_proxy_untrusted=info(pycurl.PROXY_SSL_VERIFYRESULT) != 0,
            code=code,
            message=message,
            os_errno=info(pycurl.OS_ERRNO),
            excerpt=bytes(self._refused.excerpt) if self._refused else b"",
            received_bytes=info(pycurl.SIZE_DOWNLOAD_T),
            too_long=self._too_long,
            wants_alone=self._is_large,
        )

    def received_bytes(self) -> int | None:
        """What has come of the body so far; None: the request was not sent yet."""
        info = self.handle.getinfo
        return info(pycurl.SIZE_DOWNLOAD_T) if info(pycurl.PRETRANSFER_TIME) > 0 else None

    def document_head(self) -> DocumentHead:
        """What the response that has just ended says about its body."""
        return read_document_head(self._head)

    def _connect(self, _descriptor: int, _purpose: int) -> int:
        self._on_connect(self)
        return int(pycurl.SOCKOPT_OK)

    def _write(self, data: bytes | memoryview) -> int | None:
        """The write callback: None takes all, a negative number ends the transfer."""
        sink = self._sink
        if sink is None:
            raise RuntimeError("a body arrived on a lane that carries nothing")
        try:
            if not self._begun:
                self._begin(sink)
            if self._refused is not None:
                return self._refused.write(data)
            if self._is_large:
                return -1
            if sink.write(data):
                return None
        except BodyTooLongError as error:
            self._too_long = error.length
            return -1
        self._on_pause(self)
        return int(pycurl.WRITEFUNC_PAUSE)

    def _begin(self, sink: Sink) -> None:
        head = read_head(self._head)
        if 200 <= head.status < 300:
            sink.begin(head.length)
            self.encoding = head.encoding
            self._is_large = head.http2 and (head.length or 0) > _LONGEST_SHARED_BYTES
        else:
            self._refused = _RefusedBody()
        self._begun = True

    def _set_options(self, ca_bundle: CaBundle) -> None:
        settings, option = self._settings, self.handle.setopt
        option(pycurl.PROTOCOLS, pycurl.PROTO_HTTP | pycurl.PROTO_HTTPS)
        # redirects are followed by hand: only so it is certain which headers go where
        option(pycurl.FOLLOWLOCATION, 0)
        option(pycurl.NOSIGNAL, 1)
        option(pycurl.TCP_NODELAY, 1)
        option(pycurl.TCP_KEEPALIVE, 1)
        option(pycurl.BUFFERSIZE, _BUFFER_BYTES)
        option(pycurl.HTTP09_ALLOWED, 0)
        option(pycurl.USERAGENT, settings.user_agent.encode("latin-1", "replace"))
        # a token belongs to the registry, not to the proxy on the way
        option(pycurl.HEADEROPT, pycurl.HEADER_SEPARATE)
        option(pycurl.CONNECTTIMEOUT_MS, max(1, round(settings.connect_timeout_s * 1000)))
        # who is reached directly was decided before; this keeps libcurl from looking at the environment
        option(pycurl.NOPROXY, b"")
        option(pycurl.HTTP_VERSION, pycurl.CURL_HTTP_VERSION_1_1)
        if settings.local_address:
            option(pycurl.INTERFACE, f"host!{settings.local_address}".encode())
        self._set_tls_options(ca_bundle)

    def _share(self, sharing: Sharing) -> None:
        self.sharing = sharing
        version = pycurl.CURL_HTTP_VERSION_2TLS if sharing.http2 else pycurl.CURL_HTTP_VERSION_1_1
        self.handle.setopt(pycurl.HTTP_VERSION, version)
        self.handle.setopt(pycurl.PIPEWAIT, int(sharing.waits))

    def _set_tls_options(self, ca_bundle: CaBundle) -> None:
        settings, option = self._settings, self.handle.setopt
        option(pycurl.SSL_VERIFYPEER, int(settings.strict_ssl))
        option(pycurl.SSL_VERIFYHOST, 2 if settings.strict_ssl else 0)
        option(pycurl.PROXY_SSL_VERIFYPEER, int(settings.strict_ssl))
        option(pycurl.PROXY_SSL_VERIFYHOST, 2 if settings.strict_ssl else 0)
        # a folder that libcurl was built with would add to the authorities that were asked for
        self.handle.unsetopt(pycurl.CAPATH)
        self.handle.unsetopt(pycurl.PROXY_CAPATH)
        if ca_bundle.path:
            option(pycurl.CAINFO, ca_bundle.path)
            option(pycurl.PROXY_CAINFO, ca_bundle.path)
        if ca_bundle.folder:
            option(pycurl.CAPATH, ca_bundle.folder)
            option(pycurl.PROXY_CAPATH, ca_bundle.folder)
        certificate = self.certificate
        if certificate is not None:
            # libcurl uses no connection again that was made with another one
            option(pycurl.SSLCERT_BLOB, certificate.certificate)
            option(pycurl.SSLKEY_BLOB, certificate.key)
        elif settings.client_cert_pem:
            option(pycurl.SSLCERT_BLOB, settings.client_cert_pem)
            option(pycurl.SSLKEY_BLOB, settings.client_key_pem)


class _RefusedBody:
    """The body of a response that is no success: a few bytes are kept, a long one is not read to its end."""

    __slots__ = ("_left", "excerpt")

    def __init__(self) -> None:
        self.excerpt = bytearray()
        self._left = _IGNORED_BODY_BYTES

    def write(self, data: bytes | memoryview) -> int | None:
        self._left -= len(data)
        if len(self.excerpt) < _EXCERPT_BYTES:
            self.excerpt += data[: _EXCERPT_BYTES - len(self.excerpt)]
        return None if self._left > 0 else -1
