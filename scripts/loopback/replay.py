"""Serves a recording again on loopback: by nginx where it is installed, else by the Python server on uvloop."""

from __future__ import annotations

from types import TracebackType
from typing import TYPE_CHECKING, Literal, Protocol

from loopback import nginx
from loopback.http1 import NOT_FOUND, Request, Response
from loopback.listener import HOST
from loopback.recorder import answer_without_recording, document_response
from loopback.recording import Recording, form_of, read_document
from loopback.server import LoopbackServer
from loopback.traffic import Traffic

if TYPE_CHECKING:
    from typing_extensions import Self

#: fixed, so that the copy of a recording that names it is made once
DEFAULT_PORT = 4874
ServerKind = Literal["auto", "nginx", "python"]


class Replay(Protocol):
    """A served recording."""

    url: str

    def __enter__(self) -> Self:
        """Serve from now on."""

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop."""

    def join(self) -> None:
        """Wait until the server ends by itself."""

    def traffic(self) -> Traffic:
        """All traffic so far."""


class PythonReplay(LoopbackServer):
    """Serves a recording by the Python server, with the registry's own ETag and Last-Modified.

    Args:
        recording: the folder.
        port: on 127.0.0.1.
        lifetime_s: it stops by itself after this time.
    """

    def __init__(self, recording: Recording, port: int, *, lifetime_s: float) -> None:
        super().__init__(self._answer_recorded, port=port, lifetime_s=lifetime_s, keep_requests=False, loop="uvloop")
        self._recording = recording
        self._site = recording.copy_for(self.url)

    async def _answer_recorded(self, request: Request) -> Response:
        if request.method not in ("GET", "HEAD"):
            return answer_without_recording(request)
        form = form_of(request.path, request.header("accept"))
        document = read_document(self._site, self._recording.headers_folder, request.path, form)
        if document is None:
            return NOT_FOUND
        return document_response(document, request, form)

    def traffic(self) -> Traffic:
        """All traffic so far."""
        return Traffic(self.request_count, self.received_bytes, self.sent_bytes, frozenset(self.misses))


def open_replay(
    recording: Recording,
    *,
    kind: ServerKind = "auto",
    port: int = DEFAULT_PORT,
    workers: int = 1,
    lifetime_s: float = 6 * 3600.0,
) -> Replay:
    """A replay of a recording, not yet started (use it as a context manager)."""
    if kind == "nginx" or (kind == "auto" and nginx.found()):
        site = recording.copy_for(f"http://{HOST}:{port}")
        return nginx.NginxReplay(site, port, workers=workers, validators=recording.has_validators())
    return PythonReplay(recording, port, lifetime_s=lifetime_s)
