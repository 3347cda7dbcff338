"""Paths in specs: ``file:../x``, ``./x.tgz``, ``~/x`` and ``/x``, made absolute and written back as npm does.

npm reads all of them as ``file:`` URLs, with its own idea of how many slashes mean what, so that is what happens here.
Paths are those of POSIX systems. Nothing looks at a file system.

Source: npm's ``npm-package-arg``.
"""

from __future__ import annotations

import re

import msgspec

from pmpipe.npm.specs.whatwg_url import decode_uri_component, parse_whatwg_url

_ENCODED = re.compile(r'[\x00\t\n\r "#%?\[\\\]^|~]')


class LocalPath(msgspec.Struct, frozen=True):
    """A path from a spec.

    Attributes:
        absolute: without ``.``, ``..`` or doubled slashes.
        saved: as it is written to package.json, behind ``file:``: relative if it was, and with its ``~``.
    """

    absolute: str
    saved: str


def resolve_path(start: str, path: str) -> str:
    """Make a path absolute and plain, without looking at a file system.

    Args:
        start: an absolute path, which a relative `path` starts from.
        path: any path.
    """
    resolved: list[str] = []
    for part in path.split("/") if path.startswith("/") else f"{start}/{path}".split("/"):
        if part == "..":
            del resolved[-1:]
        elif part not in ("", "."):
            resolved.append(part)
    return "/" + "/".join(resolved)


def relative_path(start: str, target: str) -> str:
    """The way from one absolute, plain path to another; empty if they are the same."""
    start_parts = [part for part in start.split("/") if part]
    target_parts = [part for part in target.split("/") if part]
    common = 0
    for one, other in zip(start_parts, target_parts):  # noqa: B905  # the shorter one ends it
        if one != other:
            break
        common += 1
    return "/".join([".."] * (len(start_parts) - common) + target_parts[common:])


def read_local_path(text: str, where: str, home: str | None) -> LocalPath | None:
    """Read a path as it stands in a spec.

    Args:
        text: with or without ``file:`` in front.
        where: the absolute path of the folder that relative paths start from.
        home: the absolute path of the user's home folder, which ``~`` means; None if there is none.

    Returns:
        the path; None if it is no ``file:`` URL, no file can have it, or it needs `home` and there is none.
    """
    url_text = _unify_slashes(_to_file_url(text))
    resolved_url = parse_whatwg_url(url_text, parse_whatwg_url(f"{_to_file_url(resolve_path('/', where))}/"))
    url = parse_whatwg_url(url_text)
    if url is None or resolved_url is None:
        return None
    own_path, resolved = decode_uri_component(url.path), decode_uri_component(resolved_url.path)
    if own_path is None or resolved is None or "\0" in resolved:
        return None
    if re.match(r"/~(/|\Z)", own_path):
        if home is None:
            return None
        resolved, saved = resolve_path(home, own_path[3:]), own_path[1:]
    elif not url_text.startswith("file:/"):
        saved = relative_path(resolve_path("/", where), resolve_path("/", resolved))
    else:
        saved = resolve_path("/", resolved)
    saved = saved.replace("\\", "/")
    if saved.startswith("//"):
        saved = saved[1:]
    return LocalPath(resolve_path(where, resolved), saved)


def _to_file_url(path: str) -> str:
    encoded = _ENCODED.sub(lambda found: f"%{ord(found[0]):02X}", path)
    return encoded if encoded.startswith("file:") else f"file:{encoded}"


def _unify_slashes(url_text: str) -> str:
    """``file://path`` means ``/path``, and ``file:/../path`` (or ``file:///./path``) is a relative one."""
    if re.match("file://[^/]", url_text):
        url_text = f"file:/{url_text[5:]}"
    if re.match(r"file:/{1,3}\.\.?(/|$)", url_text):
        return re.sub("^file:/{1,3}", "file:", url_text)
    return url_text
