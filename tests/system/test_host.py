"""What this host is: cores, memory, platform, programs."""

from __future__ import annotations

import os
import sys
from typing import NamedTuple

import psutil
import pytest
from npm.asking_npm import ask_npm

from pmpipe.system import host
from pmpipe.system.programs import find_program


def write(root, files):
    for path, text in files.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_bytes(text if isinstance(text, bytes) else text.encode())
    return str(root)


@pytest.fixture
def many_cores(monkeypatch):
    monkeypatch.setattr(os, "sched_getaffinity", lambda _pid: set(range(64)))


# -- cores


def test_cores_are_those_of_the_affinity(tmp_path, monkeypatch):
    monkeypatch.setattr(os, "sched_getaffinity", lambda _pid: {1, 5, 7})
    assert host.usable_cores(str(tmp_path)) == 3


@pytest.mark.parametrize(("quota", "cores"), [("max 100000", 64), ("150000 100000", 2), ("10000 100000", 1), ("", 64)])
@pytest.mark.usefixtures("many_cores")
def test_quota_of_the_own_group_counts(tmp_path, quota, cores):
    root = write(tmp_path, {"proc/self/cgroup": "0::/a/b\n", "sys/fs/cgroup/a/b/cpu.max": quota})
    assert host.usable_cores(root) == cores


@pytest.mark.usefixtures("many_cores")
def test_tightest_quota_on_the_way_up_counts(tmp_path):
    files = {"proc/self/cgroup": "0::/a/b\n", "sys/fs/cgroup/a/b/cpu.max": "800000 100000"}
    files |= {"sys/fs/cgroup/a/cpu.max": "300000 100000", "sys/fs/cgroup/cpu.max": "max 100000"}
    assert host.usable_cores(write(tmp_path, files)) == 3


@pytest.mark.usefixtures("many_cores")
def test_quota_of_a_first_version_group_counts(tmp_path):
    group = "sys/fs/cgroup/cpu"
    files = {"proc/self/cgroup": "5:memory:/\n4:cpu,cpuacct:/docker/abc\n0::/\n"}
    files |= {f"{group}/cpu.cfs_quota_us": "400000\n", f"{group}/cpu.cfs_period_us": "100000\n"}
    assert host.usable_cores(write(tmp_path, files)) == 4
    (tmp_path / group / "cpu.cfs_quota_us").write_text("-1\n")
    assert host.usable_cores(str(tmp_path)) == 64


@pytest.mark.usefixtures("many_cores")
def test_group_path_cannot_lead_out_of_the_mount(tmp_path):
    files = {"proc/self/cgroup": "0::/../../a\n", "sys/fs/cgroup/a/cpu.max": "200000 100000", "sys/a/cpu.max": "1 1"}
    assert host.usable_cores(write(tmp_path, files)) == 2


# -- memory


def test_memory_is_the_hosts_without_a_limit(tmp_path):
    physical = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    files = {"proc/self/cgroup": "0::/a\n9:memory:/b\n", "sys/fs/cgroup/a/memory.max": "max\n"}
    files |= {"sys/fs/cgroup/memory/b/memory.limit_in_bytes": "9223372036854771712\n"}
    assert host.memory_limit_bytes(write(tmp_path, files)) == physical


@pytest.mark.parametrize(
    ("group", "file"),
    [("0::/a", "sys/fs/cgroup/a/memory.max"), ("9:memory:/a", "sys/fs/cgroup/memory/a/memory.limit_in_bytes")],
)
def test_memory_limit_of_a_group_counts(tmp_path, group, file):
    root = write(tmp_path, {"proc/self/cgroup": f"{group}\n", file: "1048576\n"})
    assert host.memory_limit_bytes(root) == 1048576


# -- workers


@pytest.mark.parametrize(
    ("cores", "gibibytes", "extract", "clone"),
    [(1, 8, 1, 1), (2, 8, 2, 2), (8, 16, 8, 8), (8, 1, 1, 8), (64, 256, 16, 16), (2, 0, 1, 2)],
)
def test_workers_follow_cores_and_memory(cores, gibibytes, extract, clone):
    counts = host.worker_counts(cores, gibibytes << 30)
    assert counts == host.WorkerCounts(fetch=1, extract=extract, clone=clone, link=1)


# -- platform


@pytest.mark.parametrize(
    ("machine", "is_64_bit", "cpu"),
    [
        ("x86_64", True, "x64"),
        ("AMD64", True, "x64"),
        ("x86_64", False, "ia32"),
        ("i686", False, "ia32"),
        ("aarch64", True, "arm64"),
        ("arm64", True, "arm64"),
        ("aarch64", False, "arm"),
        ("armv7l", False, "arm"),
        ("armv8l", False, "arm"),
        ("ppc64le", True, "ppc64"),
        ("s390x", True, "s390x"),
        ("riscv64", True, "riscv64"),
        ("loongarch64", True, "loong64"),
    ],
)
def test_machine_has_nodes_name(machine, is_64_bit, cpu):
    assert host.node_cpu(machine, is_64_bit) == cpu


@pytest.mark.parametrize(("name", "node"), [("linux", "linux"), ("freebsd14", "freebsd"), ("darwin", "darwin")])
def test_system_has_nodes_name(name, node):
    assert host.node_os(name) == node


def elf(interpreter, *, is_64_bit=True, order="little"):
    """A program header table with a PT_NOTE and a PT_INTERP entry, as small as it gets."""
    word = 8 if is_64_bit else 4
    head, entry = (64, 56) if is_64_bit else (52, 32)
    start = head + 2 * entry
    content = bytearray(start)
    content[:6] = b"\x7fELF" + bytes([2 if is_64_bit else 1, 1 if order == "little" else 2])

    def put(offset, size, value):
        content[offset : offset + size] = value.to_bytes(size, order)

    put(32 if is_64_bit else 28, word, head)
    put(54 if is_64_bit else 42, 2, entry)
    put(56 if is_64_bit else 44, 2, 2)
    put(head, 4, 4)
    put(head + entry, 4, 3)
    put(head + entry + (8 if is_64_bit else 4), word, start)
    put(head + entry + (32 if is_64_bit else 16), word, len(interpreter) + 1)
    return bytes(content) + interpreter.encode() + b"\x00"


@pytest.mark.parametrize("is_64_bit", [True, False])
@pytest.mark.parametrize("order", ["little", "big"])
def test_finds_the_loader_of_a_program(tmp_path, is_64_bit, order):
    (tmp_path / "program").write_bytes(elf("/lib/ld-musl-x86_64.so.1", is_64_bit=is_64_bit, order=order))
    assert host.elf_interpreter(str(tmp_path / "program")) == "/lib/ld-musl-x86_64.so.1"


@pytest.mark.parametrize(
    "content", [b"", b"#!/bin/sh\n", b"\x7fELF", b"\x7fELF\x02\x01", b"\x7fELF\x02\x01" + b"\xff" * 100]
)
def test_program_that_is_no_elf_file_has_no_loader(tmp_path, content):
    (tmp_path / "program").write_bytes(content)
    assert host.elf_interpreter(str(tmp_path / "program")) == ""
    assert host.elf_interpreter(str(tmp_path / "missing")) == ""


@pytest.mark.parametrize(
    ("files", "libc"),
    [
        ({"usr/bin/ldd": "musl libc (x86_64)"}, "musl"),
        ({"usr/bin/ldd": '#!/bin/sh\nexec /lib/ld-musl-x86_64.so.1 --list -- "$@"\n'}, "musl"),  # Alpine's
        ({"usr/bin/ldd": "# This file is part of the GNU C Library."}, "glibc"),
        ({"usr/bin/ldd": "#!/bin/sh"}, ""),
        ({"program": elf("/lib/ld-musl-aarch64.so.1")}, "musl"),
        ({"program": elf("/lib64/ld-linux-x86-64.so.2")}, "glibc"),
        ({"program": elf("/lib64/ld64.so.2")}, "glibc"),
        ({"lib/ld-musl-x86_64.so.1": ""}, "musl"),
        ({"lib/libc.so": ""}, ""),
        ({}, ""),
    ],
)
@pytest.mark.skipif(sys.platform != "linux", reason="only Linux has a choice of C libraries")
def test_libc_is_recognised_without_starting_a_program(tmp_path, files, libc):
    assert host.platform(write(tmp_path, files), str(tmp_path / "program")).libc == libc


@pytest.mark.npm
def test_platform_is_the_one_that_npm_sees():
    (expected,) = ask_npm("ask_config.cjs", [{"ask": "host"}])
    here = host.platform()
    assert {"os": here.os, "cpu": here.cpu, "libc": here.libc} == expected


# -- programs


def test_program_is_found_on_the_path(tmp_path):
    for name, mode in (("first", 0o644), ("second", 0o755)):
        (tmp_path / name).mkdir()
        (tmp_path / name / "tool").write_text("")
        (tmp_path / name / "tool").chmod(mode)
    environ = {"PATH": f"{tmp_path}/missing:{tmp_path}/first:{tmp_path}/second"}
    assert find_program("tool", environ) == str(tmp_path / "second" / "tool")
    assert find_program("other", environ) is None


def program(folder, text):
    folder.mkdir(exist_ok=True)
    (folder / "node").write_text(f"#!/bin/sh\n{text}\n")
    (folder / "node").chmod(0o755)
    return {"PATH": f"{folder}:/usr/bin:/bin"}


def test_version_of_node_is_read_without_its_letter(tmp_path):
    assert host.node_version(program(tmp_path / "bin", "echo v20.1.0")) == "20.1.0"


@pytest.mark.parametrize("text", ["exit 1", "echo", "printf '\\377'"])
def test_node_that_does_not_answer_is_none(tmp_path, text):
    assert host.node_version(program(tmp_path / "bin", text)) is None


def test_node_that_is_killed_is_asked_once_more(tmp_path):
    once = f"mkdir {tmp_path}/asked || {{ echo v20.1.0; exit; }}; kill -9 $$"
    assert host.node_version(program(tmp_path / "bin", once)) == "20.1.0"
    assert host.node_version(program(tmp_path / "crashing", "kill -9 $$")) is None


def test_no_node_has_no_version(tmp_path):
    assert host.node_version({"PATH": str(tmp_path)}) is None


class Mount(NamedTuple):
    """What psutil tells of one, as far as it matters."""

    mountpoint: str
    fstype: str


class Device(NamedTuple):
    """What stat tells, as far as it matters."""

    st_dev: int


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/", False),
        ("/home", False),
        ("/home/user/store", True),
        ("/home/username", False),
        ("/home/user/scratch/store", False),
        ("/mnt/a/store", True),
        ("/mnt/b", False),
    ],
)
def test_deepest_mount_tells_whether_a_folder_is_on_the_network(monkeypatch, path, expected):
    mounts = [
        Mount("/", "ext4"),
        Mount("/home/user", "nfs4"),
        Mount("/home/user/scratch", "xfs"),
        Mount("/mnt/a", "fuse.something"),
        Mount("/mnt/b", "nfs"),
        Mount("/mnt/b", "tmpfs"),
    ]
    monkeypatch.setattr(psutil, "disk_partitions", lambda **_: mounts)
    monkeypatch.setattr(os.path, "realpath", lambda asked: asked)
    monkeypatch.setattr(os, "stat", lambda _: Device(os.makedev(0, 40)))
    assert host.is_on_network(path) is expected


def test_folder_of_no_known_mount_may_be_anywhere(monkeypatch):
    monkeypatch.setattr(psutil, "disk_partitions", lambda **_: [])
    monkeypatch.setattr(os, "stat", lambda _: Device(os.makedev(0, 40)))
    assert host.is_on_network("/")


def test_block_device_is_this_hosts_own_whatever_the_mounts_are(monkeypatch):
    # in a chroot the list of mounts lacks the one below its root
    monkeypatch.setattr(psutil, "disk_partitions", lambda **_: [])
    monkeypatch.setattr(os, "stat", lambda _: Device(os.makedev(254, 0)))
    assert not host.is_on_network("/")
