"""Certificates for the loopback registry, made by the ``openssl`` command when they are needed."""

from __future__ import annotations

import os
import ssl
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass

OPENSSL_TIMEOUT_S = 60
VALID_DAYS = 2


@dataclass(frozen=True, slots=True)
class Certificate:
    """A certification authority of one's own, and a server certificate signed by it (paths of PEM files)."""

    ca_path: str
    certificate_path: str
    key_path: str

    def server_context(self) -> ssl.SSLContext:
        """A context for `LoopbackServer(tls=…)`."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.certificate_path, self.key_path)
        return context


def make_certificate(folder: str, hosts: Sequence[str] = ("127.0.0.1", "localhost")) -> Certificate:
    """Make an authority and a server certificate for these hosts and addresses in an existing folder.

    Raises:
        subprocess.CalledProcessError: openssl refused.
    """
    ca_path, ca_key_path = os.path.join(folder, "ca.pem"), os.path.join(folder, "ca.key")
    certificate_path, key_path = os.path.join(folder, "server.pem"), os.path.join(folder, "server.key")
    request_path, extensions_path = os.path.join(folder, "server.csr"), os.path.join(folder, "server.ext")
    new_key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    days = ["-days", str(VALID_DAYS)]
    names = ",".join(f"{'IP' if host.replace('.', '').isdigit() else 'DNS'}:{host}" for host in hosts)
    with open(extensions_path, "w", encoding="ascii") as extensions:
        extensions.write(f"subjectAltName={names}\nbasicConstraints=critical,CA:FALSE\n")
    authority = ["-x509", *days, "-subj", "/CN=loopback authority", "-keyout", ca_key_path, "-out", ca_path]
    _openssl("req", *new_key, *authority)
    _openssl("req", *new_key, "-subj", f"/CN={hosts[0]}", "-keyout", key_path, "-out", request_path)
    signer = ["-CA", ca_path, "-CAkey", ca_key_path, "-CAcreateserial", "-extfile", extensions_path]
    _openssl("x509", "-req", "-in", request_path, *signer, *days, "-out", certificate_path)
    return Certificate(ca_path, certificate_path, key_path)


def _openssl(*arguments: str) -> None:
    subprocess.run(["openssl", *arguments], check=True, capture_output=True, timeout=OPENSSL_TIMEOUT_S)
