"""nginx as the replay's server: the same files as the Python server, at a fraction of its processor time.

It runs in the foreground in a private folder, on loopback, and dies with its parent. The access log, buffered, is how
the traffic of each run is counted: the loopback interface's own counters would include everybody else's.
"""

from __future__ import annotations

import ctypes
import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Mapping
from types import TracebackType
from typing import TYPE_CHECKING

from loopback.recording import ABBREVIATED_TYPE
from loopback.traffic import Traffic

if TYPE_CHECKING:
    from typing_extensions import Self

HOST = "127.0.0.1"
START_S = 10.0
#: longer than the access log's flush time
FLUSH_S = 0.3
PR_SET_PDEATHSIG = 1

#: as root nginx would serve as "nobody", who may not read the files of others
USER = "user root;" if os.geteuid() == 0 else ""

#: for a recording without ETags: a tool that is sent one asks again with If-None-Match, and then for other things
NO_VALIDATORS = "etag off; if_modified_since off;"

CONFIG = """\
daemon off;
{user}
worker_processes {workers};
pid {folder}/nginx.pid;
error_log {folder}/error.log crit;
events {{ worker_connections 4096; multi_accept on; }}
http {{
  log_format traffic '$status $bytes_sent $request_length $request_uri';
  access_log {folder}/access.log traffic buffer=256k flush=100ms;
  client_body_temp_path {folder}/body;
  proxy_temp_path {folder}/proxy;
  fastcgi_temp_path {folder}/fastcgi;
  uwsgi_temp_path {folder}/uwsgi;
  scgi_temp_path {folder}/scgi;
  sendfile on;
  tcp_nopush on;
  keepalive_timeout 3600s;
  keepalive_requests 1000000;
  open_file_cache max=20000 inactive=3600s;
  open_file_cache_valid 3600s;
  {validators}
  types {{ }}
  map $http_accept $form {{
    default ,full;
    "~{abbreviated}" ,abbreviated;
  }}
  server {{
    listen {host}:{port} backlog=1024;
    root {site};
    error_page 404 @missing;
    location @missing {{ default_type application/json; return 404 '{{"error":"Not found"}}'; }}
    location ^~ /-/npm/v1/security/ {{ default_type application/json; return 200 '{{}}'; }}
    location ~ /-/.*\\.tgz$ {{
      default_type application/octet-stream;
      {no_date}
      add_header Cache-Control "public, immutable, max-age=31557600";
    }}
    location ~ ,full$ {{
      internal;
      default_type application/json;
      gzip_static always;
      gunzip on;
      {no_date}
      add_header Vary "Accept-Encoding, Accept";
      add_header Cache-Control "public, max-age=300";
    }}
    location ~ ,abbreviated$ {{
      internal;
      default_type {abbreviated_type};
      gzip_static always;
      gunzip on;
      {no_date}
      add_header Vary "Accept-Encoding, Accept";
      add_header Cache-Control "public, max-age=300";
    }}
    # not ^(.*)$ and $1: the map's own regular expression would empty the capture
    location / {{ rewrite ^ $uri$form last; }}
  }}
}}
"""


class NginxError(Exception):
    """nginx did not start, or died."""


class Nginx:
    """nginx in a private folder, for as long as the context lasts.

    Args:
        template: its configuration, for `str.format`; ``{folder}`` is that folder.
        settings: what else stands in the template.
    """

    def __init__(self, template: str, settings: Mapping[str, object]) -> None:
        self._template = template
        self._settings = settings
        self._folder = ""
        self._log_offset = 0
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        self._folder = tempfile.mkdtemp(prefix="replay-nginx-")
        config, error_log = os.path.join(self._folder, "nginx.conf"), os.path.join(self._folder, "error.log")
        with open(config, "w", encoding="utf-8") as file:
            file.write(self._template.format(folder=self._folder, **self._settings))
        self._process = subprocess.Popen(
            ["nginx", "-e", error_log, "-p", self._folder, "-c", config],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            preexec_fn=_die_with_parent,  # noqa: PLW1509 - it takes no lock that another thread may hold
        )
        try:
            self._wait_until_ready(self._process)
        except NginxError:
            self._stop()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop()

    def _stop(self) -> None:
        if self._process is not None:
            self._process.terminate()
            self._process.communicate(timeout=START_S)
        shutil.rmtree(self._folder)

    def join(self) -> None:
        """Wait until nginx ends."""
        if self._process is not None:
            self._process.wait()

    def new_log_lines(self) -> list[bytes]:
        """What has come to the access log since the last call. Waits until nginx has written it."""
        time.sleep(FLUSH_S)
        with open(os.path.join(self._folder, "access.log"), "rb") as log:
            log.seek(self._log_offset)
            lines = log.read()
        whole = lines[: lines.rfind(b"\n") + 1]
        self._log_offset += len(whole)
        return whole.splitlines()

    def _wait_until_ready(self, process: subprocess.Popen[bytes]) -> None:
        # nginx writes it once it listens; a connection would not tell, for the port may be somebody else's
        pid_path = os.path.join(self._folder, "nginx.pid")
        deadline = time.monotonic() + START_S
        while time.monotonic() < deadline:
            if process.poll() is not None:
                output = process.communicate()[1].decode(errors="replace").strip()
                raise NginxError(f"nginx ended with status {process.returncode}: {output}")
            if os.path.exists(pid_path):
                return
            time.sleep(0.02)
        raise NginxError(f"nginx did not start within {START_S:g} s")


class NginxReplay(Nginx):
    """Serves a copy of a recording (`Recording.copy_for`) by nginx.

    Args:
        site: the copy's folder; it names this very port.
        port: on 127.0.0.1.
        workers: nginx's worker processes; one keeps up with two cores of clients.
        validators: whether to send ETag and Last-Modified (nginx's own, not the recorded ones).
    """

    def __init__(self, site: str, port: int, *, workers: int = 1, validators: bool = True) -> None:
        self.url = f"http://{HOST}:{port}"
        settings = {
            "user": USER,
            "workers": workers,
            "validators": "" if validators else NO_VALIDATORS,
            # in each location, for headers that are added there replace those of the levels above
            "no_date": "" if validators else 'add_header Last-Modified "";',
            "site": site,
            "host": HOST,
            "port": port,
            "abbreviated": ABBREVIATED_TYPE.replace(".", "\\.").replace("+", "\\+"),
            "abbreviated_type": ABBREVIATED_TYPE,
        }
        super().__init__(CONFIG, settings)
        self._seen = Traffic()

    def traffic(self) -> Traffic:
        """All traffic so far. Waits until nginx has written its log."""
        for line in self.new_log_lines():
            status, sent, received, path = line.split(b" ", 3)
            miss = frozenset({path.decode("latin-1")}) if status == b"404" else frozenset()
            self._seen = self._seen.plus(Traffic(1, int(received), int(sent), miss))
        return self._seen


def found() -> bool:
    """Whether nginx is installed."""
    return shutil.which("nginx") is not None


def _die_with_parent() -> None:
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
