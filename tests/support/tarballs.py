"""Tar archives written field by field, so that each test can damage exactly one thing."""

from __future__ import annotations

import gzip
import struct

BLOCK = 512
END = bytes(2 * BLOCK)


def octal(number: int, digits: int) -> bytes:
    """A number as tar writes it: octal digits and a NUL."""
    return b"%0*o\0" % (digits, number)


def header(
    name: bytes,
    *,
    size: int | bytes = 0,
    kind: bytes = b"0",
    mode: int | bytes = 0o644,
    link: bytes = b"",
    prefix: bytes = b"",
    magic: bytes = b"ustar\x0000",
    checksum: bytes | None = None,
) -> bytes:
    """One header of 512 bytes; numbers given as bytes are written as they are, the checksum is right unless given."""
    size_field = size if isinstance(size, bytes) else octal(size, 11)
    mode_field = mode if isinstance(mode, bytes) else octal(mode, 7)
    block = struct.pack(
        "100s8s8s8s12s12s8ss100s8s32s32s8s8s155s12x",
        name,
        mode_field,
        octal(0, 7),
        octal(0, 7),
        size_field,
        octal(499162500, 11),
        b" " * 8,
        kind,
        link,
        magic,
        b"",
        b"",
        octal(0, 7),
        octal(0, 7),
        prefix,
    )
    field = b"%06o\0 " % sum(block) if checksum is None else checksum
    return block[:148] + field + block[156:]


def padded(content: bytes) -> bytes:
    """Content filled up with zeros to whole blocks."""
    return content + bytes(-len(content) % BLOCK)


def member(name: bytes, content: bytes = b"", **fields) -> bytes:
    """A header and its content; the size is right unless given."""
    return header(name, **{"size": len(content), **fields}) + padded(content)


def pax(records: dict[str, str | bytes], kind: bytes = b"x") -> bytes:
    """An extended header with these records."""
    content = b""
    for key, value in records.items():
        record = b" %s=%s\n" % (key.encode(), value if isinstance(value, bytes) else value.encode())
        length = len(record)
        while len(b"%d" % length) + len(record) != length:
            length = len(b"%d" % length) + len(record)
        content += b"%d" % length + record
    return member(b"PaxHeader/x", content, kind=kind)


def gnu_long_name(name: bytes) -> bytes:
    """GNU's extension for names of over 100 bytes, in front of the member."""
    return member(b"././@LongLink", name + b"\0", kind=b"L")


def tar(*parts: bytes) -> bytes:
    """Members one after the other, and the end."""
    return b"".join(parts) + END


def tgz(*parts: bytes) -> bytes:
    """The same, gzipped, byte for byte reproducible."""
    return gzip.compress(tar(*parts), mtime=0)


def package_json(**fields) -> bytes:
    """The member every package has."""
    import json

    return member(b"package/package.json", json.dumps({"name": "p", "version": "1.0.0", **fields}).encode())
