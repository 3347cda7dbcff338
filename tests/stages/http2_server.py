"""A server that speaks HTTP/2: nginx, with the files of a folder."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from loopback.nginx import HOST, USER, Nginx
from loopback.tls import Certificate

CONFIG = """\
daemon off;
{user}
pid {folder}/nginx.pid;
error_log {folder}/error.log crit;
events {{ }}
http {{
  log_format connections '$connection $server_protocol $uri';
  access_log {folder}/access.log connections buffer=64k flush=100ms;
  client_body_temp_path {folder}/body;
  proxy_temp_path {folder}/proxy;
  fastcgi_temp_path {folder}/fastcgi;
  uwsgi_temp_path {folder}/uwsgi;
  scgi_temp_path {folder}/scgi;
  keepalive_requests {requests};
  types {{ }}
  server {{
    listen {host}:{port} ssl{http2};
    ssl_certificate {certificate};
    ssl_certificate_key {key};
    root {files};
  }}
}}
"""


class Request(NamedTuple):
    """One request as nginx has seen it; `connection` is a number."""

    connection: str
    protocol: str
    path: str


class Http2Server(Nginx):
    """Serves files over TLS.

    Args:
        files: the folder.
        port: on 127.0.0.1.
        certificate: its own.
        requests: after so many a connection is closed.
        http2: HTTP/2 is offered beside HTTP/1.1.
    """

    def __init__(
        self, files: str, port: int, certificate: Certificate, *, requests: int = 10_000, http2: bool = True
    ) -> None:
        settings: Mapping[str, object] = {
            "user": USER,
            "host": HOST,
            "port": port,
            "certificate": certificate.certificate_path,
            "key": certificate.key_path,
            "files": files,
            "requests": requests,
            "http2": " http2" if http2 else "",
        }
        super().__init__(CONFIG, settings)
        self.url = f"https://{HOST}:{port}"

    def requests(self) -> list[Request]:
        """The requests since the last call, in the order of their ends."""
        return [Request(*line.decode().split(" ", 2)) for line in self.new_log_lines()]
