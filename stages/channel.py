"""A bounded queue of datagrams between processes.

`multiprocessing.Queue` would do the same with a pipe, a lock that every reader and writer takes, and a feeder thread
in each process. Each of the three breaks a promise of this program: a worker that is killed while it holds the lock
stops all others, a message that is cut off in the middle of the pipe blocks its reader for ever, and a thread in the
main process makes every later fork unsafe. So a `Channel` is one ``SOCK_SEQPACKET`` pair: the kernel keeps messages
whole, any number of processes may send and receive without a lock, and what a killed process had not sent completely
was not sent at all. The bound is a `multiprocessing` semaphore that counts the free slots.
"""

from __future__ import annotations

import errno
import os
import queue
import socket
from multiprocessing.context import BaseContext
from multiprocessing.synchronize import Semaphore

#: Where the C library keeps semaphores.
SEMAPHORES = "/dev/shm"  # noqa: S108 - nothing is written there by name

#: A datagram may have this many bytes; the socket buffers are set so that one of them always fits.
MAXIMUM_DATAGRAM_BYTES = 128 << 10

#: A worker that waits for a free slot looks this often (seconds) whether the supervisor still lives.
_ORPHAN_CHECK_S = 0.5

#: Room for the kernel's bookkeeping of one datagram on top of its bytes.
_BUFFER_BYTES = 4 * MAXIMUM_DATAGRAM_BYTES


#: Flags of a message that is sent now or not at all; joined once, for that takes longer than sending.
_AT_ONCE = int(socket.MSG_DONTWAIT | socket.MSG_NOSIGNAL)


class ChannelEnded(Exception):  # noqa: N818 - an end, not an error
    """Every sender is gone and nothing is left to receive."""


def _semaphore(context: BaseContext, slots: int) -> Semaphore:
    try:
        return context.Semaphore(slots)
    except OSError as error:
        # which the system's error does not say
        raise OSError(error.errno, error.strerror, SEMAPHORES) from error


class Channel:
    """A queue of at most `slots` datagrams; made before a fork, used on one end by each side.

    Args:
        context: the multiprocessing context whose processes will share it (``fork``).
        slots: how many datagrams may lie in it, sent and not yet received.
        name: for error messages.

    Raises:
        OSError: the system has no room for a semaphore or a pair of sockets.
    """

    def __init__(self, context: BaseContext, slots: int, name: str) -> None:
        self.slots = slots
        self.name = name
        self._owner = os.getpid()
        self._free = _semaphore(context, slots)
        self._receiving, self._sending = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._sending.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _BUFFER_BYTES)

    def try_put(self, datagram: bytes) -> bool:
        """Send without ever blocking; False if the kernel has no room for so many bytes just now.

        Raises:
            queue.Full: no slot is free. The supervisor counts, so there it is a bug.
            OSError: the other side is gone, or the datagram is longer than `MAXIMUM_DATAGRAM_BYTES`.
        """
        self._check(datagram)
        if not self._free.acquire(block=False):
            raise queue.Full(self.name)
        try:
            self._sending.send(datagram, _AT_ONCE)
        except BlockingIOError:
            self._free.release()
            return False
        return True

    def put(self, datagram: bytes) -> None:
        """Send, and wait for a free slot if there is none: this is a worker's back-pressure.

        Raises:
            OSError: the supervisor is gone, or the datagram is longer than `MAXIMUM_DATAGRAM_BYTES`.
        """
        self._check(datagram)
        while not self._free.acquire(timeout=_ORPHAN_CHECK_S):
            if os.getpid() != self._owner and os.getppid() != self._owner:
                raise BrokenPipeError(f"nobody receives from {self.name} any more")
        self._sending.send(datagram, socket.MSG_NOSIGNAL)

    def _check(self, datagram: bytes) -> None:
        # the kernel would take more than that, and cut it off without a word when it is received
        if len(datagram) > MAXIMUM_DATAGRAM_BYTES:
            raise OSError(errno.EMSGSIZE, f"a datagram of {len(datagram)} bytes for {self.name}")

    def get(self) -> bytes | None:
        """Receive one datagram, waiting for it; None when every sender is gone."""
        datagram = self._receiving.recv(MAXIMUM_DATAGRAM_BYTES)
        if not datagram:
            return None
        self._free.release()
        return datagram

    def get_nowait(self) -> bytes | None:
        """Receive one datagram if one is there; None if there is none now.

        Raises:
            ChannelEnded: none is there and none will come.
        """
        try:
            datagram = self._receiving.recv(MAXIMUM_DATAGRAM_BYTES, socket.MSG_DONTWAIT)
        except BlockingIOError:
            return None
        if not datagram:
            raise ChannelEnded(self.name)
        self._free.release()
        return datagram

    def fileno(self) -> int:
        """The receiving end's descriptor, to wait on."""
        return self._receiving.fileno()

    def keep_receiving(self) -> None:
        """Close the sending end in this process: it only receives from now on."""
        self._sending.close()

    def keep_sending(self) -> None:
        """Close the receiving end in this process: it only sends from now on."""
        self._receiving.close()

    def close(self) -> None:
        """Close both ends in this process; closing twice is harmless."""
        self._receiving.close()
        self._sending.close()
