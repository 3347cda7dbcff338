"""URLs as Node.js reads them, repairs included: specs are cut with these rules, and locks hold what comes out.

This parser is for telling what a spec means and for printing it as npm prints it. Never send a request, let alone a
token, on its word: for that there is ``pmpipe.npm.texts.url``, which refuses what is repaired here in silence.

A URL is cut from the outside in: fragment, query, scheme; then user, host and port; then the path, whose dot segments
are resolved. Schemes that browsers know (``https`` and so on, called *special*) have their own rules: a backslash is a
slash, the host is a domain name, the path is never empty. ``file`` has further ones, for drive letters. Whatever has
neither ``/`` nor ``//`` behind its scheme is an *opaque* path (``github:user/project``).

Source: WHATWG URL standard, as of Node.js 20 (newer versions also encode ``^`` in paths).
"""

from __future__ import annotations

import re
from collections.abc import Sequence

import msgspec

_DEFAULT_PORTS = {"http": "80", "https": "443", "ftp": "21", "ws": "80", "wss": "443", "file": ""}

# an address has at most 11 digits; converting very long ones would be costly
_LONGEST_NUMBER = 100

_CONTROLS_AND_SPACE = "".join(map(chr, range(0x21)))
_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*):")
_DRIVE_LETTER = re.compile(r"[A-Za-z][:|]")
_STARTS_WITH_DRIVE_LETTER = re.compile(r"[A-Za-z][:|](?:[/\\]|$)")

_PRINTABLE = "\x21-\x7e"
_IN_OPAQUE = re.compile(rf"[^ {_PRINTABLE}]")
_IN_FRAGMENT = re.compile(rf"""["<>`]|[^{_PRINTABLE}]""")
_IN_QUERY = re.compile(rf"""["#<>]|[^{_PRINTABLE}]""")
_IN_SPECIAL_QUERY = re.compile(rf"""["#<>']|[^{_PRINTABLE}]""")
_IN_PATH = re.compile(rf"""["#<>?`{{}}]|[^{_PRINTABLE}]""")
_IN_USER = re.compile(rf"""["#<>?`{{}}/:;=@\[\\\]^|]|[^{_PRINTABLE}]""")
_FORBIDDEN_IN_HOST = re.compile(r"[\x00\t\n\r #/:<>?@\[\\\]^|]")
_IGNORED_IN_DOMAIN = re.compile("[\u00ad\u034f\u180b-\u180d\u200b\u2060\u2064\ufe00-\ufe0f\ufeff]")
_FORBIDDEN_IN_DOMAIN = re.compile(r"[\x00-\x20\x7f#/:<>?@\[\\\]^|%]")


class WhatwgUrl(msgspec.Struct, frozen=True):
    """A URL that has been cut; everything is percent-encoded where it must be.

    Attributes:
        scheme: in lower case, without the colon.
        username: empty if there is none; `password` too.
        host: without the port; None where the URL has no ``//``.
        port: digits, or empty for the scheme's default.
        path: with its leading slash, if it has one.
        is_opaque: the path is a mere text.
        query: None if there is no ``?``.
        fragment: None if there is no ``#``.
    """

    scheme: str
    username: str = ""
    password: str = ""
    host: str | None = None
    port: str = ""
    path: str = ""
    is_opaque: bool = False
    query: str | None = None
    fragment: str | None = None

    @property
    def hostname(self) -> str:
        """The host, or an empty string."""
        return self.host or ""

    def without_fragment(self) -> WhatwgUrl:
        """The URL up to its ``#``; spaces at the end of an opaque path go as well if they come to stand last."""
        path = self.path.rstrip(" ") if self.is_opaque and self.query is None else self.path
        return msgspec.structs.replace(self, fragment=None, path=path)

    def __str__(self) -> str:
        return "".join(
            (
                f"{self.scheme}:",
                self._authority(),
                self.path,
                "" if self.query is None else f"?{self.query}",
                "" if self.fragment is None else f"#{self.fragment}",
            )
        )

    def _authority(self) -> str:
        if self.host is None:
            # without this, the path's own slashes would be read as those of a host
            return "/." if self.path.startswith("//") and not self.is_opaque else ""
        password = f":{self.password}" if self.password else ""
        user = f"{self.username}{password}@" if self.username or password else ""
        return f"//{user}{self.host}{':' if self.port else ''}{self.port}"


class _Malformed(Exception):  # noqa: N818
    """The text is no URL."""


def parse_whatwg_url(text: str, base: WhatwgUrl | None = None) -> WhatwgUrl | None:
    """Cut a URL into its parts.

    Args:
        text: the URL; it must have a scheme.
        base: a ``file`` URL; relative paths of other ``file`` URLs begin at its folder.

    Returns:
        the URL, or None where Node.js's ``new URL()`` throws.
    """
    text = re.sub("[\ud800-\udfff]", "\ufffd", text.strip(_CONTROLS_AND_SPACE))
    text = text.replace("\t", "").replace("\n", "").replace("\r", "")
    scheme_found = _SCHEME.match(text)
    if scheme_found is None:
        return None
    scheme = scheme_found[1].lower()
    rest, fragment_mark, fragment = text[scheme_found.end() :].partition("#")
    rest, query_mark, query = rest.partition("?")
    try:
        url = _read_file(rest, base) if scheme == "file" else _read_other(scheme, rest)
    except _Malformed:
        return None
    in_query = _IN_SPECIAL_QUERY if scheme in _DEFAULT_PORTS else _IN_QUERY
    return msgspec.structs.replace(
        url,
        query=_encode(query, in_query) if query_mark else url.query,
        fragment=_encode(fragment, _IN_FRAGMENT) if fragment_mark else None,
    )


def decode_uri_component(text: str) -> str | None:
    """Resolve percent-encoding as JavaScript's function of that name; None where it throws."""
    if "%" not in text:
        return text
    if re.search("%(?![0-9A-Fa-f]{2})", text):
        return None
    try:
        return re.sub("(?:%[0-9A-Fa-f]{2})+", lambda found: bytes.fromhex(found[0].replace("%", "")).decode(), text)
    except UnicodeDecodeError:
        return None


def encode_uri_component(text: str) -> str:
    """Percent-encode all but letters, digits and ``-_.!~*'()``, as JavaScript's function of that name."""
    return _encode(text, re.compile(r"[^A-Za-z0-9\-_.!~*'()]"))


def _encode(text: str, to_encode: re.Pattern[str]) -> str:
    def percent(found: re.Match[str]) -> str:
        return "".join(f"%{byte:02X}" for byte in found[0].encode("utf-8", "replace"))

    return to_encode.sub(percent, text)


def _read_other(scheme: str, rest: str) -> WhatwgUrl:
    special = scheme in _DEFAULT_PORTS
    if special:
        rest = rest.replace("\\", "/").lstrip("/")
    elif rest.startswith("//"):
        rest = rest[2:]
    elif rest.startswith("/"):
        return WhatwgUrl(scheme, path=_resolve_path(rest[1:].split("/")))
    else:
        return WhatwgUrl(scheme, path=_encode(rest, _IN_OPAQUE), is_opaque=True)
    authority, slash, path = rest.partition("/")
    userinfo, at, host_and_port = authority.rpartition("@")
    username, _, password = userinfo.partition(":")
    host_text, port = _split_port(host_and_port, scheme)
    if not host_text and (special or at):
        raise _Malformed
    return WhatwgUrl(
        scheme,
        _encode(username, _IN_USER),
        _encode(password, _IN_USER),
        _read_domain(host_text) if special else _read_opaque_host(host_text),
        port,
        _resolve_path(path.split("/")) if slash or special else "",
    )


def _split_port(text: str, scheme: str) -> tuple[str, str]:
    found = re.fullmatch(r"((?:\[[^\]]*\]?|[^:\[])*)(?::([0-9]*))?", text)
    if found is None or (found[2] is not None and not found[1]):
        raise _Malformed
    digits = (found[2] or "").lstrip("0")
    if not found[2]:
        return found[1], ""
    if len(digits) > 5 or int(digits or "0") > 65535:
        raise _Malformed
    port = digits or "0"
    return found[1], "" if port == _DEFAULT_PORTS.get(scheme) else port


def _read_opaque_host(text: str) -> str:
    if text.startswith("["):
        return _read_ipv6(text)
    if _FORBIDDEN_IN_HOST.search(text):
        raise _Malformed
    return _encode(text, _IN_OPAQUE)


def _read_domain(text: str) -> str:
    if text.startswith("["):
        return _read_ipv6(text)
    domain = re.sub(
        "(?:%[0-9A-Fa-f]{2})+", lambda found: bytes.fromhex(found[0].replace("%", "")).decode("utf-8", "replace"), text
    )
    domain = _to_ascii(domain) if not domain.isascii() else domain.lower()
    if not domain or _FORBIDDEN_IN_DOMAIN.search(domain):
        raise _Malformed
    labels = domain.removesuffix(".").split(".")
    if re.fullmatch("[0-9]+|0x[0-9a-f]*", labels[-1]):
        return _read_ipv4(labels)
    return domain


def _to_ascii(domain: str) -> str:
    """Internationalised names: what the standard maps is close to NFKC in lower case; then comes Punycode."""
    import unicodedata

    mapped = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", domain).lower())
    mapped = _IGNORED_IN_DOMAIN.sub("", mapped).replace("\u3002", ".")
    # controls, spaces, unassigned code points, and what bytes that are no UTF-8 have become
    if any(unicodedata.category(char)[0] in "CZ" or char == "\ufffd" for char in mapped if char > "\x7f"):
        raise _Malformed
    labels = mapped.split(".")
    return ".".join(label if label.isascii() else f"xn--{label.encode('punycode').decode('ascii')}" for label in labels)


def _read_ipv4_number(label: str) -> int:
    pattern, base = (
        (r"0x([0-9a-f]*)", 16)
        if label.startswith("0x")
        else (r"0([0-7]*)", 8)
        if label[:1] == "0"
        else (r"([0-9]+)", 10)
    )
    found = re.fullmatch(pattern, label)
    if found is None or len(label) > _LONGEST_NUMBER:
        raise _Malformed
    return int(found[1] or "0", base)


def _read_ipv4(labels: Sequence[str]) -> str:
    numbers = [_read_ipv4_number(label) for label in labels]
    *leading, last = numbers
    if (
        len(numbers) > 4
        or any(not 0 <= number < 256 for number in leading)
        or not 0 <= last < 256 ** (4 - len(leading))
    ):
        raise _Malformed
    address = sum((number << (8 * (3 - index)) for index, number in enumerate(leading)), last)
    return ".".join(map(str, address.to_bytes(4, "big")))


def _read_ipv6(text: str) -> str:
    import ipaddress

    if not text.endswith("]") or "%" in text:
        raise _Malformed
    try:
        address = ipaddress.IPv6Address(text[1:-1])
    except ValueError as error:
        raise _Malformed from error
    pieces = [f"{int(piece, 16):x}" for piece in address.exploded.split(":")] if "." not in address.exploded else []
    return f"[{_compress_zeros(pieces)}]"


def _compress_zeros(pieces: Sequence[str]) -> str:
    """The eight pieces of an IPv6 address with the first of its longest runs of zeros, if over one, made ``::``."""
    text = ":".join(pieces)
    for length in range(8, 1, -1):
        zeros = ":".join("0" * length)
        found = re.search(rf"(?:^|(?<=:)){zeros}(?=:|$)", text)
        if found is not None:
            return f"{text[: found.start()].removesuffix(':')}::{text[found.end() :].removeprefix(':')}"
    return text


def _resolve_path(segments: Sequence[str], start: Sequence[str] = (), drives: bool = False) -> str:
    """Encode the segments of a path and resolve ``.`` and ``..``.

    Args:
        segments: what stood between the slashes.
        start: segments that are already resolved, for relative paths.
        drives: a first segment such as ``C:`` is a drive, which ``..`` does not leave.
    """
    resolved = list(start)
    for index, segment in enumerate(segments):
        dots = segment.lower().replace("%2e", ".")
        if dots == "..":
            _drop_last(resolved, drives)
        elif dots != ".":
            if drives and not resolved and _DRIVE_LETTER.fullmatch(segment):
                segment = f"{segment[0]}:"  # noqa: PLW2901
            resolved.append(_encode(segment, _IN_PATH))
            continue
        if index == len(segments) - 1:
            resolved.append("")
    return "".join(f"/{segment}" for segment in resolved)


def _drop_last(segments: list[str], drives: bool) -> None:
    # by the standard only "C:" is a drive; Node.js stays in "C:x" as well
    if not (drives and len(segments) == 1 and re.match("[A-Za-z]:", segments[0])):
        del segments[-1:]


def _is_drive(segment: str) -> bool:
    return segment.endswith(":") and _DRIVE_LETTER.fullmatch(segment) is not None


def _read_file(rest: str, base: WhatwgUrl | None) -> WhatwgUrl:
    rest = rest.replace("\\", "/")
    base_segments = base.path.split("/")[1:] if base is not None else []
    if rest.startswith("//"):
        host, slash, path = rest[2:].partition("/")
        if _DRIVE_LETTER.fullmatch(host):
            return WhatwgUrl("file", host="", path=_resolve_path(rest[2:].split("/"), drives=True))
        host = _read_domain(host) if host else ""
        segments = path.split("/") if slash else [""]
        return WhatwgUrl("file", host="" if host == "localhost" else host, path=_resolve_path(segments, drives=True))
    host = base.hostname if base is not None else ""
    if rest.startswith("/"):
        drive = (
            [] if _STARTS_WITH_DRIVE_LETTER.match(rest[1:]) else [part for part in base_segments[:1] if _is_drive(part)]
        )
        return WhatwgUrl("file", host=host, path=_resolve_path(rest[1:].split("/"), drive, drives=True))
    if base is None or _STARTS_WITH_DRIVE_LETTER.match(rest):
        return WhatwgUrl("file", host=host, path=_resolve_path(rest.split("/"), drives=True))
    if not rest:
        return WhatwgUrl("file", host=host, path=base.path, query=base.query)
    _drop_last(base_segments, drives=True)
    return WhatwgUrl("file", host=host, path=_resolve_path(rest.split("/"), base_segments, drives=True))
