"""libdeflate into memory of our own choosing.

The `deflate` package brings libdeflate, but its Python functions make a new object for every result. For tarballs that
come out at megabytes, the page faults of fresh memory cost a fifth of the inflating; and they do not say how much of
the input was used, so that everything has to be summed up a second time. The shared library in the package exports
libdeflate's own functions, which do both. Where a build of the package does not, or ctypes is missing, the Python
functions serve.
"""

from __future__ import annotations

from collections.abc import Callable

import deflate

GunzipInto = Callable[[memoryview, memoryview], bool]

#: Name of the function that also tells how many bytes it has read and written.
_FUNCTION = "libdeflate_gzip_decompress_ex"


def gunzip(compressed: memoryview, length: int) -> bytearray | None:
    """The content of a gzip file that is one member of exactly that length; None if it is anything else or damaged."""
    try:
        content: bytearray = deflate.gzip_decompress(compressed, length)
    except deflate.DeflateError:
        return None
    # it stops after the first member, and compares with that one's trailer: only if it is also the file's last
    # eight bytes, the member was all there is
    checksum = int.from_bytes(compressed[-8:-4], "little")
    return content if len(content) == length and deflate.crc32(content) == checksum else None


def by_package(room: memoryview, compressed: memoryview) -> bool:
    """See `gunzip_into`: with the package's own functions."""
    content = gunzip(compressed, len(room))
    if content is None:
        return False
    room[:] = content
    return True


def by_library() -> GunzipInto | None:
    """See `gunzip_into`: with libdeflate's own function, or None where it cannot be reached."""
    try:
        import ctypes

        from deflate import _deflate

        library = ctypes.CDLL(_deflate.__file__)
        decompress = library[_FUNCTION]
        allocate = library.libdeflate_alloc_decompressor
    except (ImportError, OSError, AttributeError):
        return None
    allocate.restype = ctypes.c_void_p
    size_t = ctypes.c_size_t
    pointer = ctypes.c_void_p
    decompress.argtypes = [pointer, pointer, size_t, pointer, size_t, pointer, pointer]
    decompressor = allocate()
    if not decompressor:
        return None
    read, written = size_t(), size_t()
    read_at, written_at = ctypes.byref(read), ctypes.byref(written)
    address_of, first_byte = ctypes.addressof, ctypes.c_char.from_buffer

    def into(room: memoryview, compressed: memoryview) -> bool:
        if compressed.readonly:
            # ctypes tells the address of writable memory only
            return by_package(room, compressed)
        status = decompress(
            decompressor,
            address_of(first_byte(compressed)),
            len(compressed),
            address_of(first_byte(room)),
            len(room),
            read_at,
            written_at,
        )
        return status == 0 and read.value == len(compressed) and written.value == len(room)

    return into


#: Unpacks into `room` a gzip file that is one member of exactly that length; neither is empty. False if the file is
#: anything else or damaged; then the room's content is undefined.
gunzip_into: GunzipInto = by_library() or by_package
