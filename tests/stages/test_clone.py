"""Placing packages: every byte, mode and folder of the index, by the method asked for, whole or not at all."""

from __future__ import annotations

import errno
import os
import resource
import subprocess
import sys
from pathlib import Path

import pytest
from support.entries import make_entry, modes, tree
from support.packages import PackedFile
from support.permissions import let_others_reach

from pmpipe.npm.texts.text import printable
from stages.channel import MAXIMUM_DATAGRAM_BYTES
from stages.clone import make_handler
from stages.entries.entry import INDEX_NAME
from stages.messages import Clone, Cloned, Damaged, Failed, JobId, Symlink, encode

FILES = {
    "package.json": b"{}",
    "bin/cli.js": PackedFile(b"#!/usr/bin/env node\n", 0o755),
    "lib/deep/er/index.js": b"x" * 1000,
    "lib/empty": b"",
    "node_modules/bundled/package.json": b'{"name": "bundled"}',
}
CONTENTS = {path: file.content if isinstance(file, PackedFile) else file for path, file in FILES.items()}
BYTES = sum(len(content) for content in CONTENTS.values())

pytestmark = pytest.mark.usefixtures("same_descriptors")


@pytest.fixture
def handle(users_umask):
    users_umask(0o077)
    return make_handler()


@pytest.fixture
def entry(tmp_path):
    return make_entry(tmp_path / "store" / "entry", FILES)


@pytest.fixture
def package(tmp_path):
    (tmp_path / "app").mkdir()
    return tmp_path / "app" / "node_modules" / "package"


def job(entry, destination, method="auto", only=(), *, replaces=False):
    return Clone(JobId(7), "package@1.0.0", entry, str(destination), method, tuple(only), replaces)


def clone(handle, *args, **kwargs):
    (result,) = handle(job(*args, **kwargs))
    return result


def files_of(folder: Path):
    return {path: content for path, content in tree(folder).items() if isinstance(content, bytes)}


@pytest.mark.parametrize("method", ["auto", "hardlink", "reflink", "copy"])
def test_places_all_files_of_the_index(handle, entry, package, method):
    result = clone(handle, entry, package, method)
    assert isinstance(result, Cloned)
    assert result.reflinked + result.hardlinked + result.copied == len(FILES)
    assert result.bytes == BYTES
    assert files_of(package) == CONTENTS


@pytest.mark.parametrize("method", ["hardlink", "copy"])
def test_modes_are_755_and_644_whatever_the_umask(handle, entry, package, method):
    clone(handle, entry, package, method)
    expected = dict.fromkeys(modes(package), 0o755) | dict.fromkeys(FILES, 0o644) | {"bin/cli.js": 0o755}
    assert modes(package) == expected
    assert (package.parent.stat().st_mode & 0o777, package.stat().st_mode & 0o777) == (0o755, 0o755)


def test_tells_any_number_of_packages_with_a_binding_gyp(handle, tmp_path, package):
    folders = [f"node_modules/{'bundled-' * 9}{number:04}" for number in range(2_000)]
    entry = make_entry(tmp_path / "store/many", {f"{folder}/binding.gyp": b"" for folder in folders})
    results = list(handle(job(entry, package)))
    assert all(isinstance(result, Cloned) and len(encode([result])) < MAXIMUM_DATAGRAM_BYTES for result in results)
    assert [result.more for result in results] == [True] * (len(results) - 1) + [False]
    assert sorted(folder for result in results for folder in result.gyp) == folders
    assert sum(result.hardlinked + result.copied for result in results) == len(folders)


def test_of_what_cannot_be_taken_away_again_some_is_named(handle, tmp_path, package, monkeypatch):
    paths = [f"{'a' * 200}-{number:04}" for number in range(1_000)]
    entry = make_entry(tmp_path / "store/many", dict.fromkeys(paths, b"") | {"last": b""})

    def refuse(path, **options):
        raise OSError(errno.EIO, "Input/output error", path)

    linked = os.link

    def link(source, target, **options):
        if source == b"last":
            raise OSError(errno.ENOSPC, "No space left on device", source)
        linked(source, target, **options)

    with monkeypatch.context() as patched:
        patched.setattr(os, "unlink", refuse)
        patched.setattr(os, "link", link)
        result = clone(handle, entry, package, "hardlink")
    assert isinstance(result, Failed)
    assert len(encode([result])) < MAXIMUM_DATAGRAM_BYTES
    assert result.details[0].startswith("left behind: ")
    assert result.details[-1] == "and 981 more"


def test_tells_the_packages_with_a_binding_gyp(handle, tmp_path, package):
    files = {
        "package.json": b"{}",
        "binding.gyp": b"{}",
        "src/binding.gyp": b"{}",
        "node_modules/a/binding.gyp": b"{}",
        "node_modules/a/src/binding.gyp": b"{}",
        "node_modules/a/node_modules/@s/b/binding.gyp": b"{}",
        "node_modules/@s/binding.gyp": b"{}",
        "node_modules/c/binding.gyp/d": b"",
    }
    result = clone(handle, make_entry(tmp_path / "store" / "native", files), package)
    assert sorted(result.gyp) == ["", "node_modules/a", "node_modules/a/node_modules/@s/b"]


def test_the_index_is_not_placed(handle, entry, package):
    clone(handle, entry, package)
    assert not (package / INDEX_NAME).exists()


def test_hardlinks_are_the_stores_files(handle, entry, package):
    result = clone(handle, entry, package, "hardlink")
    assert result == Cloned(JobId(7), 0, len(FILES), 0, BYTES)
    assert all(os.path.samefile(package / path, os.path.join(entry, path)) for path in FILES)


@pytest.mark.skipif(not hasattr(os, "setxattr"), reason="this Python has none: built with musl, for instance")
def test_copies_are_files_of_their_own_without_extended_attributes(handle, entry, package):
    os.setxattr(os.path.join(entry, "package.json"), "user.origin", b"store")
    result = clone(handle, entry, package, "copy")
    assert result == Cloned(JobId(7), 0, 0, len(FILES), BYTES)
    assert not any(os.path.samefile(package / path, os.path.join(entry, path)) for path in FILES)
    assert os.listxattr(package / "package.json") == []


@pytest.mark.parametrize("method", ["auto", "hardlink"])
def test_a_package_with_install_scripts_is_not_hardlinked(handle, tmp_path, package, method):
    entry = make_entry(tmp_path / "store" / "entry", FILES, has_install_script=True)
    result = clone(handle, entry, package, method)
    assert result.hardlinked == 0
    (package / "package.json").write_bytes(b"changed by a script")
    assert Path(entry, "package.json").read_bytes() == b"{}"


def test_large_files_are_copied_whole(handle, tmp_path, package):
    content = os.urandom(3 << 20)
    entry = make_entry(tmp_path / "store" / "entry", {"large": content})
    clone(handle, entry, package, "copy")
    assert (package / "large").read_bytes() == content


def test_a_large_file_is_copied_whole_when_the_kernel_copies_a_part_only(handle, tmp_path, package, monkeypatch):
    content = os.urandom(1 << 20)
    entry = make_entry(tmp_path / "store" / "entry", {"large": content})
    send = os.sendfile

    def refuse(*_: int) -> int:
        raise OSError(errno.EXDEV, "Invalid cross-device link")

    def send_a_part(target: int, source: int, offset: int, count: int) -> int:
        if offset:
            raise OSError(errno.EINVAL, "Invalid argument")
        return send(target, source, offset, 1000)

    monkeypatch.setattr(os, "copy_file_range", refuse)
    monkeypatch.setattr(os, "sendfile", send_a_part)
    assert isinstance(clone(handle, entry, package, "copy"), Cloned)
    assert (package / "large").read_bytes() == content


@pytest.mark.root
@pytest.mark.parametrize("method", ["auto", "hardlink", "reflink", "copy"])
def test_a_store_on_another_device_is_copied(handle, tmp_path, package, mounted, method):
    mounted(tmp_path / "store", "size=8m")
    content = os.urandom(1 << 20)
    entry = make_entry(tmp_path / "store" / "entry", {**FILES, "large": content})
    result = clone(handle, entry, package, method)
    assert result == Cloned(JobId(7), 0, 0, len(FILES) + 1, BYTES + len(content))
    assert files_of(package) == {**CONTENTS, "large": content}


def link_until_refused(file, folder, *, at_most):
    for number in range(at_most):
        try:
            os.link(file, folder / str(number))
        except OSError:
            return True
    return False


def test_a_file_past_the_link_limit_is_copied(handle, tmp_path, entry, package):
    crowd = tmp_path / "crowd"
    crowd.mkdir()
    crowded = os.path.join(entry, "package.json")
    if not link_until_refused(crowded, crowd, at_most=70_000):
        pytest.skip("this filesystem has no link limit below 70,000")
    result = clone(handle, entry, package, "hardlink")
    assert result == Cloned(JobId(7), 0, len(FILES) - 1, 1, BYTES)
    assert files_of(package) == CONTENTS


@pytest.mark.root
def test_files_that_may_not_be_hardlinked_are_copied(tmp_path, entry, package):
    protected = Path("/proc/sys/fs/protected_hardlinks")
    if os.geteuid() != 0 or protected.read_text().strip() != "1":
        pytest.skip("needs root, and a system that protects files from being hardlinked by strangers")
    package.parent.mkdir()
    let_others_reach(tmp_path)
    os.chown(package.parent, 65534, 65534)
    script = (
        "import os, sys; from stages.clone import make_handler; from stages.messages import *;"
        "os.setgid(65534); os.setuid(65534);"
        f"print(*make_handler()(Clone(JobId(7), 'p', {entry!r}, {str(package)!r}, 'auto', ())))"
    )
    ran = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=30)
    assert f"hardlinked=0, copied={len(FILES)}" in ran.stdout
    assert files_of(package) == CONTENTS


# -- what stands in the way ---------------------------------------------------------------------------------------


def test_parents_of_the_package_folder_are_made(handle, entry, tmp_path):
    destination = tmp_path / "app" / "node_modules" / "@scope" / "package"
    assert isinstance(clone(handle, entry, destination), Cloned)
    assert files_of(destination) == CONTENTS


@pytest.mark.parametrize("kind", ["link to a folder", "dangling link", "file"])
def test_a_link_or_file_in_place_of_the_package_folder_is_replaced_and_its_target_untouched(
    handle, entry, package, tmp_path, kind
):
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "kept").write_text("kept")
    package.parent.mkdir()
    if kind == "file":
        package.write_text("x")
    else:
        package.symlink_to(outside if kind == "link to a folder" else tmp_path / "absent")
    assert isinstance(clone(handle, entry, package), Cloned)
    assert not package.is_symlink()
    assert files_of(package) == CONTENTS
    assert tree(outside) == {"kept": b"kept"}


def test_nested_packages_that_are_there_stay(handle, entry, package):
    nested = package / "node_modules" / "nested"
    nested.mkdir(parents=True)
    (nested / "file").write_text("x")
    assert isinstance(clone(handle, entry, package), Cloned)
    assert files_of(package) == {**CONTENTS, "node_modules/nested/file": b"x"}


def test_what_the_package_around_it_has_brought_is_replaced(handle, entry, package):
    nested = package / "node_modules" / "nested"
    nested.mkdir(parents=True)
    (nested / "file").write_text("x")
    assert isinstance(clone(handle, entry, package, replaces=True), Cloned)
    assert files_of(package) == CONTENTS


def test_a_link_in_place_of_a_folder_within_the_package_is_replaced(handle, entry, package, tmp_path):
    outside = tmp_path / "outside"
    outside.mkdir()
    package.mkdir(parents=True)
    (package / "node_modules").symlink_to(outside)
    assert isinstance(clone(handle, entry, package), Cloned)
    assert files_of(package) == CONTENTS
    assert tree(outside) == {}


@pytest.mark.parametrize("method", ["hardlink", "copy"])
def test_a_file_that_is_already_there_fails_the_job_and_stays(handle, entry, package, method):
    (package / "lib").mkdir(parents=True)
    (package / "lib" / "empty").write_text("the user's")
    result = clone(handle, entry, package, method)
    assert isinstance(result, Failed)
    assert result.code == "PM_FILESYSTEM"
    assert result.what == f"package@1.0.0: cannot write {package}/lib/empty: File exists"
    assert tree(package) == {"lib": "/", "lib/empty": b"the user's"}


def test_a_file_in_place_of_the_parent_fails_the_job(handle, entry, package):
    package.parent.write_text("x")
    result = clone(handle, entry, package)
    assert isinstance(result, Failed)
    assert result.what.endswith(f"{package}: Not a directory")


# -- a store that is not as it should be --------------------------------------------------------------------------


def without_file(entry: Path):
    (entry / "lib/empty").unlink()


def without_folder(entry: Path):
    (entry / "lib/deep/er/index.js").unlink()
    (entry / "lib/deep/er").rmdir()


def folder_for_file(entry: Path):
    (entry / "lib/empty").unlink()
    (entry / "lib/empty").mkdir()


def file_for_folder(entry: Path):
    without_folder(entry)
    (entry / "lib/deep/er").write_text("x")


def without_index(entry: Path):
    (entry / INDEX_NAME).unlink()


def torn_index(entry: Path):
    content = (entry / INDEX_NAME).read_bytes()
    (entry / INDEX_NAME).write_bytes(content[: len(content) // 2])


def folder_for_index(entry: Path):
    without_index(entry)
    (entry / INDEX_NAME).mkdir()


def link_for_entry(entry: Path):
    entry.rename(entry.with_name("elsewhere"))
    entry.symlink_to("elsewhere")


def no_entry(entry: Path):
    entry.rename(entry.with_name("elsewhere"))


DAMAGES = [
    without_file,
    without_folder,
    folder_for_file,
    file_for_folder,
    without_index,
    torn_index,
    folder_for_index,
    link_for_entry,
    no_entry,
]


@pytest.mark.parametrize("method", ["hardlink", "copy"])
@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_entry_is_reported_and_nothing_of_it_stays(handle, entry, package, damage, method):
    package.parent.mkdir()
    damage(Path(entry))
    result = clone(handle, entry, package, method)
    assert isinstance(result, Damaged)
    assert result.what.startswith("package@1.0.0: ")
    assert tree(package.parent) == {}


def cut_file(entry: Path):
    (entry / "lib/deep/er/index.js").write_bytes(b"x")


def longer_file(entry: Path):
    with (entry / "lib/deep/er/index.js").open("ab") as file:
        file.write(b"x")


def link_for_file(entry: Path):
    (entry / "lib/empty").unlink()
    (entry / "lib/empty").symlink_to("/etc/hostname")


def test_no_hardlink_is_made_of_what_a_link_in_the_store_leads_to(handle, entry, package, tmp_path):
    secret = tmp_path / "secret"
    secret.write_text("mine")
    Path(entry, "lib/empty").unlink()
    Path(entry, "lib/empty").symlink_to(secret)
    clone(handle, entry, package, "hardlink")
    assert secret.stat().st_nlink == 1


@pytest.mark.parametrize("damage", [cut_file, longer_file, link_for_file])
def test_copying_sees_files_that_are_cut_off_or_longer_or_no_files(handle, entry, package, damage):
    package.parent.mkdir()
    damage(Path(entry))
    assert isinstance(clone(handle, entry, package, "copy"), Damaged)
    assert tree(package.parent) == {}


# -- a system that does not let us --------------------------------------------------------------------------------


@pytest.mark.root
def test_a_full_disk_fails_the_job_with_path_and_cause_and_leaves_nothing(handle, tmp_path, mounted):
    mounted(tmp_path / "app", "size=256k")
    entry = make_entry(tmp_path / "store" / "entry", {**FILES, "large": os.urandom(1 << 20)})
    result = clone(handle, entry, tmp_path / "app" / "package")
    assert isinstance(result, Failed)
    assert (result.code, result.cause) == ("PM_FILESYSTEM", "No space left on device")
    assert result.what == f"package@1.0.0: cannot write {tmp_path}/app/package/large: No space left on device"
    assert result.details == ()
    assert tree(tmp_path / "app") == {}


@pytest.mark.root
def test_no_inodes_left_fails_the_job_and_leaves_nothing(handle, entry, tmp_path, mounted):
    mounted(tmp_path / "app", "size=1m,nr_inodes=6")
    result = clone(handle, entry, tmp_path / "app" / "package")
    assert isinstance(result, Failed)
    assert result.cause == "No space left on device"
    assert tree(tmp_path / "app") == {}


@pytest.mark.root
def test_a_read_only_project_fails_the_job(handle, entry, tmp_path, mounted):
    mounted(tmp_path / "app", "ro")
    result = clone(handle, entry, tmp_path / "app" / "package")
    assert isinstance(result, Failed)
    assert result.what == f"package@1.0.0: cannot write {tmp_path}/app/package: Read-only file system"


@pytest.mark.parametrize("free", [0, 1, 2, 3])
def test_no_descriptors_left_fails_the_job_and_leaves_nothing(handle, entry, package, free):
    package.parent.mkdir()
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    next_descriptor = os.open("/", os.O_RDONLY)
    os.close(next_descriptor)
    resource.setrlimit(resource.RLIMIT_NOFILE, (next_descriptor + free, hard))
    try:
        result = clone(handle, entry, package, "copy")
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert isinstance(result, Failed)
    assert (result.cause, result.hint) == (os.strerror(errno.EMFILE), "raise the limit of open files (ulimit -n)")
    assert tree(package.parent) == {}


# -- only some files ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", ["auto", "copy"])
def test_restores_just_the_files_asked_for(handle, entry, package, method):
    clone(handle, entry, package, "copy")
    (package / "lib/deep/er/index.js").unlink()
    (package / "package.json").write_bytes(b"edited")
    (package / "bin/cli.js").write_bytes(b"edited too")
    result = clone(handle, entry, package, method, only=["lib/deep/er/index.js", "package.json"])
    assert isinstance(result, Cloned)
    assert result.reflinked + result.hardlinked + result.copied == 2
    assert files_of(package) == {**CONTENTS, "bin/cli.js": b"edited too"}


def test_restoring_makes_missing_folders_and_replaces_what_is_none(handle, entry, package, tmp_path):
    outside = tmp_path / "outside"
    (outside / "er").mkdir(parents=True)
    clone(handle, entry, package)
    subprocess.run(["rm", "-r", package / "lib/deep", package / "bin"], check=True)
    (package / "lib/deep").symlink_to(outside)
    result = clone(handle, entry, package, only=["lib/deep/er/index.js", "bin/cli.js"])
    assert isinstance(result, Cloned)
    assert files_of(package) == CONTENTS
    assert tree(outside) == {"er": "/"}


def test_restoring_removes_a_folder_that_stands_where_a_file_should(handle, entry, package):
    clone(handle, entry, package)
    (package / "package.json").unlink()
    (package / "package.json" / "full").mkdir(parents=True)
    clone(handle, entry, package, only=["package.json"])
    assert files_of(package) == CONTENTS


def test_restoring_into_a_missing_package_folder_makes_it(handle, entry, package):
    assert isinstance(clone(handle, entry, package, only=["bin/cli.js"]), Cloned)
    assert files_of(package) == {"bin/cli.js": CONTENTS["bin/cli.js"]}


def test_restoring_does_not_write_through_a_hardlink(handle, entry, package):
    clone(handle, entry, package, "hardlink")
    clone(handle, entry, package, "copy", only=["package.json"])
    assert not os.path.samefile(package / "package.json", os.path.join(entry, "package.json"))
    assert Path(entry, "package.json").read_bytes() == b"{}"


def test_a_file_that_the_index_lacks_is_a_bug(handle, entry, package):
    with pytest.raises(ValueError, match="has not all of the files"):
        clone(handle, entry, package, only=["absent"])


# -- names and wrong jobs -----------------------------------------------------------------------------------------


def test_names_with_control_characters_are_placed_and_written_out_in_messages(handle, tmp_path, package):
    name = "odd\n\x1b[31m näme"
    entry = make_entry(tmp_path / "store" / "entry", {name: b"x"})
    assert isinstance(clone(handle, entry, package), Cloned)
    assert files_of(package) == {name: b"x"}
    again = clone(handle, entry, package)
    assert isinstance(again, Failed)
    assert again.what == f"package@1.0.0: cannot write {package}/{printable(name)}: File exists"
    assert again.what.isprintable()


@pytest.mark.parametrize("wrong", ["junction", ""])
def test_an_unknown_method_is_a_bug(handle, entry, package, wrong):
    with pytest.raises(ValueError, match="no clone method"):
        clone(handle, entry, package, wrong)


def test_a_job_of_another_stage_is_a_bug(handle):
    with pytest.raises(TypeError, match="no Symlink jobs"):
        list(handle(Symlink(JobId(1), "p", "/a", "/b")))
