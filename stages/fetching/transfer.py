"""One download: its attempts, its redirects, and what it says in the end. No I/O, no libcurl, no clock.

A `Transfer` is asked what to request next, is told how that ended, and answers with a step::

    next_request() -> Request            the URL and headers of the next request
    handle(Ending) -> Completed | NotModified | Again | GaveUp

Redirects are followed here and not by libcurl: the Authorization header and the client certificate go to the scheme,
host and port that they were given for and to no other, https is never left for http, and a loop ends after 20 steps.
An attempt that was redirected to another origin has no Authorization from there on, even if it is sent back.
Each attempt starts from the first URL again, since what a redirect points to may be signed and expire.
"""

from __future__ import annotations

import base64
import binascii
from typing import TypeAlias

import msgspec

from pmpipe.errors import ConfigError, RegistryError
from pmpipe.npm.texts.url import InvalidUrlError, Url, parse_url, resolve_location
from stages.fetch import FetchSettings, retry_wait_s
from stages.fetching.client_certificates import ClientPem
from stages.fetching.proxy_choice import proxy_for
from stages.fetching.sink import Sink
from stages.fetching.transfer_ending import Ending, Failure
from stages.fetching.transfer_failure import failure_of, shown_url
from stages.messages import Failed, JobId

MAXIMUM_REDIRECTS = 20

#: Characters of a redirect's address; a longer one would not fit into a message either.
LONGEST_LOCATION = 8192

#: Retry-After is kept up to this; a registry that wants more is one that is down.
MAXIMUM_RETRY_AFTER_S = 60

_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_NOT_MODIFIED = 304


class Request(msgspec.Struct, frozen=True):
    """What to ask libcurl for: an absolute URL, and header lines beside libcurl's own.

    `certificate` is the one to show; None: the one in the settings, if any. `alone`: no connection is to be shared.
    """

    url: Url
    headers: tuple[str, ...]
    certificate: ClientPem | None
    alone: bool = False


class Completed(msgspec.Struct, frozen=True):
    """The sink has the whole body. `wire_bytes` counts the bodies of all attempts."""

    wire_bytes: int
    attempts: int


class NotModified(msgspec.Struct, frozen=True):
    """The copy that the request's validators are of is current."""

    wire_bytes: int
    attempts: int


class Again(msgspec.Struct, frozen=True):
    """The next request is to be made after `wait_s` seconds; 0: at once."""

    wait_s: float


class GaveUp(msgspec.Struct, frozen=True):
    """No further attempt will be made.

    `failed` is the job's result, `failure` the cause in it; `origin_down` is a ``scheme://host:port`` that no job can
    use, or empty.
    """

    failed: Failed
    failure: Failure
    origin_down: str = ""


Step: TypeAlias = Completed | NotModified | Again | GaveUp


class Transfer(msgspec.Struct, eq=False, kw_only=True):
    """A download from its job to its result.

    Attributes:
        job: the job's number.
        label: ``name@version`` for messages.
        first: where each attempt starts.
        authorization: value of the Authorization header for the origin of `first`, or empty.
        certificate: client certificate for the origin of `first`; None: none of its own.
        headers: further header lines, sent to every host.
        sink: gets the body.
        settings: retries and proxies.
        is_conditional: `headers` hold validators, so 304 is an answer.
    """

    job: JobId
    label: str
    first: Url
    authorization: str
    certificate: ClientPem | None = None
    headers: tuple[str, ...] = ()
    sink: Sink
    settings: FetchSettings
    is_conditional: bool = False
    #: its requests share no connections any more
    _is_alone: bool = False
    _attempts: int = 0
    #: redirects of this attempt
    _redirects: int = 0
    #: where the last of them led
    _redirected: Url | None = None
    #: who was the first of this attempt to redirect to another origin than the one that the credentials are for
    _sent_away_by: Url | None = None
    _wire_bytes: int = 0

    def __repr__(self) -> str:
        # the rest holds credentials
        return f"Transfer({self.label})"

    @property
    def url(self) -> Url:
        """Where the next request goes."""
        return self.first if self._redirected is None else self._redirected

    @property
    def peer(self) -> str:
        """Whose name has to be known for the next request: the proxy's URL, or the origin."""
        return proxy_for(self.url, self.settings) or self.url.origin

    @property
    def _sent_authorization(self) -> str:
        """The Authorization of the next request, or empty.

        Once the attempt was anywhere else it gets none, not even where that redirects back: as with npm, no other
        host decides which of the registry's addresses is asked for in the user's name.
        """
        return self.authorization if self._sent_away_by is None else ""

    def next_request(self) -> Request:
        """The request that comes next; to be called once for each."""
        if not self._redirects:
            self._attempts += 1
        sent = self._sent_authorization
        authorization = (f"Authorization: {sent}",) if sent else ()
        certificate = self.certificate if self.url.origin == self.first.origin else None
        return Request(self.url, (*self.headers, *authorization), certificate, self._is_alone)

    def handle(self, ending: Ending) -> Step:
        """Take the end of the request that `next_request` gave, and say how to go on.

        The sink is rewound unless the step is `Completed`.
        """
        self._wire_bytes += ending.received_bytes
        if not ending.code and 200 <= ending.status < 300 and ending.status != 206:
            return Completed(self._wire_bytes, self._attempts)
        self.sink.rewind()
        # what comes behind the status line does not matter, even if it is cut off
        if self.is_conditional and ending.status == _NOT_MODIFIED:
            return NotModified(self._wire_bytes, self._attempts)
        if ending.status in _REDIRECTS and ending.location:
            return self._redirect(ending.location)
        if ending.wants_alone and not self._is_alone:
            self._is_alone = True
            self._attempts -= 1
            return self._begin_again(0)
        proxy = proxy_for(self.url, self.settings)
        failure = failure_of(
            ending,
            self.url,
            proxy=proxy,
            authorization=self._sent_authorization,
            login_keys=self.settings.login_keys,
            redirected_by=self._sent_away_by,
        )
        allowed = min(self.settings.retries + 1, failure.worth_attempts)
        if self._attempts >= allowed:
            return self.give_up(failure)
        wait_s = retry_wait_s(self.settings, self._attempts)
        if failure.retry_after_s:
            wait_s = min(failure.retry_after_s, MAXIMUM_RETRY_AFTER_S)
        return self._begin_again(wait_s)

    def _begin_again(self, wait_s: float) -> Again:
        self._redirects = 0
        self._redirected = None
        self._sent_away_by = None
        return Again(wait_s)

    def give_up(self, failure: Failure) -> GaveUp:
        """The failed job's result, for this cause; the sink has been rewound, or nothing was asked for yet."""
        attempts = {0: "not tried", 1: "1 attempt"}.get(self._attempts, f"{self._attempts} attempts")
        details = [f"url: {shown_url(self.first.href)} ({attempts})"]
        if self._redirected is not None:
            details.append(f"redirected to: {shown_url(self.url.href)}")
        details += [without_secrets(line, self.authorization) for line in failure.details]
        failed = Failed(
            job=self.job,
            code=failure.code,
            what=without_secrets(f"{self.label} could not be fetched: {failure.what}", self.authorization),
            details=tuple(details),
            hint=failure.hint,
            cause=failure.cause,
            host_is_down=failure.host_is_down,
        )
        return GaveUp(failed, failure, self.url.origin if failure.host_is_down else "")

    def _redirect(self, location: str) -> Step:
        before = self.url
        if len(location) > LONGEST_LOCATION:
            what = f"{before.netloc} redirects to a URL of {len(location):,} characters"
            return self.give_up(Failure(what=what, cause=f"bad redirect from {before.netloc}"))
        try:
            self._redirected = resolve_location(location, before)
        except InvalidUrlError as error:
            what = f"{before.netloc} redirects to a URL that cannot be used: {error}"
            details = (f"redirected to: {shown_url(location)}",)
            return self.give_up(Failure(what=what, details=details, cause=f"bad redirect from {before.netloc}"))
        if before.scheme == "https" and self.url.scheme == "http":
            what = f"{before.netloc} redirects from https to http, which is not followed"
            hint = "the registry or its proxy has to be mended, or its http URL configured on purpose"
            return self.give_up(Failure(what=what, hint=hint, cause=f"insecure redirect from {before.netloc}"))
        if self._sent_away_by is None and self.url.origin != self.first.origin:
            self._sent_away_by = before
        self._redirects += 1
        if self._redirects > MAXIMUM_REDIRECTS:
            what = f"more than {MAXIMUM_REDIRECTS} redirects"
            return self.give_up(Failure(what=what, cause=f"redirect loop at {before.netloc}"))
        return Again(0)


def check_request(url: str, authorization: str) -> Url | Failure:
    """Read a job's URL, and see that its Authorization value is one header line.

    Returns:
        The URL, or why nothing can be asked for.
    """
    try:
        parsed = parse_url(url)
    except InvalidUrlError as error:
        return Failure(
            what=f"its URL cannot be used: {error}",
            code=RegistryError.code,
            details=(f"url: {shown_url(url)}",),
            hint="check the entry's resolved in package-lock.json, and the setting registry",
            cause="",
        )
    if authorization and not (authorization.isascii() and authorization.isprintable()):
        return Failure(
            what=f"the credentials for {parsed.netloc} contain characters that no header can carry",
            code=ConfigError.code,
            hint="check the token in .npmrc; one read from a file or variable may end with a newline",
            cause=f"unusable credentials for {parsed.netloc}",
        )
    return parsed


def without_secrets(text: str, authorization: str) -> str:
    """The text with the credentials of an Authorization value blotted out: servers quote what they were sent."""
    _, _, credentials = authorization.partition(" ")
    for secret in _secrets(credentials or authorization):
        text = text.replace(secret, "***")
    return text


def _secrets(credentials: str) -> list[str]:
    secrets = [credentials] if credentials else []
    try:
        decoded = base64.b64decode(credentials, validate=True).decode("ascii")
    except (binascii.Error, UnicodeDecodeError, ValueError):
        return secrets
    # a password of a letter or two would blot out every word of the message
    secrets += [part for part in decoded.partition(":")[2:] if len(part) > 3]
    return secrets
