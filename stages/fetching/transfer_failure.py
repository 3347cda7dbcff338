"""What went wrong with a download, in words: an attempt's `Ending` becomes a `Failure`.

Two things are decided here and nowhere else: whether another attempt may help, and whether every other download from
the same host would fail the same way. No message contains an Authorization value, a user or password of a URL, or a
query (signed URLs carry their secret there).
"""

from __future__ import annotations

import errno
import re
from collections.abc import Sequence
from http import HTTPStatus

import msgspec

from pmpipe.errors import ArchiveError
from pmpipe.npm.texts.text import printable
from pmpipe.npm.texts.url import InvalidUrlError, Url, parse_url
from stages.fetching.tls_failure import PROXY_SETTINGS, REGISTRY_HINT, tls_failure, wants_tls_hint
from stages.fetching.transfer_ending import (
    AS_CONFIGURED,
    BROKEN_CONNECTION,
    COULDNT_CONNECT,
    COULDNT_RESOLVE_PROXY,
    OPERATION_TIMEDOUT,
    PARTIAL_FILE,
    PROXY,
    URL_MALFORMAT,
    Ending,
    Failure,
)

#: A name server that is overloaded says so at once.
_NAME_RETRY_S = 1

#: Answers after which the same request may succeed (npm's list; all of 500 and above as well).
_TRANSIENT_STATUS = frozenset({408, 420, 429})

#: Answers that a login may change.
_REFUSALS = frozenset({401, 403, 404})

#: So many of the keys for a host are told.
_SHOWN_KEYS = 3

_PORT = re.compile(r":\d*\Z")

_USER_IN_TEXT = re.compile(r"[^\s'\"/]+@")

_EXCLUDED_HOSTS = "noproxy and NO_PROXY name the hosts that need none"
_NO_PROXY_HINT = f"check that the proxy is up, and {PROXY_SETTINGS}; {_EXCLUDED_HOSTS}"
_REFUSED_HINT = f"check the proxy's user and password in {PROXY_SETTINGS}"
_UNREACHED_HINT = "the proxy cannot reach that host, or has trouble itself: check the host's name, or try again later"
_BUSY_HINT = "the registry or a proxy before it has trouble or cannot keep up: try again later, or set maxsockets lower"
_PROXY_HINT = f"check {PROXY_SETTINGS}: the proxy's kind, host and port, and whether it wants a user and password"


def shown_url(url: str) -> str:
    """A URL for a message: without user, password, query and fragment, and printable."""
    try:
        parsed = parse_url(url)
    except InvalidUrlError:
        # nobody knows where the secrets would be in this one
        return printable(_USER_IN_TEXT.sub("", url.split("?", 1)[0].split("#", 1)[0]), 200)
    return f"{parsed.origin}{printable(parsed.path)}{'?…' if parsed.suffix.startswith('?') else ''}"


def failure_of(
    ending: Ending,
    url: Url,
    *,
    proxy: str,
    authorization: str = "",
    login_keys: Sequence[str] = (),
    redirected_by: Url | None = None,
) -> Failure:
    """Classify an attempt that was no success and no redirect.

    Args:
        ending: what libcurl said.
        url: what was asked for.
        proxy: URL of the proxy that is configured for it, or empty.
        authorization: the Authorization header's value that was sent along, or empty.
        login_keys: what credentials are configured for, as ``//host/folder/``.
        redirected_by: who has sent the attempt away from the origin that the credentials are for, or None.
    """
    if ending.too_long:
        return too_long(ending.too_long, url)
    if ending.connect_status >= 400:
        return _refused_by_proxy(ending.connect_status, url)
    if ending.status and not 200 <= ending.status < 300:
        if redirected_by is not None and ending.status in _REFUSALS:
            hint = _redirect_hint(ending.status, url, redirected_by)
        else:
            hint = "" if proxy else wants_tls_hint(ending, url)
            hint = hint or _hint_at_refusal(ending.status, url, authorization, login_keys)
        return _refused_by_status(ending, url, hint, by_proxy=bool(proxy))
    if ending.code:
        return _broken(ending, url, _netloc(proxy))
    return Failure(what=f"unexpected status {ending.status}", cause=f"{ending.status} from {url.netloc}")


def too_long(length: int, url: Url) -> Failure:
    """The body has, or was announced with, more bytes than the limit."""
    return Failure(
        what=f"the tarball is larger than the limit ({length:,} bytes or more)",
        code=ArchiveError.code,
        cause=f"tarball too large from {url.netloc}",
    )


def _refused_by_status(ending: Ending, url: Url, hint: str, *, by_proxy: bool) -> Failure:
    status = ending.status
    said = _said(ending.excerpt)
    return Failure(
        what=f"{_reason(status)} from {'the proxy for ' if status == 407 and by_proxy else ''}{url.netloc}",
        details=(f"server says: {said}",) if said else (),
        hint=hint,
        cause=f"{status} from {url.netloc}",
        host_is_down=status == 407,
        worth_attempts=_worth_attempts(status),
        retry_after_s=ending.retry_after_s,
    )


def _hint_at_refusal(status: int, url: Url, authorization: str, login_keys: Sequence[str]) -> str:
    if status in _REFUSALS:
        return _login_hint(status, url, authorization, login_keys)
    if status == 407:
        return "put the proxy's user and password into the setting https-proxy, or the variable that names the proxy"
    if _worth_attempts(status) > 1:
        # without a hint of its own the package that was asked for would be blamed
        return _BUSY_HINT
    return f"check that {url.netloc} is the registry that is meant, and whether it wants a client certificate"


def _login_hint(status: int, url: Url, authorization: str, login_keys: Sequence[str]) -> str:
    sent = _sent(authorization)
    unfit = "" if sent else _unfit_keys(url, login_keys)
    if status == 404:
        private = f"may be kept from {sent} sent" if sent else f"may need a login{f', and {unfit}' if unfit else ''}"
        return f"check the name and version, and that {url.netloc} has it; a private package {private}"
    if sent:
        return (
            f"{sent} sent to {url.netloc} may be wrong, expired, or without the right to read this: log in again "
            "(npm login), or mend it in .npmrc; check which registry is meant"
        )
    if unfit:
        return f"no token or password was sent: {unfit}; check which registry is meant"
    return (
        f"no token or password was sent: log in to {url.netloc} (npm login), or put its _authToken into .npmrc; check "
        "which registry is meant"
    )


def _unfit_keys(url: Url, login_keys: Sequence[str]) -> str:
    """What is configured for the same host, and not for this URL, for a sentence; empty: nothing."""
    host = _PORT.sub("", url.netloc)
    keys = [key for key in login_keys if _PORT.sub("", key[2:].partition("/")[0]).lower() == host]
    if not keys:
        return ""
    shown = " and ".join(printable(key, 200) for key in keys[:_SHOWN_KEYS])
    if url.scheme == "http" and any(_covers(key, url) for key in keys):
        return f"what is configured for {shown} is not sent over plain http, unless a registry is configured so"
    whole = "which has to begin with it: port, case and whole folders"
    return f"what is configured for {shown} is not for this address, {whole}"


def _covers(key: str, url: Url) -> bool:
    """Whether what a key holds is meant for a URL: the key names its host and some of its folders, whole ones."""
    return f"//{url.netloc}{url.path}/".startswith(f"{key.removesuffix('/')}/")


def _sent(authorization: str) -> str:
    """What kind of credentials an Authorization value has, for a sentence; empty: none."""
    if not authorization:
        return ""
    return "the user and password that were" if authorization.startswith("Basic ") else "the token that was"


def _redirect_hint(status: int, url: Url, redirected_by: Url) -> str:
    # a login changes nothing where no credentials are sent
    way = f"to {url.origin}" if redirected_by.origin != url.origin else "to another host, which redirects back"
    unsent = f"{redirected_by.origin} redirects {way}, where no token is sent, whatever .npmrc has for it"
    if status == 404:
        return f"check the name and version; {unsent}"
    return f"{unsent}: the registry has to sign the address that it redirects to, or answer itself"


def _refused_by_proxy(status: int, url: Url) -> Failure:
    return Failure(
        what=f"the proxy refused the connection to {url.netloc}: {_reason(status)}",
        hint=f"{_UNREACHED_HINT if status >= 500 else _REFUSED_HINT}; {_EXCLUDED_HOSTS}",
        cause=f"{status} from the proxy for {url.netloc}",
        host_is_down=True,
        worth_attempts=_worth_attempts(status),
    )


def _broken(ending: Ending, url: Url, proxy: str) -> Failure:
    code = ending.code
    said = printable(_USER_IN_TEXT.sub("", ending.message), 300)
    about_tls = tls_failure(ending, said, url)
    if about_tls is not None:
        return about_tls
    if ending.is_nameless:
        return _nameless(said, url, proxy if code == COULDNT_RESOLVE_PROXY else "")
    if code == COULDNT_CONNECT:
        return _not_connected(ending, said, url, proxy)
    if code == PARTIAL_FILE:
        return _interrupted(f"{url.netloc} sent less than it had announced", said, url)
    if code == OPERATION_TIMEDOUT:
        # where nobody has answered yet, it may well be the proxy that says nothing
        peer = _way_to(url, "" if ending.status else proxy)
        return _interrupted(f"{peer} was too slow", said, url)
    may_want_tls = "" if proxy else wants_tls_hint(ending, url)
    if code in BROKEN_CONNECTION:
        return _interrupted(f"the connection to {url.netloc} broke", said, url, may_want_tls or _BUSY_HINT)
    down = code in {PROXY, URL_MALFORMAT}
    hint = _PROXY_HINT if code == PROXY else REGISTRY_HINT if down else may_want_tls
    return Failure(
        what=f"{said or f'libcurl error {code}'} ({url.netloc})",
        hint=hint,
        cause=f"libcurl error {code} at {url.netloc}",
        host_is_down=down,
    )


def _nameless(said: str, url: Url, proxy: str) -> Failure:
    what = f"the name of the proxy {proxy}" if proxy else "the host name"
    return Failure(
        what=f"{what} cannot be resolved (for {url.netloc})",
        details=(said,),
        hint=_NO_PROXY_HINT if proxy else REGISTRY_HINT,
        cause=f"name of {_way_to(url, proxy)} cannot be resolved",
        host_is_down=True,
        worth_attempts=2,
        retry_after_s=_NAME_RETRY_S,
    )


def _not_connected(ending: Ending, said: str, url: Url, proxy: str) -> Failure:
    peer = _way_to(url, proxy)
    reason = errno.errorcode.get(ending.os_errno, "")
    return Failure(
        what=f"{peer} cannot be reached ({reason})" if reason else f"{peer} cannot be reached",
        # with a proxy libcurl's words are that it cannot connect to the registry
        details=() if proxy and reason else (said,),
        hint=_NO_PROXY_HINT if proxy else REGISTRY_HINT,
        cause=f"no connection to {peer}",
        # too many open files are our own shortage, not the host's
        host_is_down=ending.os_errno not in {errno.EMFILE, errno.ENFILE},
        worth_attempts=AS_CONFIGURED,
    )


def _way_to(url: Url, proxy: str) -> str:
    """Who is connected to for a URL: the proxy, if there is one (its host and port), else the URL's own host."""
    return f"the proxy {proxy} for {url.netloc}" if proxy else url.netloc


def _netloc(proxy: str) -> str:
    """Host and port of a proxy's URL, without its user."""
    return printable(proxy.rpartition("@")[2].rpartition("//")[2], 200)


def _interrupted(what: str, said: str, url: Url, hint: str = _BUSY_HINT) -> Failure:
    return Failure(
        what=what,
        details=(said,),
        hint=hint,
        cause=f"broken downloads from {url.netloc}",
        worth_attempts=AS_CONFIGURED,
    )


def _worth_attempts(status: int) -> int:
    return AS_CONFIGURED if status in _TRANSIENT_STATUS or status >= 500 else 1


def _reason(status: int) -> str:
    # the server's own words for it are not asked: they may say anything
    try:
        return f"{status} {HTTPStatus(status).phrase}"
    except ValueError:
        return str(status)


def _said(excerpt: bytes) -> str:
    """The reason in an error's body, as registries give it: ``{"error": "..."}`` or ``{"message": "..."}``."""
    try:
        document = msgspec.json.decode(excerpt)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return ""
    if not isinstance(document, dict):
        return ""
    for name in ("error", "message"):
        text = document.get(name)
        if isinstance(text, str) and text:
            return printable(text, 200)
    return ""
