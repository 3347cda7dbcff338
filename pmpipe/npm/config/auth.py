"""Which credentials go to which URL: npm's ``//host[:port]/path/:key`` settings.

Theory of operation: a key names a host, perhaps a port and a folder, and covers everything below it. For a URL the
folders are walked upwards, and the first one that has any credentials decides. A key without a port stands for the
scheme's own port. No key says which scheme it is for, and npm sends what it holds over either. What is meant for https
must not leave in clear, so nothing goes to a plain http URL that `may_be_told` does not let it go to.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from typing import Any

import msgspec

from pmpipe.errors import ConfigError
from pmpipe.npm.config.npmrc import js_text
from pmpipe.npm.texts.url import Url

#: What may stand behind the colon of a ``//host/`` key.
AUTH_FIELDS = frozenset(("_authToken", "_auth", "username", "_password", "certfile", "keyfile", "email"))

#: What npm no longer takes from a file without a host in front.
LEGACY_FIELDS = ("_authtoken", "-authtoken", "_auth", "_authToken", "username", "_password")


class ClientCertificate(msgspec.Struct, frozen=True, array_like=True):
    """Where a client certificate and its private key lie: paths of PEM files, relative ones from the working folder."""

    certfile: str
    keyfile: str


class Credential(msgspec.Struct, frozen=True):
    """What to present to one URL. Its text form never shows the secret.

    Attributes:
        authorization: value of the Authorization header, or empty.
        certfile: path of a client certificate in PEM, or empty.
        keyfile: path of its private key; empty or not together with `certfile`.
    """

    authorization: str = ""
    certfile: str = ""
    keyfile: str = ""

    @property
    def certificate(self) -> ClientCertificate | None:
        """The client certificate, if there is one."""
        return ClientCertificate(self.certfile, self.keyfile) if self.certfile else None

    def __repr__(self) -> str:
        header = "***" if self.authorization else ""
        return f"Credential(authorization={header!r}, certfile={self.certfile!r}, keyfile={self.keyfile!r})"


NO_CREDENTIAL = Credential()


def nerf_dart(url: Url) -> str:
    """The key under which credentials for a registry are kept: ``//host[:port]/folder/``."""
    return f"//{url.netloc}{url.path[: url.path.rindex('/') + 1]}"


def may_be_told(url: Url, registry_origins: Collection[str]) -> bool:
    """Whether credentials may go to a URL, by the origins of all registries that are configured.

    Over https always. In clear to a registry that is configured so; else only to a port that the key has to name, too
    (a key without one is most likely meant for 443), and that no registry has for https.
    """
    if url.scheme == "https" or url.origin in registry_origins:
        return True
    return url.port is not None and f"https://{url.netloc}" not in registry_origins


def find_key(values: Mapping[str, Any], url: Url) -> str:
    """The nearest key upwards from the URL's path that has credentials, or an empty string.

    Args:
        values: settings by name; those that start with ``//`` matter.
        url: where the request goes; `may_be_told` has let it.

    Source: npm-registry-fetch's auth.
    """
    key = f"//{url.netloc}{url.path}"
    while len(key) > 2:
        if _has_credentials(values, key):
            return key
        # both //host/folder/ and //host/folder are keys
        key = key[:-1] if key.endswith("/") else key[: key.rindex("/") + 1]
    return ""


def _has_credentials(values: Mapping[str, Any], key: str) -> bool:
    return _has_login(values, key) or bool(values.get(f"{key}:certfile") and values.get(f"{key}:keyfile"))


def _has_login(values: Mapping[str, Any], key: str) -> bool:
    return bool(
        values.get(f"{key}:_authToken")
        or values.get(f"{key}:_auth")
        or (values.get(f"{key}:username") and values.get(f"{key}:_password"))
    )


def login_keys(values: Mapping[str, Any]) -> list[str]:
    """All keys that have a token, or a user and a password, sorted."""
    keys = {name.rpartition(":")[0] for name in values if name.startswith("//")}
    return sorted(key for key in keys if _has_login(values, key))


def credential_at(values: Mapping[str, Any], key: str) -> Credential:
    """The credentials that stand at a key found by `find_key`.

    Raises:
        ConfigError: the secret cannot be sent in a header (a line break in a token, for example).
    """

    def text(field: str) -> str:
        value = values.get(f"{key}:{field}")
        return js_text(value) if value else ""

    certfile, keyfile = text("certfile"), text("keyfile")
    has_certificate = bool(certfile and keyfile)
    return Credential(
        authorization=_authorization(key, text("_authToken"), text("_auth"), text("username"), text("_password")),
        certfile=certfile if has_certificate else "",
        keyfile=keyfile if has_certificate else "",
    )


def _authorization(key: str, token: str, auth: str, username: str, password: str) -> str:
    if token:
        header = f"Bearer {token}"
    elif auth:
        header = f"Basic {auth}"
    elif username and password:
        header = basic(username, _from_base64(password))
    else:
        return ""
    if not header.isprintable() or max(header) > "\xff":
        raise ConfigError(
            f"the credentials for {key} contain a line break or another character that no HTTP header can carry",
            hint=f"write the value of {key}:… again, in one line",
        )
    return header


def basic(username: str, password: str) -> str:
    """The Authorization header for a user and a password in clear."""
    import binascii

    return "Basic " + binascii.b2a_base64(f"{username}:{password}".encode(), newline=False).decode("ascii")


def _from_base64(text: str) -> str:
    """Decode as leniently as Node.js: either alphabet, whatever else is in between is passed over."""
    import binascii

    digits = re.sub(r"[^A-Za-z0-9+/]", "", text.partition("=")[0].replace("-", "+").replace("_", "/"))
    if len(digits) % 4 == 1:
        digits = digits[:-1]
    return binascii.a2b_base64(digits + "=" * (-len(digits) % 4)).decode("utf-8", "replace")


def legacy_auth_problems(values: Mapping[str, Any], registry_key: str) -> list[str]:
    """What npm refuses as ERR_INVALID_AUTH: credentials that do not say which host they are for.

    Args:
        values: the settings of one file.
        registry_key: `nerf_dart` of the default registry.

    Returns:
        one line for each problem, with the remedy.
    """
    problems = [f"{key} is no longer used: remove it" for key in ("_authtoken", "-authtoken") if values.get(key)]
    for key, partner in (("_auth", ""), ("_authToken", ""), ("username", "_password"), ("_password", "username")):
        if not values.get(key):
            continue
        if partner and not values.get(partner):
            problems.append(f"{key} stands without {partner}: remove it")
        else:
            problems.append(f"{key} does not say which host it is for: rename it to {registry_key}:{key}")
    return problems
