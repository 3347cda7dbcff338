"""What went wrong with TLS, in words: a peer that is not trusted, one that does not trust us, our own certificate."""

from __future__ import annotations

import re
from http import HTTPStatus

from pmpipe.errors import ConfigError
from pmpipe.npm.texts.url import Url
from stages.fetching.transfer_ending import (
    AS_CONFIGURED,
    BAD_FUNCTION_ARGUMENT,
    SSL_CACERT_BADFILE,
    SSL_CERTPROBLEM,
    SSL_CONNECT_ERROR,
    Ending,
    Failure,
)

PROXY_SETTINGS = "the settings proxy and https-proxy, and the variables HTTPS_PROXY, HTTP_PROXY and PROXY"
REGISTRY_HINT = f"check that the registry is up, the setting registry, and for a proxy {PROXY_SETTINGS}"

#: 35 the handshake, 51, 60, 83, 90, 91 and 98 a certificate, 58 our own, 59 cipher, 77 and 82 CA files, the engine
_TLS = frozenset(
    {SSL_CONNECT_ERROR, 51, 53, 54, SSL_CERTPROBLEM, 59, 60, 66, SSL_CACERT_BADFILE, 80, 82, 83, 90, 91, 98}
)

#: How libcurl's messages about a client certificate begin that it cannot read, or that its key does not fit.
_BAD_CLIENT_CERTIFICATE = ("unable to set private key", "unable to set client cert", "could not load ")

#: The codes that such messages come with.
_ABOUT_OUR_OWN = frozenset({BAD_FUNCTION_ARGUMENT, SSL_CERTPROBLEM})

#: How OpenSSL says that the peer has refused by an alert, in the handshake or (TLS 1.3) when we first read.
_ALERT = re.compile(r"SSL routines:[^:]*:[^:]* alert ")

#: The alerts that are about the certificate of the one who connects.
_ALERT_AT_CERTIFICATE = re.compile(r" alert .*(?:certificate|unknown ca|access denied)")

#: What OpenSSL says of an answer that is no TLS at all.
_ANSWERED_WITHOUT_TLS = ("wrong version number", "packet length too long", "http request")

#: What comes of plain http that is sent to a server of TLS: it hangs up, or answers by an alert, which is no HTTP.
_EMPTY_ANSWER, _RESET, _UNSUPPORTED_PROTOCOL = 52, 56, 1

#: What OpenSSL says of a certificate whose time has passed, or has not come.
_OUT_OF_DATE = ("certificate has expired", "certificate is not yet valid")

_CLIENT_CERTIFICATE_HINT = (
    "check the settings cert and key, or certfile and keyfile of the registry: they must belong together, and the key "
    "must not be encrypted"
)
_WANTED_CERTIFICATE_HINT = (
    "the registry wants a client certificate, or another one: name it with the settings cert and key, or with certfile "
    "and keyfile of the registry"
)
_AUTHORITIES_HINT = (
    "the certificate authorities to trust (cafile or ca) cannot be read: they have to be in PEM form, each of them "
    "whole; line breaks in ca are written \\n, within double quotes"
)
_NO_TLS_HINT = "what answers there does not speak TLS: if it speaks plain http, its URL has to begin with http://"
_DATE_HINT = (
    "check the date of this machine (`date`); if it is right, whoever runs that server has to renew its certificate"
)
_TLS_HINT = (
    "if the {}'s certificate is signed by an authority of your own, name it with cafile or NODE_EXTRA_CA_CERTS; "
    "strict-ssl=false switches the check off"
)


def tls_failure(ending: Ending, said: str, url: Url) -> Failure | None:
    """Classify an attempt that ended with an error of libcurl, if it was about TLS.

    Args:
        ending: what libcurl said.
        said: its message, fit to be shown.
        url: what was asked for.
    """
    if _ALERT.search(said):
        return _refused_by_alert(said, url)
    if ending.code in _ABOUT_OUR_OWN and said.startswith(_BAD_CLIENT_CERTIFICATE):
        return _unusable_client_certificate(said, url)
    if ending.code in _TLS:
        return _untrusted(ending, said, url)
    return None


def wants_tls_hint(ending: Ending, url: Url) -> str:
    """What to do about a server that may want to be spoken to by TLS, and was not; empty if nothing looks like it.

    Args:
        ending: what libcurl said of a request that went to the server itself, not to a proxy.
        url: what was asked for.
    """
    if url.scheme != "http":
        return ""
    if ending.status == HTTPStatus.BAD_REQUEST and b"https" in ending.excerpt.lower():
        return f"{url.netloc} may want TLS: then its URL has to begin with https://"
    is_unread = ending.code in {_EMPTY_ANSWER, _RESET} or (
        ending.code == _UNSUPPORTED_PROTOCOL and "HTTP/0.9" in ending.message
    )
    if ending.status or ending.received_bytes or not is_unread:
        return ""
    return (
        f"if {url.netloc} speaks TLS, its URL has to begin with https://; else the registry has trouble or cannot keep "
        "up: try again later"
    )


def _untrusted(ending: Ending, said: str, url: Url) -> Failure:
    # a peer that hangs up during the handshake is no certificate trouble
    hung_up = ending.code == SSL_CONNECT_ERROR and (ending.os_errno != 0 or "unexpected eof" in said.lower())
    speaks_no_tls = any(words in said for words in _ANSWERED_WITHOUT_TLS)
    peer = f"the proxy for {url.netloc}" if ending.is_proxy_untrusted else url.netloc
    hint = _TLS_HINT.format("proxy" if ending.is_proxy_untrusted else "registry")
    if any(words in said for words in _OUT_OF_DATE):
        hint = _DATE_HINT
    elif ending.code == SSL_CACERT_BADFILE:
        hint = _AUTHORITIES_HINT
    return Failure(
        what=f"no trusted TLS connection to {peer}: {said}",
        hint=REGISTRY_HINT if hung_up else _NO_TLS_HINT if speaks_no_tls else hint,
        cause=f"TLS failure at {peer}",
        host_is_down=True,
        untrusted=not hung_up and not speaks_no_tls,
        worth_attempts=AS_CONFIGURED if hung_up else 1,
    )


def _refused_by_alert(said: str, url: Url) -> Failure:
    # with TLS 1.3 the alert comes when the handshake has ended for us, as an error of reading
    wants_certificate = _ALERT_AT_CERTIFICATE.search(said) is not None
    return Failure(
        what=f"{url.netloc} refused the TLS connection: {said}",
        hint=_WANTED_CERTIFICATE_HINT if wants_certificate else REGISTRY_HINT,
        cause=f"TLS refused by {url.netloc}",
        host_is_down=True,
    )


def _unusable_client_certificate(said: str, url: Url) -> Failure:
    return Failure(
        what=f"the client certificate for {url.netloc} cannot be used: {said}",
        code=ConfigError.code,
        hint=_CLIENT_CERTIFICATE_HINT,
        cause=f"unusable client certificate for {url.netloc}",
        host_is_down=True,
    )


def no_authorities(problem: str, url: Url) -> Failure:
    """There is nothing to verify a certificate with."""
    return Failure(
        what=f"no trusted TLS connection to {url.netloc}: {problem}",
        code=ConfigError.code,
        hint="check the setting cafile, and the variables SSL_CERT_FILE and NODE_EXTRA_CA_CERTS",
        cause=problem,
        host_is_down=True,
    )
