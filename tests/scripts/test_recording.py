import gzip
import json
import os
import subprocess
import sys
import urllib.error
import urllib.request

import pytest
from loopback import nginx
from loopback.prefetch import prefetch, wanted_by_lock
from loopback.recorder import Recorder
from loopback.recording import ABBREVIATED_TYPE, PLACEHOLDER, Document, Form, Recording, StoredHeaders, relative_name
from loopback.replay import PythonReplay, open_replay
from loopback.server import LoopbackServer
from loopback.upstream import Upstream
from support.packages import make_lock, make_package
from support.registry import faults

LEFT = make_package("left-pad", "1.0.0")
SCOPED = make_package("@scope/name", "2.0.0")
REGISTRY_PY = os.path.join(os.path.dirname(__file__), "..", "..", "scripts", "registry.py")
KINDS = [
    "python",
    pytest.param("nginx", marks=pytest.mark.skipif(not nginx.found(), reason="nginx is not installed")),
]


def get(url, **headers):
    request = urllib.request.Request(url, headers={name.replace("_", "-"): value for name, value in headers.items()})
    with urllib.request.urlopen(request, timeout=20) as response:
        return response, response.read()


def refusal(url, **headers):
    """The status with which a request ends that is not answered with 200."""
    with pytest.raises(urllib.error.HTTPError) as refused:
        get(url, **headers)
    with refused.value as answer:
        return answer.code


@pytest.fixture
def recording(tmp_path):
    return Recording(str(tmp_path / "recording"))


@pytest.fixture
def recorder(registry, recording):
    """A recording proxy before the registry; gives its address."""
    registry.publish(LEFT, SCOPED)
    with Upstream(registry.url) as upstream:
        recorder = Recorder(recording, upstream)
        server = LoopbackServer(recorder.answer)
        recorder.address = server.url
        with server:
            yield server.url


@pytest.fixture
def filled(recorder, recording):
    """A recording of everything in the registry."""
    for path in ("/left-pad", "/@scope%2fname"):
        get(recorder + path)
        get(recorder + path, Accept=ABBREVIATED_TYPE)
    for package in (LEFT, SCOPED):
        get(recorder + package.tarball_path)
    return recording


@pytest.fixture(params=KINDS)
def replay(request, filled, free_port):
    with open_replay(filled, kind=request.param, port=free_port) as server:
        yield server


def test_recorder_asks_the_registry_once(registry, recorder):
    for _ in range(3):
        assert get(recorder + LEFT.tarball_path)[1] == LEFT.tarball
    assert len(registry.requests_for("*.tgz")) == 1


def test_recorder_names_itself_in_tarball_urls(recorder):
    document = json.loads(get(recorder + "/left-pad")[1])
    assert document["versions"]["1.0.0"]["dist"]["tarball"] == recorder + LEFT.tarball_path


def test_recording_names_no_registry(registry, filled):
    document = filled.load("/left-pad", Form.FULL)
    assert registry.url.encode() not in document.plain()
    assert PLACEHOLDER.encode() in document.plain()


def test_recorder_keeps_both_forms_apart(filled):
    assert b'"time"' in filled.load("/left-pad", Form.FULL).plain()
    assert b'"time"' not in filled.load("/left-pad", Form.ABBREVIATED).plain()


def test_recorder_keeps_the_validators(filled):
    headers = filled.load("/left-pad", Form.FULL).headers
    assert headers.etag.startswith('"')
    assert headers.last_modified == "Wed, 01 Jan 2020 00:00:00 GMT"
    assert headers.cache_control == "public, max-age=300"


def test_recorder_passes_no_token_on(registry, recorder):
    get(recorder + "/left-pad", Authorization="Bearer secret", Cookie="secret")
    assert not [one for one in registry.requests if one.header("authorization") or one.header("cookie")]


def test_recorder_passes_a_404_on_and_keeps_nothing(recorder, recording):
    assert refusal(recorder + "/nothing") == 404
    assert not recording.has("/nothing", Form.FULL)


def test_recorder_retries_a_registry_that_is_busy(registry, recorder):
    registry.misbehave("*.tgz", faults.status(503), first=1)
    assert get(recorder + LEFT.tarball_path)[1] == LEFT.tarball


def test_recorder_retries_a_connection_that_was_cut(registry, recorder):
    registry.misbehave("*.tgz", faults.reset(at=10), first=1)
    assert get(recorder + LEFT.tarball_path)[1] == LEFT.tarball


@pytest.mark.parametrize("path", ["/../x", "/a/../../x", "//x", "/a//b", "/", "x", "/a\0b"])
def test_no_path_leads_out_of_the_recording(path):
    with pytest.raises(ValueError, match="no path"):
        relative_name(path, Form.FULL)


def test_packument_and_version_of_one_name_do_not_collide(recording):
    headers = StoredHeaders()
    recording.store("/left-pad", Form.FULL, Document(b"{}", headers))
    recording.store("/left-pad/1.0.0", Form.FULL, Document(b"[]", headers))
    assert recording.load("/left-pad", Form.FULL).plain() == b"{}"
    assert recording.load("/left-pad/1.0.0", Form.FULL).plain() == b"[]"


def test_replay_gives_the_tarball_byte_for_byte(replay):
    assert get(replay.url + SCOPED.tarball_path)[1] == SCOPED.tarball


def test_replay_names_itself_in_tarball_urls(replay):
    document = json.loads(get(replay.url + "/@scope%2fname")[1])
    assert document["versions"]["2.0.0"]["dist"]["tarball"] == replay.url + SCOPED.tarball_path


def test_replay_chooses_the_form_by_accept(replay):
    response, body = get(replay.url + "/left-pad", Accept=f"{ABBREVIATED_TYPE}; q=1.0, application/json; q=0.8")
    assert response.headers["content-type"] == ABBREVIATED_TYPE
    assert b'"time"' not in body
    assert b'"time"' in get(replay.url + "/left-pad")[1]


def test_replay_compresses_for_who_accepts_it(replay):
    response, body = get(replay.url + "/left-pad", Accept_Encoding="gzip")
    assert response.headers["content-encoding"] == "gzip"
    assert json.loads(gzip.decompress(body))["name"] == "left-pad"


def test_replay_answers_304_to_its_own_etag(replay):
    etag = get(replay.url + "/left-pad")[0].headers["etag"]
    assert refusal(replay.url + "/left-pad", If_None_Match=etag) == 304


def test_replay_answers_404_to_what_was_not_recorded(replay):
    assert refusal(replay.url + "/nothing") == 404
    assert replay.traffic().misses == {"/nothing"}


def test_replay_knows_no_advisories(replay):
    request = urllib.request.Request(replay.url + "/-/npm/v1/security/advisories/bulk", data=b"{}")
    with urllib.request.urlopen(request, timeout=20) as response:
        assert response.read() == b"{}"


def test_replay_counts_requests_and_bytes(replay):
    before = replay.traffic()
    get(replay.url + LEFT.tarball_path)
    used = replay.traffic().since(before)
    assert used.requests == 1
    assert len(LEFT.tarball) < used.sent_bytes < len(LEFT.tarball) + 1000
    assert 0 < used.received_bytes < 1000


@pytest.mark.parametrize("kind", KINDS)
def test_replay_sends_no_etag_where_the_registry_sent_none(kind, recording, free_port):
    recording.store("/left-pad", Form.FULL, Document(b"{}", StoredHeaders(content_type="application/json")))
    with open_replay(recording, kind=kind, port=free_port) as server:
        headers = get(server.url + "/left-pad")[0].headers
    assert headers["etag"] is None
    assert headers["last-modified"] is None


def test_copy_is_made_once_and_follows_the_recording(recording):
    headers = StoredHeaders()
    recording.store("/a", Form.FULL, Document(b'["http://registry.invalid/x"]', headers))
    copy = recording.copy_for("http://127.0.0.1:1")
    inode = os.stat(os.path.join(copy, "a,full.gz")).st_ino
    recording.store("/b", Form.FULL, Document(b"{}", headers))
    assert recording.copy_for("http://127.0.0.1:1") == copy
    assert os.stat(os.path.join(copy, "a,full.gz")).st_ino == inode
    with gzip.open(os.path.join(copy, "a,full.gz")) as file:
        assert file.read() == b'["http://127.0.0.1:1/x"]'
    assert os.path.exists(os.path.join(copy, "b,full.gz"))


def test_lock_names_each_tarball_once(tmp_path, registry):
    aliased = {"name": "left-pad", **LEFT.lock_entry(registry.url)}
    entries = {
        "node_modules/left-pad": LEFT,
        "node_modules/alias": aliased,
        "node_modules/@scope/name": SCOPED.lock_entry(registry.url, resolved=None),
        "node_modules/linked": {"resolved": "packages/linked", "link": True},
        "packages/linked": {"version": "1.0.0"},
        "node_modules/bundled": {"version": "1.0.0", "inBundle": True},
        "node_modules/git": {"version": "1.0.0", "resolved": "git+ssh://git@host.example/x.git#abc"},
    }
    lock = tmp_path / "package-lock.json"
    lock.write_text(json.dumps(make_lock({"name": "app"}, entries, registry.url)))
    wanted = wanted_by_lock(str(lock), packuments=True)
    documents = [(f"/{name}", form) for name in ("left-pad", "@scope/name") for form in (Form.FULL, Form.ABBREVIATED)]
    tarballs = [(package.tarball_path, Form.TARBALL) for package in (LEFT, SCOPED)]
    assert len(wanted) == 6
    assert {(one.path, one.form) for one in wanted} == {*documents, *tarballs}


@pytest.fixture
def lock_path(tmp_path, registry):
    registry.publish(LEFT, SCOPED)
    path = tmp_path / "package-lock.json"
    entries = {"node_modules/left-pad": LEFT, "node_modules/@scope/name": SCOPED}
    path.write_text(json.dumps(make_lock({"name": "app"}, entries, registry.url)))
    return str(path)


def test_prefetch_records_what_the_lock_names(registry, recording, lock_path):
    with Upstream(registry.url) as upstream:
        result = prefetch(recording, upstream, wanted_by_lock(lock_path, packuments=True), seed=None)
    assert (result.stored, result.failures) == (6, [])
    assert recording.load(LEFT.tarball_path, Form.TARBALL).body == LEFT.tarball
    assert recording.has("/@scope/name", Form.ABBREVIATED)
    assert recording.has("/@scope/name", Form.FULL)


def test_prefetch_refuses_bytes_that_the_lock_does_not_promise(registry, recording, lock_path):
    registry.misbehave("/left-pad/*", faults.corrupt())
    with Upstream(registry.url) as upstream:
        result = prefetch(recording, upstream, wanted_by_lock(lock_path, packuments=False), seed=None)
    assert result.failures == [f"{LEFT.tarball_path}: not what the lock's integrity says"]
    assert not recording.has(LEFT.tarball_path, Form.TARBALL)


def test_prefetch_takes_a_seed_only_if_its_digest_is_right(registry, recording, lock_path, tmp_path):
    (tmp_path / "left-pad%2f-%2fleft-pad-1.0.0.tgz").write_bytes(LEFT.tarball)
    (tmp_path / "@scope%2fname%2f-%2fname-2.0.0.tgz").write_bytes(b"wrong")
    with Upstream(registry.url) as upstream:
        prefetch(recording, upstream, wanted_by_lock(lock_path, packuments=False), seed=str(tmp_path))
    assert [request.path for request in registry.requests] == [SCOPED.tarball_path]


def test_command_line_records_a_lock_and_replays_it(registry, lock_path, tmp_path, free_port):
    folder = str(tmp_path / "recording")

    def run(*arguments):
        return subprocess.run(
            [sys.executable, REGISTRY_PY, *arguments], capture_output=True, text=True, timeout=60, check=False
        )

    recorded = run("record", folder, "--upstream", registry.url, "--lock", lock_path)
    assert (recorded.returncode, recorded.stdout) == (0, "recorded 2, already there 0, failed 0\n")
    fetch = f"import os, urllib.request as u; u.urlopen(os.environ['npm_config_registry'] + {LEFT.tarball_path!r})"
    replayed = run("replay", folder, "--port", str(free_port), "--", sys.executable, "-c", fetch)
    assert replayed.returncode == 0, replayed.stderr
    assert replayed.stdout.startswith("1 requests")
    assert run("list", folder).stdout == "tarball: 2\n"


def test_nginx_says_why_it_does_not_start(filled, registry):
    if not nginx.found():
        pytest.skip("nginx is not installed")
    site = filled.copy_for(registry.url)
    with pytest.raises(nginx.NginxError, match="Address already in use"), nginx.NginxReplay(site, registry.port):
        pass


def test_python_replay_needs_no_nginx(filled, monkeypatch):
    monkeypatch.setattr(nginx, "found", lambda: False)
    with open_replay(filled, port=0) as replay:
        assert isinstance(replay, PythonReplay)
