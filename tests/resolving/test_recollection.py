"""A resolution that is remembered holds as long as nothing has changed that it followed from."""

from __future__ import annotations

import gzip
import json
import mmap
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from support.packages import Package, make_package, make_packument

from pmpipe.resolving.made import take_made
from pmpipe.resolving.remembered import RememberedResolution, ResolutionMemory, resolution_key
from pmpipe.resolving.resolution import resolve_inputs
from pmpipe.resolving.resolve_inputs import ResolveInputs
from pmpipe.resolving.worker import ResolveWorker
from pmpipe.session import Session
from pmpipe.store import Store
from pmpipe.tree.memory import RESOLUTIONS, read_sealed
from stages.document_cache import KeptHead, encode_head
from stages.messages import (
    AnswerDocument,
    AnswerFailure,
    JobId,
    Resolve,
    ResolveDone,
    ResolveStep,
    SharedBytes,
    WantDocument,
)

REGISTRY = "https://registry.example"
MANIFEST: dict[str, Any] = {"name": "app", "version": "1.0.0", "dependencies": {"a": "^1.0.0", "b": "^1.0.0"}}
A = make_package("a", "1.0.0", dependencies={"c": "^1.0.0"})
B, C = make_package("b", "1.0.0"), make_package("c", "1.0.0")


def body_of(*versions: Package) -> bytes:
    tags = {"latest": versions[-1].version}
    document = make_packument(versions, REGISTRY, dist_tags=tags, abbreviated=False)
    return gzip.compress(json.dumps(document).encode(), mtime=0)


class Resolution:
    """One run of the resolve process without the processes around it."""

    def __init__(self, inputs: ResolveInputs, arena: mmap.mmap) -> None:
        self.arena = arena
        self.worker = ResolveWorker(inputs, memoryview(arena))
        #: what is wanted and not answered, by the package's name
        self.wanted: dict[str, WantDocument] = {}
        self.done: ResolveDone | None = None
        self._end = 0
        self._take(self.worker.handle(Resolve(JobId(1))))

    def _take(self, results: Iterator[object]) -> None:
        for result in results:
            if isinstance(result, ResolveStep):
                self.wanted |= {want.label: want for want in result.wants if isinstance(want, WantDocument)}
            else:
                assert isinstance(result, ResolveDone)
                self.done = result

    def send(self, name: str, body: bytes) -> None:
        """The registry sends a packument."""
        start, self._end = self._end, self._end + len(body)
        self.arena[start : self._end] = body
        want, source = self.wanted.pop(name), SharedBytes(start, len(body))
        self._take(self.worker.handle(AnswerDocument(JobId(2), want.want, source, gzipped=True, stays=True)))

    def confirm(self, name: str) -> None:
        """The registry stands by the kept copy."""
        self._take(self.worker.handle(AnswerDocument(JobId(2), self.wanted.pop(name).want, None, gzipped=False)))

    def refuse(self, name: str) -> None:
        """The registry does not know the package any more."""
        answer = AnswerFailure(JobId(2), self.wanted.pop(name).want, "PM_REGISTRY", "there is none", (), "", "")
        self._take(self.worker.handle(answer))

    @property
    def versions(self) -> dict[str, str]:
        """What was resolved, by the package's name."""
        assert self.done is not None
        packages = json.loads(take_made(self.done.made).lock)["packages"]
        return {path.removeprefix("node_modules/"): entry["version"] for path, entry in packages.items() if path}


class Place:
    """A project, a store, and what the store keeps."""

    def __init__(self, base: Path, arena: mmap.mmap) -> None:
        self.base = base
        self.arena = arena
        self.folder = base / "app"
        self.folder.mkdir()
        self.write("package.json", MANIFEST)
        self.install_node("20.0.0")
        self.store = Store(f"{base}/store")
        self.store.open()

    def write(self, path: str, document: Any) -> None:
        file = self.folder / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(document if isinstance(document, str) else json.dumps(document))

    def install_node(self, version: str) -> None:
        """Have this Node.js on the PATH."""
        node = self.base / f"bin-{version}/node"
        node.parent.mkdir()
        node.write_text(f"#!/bin/sh\necho v{version}\n")
        node.chmod(0o755)
        self.path = str(node.parent)

    def inputs(self, **flags: object) -> ResolveInputs:
        flags = {"store-dir": f"{self.base}/store", "registry": REGISTRY, **flags}
        session = Session.open(flags, {"HOME": f"{self.base}/home", "PATH": self.path}, str(self.folder))
        return resolve_inputs(session, self.store, goes_on=False)

    def keep(self, name: str, body: bytes, fresh_s: int = 0) -> None:
        """The cache keeps a packument."""
        path = Path(self.inputs().wants.packuments.address(name).cache_path)
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(encode_head(KeptHead(f"{REGISTRY}/{name}", f'"{name}"', "", fresh_s, True, len(body))) + body)

    def resolve(self, **flags: object) -> Resolution:
        return Resolution(self.inputs(**flags), self.arena)

    @property
    def remembered(self) -> list[Path]:
        return sorted(Path(self.store.folder, RESOLUTIONS).glob("*"))


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    arena = mmap.mmap(-1, 1 << 20)
    one = Place(tmp_path, arena)
    yield one
    one.store.close()


BODIES = {package.name: body_of(package) for package in (A, B, C)}


@pytest.fixture
def known(place: Place) -> Place:
    """A place where the project was resolved; its packuments are kept and have to be asked about."""
    first = place.resolve()
    while first.wanted:
        name = next(iter(first.wanted))
        first.send(name, BODIES[name])
    assert first.versions == {"a": "1.0.0", "b": "1.0.0", "c": "1.0.0"}
    for name, body in BODIES.items():
        place.keep(name, body)
    assert len(place.remembered) == 1
    return place


# -- what holds -----------------------------------------------------------------------------------------------------


def test_the_registry_is_asked_about_all_packuments_at_once(known: Place) -> None:
    again = known.resolve()
    assert list(again.wanted) == ["a", "b", "c"]
    assert {want.etag for want in again.wanted.values()} == {'"a"', '"b"', '"c"'}


def test_where_nothing_has_changed_the_resolver_has_nothing_to_do(known: Place) -> None:
    again = known.resolve()
    for name in ("b", "c"):
        again.confirm(name)
        assert again.done is None
    again.confirm("a")
    assert again.versions == {"a": "1.0.0", "b": "1.0.0", "c": "1.0.0"}
    assert again.worker._resolver is None


def test_the_same_bytes_from_a_registry_without_validators_are_no_change(known: Place) -> None:
    again = known.resolve()
    for name in ("a", "b", "c"):
        again.send(name, BODIES[name])
    assert again.versions == {"a": "1.0.0", "b": "1.0.0", "c": "1.0.0"}
    assert again.worker._resolver is None


def test_what_counts_without_the_registrys_word_is_not_asked_about(known: Place) -> None:
    known.keep("b", BODIES["b"], fresh_s=300)
    assert list(known.resolve().wanted) == ["a", "c"]
    assert known.resolve(offline=True).versions == {"a": "1.0.0", "b": "1.0.0", "c": "1.0.0"}


def test_the_warnings_of_the_first_time_are_told_again(place: Place) -> None:
    place.write("package.json", {**MANIFEST, "dependencies": {"a": "^1.0.0"}})
    needy = make_package("a", "1.0.0", engines={"node": ">=1000"})
    first = place.resolve()
    first.send("a", body_of(needy))
    place.keep("a", body_of(needy), fresh_s=300)
    again = place.resolve()
    assert again.worker._resolver is None
    assert first.done is not None
    assert again.done is not None
    assert again.done.warnings == first.done.warnings == ("a@1.0.0 wants node >=1000",)


# -- what has changed -----------------------------------------------------------------------------------------------

NEWER_C = make_package("c", "1.1.0")


@pytest.mark.parametrize("order", [("a", "b", "c"), ("c", "b", "a"), ("b", "c", "a")])
def test_a_packument_that_has_changed_is_heeded_whenever_it_comes(known: Place, order: tuple[str, ...]) -> None:
    again = known.resolve()
    for name in order:
        if name == "c":
            again.send("c", body_of(C, NEWER_C))
        else:
            again.confirm(name)
    assert not again.wanted
    assert again.versions == {"a": "1.0.0", "b": "1.0.0", "c": "1.1.0"}


def test_what_the_resolver_wants_meanwhile_is_not_asked_for_twice(known: Place) -> None:
    again = known.resolve()
    again.send("b", body_of(B, make_package("b", "1.1.0")))
    # now it waits for a, about which the registry is being asked
    assert list(again.wanted) == ["a", "c"]
    again.confirm("a")
    assert list(again.wanted) == ["c"]
    again.confirm("c")
    assert again.versions == {"a": "1.0.0", "b": "1.1.0", "c": "1.0.0"}


def test_what_a_change_brings_in_is_asked_for(known: Place) -> None:
    again = known.resolve()
    again.confirm("a")
    again.confirm("c")
    again.send("b", body_of(B, make_package("b", "1.1.0", dependencies={"d": "1"})))
    assert list(again.wanted) == ["d"]
    again.send("d", body_of(make_package("d", "1.0.0")))
    assert again.versions == {"a": "1.0.0", "b": "1.1.0", "c": "1.0.0", "d": "1.0.0"}


def test_a_package_that_cannot_be_had_any_more_is_an_error_as_without_memory(known: Place) -> None:
    again = known.resolve()
    again.confirm("a")
    again.confirm("c")
    with pytest.raises(Exception, match="there is none"):
        again.refuse("b")


def test_a_kept_packument_that_is_another_one_now_is_resolved_with(known: Place) -> None:
    known.keep("c", body_of(C, NEWER_C), fresh_s=300)
    known.keep("a", BODIES["a"], fresh_s=300)
    known.keep("b", BODIES["b"], fresh_s=300)
    assert known.resolve().versions == {"a": "1.0.0", "b": "1.0.0", "c": "1.1.0"}


def test_a_kept_packument_that_is_gone_is_asked_for(known: Place) -> None:
    Path(known.inputs().wants.packuments.address("c").cache_path).unlink()
    again = known.resolve()
    # the resolver works its way down
    assert list(again.wanted) == ["a", "b"]


def test_a_kept_packument_that_cannot_be_read_is_the_resolvers_to_judge(known: Place) -> None:
    path = Path(known.inputs().wants.packuments.address("c").cache_path)
    path.unlink()
    path.mkdir()
    again = known.resolve()
    # only who asks for c is told
    assert list(again.wanted) == ["a", "b"]


def test_what_changed_is_remembered_in_its_place(known: Place) -> None:
    again = known.resolve()
    again.send("c", body_of(C, NEWER_C))
    again.confirm("a")
    again.confirm("b")
    known.keep("c", body_of(C, NEWER_C))
    third = known.resolve()
    for name in ("a", "b", "c"):
        third.confirm(name)
    assert third.versions["c"] == "1.1.0"
    assert third.worker._resolver is None
    assert len(known.remembered) == 1


@pytest.mark.parametrize("damage", [lambda data: data[:-1], lambda data: b"", lambda data: data[:9] + b"?" + data[10:]])
def test_what_is_torn_is_worked_out_again(known: Place, damage: Callable[[bytes], bytes]) -> None:
    (file,) = known.remembered
    file.write_bytes(damage(file.read_bytes()))
    again = known.resolve()
    assert list(again.wanted) == ["a", "b"]


# -- what it depends on ---------------------------------------------------------------------------------------------


def key(place: Place, **flags: object) -> str | None:
    inputs = place.inputs(**flags)
    return resolution_key(inputs, inputs.options())


SETTINGS: list[dict[str, object]] = [
    {"legacy-peer-deps": True},
    {"strict-peer-deps": True},
    {"force": True},
    {"omit": ("dev",)},
    {"omit": ("dev", "optional")},
    {"install-strategy": "nested"},
    {"prefer-dedupe": True},
    {"install-links": True},
    {"engine-strict": True},
    {"tag": "next"},
    {"os": "win32"},
    {"cpu": "arm64"},
    {"libc": "musl"},
    {"registry": "https://other.example"},
    {"@a:registry": "https://other.example"},
    {"replace-registry-host": "never"},
    {"lockfile-version": 2},
    {"omit-lockfile-registry-resolved": True},
    {"allow-git": "none"},
]


def test_every_setting_that_decides_has_a_resolution_of_its_own(place: Place) -> None:
    keys = [key(place), *(key(place, **flags) for flags in SETTINGS)]
    assert None not in keys
    assert len(set(keys)) == len(keys)


def test_another_node_has_a_resolution_of_its_own(place: Place) -> None:
    before = key(place)
    place.install_node("22.0.0")
    assert key(place) not in (None, before)


def test_the_same_inputs_have_the_same_key(place: Place) -> None:
    assert key(place, omit=("dev", "optional", "peer")) == key(place, omit=("peer", "optional", "dev"))


def change_dependencies(place: Place) -> None:
    place.write("package.json", {**MANIFEST, "dependencies": {"b": "^1.0.0", "a": "^1.0.0"}})


def change_layout(place: Place) -> None:
    place.write("package.json", json.dumps(MANIFEST, indent=7))


def add_workspace(place: Place) -> None:
    place.write("package.json", {**MANIFEST, "workspaces": ["packages/*"]})
    place.write("packages/w/package.json", {"name": "w", "version": "1.0.0"})


def add_foreign_lock(place: Place) -> None:
    place.write("yarn.lock", f'# yarn lockfile v1\n\n\na@^1.0.0:\n  version "1.0.0"\n  resolved "{REGISTRY}/a.tgz"\n')


@pytest.mark.parametrize("change", [change_dependencies, change_layout, add_workspace, add_foreign_lock])
def test_every_file_that_decides_changes_the_key(place: Place, change: Callable[[Place], None]) -> None:
    before = key(place)
    change(place)
    assert key(place) not in (None, before)


def test_a_workspaces_manifest_changes_the_key(place: Place) -> None:
    add_workspace(place)
    before = key(place)
    place.write("packages/w/package.json", {"name": "w", "version": "1.0.0", "dependencies": {"a": "1"}})
    assert key(place) not in (None, before)


def with_lock(place: Place) -> None:
    place.write(
        "package-lock.json", {"name": "app", "lockfileVersion": 3, "requires": True, "packages": {"": MANIFEST}}
    )


def with_patch(place: Place) -> None:
    place.write("package.json", {**MANIFEST, "patchedDependencies": {"a@1.0.0": "a.patch"}})


def with_extension(place: Place) -> None:
    place.write("package.json", {**MANIFEST, "packageExtensions": {"a@1": {"dependencies": {"b": "1"}}}})


def with_number_without_end(place: Place) -> None:
    place.write("package.json", json.dumps({**MANIFEST, "much": 10**40}))


@pytest.mark.parametrize("change", [with_lock, with_patch, with_extension, with_number_without_end])
def test_what_follows_from_more_is_not_remembered(place: Place, change: Callable[[Place], None]) -> None:
    change(place)
    assert key(place) is None


def test_a_date_of_the_past_is_not_remembered(place: Place) -> None:
    assert key(place, before="2026-01-01") is None
    assert key(place, **{"min-release-age": 3}) is None


def test_a_folder_that_is_depended_on_is_looked_at_each_time(place: Place) -> None:
    place.write("package.json", {**MANIFEST, "dependencies": {"f": "file:folder"}})
    place.write("folder/package.json", {"name": "f", "version": "1.0.0"})
    assert place.resolve().done is not None
    assert place.remembered == []


def test_what_could_not_be_had_is_asked_for_each_time(place: Place) -> None:
    place.write("package.json", {"name": "app", "optionalDependencies": {"a": "1"}})
    first = place.resolve()
    first.refuse("a")
    assert first.done is not None
    assert place.remembered == []


# -- the memory -----------------------------------------------------------------------------------------------------


def test_a_store_that_cannot_be_written_remembers_nothing(known: Place) -> None:
    (file,) = known.remembered
    remembered = msgspec.msgpack.decode(read_sealed(str(file)), type=RememberedResolution)
    ResolutionMemory(known.store.folder, writable=False).remember("another", remembered)
    assert known.remembered == [file]


def test_a_store_remembers_a_bounded_number(known: Place) -> None:
    (file,) = known.remembered
    remembered = msgspec.msgpack.decode(read_sealed(str(file)), type=RememberedResolution)
    memory = ResolutionMemory(known.store.folder, writable=True)
    for number in range(40):
        memory.remember(f"key{number}", remembered)
    assert len(known.remembered) == 16


def test_that_it_cannot_be_remembered_is_told(place: Place) -> None:
    Path(place.store.folder, RESOLUTIONS).write_text("a file")
    first = place.resolve()
    while first.wanted:
        name = next(iter(first.wanted))
        first.send(name, BODIES[name])
    assert first.done is not None
    assert [line for line in first.done.warnings if line.startswith("could not remember the resolution in the store: ")]
