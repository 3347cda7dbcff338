"""http and https URLs, cut strictly: what decides where a token goes may not be read in two ways.

The result agrees with the URL standard that Node.js follows (host in lower case, default port left out, dot segments
resolved), but what that standard repairs in silence is refused: backslashes, control characters, blanks, missing
slashes and percent-encoded hosts. libcurl reads some of those differently, and then a token would go to the wrong host.
Only `parse_tarball_url` repairs some of it, where it cannot mislead.
"""

from __future__ import annotations

import functools
import re

import msgspec

#: ports that a URL of the scheme does not write out
_DEFAULT_PORTS = {"http": 80, "https": 443, "ftp": 21}

_FORBIDDEN = re.compile(r"[\x00-\x20\x7f\\]")
_SPACE_OR_BACKSLASH = re.compile(r"[\s\\]")
#: what is no blank and no tab
_ODD_SPACE = re.compile(r"[^\S \t]")
_HOST = re.compile(r"[a-z0-9._~-]+|\[[0-9a-f:]*:[0-9a-f:.]*\]")
#: a registry's URLs: no user, no dot segment, nothing to be encoded, neither query nor fragment
_PLAIN = re.compile(r"(https?)://([a-z0-9.:-]+)((?:/(?:[A-Za-z0-9@_~-]|%2[fF])(?:[A-Za-z0-9@._~-]|%2[fF])*)+)")
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:")
_TO_ENCODE = re.compile(r'["<>`{}]|[^\x21-\x7e]')


class InvalidUrlError(ValueError):
    """The text is no URL of the expected kind; the message says why, without the text itself."""


class Url(msgspec.Struct, frozen=True):
    """The parts of an absolute URL.

    Attributes:
        scheme: in lower case, without the colon.
        userinfo: what stands before the ``@``, still percent-encoded; empty where there is nothing.
        host: in lower case, an IPv6 address in its brackets.
        port: None for the scheme's default port, however it was written.
        path: starts with a slash; dot segments are resolved.
        suffix: query and fragment with their leading ``?`` or ``#``, or empty.
    """

    scheme: str
    userinfo: str
    host: str
    port: int | None
    path: str
    suffix: str

    @property
    def netloc(self) -> str:
        """``host`` or ``host:port``, never the user."""
        return self.host if self.port is None else f"{self.host}:{self.port}"

    @property
    def origin(self) -> str:
        """``scheme://host[:port]``: two URLs with the same one go to the same server."""
        return f"{self.scheme}://{self.netloc}"

    @property
    def request_target(self) -> str:
        """Path and query, as a request line has them: never a fragment, nor the mark of a query that is empty."""
        query = self.suffix.partition("#")[0]
        return self.path if query == "?" else f"{self.path}{query}"

    @property
    def public_href(self) -> str:
        """The whole URL without the user, safe to show and to store."""
        return f"{self.origin}{self.path}{self.suffix}"

    @property
    def href(self) -> str:
        """The whole URL with the user, if it has one."""
        user = f"{self.userinfo}@" if self.userinfo else ""
        return f"{self.scheme}://{user}{self.netloc}{self.path}{self.suffix}"


def parse_url(text: str, schemes: tuple[str, ...] = ("http", "https")) -> Url:
    """Cut an absolute URL into its parts.

    Args:
        text: the URL; blanks around it are ignored.
        schemes: the accepted schemes, in lower case.

    Raises:
        InvalidUrlError: it is no URL, has another scheme, or can be read in more than one way.

    Source: WHATWG URL standard, without its repairs.
    """
    trimmed = text.strip()
    plain = _PLAIN.fullmatch(trimmed)
    if plain is not None and plain[1] in schemes:
        # thousands of URLs of a few hosts: nothing in such a path is encoded or a dot segment
        host, port = _authority(plain[2], plain[1])
        return Url(scheme=plain[1], userinfo="", host=host, port=port, path=plain[3], suffix="")
    if _FORBIDDEN.search(trimmed):
        raise InvalidUrlError("it contains blanks, control characters or backslashes")
    scheme, separator, rest = trimmed.partition("://")
    scheme = scheme.lower()
    if not separator or scheme not in schemes:
        raise InvalidUrlError(f"it does not start with {_choice(schemes)}")
    end_of_path = _first_of(rest, "?#")
    end_of_authority = _first_of(rest[:end_of_path], "/")
    userinfo, _, place = rest[:end_of_authority].rpartition("@")
    host, port = _authority(place, scheme)
    return Url(
        scheme=scheme,
        userinfo=userinfo,
        host=host,
        port=port,
        path=_resolve_dots(_encode(rest[end_of_authority:end_of_path] or "/")),
        suffix=_encode(rest[end_of_path:]),
    )


def parse_tarball_url(text: str) -> Url:
    """Cut the URL of a tarball as a registry or a lockfile has it.

    Behind the host it is repaired as the URL standard does it, since npm asks for what comes out: in the path a
    backslash is a slash, a blank is encoded, a tab left out. There it cannot mislead about who is asked, and whoever
    looks for credentials and whoever makes the request get the same repaired path.

    Args:
        text: the URL; blanks behind it are ignored.

    Raises:
        InvalidUrlError: as `parse_url`; also for line breaks and spaces of other kinds.
    """
    if _SPACE_OR_BACKSLASH.search(text) is None:
        return parse_url(text)
    end_of_authority = _end_of_authority(text)
    authority, rest = text[:end_of_authority], text[end_of_authority:].rstrip(" \t")
    if _SPACE_OR_BACKSLASH.search(authority) or _ODD_SPACE.search(rest):
        raise InvalidUrlError("it contains blanks, line breaks or backslashes that can be read in more than one way")
    end_of_path = _first_of(rest, "?#")
    path, suffix = rest[:end_of_path].replace("\\", "/"), rest[end_of_path:]
    return parse_url(authority + f"{path}{suffix}".replace("\t", "").replace(" ", "%20"))


def resolve_location(location: str, base: Url) -> Url:
    """Where a redirect leads.

    Args:
        location: the Location header, of ASCII; blanks in its path or query are encoded.
        base: the URL that was asked for; its user is not taken over.

    Raises:
        InvalidUrlError: it leads to no http or https URL, or can be read in more than one way.

    Source: RFC 3986 section 5.2, RFC 9110 section 10.2.2.
    """
    text = location.strip()
    if _SCHEME.match(text) is None:
        text = _absolute(text, base)
    end_of_authority = _end_of_authority(text)
    return parse_url(text[:end_of_authority] + text[end_of_authority:].replace(" ", "%20"))


def _end_of_authority(text: str) -> int:
    """Where user, host and port of an absolute URL end, as long as nothing in it has to be repaired before."""
    before, mark, rest = text.partition("://")
    return len(before) + len(mark) + _first_of(rest, "/?#")


def _absolute(reference: str, base: Url) -> str:
    if reference.startswith("//"):
        return f"{base.scheme}:{reference}"
    if reference.startswith("/"):
        return f"{base.origin}{reference}"
    if reference.startswith("?"):
        return f"{base.origin}{base.path}{reference}"
    if reference.startswith("#"):
        return f"{base.origin}{base.request_target}{reference}"
    return f"{base.origin}{base.path[: base.path.rindex('/') + 1]}{reference}"


@functools.lru_cache(maxsize=64)
def _authority(place: str, scheme: str) -> tuple[str, int | None]:
    host, port = _host_and_port(place)
    return _host(host), _port(port, scheme)


def _first_of(text: str, characters: str) -> int:
    """Where the first of the characters stands, or the text's length."""
    return min((place for place in map(text.find, characters) if place >= 0), default=len(text))


def _host_and_port(place: str) -> tuple[str, str]:
    if place.startswith("["):
        address, closing, rest = place.partition("]")
        if not closing or (rest and not rest.startswith(":")):
            raise InvalidUrlError("its host is no address in brackets")
        return f"{address}]", rest[1:]
    host, _, port = place.partition(":")
    return host, port


def _choice(schemes: tuple[str, ...]) -> str:
    return " or ".join(f"{scheme}://" for scheme in schemes)


def _host(text: str) -> str:
    host = text.lower()
    if not host.isascii():
        try:
            host = host.encode("idna").decode("ascii")
        except UnicodeError as error:
            raise InvalidUrlError("its host is no internationalised domain name") from error
    if not host:
        raise InvalidUrlError("it names no host")
    if not _HOST.fullmatch(host):
        raise InvalidUrlError("its host contains characters that no host name has")
    if _ends_in_number(host) and not _is_address(host):
        raise InvalidUrlError("its host is an unusual way to write an address; write four decimal numbers")
    return host


def _ends_in_number(host: str) -> bool:
    last = host.removesuffix(".").rpartition(".")[2]
    return last.isdecimal() or (last.startswith("0x") and not last[2:].strip("0123456789abcdef"))


def _is_address(host: str) -> bool:
    parts = host.split(".")
    return len(parts) == 4 and all(part.isdecimal() and len(part) < 4 and str(int(part)) == part for part in parts)


def _port(text: str, scheme: str) -> int | None:
    if not text:
        return None
    digits = text.lstrip("0") or "0"
    if not (digits.isascii() and digits.isdecimal() and len(digits) <= 5 and int(digits) <= 65535):
        raise InvalidUrlError("its port is no number up to 65535")
    port = int(digits)
    return None if port == _DEFAULT_PORTS.get(scheme) else port


def _encode(text: str) -> str:
    def percent(match: re.Match[str]) -> str:
        return "".join(f"%{byte:02X}" for byte in match[0].encode("utf-8", "replace"))

    return _TO_ENCODE.sub(percent, text)


def _resolve_dots(path: str) -> str:
    """Resolve ``.`` and ``..``, also percent-encoded, so that no prefix of a path can be left again."""
    if "." not in path and "%2" not in path:
        return path
    resolved: list[str] = []
    segments = path[1:].split("/")
    for index, segment in enumerate(segments):
        plain = segment.replace("%2e", ".").replace("%2E", ".")
        last = index == len(segments) - 1
        if plain == "..":
            del resolved[-1:]
        elif plain != ".":
            resolved.append(segment)
            continue
        if last:
            resolved.append("")
    return "/" + "/".join(resolved)
