"""libcurl on an event loop: the multi-socket API, with libcurl's sockets and its timer registered on the loop.

libcurl says by callbacks which sockets it waits for and when it wants to be called; the loop calls back. libcurl must
not be entered again from one of its callbacks, so everything that starts, ends or resumes a transfer does so from a
callback of the loop. pycurl prints an exception of a callback and goes on, which would be a hang later, so every
callback here is guarded and hands what it caught to `on_crash`.

The sockets are in an epoll set of their own, and the loop waits for that. libcurl stops waiting for a connection's
socket after each transfer, and begins anew with the next. To a loop that is a watcher less and a watcher more, six
system calls and as much Python as the rest of a small document takes. Here the socket just stays in the set, and the
kernel takes it out when libcurl closes it, which libcurl tells nobody.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import select
from collections.abc import Callable
from typing import Any, TypeVar, cast

import msgspec
import pycurl
import uvloop

_Function = TypeVar("_Function", bound=Callable[..., Any])

#: What libcurl waits for, as epoll has it.
_EVENTS = {
    pycurl.POLL_IN: select.EPOLLIN,
    pycurl.POLL_OUT: select.EPOLLOUT,
    pycurl.POLL_INOUT: select.EPOLLIN | select.EPOLLOUT,
}

#: What has come, as libcurl is told.
_ACTIONS = {
    select.EPOLLIN: pycurl.CSELECT_IN,
    select.EPOLLOUT: pycurl.CSELECT_OUT,
    select.EPOLLIN | select.EPOLLOUT: pycurl.CSELECT_IN | pycurl.CSELECT_OUT,
}

#: What is told unasked: the socket will have no more to say.
_TROUBLE = select.EPOLLERR | select.EPOLLHUP

#: Requests that share a connection where HTTP/2 is spoken. One connection for all would have one congestion window,
#: which opens slowly: with round trips of 60 ms 71 tarballs took 1.08 s on one connection, 0.82 s on four, 0.96 s on 48
#: of HTTP/1.1 (relayed with delays), for less than half of the latter's processor time.
STREAMS_A_CONNECTION = 16

#: Called in an ``except`` block with what no code expected; does not return.
CrashHandler = Callable[[], None]


def new_event_loop() -> asyncio.AbstractEventLoop:
    """The loop for libcurl.

    Raises:
        OSError: there is no descriptor for it. libuv itself ends the process where it gets none for its pipe.
    """
    for end in os.pipe():
        os.close(end)
    return uvloop.new_event_loop()


class Finished(msgspec.Struct, frozen=True):
    """A transfer that ended: the handle, libcurl's error code (0: none) and its message."""

    handle: Any
    code: int
    message: str


FinishedHandler = Callable[[list[Finished]], None]


def guarded(function: _Function, on_crash: CrashHandler) -> _Function:
    """The same callback, except that whatever it raises goes to `on_crash`."""

    def call(*arguments: Any) -> Any:
        try:
            return function(*arguments)
        except BaseException:
            # the caller is libcurl's C code: nothing can pass through it
            on_crash()
            raise

    return cast("_Function", call)


class CurlLoop:
    """Runs libcurl transfers on `loop`.

    Args:
        loop: the event loop, not necessarily running yet.
        kept_connections: how many idle connections stay open.
        on_finished: gets each transfer that ended once, outside of libcurl; it has to remove their handles, and may add
            others.
        on_crash: see `CrashHandler`.

    Raises:
        MemoryError: libcurl lacks memory, or a descriptor.
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        kept_connections: int,
        on_finished: FinishedHandler,
        on_crash: CrashHandler,
    ) -> None:
        self._loop = loop
        self._on_finished = on_finished
        try:
            self._multi = pycurl.CurlMulti()
        except pycurl.error as error:
            # it has failed to get memory or a descriptor, and does not say which
            raise MemoryError(str(error)) from error
        self._multi.setopt(pycurl.M_PIPELINING, pycurl.PIPE_MULTIPLEX)
        self._multi.setopt(pycurl.M_MAX_CONCURRENT_STREAMS, STREAMS_A_CONNECTION)
        self._multi.setopt(pycurl.M_MAXCONNECTS, kept_connections)
        self._multi.setopt(pycurl.M_SOCKETFUNCTION, guarded(self._watch, on_crash))
        self._multi.setopt(pycurl.M_TIMERFUNCTION, guarded(self._set_timer, on_crash))
        self._timer: asyncio.Handle | None = None
        #: all and only sockets that libcurl waits for, with what for
        self._watched: dict[int, int] = {}
        #: these sockets, and some for which libcurl has waited before
        self._sockets = select.epoll()
        loop.add_reader(self._sockets.fileno(), self._on_events)
        #: all and only handles that were added and not removed
        self._handles: set[Any] = set()

    def add(self, handle: Any) -> None:
        """Start the transfer of an easy handle."""
        self._multi.add_handle(handle)
        self._handles.add(handle)

    def remove(self, handle: Any) -> None:
        """Take a handle out, finished or not; it can be added again."""
        self._handles.remove(handle)
        self._multi.remove_handle(handle)

    def resume(self, handle: Any) -> None:
        """Let a paused transfer go on; its write callback may be called before this returns."""
        handle.pause(pycurl.PAUSE_CONT)

    def close(self) -> None:
        """End all transfers and connections without telling anybody."""
        for handle in list(self._handles):
            self.remove(handle)
        self._multi.close()
        self._loop.remove_reader(self._sockets.fileno())
        self._sockets.close()
        if self._timer is not None:
            self._timer.cancel()

    def _watch(self, what: int, descriptor: int, _multi: Any, _data: Any) -> None:
        before = self._watched.pop(descriptor, 0)
        if what in _EVENTS:
            self._watched[descriptor] = what
            if what != before:
                self._wait_for(descriptor, _EVENTS[what])
        elif what == pycurl.POLL_NONE or before & pycurl.POLL_OUT:
            # it may be in trouble for as long as libcurl does not look, and an idle socket can always be written to
            self._forget(descriptor)

    def _wait_for(self, descriptor: int, events: int) -> None:
        try:
            self._sockets.modify(descriptor, events)
        except FileNotFoundError:
            # a new one, whatever other socket may have had its number before
            self._sockets.register(descriptor, events)

    def _forget(self, descriptor: int) -> None:
        # it may be closed already, and gone from the set with that
        with contextlib.suppress(OSError):
            self._sockets.unregister(descriptor)

    def _on_events(self) -> None:
        for descriptor, events in self._sockets.poll(0):
            # what came before may have changed that
            what = self._watched.get(descriptor)
            if what is None:
                # most often the other side has closed the connection, which libcurl will see when it wants to use it
                self._forget(descriptor)
            elif events & _TROUBLE:
                self._act(descriptor, what | pycurl.CSELECT_ERR)
            else:
                self._act(descriptor, _ACTIONS[events])

    def _set_timer(self, wait_ms: int) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if wait_ms == 0:
            self._timer = self._loop.call_soon(self._tick)
        elif wait_ms > 0:
            self._timer = self._loop.call_later(wait_ms / 1000, self._tick)

    def _tick(self) -> None:
        self._timer = None
        self._act(pycurl.SOCKET_TIMEOUT, 0)

    def _act(self, descriptor: int, events: int) -> None:
        _, running = self._multi.socket_action(descriptor, events)
        # asking libcurl for finished transfers builds three objects a call; most events finish none
        if running < len(self._handles):
            self._reap()

    def _reap(self) -> None:
        finished: list[Finished] = []
        queued = 1
        while queued:
            queued, succeeded, failed = self._multi.info_read()
            finished += [Finished(handle, 0, "") for handle in succeeded]
            finished += [Finished(handle, code, message) for handle, code, message in failed]
        if finished:
            self._on_finished(finished)
