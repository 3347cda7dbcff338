"""Subresource Integrity as npm uses it: parse, choose the strongest algorithm, compare.

Source: W3C Subresource Integrity; npm's ssri.
"""

from __future__ import annotations

import binascii
from functools import lru_cache

import msgspec

from pmpipe.errors import IntegrityError

#: Algorithms that npm accepts, strongest first, with the digest's length in bytes.
ALGORITHMS = {"sha512": 64, "sha384": 48, "sha256": 32, "sha1": 20}


class Digest(msgspec.Struct, frozen=True, order=True):
    """One digest: `algorithm` is a key of `ALGORITHMS`, `hex` the digest in lower-case hexadecimal."""

    algorithm: str
    hex: str

    def __str__(self) -> str:
        return f"{self.algorithm}-{binascii.b2a_base64(bytes.fromhex(self.hex), newline=False).decode()}"


@lru_cache(maxsize=16384)
def parse(text: str) -> tuple[Digest, ...]:
    """All usable digests of an SRI string, in their order; unknown algorithms and malformed digests are passed over.

    Args:
        text: for example ``sha512-…== sha1-…=?opt``; options behind ``?`` are ignored.
    """
    return tuple(digest for word in text.split() if (digest := _parse_word(word)) is not None)


@lru_cache(maxsize=16384)
def strongest(text: str) -> tuple[Digest, ...]:
    """The digests of the strongest algorithm in an SRI string; a tarball must match any one of them.

    Raises:
        IntegrityError: there is no usable digest at all.
    """
    digests = parse(text)
    for algorithm in ALGORITHMS:
        chosen = tuple(digest for digest in digests if digest.algorithm == algorithm)
        if chosen:
            return chosen
    raise IntegrityError(
        f"no usable digest in integrity {text[:120]!r}",
        hint="expected sha512-…, sha384-…, sha256-… or sha1-… with a base64 digest",
    )


def _parse_word(word: str) -> Digest | None:
    algorithm, dash, rest = word.partition("-")
    length = ALGORITHMS.get(algorithm)
    if not dash or length is None:
        return None
    encoded = rest.partition("?")[0]
    try:
        raw = binascii.a2b_base64(encoded)
    except (binascii.Error, ValueError):
        return None
    # a2b_base64 skips what is not base64; only what encodes back to itself was a digest
    well_formed = binascii.b2a_base64(raw, newline=False).decode() == encoded
    return Digest(algorithm, raw.hex()) if well_formed and len(raw) == length else None
